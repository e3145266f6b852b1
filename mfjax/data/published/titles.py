"""The file beside the interactions that names the items -> titles, years and genres, aligned to the ids of items."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mfjax.data.published.recipes import ItemFile
from mfjax.data.reading.opening import Place, opened
from mfjax.types import Vocabulary

_About = tuple[str, str, tuple[str, ...]]
"""Title, year and genres of an item."""

_NO_GENRES = "(no genres listed)"

# The last bracketed year counts: "Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)", "The Show (2009-2011)".
_YEAR = re.compile(r"\((\d{4})(?:[-\N{EN DASH}]\d*)?\)")


class Titles(NamedTuple):
    """What a source knows of the items, in the order of their ids.

    Attributes:
        titles: str [num_items] as the source writes them, without blanks at the ends, "" where it has none; None
            without a file of items.
        years: int32 [num_items], 0 where unknown, or None where the source has no years.
        genres: one tuple of names per item, or None where the source has no genres.
    """

    titles: np.ndarray | None
    years: np.ndarray | None
    genres: tuple[tuple[str, ...], ...] | None


def read(path: Place, layout: ItemFile, vocabulary: Vocabulary) -> Titles:
    """Return what a file says of the items of a vocabulary.

    Raises:
        ValueError: for a line that does not have the layout, naming the file.
    """
    wanted = set(map(str, vocabulary.raw.tolist()))
    try:
        known = {item: about for item, about in _items(path, layout) if item in wanted}
    except (ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise ValueError(
            f"{path}: a line does not have the layout of this file ({error!r:.120}); mend or remove it"
        ) from None
    nothing: _About = ("", "", ())
    about = [known.get(str(raw_id), nothing) for raw_id in vocabulary.raw.tolist()]
    titles = np.array([title for title, _, _ in about])
    has_genres = layout.genres is not None or bool(layout.flags)
    genres = tuple(tuple(genres) for _, _, genres in about) if has_genres else None
    if layout.year_in_title:
        found = [_YEAR.findall(title) for title in titles.tolist()]
        return Titles(titles, np.array([int(each[-1]) if each else 0 for each in found], np.int32), genres)
    if layout.year is None:
        return Titles(titles, None, genres)
    return Titles(titles, np.array([_year(year) for _, year, _ in about], np.int32), genres)


def _items(path: Place, layout: ItemFile) -> Iterator[tuple[str, _About]]:
    """Return the raw id of every item of a file, and what is said about it."""
    with opened(path) as file:
        for row in _objects(file) if layout.separator is None else _rows(file.read(), layout):
            title = str(row[layout.title]).strip()
            year = "" if layout.year is None else str(row[layout.year])
            yield str(row[layout.id]), (title, year, _genres(row, layout))


def _objects(lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        if line.strip():
            yield json.loads(line)


def _rows(raw: bytes, layout: ItemFile) -> Iterator[Any]:
    """Return the rows of a text file: lists of fields, or dicts by the names of the header line."""
    assert layout.separator is not None
    lines = _decoded(raw)
    rows: Iterator[list[str]]
    if layout.quoting:
        rows = csv.reader(io.StringIO(lines, newline=""), delimiter=layout.separator, escapechar=layout.escape)
    else:
        rows = (line.rstrip("\r").split(layout.separator) for line in lines.split("\n"))
    filled = (row for row in rows if row and row != [""])
    if not layout.header:
        yield from filled
        return
    names = [name.strip() for name in next(filled, [])]
    for row in filled:
        yield dict(zip(names, row, strict=not layout.escape))


def _decoded(raw: bytes) -> str:
    """Return text in UTF-8, or in Latin-1 the lines that are not."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    lines = []
    for line in raw.split(b"\n"):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line.decode("latin-1"))
    return "\n".join(lines)


def _genres(row: Any, layout: ItemFile) -> tuple[str, ...]:
    if layout.flags:
        return tuple(genre for genre, flag in zip(layout.flags, row[5:], strict=True) if flag == "1")
    if layout.genres is None:
        return ()
    names = row[layout.genres] or ""
    return () if names in ("", _NO_GENRES) else tuple(names.split(layout.genre_separator))


def _year(text: str) -> int:
    return int(text) if text.strip().isdecimal() and len(text.strip()) <= 4 else 0
