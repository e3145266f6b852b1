"""Rows of a source -> how many users, items, pairs, repeats, which values and times, and what can not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mfjax.data.reading import ids, times, values
from mfjax.data.reading.assembly import Reading
from mfjax.data.reading.opening import Place
from mfjax.data.reading.reader import joined, options_of, rows_of
from mfjax.data.reading.rows import Part, RowError, Rows, first, is_text, value_type
from mfjax.types import TimeUnit

_MOST_EVENTS = 20
_MOST_WRONG = 5
_LACKED: dict[Part, str] = {
    "user": "an id",
    "item": "an id",
    "value": "a value",
    "timestamp": "a time",
    "weight": "a weight",
}


class Values(NamedTuple):
    """The least and the largest value, and how many different ones there are."""

    least: float
    most: float
    different: int


class Times(NamedTuple):
    """The first and the last time in ISO 8601 (UTC), and the coarsest unit that holds all of them exactly."""

    first: str
    last: str
    unit: TimeUnit


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What rows hold. Users, items, pairs, values and times are counted over the rows that have all their cells.

    Attributes:
        parts: part -> its rows.
        users, items: how many different ones there are; None where their ids can not be read.
        repeats: rows that repeat a pair of their part.
        values, times: None without a column of them, and where it can not be read.
        dropped: a sentence for everything that `data.read` refuses.
        needed: options, as Python, with which it reads the rest.
    """

    parts: Mapping[str, int]
    users: int | None
    items: int | None
    repeats: int
    values: Values | None
    times: Times | None
    dropped: tuple[str, ...]
    needed: Mapping[str, str]

    @property
    def rows(self) -> int:
        """Return the rows of all parts."""
        return sum(self.parts.values())


def count(files: Mapping[str, Sequence[Place]], options: Mapping[str, Any], fields: Mapping[Part, str]) -> Counts:
    """Return what the files of parts hold, read by the options of `data.read`.

    Args:
        files: part -> its files.
        options: of `data.read`.
        fields: names of the columns, by the part of an interaction that they hold.

    Raises:
        ValueError: for files whose rows can not be had.
    """
    how, columns, dialect, layout = options_of(**options)
    events = how.values is not None
    parts = {part: rows_of(list(each), columns, dialect, layout, events=events) for part, each in files.items()}
    dropped: list[str] = []
    needed: dict[str, str] = {}
    of_part = np.repeat(np.arange(len(parts)), [len(rows) for rows in parts.values()])
    rows = joined(list(parts.values()))
    rows, kept = _filled(rows, how, fields, dropped, needed)
    users = _encoded(rows, "user", how, dropped) if len(rows) else None
    items = _encoded(rows, "item", how, dropped) if len(rows) else None
    repeats = 0 if users is None or items is None else _repeats(users, items, of_part[kept])
    if repeats:
        rule = f"duplicates={how.duplicates!r}" if how.duplicates != "error" else "say duplicates=; 'last' is taken"
        dropped.append(f"{_rows(repeats)} {'repeats' if repeats == 1 else 'repeat'} a pair of user and item ({rule})")
        if how.duplicates == "error":
            needed["duplicates"] = "'last'"
    return Counts(
        parts={part: len(each) for part, each in parts.items()},
        users=None if users is None else len(users.vocabulary),
        items=None if items is None else len(items.vocabulary),
        repeats=repeats,
        values=_values(rows, how, dropped, needed),
        times=_times(rows, how, dropped),
        dropped=tuple(dropped),
        needed=needed,
    )


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _filled(
    rows: Rows, how: Reading, fields: Mapping[Part, str], dropped: list[str], needed: dict[str, str]
) -> tuple[Rows, np.ndarray]:
    """Return the rows whose cells are all there, values that are numbers among them, and which rows they are."""
    has_all = np.ones(len(rows), bool)
    conditions = []
    for part, column in rows.columns.items():
        field = f"pc.field({fields.get(part, part)!r})"
        empty = _empty(column)
        if empty.any():
            dropped.append(f"{rows.labels[part]}: {_told(rows, empty)} without {_LACKED[part]}")
            conditions.append(f"({field} != '')" if is_text(value_type(column)) else f"{field}.is_valid()")
        has_all &= ~empty
        for text in _no_numbers(column.filter(pa.array(~empty))) if part == "value" and how.values is None else ():
            wrong = pc.equal(_plain(column), text).to_numpy() & ~empty
            dropped.append(f"{rows.labels[part]}: {_told(rows, wrong)} with {text!r:.60}, which is not a number")
            conditions.append(f"({field} != {text!r})")
            has_all &= ~wrong
    if conditions:
        needed["where"] = " & ".join(conditions)
    kept = np.flatnonzero(has_all)
    mask = pa.array(has_all)
    columns = {part: column.filter(mask) for part, column in rows.columns.items()}
    return Rows(columns, rows.labels, lambda row: rows.place(int(kept[row])), rows.untyped), kept


def _told(rows: Rows, mask: np.ndarray) -> str:
    """Return how many rows a mask has, and where the first of them is."""
    return f"{_rows(int(mask.sum()))} (the first: {rows.place(first(mask)).rstrip(',')})"


def _no_numbers(column: pa.ChunkedArray) -> list[str]:
    """Return the few texts among numbers that are no numbers; none where all are words, or many are wrong."""
    if not is_text(value_type(column)) or len(column) == 0:
        return []
    distinct = _plain(column).unique()
    wrong = [text for text in distinct.to_pylist() if not _is_number(text)]
    return wrong if len(wrong) <= min(_MOST_WRONG, len(distinct) - 1) else []


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(pa.scalar(text).cast(pa.float64()).as_py()))
    except pa.ArrowInvalid:
        return False


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _empty(column: pa.ChunkedArray) -> np.ndarray:
    """Return which cells are missing, or text of no character."""
    if not pa.types.is_dictionary(column.type):
        missing = column.is_null()
        if is_text(value_type(column)):
            missing = pc.or_(missing, pc.fill_null(pc.equal(pc.binary_length(column), 0), True))
        return missing.to_numpy()
    found = []
    for chunk in column.chunks:  # each distinct text is looked at once
        distinct = chunk.dictionary
        empty = pc.equal(pc.binary_length(distinct), 0) if is_text(value_type(column)) else distinct.is_null()
        found.append(pc.fill_null(empty.take(chunk.indices), True).to_numpy(zero_copy_only=False))
    return np.concatenate(found) if found else np.zeros(0, bool)


def _encoded(rows: Rows, part: Part, how: Reading, dropped: list[str]) -> ids.Encoded | None:
    try:
        return ids.encode(rows.columns[part], untyped=rows.untyped, kind=how.ids)
    except RowError as error:
        dropped.append(str(rows.wrong(part, error)))
    except ValueError as error:
        dropped.append(f"{rows.labels[part]}: {error}")
    return None


def _repeats(users: ids.Encoded, items: ids.Encoded, of_part: np.ndarray) -> int:
    """Return how many rows repeat a pair of their part."""
    pairs = users.ids.astype(np.int64) * len(items.vocabulary) + items.ids
    return sum(int(np.sum(of_part == part)) - len(np.unique(pairs[of_part == part])) for part in np.unique(of_part))


def _values(rows: Rows, how: Reading, dropped: list[str], needed: dict[str, str]) -> Values | None:
    if "value" not in rows.columns or len(rows) == 0:
        return None
    column = rows.columns["value"]
    try:
        numbers = values.read(column) if how.values is None else values.of_events(column, how.values)
        return Values(float(numbers.min()), float(numbers.max()), len(np.unique(numbers)))
    except RowError as error:
        if events := _events(column) if how.values is None else None:
            told = ", ".join(f"{event} ({number:,})" for event, number in events.items())
            dropped.append(f"{rows.labels['value']}: events: {told}; say what each is worth (values=), 1 is taken")
            needed["values"] = repr(dict.fromkeys(events, 1))
            return None
        dropped.append(str(rows.wrong("value", error)))
    except ValueError as error:
        dropped.append(f"{rows.labels['value']}: {error}")
    return None


def _events(column: pa.ChunkedArray) -> dict[str, int] | None:
    """Return how many rows each event has; None for a column that is not one of few words."""
    counted = column.value_counts().to_pylist()
    if len(counted) > _MOST_EVENTS or not all(isinstance(each["values"], str) for each in counted):
        return None
    found = {each["values"]: each["counts"] for each in counted}
    return None if any(event.replace(".", "", 1).lstrip("-").isdecimal() for event in found) else found


def _times(rows: Rows, how: Reading, dropped: list[str]) -> Times | None:
    if "timestamp" not in rows.columns or len(rows) == 0:
        return None
    try:
        found, unit = times.read(rows.columns["timestamp"], unit=how.time_unit, format=how.time_format)
    except RowError as error:
        dropped.append(str(rows.wrong("timestamp", error)))
        return None
    except ValueError as error:
        dropped.append(f"{rows.labels['timestamp']}: {error}")
        return None
    first_time, last_time = (str(np.datetime64(int(time), unit)) for time in (found.min(), found.max()))
    return Times(first_time, last_time, unit)
