"""The beginning of a file -> its format, the names of its columns and its first rows; and what the names seem to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from mfjax.data.reading import layouts, opening
from mfjax.data.reading.columns import Columns, is_usual
from mfjax.data.reading.layouts import Layout, Text
from mfjax.data.reading.opening import DAMAGED, Place, native, owned
from mfjax.data.reading.rows import Part

Format = Literal["text", "JSON lines", "Parquet"]

_ROWS = 5
_BYTES = 1 << 20

# What values and times are called, in lower case and without "_", "-", blanks and RecBole's ":float".
_USUAL = {
    "value": ("rating", "ratings", "bookrating", "stars", "score", "overall", "value", "count", "counts", "plays",
              "playcount", "event"),
    "timestamp": ("timestamp", "time", "date", "datetime", "unixreviewtime", "ts", "eventtime"),
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """The beginning of a file.

    Attributes:
        format: of the file.
        names: of its columns; "0", "1", ... of a text file without a header line.
        rows: the first rows, as text.
        layout: of a text file; None for others.
    """

    format: Format
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    layout: Layout | None = None


def head(path: Place, columns: Columns | None = None, dialect: Text | None = None) -> Head:
    """Return the beginning of a file, read as `columns` and `dialect` say.

    Raises:
        ValueError: for a file that can not be read, or whose header line or separator can not be told.
    """
    try:
        if (form := opening.form(path)) != "text":
            return _parquet(path) if form == "parquet" else _json(path)
    except (pa.ArrowException, *DAMAGED) as error:
        raise ValueError(f"source: {path} can not be read ({error!s:.120}); write or fetch it again") from None
    layout = layouts.look(path, columns or Columns(), dialect or Text())
    return Head("text", layout.names, layout.sample[:_ROWS], layout)


def seems(part: Part, names: Sequence[str]) -> list[str]:
    """Return the names that users, items, values or times usually have.

    Example:
        >>> [seems(part, ["user_id", "rating:float", "ts"]) for part in ("user", "value", "timestamp")]
        [['user_id'], ['rating:float'], ['ts']]
    """
    if part in ("user", "item"):
        return [name for name in names if is_usual(part, name)]
    return [name for name in names if _plain(name) in _USUAL.get(part, ())]


def _plain(name: str) -> str:
    return name.partition(":")[0].strip().lower().replace("_", "").replace("-", "").replace(" ", "")


def _parquet(path: Place) -> Head:
    with native(path) as file, pyarrow.parquet.ParquetFile(file) as opened_file:
        batch = next(opened_file.iter_batches(_ROWS), None)
        names = tuple(opened_file.schema_arrow.names)
    return Head("Parquet", names, _rows(None if batch is None else pa.Table.from_batches([batch])))


def _json(path: Place) -> Head:
    with opening.opened(path) as file:
        raw = file.read(_BYTES)
    whole = raw[: raw.rfind(b"\n") + 1] if len(raw) == _BYTES else raw
    table = pyarrow.json.read_json(owned(whole))
    return Head("JSON lines", tuple(table.column_names), _rows(table))


def _rows(table: pa.Table | None) -> tuple[tuple[str, ...], ...]:
    if table is None:
        return ()
    columns = [table.column(position).slice(0, _ROWS).to_pylist() for position in range(table.num_columns)]
    return tuple(tuple(map(str, row)) for row in zip(*columns, strict=True))
