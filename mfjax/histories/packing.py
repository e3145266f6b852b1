"""Cuts ragged histories into equal chunks: few shapes, little padding, every history whole within one chunk."""

from __future__ import annotations

from collections.abc import Sequence
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


ALONE = 64
"""Sizes up to this are rounded up to a power of two."""


def rounded_up(size: int, least: int = 1) -> int:
    """Return the least of few sizes that is at least `size`: powers of two to ALONE, then eight in every octave.

    Args:
        size: at least 1.
        least: the smallest of the sizes, a power of two.

    Example:
        >>> [rounded_up(size) for size in (1, 5, 64, 65, 100, 1000)]
        [1, 8, 64, 72, 104, 1024]
    """
    size = max(size, least)
    octave = 1 << (size - 1).bit_length() if size > 1 else 1  # the power of two from `size` on
    step = octave if octave <= ALONE else octave // 16
    return -(-size // step) * step


WIDTHS = (8, 16, 32)
SEGMENT = 8
"""What a segment costs beside its entries, in entries: its row's vector is read, and its sum added to the row's."""


def fitting_width(*counts: np.ndarray) -> int:
    """Return the width of WIDTHS for which histories cost least: the number of segments times (width + SEGMENT).

    Wide segments are fewer, and narrow ones carry less padding; where two cost the same, the wider one is taken.

    Args:
        counts: int64, the entries of every row, for each of the sides that share the width.

    Example:
        >>> fitting_width(np.array([32, 64])), fitting_width(np.array([5, 7, 3]))
        (32, 8)
    """
    costs = {width: sum(int((-(-side // width)).sum()) for side in counts) * (width + SEGMENT) for width in WIDTHS}
    return min(reversed(WIDTHS), key=lambda width: costs[width])


def balance(segments: np.ndarray, capacity: int, multiple_of: int) -> Plan:
    """Deal histories of `segments[row]` segments to chunks of about `capacity` segments.

    Longest first, a round deals one history each to the emptiest quarter of the chunks, the emptiest getting the
    longest: chunks end up equally full, with about equally many histories, so that both the entries and the solves
    carry little padding. Rows with no segments are left out. Cost: O(rows log rows), one numpy pass a round.
    """
    live = np.flatnonzero(segments)
    order = live[np.argsort(-segments[live], kind="stable")]  # [num_live], longest first
    wanted = max(1, -(-int(segments.sum()) // capacity), -(-len(order) // capacity))
    num_chunks = -(-wanted // multiple_of) * multiple_of
    chunk, slot, start = (np.empty(len(order), np.int64) for _ in range(3))
    load = np.zeros(num_chunks, np.int64)  # segments dealt to each chunk
    used = np.zeros(num_chunks, np.int64)  # slots dealt to each chunk
    dealt = -(-num_chunks // 4)
    for first in range(0, len(order), dealt):
        part = slice(first, min(first + dealt, len(order)))
        emptiest = np.argsort(load, kind="stable")[: part.stop - part.start]  # [dealt], fewer in the last round
        chunk[part], slot[part], start[part] = emptiest, used[emptiest], load[emptiest]
        load[emptiest] += segments[order[part]]
        used[emptiest] += 1
    return Plan(chunk, slot, start, order, (num_chunks, max(int(load.max()), 1), max(int(used.max()), 1)))


MOST_SEGMENTS, MOST_SLOTS = 1.1, 2.0
"""What sharing a shape may cost: entries are computed with, slots are far less work."""


def share_shape(one: Plan, other: Plan) -> tuple[Plan, Plan]:
    """Return both plans with chunks of one shape, so that most of what is compiled for one side serves the other.

    They stay as they are where the smaller chunk would get over MOST_SEGMENTS times its segments, or MOST_SLOTS times
    its slots.
    """
    (one_chunks, *one_sizes), (other_chunks, *other_sizes) = one.shape, other.shape
    segments, slots = map(max, one_sizes, other_sizes)
    fewest_segments, fewest_slots = map(min, one_sizes, other_sizes)
    if segments > MOST_SEGMENTS * fewest_segments or slots > MOST_SLOTS * fewest_slots:
        return one, other
    return one._replace(shape=(one_chunks, segments, slots)), other._replace(shape=(other_chunks, segments, slots))


class Writer:
    """The arrays of a plan, written part by part, so that nothing of the size of the whole is needed beside them.

    Attributes:
        entries: int32 [chunks * segments * width], one more than the column's id; padding is 0.
        numbers: the values of entries, and their weights where there are any: float32 of the same size, padding is 0;
            or [chunks], where every entry has the number that is given.
        owners: int32 [chunks * segments], ascending within a chunk; padding belongs to the last slot.
    """

    def __init__(self, plan: Plan, width: int, num_rows: int, same: Sequence[float | None] = (None,)) -> None:
        num_chunks, num_segments, num_slots = plan.shape
        self.plan, self.width = plan, width
        self._segment, self._slot = np.zeros(num_rows, np.int64), np.zeros(num_rows, np.int32)
        # Of all chunks' segments, one after the other, the first that a row has.
        self._segment[plan.rows] = plan.chunk * num_segments + plan.start
        self._slot[plan.rows] = plan.slot
        self.owners = np.full(num_chunks * num_segments, num_slots - 1, np.int32)
        self.entries = np.zeros(len(self.owners) * width, np.int32)
        self._differ = [number is None for number in same]
        self.numbers = [
            np.zeros_like(self.entries, np.float32) if number is None else np.full(num_chunks, number, np.float32)
            for number in same
        ]

    def write(self, rows: np.ndarray, position: np.ndarray, columns: np.ndarray, *numbers: np.ndarray) -> None:
        """Write entries, [n] each: their rows, all of the plan, their places within the rows, from 0, columns, and as
        many numbers as there are."""
        segment = self._segment[rows] + position // self.width  # [n]
        entry = segment * self.width + position % self.width  # [n]
        self.entries[entry] = columns + 1
        for written, given, differ in zip(self.numbers, numbers, self._differ, strict=True):
            if differ:
                written[entry] = given
        self.owners[segment] = self._slot[rows]

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return entries and values [chunks, segments, width], owners [chunks, segments], and rows int32 and row_mask
        bool [chunks, slots], and weights where there are any; numbers are [chunks, 1, 1] where all have one."""
        num_chunks, num_segments, num_slots = self.plan.shape
        row_ids, row_mask = np.zeros((num_chunks, num_slots), np.int32), np.zeros((num_chunks, num_slots), bool)
        row_ids[self.plan.chunk, self.plan.slot], row_mask[self.plan.chunk, self.plan.slot] = self.plan.rows, True
        shape = (num_chunks, num_segments, self.width)
        values, *weights = (
            numbers.reshape(shape if differ else (num_chunks, 1, 1))
            for numbers, differ in zip(self.numbers, self._differ, strict=True)
        )
        return (self.entries.reshape(shape), values, self.owners.reshape(shape[:2]), row_ids, row_mask, *weights)
