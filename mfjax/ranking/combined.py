"""Samplers made of samplers: what one draws without the positives, the hardest of it, and two side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jax import lax

from mfjax import checks
from mfjax.histories import Ragged
from mfjax.ranking import complement, streams
from mfjax.ranking.sampler import Negatives, Sampler, Score, check_sampler
from mfjax.types import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Checked:
    """Gives the draws of `sampler` that are positives of the user the weight 0: one binary search for each example and
    draw."""

    sampler: Sampler
    positives: Ragged

    @property
    def width(self) -> int:
        return self.sampler.width

    @property
    def sizes(self) -> tuple[int, int]:
        return self.positives.num_rows, self.positives.num_columns

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        ids, weights, _ = self.sampler(words, users, items, score)
        taken = complement.contains(self.positives, users, jnp.broadcast_to(ids, weights.shape))
        return Negatives(ids, jnp.where(taken, 0.0, weights), jnp.mean(taken, axis=1, dtype=jnp.float32))


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


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Mixed:
    """The negatives of two samplers side by side; see `mixed`."""

    first: Sampler
    second: Sampler

    @property
    def width(self) -> int:
        return self.first.width + self.second.width

    @property
    def sizes(self) -> tuple[int, int] | None:
        return getattr(self.first, "sizes", None)

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives:
        streams.check_words("words", words, (*users.shape, self.width))
        one = self.first(words[:, : self.first.width], users, items, score)
        other = self.second(words[:, self.first.width :], users, items, score)
        if one.ids.ndim != other.ids.ndim:
            raise ValueError(
                "second: one sampler shares its negatives in the batch and the other does not; mix two of a kind"
            )
        share = one.weights.shape[1] / (one.weights.shape[1] + other.weights.shape[1])
        return Negatives(
            jnp.concatenate([one.ids, other.ids], axis=-1),
            jnp.concatenate([share * one.weights, (1 - share) * other.weights], axis=1),
            share * one.rejected + (1 - share) * other.rejected,
        )


def mixed(first: Sampler, second: Sampler) -> Mixed:
    """Return the sampler whose negatives are those of two, such as uniform ones and popular ones.

    Each estimates the sum over the unseen items by its weights; together they do, each by its share of the negatives.

    Raises:
        ValueError: for samplers of another kind, or of other sizes; when it is called, where one shares its negatives
            in the batch and the other does not.

    Example:
        >>> from mfjax.histories import Ragged
        >>> from mfjax.ranking import sampling
        >>> positives = Ragged(jnp.array([0, 1]), jnp.array([0]), jnp.ones(1), num_columns=3, longest=1)
        >>> mixed(sampling.uniform(positives, num=2), sampling.uniform(positives)).width
        3

    Source: Yang et al. (2020), Mixed negative sampling for learning two-tower neural networks, section 3.
    """
    check_sampler(first)
    check_sampler(second)
    sizes = getattr(first, "sizes", None), getattr(second, "sizes", None)
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(f"second: it was made for {sizes[1]} users and items, first for {sizes[0]}; make both anew")
    return Mixed(first, second)
