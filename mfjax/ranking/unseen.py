"""Draws around a user's positives, or from the whole catalogue: what the samplers of an example are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.histories import Ragged
from mfjax.ranking import complement, streams
from mfjax.ranking.complement import Complement
from mfjax.ranking.sampler import Negatives, Score
from mfjax.types import Array


def check_call(sizes: tuple[int, int], words: Array, width: int, users: Array, items: Array) -> tuple[Array, Array]:
    """Return the users and items that a sampler is called with, as ids of its tables.

    Raises:
        ValueError: for ids or words that do not fit.
    """
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
        users, _ = check_call(self.sizes, words, self.width, users, items)
        ids, mass, left = complement.draw(self.complement, words, users)
        total = self.complement.total
        weights = left[:, None].astype(jnp.float32) / (self.num * mass.astype(jnp.float32))
        weights = jnp.broadcast_to(jnp.where(left[:, None] > 0, weights, 0.0), ids.shape)
        return Negatives(ids, weights, (total - left).astype(jnp.float32) / total.astype(jnp.float32))


def keeping(positives: Ragged, weights: Array | None, num: int) -> Unseen:
    """Return a sampler that draws from the whole catalogue."""
    nothing = Ragged(
        jnp.zeros_like(positives.offsets), positives.ids[:1], positives.values[:1], positives.num_columns, longest=1
    )
    return Unseen(complement.build(nothing, weights), num)


def item_counts(positives: Ragged) -> Array:
    """Return how many positives each item has, float32 [num_items]."""
    real = jnp.arange(positives.ids.shape[0]) < positives.offsets[-1]
    counts = jnp.zeros(positives.num_columns, jnp.int32).at[positives.ids].add(real.astype(jnp.int32))
    return counts.astype(jnp.float32)
