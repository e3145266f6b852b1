"""Parallel arrays -> Interactions: the one place where raw rows are checked, mapped to ids and freed of duplicates.

Each row is kept or the error says which row is wrong and what to do; merged duplicates are counted in the log.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from mfjax.types import Interactions, Vocabulary

DUPLICATES = ("error", "last", "sum", "mean")

_logger = logging.getLogger(__name__)


def from_arrays(
    users,
    items,
    values=None,
    timestamps=None,
    *,
    duplicates: str = "error",
    user_vocabulary: Vocabulary | None = None,
    item_vocabulary: Vocabulary | None = None,
    num_users: int | None = None,
    num_items: int | None = None,
) -> Interactions:
    """Return the Interactions of parallel arrays of raw ids, in their order.

    Args:
        users, items: [n] raw ids, all integers or all strings. A vocabulary, sorted ascending, maps them to 0..count-1.
        values: [n] finite numbers >= 0 (ratings or counts), or None for ones.
        timestamps: [n] whole seconds or `datetime64`, or None.
        duplicates: what a repeated (user, item) pair becomes: "error"; "last", the last of its rows; "sum" or "mean"
            of its values at the place and time of the last of its rows. The number of merged rows is logged.
        user_vocabulary, item_vocabulary: encode by these instead of new ones, so that two tables share an id space.
        num_users, num_items: sizes of the id space of ids that already are 0..count-1; no vocabulary is made.

    Raises:
        ValueError: naming the argument, the row (counted from 0) and the remedy.

    Example:
        >>> pairs = from_arrays(["ann", "bob", "ann"], [30, 10, 10], [5, 3, 4])
        >>> pairs.users.tolist(), pairs.items.tolist(), pairs.num_users, pairs.num_items
        ([0, 1, 0], [1, 0, 0], 2, 2)
        >>> pairs.item_vocabulary.decode([1]).tolist()
        [30]
    """
    if duplicates not in DUPLICATES:
        raise ValueError(f"duplicates: {duplicates!r} is not a policy; pass one of {', '.join(DUPLICATES)}")
    user_ids, item_ids = _raw_ids("users", users), _raw_ids("items", items)
    if len(user_ids) == 0:
        raise ValueError("users: there are no rows; pass at least one interaction")
    value_array = np.ones(len(user_ids), np.float32) if values is None else _values(values)
    time_array = None if timestamps is None else _timestamps(timestamps)
    for name, column in (("items", item_ids), ("values", value_array), ("timestamps", time_array)):
        if column is not None and len(column) != len(user_ids):
            raise ValueError(f"{name}: {len(column)} rows, but users has {len(user_ids)}; pass arrays of one length")
    user_ids, num_users, user_vocabulary = _encode("users", user_ids, user_vocabulary, num_users)
    item_ids, num_items, item_vocabulary = _encode("items", item_ids, item_vocabulary, num_items)
    interactions = Interactions(
        user_ids, item_ids, value_array, num_users, num_items, time_array, user_vocabulary, item_vocabulary
    )
    return _merge_duplicates(interactions, duplicates)


def _raw_ids(name: str, raw) -> np.ndarray:
    """Return raw ids [n] of an integer or string dtype."""
    raw = np.asarray(raw)
    if raw.ndim != 1:
        raise ValueError(f"{name}: shape {raw.shape}; pass a one-dimensional array")
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
        raw = raw.astype(str if kinds[0] else np.int64)
    if raw.dtype.kind == "U" and (raw == "").any():
        raise ValueError(f"{name}: row {_first(raw == '')} is an empty string; drop the row or give it an id")
    if raw.dtype.kind == "f" and not np.isfinite(raw).all():
        raise ValueError(f"{name}: row {_first(~np.isfinite(raw))} has no id; drop the row or give it an id")
    if raw.dtype.kind not in "iuU":
        raise ValueError(f"{name}: dtype {raw.dtype}; convert ids to integers or strings, e.g. with .astype(np.int64)")
    return raw


def _values(values) -> np.ndarray:
    """Return values float32 [n], every one finite and not negative."""
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"values: shape {values.shape}; pass a one-dimensional array")
    try:
        with np.errstate(over="ignore"):
            numbers = values.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"values: {error}; pass numbers, and drop the rows that have none") from None
    bad = ~np.isfinite(numbers)
    if bad.any():
        raise ValueError(f"values: row {_first(bad)} holds {values[_first(bad)]}, not finite; drop the row or mend it")
    if (numbers < 0).any():
        row = _first(numbers < 0)
        raise ValueError(
            f"values: row {row} holds {values[row]}, negative; drop or shift it "
            "(signed values are set afterwards, by Interactions.with_values)"
        )
    return numbers


def _timestamps(timestamps) -> np.ndarray:
    """Return timestamps int64 [n], in seconds where the dtype says so."""
    timestamps = np.asarray(timestamps)
    if timestamps.ndim != 1:
        raise ValueError(f"timestamps: shape {timestamps.shape}; pass a one-dimensional array")
    bad = np.zeros(len(timestamps), bool)
    if timestamps.dtype.kind == "M":
        bad = np.isnat(timestamps)
        timestamps = timestamps.astype("datetime64[s]")
    elif timestamps.dtype.kind == "f":
        # NaN and infinity have no remainder, so they are not whole either.
        bad = ~(np.isfinite(timestamps) & (timestamps == np.trunc(timestamps)))
    elif timestamps.dtype.kind not in "iu":
        raise ValueError(f"timestamps: dtype {timestamps.dtype}; pass whole seconds or datetime64")
    if bad.any():
        row = _first(bad)
        raise ValueError(
            f"timestamps: row {row} holds {timestamps[row]}; pass whole numbers (scale fractions up) and drop gaps"
        )
    return timestamps.astype(np.int64)


def _encode(
    name: str, raw: np.ndarray, vocabulary: Vocabulary | None, count: int | None
) -> tuple[np.ndarray, int, Vocabulary | None]:
    if vocabulary is not None:
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


def _merge_duplicates(interactions: Interactions, policy: str) -> Interactions:
    pairs = interactions.users.astype(np.int64) * interactions.num_items + interactions.items
    ordered = np.sort(pairs)
    repeats = int((ordered[1:] == ordered[:-1]).sum())
    if repeats == 0:
        return interactions
    order = np.argsort(pairs, kind="stable")
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(order)]
    if policy == "error":
        group = int(np.argmax(ends - starts > 1))
        first, second = order[starts[group]], order[starts[group] + 1]
        raise ValueError(
            f"users, items: row {second} repeats the pair of row {first} ({repeats} repeats in all); "
            "drop them, or pass duplicates='last', 'sum' or 'mean'"
        )
    last = order[ends - 1]
    kept = np.argsort(last)
    values = interactions.values[last]
    if policy != "last":
        values = np.add.reduceat(interactions.values[order].astype(np.float64), starts)
        values = values / (ends - starts) if policy == "mean" else values
    _logger.warning("%d of %d rows repeat a pair and were merged (duplicates=%r)", repeats, len(interactions), policy)
    return replace(interactions.select(last[kept]), values=values[kept].astype(np.float32))


def _first(mask: np.ndarray) -> int:
    return int(np.argmax(mask))
