"""Where the rows of factor tables are stored: a value beside the histories, handed to `als.step`, `fit`, `half_step`.

A half-step reads its start, gathers features and writes what it solved through a `Storage` alone. `WHOLE_TABLES` keeps
tables in the order of ids, a row for every id; `mfjax.devices.by_rows` shares tables out over devices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp

from mfjax import checks, compilation
from mfjax.als.config import By
from mfjax.histories import Histories, Side
from mfjax.histories.packed import look_up
from mfjax.types import Array

Tables = TypeVar("Tables")


@runtime_checkable
class Storage(Protocol):
    """Where rows are stored. A pytree: arrays that a storage needs are arguments of the compiled programs.

    `by` is the side whose rows a table holds, and `number` counts the blocks of that side's histories.
    """

    @property
    def num_shares(self) -> int:
        """The number of equal shares that a table is stored in, one a device."""

    def start(self, draw: Callable[[], Tables], data: Histories) -> Tables:
        """Return the state that `draw` makes in the order of ids, stored, on the devices of `data`."""

    def num_places(self, side: Side, by: By) -> int:
        """Return how many rows the stored table has, in all shares together.

        Raises:
            ValueError: for histories that the storage was not made for.
        """

    def for_columns(self, numbers: Array, by: By) -> Array:
        """Return a number for every stored row of the other side's table, from those in the order of ids."""

    def read(self, table: Array, side: Side, number: int) -> Array:
        """Return the rows of `table` that the slots of a block solve, [chunks, slots, width]."""

    def clear(self, table: Array, side: Side, held: Array, by: By) -> Array:
        """Return `table` with every row 0 and the coordinates that are held, [width], at 1: rows without a history."""

    def write(self, table: Array, side: Side, number: int, solved: Array) -> Array:
        """Return `table` with the rows that the slots of a block have solved, [chunks * slots, width]."""

    def routes(self, by: By, number: int) -> Any:
        """Return what `features` needs beside a block's ids: arrays [chunks, ...], or None."""

    @staticmethod
    def features(columns: Array, ids: Array, route: Any) -> Array:
        """Return the rows of the other side's table that one chunk's entries name, [segments, width, dim].

        `columns` is the whole table, or this device's share where a map over devices has cut it up.
        """

    def num_received(self, by: By, number: int) -> int:
        """Return how many rows a chunk of a block receives of other devices."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class WholeTables:
    """A row for every id, in the order of ids, on every device."""

    @property
    def num_shares(self) -> int:
        return 1

    def start(self, draw: Callable[[], Tables], data: Histories) -> Tables:
        drawn = draw()
        if compilation.is_traced(drawn, data):
            return drawn
        devices = data.users.counts.sharding
        return drawn if len(devices.device_set) == 1 else jax.device_put(drawn, devices)

    def num_places(self, side: Side, by: By) -> int:
        return side.num_rows

    def for_columns(self, numbers: Array, by: By) -> Array:
        return numbers

    def read(self, table: Array, side: Side, number: int) -> Array:
        return look_up(table, side.blocks[number].rows)

    def clear(self, table: Array, side: Side, held: Array, by: By) -> Array:
        return jnp.zeros_like(table) + held[None]

    def write(self, table: Array, side: Side, number: int, solved: Array) -> Array:
        rows, real = side.blocks[number].rows, side.blocks[number].row_mask
        # Padding slots point past the table, where the scatter drops them.
        target = jnp.where(real, rows, side.num_rows).reshape(-1)  # [chunks * slots]
        return table.at[target].set(solved, mode="drop", wrap_negative_indices=False)

    def routes(self, by: By, number: int) -> None:
        return None

    @staticmethod
    def features(columns: Array, ids: Array, route: None) -> Array:
        return look_up(columns, ids)

    def num_received(self, by: By, number: int) -> int:
        return 0


WHOLE_TABLES = WholeTables()


def check_storage(storage: Storage) -> None:
    """Raise ValueError for what is no storage.

    Example:
        >>> check_storage(None)
        Traceback (most recent call last):
        ...
        ValueError: storage: a NoneType is not what is needed; pass what by_rows.place gives, or als.WHOLE_TABLES
    """
    remedy = "pass what by_rows.place gives, or als.WHOLE_TABLES"
    checks.kind("storage", storage, Storage, remedy)
    if isinstance(storage, type):
        raise ValueError(f"storage: the class {storage.__name__} is not what is needed; {remedy}")
