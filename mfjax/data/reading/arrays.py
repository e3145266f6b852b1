"""Parallel arrays and sparse matrices -> Interactions."""

from __future__ import annotations

import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from mfjax.data.reading.assembly import Reading, assemble
from mfjax.data.reading.repeats import Duplicates
from mfjax.data.reading.rows import Part, Rows, first
from mfjax.types import Interactions, TimeUnit, Vocabulary
from mfjax.vocabularies import raw_ids


def from_arrays(
    users: ArrayLike,
    items: ArrayLike,
    values: ArrayLike | None = None,
    timestamps: ArrayLike | None = None,
    *,
    weights: ArrayLike | None = None,
    duplicates: Duplicates = "error",
    time_unit: TimeUnit | None = None,
    user_vocabulary: Vocabulary | None = None,
    item_vocabulary: Vocabulary | None = None,
    num_users: int | None = None,
    num_items: int | None = None,
) -> Interactions:
    """Return the Interactions of parallel arrays of raw ids, in their order.

    Args:
        users, items: [n] raw ids, all integers or all strings. A vocabulary, sorted ascending, maps them to 0..count-1.
        values: [n] finite numbers >= 0 (ratings or counts), or None for ones. They are kept as float32: fractions are
            rounded, whole numbers that float32 can not hold and numbers too large or too small for it are refused.
        timestamps: [n] whole numbers, `datetime64`, Python's dates or times (without a zone: UTC), their text in ISO
            8601, or None. They are kept in the coarsest unit that holds all of them exactly.
        weights: [n] finite numbers >= 0, how sure each value is, or None.
        duplicates: what a repeated (user, item) pair becomes: "error"; "first" or "last", the earliest or latest of its
            rows; or the latest row with the "sum", "mean" or "max" of the values or the "count" of the rows. Earlier
            and later are by time, and by the order of the rows for equal times or without times. The number of merged
            rows is logged.
        time_unit: of timestamps that are numbers: "s", "ms", "us" or "ns"; None finds it by their size.
        user_vocabulary, item_vocabulary: encode by these instead of new ones, so that two tables share an id space.
        num_users, num_items: sizes of the id space of ids that already are 0..count-1; no vocabulary is made.
            At most 2^31 - 1.

    Raises:
        ValueError: naming the argument, the row (counted from 0) and the remedy.

    Example:
        >>> pairs = from_arrays(["ann", "bob", "ann"], [30, 10, 10], [5, 3, 4])
        >>> pairs.users.tolist(), pairs.items.tolist(), pairs.num_users, pairs.num_items
        ([0, 1, 0], [1, 0, 0], 2, 2)
        >>> pairs.item_vocabulary.decode([1]).tolist()
        [30]
    """
    how = Reading(
        duplicates=duplicates,
        time_unit=time_unit,
        user_vocabulary=user_vocabulary,
        item_vocabulary=item_vocabulary,
    )
    columns: dict[Part, pa.ChunkedArray] = {"user": _ids("users", users), "item": _ids("items", items)}
    others: tuple[tuple[Part, Any], ...] = (("value", values), ("timestamp", timestamps), ("weight", weights))
    columns |= {part: column(_LABELS[part], given) for part, given in others if given is not None}
    if len(columns["user"]) == 0:
        raise ValueError("users: there are no rows; pass at least one interaction")
    for part, found in columns.items():
        if len(found) != len(columns["user"]):
            raise ValueError(
                f"{_LABELS[part]}: {len(found)} rows, but users has {len(columns['user'])}; pass arrays of one length"
            )
    return assemble(Rows(columns, _LABELS), how, num_users=num_users, num_items=num_items)


_LABELS: dict[Part, str] = {
    "user": "users",
    "item": "items",
    "value": "values",
    "timestamp": "timestamps",
    "weight": "weights",
}


class Sparse(Protocol):
    """What is read of a matrix of scipy.sparse."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def tocoo(self) -> Any: ...


def from_sparse(matrix: Sparse, *, duplicates: Duplicates = "error") -> Interactions:
    """Return the stored entries of a scipy.sparse matrix [num_users, num_items], zeros that are stored included.

    Raises:
        ValueError: for what is no matrix, and as `from_arrays`.

    Example:
        >>> import scipy.sparse
        >>> from_sparse(scipy.sparse.csr_array([[0, 2], [3, 0]])).values.tolist()
        [2.0, 3.0]
    """
    if not hasattr(matrix, "tocoo") or len(matrix.shape) != 2:
        raise ValueError(
            f"matrix: a {type(matrix).__name__} is no matrix of scipy.sparse; pass one, such as csr_array, "
            "or give from_arrays its rows and columns"
        )
    entries = matrix.tocoo()
    num_users, num_items = entries.shape
    return from_arrays(
        entries.row, entries.col, entries.data, duplicates=duplicates, num_users=num_users, num_items=num_items
    )


def _ids(name: str, given: Any) -> pa.ChunkedArray:
    raw = raw_ids(name, given)
    if raw.ndim != 1:
        raise ValueError(f"{name}: shape {raw.shape}; pass a one-dimensional array")
    text = raw.dtype.kind not in "iu"
    return pa.chunked_array([pa.array(raw.tolist(), pa.large_string()) if text else pa.array(_native(raw))])


def any_column(name: str, given: Any) -> pa.ChunkedArray:
    """Return a column of ids, numbers, times or text as an Arrow column; objects must all be of one of these kinds.

    Raises:
        ValueError: naming the row that is of another kind than the first.
    """
    if isinstance(given, (list, tuple)):
        given = np.fromiter(given, object, len(given))  # numpy would make text of [1, "1"]
    try:
        return column(name, given)
    except ValueError:
        if isinstance(next((cell for cell in given if cell is not None), None), (str, int)):
            return _ids(name, given)  # which names the row
        raise


def column(name: str, given: Any) -> pa.ChunkedArray:
    """Return numbers, times or text [n] as an Arrow column, whatever holds them.

    Raises:
        ValueError: for what is no column, and a row that is masked or of another type than the others.
    """
    if isinstance(given, (pa.Array, pa.ChunkedArray)):
        return given if isinstance(given, pa.ChunkedArray) else pa.chunked_array([given])
    array = _array(name, given)
    if array.dtype.kind == "M":
        return pa.chunked_array([_datetimes(name, array)])
    if array.dtype.kind in "cmV" and array.dtype.name != "bfloat16":
        raise ValueError(f"{name}: dtype {array.dtype} is not of numbers; pass ratings, counts or times")
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    members: Any = array.tolist() if array.dtype.kind in "OST" else _native(array)
    if array.dtype == object:
        members = _alike(name, members)
        if any(isinstance(cell, np.datetime64) for cell in members):
            nothing = np.datetime64("NaT")
            array = np.array([nothing if cell is None else cell for cell in members])
            return pa.chunked_array([_datetimes(name, array)])
    try:
        return pa.chunked_array([pa.array(members, from_pandas=True)])
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error!s:.150}; pass numbers, and drop the rows that have none") from None


def _alike(name: str, members: list) -> list:
    """Return objects as Arrow takes them right: numpy's numbers as Python's, and times of one kind, None for NaT.

    Arrow would cut a time among dates to its date, take a time without a zone among others for UTC, cut nanoseconds,
    and end the process at numpy's times beside its integers.
    """
    kinds = set(map(type, members))
    if any(issubclass(kind, np.generic) for kind in kinds):
        times = (np.datetime64, np.timedelta64)
        members = [
            cell.item() if isinstance(cell, np.generic) and not isinstance(cell, times) else cell for cell in members
        ]
    if not any(issubclass(kind, (datetime.date, np.datetime64, np.timedelta64)) for kind in kinds):
        return members
    members = [None if cell is None or cell != cell else cell for cell in members]
    wanted = next(((row, _kind(cell)) for row, cell in enumerate(members) if cell is not None), None)
    for row, cell in enumerate(members):
        if wanted is not None and cell is not None and _kind(cell) != wanted[1]:
            raise ValueError(
                f"{name}: row {row} holds {_kind(cell)}, {cell!s:.60}, but row {wanted[0]} {wanted[1]}; write all alike"
            )
    if any(getattr(cell, "nanosecond", 0) for cell in members):  # pandas' times
        return [None if cell is None else cell.to_datetime64().astype("datetime64[ns]") for cell in members]
    return members


def _kind(cell: Any) -> str:
    if isinstance(cell, datetime.datetime):
        return "a time without a zone" if cell.tzinfo is None else "a time with a zone"
    return "a date" if isinstance(cell, datetime.date) else f"a {type(cell).__name__}"


def _native(array: np.ndarray) -> np.ndarray:
    """Return an array in the byte order of the machine: Arrow knows no other."""
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))


def _array(name: str, given: Any) -> np.ndarray:
    """Return one column [n] as a numpy array, whatever holds it."""
    if isinstance(given, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(given)
        if masked.any():
            raise ValueError(f"{name}: row {first(masked.reshape(-1))} is masked; drop the row, or fill it")
        given = given.data
    if isinstance(given, (str, bytes, dict, set)):
        raise ValueError(f"{name}: a {type(given).__name__} is no column; pass an array or a list")
    try:
        array = np.asarray(given)
    except Exception as error:  # of numpy, or of whoever holds the column
        raise ValueError(f"{name}: {error!r:.120}; pass a one-dimensional array") from None
    if array.ndim != 1:
        raise ValueError(f"{name}: shape {array.shape}; pass a one-dimensional array")
    return array


def _datetimes(name: str, given: np.ndarray) -> pa.Array:
    """Return datetime64 [n] as Arrow times: in seconds where the unit is coarser, in nanoseconds where it is finer."""
    unit, step = np.datetime_data(given.dtype)
    fine = unit in ("s", "ms", "us", "ns") and step == 1
    wanted = given if fine else given.astype("datetime64[s]" if unit in _COARSE else "datetime64[ns]")
    # A day or a year far away wraps in seconds, and a picosecond is cut by nanoseconds.
    lost = ~np.isnat(given) & (np.isnat(wanted) | (wanted.astype(given.dtype) != given))
    if unit in _COARSE:
        lost |= (wanted < np.datetime64(0, "s")) != (given < np.zeros((), given.dtype))
    if lost.any():
        row = first(lost)
        raise ValueError(f"{name}: row {row} holds {given[row]}, which 64 bits can not hold; drop the row")
    return pa.array(wanted)


_COARSE = ("Y", "M", "W", "D", "h", "m", "s")
