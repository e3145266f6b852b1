"""Factor tables shared out by rows, for models that no single device can hold: a device stores the rows that it solves.

A table is stored slot by slot: the rows of a device's chunks one after another, then its share of the rows without a
history. What a device solves is then what it stores, and only the features of its chunks come from elsewhere, along
`mfjax.devices.routes`. Beside its 1/n of the tables a device holds the features of one chunk at a time, and a few
numbers per row, such as the counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from mfjax import als, checks, compilation
from mfjax.devices import routes, sharding
from mfjax.devices.routes import Routes
from mfjax.devices.sharding import AXIS
from mfjax.histories import Histories, Side
from mfjax.types import Array

Tables = TypeVar("Tables")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SharedTable:
    """How the rows of one side's table are stored, and how its chunks get the features of the other side's.

    Attributes:
        order: int32 [places], the row that is stored in every place; `num_rows` where there is none.
        blocks: the routes of every block of the side's histories.
        num_rows: of the side (static).
    """

    order: Array
    blocks: tuple[Routes, ...]
    num_rows: int = field(metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TablesByRows:
    """An `als.Storage`: every device of the mesh stores its share of the rows.

    Attributes:
        users, items: how the rows of either table are stored.
        mesh: the devices (static).
    """

    users: SharedTable
    items: SharedTable
    mesh: Mesh = field(metadata={"static": True})

    @property
    def num_shares(self) -> int:
        return self.mesh.size

    def start(self, draw: Callable[[], Tables], data: Histories) -> Tables:
        # Drawn in the host's memory: no device need hold it whole.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            state: Any = draw()
        stored: Any = scatter(state, self)
        return stored

    def num_places(self, side: Side, by: als.By) -> int:
        own, other = self._sides(by)
        made_for = own.num_rows, other.num_rows, [block.found.shape for block in own.blocks]
        if made_for != (side.num_rows, side.column_counts.shape[0], [block.entries.shape for block in side.blocks]):
            raise ValueError(
                f"storage: was made for histories of {own.num_rows} rows and {other.num_rows} columns by {by}, packed "
                f"into chunks of {made_for[2]}, and not for these; pass the two that by_rows.place gives"
            )
        return own.order.shape[0]

    def for_columns(self, numbers: Array, by: als.By) -> Array:
        return numbers.at[self._sides(by)[1].order].get(mode="fill", fill_value=0.0)

    def read(self, table: Array, side: Side, number: int) -> Array:
        first, last = self._range(side, number)
        own = table.reshape(self.mesh.size, -1, table.shape[1])[:, first:last]  # [devices, own slots, width]
        return own.reshape(*side.blocks[number].rows.shape, table.shape[1])

    def clear(self, table: Array, side: Side, held: Array, by: als.By) -> Array:
        # Places without a row stay as they are, so that they count for nothing in what a step changes.
        real = (self._sides(by)[0].order < side.num_rows)[:, None]
        return jnp.where(real, jnp.zeros_like(table) + held[None], table)

    def write(self, table: Array, side: Side, number: int, solved: Array) -> Array:
        first, last = self._range(side, number)
        own = table.reshape(self.mesh.size, -1, table.shape[1])  # [devices, stored, width]
        real = side.blocks[number].row_mask.reshape(self.mesh.size, -1)  # [devices, own slots]
        rows = jnp.where(real[:, :, None], solved.reshape(self.mesh.size, last - first, -1), own[:, first:last])
        written = own.at[:, first:last].set(rows).reshape(table.shape)
        return jax.lax.with_sharding_constraint(written, NamedSharding(self.mesh, P(AXIS)))

    def routes(self, by: als.By, number: int) -> Routes:
        return self._sides(by)[0].blocks[number]

    @staticmethod
    def features(columns: Array, ids: Array, route: Routes) -> Array:
        return routes.features(columns, route)

    def num_received(self, by: als.By, number: int) -> int:
        return math.prod(self.routes(by, number).sends.shape[1:])

    def _sides(self, by: als.By) -> tuple[SharedTable, SharedTable]:
        return (self.users, self.items) if by == "user" else (self.items, self.users)

    def _range(self, side: Side, number: int) -> tuple[int, int]:
        """Return where a block's rows begin and end in what a device stores."""
        sizes = [each.rows.size // self.mesh.size for each in side.blocks]
        return sum(sizes[:number]), sum(sizes[: number + 1])


def place(data: Histories, mesh: Mesh) -> tuple[Histories, TablesByRows]:
    """Return histories on the mesh, as `sharding.place` does, and the storage of the tables of their factors.

    Factors are those of one device up to rounding, for every objective, with biases or without. The states of `als.fit`
    are stored by rows: `gather` puts them in the order of ids, and `scatter` takes them back.

    Args:
        data: from `histories.build(..., multiple_of=mesh.size)`.
        mesh: from `devices.mesh()`.

    Raises:
        ValueError: for arguments of another kind, or chunks that can not be shared out evenly.

    Example:
        >>> from mfjax import devices, histories
        >>> from mfjax.data import synthetic
        >>> pairs, config = synthetic.power_law(0, num_users=9, num_items=7, num_interactions=30), als.Config(dim=2)
        >>> mesh = devices.mesh(1)
        >>> data, storage = place(histories.build(pairs, multiple_of=mesh.size), mesh)
        >>> spread = devices.MapOverDevices(mesh)
        >>> state = als.fit(jax.random.key(0), data, config, map_chunks=spread, storage=storage)
        >>> gather(state, storage).users.shape
        (9, 2)

    Source: Mehta et al. 2021, ALX: large scale matrix factorization on TPUs, shards tables and histories alike; there
    every device looks up the rows of all chunks, and the results are summed.
    """
    placed = sharding.place(data, mesh)
    users, items = (_order(side, mesh.size) for side in (data.users, data.items))
    by_user, by_item = _shared(data.users, users, items, mesh), _shared(data.items, items, users, mesh)
    return placed, TablesByRows(by_user, by_item, mesh)


def scatter(state: als.State, storage: TablesByRows) -> als.State:
    """Return a state in the order of ids as one that is stored by rows, on the devices of the storage.

    Raises:
        ValueError: for what is no state of these histories in the order of ids, or within a program of the caller's.
    """
    _check(state, storage, lambda side: side.num_rows)
    if compilation.is_traced(state):
        raise ValueError(
            "state: tables that are shared out by rows start outside jit; pass one, such as "
            "by_rows.scatter(als.init(...), storage)"
        )

    def stored(table: Array, side: SharedTable) -> Array:
        whole, shape = np.asarray(table), (side.order.shape[0], table.shape[1])
        # A place without a row repeats one, which no weight and no route ever reads.
        own = [
            jax.device_put(whole[np.minimum(shard.data, side.num_rows - 1)], shard.device)
            for shard in side.order.addressable_shards
        ]
        return jax.make_array_from_single_device_arrays(shape, side.order.sharding, own)

    step = jax.device_put(state.step, NamedSharding(storage.mesh, P()))
    return als.State(stored(state.users, storage.users), stored(state.items, storage.items), step)


def gather(state: als.State, storage: TablesByRows) -> als.State:
    """Return a state that is stored by rows in the order of ids, in the host's memory (numpy), in every process.

    Raises:
        ValueError: for what is no state of these histories that is stored by rows.
    """
    _check(state, storage, lambda side: side.order.shape[0])

    def ordered(table: Array, side: SharedTable) -> Any:
        order = _on_host(side.order, storage.mesh)
        return _on_host(table, storage.mesh)[_places(order, side.num_rows)]

    step: Any = np.asarray(state.step)
    return als.State(ordered(state.users, storage.users), ordered(state.items, storage.items), step)


def _check(state: als.State, storage: TablesByRows, size: Callable[[SharedTable], int]) -> None:
    """Raise ValueError unless the tables of a state have `size` rows for either side."""
    checks.kind("storage", storage, TablesByRows, "pass the storage that by_rows.place gives")
    checks.kind("state", state, als.State, "pass what als.fit returns, or by_rows.gather")
    for name, table, side in (("state.users", state.users, storage.users), ("state.items", state.items, storage.items)):
        checks.floats(name, table, (size(side), None), "pass a state of these histories")
    checks.shape("state.items", state.items, (None, state.users.shape[1]), "pass tables of one width")
    checks.count("state.step", state.step)
    checks.shape("state.step", state.step, (), "pass a state of these histories")


def _on_host(table: Array, mesh: Mesh) -> np.ndarray:
    """Return a table that may be in several processes: in pieces, so that a device holds another slice at most."""
    if isinstance(table, np.ndarray) or table.is_fully_addressable:
        return np.asarray(table)
    num_stored = table.shape[0] // mesh.size
    size = -(-num_stored // mesh.size)
    whole = np.empty((mesh.size, num_stored, *table.shape[1:]), table.dtype)

    @partial(jax.jit, out_shardings=NamedSharding(mesh, P()))
    def piece(table: Array, first: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(table.reshape(whole.shape), first, size, axis=1)

    for first in range(0, num_stored, size):
        begin = min(first, num_stored - size)
        whole[:, begin : begin + size] = piece(table, begin)
    return whole.reshape(table.shape)


def _order(side: Side, num_devices: int) -> np.ndarray:
    """Return the row of every place, int32 [places]; `num_rows` where there is none.

    There are more places than rows, so that no table passes for one that is stored the other way.
    """
    # A block's: [devices, own slots].
    slots = [np.where(block.row_mask, block.rows, side.num_rows).reshape(num_devices, -1) for block in side.blocks]
    idle = np.flatnonzero(np.asarray(side.counts) == 0)
    num_spare = -len(idle) % num_devices
    if sum(own.size for own in slots) + len(idle) + num_spare == side.num_rows:
        num_spare = num_devices
    rest = np.append(idle, np.full(num_spare, side.num_rows)).reshape(num_devices, -1)
    return np.concatenate([*slots, rest], axis=1).reshape(-1).astype(np.int32)


def _places(order: np.ndarray, num_rows: int) -> np.ndarray:
    """Return the place of every row, int64 [num_rows]."""
    places = np.empty(num_rows, np.int64)
    taken = np.flatnonzero(order < num_rows)
    places[order[taken]] = taken
    return places


def _shared(side: Side, order: np.ndarray, column_order: np.ndarray, mesh: Mesh) -> SharedTable:
    places, num_stored = _places(column_order, len(side.column_counts)), len(column_order) // mesh.size
    blocks = tuple(routes.plan(block, places, num_stored, mesh.size) for block in side.blocks)
    stored_order, stored_blocks = sharding.share_out((order, blocks), mesh)
    return SharedTable(stored_order, stored_blocks, side.num_rows)
