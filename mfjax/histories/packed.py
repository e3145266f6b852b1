"""Packed histories, device pytrees for batched solves: `Histories` of two `Side`s of `Packed` chunks."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from mfjax.histories.ragged import Ragged
from mfjax.types import Array, describe


def look_up(table: Array, ids: Array) -> Array:
    """Return `table[ids]` for ids known to be within it: without the steps that would see to negative ones."""
    return table.at[ids].get(mode="promise_in_bounds", wrap_negative_indices=False)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Packed:
    """Whole histories packed into equal chunks, the unit of work of a batched solve.

    A history is cut into segments of `width` entries; a chunk holds the segments of up to `slots` histories.

    Attributes:
        entries: int32 [chunks, segments, width], one more than the column's id; padding is 0.
        values: float32 [chunks, segments, width], padding is 0; or [chunks, 1, 1] where all entries have one value,
            which leaves out half the bytes of what is only seen or not.
        owners: int32 [chunks, segments], the slot that a segment belongs to.
        rows: int32 [chunks, slots], the row solved in a slot; padding is 0.
        row_mask: bool [chunks, slots], True for a real row.
        weights: how sure each value is, of a shape that values may have, padding is 0; None where interactions have
            no weights.
    """

    entries: Array
    values: Array
    owners: Array
    rows: Array
    row_mask: Array
    weights: Array | None = None

    @property
    def ids(self) -> Array:
        """int32 [chunks, segments, width], column ids; padding is 0."""
        return jnp.maximum(self.entries - 1, 0)

    @property
    def mask(self) -> Array:
        """bool [chunks, segments, width], True for a real entry."""
        return self.entries > 0

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights {describe(self.weights)}"
        return f"{type(self).__name__}(entries {describe(self.entries)}, rows {describe(self.rows)}{weights})"


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Side:
    """All histories of one side, with what every objective needs to know of them.

    Attributes:
        blocks: packed chunks; a second block holds the histories too long for a common chunk, if there are any.
        counts: float32 [num_rows], entries of each row.
        column_counts: float32 [num_columns], entries of each column.
        features: of the rows, float [num_rows, num_features] or lists of feature ids with their values, see
            `als.features`; None where there are none.
    """

    blocks: tuple[Packed, ...]
    counts: Array
    column_counts: Array
    features: Array | Ragged | None = None

    def __repr__(self) -> str:
        blocks = ", ".join(map(repr, self.blocks)) if isinstance(self.blocks, tuple) else type(self.blocks).__name__
        return f"{type(self).__name__}(counts {describe(self.counts)}, {blocks})"

    @property
    def num_rows(self) -> int:
        return self.counts.shape[0]

    def fill(self) -> float:
        """Return the share of the packed entries that are real, in (0, 1]."""
        return float(self.counts.sum()) / sum(block.entries.size for block in self.blocks)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Histories:
    """The same interactions twice: a row per user in `users`, a row per item in `items`."""

    users: Side
    items: Side

    def __repr__(self) -> str:
        return f"{type(self).__name__}(users={self.users!r}, items={self.items!r})"
