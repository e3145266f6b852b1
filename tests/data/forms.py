"""One drawn table in every form that readers take: text files of all kinds, typed files, folders, frames, arrays."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import io
import json
import lzma
import zipfile
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.parquet
import scipy.sparse
from hypothesis import strategies as st

from mfjax.data import from_arrays, from_sparse, read

EPOCH = datetime.datetime(1970, 1, 1)
PARTS = ("user", "item", "value", "timestamp", "weight")


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


# Drawing.

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


# Text files.


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
_NAMES = {
    "usual": {"user": "userId", "item": "movie_id", "value": "Rating", "timestamp": "Time", "weight": "Weight"},
    "named": {"user": "wer", "item": "was", "value": "wie", "timestamp": "wann", "weight": "warum"},
}
_NAMES["by position"] = _NAMES["named"]


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
    lines = ([[_NAMES[dialect.header][part] for part in parts] + ["note"]] if titled else []) + rows
    separator = "\t " if dialect.separator == "whitespace" else dialect.separator
    try:
        text = "".join(_line(cells, separator, dialect) for cells in lines)
        if text.startswith("\ufeff"):
            return None
        data = text.encode(dialect.encoding)
    except ValueError:  # a cell that this dialect can not hold
        return None
    path = _packed(data, folder, f"{name}.{'tsv' if separator == chr(9) else 'csv'}", dialect.packed)
    options: dict[str, Any] = {"separator": dialect.separator, "quoting": dialect.quoting}
    if dialect.header == "usual":
        options |= {part: _NAMES["usual"][part] for part in parts if part not in ("user", "item")}
    elif dialect.header == "named":
        options |= {part: _NAMES["named"][part] for part in parts}
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


def _packed(data: bytes, folder: Path, name: str, how: str) -> Path:
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


# Typed files, frames, arrays.


def arrow(table: Table) -> pyarrow.Table:
    kinds = {"int64": "int64", "uint64": "uint64", "small": "int64", "text": "string", "digits": "string"}
    wide = {"ratings": "float64", "counts": "int64", "floats": "float32"}
    made = {}
    for part, cells in table.columns.items():
        kind = table.kinds[part]
        made[part] = pyarrow.array(cells, {**kinds, **wide}.get(kind))
    return pyarrow.table(made)


def _typed(source: Any, table: Table, place: str, **options: Any) -> Form:
    named = {part: part for part in table.columns}
    return Form(
        lambda **more: read(source() if callable(source) else source, **named, **options, **more), f"{place}{{}}".format
    )


def _parquet(table: Table, folder: Path, how: str) -> Form:
    path = folder / "pairs.parquet"
    pyarrow.parquet.write_table(arrow(table), path, compression=how, row_group_size=3, use_dictionary=how != "none")
    return _typed(path, table, f"{path}, row ")


def _parquet_folder(table: Table, folder: Path) -> Form:
    whole, cut = arrow(table), len(table) // 2
    for number, half in enumerate((whole.slice(0, cut), whole.slice(cut))):
        pyarrow.parquet.write_table(half, folder / f"part-{number}.parquet")
    return replace(_typed(folder, table, ""), place=lambda row: "part-")


def _csv_folder(table: Table, folder: Path) -> Form | None:
    if any(len(half) == 0 for half in table.halves()):
        return None
    dialect = Dialect(",", True, False, "utf-8", "\n", "gz", "usual")
    forms = [text_file(half, dialect, folder, f"part-{number}") for number, half in enumerate(table.halves())]
    whole = text_file(table, dialect, folder.parent, "whole")
    if whole is None or None in forms:
        return None
    (folder.parent / "whole.csv.gz").unlink()
    options = {part: _NAMES["usual"][part] for part in table.columns if part not in ("user", "item")}
    if any(table.kinds[part] in ("text", "digits") for part in ("user", "item")):
        options["ids"] = "text"
        if any(table.kinds[part] not in ("text", "digits") for part in ("user", "item")):
            return None
    return Form(lambda **more: read(folder, quoting=True, **options, **more), lambda row: "part-")


def _json(table: Table, folder: Path, how: str) -> Form:
    rows = []
    for row in range(len(table)):
        cells = {part: column[row] for part, column in table.columns.items()}
        rows.append(json.dumps(cells, ensure_ascii=row % 2 == 0, default=lambda time: time.isoformat()))
    path = _packed("\n".join(rows).encode(), folder, "pairs.jsonl", how)
    return _typed(path, table, "pairs.jsonl, row " if how == "zip" else f"{path}, row ")


def _pandas(table: Table, kind: str) -> Form | None:
    made = {}
    for part, cells in table.columns.items():
        is_id = part in ("user", "item")
        if kind == "plain":
            made[part] = np.array(cells, "u8") if table.kinds[part] == "uint64" and None not in cells else cells
        elif kind == "object":
            made[part] = pandas.Series(cells, dtype=object)
        elif kind == "category":
            made[part] = pandas.Categorical(cells) if is_id else cells
        elif kind == "arrow":
            made[part] = pandas.array(cells, pandas.ArrowDtype(arrow(table).schema.field(part).type))
        else:  # nullable
            names = {"int64": "Int64", "small": "Int64", "uint64": "UInt64", "text": "string", "digits": "string"}
            names |= {"ratings": "Float64", "counts": "Int64", "floats": "Float32"}
            names |= dict.fromkeys(("s", "ms", "us", "ns"), "Int64")
            name = names.get(table.kinds[part])
            if name == "UInt64" and None not in cells:
                cells = np.array(cells, "u8")  # of a list pandas would make floats on the way
            made[part] = cells if name is None else pandas.array(cells, name)
    frame = pandas.DataFrame(made)
    frame.index += 5  # rows are counted from 0 all the same
    return _typed(frame, table, "row ")


def _polars(table: Table, lazy: bool) -> Form:
    made = arrow(table)
    if table.kinds["timestamp"] == "zoned":  # polars knows zones by name only
        place = made.schema.get_field_index("timestamp")
        made = made.set_column(place, "timestamp", made["timestamp"].cast(pyarrow.timestamp("us", "UTC")))
    frame = polars.from_arrow(made)
    return _typed(frame.lazy() if lazy else frame, table, "row ")


def _dict_of_arrays(table: Table) -> Form | None:
    made = {}
    for part, cells in table.columns.items():
        kind = {"int64": "i8", "uint64": "u8", "small": "i4", "dates": "M8[D]", "naive": "M8[us]", "floats": "f4"}
        wanted = kind.get(table.kinds[part], object)
        if None in cells and wanted in ("i8", "u8", "i4"):
            return None
        made[part] = np.array([np.nan if cell is None and wanted == "f4" else cell for cell in cells], wanted)
    return _typed(made, table, "row ")


def _structured(table: Table) -> Form | None:
    form = _dict_of_arrays(table)
    if form is None or table.kinds["timestamp"] == "zoned":
        return None
    kind = {"int64": "i8", "uint64": "u8", "small": "i4", "dates": "M8[D]", "naive": "M8[us]", "floats": "f8"}
    dtypes = [(part, kind.get(table.kinds[part], "O")) for part in table.columns]
    rows = list(zip(*table.columns.values(), strict=True))
    if any(None in row for row in rows):
        return None
    return _typed(np.array(rows, dtypes), table, "row ")


def _arrays(table: Table) -> Form | None:
    if table.kinds["value"] == "events":
        return None
    names = {"user": "users", "item": "items", "value": "values", "timestamp": "timestamps", "weight": "weights"}
    return Form(
        lambda **more: from_arrays(**{names[part]: cells for part, cells in table.columns.items()}, **more),
        "row {}".format,
    )


def _sparse(table: Table) -> Form | None:
    cells = [cell for column in table.columns.values() for cell in column]
    if {table.kinds["user"], table.kinds["item"]} != {"small"} or "weight" in table.columns or None in cells:
        return None
    if "timestamp" in table.columns or table.kinds["value"] == "events":
        return None
    values = table.columns.get("value", [1.0] * len(table))
    matrix = scipy.sparse.coo_array((values, (table.columns["user"], table.columns["item"])), shape=(21, 21))
    return Form(lambda **more: from_sparse(matrix, **more), "row {}".format)


def forms(table: Table, folder: Path) -> Iterator[tuple[str, Form]]:
    """Yield every typed form that can hold a table, by name."""

    def made(name: str) -> Path:
        inner = folder / name
        inner.mkdir()
        return inner

    for how in ("none", "snappy", "zstd"):
        yield f"parquet {how}", _parquet(table, made(f"parquet {how}"), how)
    yield "folder of parquet", _parquet_folder(table, made("folder of parquet"))
    for how in ("", "gz", "bz2", "xz", "zst", "lz4", "zip"):
        yield f"json {how}", _json(table, made(f"json {how}"), how)
    yield "polars", _polars(table, lazy=False)
    yield "lazy polars", _polars(table, lazy=True)
    yield "arrow", _typed(arrow(table), table, "row ")
    yield (
        "arrow in batches",
        _typed(pyarrow.Table.from_batches(arrow(table).to_batches(max_chunksize=2)), table, "row "),
    )
    batches = arrow(table).to_batches(max_chunksize=2)
    reader = lambda: pyarrow.RecordBatchReader.from_batches(arrow(table).schema, batches)  # noqa: E731
    yield "record batches", _typed(reader, table, "row ")
    yield "dict of lists", _typed(table.columns, table, "row ")
    for name, form in (
        *((f"pandas {kind}", _pandas(table, kind)) for kind in ("plain", "nullable", "category", "arrow", "object")),
        ("arrays", _arrays(table)),
        ("dict of arrays", _dict_of_arrays(table)),
        ("structured array", _structured(table)),
        ("sparse matrix", _sparse(table)),
        ("folder of csv", _csv_folder(table, made("folder of csv"))),
    ):
        if form is not None:
            yield name, form
