"""Packed histories, device pytrees for batched solves: `Histories` of two `Side`s of `Packed` chunks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import jax
import jax.numpy as jnp

from mfjax.types import Array, describe

Tables = TypeVar("Tables")


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
    """

    entries: Array
    values: Array
    owners: Array
    rows: Array
    row_mask: Array

    @property
    def ids(self) -> Array:
        """int32 [chunks, segments, width], column ids; padding is 0."""
        return jnp.maximum(self.entries - 1, 0)

    @property
    def mask(self) -> Array:
        """bool [chunks, segments, width], True for a real entry."""
        return self.entries > 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}(entries {describe(self.entries)}, rows {describe(self.rows)})"

    def features(self, columns: Array) -> Array:
        """Return the rows of the table `columns` that one chunk's entries name, [segments, width, dim]."""
        return look_up(columns, self.ids)

    def num_gathered(self) -> int:
        """Return how many rows of the table, copies included, one chunk holds of a block's."""
        return 2 * math.prod(self.entries.shape[1:])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Side:
    """All histories of one side, with what every objective needs to know of them.

    Attributes:
        blocks: packed chunks; a second block holds the histories too long for a common chunk, if there are any.
        counts: float32 [num_rows], entries of each row.
        column_counts: float32 [num_columns], entries of each column.
    """

    blocks: tuple[Packed, ...]
    counts: Array
    column_counts: Array

    def __repr__(self) -> str:
        blocks = ", ".join(map(repr, self.blocks)) if isinstance(self.blocks, tuple) else type(self.blocks).__name__
        return f"{type(self).__name__}(counts {describe(self.counts)}, {blocks})"

    @property
    def num_rows(self) -> int:
        return self.counts.shape[0]

    def fill(self) -> float:
        """Return the share of the packed entries that are real, in (0, 1]."""
        return float(self.counts.sum()) / sum(block.entries.size for block in self.blocks)

    # How the rows of tables are stored: here in the order of ids; `mfjax.devices.by_rows` shares them out over devices.

    @property
    def num_shares(self) -> int:
        """The number of shares that a table is stored in, one a device."""
        return 1

    @property
    def num_places(self) -> int:
        """The number of rows that the table has space for."""
        return self.num_rows

    def for_columns(self, numbers: Array) -> Array:
        """Return a number for every row of the columns' table, from those in the order of ids."""
        return numbers

    def read(self, table: Array, block: int) -> Array:
        """Return the rows of `table` that the slots of a block solve, [chunks, slots, width]."""
        return look_up(table, self.blocks[block].rows)

    def cleared(self, table: Array, held: Array) -> Array:
        """Return `table` with every row 0 and the coordinates that are held, [width], at 1: rows without a history."""
        return jnp.zeros_like(table) + held[None]

    def write(self, table: Array, block: int, solved: Array) -> Array:
        """Return `table` with the rows that the slots of a block have solved, [chunks * slots, width]."""
        rows, real = self.blocks[block].rows, self.blocks[block].row_mask
        # Padding slots point past the table, where the scatter drops them.
        target = jnp.where(real, rows, self.num_rows).reshape(-1)
        return table.at[target].set(solved, mode="drop", wrap_negative_indices=False)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Histories:
    """The same interactions twice: a row per user in `users`, a row per item in `items`."""

    users: Side
    items: Side

    def __repr__(self) -> str:
        return f"{type(self).__name__}(users={self.users!r}, items={self.items!r})"

    def start(self, draw: Callable[[], Tables]) -> Tables:
        """Return the tables that `draw` makes in the order of ids, stored as these histories need them: on all their
        devices."""
        devices = self.users.counts.sharding
        return draw() if len(devices.device_set) == 1 else jax.device_put(draw(), devices)
