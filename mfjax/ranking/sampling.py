"""Negative sampling: items that a user has not taken, drawn exactly. `mfjax.ranking.sampler` says what a sampler is.

A sampler holds the positives, and gives a positive of the user no weight unless it is told to keep them. What counts as
one is that it is listed: the values of the lists are not read, so that they may hold all that a user is known to have
seen.

All makers of samplers raise ValueError for positives that are no `Ragged`, and a sampler for words, users or items that
do not fit it; while a program is traced only their dtypes and shapes are looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfjax import checks
from mfjax.histories import Ragged
from mfjax.ranking import complement, streams
from mfjax.ranking.complement import Complement, check_lists
from mfjax.ranking.sampler import Negatives, Sampler, Score, check_sampler
from mfjax.types import Array

FalseNegatives = Literal["exclude", "skip", "keep"]


def _checked(sizes: tuple[int, int], words: Array, width: int, users: Array, items: Array) -> tuple[Array, Array]:
    """Return the users and items that a sampler is called with, as ids of its tables."""
    users = checks.ids("users", users, sizes[0], "the sampler's users")
    items = checks.ids("items", items, sizes[1], "the sampler's items")
    checks.shape("users", users, (None,), "pass the user of each example")
    checks.shape("items", items, users.shape, "pass the positive item of each example")
    streams.check_words("words", words, (*users.shape, width))
    return users, items


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Unseen:
    """Draws `num` (static) items outside the user's positives with replacement; see `complement.Complement`."""

    complement: Complement
    num: int = field(metadata={"static": True})

    @property
    def width(self) -> int:
        return self.num

    @property
    def sizes(self) -> tuple[int, int]:
        return self.complement.offsets.shape[-1] - 1, self.complement.num_items

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        users, _ = _checked(self.sizes, words, self.width, users, items)
        ids, mass, left = complement.draw(self.complement, words, users)
        total = self.complement.total
        weights = left[:, None].astype(jnp.float32) / (self.num * mass.astype(jnp.float32))
        weights = jnp.broadcast_to(jnp.where(left[:, None] > 0, weights, 0.0), ids.shape)
        return Negatives(ids, weights, (total - left).astype(jnp.float32) / total.astype(jnp.float32))


def uniform(positives: Ragged, *, num: int = 1, false_negatives: FalseNegatives = "exclude") -> Sampler:
    """Return a sampler that draws `num` of the user's unseen items, all equally likely.

    Args:
        positives: the items that each user has taken (row = user id).
        num: draws of each example.
        false_negatives: "exclude" draws around the user's positives; "skip" draws from the whole catalogue and gives
            a positive of the user the weight 0, so that active users train less; "keep" does not look.

    Raises:
        ValueError: for positives of another kind, fewer than one draw, or an unknown rule.

    Source: Rendle et al. (2009), section 5. Drawing around the positives is ours; the library implicit skips.
    """
    return _drawn(positives, None, num, false_negatives)


def weighted(
    positives: Ragged, weights: Array, *, num: int = 1, false_negatives: FalseNegatives = "exclude"
) -> Sampler:
    """Return a sampler that draws unseen items with probability proportional to `weights` float [num_items].

    What weights may be, precision and zero weights as in `complement.build`; other arguments and errors as in
    `uniform`.
    """
    checks.shape("weights", weights, (None,), "pass one weight for each item")
    return _drawn(positives, weights, num, false_negatives)


def popularity(
    positives: Ragged, *, beta: Array | float = 0.75, num: int = 1, false_negatives: FalseNegatives = "exclude"
) -> Sampler:
    r"""Return a sampler that draws unseen items by their popularity; arguments as in `uniform`.

    .. math:: q_i \propto c_i^\beta

    where c_i counts the positives of item i; an item without positives is never drawn (unless beta = 0).

    Raises:
        ValueError: as `uniform`; for a beta that is not finite, or under which a weight is not.

    Source: Mikolov et al. (2013), Distributed representations of words, section 2.2, for beta = 3/4. The library
    implicit has beta = 1.
    """
    check_lists("positives", positives)
    checks.number("beta", beta)
    checks.shape("beta", beta, (), "pass one number, or vmap over several")
    weights = _item_counts(positives) ** jnp.asarray(beta, jnp.float32)
    seen = checks.seen(weights)
    if seen is not None and not np.isfinite(seen).all():
        item = int(np.flatnonzero(~np.isfinite(seen))[0])
        raise ValueError(f"beta: {beta} makes the weight of item {item} infinite; pass a beta between 0 and 1")
    return _drawn(positives, weights, num, false_negatives)


def _drawn(positives: Ragged, weights: Array | None, num: int, false_negatives: FalseNegatives) -> Sampler:
    check_lists("positives", positives)
    checks.whole("num", num, remedy="pass the number of negatives an example")
    checks.choice("false_negatives", false_negatives, _RULES)
    return _RULES[false_negatives](positives, weights, num)


def _excluded(positives: Ragged, weights: Array | None, num: int) -> Sampler:
    return Unseen(complement.build(positives, weights), num)


def _kept(positives: Ragged, weights: Array | None, num: int) -> Unseen:
    nothing = Ragged(
        jnp.zeros_like(positives.offsets), positives.ids[:1], positives.values[:1], positives.num_columns, longest=1
    )
    return Unseen(complement.build(nothing, weights), num)


def _skipped(positives: Ragged, weights: Array | None, num: int) -> Sampler:
    return Checked(_kept(positives, weights, num), positives)


_RULES: dict[FalseNegatives, Callable[[Ragged, Array | None, int], Sampler]] = {
    "exclude": _excluded,
    "skip": _skipped,
    "keep": _kept,
}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Checked:
    """Gives the draws of `sampler` that are positives of the user the weight 0; one binary search a draw."""

    sampler: Unseen
    positives: Ragged

    @property
    def width(self) -> int:
        return self.sampler.width

    @property
    def sizes(self) -> tuple[int, int]:
        return self.sampler.sizes

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        ids, weights, _ = self.sampler(words, users, items, score)
        taken = complement.contains(self.positives, users, ids)
        return Negatives(ids, jnp.where(taken, 0.0, weights), jnp.mean(taken, axis=1, dtype=jnp.float32))


def _item_counts(positives: Ragged) -> Array:
    real = jnp.arange(positives.ids.shape[0]) < positives.offsets[-1]
    counts = jnp.zeros(positives.num_columns, jnp.int32).at[positives.ids].add(real.astype(jnp.int32))
    return counts.astype(jnp.float32)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InBatch:
    """Takes the positives of the other examples of the batch; see `in_batch`."""

    positives: Ragged
    popularity: Array  # float32 [num_items], q

    @property
    def width(self) -> int:
        return 0

    @property
    def sizes(self) -> tuple[int, int]:
        return self.positives.num_rows, self.positives.num_columns

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        users, items = _checked(self.sizes, words, self.width, users, items)
        batch = users.shape[0]
        others = ~jnp.eye(batch, dtype=bool)
        taken = complement.contains(self.positives, users, jnp.broadcast_to(items[None, :], (batch, batch)))
        draws = max(batch - 1, 1)
        probable = self.popularity[items]
        weights = jnp.where(probable > 0, 1 / jnp.where(probable > 0, draws * probable, 1.0), 0.0)
        rejected = jnp.sum(others & taken, axis=1, dtype=jnp.float32) / draws
        return Negatives(items, jnp.where(others & ~taken, weights[None, :], 0.0), rejected)


def in_batch(positives: Ragged) -> InBatch:
    r"""Return the sampler whose negatives are the positives of the other examples of the batch.

    .. math:: q_i = c_i / n, \qquad weight_i = 1 / ((batch - 1)\, q_i)

    Positives of the user get the weight 0, found by one binary search for each pair of the batch, and so do items that
    are nobody's positives. What an example is compared with depends on its batch; the positives themselves do not.

    Example:
        >>> from mfjax.ranking.sampler import no_scores
        >>> positives = Ragged(jnp.array([0, 1, 3]), jnp.array([0, 0, 1]), jnp.ones(3), num_columns=2, longest=2)
        >>> no_words, users, items = jnp.zeros((2, 0), jnp.uint32), jnp.array([0, 1]), jnp.array([0, 1])
        >>> in_batch(positives)(no_words, users, items, no_scores).weights.tolist()
        [[0.0, 3.0], [0.0, 0.0]]

    Source: Yi et al. (2019), Sampling-bias-corrected neural modeling, section 3. The positive itself carries no
    correction here, since it is always in the sum; false negatives are removed, there they stay.
    """
    check_lists("positives", positives)
    counts = _item_counts(positives)
    return InBatch(positives, counts / jnp.maximum(counts.sum(), 1.0))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Everything:
    """Every unseen item is a negative, once: no randomness, batch * num_items scores. For small catalogues."""

    positives: Ragged

    @property
    def width(self) -> int:
        return 0

    @property
    def sizes(self) -> tuple[int, int]:
        return self.positives.num_rows, self.positives.num_columns

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        users, _ = _checked(self.sizes, words, self.width, users, items)
        num_items = self.positives.num_columns
        ids, _, mask = self.positives.rows(users)  # [batch, longest]
        row = jnp.arange(users.shape[0])[:, None]
        # Padding is sent past the last item, where "drop" ignores it.
        weights = jnp.ones((users.shape[0], num_items), jnp.float32)
        weights = weights.at[row, jnp.where(mask, ids, num_items)].set(0.0, mode="drop")
        rejected = jnp.mean(weights == 0, axis=1, dtype=jnp.float32)
        return Negatives(jnp.arange(num_items, dtype=jnp.int32), weights, rejected)


def everything(positives: Ragged) -> Everything:
    """Return the sampler whose negatives are all the items that the user has not taken (row = user id)."""
    check_lists("positives", positives)
    return Everything(positives)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hard:
    """Keeps the `num` (static) highest-scored of the negatives that `sampler` draws; see `hard`."""

    sampler: Sampler
    num: int = field(metadata={"static": True})

    @property
    def width(self) -> int:
        return self.sampler.width

    @property
    def sizes(self) -> tuple[int, int] | None:
        return getattr(self.sampler, "sizes", None)

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        drawn = self.sampler(words, users, items, score)
        if self.num > drawn.weights.shape[1]:
            raise ValueError(f"num: {self.num} cannot be kept of {drawn.weights.shape[1]} negatives; draw more")
        scores = jnp.where(drawn.weights > 0, lax.stop_gradient(score(users, drawn.ids)), -jnp.inf)
        best, lane = lax.top_k(scores, self.num)
        ids = jnp.take_along_axis(jnp.broadcast_to(drawn.ids, scores.shape), lane, axis=1)
        real = best > -jnp.inf
        return Negatives(jnp.where(real, ids, 0), real.astype(jnp.float32), drawn.rejected)


def hard(sampler: Sampler, *, num: int = 1) -> Hard:
    """Return the sampler that keeps the `num` highest-scored negatives of `sampler`; ties go to the first drawn.

    What is kept stands for itself: weight 1.

    Raises:
        ValueError: for a sampler of another kind, or fewer than one; when it is called, for more than are drawn.

    Source: Zhang et al. (2013), Optimizing top-N collaborative filtering via dynamic negative item sampling.
    """
    check_sampler(sampler)
    checks.whole("num", num, remedy="pass the number of negatives to keep")
    return Hard(sampler, num)


SAMPLERS: dict[str, Callable[[Ragged], Sampler]] = {
    "uniform": uniform,
    "popularity": popularity,
    "in_batch": in_batch,
    "everything": everything,
}
"""Samplers that need the positives alone, by name."""
