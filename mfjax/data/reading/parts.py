"""Files -> columns, a part of the rows at a time: what `reading` reads whole, in memory that does not grow."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from mfjax.data.reading import lines, lists, opening, text, typed
from mfjax.data.reading.columns import Columns, filtered
from mfjax.data.reading.layouts import Text, judgements, look
from mfjax.data.reading.lines import BLOCK
from mfjax.data.reading.opening import DAMAGED, Place, native, opened, owned
from mfjax.data.reading.rows import Part, Rows

# Bytes of a column of a Parquet file that are read at once.
_BUFFER = 1 << 20


class _Source(NamedTuple):
    """A file in pieces: tables of its rows in their order, where each part's column is, and where a row is."""

    tables: Generator[pa.Table]
    at: Mapping[Part, str | int]
    place: Callable[[int], str]
    untyped: bool = False


def parts_of(
    files: Sequence[Place], columns: Columns, dialect: Text, layout: str, size: int, *, events: bool = False
) -> Generator[Rows]:
    """Yield the columns of files, one after the other, at most `size` rows at once; parts without a row are left out.

    Raises:
        ValueError: as `reading.rows_of`, with the line or the row of the file.
    """
    for file in files:
        if layout == "lists":
            yield from _slices(lists.rows(file, columns, dialect), size)
            continue
        source = _opened(file, columns, dialect, layout, size, events)
        start = 0
        with closing(source.tables):
            for table in _rechunked(source.tables, size):
                some, kept = filtered(table, columns.where)
                if len(some):
                    yield _rows(some, kept, start, source, columns)
                start += len(table)


def _rows(table: pa.Table, kept: Any, start: int, source: _Source, columns: Columns) -> Rows:
    def place(row: int) -> str:
        return source.place(start + (row if kept is None else int(kept[row])))

    return Rows({part: table.column(at) for part, at in source.at.items()}, columns.labels, place, source.untyped)


def _slices(rows: Rows, size: int) -> Iterator[Rows]:
    for start in range(0, len(rows), size):
        columns = {part: column.slice(start, size) for part, column in rows.columns.items()}
        yield Rows(columns, rows.labels, lambda row, start=start: rows.place(start + row), rows.untyped)  # type: ignore[misc]


def _rechunked(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """Put tables together and cut them, so that each has `size` rows where the types stay and rows remain."""
    waiting: list[pa.Table] = []
    for table in tables:
        if waiting and waiting[0].schema != table.schema:
            yield pa.concat_tables(waiting)
            waiting = []
        waiting.append(table)
        while sum(map(len, waiting)) >= size:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, size)
            waiting = [whole.slice(size)] if len(whole) > size else []
    if waiting:
        yield pa.concat_tables(waiting)


def _opened(file: Place, columns: Columns, dialect: Text, layout: str, size: int, events: bool) -> _Source:
    if layout == "qrels":
        columns, dialect = judgements(columns, dialect)
    elif (form := opening.form(file)) != "text":
        return _parquet(file, columns, size) if form == "parquet" else _json_lines(file, columns)
    return _text(file, columns, dialect, events)


def _parquet(path: Place, columns: Columns, size: int) -> _Source:
    def told(error: Exception) -> ValueError:
        return ValueError(f"source: {path} is no whole Parquet file ({error!s:.120}); write it again")

    try:
        with native(path) as file, pyarrow.parquet.ParquetFile(file) as opened_file:
            names = opened_file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise told(error) from None
    found = columns.locate(names, str(path))
    at = _addresses(names, found)
    every = columns.where is not None or any(isinstance(column, int) for column in at.values())

    def tables() -> Generator[pa.Table]:
        try:
            # Nothing is read ahead: of a file with one group of rows, all of it would be.
            with (
                native(path) as file,
                pyarrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER) as opened_file,
            ):
                wanted = None if every else sorted({str(column) for column in at.values()})
                for batch in opened_file.iter_batches(size, columns=wanted):
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError) as error:
            raise told(error) from None

    return _Source(tables(), at, lambda row: f"{path}, row {row},")


def _json_lines(path: Place, columns: Columns) -> _Source:
    def told(error: Exception, done: int = 0) -> ValueError:
        # Arrow counts the rows of a block.
        said = re.sub(r"in row (\d+)", lambda row: f"in row {done + int(row[1])}", str(error))
        return ValueError(f"source: {path}: {said:.150}; pass a file of one JSON object a line")

    try:
        with opened(path) as file:
            head = next(_whole_lines(file), b"")
        known = pyarrow.json.read_json(owned(head)).schema
    except (pa.ArrowException, *DAMAGED) as error:
        raise told(error) from None
    found = columns.locate(known.names, str(path))
    kinds = {known.names[at]: typed.read_as(part, known.types[at]) for part, at in found.items()}
    ids = {known.names[found[part]] for part in typed.IDS}

    def tables() -> Generator[pa.Table]:
        every, done = columns.where is not None, 0
        try:
            with opened(path) as file:
                for block in _whole_lines(file):
                    table = typed.read_widening(partial(io.BytesIO, block), kinds, ids, every)
                    yield table
                    done += len(table)
        except (pa.ArrowException, *DAMAGED) as error:
            raise told(error, done) from None

    return _Source(tables(), _addresses(known.names, found), lambda row: f"{path}, row {row},")


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield blocks of whole lines that are not all blank."""
    rest = b""
    while raw := file.read(BLOCK):
        end = raw.rfind(b"\n") + 1
        if end and (block := rest + raw[:end]).strip():
            yield block
        rest = raw[end:] if end else rest + raw
    if rest.strip():
        yield rest


def _text(path: Place, columns: Columns, dialect: Text, events: bool) -> _Source:
    layout = look(path, columns, dialect)
    found = columns.locate(layout.names, str(path))
    every = columns.where is not None

    def tables() -> Generator[pa.Table]:
        types = text.types_of(layout, found, events)
        is_empty = True
        with closing(lines.blocks(path, layout.dialect)) as blocks:
            for block in blocks:
                while True:
                    try:
                        table = text.parsed(block, layout, types, every)
                        break
                    except pa.ArrowInvalid as error:
                        text.explain(path, layout, str(error))
                        types = text.wider(types, found, layout, every)
                yield table
                is_empty = False
        if is_empty:
            raise ValueError(f"source: {path} has no row; pass another file")

    names = text.distinct(layout.names)
    at: dict[Part, str | int] = {part: names[position] for part, position in found.items()}
    return _Source(tables(), at, lambda row: f"{path}, line {text.line_of(path, layout, row)},", untyped=True)


def _addresses(names: Sequence[str], found: Mapping[Part, int]) -> dict[Part, str | int]:
    """Return where each part's column is: its name, or its position where the name is there twice."""
    return {part: names[at] if names.count(names[at]) == 1 else at for part, at in found.items()}
