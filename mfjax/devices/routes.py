"""Which rows of a table that is shared out by rows go to which device, for every chunk: known before the first step.

In every round each device solves a chunk. Before that it sends each other device those of its rows that the other's
chunk names, each row once, in one exchange (all-to-all).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from mfjax.devices.sharding import AXIS
from mfjax.histories import Packed
from mfjax.types import Array


class Routes(NamedTuple):
    """How the features of a block's chunks come to them.

    Attributes:
        sends: int32 [chunks, devices, most], which of its rows a device sends to each device in each of its rounds;
            padding is 0.
        found: int32 [chunks, segments, width], where in what a chunk receives an entry's features are; padding is 0.
    """

    sends: Array
    found: Array


def features(columns: Array, route: Routes) -> Array:
    """Return the features of one chunk, [segments, width, dim], within a `jax.shard_map`.

    Args:
        columns: float [stored, dim], this device's rows of the table.
        route: of the chunk, without the axis of chunks.

    Raises:
        ValueError: outside a map over as many devices as the routes are for.
    """
    num_devices = route.sends.shape[0]
    try:
        found = jax.lax.axis_size(AXIS)
    except NameError:
        raise ValueError(
            f"map_chunks: tables stored by rows are read by a map over devices; pass devices.MapOverDevices(mesh) of "
            f"the {num_devices} devices that they are stored on"
        ) from None
    if found != num_devices:
        raise ValueError(
            f"map_chunks: maps over {found} devices, and tables are stored by rows on {num_devices}; pass "
            "devices.MapOverDevices of the mesh that by_rows.place was given"
        )
    sent = columns[route.sends]  # [devices, most, dim]
    received = jax.lax.all_to_all(sent, AXIS, split_axis=0, concat_axis=0)  # [devices, most, dim]
    return received.reshape(-1, columns.shape[1])[route.found]


def plan(block: Packed, places: np.ndarray, num_stored: int, num_devices: int) -> Routes:
    """Return the routes of a block's chunks, numpy.

    Args:
        block: chunks on the host or on devices of this process.
        places: int64 [num_columns], where in the stored table a column's row is.
        num_stored: the rows of the table that one device stores.
        num_devices: how many devices share the chunks, which divides their number.
    """
    ids, mask = np.asarray(block.ids), np.asarray(block.mask)  # [chunks, segments, width]
    wanted = [np.unique(places[chunk[real]]) for chunk, real in zip(ids, mask, strict=True)]
    # How many rows a chunk wants of every device, [chunks, devices].
    counts = np.array([np.bincount(rows // num_stored, minlength=num_devices) for rows in wanted])
    most, rounds = max(int(counts.max()), 1), len(ids) // num_devices
    sends = np.zeros((num_devices, rounds, num_devices, most), np.int32)  # [sender, round, receiver, most]
    found = np.zeros(ids.shape, np.int32)
    for chunk, rows in enumerate(wanted):
        sender, row = np.divmod(rows, num_stored)
        number = np.arange(len(rows)) - (np.cumsum(counts[chunk]) - counts[chunk])[sender]
        sends[sender, chunk % rounds, chunk // rounds, number] = row
        entries = np.searchsorted(rows, places[ids[chunk][mask[chunk]]])
        found[chunk][mask[chunk]] = (sender * most + number)[entries]
    of_chunks: Any = sends.reshape(-1, num_devices, most), found
    return Routes(*of_chunks)
