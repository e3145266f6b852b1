"""Parallel arrays -> Interactions: the one place where raw rows are checked, mapped to ids and freed of duplicates.

Each row is kept or the error says which row is wrong and what to do; merged duplicates are counted in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from mfjax import checks
from mfjax.types import Interactions, Vocabulary

Duplicates = Literal["error", "first", "last", "sum", "mean", "max", "count"]
"""What a repeated pair becomes, see `from_arrays`."""

DUPLICATES: tuple[Duplicates, ...] = get_args(Duplicates)

_logger = logging.getLogger(__name__)


def from_arrays(
    users: ArrayLike,
    items: ArrayLike,
    values: ArrayLike | None = None,
    timestamps: ArrayLike | None = None,
    *,
    duplicates: Duplicates = "error",
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
        timestamps: [n] whole seconds or `datetime64`, or None.
        duplicates: what a repeated (user, item) pair becomes: "error"; "first" or "last", the earliest or latest of its
            rows; or the latest row with the "sum", "mean" or "max" of the values or the "count" of the rows. Earlier
            and later are by time, and by the order of the rows for equal times or without times. The number of merged
            rows is logged.
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
    checks.choice("duplicates", duplicates, DUPLICATES)
    user_ids, item_ids = id_column("users", users), id_column("items", items)
    if len(user_ids) == 0:
        raise ValueError("users: there are no rows; pass at least one interaction")
    value_array = np.ones(len(user_ids), np.float32) if values is None else _values(values)
    time_array = None if timestamps is None else _timestamps(timestamps)
    for name, column in (("items", item_ids), ("values", value_array), ("timestamps", time_array)):
        if column is not None and len(column) != len(user_ids):
            raise ValueError(f"{name}: {len(column)} rows, but users has {len(user_ids)}; pass arrays of one length")
    user_ids, num_users, user_vocabulary = _encode("user", user_ids, user_vocabulary, num_users)
    item_ids, num_items, item_vocabulary = _encode("item", item_ids, item_vocabulary, num_items)
    interactions = Interactions(
        user_ids, item_ids, value_array, num_users, num_items, time_array, user_vocabulary, item_vocabulary
    )
    return _merge_duplicates(interactions, duplicates)


def _column(name: str, raw: Any) -> np.ndarray:
    """Return one column [n] as a numpy array, whatever holds it."""
    if isinstance(raw, np.ma.MaskedArray):
        if np.ma.getmaskarray(raw).any():
            row = _first(np.ma.getmaskarray(raw).reshape(-1))
            raise ValueError(f"{name}: row {row} is masked; drop the row, or fill it")
        raw = raw.data
    if isinstance(raw, (str, bytes, dict, set)):
        raise ValueError(f"{name}: a {type(raw).__name__} is no column; pass an array or a list")
    try:
        column = np.asarray(raw)
    except Exception as error:  # of numpy, or of whoever holds the column
        raise ValueError(f"{name}: {error!r:.120}; pass a one-dimensional array") from None
    if column.ndim != 1:
        raise ValueError(f"{name}: shape {column.shape}; pass a one-dimensional array")
    return column


def id_column(name: str, raw_ids: ArrayLike) -> np.ndarray:
    """Return raw ids [n] of an integer or string dtype.

    Raises:
        ValueError: for ids that are neither all integers nor all strings, and a missing or an empty one, by its row.
    """
    raw = _column(name, raw_ids)
    if raw.size == 0:
        return raw.astype(np.int64)
    if raw.dtype.kind in "OT":
        kinds = [isinstance(raw_id, str) for raw_id in raw]
        integers = [isinstance(raw_id, (int, np.integer)) and not isinstance(raw_id, bool) for raw_id in raw]
        usable = kinds if kinds[0] else integers
        if not all(usable):
            row = usable.index(False)
            raise ValueError(
                f"{name}: row {row} holds {raw[row]!r}; ids are all integers or all strings: drop the row or convert it"
            )
        raw = raw.astype(str) if kinds[0] else _int64(name, raw)
    if raw.dtype.kind == "U" and (raw == "").any():
        raise ValueError(f"{name}: row {_first(raw == '')} is an empty string; drop the row or give it an id")
    if raw.dtype.kind == "f" and not np.isfinite(raw).all():
        raise ValueError(f"{name}: row {_first(~np.isfinite(raw))} has no id; drop the row or give it an id")
    if raw.dtype.kind not in "iuU":
        raise ValueError(f"{name}: dtype {raw.dtype}; convert ids to integers or strings, e.g. with .astype(np.int64)")
    return raw


def _int64(name: str, raw: np.ndarray) -> np.ndarray:
    """Return Python's whole numbers as int64."""
    try:
        return raw.astype(np.int64)
    except OverflowError:
        row = next(row for row, raw_id in enumerate(raw) if not -(2**63) <= raw_id < 2**63)
        raise ValueError(f"{name}: row {row} holds {raw[row]!r}, beyond int64; pass such ids as strings") from None


def _values(values: ArrayLike) -> np.ndarray:
    """Return values float32 [n], every one finite, not negative, and what it was."""
    given = _column("values", values)
    if given.dtype.kind not in "biufOUST" and given.dtype.name != "bfloat16":
        raise ValueError(f"values: dtype {given.dtype} is not of numbers; pass ratings or counts")
    try:
        exact = given if given.dtype.kind in "iu" else given.astype(np.float64, copy=False)
        with np.errstate(over="ignore"):
            numbers = exact.astype(np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"values: {error}; pass numbers, and drop the rows that have none") from None
    for bad, what in (
        (~np.isfinite(numbers), "not finite; drop the row or mend it"),
        (
            exact < 0,
            "negative; drop or shift it (signed values are set afterwards, by Interactions.with_values)",
        ),
        (_is_cut(exact, numbers), "which float32 can not hold; scale the values, or round them (.astype(np.float32))"),
    ):
        if bad.any():
            raise ValueError(f"values: row {_first(bad)} holds {given[_first(bad)]}, {what}")
    return numbers


def _is_cut(exact: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return where float32 lost more than a rounding: whole numbers that changed, and numbers below its least."""
    if exact.dtype.kind in "iu":
        cut = numbers.astype(np.float64) != exact.astype(np.float64)
        far = np.flatnonzero(exact > 2**53)  # where float64 rounds as well
        cut[far] = [int(numbers[row]) != int(exact[row]) for row in far]
        return cut
    cut = numbers != exact
    if cut.any():
        cut &= (exact < 2**53) & (exact == np.floor(exact))
    # Of numbers below the least normal one, XLA makes 0.
    return cut | ((numbers < np.finfo(np.float32).tiny) & (exact > 0))


def _timestamps(timestamps: ArrayLike) -> np.ndarray:
    """Return timestamps int64 [n], in seconds where the dtype says so."""
    given = _column("timestamps", timestamps)
    bad, seconds = np.zeros(len(given), bool), given
    if given.dtype.kind == "M":
        seconds = given.astype("datetime64[s]")
        # Days or years far away wrap in seconds.
        bad = np.isnat(given) | (seconds.astype(given.dtype) > given)
        bad |= (seconds.astype(given.dtype) < given) & (np.datetime_data(given.dtype)[0] in _COARSE)
    elif given.dtype.kind == "f":
        # NaN and infinity have no remainder, so they are not whole either.
        bad = ~((np.abs(given.astype(np.float64)) < 2.0**63) & (given == np.trunc(given)))
    elif given.dtype.kind == "u":
        bad = given > np.iinfo(np.int64).max
    elif given.dtype.kind != "i":
        raise ValueError(f"timestamps: dtype {given.dtype}; pass whole seconds or datetime64")
    if bad.any():
        row = _first(bad)
        raise ValueError(
            f"timestamps: row {row} holds {given[row]}; pass whole numbers (scale fractions up) and drop gaps"
        )
    return seconds.astype(np.int64)


_COARSE = ("Y", "M", "W", "D", "h", "m")


def _encode(
    of: str, raw: np.ndarray, vocabulary: Vocabulary | None, count: int | None
) -> tuple[np.ndarray, int, Vocabulary | None]:
    name = f"{of}s"
    if count is not None:
        checks.whole(f"num_{name}", count, remedy=f"ids are int32; leave num_{name} out to have raw ids mapped")
    if vocabulary is not None:
        checks.kind(f"{of}_vocabulary", vocabulary, Vocabulary, "pass Vocabulary.of(raw_ids)")
        if count is not None and count != len(vocabulary):
            raise ValueError(f"num_{name}: {count}, but {of}_vocabulary has {len(vocabulary)} ids; pass one of the two")
        if (raw.dtype.kind in "iu") != (vocabulary.raw.dtype.kind in "iu"):
            raise ValueError(
                f"{name}: dtype {raw.dtype}, but the vocabulary's ids are {vocabulary.raw.dtype}; convert one of them"
            )
        ids, known = vocabulary.find(raw)
        if not known.all():
            row = _first(~known)
            raise ValueError(
                f"{name}: row {row} holds {raw[row].item()!r}, which is not in the vocabulary; drop the row"
            )
        return ids, len(vocabulary), vocabulary
    if count is None:
        vocabulary, ids = _index(raw)
        return ids, len(vocabulary), vocabulary
    if raw.dtype.kind not in "iu":
        raise ValueError(f"{name}: dtype {raw.dtype}, but ids below num_{name} are integers; leave num_{name} out")
    bad = (raw < 0) | (raw >= count)
    if bad.any():
        row = _first(bad)
        raise ValueError(
            f"{name}: row {row} holds id {raw[row]}, outside 0..{count - 1}; raise num_{name}, "
            f"or leave it out to have raw ids mapped by a vocabulary"
        )
    return raw.astype(np.int32), count, None


def _index(raw: np.ndarray) -> tuple[Vocabulary, np.ndarray]:
    """Return the vocabulary of raw ids and their ids int32 [n]."""
    low, high = (int(raw.min()), int(raw.max())) if raw.dtype.kind in "iu" else (0, 2**63)
    if high < 2**63 and high - low < 4 * len(raw) + 1024:
        # Integers that lie close together need no sort: mark those present and count the marks.
        offsets = raw.astype(np.int64) - low
        present = np.zeros(high - low + 1, bool)
        present[offsets] = True
        rank = (np.cumsum(present) - 1).astype(np.int32)
        return Vocabulary((np.flatnonzero(present) + low).astype(raw.dtype)), rank[offsets]
    distinct, inverse = np.unique(raw, return_inverse=True)
    return Vocabulary(distinct), inverse.astype(np.int32)


def _sum(values: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values.astype(np.float64), starts)


# (values of the pairs' rows, one pair after the other; where each begins; how many it has) -> values of the pairs.
_MERGED: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "first": lambda values, starts, sizes: values[starts],
    "last": lambda values, starts, sizes: values[starts + sizes - 1],
    "sum": _sum,
    "mean": lambda values, starts, sizes: _sum(values, starts, sizes) / sizes,
    "max": lambda values, starts, sizes: np.maximum.reduceat(values, starts),
    "count": lambda values, starts, sizes: sizes,
}


def _merge_duplicates(interactions: Interactions, policy: Duplicates) -> Interactions:
    pairs = interactions.users.astype(np.int64) * interactions.num_items + interactions.items
    ordered = np.sort(pairs)
    repeats = int((ordered[1:] == ordered[:-1]).sum())
    if repeats == 0:
        # A count is of rows, also where every pair has one.
        return interactions.with_values(1) if policy == "count" else interactions
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[starts, len(ordered)])
    if policy == "error":
        order = np.argsort(pairs, kind="stable")
        group = int(np.argmax(sizes > 1))
        first, second = order[starts[group]], order[starts[group] + 1]
        raise ValueError(
            f"users, items: row {second} repeats the pair of row {first} ({repeats} repeats in all); "
            "drop them, or pass duplicates='last', 'sum' or 'mean'"
        )
    # Rows by pair, and within a pair by time and then by their place.
    by_time = slice(None) if interactions.timestamps is None else np.argsort(interactions.timestamps, kind="stable")
    order = np.arange(len(pairs))[by_time]
    order = order[np.argsort(pairs[order], kind="stable")]
    kept = order[starts if policy == "first" else starts + sizes - 1]
    values = _MERGED[policy](interactions.values[order], starts, sizes)
    with np.errstate(over="ignore"):
        merged = values.astype(np.float32)
    if not np.isfinite(merged).all():
        row = kept[_first(~np.isfinite(merged))]
        raise ValueError(f"values: the pair of row {row} adds up to more than float32 can hold; scale the values")
    _logger.warning("%d of %d rows repeat a pair and were merged (duplicates=%r)", repeats, len(interactions), policy)
    place = np.argsort(kept)
    return replace(interactions.select(kept[place]), values=merged[place])


def _first(mask: np.ndarray) -> int:
    return int(np.argmax(mask))
