"""Interactions -> device pytrees: `Ragged` lists for exclusion and sampling, `Histories` for batched solves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from mfjax import checks
from mfjax.packing import Plan, Writer, balance, share_shape
from mfjax.types import Array, Interactions, describe

By = Literal["user", "item"]
Tables = TypeVar("Tables")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Ragged:
    """One list of item ids per user, ascending, on the device (the arrays of a CSR matrix).

    Attributes:
        offsets: int32 [num_rows + 1]; row r holds entries offsets[r] .. offsets[r + 1].
        ids: int32 [n], ascending within a row.
        values: float32 [n].
        num_columns: size of the id space of `ids` (static).
        longest: length of the longest row (static).
    """

    offsets: Array
    ids: Array
    values: Array
    num_columns: int = field(metadata={"static": True})
    longest: int = field(metadata={"static": True})

    def __post_init__(self) -> None:
        checks.whole("num_columns", self.num_columns, least=0)
        checks.whole("longest", self.longest, least=0)

    def __repr__(self) -> str:
        offsets = f"offsets {describe(self.offsets)}, ids {describe(self.ids)}"
        return f"Ragged({offsets}, {self.num_columns} columns, longest {self.longest})"

    @property
    def num_rows(self) -> int:
        return self.offsets.shape[0] - 1

    def lengths(self) -> Array:
        """Return the number of entries of every row, int32 [num_rows]."""
        return self.offsets[1:] - self.offsets[:-1]

    def rows(self, rows: Array) -> tuple[Array, Array, Array]:
        """Return ids, values and mask [batch, longest] of `rows` int32 [batch]; padding is id 0, value 0, False."""
        position = self.offsets[rows][:, None] + jnp.arange(self.longest, dtype=jnp.int32)[None, :]
        mask = position < self.offsets[rows + 1][:, None]
        position = jnp.where(mask, position, 0)
        ids = jnp.where(mask, self.ids[position], 0)
        return ids, jnp.where(mask, self.values[position], 0), mask


def ragged(interactions: Interactions, *, by: By = "user") -> Ragged:
    """Return the ragged lists of `interactions`, one row per user (or per item with `by="item"`).

    Rows without interactions are empty. Entries are ordered by (row, id); equal pairs keep file order.

    Raises:
        ValueError: for what are no Interactions, an unknown side, ids outside the id spaces, or values that are not
            finite.

    Example:
        >>> pairs = Interactions(np.array([1, 0, 1]), np.array([2, 0, 1]), np.ones(3, np.float32), 2, 3)
        >>> ragged(pairs).ids.tolist()
        [0, 1, 2]
    """
    _check_by(by)
    _check(interactions)
    rows, columns, num_rows, num_columns = _sides(interactions, by)
    order = _sorted_by_row(rows, columns)
    offsets = np.zeros(num_rows + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=num_rows), out=offsets[1:])
    # One spare entry, so that an empty set still has something to gather.
    ids = np.zeros(max(len(order), 1), np.int32)
    values = np.zeros(max(len(order), 1), np.float32)
    ids[: len(order)], values[: len(order)] = columns[order], interactions.values[order]
    longest = int(np.diff(offsets).max(initial=0))
    return Ragged(jnp.asarray(offsets, jnp.int32), jnp.asarray(ids), jnp.asarray(values), num_columns, max(longest, 1))


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

    # How the rows of tables are stored: here in the order of ids; `mfjax.by_rows` shares them out over devices.

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


def build(interactions: Interactions, *, chunk_entries: int = 4096, width: int = 32, multiple_of: int = 1) -> Histories:
    """Return the padded histories of `interactions` by user and by item.

    Args:
        interactions: pairs on the host.
        chunk_entries: entries a chunk; the factors gathered for one chunk should fit the fastest large cache.
        width: entries a segment.
        multiple_of: the number of chunks is a multiple of this (the number of devices that share them).

    Raises:
        ValueError: for what are no Interactions, an empty set, ids outside the id spaces, values that are not finite
            in float32, or options that are not whole numbers of at least 1.

    Example:
        >>> pairs = Interactions(np.array([1, 0, 1]), np.array([2, 0, 1]), np.ones(3, np.float32), 2, 3)
        >>> build(pairs).users.counts.tolist()
        [1.0, 2.0]
    """
    _check(interactions)
    _check_some(interactions)
    sizes = (interactions.users, interactions.num_users), (interactions.items, interactions.num_items)
    counts = [np.bincount(ids, minlength=size) for ids, size in sizes]
    options = {"chunk_entries": chunk_entries, "width": width, "multiple_of": multiple_of}
    by_user, by_item = Packing.pair(*counts, value=_one_value(interactions.values), **options)
    users = _packed(by_user, interactions, "user")
    del by_user
    return Histories(users, _packed(by_item, interactions, "item"))


def side(
    interactions: Interactions,
    *,
    by: By = "user",
    chunk_entries: int = 4096,
    width: int = 32,
    multiple_of: int = 1,
) -> Side:
    """Return the padded histories of one side; arguments and errors as in `build`."""
    _check_by(by)
    _check(interactions)
    _check_some(interactions)
    rows, _, num_rows, _ = _sides(interactions, by)
    counts = np.bincount(rows, minlength=num_rows)
    options = {"chunk_entries": chunk_entries, "width": width, "multiple_of": multiple_of}
    packing = Packing(counts, _plans(counts, **options), width, _one_value(interactions.values))
    return _packed(packing, interactions, by)


def _one_value(values: np.ndarray) -> float | None:
    """Return the value that all entries have, or None."""
    return float(values[0]) if np.all(values == values[0]) else None


PART, MOST_PARTS = 1 << 20, 8
"""Entries that are packed at once, as far as MOST_PARTS parts do: every part is a pass over the rows of all entries."""


def _packed(packing: Packing, interactions: Interactions, by: By) -> Side:
    """Pack one side, a range of rows at a time: what is needed beside the result is for one range only."""
    rows, columns, num_rows, num_columns = _sides(interactions, by)
    ends = np.cumsum(packing.counts)
    starts = ends - packing.counts
    num_parts = min(-(-len(rows) // PART), MOST_PARTS)
    inner = np.searchsorted(ends, len(rows) * np.arange(1, num_parts) / num_parts)
    for first, last in itertools.pairwise([0, *inner, num_rows]):
        here = np.flatnonzero((first <= rows) & (rows < last))
        here = here[_sorted_by_row(rows[here] - first, columns[here])]
        of_part = rows[here]
        position = np.arange(len(here)) - (starts[of_part] - starts[first])
        packing.write(of_part, position, columns[here], interactions.values[here])
    return packing.side(np.bincount(columns, minlength=num_columns))


class Packing:
    """Histories of one side in the making: common ones, and those too long for a common chunk.

    Attributes:
        counts: int64 [num_rows], the entries of every row.
    """

    def __init__(
        self, counts: np.ndarray, plans: Sequence[Plan | None], width: int, value: float | None = None
    ) -> None:
        self.counts, self._is_common = counts, np.zeros(len(counts), bool)
        if plans[0] is not None:
            self._is_common[plans[0].rows] = True
        self._writers = [None if plan is None else Writer(plan, width, len(counts), value) for plan in plans]

    @classmethod
    def pair(
        cls, *counts: np.ndarray, chunk_entries: int, width: int, multiple_of: int, value: float | None
    ) -> list[Packing]:
        """Return those of users and items.

        Args:
            counts: int64, entries of every user, and of every item.
            chunk_entries, width, multiple_of: as in `build`.
            value: what all entries are, or None when they differ.
        """
        options = {"chunk_entries": chunk_entries, "width": width, "multiple_of": multiple_of}
        plans = [_plans(of_side, **options) for of_side in counts]
        users, items = (common for common, _ in plans)
        if users is not None and items is not None:
            plans = [(common, long) for common, (_, long) in zip(share_shape(users, items), plans, strict=True)]
        return [cls(of_side, planned, width, value) for of_side, planned in zip(counts, plans, strict=True)]

    def write(self, rows: np.ndarray, position: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
        """Add entries, [n] each; `position` is an entry's place within its row, from 0."""
        common = self._is_common[rows]
        for writer, chosen in zip(self._writers, (common, ~common), strict=True):
            if writer is not None and chosen.any():
                part = slice(None) if chosen.all() else chosen
                writer.write(rows[part], position[part], columns[part], values[part])

    def side(self, column_counts: np.ndarray) -> Side:
        """Return what was written."""
        blocks = tuple(Packed(*map(jnp.asarray, writer.arrays())) for writer in self._writers if writer is not None)
        return Side(blocks, jnp.asarray(self.counts, jnp.float32), jnp.asarray(column_counts, jnp.float32))


def _plans(counts: np.ndarray, *, chunk_entries: int, width: int, multiple_of: int) -> tuple[Plan | None, Plan | None]:
    """Return the plans of common and of long histories, None where there are none."""
    for name, number in (("chunk_entries", chunk_entries), ("width", width), ("multiple_of", multiple_of)):
        checks.whole(name, number, remedy="pass a number of entries or devices")
    segments = -(-counts // width)
    capacity = max(chunk_entries // width, 1)

    def plan(chosen: np.ndarray) -> Plan | None:
        here = np.where(chosen, segments, 0)
        return balance(here, max(capacity, int(here.max())), multiple_of) if here.any() else None

    return plan(segments <= capacity), plan(segments > capacity)


def check_interactions(interactions: Any) -> None:
    """Raise ValueError unless `interactions` are Interactions whose columns fit together: kinds, dtypes and lengths.

    Example:
        >>> check_interactions(np.eye(2))
        Traceback (most recent call last):
        ...
        ValueError: interactions: a ndarray is not what is needed; pass Interactions, such as data.from_arrays makes
    """
    remedy = "pass Interactions, such as data.from_arrays makes"
    if scipy.sparse.issparse(interactions):
        remedy = "pass data.from_sparse(matrix)"
    elif isinstance(interactions, Ragged):
        remedy = "pass the Interactions that it was made of"
    checks.kind("interactions", interactions, Interactions, remedy)
    for name in ("num_users", "num_items"):
        checks.whole(name, getattr(interactions, name), least=0)
    for name, kinds in (("users", "iu"), ("items", "iu"), ("values", "iuf")):
        column = getattr(interactions, name)
        checks.kind(name, column, np.ndarray, "pass a numpy array, or use data.from_arrays")
        if column.size and column.dtype.kind not in kinds:
            raise ValueError(f"{name}: dtype {column.dtype}; pass numbers, or use data.from_arrays")
        checks.shape(name, column, (len(interactions.users),), "pass one entry for each pair")


def _check(interactions: Any) -> None:
    check_interactions(interactions)
    for name, ids, size in (
        ("users", interactions.users, interactions.num_users),
        ("items", interactions.items, interactions.num_items),
    ):
        bad = np.flatnonzero((ids < 0) | (ids >= size))
        if bad.size:
            raise ValueError(
                f"{name}: id {ids[bad[0]]} in row {bad[0]} is outside 0..{size - 1}; map raw ids with a Vocabulary"
            )
    with np.errstate(over="ignore"):
        bad = np.flatnonzero(~np.isfinite(np.asarray(interactions.values, np.float32)))
    if bad.size:
        raise ValueError(f"values: {interactions.values[bad[0]]} in row {bad[0]} is not finite; drop or repair the row")


def _check_some(interactions: Interactions) -> None:
    if len(interactions) == 0:
        raise ValueError("interactions: the set is empty; check the filter or split that made it")


def _check_by(by: By) -> None:
    checks.choice("by", by, get_args(By))


def _sorted_by_row(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the order by (row, column), equal pairs in file order: two counting sorts, linear in the entries."""
    by_column = _counting_sort(columns)
    return by_column[_counting_sort(rows[by_column])]


def _counting_sort(keys: np.ndarray) -> np.ndarray:
    # scipy's conversion to CSR is a stable counting sort; numpy's stable argsort of int32 is ten times slower.
    size = len(keys)
    shape = (int(keys.max(initial=0)) + 1, max(size, 1))
    return (
        scipy.sparse.coo_array((np.ones(size, np.int8), (keys, np.arange(size, dtype=np.int32))), shape).tocsr().indices
    )


def _sides(interactions: Interactions, by: By) -> tuple[np.ndarray, np.ndarray, int, int]:
    users, items = (interactions.users, interactions.num_users), (interactions.items, interactions.num_items)
    (rows, num_rows), (columns, num_columns) = (users, items) if by == "user" else (items, users)
    return rows, columns, num_rows, num_columns
