"""Raw ids (integers or text) and their vocabulary, which maps them to 0, 1, ... and back. On the host."""

from __future__ import annotations

import bisect
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfjax import checks

TEXT = np.dtypes.StringDType()
"""How raw ids that are text are held: each takes the bytes that it needs, and keeps its NULs and spaces.

Compare, sort and search such arrays as Python's or Arrow's texts: numpy (2.0 to 2.4) compares them up to a first NUL,
so that its `==`, `sort` and `unique` err, and `searchsorted` reads the texts of one array in the memory of another.
Take from them by int64 or by a mask, and make them by `np.array` or `astype`, not by `np.fromiter`.
"""

_PART = 2**16


def raw_ids(name: str, column: Any) -> np.ndarray:
    """Return the raw ids of a column [n]: int64, uint64 where one is 2^63 or more, or `TEXT`.

    Args:
        name: of the argument, for messages.
        column: a list, a tuple, an array, or a column of pandas, polars or Arrow, of integers or of text.

    Raises:
        ValueError: for ids that are neither all integers nor all text, integers that no 64 bits hold, and a missing, a
            masked or an empty id, by its row; for what is no column.

    Example:
        >>> raw_ids("users", [30, 10]).tolist(), raw_ids("users", ("007", "7")).tolist()
        ([30, 10], ['007', '7'])
        >>> raw_ids("users", ["ann", None])
        Traceback (most recent call last):
        ...
        ValueError: users: row 1 holds None; ids are all integers or all strings: drop the row or convert it
    """
    if isinstance(column, (str, bytes, dict, set)):
        raise ValueError(f"{name}: a {type(column).__name__} is no column; pass an array or a list")
    cells = _cells(name, column)
    if cells.ndim != 1:
        raise ValueError(f"{name}: shape {cells.shape}; pass a one-dimensional array")
    raw = _typed(name, cells)
    if raw.dtype == TEXT and (raw == "").any():
        raise ValueError(f"{name}: row {np.argmax(raw == '')} is an empty string; drop the row or give it an id")
    return raw


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Raw ids, sorted and distinct: `raw[id]` is the raw id of `id`.

    Attributes:
        raw: int64, uint64 where one is 2^63 or more, or `TEXT`, by code point. [n]; other integers and text become so.

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
        checks.kind("raw", self.raw, np.ndarray, "pass an array, or Vocabulary.of(raw_ids)")
        raw = self.raw
        if raw.ndim != 1 or raw.dtype.kind not in "iuUT":
            raise ValueError(
                f"raw: {raw.dtype}{list(raw.shape)} is no list of integers or strings; pass Vocabulary.of(raw_ids)"
            )
        raw = _typed("raw", _cells("raw", raw))
        if not rises(raw):
            raise ValueError("raw: the raw ids are not sorted and distinct; pass Vocabulary.of(raw_ids)")
        object.__setattr__(self, "raw", raw)

    @classmethod
    def of(cls, raw_ids: Any) -> Vocabulary:
        """Return the vocabulary of raw ids in any order, repeats allowed. Raises ValueError as `find`."""
        raw = _typed("raw_ids", _cells("raw_ids", raw_ids))
        if raw.dtype != TEXT:
            return cls(np.unique(raw))
        return cls(np.array(sorted(set(raw.reshape(-1).tolist())), object).astype(TEXT))

    def __len__(self) -> int:
        return len(self.raw)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} ids, {'text' if self.raw.dtype == TEXT else self.raw.dtype})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Vocabulary:
        # Copied deeply, an array of texts ends the process in numpy 2.0.
        return Vocabulary(self.raw.copy())

    def find(self, raw_ids: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return ids int32 and `known` bool, of the shape of `raw_ids`; an unknown raw id gets id 0 and False.

        Raises:
            ValueError: for raw ids that are neither all integers nor all text, or that no 64 bits hold, or text where
                the vocabulary has integers, or the other way round: no conversion is guessed.
        """
        asked = _typed("raw_ids", _cells("raw_ids", raw_ids))
        if len(self) == 0 or asked.size == 0:
            return np.zeros(asked.shape, np.int32), np.zeros(asked.shape, bool)
        if kind_of(asked) != kind_of(self.raw):
            raise ValueError(
                f"raw_ids: {asked.reshape(-1)[:1].tolist()[0]!r:.80}, but the ids of this vocabulary are "
                f"{kind_of(self.raw)}; convert it"
            )
        if asked.dtype == TEXT:
            ids = (_looked_up if asked.size > 1000 + len(self) // 10 else _bisected)(self.raw, asked.reshape(-1))
            ids = ids.reshape(asked.shape)
            return np.maximum(ids, 0), ids >= 0
        # In one dtype: numpy compares int64 and uint64 as floats.
        alike = asked.astype(self.raw.dtype, copy=False)
        ids = np.minimum(np.searchsorted(self.raw, alike), len(self) - 1)
        known = self.raw[ids] == alike
        if asked.dtype != self.raw.dtype:
            known &= asked >= 0 if asked.dtype == np.int64 else asked < np.uint64(2**63)
        return np.where(known, ids, 0).astype(np.int32), known

    def encode(self, raw_ids: Any) -> np.ndarray:
        """Return ids int32. Raises ValueError naming the first raw id that is not in the vocabulary, and as `find`."""
        asked = _typed("raw_ids", _cells("raw_ids", raw_ids))
        ids, known = self.find(asked)
        if not known.all():
            unknown = asked[~known].tolist()
            raise ValueError(
                f"raw_ids: {unknown[0]!r:.80} is not in the vocabulary of {len(self)} ids ({len(unknown)} unknown); "
                "drop it, or use find() to be told which are known"
            )
        return ids

    def decode(self, ids: Any) -> np.ndarray:
        """Return the raw ids of `ids`. Raises ValueError for what are no ids, or an id outside 0..len-1."""
        # As int64: numpy before 2.2 loses texts that are taken by other integers.
        return self.raw[np.asarray(checks.ids("ids", ids, len(self), "the ids of this vocabulary"), np.int64)]


def kind_of(raw: np.ndarray) -> str:
    """Return "text" or "integers", whichever raw ids are."""
    return "text" if raw.dtype == TEXT else "integers"


def rises(raw: np.ndarray) -> bool:
    """Return whether raw ids [n] are sorted and distinct."""
    if raw.dtype != TEXT:
        return bool((raw[1:] > raw[:-1]).all())
    parts = (raw[start : start + _PART + 1].tolist() for start in range(0, len(raw), _PART))
    return all(all(map(operator.lt, part, part[1:])) for part in parts)


def _cells(name: str, column: Any) -> np.ndarray:
    """Return what a column holds as an array of any shape and dtype, objects where numpy would convert them."""
    if isinstance(column, np.ma.MaskedArray):
        if np.ma.getmaskarray(column).any():
            row = np.argmax(np.ma.getmaskarray(column).reshape(-1))
            raise ValueError(f"{name}: row {row} is masked; drop the row, or fill it")
        column = column.data
    try:
        if hasattr(column, "to_arrow"):  # a polars column, which becomes a numpy one without the NULs at its ends
            column = column.to_arrow()
        if isinstance(column, str):
            return np.array(column, object)
        if isinstance(column, (list, tuple)):
            # As objects: numpy would make text of [1, "1"], floats of [-1, 2**63], and drop the NULs at a text's end.
            cells = np.array(column, object)
            if any(issubclass(kind, (str, int, np.integer)) and kind is not bool for kind in _kinds(cells)):
                return cells
        return np.asarray(column)
    except Exception as error:  # of numpy, or of whoever holds the column
        raise ValueError(f"{name}: {error!r:.120}; pass a one-dimensional array") from None


def _typed(name: str, cells: np.ndarray) -> np.ndarray:
    """Return raw ids as int64, as uint64 or as text, in the shape of `cells`."""
    kind = cells.dtype.kind
    if cells.size == 0:
        return cells.astype(TEXT if kind in "UT" else np.int64)
    if kind == "O" or (kind == "T" and hasattr(cells.dtype, "na_object")):
        cells = _of_objects(name, cells.astype(object))
    elif kind in "UT":
        cells = _of_text(name, cells)
    elif kind == "f" and not np.isfinite(cells).all():
        row = np.argmax(~np.isfinite(cells).reshape(-1))
        raise ValueError(f"{name}: row {row} has no id; drop the row or give it an id")
    elif kind not in "iu":
        raise ValueError(f"{name}: dtype {cells.dtype}; convert ids to integers or strings, such as .astype(np.int64)")
    if cells.dtype == TEXT:
        return cells
    is_wide = cells.dtype.kind == "u" and int(cells.max()) >= 2**63
    return cells.astype(np.uint64 if is_wide else np.int64, copy=False)


def _of_objects(name: str, cells: np.ndarray) -> np.ndarray:
    """Return an array of objects as text, int64 or uint64."""
    flat = cells.reshape(-1)
    is_text = isinstance(flat[0], str)
    wanted = (str,) if is_text else (int, np.integer)
    odd = {kind for kind in _kinds(flat) if not issubclass(kind, wanted) or kind is bool}
    if odd:
        row, cell = next((row, cell) for row, cell in enumerate(flat) if type(cell) in odd)
        raise ValueError(
            f"{name}: row {row} holds {cell!r:.80}; ids are all integers or all strings: drop the row or convert it"
        )
    if is_text:
        return _of_text(name, cells)
    integers = [int(cell) for cell in flat]
    lowest = min(integers)
    dtype, most = (np.int64, 2**63) if lowest < 0 or max(integers) < 2**63 else (np.uint64, 2**64)
    if lowest < -(2**63) or max(integers) >= most:
        row = next(row for row, one in enumerate(integers) if not -(2**63) <= one < most)
        beside = " beside a negative id" if lowest < 0 and 0 <= integers[row] < 2**64 else ""
        raise ValueError(f"{name}: row {row} holds {integers[row]}, beyond 64 bits{beside}; pass such ids as strings")
    return np.array(integers, dtype).reshape(cells.shape)


def _of_text(name: str, cells: np.ndarray) -> np.ndarray:
    if cells.dtype == TEXT:
        return cells
    try:
        # By way of objects: numpy cuts a fixed-width text at its first NUL.
        return cells.astype(object).astype(TEXT)
    except ValueError:
        row = next(row for row, one in enumerate(cells.reshape(-1, 1)) if not _is_unicode(one))
        raise ValueError(f"{name}: row {row} is no Unicode text (half a surrogate pair); drop or convert it") from None


def _is_unicode(cells: np.ndarray) -> bool:
    try:
        return cells.astype(object).astype(TEXT).size > 0
    except ValueError:
        return False


def _kinds(cells: np.ndarray) -> set[type]:
    return set(map(type, cells.reshape(-1)))


def _bisected(raw: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the ids of texts int32 [n], -1 for an unknown one."""
    places = ((bisect.bisect_left(raw, one), one) for one in asked)
    found = [place if place < len(raw) and raw[place] == one else -1 for place, one in places]
    return np.array(found, np.int32)


def _looked_up(raw: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the same by a table of all ids: faster for many texts."""
    import pyarrow
    import pyarrow.compute

    # By way of objects: not every pyarrow takes `TEXT`.
    texts, ids = (pyarrow.array(one.astype(object), pyarrow.large_string()) for one in (asked, raw))
    return pyarrow.compute.index_in(texts, ids).fill_null(-1).to_numpy(zero_copy_only=False)
