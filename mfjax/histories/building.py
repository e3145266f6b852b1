"""Interactions -> `Histories`: whole histories dealt out to equal chunks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from mfjax import checks, compilation
from mfjax.histories.packed import Histories, Packed, Side
from mfjax.histories.packing import Plan, Writer, balance, fitting_width, rounded_up, share_shape
from mfjax.histories.ragged import By, check, check_by, check_some, sides, sorted_by_row
from mfjax.types import Interactions

CHUNK_ENTRIES = {"cpu": 2048, "gpu": 1 << 25, "tpu": 1 << 16}
"""Entries a chunk, by platform. A CPU writes down the rows gathered for a chunk and reads them again from its cache. A
GPU gathers anew in every pass and starts some twenty kernels a chunk: the fewer chunks, the better. A TPU writes them
down too, in a larger memory on the chip (not measured there)."""

WIDTH = 32
"""Entries a segment where the histories do not choose: on a GPU or TPU, and where few shapes matter more."""


def build(
    interactions: Interactions, *, chunk_entries: int | None = None, width: int | None = None, multiple_of: int = 1
) -> Histories:
    """Return the padded histories of `interactions` by user and by item.

    Args:
        interactions: pairs on the host; their weights, where they have any, stand beside their values.
        chunk_entries: entries a chunk, or None for those that suit the platform, see `CHUNK_ENTRIES`. Cholesky has a
            matrix for every segment of a chunk in memory: choose fewer for it where the whole side is one chunk.
        width: entries a segment, or None for those that suit the platform and the lengths of the histories, see
            `packing.fitting_width`.
        multiple_of: the number of chunks is a multiple of this (the number of devices that share them).

    Raises:
        ValueError: for what are no Interactions, an empty set, ids outside the id spaces, values or weights that are
            not finite in float32, negative weights, or options that are not whole numbers of at least 1.

    Example:
        >>> pairs = Interactions(np.array([1, 0, 1]), np.array([2, 0, 1]), np.ones(3, np.float32), 2, 3)
        >>> build(pairs).users.counts.tolist()
        [1.0, 2.0]
    """
    check(interactions)
    check_some(interactions)
    sizes = (interactions.users, interactions.num_users), (interactions.items, interactions.num_items)
    counts = [np.bincount(ids, minlength=size) for ids, size in sizes]
    options: dict[str, Any] = {"chunk_entries": chunk_entries, "width": width, "multiple_of": multiple_of}
    by_user, by_item = Packing.pair(*counts, same=_same(interactions), **options)
    users = _packed(by_user, interactions, "user")
    del by_user
    return Histories(users, _packed(by_item, interactions, "item"))


def side(
    interactions: Interactions,
    *,
    by: By = "user",
    chunk_entries: int | None = None,
    width: int | None = None,
    multiple_of: int = 1,
    rounded: bool = False,
) -> Side:
    """Return the padded histories of one side; arguments and errors as in `build`.

    With `rounded` chunks, segments and slots are rounded up to few sizes (`packing.rounded_up`), and a width that is
    not given is WIDTH, so that histories of other lengths meet the same compiled programs.
    """
    check_by(by)
    check(interactions)
    check_some(interactions)
    rows, _, num_rows, _ = sides(interactions, by)
    counts = np.bincount(rows, minlength=num_rows)
    width = WIDTH if width is None and rounded else _width(width, counts)
    same = _same(interactions)
    plans = _plans(counts, chunk_entries=chunk_entries, width=width, multiple_of=multiple_of)
    if rounded:
        plans = _rounded(plans[0]), _rounded(plans[1])
    packing = Packing(counts, plans, width, [None] * len(same) if rounded else same)
    return _packed(packing, interactions, by)


def _rounded(plan: Plan | None) -> Plan | None:
    if plan is None:
        return None
    chunks, segments, slots = plan.shape
    return plan._replace(shape=(rounded_up(chunks), rounded_up(segments, least=8), rounded_up(slots)))


def numbers_of(interactions: Interactions) -> list[np.ndarray]:
    """Return the numbers of entries: their values, and their weights where there are any."""
    return [interactions.values] if interactions.weights is None else [interactions.values, interactions.weights]


def _same(interactions: Interactions) -> list[float | None]:
    """Return the value that all entries have, or None, and likewise the weight where there are any."""
    return [float(numbers[0]) if np.all(numbers == numbers[0]) else None for numbers in numbers_of(interactions)]


PART, MOST_PARTS = 1 << 20, 8
"""Entries that are packed at once, as far as MOST_PARTS parts do: every part is a pass over the rows of all entries."""


def _packed(packing: Packing, interactions: Interactions, by: By) -> Side:
    """Pack one side, a range of rows at a time: what is needed beside the result is for one range only."""
    rows, columns, num_rows, num_columns = sides(interactions, by)
    # Where a row's entries begin and end among all entries, sorted by row: [num_rows].
    ends = np.cumsum(packing.counts)
    starts = ends - packing.counts
    num_parts = min(-(-len(rows) // PART), MOST_PARTS)
    inner = np.searchsorted(ends, len(rows) * np.arange(1, num_parts) / num_parts)
    for first, last in itertools.pairwise([0, *inner, num_rows]):
        here = np.flatnonzero((first <= rows) & (rows < last))
        here = here[sorted_by_row(rows[here] - first, columns[here])]  # [entries of the part]
        of_part = rows[here]
        position = np.arange(len(here)) - (starts[of_part] - starts[first])
        packing.write(of_part, position, columns[here], *(numbers[here] for numbers in numbers_of(interactions)))
    return packing.side(np.bincount(columns, minlength=num_columns))


class Packing:
    """Histories of one side in the making: common ones, and those too long for a common chunk.

    Attributes:
        counts: int64 [num_rows], the entries of every row.
    """

    def __init__(
        self, counts: np.ndarray, plans: Sequence[Plan | None], width: int, same: Sequence[float | None]
    ) -> None:
        self.counts, self._is_common = counts, np.zeros(len(counts), bool)
        if plans[0] is not None:
            self._is_common[plans[0].rows] = True
        self._writers = [None if plan is None else Writer(plan, width, len(counts), same) for plan in plans]

    @classmethod
    def pair(
        cls,
        *counts: np.ndarray,
        chunk_entries: int | None,
        width: int | None,
        multiple_of: int,
        same: Sequence[float | None],
    ) -> list[Packing]:
        """Return those of users and items.

        Args:
            counts: int64, entries of every user, and of every item.
            chunk_entries, width, multiple_of: as in `build`.
            same: the value that all entries have, or None when they differ; and the weight, where there are any.
        """
        width = _width(width, *counts)
        options: dict[str, Any] = {"chunk_entries": chunk_entries, "width": width, "multiple_of": multiple_of}
        plans = [_plans(of_side, **options) for of_side in counts]
        users, items = (common for common, _ in plans)
        if users is not None and items is not None:
            plans = [(common, long) for common, (_, long) in zip(share_shape(users, items), plans, strict=True)]
        return [cls(of_side, planned, width, same) for of_side, planned in zip(counts, plans, strict=True)]

    def write(self, rows: np.ndarray, position: np.ndarray, columns: np.ndarray, *numbers: np.ndarray) -> None:
        """Add entries, [n] each; `position` is an entry's place within its row, from 0; `numbers` as `numbers_of`."""
        common = self._is_common[rows]
        for writer, chosen in zip(self._writers, (common, ~common), strict=True):
            if writer is not None and chosen.any():
                part = slice(None) if chosen.all() else chosen
                writer.write(rows[part], position[part], columns[part], *(each[part] for each in numbers))

    def side(self, column_counts: np.ndarray) -> Side:
        """Return what was written."""
        blocks = tuple(Packed(*map(jnp.asarray, writer.arrays())) for writer in self._writers if writer is not None)
        return Side(blocks, jnp.asarray(self.counts, jnp.float32), jnp.asarray(column_counts, jnp.float32))


def default_chunk_entries() -> int:
    """Return the entries a chunk that suit the default device."""
    return CHUNK_ENTRIES.get(compilation.platform(), CHUNK_ENTRIES["cpu"])


def _width(width: int | None, *counts: np.ndarray) -> int:
    """Return the width that is asked for, or the one for histories of these lengths where it is None."""
    if width is not None:
        checks.whole("width", width, remedy="pass a number of entries, or None for what suits the histories")
        return width
    return fitting_width(*counts) if compilation.platform() == compilation.CPU else WIDTH


def _plans(
    counts: np.ndarray, *, chunk_entries: int | None, width: int, multiple_of: int
) -> tuple[Plan | None, Plan | None]:
    """Return the plans of common and of long histories, None where there are none."""
    chunk_entries = default_chunk_entries() if chunk_entries is None else chunk_entries
    for name, number in (("chunk_entries", chunk_entries), ("multiple_of", multiple_of)):
        checks.whole(name, number, remedy="pass a number of entries or devices")
    segments = -(-counts // width)  # [num_rows]
    capacity = max(chunk_entries // width, 1)

    def plan(chosen: np.ndarray) -> Plan | None:
        here = np.where(chosen, segments, 0)
        return balance(here, max(capacity, int(here.max())), multiple_of) if here.any() else None

    return plan(segments <= capacity), plan(segments > capacity)
