"""A file that nothing is said about -> the options with which `data.read` reads it, and which of them are guesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import pyarrow as pa

from mfjax.data.published import heads
from mfjax.data.published.heads import Head
from mfjax.data.reading import opening
from mfjax.data.reading.columns import Columns
from mfjax.data.reading.layouts import Text
from mfjax.data.reading.opening import Place
from mfjax.data.reading.rows import Part

_Kind = TypeVar("_Kind", Columns, Text)

# A whole number of this size or more is rather an epoch in seconds (1973) than a rating or a count.
_EPOCH = 10**8


@dataclass(frozen=True)
class Guess:
    """How a file seems to be read.

    Attributes:
        head: of the file; None for lists of a user and its items.
        options: of `data.read`.
        notes: a sentence for every option that is a guess.
    """

    head: Head | None
    options: Mapping[str, Any]
    notes: tuple[str, ...]


def guess(path: Place, given: Mapping[str, Any]) -> Guess:
    """Return the options that a file seems to need beside the given ones.

    Raises:
        ValueError: for a file that can not be looked into, and a separator or a header line that must be said.
    """
    options = dict(given)
    if options.get("layout", "table") != "table":
        return Guess(None, options, ())
    columns, dialect = chosen(Columns, options), chosen(Text, options)
    said: list[str] = []
    try:
        head = heads.head(path, columns, dialect)
    except ValueError as error:
        if str(error).startswith("separator:") and _are_lists(path):
            return Guess(None, {**options, "layout": "lists"}, ("lines of various lengths are taken for lists",))
        if columns.selectors or not str(error).startswith("user, item:"):
            raise
        head, said = _unnamed(path, dialect)
    notes = [*said, *_fill(head, options)]
    if head.layout is not None:
        options.setdefault("separator", _plain(head.layout.dialect.separator))
        options.setdefault("header", head.layout.header)
        if head.layout.dialect.encoding != "utf-8":
            options.setdefault("encoding", head.layout.dialect.encoding)
    return Guess(head, options, tuple(notes))


def chosen(kind: type[_Kind], options: Mapping[str, Any]) -> _Kind:
    """Return the options that are fields of a dataclass, such as `Columns` or `Text`, as one."""
    return kind(**{each.name: options[each.name] for each in fields(kind) if each.name in options})  # type: ignore[arg-type]


def _unnamed(path: Place, dialect: Text) -> tuple[Head, list[str]]:
    """Return the head of a text file without usual names of columns, and a note where its first line is a guess."""
    try:
        return heads.head(path, Columns(user=0, item=1), dialect), []
    except ValueError as error:
        if not str(error).startswith("header:"):
            raise
        head = heads.head(path, Columns(user=0, item=1), replace(dialect, header=False))
        assert head.layout is not None
        first, *others = head.layout.sample
        over_numbers = [at for at in range(len(first)) if _kind(others, at) == "value" and _kind([first], at) is None]
        if not over_numbers:
            raise
    head = heads.head(path, Columns(user=0, item=1), replace(dialect, header=True))
    return head, ["header: the first line is taken for names of columns, for it has words over numbers"]


def _plain(separator: str) -> str:
    return "whitespace" if separator == r"\s+" else separator


def _fill(head: Head, options: dict[str, Any]) -> list[str]:
    """Add the columns that the names, or else the first rows, seem to be; return a note for each guess."""
    notes = []
    rows = head.rows if head.layout is None else head.layout.sample
    taken = [
        options[part] for part in ("user", "item", "value", "timestamp", "weight") if options.get(part) is not None
    ]
    parts: tuple[Part, ...] = ("user", "item", "value", "timestamp")
    for part in parts:
        if options.get(part) is not None:
            continue
        usual = [name for name in heads.seems(part, head.names) if name not in taken]
        left = [at for at, name in enumerate(head.names) if at not in taken and name not in taken]
        if usual:
            options[part] = usual[0]
            if len(usual) > 1:
                notes.append(f"{part}: {usual[0]!r} is taken, of {', '.join(usual)}")
        elif part in ("user", "item"):
            if left:
                options[part] = _selector(head, left[0])
                notes.append(f"{part}: no column has a usual name, {options[part]!r} is taken")
        elif fitting := [at for at in left if _kind(rows, at) == part and not _is_named(head)]:
            options[part] = _selector(head, fitting[0])
            notes.append(f"{part}: {options[part]!r} is taken, by its first rows")
        taken.append(options.get(part))
    return notes


def _is_named(head: Head) -> bool:
    return head.layout is None or head.layout.header


def _selector(head: Head, at: int) -> str | int:
    return head.names[at] if _is_named(head) else at


def _kind(rows: Sequence[Sequence[str]], at: int) -> str | None:
    """Return "value" or "timestamp", whichever a column of the first rows seems to be."""
    cells = pa.array([row[at] for row in rows if at < len(row)], pa.string())
    try:
        numbers = cells.cast(pa.float64()).to_pylist()
        return "timestamp" if numbers and min(numbers) >= _EPOCH else "value"
    except pa.ArrowInvalid:
        pass
    for zone in (None, "UTC"):
        try:
            cells.cast(pa.timestamp("us", zone))
            return "timestamp"
        except pa.ArrowInvalid:
            continue
    return None


def _are_lists(path: Place) -> bool:
    """Return whether the first lines are of whole numbers, of various lengths."""
    with opening.opened(path) as file:
        lines = [line.split() for line in file.read(1 << 16).split(b"\n")[:-1] if line.strip()]
    return len({len(line) for line in lines}) > 1 and all(cell.isdigit() for line in lines for cell in line)
