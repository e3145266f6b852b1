"""Delimited text -> columns, parsed by Arrow. An id is read as text, each distinct text once; errors name the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.csv
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions

from mfjax.data import lines
from mfjax.data.columns import Columns, filtered
from mfjax.data.dialects import fields
from mfjax.data.layouts import Layout, Text, look
from mfjax.data.lines import BLOCK, Lines
from mfjax.data.opening import Place
from mfjax.data.rows import Part, Rows

TEXT = pa.dictionary(pa.int32(), pa.string())


def rows(path: Place, columns: Columns, text: Text, *, events: bool = False) -> Rows:
    """Return the columns of a text file.

    Raises:
        ValueError: naming the file, the line and the remedy.
    """
    layout = look(path, columns, text)
    found = columns.locate(layout.names, str(path))
    every = columns.where is not None
    try:
        table = _parsed(path, layout, types_of(layout, found, events), every)
    except pa.ArrowInvalid as error:
        explain(path, layout, str(error))
        # A number that is not one: as text it is refused with its line.
        table = _parsed(path, layout, dict.fromkeys(found.values(), TEXT), every)
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


def options(
    layout: Layout, types: Mapping[int, pa.DataType], every: bool
) -> tuple[ReadOptions, ParseOptions, ConvertOptions]:
    """Return what Arrow's parser is told: to read the columns that have types, and all others where `every` says so."""
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
    return ReadOptions(column_names=names, block_size=BLOCK), parse, convert


def _parsed(path: Place, layout: Layout, types: Mapping[int, pa.DataType], every: bool) -> pa.Table:
    source = Lines(path, layout.dialect)
    try:
        return pyarrow.csv.read_csv(pa.PythonFile(source, mode="r"), *options(layout, types, every))
    finally:
        source.close()


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
    if "Empty CSV" in error:
        raise ValueError(f"source: {path} has no row; pass another file")
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
