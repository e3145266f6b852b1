"""One table as a text file of any dialect, encoding and compression."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow
from hypothesis import strategies as st

from mfjax.data import read
from tests.data.drawn_tables import Form, Table


@dataclass(frozen=True)
class Dialect:
    separator: str
    quoting: bool
    multiline: bool
    encoding: str
    end: str
    packed: str
    header: str


DIALECTS = st.builds(
    Dialect,
    st.sampled_from([",", "\t", ";", "|", "::", " ", "whitespace", "ab"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1251"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "gz", "bz2", "xz", "zst", "lz4", "zip"]),
    st.sampled_from(["usual", "named", "by position", "none"]),
)
NAMES = {
    "usual": {"user": "userId", "item": "movie_id", "value": "Rating", "timestamp": "Time", "weight": "Weight"},
    "named": {"user": "wer", "item": "was", "value": "wie", "timestamp": "wann", "weight": "warum"},
}
NAMES["by position"] = NAMES["named"]


def text_file(table: Table, dialect: Dialect, folder: Path, name: str = "pairs") -> Form | None:
    """Return a text file, or None where its dialect can not hold the table."""
    several = len(dialect.separator) > 1
    if several or dialect.separator == "\t":
        dialect = replace(dialect, quoting=False)
    if not dialect.quoting:
        dialect = replace(dialect, multiline=False)
    parts = list(table.columns)
    rows = [[_written(table.columns[part][row]) for part in parts] + [table.notes[row]] for row in range(len(table))]
    titled = dialect.header != "none"
    lines = ([[NAMES[dialect.header][part] for part in parts] + ["note"]] if titled else []) + rows
    separator = "\t " if dialect.separator == "whitespace" else dialect.separator
    try:
        text = "".join(_line(cells, separator, dialect) for cells in lines)
        if text.startswith("\ufeff"):
            return None
        data = text.encode(dialect.encoding)
    except ValueError:  # a cell that this dialect can not hold
        return None
    path = packed(data, folder, f"{name}.{'tsv' if separator == chr(9) else 'csv'}", dialect.packed)
    options: dict[str, Any] = {"separator": dialect.separator, "quoting": dialect.quoting}
    if dialect.header == "usual":
        options |= {part: NAMES["usual"][part] for part in parts if part not in ("user", "item")}
    elif dialect.header == "named":
        options |= {part: NAMES["named"][part] for part in parts}
    else:
        options |= {part: place for place, part in enumerate(parts)} | {"header": titled}
    if dialect.encoding not in ("utf-8", "utf-8-sig", "utf-16"):
        options["encoding"] = dialect.encoding
    if dialect.multiline:
        options["multiline"] = True
    texts = [table.columns[part] for part in ("user", "item") if table.kinds[part] in ("text", "digits")]
    if texts and (len(texts) == 2 or any(all(map(_spells_integer, cells)) for cells in texts)):
        options["ids"] = "text"  # of both
        if len(texts) == 1:
            return None

    def place(row: int) -> str:
        return f"line {row + 1 + titled}," if not dialect.multiline else "line "

    return Form(lambda **more: read(path, **options, **more), place)


def _spells_integer(text: str | None) -> bool:
    try:
        return text is not None and str(int(text)) == text
    except ValueError:
        return False


def _written(cell: Any) -> str:
    if cell is None:
        return ""
    return repr(cell) if isinstance(cell, float) else str(cell)


def _line(cells: list[str], separator: str, dialect: Dialect) -> str:
    """Return a line. Raises ValueError where the dialect can not hold a cell."""
    inside = "".join(cells)
    breaks = {"\n", "\r"} & set(inside)
    if breaks and not (dialect.multiline and breaks == {"\n"} and dialect.end == "\n"):
        raise ValueError("line breaks")
    if dialect.quoting:
        made = io.StringIO()
        csv.writer(made, delimiter=separator, lineterminator="").writerow(cells)
        return made.getvalue() + dialect.end
    forbidden = {"whitespace": " \t\x1f"}.get(dialect.separator, dialect.separator + "\x1f" * (len(separator) > 1))
    if set(inside) & set(forbidden) or (dialect.separator == "whitespace" and "" in cells):
        raise ValueError("a separator")
    return separator.join(cells) + dialect.end


def packed(data: bytes, folder: Path, name: str, how: str) -> Path:
    path = folder / (f"{name}.{how}" if how else name)
    if how == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, data)
        return path
    if how in ("zst", "lz4"):
        made = pyarrow.BufferOutputStream()
        with pyarrow.CompressedOutputStream(made, {"zst": "zstd", "lz4": "lz4"}[how]) as stream:
            stream.write(data)
        data = made.getvalue().to_pybytes()
    elif how:
        data = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[how](data)
    path.write_bytes(data)
    return path
