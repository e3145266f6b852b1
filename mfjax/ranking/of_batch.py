"""Negatives that all examples of a batch share: drawn once, the batch's own positives, or all items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.histories import Ragged
from mfjax.ranking import complement
from mfjax.ranking.combined import Checked
from mfjax.ranking.complement import check_lists
from mfjax.ranking.sampler import Negatives, Sampler, Score
from mfjax.ranking.unseen import Unseen, check_call, item_counts, keeping
from mfjax.types import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Shared:
    """Draws `num` (static) items for a whole batch; see `shared`."""

    sampler: Unseen
    num: int = field(metadata={"static": True})

    @property
    def width(self) -> int:
        return self.num

    @property
    def sizes(self) -> tuple[int, int]:
        return self.sampler.sizes

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        check_call(self.sizes, words, self.width, users, items)
        # The words of the first example alone: those of the others are never worked out.
        nobody = jnp.zeros(1, jnp.int32)
        drawn = self.sampler(words[:1], nobody, nobody, score)
        rejected = jnp.zeros(words.shape[0], jnp.float32)
        return Negatives(drawn.ids[0], jnp.broadcast_to(drawn.weights, words.shape), rejected)


def shared(
    positives: Ragged,
    *,
    num: int = 256,
    weights: Array | None = None,
    false_negatives: Literal["skip", "keep"] = "skip",
) -> Sampler:
    """Return a sampler that draws `num` items once for all examples of a batch.

    Hundreds of negatives an example cost little so: their rows are read once, and scores are one matrix product. Draws
    are with replacement; in every example an item has the weight 1 / (num q), with q its probability.

    Args:
        positives: the items that each user has taken (row = user id).
        num: draws of a batch; which items they are depends on the batch, and so on its size.
        weights: float [num_items], to which q is proportional, such as counts ** .5; None for equal ones.
        false_negatives: "skip" gives a positive of the user the weight 0, found by one binary search for each example
            and draw; "keep" does not look, which is quicker, and on a sparse set nearly the same.

    Raises:
        ValueError: for positives of another kind, fewer than one draw, or an unknown rule.

    Example:
        >>> from mfjax.ranking import streams
        >>> from mfjax.ranking.sampler import no_scores
        >>> positives = Ragged(jnp.array([0, 1, 3]), jnp.array([0, 0, 1]), jnp.ones(3), num_columns=2, longest=2)
        >>> sampler = shared(positives, num=3)
        >>> words = streams.words(jax.random.key(0), 0, 2, sampler.width)
        >>> found = sampler(words, jnp.array([0, 1]), jnp.array([0, 1]), no_scores)
        >>> found.ids.shape, found.weights.shape, float(found.weights[1].sum())
        ((3,), (2, 3), 0.0)

    Source: Jean et al. (2015), On using very large target vocabulary, section 3.2, shares draws in a part of the data.
    """
    check_lists("positives", positives)
    checks.whole("num", num, remedy="pass the number of negatives a batch")
    checks.choice("false_negatives", false_negatives, ("skip", "keep"))
    sampler = Shared(keeping(positives, weights, num), num)
    return Checked(sampler, positives) if false_negatives == "skip" else sampler


@dataclass(frozen=True)
class _OfLists:
    """What needs no random words, and was made for these lists."""

    positives: Ragged

    @property
    def width(self) -> int:
        return 0

    @property
    def sizes(self) -> tuple[int, int]:
        return self.positives.num_rows, self.positives.num_columns


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InBatch(_OfLists):
    """Takes the positives of the other examples of the batch; see `in_batch`."""

    popularity: Array  # float32 [num_items], q

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        users, items = check_call(self.sizes, words, self.width, users, items)
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
    counts = item_counts(positives)
    return InBatch(positives, counts / jnp.maximum(counts.sum(), 1.0))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Everything(_OfLists):
    """Every unseen item is a negative, once: no randomness, batch * num_items scores. For small catalogues."""

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        users, _ = check_call(self.sizes, words, self.width, users, items)
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
