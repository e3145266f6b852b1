"""Cuts ragged histories into equal chunks: few shapes, little padding, every history whole within one chunk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Plan(NamedTuple):
    """Where every history goes.

    Attributes:
        chunk, slot, start: int64 [num_live], for each live row its chunk, its slot there and its first segment.
        rows: int64 [num_live], the rows that have a history, in the order of the three arrays above.
        shape: (chunks, segments, slots).
    """

    chunk: np.ndarray
    slot: np.ndarray
    start: np.ndarray
    rows: np.ndarray
    shape: tuple[int, int, int]


def balance(segments: np.ndarray, capacity: int, multiple_of: int) -> Plan:
    """Deal histories of `segments[row]` segments to chunks of about `capacity` segments.

    Longest first, a round deals one history each to the emptiest quarter of the chunks, the emptiest getting the
    longest: chunks end up equally full, with about equally many histories, so that both the entries and the solves
    carry little padding. Rows with no segments are left out. Cost: O(rows log rows), one numpy pass a round.
    """
    live = np.flatnonzero(segments)
    order = live[np.argsort(-segments[live], kind="stable")]
    wanted = max(1, -(-int(segments.sum()) // capacity), -(-len(order) // capacity))
    num_chunks = -(-wanted // multiple_of) * multiple_of
    chunk, slot, start = (np.empty(len(order), np.int64) for _ in range(3))
    load = np.zeros(num_chunks, np.int64)
    used = np.zeros(num_chunks, np.int64)
    dealt = -(-num_chunks // 4)
    for first in range(0, len(order), dealt):
        part = slice(first, min(first + dealt, len(order)))
        emptiest = np.argsort(load, kind="stable")[: part.stop - part.start]
        chunk[part], slot[part], start[part] = emptiest, used[emptiest], load[emptiest]
        load[emptiest] += segments[order[part]]
        used[emptiest] += 1
    return Plan(chunk, slot, start, order, (num_chunks, max(int(load.max()), 1), max(int(used.max()), 1)))


def fill(
    plan: Plan, rows: np.ndarray, position: np.ndarray, columns: np.ndarray, values: np.ndarray, width: int
) -> tuple[np.ndarray, ...]:
    """Write entries into the arrays of `plan`.

    Args:
        plan: the placement of every live row.
        rows, columns, values: [n], only rows of the plan.
        position: int64 [n], the place of an entry within its row, from 0.
        width: entries a segment.

    Returns:
        ids int32, values float32 and mask bool, each [chunks, segments, width]; owners int32 [chunks, segments];
        rows int32 and row_mask bool [chunks, slots].
    """
    num_chunks, num_segments, num_slots = plan.shape
    num_rows = int(plan.rows.max()) + 1
    place, slot_of_row = np.zeros(num_rows, np.int64), np.zeros(num_rows, np.int64)
    place[plan.rows] = plan.chunk * num_segments + plan.start
    slot_of_row[plan.rows] = plan.slot
    flat = (place[rows] + position // width) * width + position % width

    def scatter(source: np.ndarray, dtype: type) -> np.ndarray:
        target: np.ndarray = np.zeros(num_chunks * num_segments * width, dtype)
        target[flat] = source
        return target.reshape(num_chunks, num_segments, width)

    owners = np.zeros(num_chunks * num_segments, np.int32)
    owners[flat // width] = slot_of_row[rows]
    row_ids, row_mask = np.zeros((num_chunks, num_slots), np.int32), np.zeros((num_chunks, num_slots), bool)
    row_ids[plan.chunk, plan.slot], row_mask[plan.chunk, plan.slot] = plan.rows, True
    mask = scatter(np.ones(1, bool), bool)
    return (
        scatter(columns, np.int32),
        scatter(values, np.float32),
        mask,
        owners.reshape(num_chunks, num_segments),
        row_ids,
        row_mask,
    )
