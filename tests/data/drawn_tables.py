"""Drawn tables: ids, values, events, times and weights of every kind, as columns of Python's cells."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

EPOCH = datetime.datetime(1970, 1, 1)


@dataclass(frozen=True)
class Table:
    """Columns of Python cells by part (None in a cell for one that is missing), and of which kind each is."""

    columns: dict[str, list]
    kinds: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.columns["user"])

    def halves(self) -> list[Table]:
        cut = len(self) // 2
        spans = [slice(0, cut), slice(cut, None)] if cut else [slice(None)]
        return [
            replace(self, columns={name: cells[span] for name, cells in self.columns.items()}, notes=self.notes[span])
            for span in spans
        ]


@dataclass(frozen=True)
class Form:
    """A table written down: how to read it, and where a row is in it as messages say."""

    read: Callable[..., Any]
    place: Callable[[int], str]


_BITS = [
    "007",
    "7",
    "+7",
    "-0",
    "1_0",
    "1e5",
    "1.5",
    "NA",
    "nan",
    "null",
    "None",
    "true",
    "#1",
    "user",
    "a",
    " a",
    "a ",
]
_TEXT = st.one_of(
    st.sampled_from(_BITS),
    st.text(st.sampled_from("abAB01 \"',;|:\t\0\x1fé\u00a0\u2028\x85日\ufeff\\#"), min_size=1, max_size=6),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=8),
)
_IDS = {
    "int64": st.one_of(st.integers(-3, 9), st.integers(-(2**63), 2**63 - 1)),
    "uint64": st.one_of(st.integers(0, 9), st.integers(2**63, 2**64 - 1)),
    "small": st.integers(0, 20),
    "text": _TEXT,
    "digits": st.from_regex(r"\A[0-9]{1,4}\Z"),
}
_VALUES = {
    "ratings": st.integers(0, 10).map(lambda half: half / 2),
    "counts": st.integers(0, 2**24),
    "floats": st.one_of(st.just(0.0), st.floats(2.0**-100, 2.0**100, width=32)),
}
EVENTS = {"view": 1.0, "cart": 2.5, "7": 0.0, "purchase": 5.0}
_FROM = datetime.datetime(1970, 1, 2)
_UNTIL = datetime.datetime(2100, 1, 1)
_ZONES = st.sampled_from(
    [
        datetime.UTC,
        zoneinfo.ZoneInfo("Asia/Kolkata"),
        *(datetime.timezone(datetime.timedelta(minutes=m)) for m in (120, -330)),
    ]
)
_TIMES = {
    "s": st.integers(0, 10**11 - 1),
    "ms": st.integers(10**11, 10**14 - 1),
    "us": st.integers(10**14, 10**17 - 1),
    "ns": st.integers(10**17, 2 * 10**18),
    "naive": st.datetimes(_FROM, _UNTIL),
    "zoned": st.datetimes(_FROM, _UNTIL, timezones=_ZONES),
    "dates": st.dates(_FROM.date(), _UNTIL.date()),
    "iso": st.datetimes(_FROM, _UNTIL).map(lambda time: time.isoformat(sep=" ", timespec="microseconds")),
    "iso zoned": st.datetimes(_FROM, _UNTIL, timezones=_ZONES).map(lambda time: time.isoformat()),
}


@st.composite
def tables(draw, users=tuple(_IDS), items=tuple(_IDS), timed=True, events=False) -> Table:
    rows = draw(st.integers(1, 8))
    kinds = {"user": draw(st.sampled_from(users)), "item": draw(st.sampled_from(items))}
    columns = {}
    for part in ("user", "item"):
        pool = draw(st.lists(_IDS[kinds[part]], min_size=1, max_size=4, unique=True))
        if kinds[part] == "uint64":
            pool.append(draw(st.integers(2**63, 2**64 - 1)))
        columns[part] = draw(st.lists(st.sampled_from(pool), min_size=rows, max_size=rows))
    for part in ("value", "weight"):
        kinds[part] = draw(st.sampled_from([*_VALUES, "none"]))
    kinds["timestamp"] = draw(st.sampled_from([*_TIMES, "none"])) if timed else "none"
    for part, known in (("value", _VALUES), ("timestamp", _TIMES), ("weight", _VALUES)):
        if kinds[part] != "none":
            columns[part] = draw(st.lists(known[kinds[part]], min_size=rows, max_size=rows))
    if events:
        kinds["value"] = "events"
        columns["value"] = draw(st.lists(st.sampled_from(sorted(EVENTS)), min_size=rows, max_size=rows))
    return Table(columns, kinds, draw(st.lists(_TEXT, min_size=rows, max_size=rows)))


def nanoseconds(cell: Any, kind: str) -> int:
    """Return a time as nanoseconds since 1970 (UTC), exactly."""
    if isinstance(cell, int):
        return cell * {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind]
    if isinstance(cell, str):
        cell = datetime.datetime.fromisoformat(cell)
    if not isinstance(cell, datetime.datetime):
        cell = datetime.datetime.combine(cell, datetime.time())
    if cell.tzinfo is not None:
        cell = cell.astimezone(datetime.UTC).replace(tzinfo=None)
    return (cell - EPOCH) // datetime.timedelta(microseconds=1) * 1000
