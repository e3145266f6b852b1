"""Factor tables shared out by rows, for models that no single device can hold: a device stores the rows that it solves.

A table is stored slot by slot: the rows of a device's chunks one after another, then its share of the rows without a
history. What a device solves is then what it stores, and only the features of its chunks come from elsewhere. Which
rows a chunk needs of which device is known beforehand, so `place` makes a plan: in every round each device solves a
chunk, and before that sends each other device those of its rows that the other's chunk names, each row once, in one
exchange (all-to-all). Beside its 1/n of the tables a device holds the features of one chunk at a time, and a few
numbers per row, such as the counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from mfjax import als, checks
from mfjax.devices import sharding
from mfjax.devices.sharding import AXIS
from mfjax.histories import Histories, Packed, Side
from mfjax.types import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Exchanged(Packed):
    """Chunks whose features are sent to them.

    Attributes:
        sends: int32 [chunks, devices, most], which of its rows a device sends to each device in each of its rounds;
            padding is 0.
        places: int32 [chunks, segments, width], where in what a chunk receives an entry's features are; padding is 0.
    """

    sends: Array
    places: Array

    def features(self, columns: Array) -> Array:
        """Return the features of one chunk from `columns`, this device's rows of the table; within `shard_map`."""
        try:
            received = jax.lax.all_to_all(columns[self.sends], AXIS, split_axis=0, concat_axis=0)
        except NameError:
            raise ValueError(
                "map_chunks: tables shared out by rows need the one that by_rows.place gives; for anything but steps, "
                "gather the state and take the histories that were placed"
            ) from None
        return received.reshape(-1, columns.shape[1])[self.places]

    def num_gathered(self) -> int:
        return super().num_gathered() + 2 * math.prod(self.sends.shape[1:])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SharedSide(Side):
    """A side whose tables are shared out by rows.

    Attributes:
        order: int32 [places], the row that is stored in every place of the rows' table; `num_rows` where there is none.
        column_order: int32 [column places], the same of the columns' table.
        mesh: the devices (static).
    """

    order: Array
    column_order: Array
    mesh: Mesh = field(metadata={"static": True})

    @property
    def num_shares(self) -> int:
        return self.mesh.size

    @property
    def num_places(self) -> int:
        return self.order.shape[0]

    def for_columns(self, numbers: Array) -> Array:
        return numbers.at[self.column_order].get(mode="fill", fill_value=0.0)

    def read(self, table: Array, block: int) -> Array:
        first, last = self._range(block)
        own = table.reshape(self.mesh.size, -1, table.shape[1])[:, first:last]
        return own.reshape(*self.blocks[block].rows.shape, table.shape[1])

    def cleared(self, table: Array, held: Array) -> Array:
        # Places without a row stay as they are, so that they count for nothing in what a step changes.
        return jnp.where((self.order < self.num_rows)[:, None], super().cleared(table, held), table)

    def write(self, table: Array, block: int, solved: Array) -> Array:
        first, last = self._range(block)
        own = table.reshape(self.mesh.size, -1, table.shape[1])
        real = self.blocks[block].row_mask.reshape(self.mesh.size, -1)
        rows = jnp.where(real[:, :, None], solved.reshape(self.mesh.size, last - first, -1), own[:, first:last])
        written = own.at[:, first:last].set(rows).reshape(table.shape)
        return jax.lax.with_sharding_constraint(written, NamedSharding(self.mesh, P(AXIS)))

    def _range(self, block: int) -> tuple[int, int]:
        """Return where a block's rows begin and end in what a device stores."""
        sizes = [each.rows.size // self.mesh.size for each in self.blocks]
        return sum(sizes[:block]), sum(sizes[: block + 1])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SharedHistories(Histories):
    """Histories whose sides are `SharedSide`s."""

    users: SharedSide
    items: SharedSide

    def start(self, draw):
        """Return the tables that `draw` makes in the order of ids, shared out; they are drawn in the host's memory."""
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            state = draw()
        return scatter(state, self)


def place(data: Histories, mesh: Mesh) -> tuple[SharedHistories, sharding.MapOverDevices]:
    """Return histories with the plan of what is sent, on the mesh, and the `map_chunks` that carries it out.

    Factors are those of one device up to rounding, for every objective, with biases or without. The states of `als.fit`
    are stored by rows: `gather` puts them in the order of ids, and `scatter` takes them back.

    Args:
        data: from `histories.build(..., multiple_of=mesh.size)`.
        mesh: from `devices.mesh()`.

    Raises:
        ValueError: for arguments of another kind, histories that are placed already, or chunks that can not be shared
            out evenly.

    Example:
        >>> from mfjax import devices, histories
        >>> from mfjax.data import synthetic
        >>> pairs, config = synthetic.power_law(0, num_users=9, num_items=7, num_interactions=30), als.Config(dim=2)
        >>> mesh = devices.mesh(1)
        >>> data, map_chunks = place(histories.build(pairs, multiple_of=mesh.size), mesh)
        >>> state = als.fit(jax.random.key(0), data, config, map_chunks=map_chunks)
        >>> gather(state, data).users.shape
        (9, 2)

    Source: Mehta et al. 2021, ALX: large scale matrix factorization on TPUs, shards tables and histories alike; there
    every device looks up the rows of all chunks, and the results are summed.
    """
    sharding.check(data, mesh)
    users, items = (_order(side, mesh.size) for side in (data.users, data.items))
    placed = SharedHistories(_shared(data.users, users, items, mesh), _shared(data.items, items, users, mesh))
    return placed, sharding.MapOverDevices(mesh, by_rows=True)


def scatter(state: als.State, data: SharedHistories) -> als.State:
    """Return a state in the order of ids as one that is stored by rows, on the devices of `data`.

    Raises:
        ValueError: for what is no state of these histories in the order of ids.
    """
    _check(state, data, lambda side: side.num_rows)

    def stored(table: Array, side: SharedSide) -> Array:
        whole, shape = np.asarray(table), (side.num_places, table.shape[1])
        # A place without a row repeats one, which no weight and no plan ever reads.
        own = [
            jax.device_put(whole[np.minimum(shard.data, side.num_rows - 1)], shard.device)
            for shard in side.order.addressable_shards
        ]
        return jax.make_array_from_single_device_arrays(shape, side.order.sharding, own)

    step = jax.device_put(state.step, NamedSharding(data.users.mesh, P()))
    return als.State(stored(state.users, data.users), stored(state.items, data.items), step)


def gather(state: als.State, data: SharedHistories) -> als.State:
    """Return a state that is stored by rows in the order of ids, in the host's memory (numpy), in every process.

    Raises:
        ValueError: for what is no state of these histories that is stored by rows.
    """
    _check(state, data, lambda side: side.num_places)

    def ordered(table: Array, side: SharedSide) -> Any:
        return _on_host(table, side.mesh)[_places(_on_host(side.order, side.mesh), side.num_rows)]

    step: Any = np.asarray(state.step)
    return als.State(ordered(state.users, data.users), ordered(state.items, data.items), step)


def _check(state: als.State, data: SharedHistories, size: Callable[[SharedSide], int]) -> None:
    """Raise ValueError unless the tables of a state have `size` rows for either side."""
    checks.kind("data", data, SharedHistories, "pass the histories that by_rows.place gives")
    checks.kind("state", state, als.State, "pass what als.fit returns, or by_rows.gather")
    for name, table, side in (("state.users", state.users, data.users), ("state.items", state.items, data.items)):
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
    """Return the row of every place, int32 [places]; `num_rows` where there is none."""
    slots = [np.where(block.row_mask, block.rows, side.num_rows).reshape(num_devices, -1) for block in side.blocks]
    idle = np.flatnonzero(np.asarray(side.counts) == 0)
    spare = np.full(-len(idle) % num_devices, side.num_rows)
    rest = np.append(idle, spare).reshape(num_devices, -1)
    return np.concatenate([*slots, rest], axis=1).reshape(-1).astype(np.int32)


def _places(order: np.ndarray, num_rows: int) -> np.ndarray:
    """Return the place of every row, int64 [num_rows]."""
    places = np.empty(num_rows, np.int64)
    taken = np.flatnonzero(order < num_rows)
    places[order[taken]] = taken
    return places


def _shared(side: Side, order: np.ndarray, column_order: np.ndarray, mesh: Mesh) -> SharedSide:
    places, stored = _places(column_order, len(side.column_counts)), len(column_order) // mesh.size
    blocks = sharding.share_out(tuple(_exchanged(block, places, stored, mesh.size) for block in side.blocks), mesh)
    counts, column_counts = sharding.replicate((side.counts, side.column_counts), mesh)
    stored_order, stored_columns = sharding.share_out((order, column_order), mesh)
    return SharedSide(blocks, counts, column_counts, stored_order, stored_columns, mesh)


def _exchanged(block: Packed, places: np.ndarray, stored: int, num_devices: int) -> Exchanged:
    """Return the chunks with their plan; a device has `stored` rows of the other side's table."""
    ids, mask = np.asarray(block.ids), np.asarray(block.mask)
    wanted = [np.unique(places[chunk[real]]) for chunk, real in zip(ids, mask, strict=True)]
    counts = np.array([np.bincount(rows // stored, minlength=num_devices) for rows in wanted])
    most, rounds = max(int(counts.max()), 1), len(ids) // num_devices
    sends = np.zeros((num_devices, rounds, num_devices, most), np.int32)
    found = np.zeros(ids.shape, np.int32)
    for chunk, rows in enumerate(wanted):
        sender, row = np.divmod(rows, stored)
        number = np.arange(len(rows)) - (np.cumsum(counts[chunk]) - counts[chunk])[sender]
        sends[sender, chunk % rounds, chunk // rounds, number] = row
        entries = np.searchsorted(rows, places[ids[chunk][mask[chunk]]])
        found[chunk][mask[chunk]] = (sender * most + number)[entries]
    packed = (block.entries, block.values, block.owners, block.rows, block.row_mask)
    plan: tuple[Any, Any] = sends.reshape(-1, num_devices, most), found
    return Exchanged(*packed, *plan)
