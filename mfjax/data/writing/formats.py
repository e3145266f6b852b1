"""Arrow tables -> a file of the format that its suffix names, whole or not at all."""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from mfjax import checks
from mfjax.data.reading.rows import first
from mfjax.files import atomic_path

Format = Literal["parquet", "csv", "tsv", "json lines", "trec"]
"""How a table is written. TREC is fields between blanks, without quotes and without a header line."""

_SEPARATORS: dict[Format, str] = {"csv": ",", "tsv": "\t", "trec": " "}
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4", ".xz": "xz"}
_ROWS = 1 << 18

# What ISO 8601 has four digits for: the years 1 to 9999.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def format_of(path: Any, formats: Mapping[str, Format]) -> tuple[Path, Format, str | None]:
    """Return a path, its format and its compression by its suffixes, such as ".csv.gz".

    Raises:
        ValueError: for what is no path, and a suffix that is not one of `formats`.
    """
    checks.kind("path", path, (str, os.PathLike), "pass the name of a file to write")
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = _COMPRESSIONS.get(suffixes.pop()) if suffixes and suffixes[-1] in _COMPRESSIONS else None
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in formats:
        raise ValueError(f"path: {path.name!r} has no suffix of a format; name it with one of {', '.join(formats)}")
    if compression is not None and formats[suffix] == "parquet":
        raise ValueError(f"path: {path.name!r}, but Parquet is compressed inside; leave out {path.suffix!r}")
    return path, formats[suffix], compression


def write_table(table: pa.Table, path: Path, form: Format, compression: str | None = None) -> None:
    """Write a table of integers, float32, text and times.

    Times in text are ISO 8601 in UTC. Numbers in text are such that reading gives the same float32. A null is an empty
    field of CSV and TSV.

    Raises:
        ValueError: for a field that the format can not hold, naming the column, the row and the remedy.
    """
    with writer(path, form, compression) as write:
        write(table)


@contextmanager
def writer(path: Path, form: Format, compression: str | None = None) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that adds a table to a file: tables of the same columns, one after the other, at least one.

    The file is there when the block ends well, and otherwise what was there before.

    Raises:
        ValueError: as `write_table`, rows counted from the first table's.
    """
    with atomic_path(path) as temporary, _adding(temporary, form, compression) as add:
        yield add


@contextmanager
def _adding(path: Path, form: Format, compression: str | None) -> Iterator[Callable[[pa.Table], None]]:
    rows = 0
    with ExitStack() as stack:
        file: Any = None

        def add(table: pa.Table) -> None:
            nonlocal file, rows
            is_first = file is None
            if form == "parquet":
                try:
                    file = stack.enter_context(pyarrow.parquet.ParquetWriter(path, table.schema)) if is_first else file
                    file.write_table(table)
                except pa.ArrowInvalid as error:  # seconds become milliseconds
                    raise ValueError(f"timestamp: {error!s:.120}; Parquet can not hold it: drop the row") from None
                return
            for name in table.column_names:
                _check(name, table.column(name), form, rows)
            file = stack.enter_context(_opened(path, compression)) if is_first else file
            if is_first and form in ("csv", "tsv"):
                names = pa.array(table.column_names, pa.large_string())
                names = _quoted(names) if form == "csv" else names
                file.write((_SEPARATORS[form].join(names.to_pylist()) + "\n").encode())
            for batch in _exact(table).to_batches(max_chunksize=_ROWS):
                file.write(_lines(batch, form))
            rows += len(table)

        yield add


def _lines(batch: pa.RecordBatch, form: Format) -> pa.Buffer:
    """Return the rows of a batch as text, a line each."""
    pieces: list[Any] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if form == "json lines":
            pieces += [", " if pieces else "{", json.dumps(name, ensure_ascii=False), ": ", _json(column)]
        else:
            text = _text(column)
            pieces += [_SEPARATORS[form]] if pieces else []
            pieces.append(_quoted(text) if form == "csv" and _is_text(column.type) else text)
    pieces.append("}\n" if form == "json lines" else "\n")
    # The text of all lines lies in one piece.
    return _joined(*pieces).buffers()[2]


def _joined(*pieces: pa.Array | str) -> pa.Array:
    """Return texts [n] put together, a constant standing for n of it."""
    typed = [pa.scalar(piece, pa.large_string()) if isinstance(piece, str) else piece for piece in pieces]
    return pc.binary_join_element_wise(*typed, pa.scalar("", pa.large_string()))


def _text(column: pa.Array) -> pa.Array:
    return column.cast(pa.large_string()).fill_null("")


def _quoted(column: pa.Array) -> pa.Array:
    """Return text with what CSV quotes in quotes."""
    special = pc.match_substring_regex(column, '[",\r\n]')
    if not pc.any(special).as_py():
        return column
    return pc.if_else(special, _joined('"', pc.replace_substring(column, '"', '""'), '"'), column)


def _json(column: pa.Array) -> pa.Array:
    """Return the cells of a column as JSON has them."""
    text = _text(column)
    if pa.types.is_floating(column.type):
        # Readers tell numbers with fractions by their first rows.
        whole = pc.invert(pc.match_substring_regex(text, "[.e]"))
        return pc.if_else(whole, _joined(text, ".0"), text)
    if pa.types.is_integer(column.type):
        return text
    coded = text.dictionary_encode()
    cells = [json.dumps(cell, ensure_ascii=False) for cell in coded.dictionary.to_pylist()]
    return pa.array(cells, pa.large_string()).take(coded.indices)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_large_string(kind) or pa.types.is_string(kind)


def _exact(table: pa.Table) -> pa.Table:
    """Return a table whose float32 columns read back the same: of a whole number beyond 2^24 every digit is written."""
    for at, name in enumerate(table.column_names):
        column = table.column(name)
        if pa.types.is_float32(column.type):
            numbers = column.to_numpy()
            if ((abs(numbers) > 2**24) & (numbers == numbers.round())).any():
                table = table.set_column(at, name, column.cast(pa.float64()))
    return table


def _check(name: str, column: pa.ChunkedArray, form: Format, before: int) -> None:
    """Raise ValueError for a cell that a format of text can not hold; rows are counted with those before the column."""
    kind = column.type
    if pa.types.is_timestamp(kind) and len(column):
        second = _A_SECOND[kind.unit]
        times = column.cast(pa.int64()).to_numpy()
        far = (times < _FIRST_SECOND * second) | (times >= (_LAST_SECOND + 1) * second)
        if far.any():
            row = first(far)
            raise ValueError(
                f"{name}: row {before + row} holds {times[row]} {kind.unit} since 1970, which is no date of four "
                "digits; write Parquet"
            )
    if form == "json lines" and pa.types.is_uint64(kind) and len(column) and pc.max(column).as_py() >= 2**63:
        row = first(pc.greater_equal(column, pa.scalar(2**63, pa.uint64())).to_numpy())
        raise ValueError(
            f"{name}: row {before + row} holds {column[row]}, beyond the integers of JSON; write CSV or Parquet"
        )
    if not _is_text(kind) or form == "json lines":
        return
    if form == "trec":
        spoilt = [text for text in column.unique().to_pylist() if text.split() != [text]]
        told, remedy = "a field between blanks can hold no blank", "write CSV or Parquet, or rename it"
    else:
        pattern = "\0" if form == "csv" else "[\0\t\r\n]"
        distinct = column.unique()
        spoilt = distinct.filter(pc.match_substring_regex(distinct, pattern)).to_pylist()
        told = "a file of text can hold no NUL" if form == "csv" else "a field between tabs can hold no tab, line break"
        told += "" if form == "csv" else " or NUL"
        remedy = "write Parquet, or JSON lines" if form == "csv" else "write CSV or Parquet"
    if spoilt:
        row = column.index(pa.scalar(spoilt[0], kind)).as_py()
        raise ValueError(f"{name}: row {before + row} holds {spoilt[0]!r:.60}, and {told}; {remedy}")


@contextmanager
def _opened(path: Path, compression: str | None) -> Iterator[BinaryIO]:
    """Give a file to write bytes to, which are compressed."""
    if compression == "xz":
        with lzma.open(path, "wb") as file:
            yield cast(BinaryIO, file)
    else:
        with pa.output_stream(str(path), compression=compression) as stream:
            yield cast(BinaryIO, stream)
