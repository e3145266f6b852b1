"""Histories of parts of one set of interactions, all of one shape, so that a model compiles once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import jax.numpy as jnp
import numpy as np

from mfjax.histories.building import build
from mfjax.histories.packed import Histories, Side
from mfjax.types import Interactions


@dataclass(frozen=True, eq=False)
class Whole:
    """Interactions that parts are cut from.

    Attributes:
        interactions: all of them, fewer than 2^24.
    """

    interactions: Interactions

    @cached_property
    def numbered(self) -> Interactions:
        """The interactions with their row numbers as values, which float32 holds exactly: split these."""
        return self.interactions.with_values(np.arange(len(self.interactions), dtype=np.float32))

    @cached_property
    def histories(self) -> Histories:
        return build(self.numbered)

    def part(self, numbered: Interactions) -> Part:
        """Return the part that holds some rows of `numbered`."""
        return Part(self, numbered.values.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of a whole.

    Attributes:
        whole: what they are a part of.
        rows: int64 [n], their numbers.
    """

    whole: Whole
    rows: np.ndarray

    def histories(self) -> Histories:
        """Return the histories of the whole with all other rows masked out."""
        given, kept = self.whole.interactions, np.zeros(len(self.whole.interactions), bool)
        kept[self.rows] = True
        user_counts, item_counts = given.select(kept).user_counts(), given.select(kept).item_counts()
        return Histories(
            self._side(self.whole.histories.users, kept, user_counts, item_counts),
            self._side(self.whole.histories.items, kept, item_counts, user_counts),
        )

    def _side(self, side: Side, kept: np.ndarray, counts: np.ndarray, column_counts: np.ndarray) -> Side:
        blocks = []
        for block in side.blocks:
            number = np.asarray(block.values).astype(np.int64)
            mask = np.asarray(block.mask) & kept[number]
            blocks.append(
                replace(
                    block,
                    entries=jnp.where(mask, block.entries, 0),
                    values=jnp.where(mask, self.whole.interactions.values[number], 0.0),
                    # A row that lost all its entries is no row to solve.
                    row_mask=block.row_mask & (counts[np.asarray(block.rows)] > 0),
                )
            )
        return Side(tuple(blocks), jnp.asarray(counts, jnp.float32), jnp.asarray(column_counts, jnp.float32))
