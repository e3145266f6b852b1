"""Negative sampling: items that a user has not taken, drawn exactly.

A sampler is a pytree that is called for a batch of examples as `sampler(words, users, items, score)`:

    words   uint32 [batch, sampler.width], random (see `streams.words`)
    users   int32 [batch]
    items   int32 [batch], the positive item of each example
    score   (users [batch], ids [batch, m] or [m]) -> float [batch, m], the model's scores

It holds the positives, and gives a positive of the user no weight unless it is told to keep them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import lax

from mfjax import complement, streams
from mfjax.complement import Complement
from mfjax.histories import Ragged
from mfjax.types import Array, Key

Score = Callable[[Array, Array], Array]


class Negatives(NamedTuple):
    """Negatives of a batch of examples.

    Attributes:
        ids: int32 [batch, m], or [m] when all examples share them; id 0 where nothing could be drawn.
        weights: float32 [batch, m], how many unseen items a draw stands for, 1 / (m q) with q its probability;
            0 = not real (a false negative, or a user who has seen every item). The sum of weights * f(id) estimates
            the sum of f over all unseen items without bias; log(weights) is the log-q correction.
        rejected: float32 [batch], the share of the draws that would have been false negatives (its expectation, where
            the sampler avoids them), had they ignored the user's positives.
    """

    ids: Array
    weights: Array
    rejected: Array


class Sampler(Protocol):
    """What `ranking` needs of a sampler: the random words of an example, and the call described above."""

    @property
    def width(self) -> int: ...

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives: ...


def draw(key: Key, sampler: Sampler, users: Array, *, step: Array | int = 0) -> Negatives:
    """Return negatives of a batch of users, at the positions step * batch .. of the stream of `key`.

    For samplers that need neither the positive items nor scores.

    Example:
        >>> positives = Ragged(jnp.array([0, 2, 3]), jnp.array([0, 2, 1]), jnp.ones(3), num_columns=3, longest=2)
        >>> draw(jax.random.key(0), uniform(positives, num=2), jnp.array([0])).ids.tolist()
        [[1, 1]]
    """
    words = streams.words(key, step, users.shape[0], sampler.width)
    return sampler(words, users, jnp.zeros_like(users), lambda users, ids: jnp.zeros((users.shape[0], ids.shape[-1])))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Unseen:
    """Draws `num` (static) items outside the user's positives with replacement; see `complement.Complement`."""

    complement: Complement
    num: int = field(metadata={"static": True})

    @property
    def width(self) -> int:
        return self.num

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        ids, mass, left = complement.draw(self.complement, words, users)
        total = self.complement.total
        weights = left[:, None].astype(jnp.float32) / (self.num * mass.astype(jnp.float32))
        weights = jnp.broadcast_to(jnp.where(left[:, None] > 0, weights, 0.0), ids.shape)
        return Negatives(ids, weights, (total - left).astype(jnp.float32) / total.astype(jnp.float32))


FALSE_NEGATIVES = ("exclude", "skip", "keep")


def uniform(positives: Ragged, *, num: int = 1, false_negatives: str = "exclude") -> Sampler:
    """Return a sampler that draws `num` of the user's unseen items, all equally likely.

    Args:
        positives: the items that each user has taken (row = user id).
        num: draws of each example.
        false_negatives: "exclude" draws around the user's positives; "skip" draws from the whole catalogue and gives
            a positive of the user the weight 0, so that active users train less; "keep" does not look.

    Raises:
        ValueError: for fewer than one draw, or an unknown rule.

    Source: Rendle et al. (2009), section 5. Drawing around the positives is ours; the library implicit skips.
    """
    return _drawn(positives, None, num, false_negatives)


def weighted(positives: Ragged, weights: Array, *, num: int = 1, false_negatives: str = "exclude") -> Sampler:
    """Return a sampler that draws unseen items with probability proportional to `weights` float [num_items].

    Precision and zero weights as in `complement.build`; other arguments and errors as in `uniform`.
    """
    return _drawn(positives, weights, num, false_negatives)


def popularity(
    positives: Ragged, *, beta: Array | float = 0.75, num: int = 1, false_negatives: str = "exclude"
) -> Sampler:
    r"""Return a sampler that draws unseen items by their popularity; arguments as in `uniform`.

    .. math:: q_i \propto c_i^\beta

    where c_i counts the positives of item i; an item without positives is never drawn (unless beta = 0).

    Source: Mikolov et al. (2013), Distributed representations of words, section 2.2, for beta = 3/4. The library
    implicit has beta = 1.
    """
    weights = _item_counts(positives) ** jnp.asarray(beta, jnp.float32)
    return _drawn(positives, weights, num, false_negatives)


def _drawn(positives: Ragged, weights: Array | None, num: int, false_negatives: str) -> Sampler:
    num = _at_least_one(num)
    if false_negatives not in FALSE_NEGATIVES:
        known = ", ".join(map(repr, FALSE_NEGATIVES))
        raise ValueError(f"false_negatives: {false_negatives!r} is unknown; pass one of {known}")
    if false_negatives == "exclude":
        return Unseen(complement.build(positives, weights), num)
    nothing = Ragged(
        jnp.zeros_like(positives.offsets), positives.ids[:1], positives.values[:1], positives.num_columns, longest=1
    )
    anything = Unseen(complement.build(nothing, weights), num)
    return anything if false_negatives == "keep" else Checked(anything, positives)


def _at_least_one(num: int) -> int:
    if num < 1:
        raise ValueError(f"num: {num} negatives an example; pass at least 1")
    return num


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Checked:
    """Gives the draws of `sampler` that are positives of the user the weight 0; one binary search a draw."""

    sampler: Unseen
    positives: Ragged

    @property
    def width(self) -> int:
        return self.sampler.width

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        ids, weights, _ = self.sampler(words, users, items, score)
        taken = complement.contains(self.positives, users, ids)
        return Negatives(ids, jnp.where(taken, 0.0, weights), jnp.mean(taken, axis=1))


def _item_counts(positives: Ragged) -> Array:
    real = jnp.arange(positives.ids.shape[0]) < positives.offsets[-1]
    return jnp.zeros(positives.num_columns).at[positives.ids].add(jnp.where(real, 1.0, 0.0))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InBatch:
    """Takes the positives of the other examples of the batch; see `in_batch`."""

    positives: Ragged
    popularity: Array  # float32 [num_items], q

    @property
    def width(self) -> int:
        return 0

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        batch = users.shape[0]
        others = ~jnp.eye(batch, dtype=bool)
        taken = complement.contains(self.positives, users, jnp.broadcast_to(items[None, :], (batch, batch)))
        draws = max(batch - 1, 1)
        weights = 1 / jnp.maximum(draws * self.popularity[items], jnp.finfo(jnp.float32).tiny)
        return Negatives(
            items, jnp.where(others & ~taken, weights[None, :], 0.0), jnp.sum(others & taken, axis=1) / draws
        )


def in_batch(positives: Ragged) -> InBatch:
    r"""Return the sampler whose negatives are the positives of the other examples of the batch.

    .. math:: q_i = c_i / n, \qquad weight_i = 1 / ((batch - 1)\, q_i)

    Positives of the user get the weight 0, found by one binary search for each pair of the batch. What an example is
    compared with depends on its batch; the positives themselves do not.

    Example:
        >>> positives = Ragged(jnp.array([0, 1, 3]), jnp.array([0, 0, 1]), jnp.ones(3), num_columns=2, longest=2)
        >>> no_words, users, items = jnp.zeros((2, 0), jnp.uint32), jnp.array([0, 1]), jnp.array([0, 1])
        >>> in_batch(positives)(no_words, users, items, None).weights.tolist()
        [[0.0, 3.0], [0.0, 0.0]]

    Source: Yi et al. (2019), Sampling-bias-corrected neural modeling, section 3. The positive itself carries no
    correction here, since it is always in the sum; false negatives are removed, there they stay.
    """
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

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        num_items = self.positives.num_columns
        ids, _, mask = self.positives.rows(users)  # [batch, longest]
        row = jnp.arange(users.shape[0])[:, None]
        # Padding is sent past the last item, where "drop" ignores it.
        weights = jnp.ones((users.shape[0], num_items)).at[row, jnp.where(mask, ids, num_items)].set(0.0, mode="drop")
        return Negatives(jnp.arange(num_items, dtype=jnp.int32), weights, jnp.mean(weights == 0, axis=1))


def everything(positives: Ragged) -> Everything:
    """Return the sampler whose negatives are all the items that the user has not taken (row = user id)."""
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

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        drawn = self.sampler(words, users, items, score)
        scores = jnp.where(drawn.weights > 0, lax.stop_gradient(score(users, drawn.ids)), -jnp.inf)
        best, lane = lax.top_k(scores, self.num)
        ids = jnp.take_along_axis(jnp.broadcast_to(drawn.ids, scores.shape), lane, axis=1)
        real = best > -jnp.inf
        return Negatives(jnp.where(real, ids, 0), real.astype(jnp.float32), drawn.rejected)


def hard(sampler: Sampler, *, num: int = 1) -> Hard:
    """Return the sampler that keeps the `num` highest-scored negatives of `sampler`; ties go to the first drawn.

    What is kept stands for itself: weight 1.

    Source: Zhang et al. (2013), Optimizing top-N collaborative filtering via dynamic negative item sampling.
    """
    return Hard(sampler, _at_least_one(num))


SAMPLERS: dict[str, Callable[[Ragged], Sampler]] = {
    "uniform": uniform,
    "popularity": popularity,
    "in_batch": in_batch,
    "everything": everything,
}
