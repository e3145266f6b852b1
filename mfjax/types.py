"""The values that flow between the rooms: interactions on the host, factors on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from mfjax import checks

Array = jax.Array
Key = jax.Array

TimeUnit = Literal["s", "ms", "us", "ns"]
"""The unit of timestamps: seconds, milliseconds, microseconds or nanoseconds."""

Scorer = Callable[[Array], Array]
"""User ids int32 [batch] -> scores float32 [batch, num_items].

Those of this package are `jax.tree_util.Partial`s, pytrees that cross `jit` and `vmap` as arguments. A plain function
is taken wherever a scorer is, and wrapped in one (`recommend.scorer`).
"""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Raw ids (integers or strings), sorted and distinct: `raw[id]` is the raw id of `id`.

    Raises:
        ValueError: for raw ids that are not of one of the two kinds, not one-dimensional, not sorted or not distinct.

    Example:
        >>> vocabulary = Vocabulary.of(np.array(["b", "a", "b"]))
        >>> vocabulary.encode(["b", "a"])
        array([1, 0], dtype=int32)
        >>> vocabulary.decode([0]).tolist()
        ['a']
    """

    raw: np.ndarray

    def __post_init__(self) -> None:
        raw = self.raw
        checks.kind("raw", raw, np.ndarray, "pass an array, or Vocabulary.of(raw_ids)")
        if raw.ndim != 1 or _kind_of(raw) is None:
            raise ValueError(f"raw: {describe(raw)} is no list of integers or strings; pass Vocabulary.of(raw_ids)")
        if not (raw[1:] > raw[:-1]).all():
            raise ValueError("raw: the raw ids are not sorted and distinct; pass Vocabulary.of(raw_ids)")

    @classmethod
    def of(cls, raw_ids) -> Vocabulary:
        """Return the vocabulary of raw ids in any order, repeats allowed. Raises ValueError as `find`."""
        return cls(np.unique(_raw_ids(raw_ids)))

    def __len__(self) -> int:
        return len(self.raw)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} ids, {self.raw.dtype})"

    def find(self, raw_ids) -> tuple[np.ndarray, np.ndarray]:
        """Return ids int32 and `known` bool, of the shape of `raw_ids`; an unknown raw id gets id 0 and False.

        Raises:
            ValueError: for raw ids that are neither all integers nor all strings, or strings where the vocabulary has
                integers, or the other way round: no conversion is guessed.
        """
        raw_ids = _raw_ids(raw_ids)
        if len(self.raw) == 0 or raw_ids.size == 0:
            return np.zeros(raw_ids.shape, np.int32), np.zeros(raw_ids.shape, bool)
        if _kind_of(raw_ids) != _kind_of(self.raw):
            first = raw_ids.reshape(-1)[0]
            raise ValueError(
                f"raw_ids: {_plain(first)!r} is of dtype {raw_ids.dtype}, but the ids of this vocabulary are "
                f"{self.raw.dtype}; convert it"
            )
        alike = np.ones(raw_ids.shape, bool)
        if raw_ids.dtype.kind in "iu":
            # In one dtype: numpy compares int64 and uint64 as floats.
            given, raw_ids = raw_ids, raw_ids.astype(self.raw.dtype)
            alike = (raw_ids.astype(given.dtype) == given) & ((raw_ids < 0) == (given < 0))
        ids = np.minimum(np.searchsorted(self.raw, raw_ids), len(self.raw) - 1)
        known = (self.raw[ids] == raw_ids) & alike
        return np.where(known, ids, 0).astype(np.int32), known

    def encode(self, raw_ids) -> np.ndarray:
        """Return ids int32. Raises ValueError naming the first raw id that is not in the vocabulary, and as `find`."""
        raw_ids = _raw_ids(raw_ids)
        ids, known = self.find(raw_ids)
        if not known.all():
            unknown = raw_ids[~known].reshape(-1)
            raise ValueError(
                f"raw_ids: {_plain(unknown[0])!r} is not in the vocabulary of {len(self)} ids "
                f"({unknown.size} unknown); "
                "drop it, or use find() to be told which are known"
            )
        return ids

    def decode(self, ids) -> np.ndarray:
        """Return the raw ids of `ids`. Raises ValueError for what are no ids, or an id outside 0..len-1."""
        return self.raw[np.asarray(checks.ids("ids", ids, len(self), "the ids of this vocabulary"))]


def _raw_ids(raw_ids: Any) -> np.ndarray:
    """Return raw ids of any shape as an array of integers or of strings."""
    if isinstance(raw_ids, (list, tuple)):
        try:
            raw_ids = np.array(raw_ids, object)  # numpy would turn [1, "1"] into strings
        except ValueError:
            raise ValueError(f"raw_ids: {raw_ids!r:.80} is no array; pass lists of one length") from None
    raw = np.asarray(raw_ids)
    if raw.size == 0:
        return raw if _kind_of(raw) else raw.astype(np.int64)
    if raw.dtype == object:
        members = raw.reshape(-1)
        is_text = isinstance(members[0], str)
        wanted: Any = str if is_text else (int, np.integer)
        for member in members:
            if not isinstance(member, wanted) or isinstance(member, bool):
                raise ValueError(f"raw_ids: {member!r:.80}; ids are all integers or all strings: convert or drop it")
            if is_text and member.endswith("\0"):
                raise ValueError(f"raw_ids: {member!r:.80} ends in a NUL, which numpy drops; convert it")
        try:
            raw = raw.astype(str if is_text else np.int64)
        except OverflowError:
            raise ValueError("raw_ids: one is beyond 64 bits; convert them to strings") from None
    if _kind_of(raw) is None:
        raise ValueError(f"raw_ids: dtype {raw.dtype}; convert ids to integers or strings")
    return raw


def _kind_of(raw: np.ndarray) -> str | None:
    """Return "text" or "number", None for raw ids of another kind."""
    return "text" if raw.dtype.kind in "UT" else "number" if raw.dtype.kind in "iu" else None


def _plain(raw_id: Any) -> Any:
    return raw_id.item() if isinstance(raw_id, np.generic) else raw_id


@dataclass(frozen=True, eq=False)
class Interactions:
    """User-item pairs in file order, on the host (numpy).

    Attributes:
        users, items: int32 [n], contiguous ids below `num_users`, `num_items`.
        values: float32 [n], ratings or counts; ones where the source has none.
        timestamps: int64 [n], in `time_unit` since 1970 (UTC), or None.
        num_users, num_items: sizes of the id spaces, which a split keeps.
        user_vocabulary, item_vocabulary: maps to and from raw ids, or None when ids are the raw ids.
        time_unit: "s", "ms", "us" or "ns". Readers take the coarsest unit that holds every time exactly.
        weights: float32 [n], how sure each value is, or None.
    """

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    num_users: int
    num_items: int
    timestamps: np.ndarray | None = None
    user_vocabulary: Vocabulary | None = None
    item_vocabulary: Vocabulary | None = None
    time_unit: TimeUnit = "s"
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        times = "" if self.timestamps is None else ", with timestamps"
        return f"Interactions({len(self)} pairs of {self.num_users} users and {self.num_items} items{times})"

    def select(self, rows) -> Interactions:
        """Return the rows of a bool mask [n], of an integer index or of a slice, the id spaces unchanged.

        Raises:
            ValueError: for a mask of another length, or a row outside 0..n-1.
        """
        if not isinstance(rows, slice):
            rows = np.asarray(rows, np.int64) if np.size(rows) == 0 else np.asarray(rows)
            if rows.dtype == bool:
                checks.shape("rows", rows, (len(self),), "pass one bool for each row")
            else:
                checks.shape("rows", rows, (None,), "pass a list of rows")
                checks.count("rows", rows, most=max(len(self) - 1, 0), remedy="pass rows that there are")
        columns = ("users", "items", "values", "timestamps", "weights")
        found = {name: getattr(self, name) for name in columns}
        return replace(self, **{name: None if column is None else column[rows] for name, column in found.items()})

    def with_values(self, values) -> Interactions:
        """Return the same pairs with other values (a scalar or [n]). Raises ValueError for what are no numbers."""
        array = checks.seen(values)
        if array is None or array.dtype.kind not in "iuf" or array.shape not in ((), self.values.shape):
            raise ValueError(
                f"values: {values!r:.80} is neither one number nor one for each of {len(self)} pairs; pass floats"
            )
        with np.errstate(over="ignore"):
            return replace(self, values=np.broadcast_to(array.astype(np.float32), self.values.shape).copy())

    def item_counts(self) -> np.ndarray:
        """Return the number of interactions of every item, int32 [num_items]."""
        return np.bincount(self.items, minlength=self.num_items).astype(np.int32)

    def user_counts(self) -> np.ndarray:
        """Return the number of interactions of every user, int32 [num_users]."""
        return np.bincount(self.users, minlength=self.num_users).astype(np.int32)


class Factors(NamedTuple):
    """A factor model: score(u, i) = <users[u], items[i]> + user_biases[u] + item_biases[i] + offset.

    Attributes:
        users: float [num_users, dim].
        items: float [num_items, dim].
        user_biases: float [num_users], or None for zeros.
        item_biases: float [num_items], or None for zeros.
        offset: float scalar, or None for zero.
    """

    users: Array
    items: Array
    user_biases: Array | None = None
    item_biases: Array | None = None
    offset: Array | None = None

    def __repr__(self) -> str:
        parts = [f"{name}={describe(table)}" for name, table in self._asdict().items() if table is not None]
        return f"Factors({', '.join(parts)})"


def describe(array: Any) -> str:
    """Return dtype and shape of an array, such as "float32[3, 2]", or the kind of anything else.

    Example:
        >>> describe(np.ones((3, 2), np.float32))
        'float32[3, 2]'
    """
    if hasattr(array, "dtype") and hasattr(array, "shape"):
        return f"{array.dtype}{list(array.shape)}"
    return f"{array!r:.40}" if isinstance(array, (int, float)) else type(array).__name__
