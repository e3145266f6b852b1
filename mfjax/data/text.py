"""Delimited text -> columns, parsed by Arrow: what the file does not say is found where that is safe, else asked for."""

from __future__ import annotations

import codecs
import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.csv

from mfjax import checks
from mfjax.data import lines
from mfjax.data.columns import Columns, filtered, is_usual
from mfjax.data.lines import BLOCK, WHITESPACE, Dialect, Lines
from mfjax.data.opening import DAMAGED, Place, opened, suffix
from mfjax.data.rows import Part, Rows

_logger = logging.getLogger(__name__)

# In the order in which they are tried.
SEPARATORS = ("\t", "::", ";", "|", ",", " ")

_HEAD = 1 << 18
_SHOWN = 200

# An id is read as text, each distinct text once.
_TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, kw_only=True)
class Text:
    """What may be said of a text file; None for what is found from its first lines.

    Attributes:
        separator: of fields: one character or several, or "whitespace" (or r"\\s+") for runs of blanks and tabs.
        header: whether the first line names the columns.
        encoding: such as "latin-1"; None for UTF-8, or what a byte order mark says.
        quoting: whether fields may stand in double quotes; None for yes, but no where the separator is a tab or several
            characters.
        multiline: whether a quoted field may hold line breaks.
        comment: lines that begin with it are left out.
        skip_lines: lines to leave out before the header.
    """

    separator: str | None = None
    header: bool | None = None
    encoding: str | None = None
    quoting: bool | None = None
    multiline: bool = False
    comment: str | None = None
    skip_lines: int = 0

    def __post_init__(self) -> None:
        separator = self.separator
        if separator is not None and not (
            isinstance(separator, str) and separator and not set(separator) & set('\r\n"')
        ):
            raise ValueError(f"separator: {separator!r} is no separator; pass such as ',', '\\t', '::' or 'whitespace'")
        for name in ("header", "quoting"):
            checks.choice(name, getattr(self, name), (None, True, False))
        checks.choice("multiline", self.multiline, (True, False))
        checks.whole("skip_lines", self.skip_lines, least=0)
        if self.comment is not None:
            checks.kind("comment", self.comment, str, "pass such as '#'")
            if not self.comment or "\n" in self.comment:
                raise ValueError(f"comment: {self.comment!r} begins no line; pass such as '#'")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except (LookupError, TypeError):
                raise ValueError(f"encoding: {self.encoding!r} is unknown; pass such as 'latin-1'") from None


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out: the dialect of its lines, the names of its columns, and what was found of it."""

    dialect: Dialect
    names: tuple[str, ...]
    header: bool
    sample: tuple[tuple[str, ...], ...]


def rows(path: Place, columns: Columns, text: Text, *, events: bool = False) -> Rows:
    """Return the columns of a text file.

    Raises:
        ValueError: naming the file, the line and the remedy.
    """
    layout = look(path, columns, text)
    found = columns.locate(layout.names, str(path))
    types = {
        part: _TEXT if part in ("user", "item") else _sampled(layout, position) for part, position in found.items()
    }
    if events and "value" in types:
        types["value"] = _TEXT
    try:
        table = _parsed(path, layout, {found[part]: kind for part, kind in types.items()}, columns.where is not None)
    except pa.ArrowInvalid as error:
        _explain(path, layout, str(error))
        # A number that is not one: as text it is refused with its line.
        every = dict.fromkeys(found.values(), _TEXT)
        table = _parsed(path, layout, every, columns.where is not None)
    table, kept = filtered(table, columns.where)
    names = _distinct(layout.names)
    parts: dict[Part, pa.ChunkedArray] = {part: table.column(names[position]) for part, position in found.items()}

    def place(row: int) -> str:
        return f"{path}, line {line_of(path, layout, row if kept is None else int(kept[row]))},"

    return Rows(parts, columns.labels, place, untyped=True)


def look(path: Place, columns: Columns, text: Text) -> Layout:
    """Return the layout of a file from its first lines and what was said of it.

    Raises:
        ValueError: for an empty file, and where a separator or a header line can not be told.
    """
    head, encoding = _head(path, text)
    if not head:
        raise ValueError(f"source: {path} holds no line; pass another file")
    separator = text.separator or _separator(head, text, path)
    separator = WHITESPACE if separator == "whitespace" else separator
    quoting = text.quoting
    if quoting is None:
        quoting = len(separator) == 1 and separator != "\t"
    dialect = Dialect(separator, quoting, text.multiline, text.comment, text.skip_lines, encoding)
    sample = [tuple(_split(line, separator, quoting)) for line in head[:_SHOWN]]
    header = text.header
    if header is None:
        header = _has_header(sample, columns, path)
    names = tuple(name.strip() for name in sample[0]) if header else tuple(map(str, range(len(sample[0]))))
    # Blank lines and comments may stand before the header.
    dialect = replace(dialect, skip=_skip(path, dialect) if header else text.skip_lines)
    _logger.info("%s: separator %r, %s header line, encoding %s", path, separator, "a" if header else "no", encoding)
    return Layout(dialect, names, header, tuple(sample[1:] if header else sample))


def line_of(path: Place, layout: Layout, row: int) -> int:
    """Return the line, from 1, of a row."""
    for at, (number, _) in enumerate(lines.numbered(path, layout.dialect)):
        if at == row:
            return number
    return row + 1


def _skip(path: Place, dialect: Dialect) -> int:
    """Return the number of lines up to the header and with it."""
    return next(lines.numbered(path, dialect))[0]


def _parsed(path: Place, layout: Layout, types: dict[int, pa.DataType], every: bool) -> pa.Table:
    """Return the columns of the positions that have types, and all others where `every` says so."""
    names, dialect = _distinct(layout.names), layout.dialect
    convert = pyarrow.csv.ConvertOptions(
        column_types={names[position]: kind for position, kind in types.items()},
        include_columns=None if every else [names[position] for position in sorted(types)],
        # An empty id or "NA" is text, and refused or kept by its own rule.
        strings_can_be_null=False,
    )
    parse = pyarrow.csv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char='"' if dialect.quoting else False,
        newlines_in_values=dialect.multiline,
    )
    read = pyarrow.csv.ReadOptions(column_names=names, block_size=BLOCK)
    source = Lines(path, dialect)
    try:
        return pyarrow.csv.read_csv(pa.PythonFile(source, mode="r"), read, parse, convert)
    finally:
        source.close()


def _distinct(names: Sequence[str]) -> list[str]:
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
    return _TEXT


def _explain(path: Place, layout: Layout, error: str) -> None:
    """Raise ValueError, with the line, for what keeps a file from being parsed; return for a number that is not one."""
    width = len(layout.names)
    if "conversion error" in error and "UTF8" not in error:
        return
    if "Empty CSV" in error:
        raise ValueError(f"source: {path} has no row; pass another file")
    for number, line in lines.numbered(path, layout.dialect):
        if "UTF8" in error:
            try:
                line.decode()
            except UnicodeDecodeError as wrong:
                raise ValueError(
                    f"encoding: {path}, line {number}, is not UTF-8 ({wrong!s:.80}); pass its encoding, such as 'latin-1'"
                ) from None
        elif len(found := lines.fields(line, layout.dialect)) != width:
            raise ValueError(
                f"source: {path}, line {number}: {len(found)} columns where the first line has {width}; mend or drop the "
                "line, pass the file's separator, or layout='lists' where a line is a user and its items"
            )
    raise ValueError(f"source: {path}: {error:.200}")


def _head(path: Place, text: Text) -> tuple[list[str], str]:
    """Return the first lines that count, and the encoding."""
    with opened(path) as file:
        try:
            raw = file.read(_HEAD)
        except DAMAGED as error:
            raise ValueError(f"source: {path} is damaged ({error}); fetch it again") from None
    encoding = text.encoding
    if encoding is None:
        encoding = "utf-16" if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
    if encoding == "utf-8" and raw.count(b"\0") > len(raw) // 4:
        raise ValueError(f"encoding: {path} looks like UTF-16 without a mark; pass encoding='utf-16-le' or 'utf-16-be'")
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)("replace")
    decoded = decoder.decode(raw, final=len(raw) < _HEAD)
    found = decoded.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(raw) == _HEAD and len(found) > 1:
        found.pop()  # the line that was cut
    found = found[text.skip_lines :]
    return [line for line in found if line and not (text.comment and line.startswith(text.comment))], encoding


def _split(line: str, separator: str, quoting: bool) -> list[str]:
    if separator == WHITESPACE:
        return line.split()
    return next(csv.reader([line], delimiter=separator), []) if quoting else line.split(separator)


def _separator(head: Sequence[str], text: Text, path: Place) -> str:
    """Return the one separator by which all of the first lines have the same number of fields, at least two."""
    for separator in SEPARATORS:
        quoting = text.quoting is not False and len(separator) == 1 and separator != "\t"
        try:
            widths = {len(_split(line, separator, quoting)) for line in head[:_SHOWN]}
        except csv.Error:
            continue
        if len(widths) == 1 and widths != {1}:
            return separator
    if len(widths := {len(line.split()) for line in head[:_SHOWN]}) == 1 and widths != {1}:
        return WHITESPACE
    if (usual := {".csv": ",", ".tsv": "\t"}.get(suffix(path))) is not None:
        return usual  # some line is broken, which the parser tells
    raise ValueError(
        f"separator: no one of {', '.join(map(repr, SEPARATORS))} splits the first lines of {path} into the same number of "
        f"fields (the first is {head[0]!r:.60}); pass the file's separator, or layout='lists' where a line is a user "
        "and its items"
    )


def _has_header(sample: Sequence[Sequence[str]], columns: Columns, path: Place) -> bool:
    """Return whether the first line names the columns, by the columns that are asked for.

    A name asks for a header. By position: it is one where a column of numbers begins with what is none, and it is none
    where a number stands in its place; text alone decides nothing unless it is a usual name of a user or an item.
    """
    selectors = columns.selectors
    if any(isinstance(selector, str) for selector in selectors.values()):
        return True
    first, others = sample[0], sample[1:]
    if not selectors:
        if any(is_usual("user", name) for name in first) and any(is_usual("item", name) for name in first):
            return True
        raise ValueError(
            f"user, item: the first line of {path} has no usual names of columns ({', '.join(first)!s:.80}); pass their "
            "names or positions, such as user=0, item=1"
        )
    asked = [position for position in selectors.values() if isinstance(position, int) and position < len(first)]
    for position in asked:
        below = [fields[position] for fields in others if position < len(fields)]
        if below and all(map(_is_number, below)):
            return not _is_number(first[position]) and first[position].strip() != ""
    if any(_is_number(first[position]) for position in asked):
        return False
    names = [first[position] for position in asked]
    if any(is_usual(part, name) for part in ("user", "item") for name in names):
        raise ValueError(
            f"header: the first line of {path} ({', '.join(names)}) looks like names of columns; pass header=True, or "
            "header=False where it is a row"
        )
    return False


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and "_" not in text and np.isfinite(float(text))
    except ValueError:
        return False
