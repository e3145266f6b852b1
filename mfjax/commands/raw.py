"""Reads raw ids and titles from a command line or from files, in the type that the model has them in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from mfjax import vocabularies
from mfjax.data.reading.columns import is_usual
from mfjax.data.reading.opening import DAMAGED, opened, suffix
from mfjax.recommend import Model
from mfjax.recommend.parts import Side
from mfjax.types import Vocabulary

_INTEGER = re.compile("0|-?[1-9][0-9]*")
_SHOWN = 5
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")


def of_words(name: str, words: Sequence[str], vocabulary: Vocabulary, side: Side) -> np.ndarray:
    """Return raw ids of the kind that a vocabulary has, each once, in their order.

    Integers may be set with commas too; text is taken as it is.

    Raises:
        ValueError: for what is no integer where the ids are integers: "007" is none, as for `data.read`.

    Example:
        >>> of_words("users", ["7,9", "7"], Vocabulary.of([7, 8, 9]), "user").tolist()
        [7, 9]
    """
    if vocabularies.kind_of(vocabulary.raw) == "text":
        return vocabularies.raw_ids(name, list(dict.fromkeys(words)))
    found = [part for word in words for part in word.split(",") if part]
    wrong = next((part for part in found if not _INTEGER.fullmatch(part)), None)
    if wrong is not None:
        raise ValueError(f"{name}: {wrong!r:.80}, but the {side} ids of this model are integers; pass such as 7")
    return vocabularies.raw_ids(name, list(dict.fromkeys(map(int, found))))


def of_file(name: str, path: Path, column: str | None, vocabulary: Vocabulary, side: Side) -> np.ndarray:
    """Return the raw ids of a file, each once, in their order.

    A table (.csv, .tsv with a head, .parquet, compressed too) has them in the column that is named, its only one, or
    the one with a usual name of that side. Any other file has one a line.

    Raises:
        ValueError: for a file that can not be read, no such column, no id, and as `of_words`.
    """
    if suffix(path) in (*_SEPARATORS, *_PARQUET):
        table = read_table(name, path)
        cells = table[_column(name, path, list(table), column, side)]
    elif column is not None:
        raise ValueError(f"{name}: {path} has an id a line and no column {column!r:.40}; leave the column out")
    else:
        cells = [line.strip() for line in _text(name, path).split("\n")]
        cells = [line for line in cells if line]
    if len(cells) == 0:
        raise ValueError(f"{name}: {path} holds no id; pass another file")
    if isinstance(cells[0], str):
        return of_words(name, cells, vocabulary, side)
    return vocabularies.raw_ids(name, list(dict.fromkeys(cells)))


def titles(name: str, path: Path, vocabulary: Vocabulary) -> dict[Any, str]:
    """Return raw id -> title of the items of a table of the columns item (or id) and title (or name).

    Raises:
        ValueError: for a file that can not be read, or has no such columns.
    """
    table = read_table(name, path)
    ids = [one for one in table if is_usual("item", one) or one.lower() == "id"]
    told = [one for one in table if one.lower() in ("title", "name")]
    if not ids or not told:
        raise ValueError(f"{name}: {path} has the columns {', '.join(table)}; call two of them item_id and title")
    raw, is_text = table[ids[0]], vocabularies.kind_of(vocabulary.raw) == "text"
    found: dict[Any, str] = {}
    for one, title in zip(raw, table[told[0]], strict=True):
        if is_text or isinstance(one, int):
            found[str(one) if is_text else one] = "" if title is None else str(title)
        elif isinstance(one, str) and _INTEGER.fullmatch(one):
            found[int(one)] = "" if title is None else str(title)
    return found


def read_table(name: str, path: Path) -> dict[str, list]:
    """Return the columns of a table by name: text of a CSV or TSV with a head, whatever it is of a Parquet file.

    Raises:
        ValueError: for a file of another kind, a damaged one, and rows of another width.
    """
    if suffix(path) in _PARQUET:
        try:
            table = pyarrow.parquet.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{name}: {path} is no whole Parquet file ({error!s:.100}); write it again") from None
        return {column: table.column(column).to_pylist() for column in dict.fromkeys(table.column_names)}
    if suffix(path) not in _SEPARATORS:
        raise ValueError(f"{name}: {path} is no .csv, .tsv or .parquet; write it as one, with a head")
    lines = csv.reader(io.StringIO(_text(name, path), newline=""), delimiter=_SEPARATORS[suffix(path)])
    try:
        rows = [row for row in lines if row]
    except csv.Error as error:
        raise ValueError(f"{name}: {path} is damaged ({error}); write it again") from None
    if not rows:
        raise ValueError(f"{name}: {path} is empty; pass another file")
    head, *rows = rows
    odd = next((at for at, row in enumerate(rows) if len(row) != len(head)), None)
    if odd is not None:
        raise ValueError(
            f"{name}: {path}: row {odd + 1} has {len(rows[odd])} fields, the head {len(head)}; put quotes around commas"
        )
    return {column: [row[at] for row in rows] for at, column in enumerate(head)}


def check_known(name: str, raw: np.ndarray, side: Side, model: Model, remedy: str) -> None:
    """Raise ValueError for raw ids that a model does not have, naming the first of them.

    Args:
        name: of the option.
        raw: [n].
        side: whose ids they are.
        model: that is asked.
        remedy: what to do about unknown ones.
    """
    vocabulary = model.vocabulary(side)
    kind = vocabularies.kind_of(vocabulary.raw)
    if len(raw) and vocabularies.kind_of(raw) != kind:
        raise ValueError(
            f"{name}: {raw[:1].tolist()[0]!r:.80}, but the {side} ids of this model are {kind}; convert the column"
        )
    known = vocabulary.find(raw)[1]
    if not known.all():
        unknown = raw[~known].tolist()
        more = f" and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
        shown = ", ".join(f"{one!r:.40}" for one in unknown[:_SHOWN])
        raise ValueError(
            f"{name}: the model has no {side} {shown}{more} ({len(unknown):,} of {len(raw):,}); leave out what it does "
            f"not know, or {remedy}"
        )


def _column(name: str, path: Path, names: list[str], asked: str | None, side: Side) -> str:
    """Return the column that holds the ids of a side."""
    if asked is not None:
        if asked not in names:
            raise ValueError(f"{name}: {path} has no column {asked!r:.40}, but {', '.join(names)}; name one of these")
        return asked
    usual = [one for one in names if is_usual(side, one)]
    if len(usual) == 1 or len(names) == 1:
        return (usual or names)[0]
    raise ValueError(f"{name}: {path} has the columns {', '.join(names)}; name the one of the {side}s, see --help")


def _text(name: str, path: Path) -> str:
    try:
        with opened(path) as file:
            return file.read().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: {path} is not UTF-8; convert it") from None
    except DAMAGED as error:
        raise ValueError(f"{name}: {path} can not be read ({error!s:.100}); pass another file") from None
