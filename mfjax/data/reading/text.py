"""Delimited text -> columns, parsed by Arrow. An id is read as text, each distinct text once; errors name the line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.csv
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions

from mfjax.data.reading import lines
from mfjax.data.reading.columns import Columns, filtered
from mfjax.data.reading.dialects import fields
from mfjax.data.reading.layouts import Layout, Text, look
from mfjax.data.reading.opening import Place, owned
from mfjax.data.reading.rows import Part, Rows

TEXT = pa.dictionary(pa.int32(), pa.string())

# Bytes that one core parses at once.
_PIECE = 1 << 23


def rows(path: Place, columns: Columns, text: Text, *, events: bool = False) -> Rows:
    """Return the columns of a text file.

    Raises:
        ValueError: naming the file, the line and the remedy.
    """
    layout = look(path, columns, text)
    found = columns.locate(layout.names, str(path))
    every = columns.where is not None
    types = types_of(layout, found, events)
    while True:
        try:
            table = pa.concat_tables(_tables(path, layout, types, every), promote_options="permissive")
            break
        except pa.ArrowInvalid as error:
            explain(path, layout, str(error))
            types = wider(types, found, layout, every)
    table, kept = filtered(table, columns.where)
    names = distinct(layout.names)
    parts: dict[Part, pa.ChunkedArray] = {part: table.column(names[position]) for part, position in found.items()}

    def place(row: int) -> str:
        return f"{path}, line {line_of(path, layout, row if kept is None else int(kept[row]))},"

    return Rows(parts, columns.labels, place, untyped=True)


def line_of(path: Place, layout: Layout, row: int) -> int:
    """Return the line, from 1, of a row."""
    for at, (number, _) in enumerate(lines.numbered(path, layout.dialect)):
        if at == row:
            return number
    return row + 1


def types_of(layout: Layout, found: Mapping[Part, int], events: bool) -> dict[int, pa.DataType]:
    """Return the types, by position, that columns are parsed as: ids and events text, others by the first rows."""
    as_text = ("user", "item", "value") if events else ("user", "item")
    return {at: TEXT if part in as_text else _sampled(layout, at) for part, at in found.items()}


def wider(types: Mapping[int, pa.DataType], found: Mapping[Part, int], layout: Layout, every: bool) -> dict:
    """Return types for columns whose later rows are not of the type of the first: numbers with fractions, or text.

    As text, a number that is none is refused with its line.
    """
    numbers = {found[part] for part in ("value", "weight") if part in found}
    if every:
        numbers |= set(range(len(layout.names))) - set(found.values())
    whole = [at for at in numbers if types.get(at, _sampled(layout, at)) == pa.int64()]
    if whole:
        return {**types, **dict.fromkeys(whole, pa.float64())}
    others = dict.fromkeys(range(len(layout.names)), pa.string()) if every else {}
    return others | dict.fromkeys(found.values(), TEXT)


def parsed(block: bytes, layout: Layout, types: Mapping[int, pa.DataType], every: bool) -> pa.Table:
    """Return the columns of whole records: those that have types, and all others where `every` says so.

    The block is parsed in pieces by all cores.

    Raises:
        pa.ArrowInvalid: for a record of another width, and text that is not of the type.
    """
    names, dialect = distinct(layout.names), layout.dialect
    convert = ConvertOptions(
        column_types={names[position]: kind for position, kind in types.items()},
        include_columns=None if every else [names[position] for position in sorted(types)],
        # An empty id or "NA" is text, and refused or kept by its own rule.
        strings_can_be_null=False,
    )
    parse = ParseOptions(
        delimiter=dialect.delimiter,
        quote_char='"' if dialect.quoting else False,
        newlines_in_values=dialect.multiline,
    )
    # A carriage return alone, which quoted fields may hold, would end a piece.
    alone = b"\r" in block and block.count(b"\r") != block.count(b"\r\n")
    for piece in (_PIECE, len(block) + 1)[alone:]:
        try:
            read = ReadOptions(column_names=names, block_size=piece)
            return pyarrow.csv.read_csv(owned(block), read, parse, convert)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or piece > len(block):
                raise
    raise AssertionError(piece)


def _tables(path: Place, layout: Layout, types: Mapping[int, pa.DataType], every: bool) -> list[pa.Table]:
    tables: list[pa.Table] = []
    for block in _ahead(lines.blocks(path, layout.dialect)):
        tables.append(parsed(block, layout, types, every))
        # What the first rows say of the other columns holds for all.
        types = dict(enumerate(tables[0].schema.types)) if every else types
    if not tables:
        raise ValueError(f"source: {path} has no row; pass another file")
    return tables


def _ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield blocks, the next of which is read while one is parsed."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, blocks, b"")
        while block := following.result():
            following = reader.submit(next, blocks, b"")
            yield block


def distinct(names: Sequence[str]) -> list[str]:
    """Return names, the repeated ones with their positions."""
    return [name if names.count(name) == 1 else f"{name} (column {at})" for at, name in enumerate(names)]


def _sampled(layout: Layout, position: int) -> pa.DataType:
    """Return the type of a column of numbers or times by its first rows: integers, other numbers, or text."""
    cells = pa.array([fields[position] for fields in layout.sample if position < len(fields)], pa.string())
    for kind in (pa.int64(), pa.float64()):
        try:
            cells.cast(kind)
            return kind
        except pa.ArrowInvalid:
            continue
    return TEXT


def explain(path: Place, layout: Layout, error: str) -> None:
    """Raise ValueError, with the line, for what keeps a file from being parsed; return for a number that is not one."""
    if "conversion error" in error and "UTF8" not in error:
        return
    width = len(layout.names)
    for number, line in lines.numbered(path, layout.dialect):
        if "UTF8" in error:
            try:
                line.decode()
            except UnicodeDecodeError as wrong:
                raise ValueError(
                    f"encoding: {path}, line {number}, is not UTF-8 ({wrong!s:.80}); pass its encoding, such as "
                    "'latin-1'"
                ) from None
        elif b"\r" in line:
            raise ValueError(f"source: {path}, line {number}: a carriage return within the line; mend it")
        elif len(found := fields(line, layout.dialect)) != width:
            raise ValueError(
                f"source: {path}, line {number}: {len(found)} columns where the first line has {width}; mend or drop "
                "the line, pass the file's separator, or layout='lists' where a line is a user and its items"
            )
    raise ValueError(f"source: {path}: {error:.200}")
