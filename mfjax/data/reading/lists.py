"""Lines of a user and its items (`user item item ...`), as LightGCN and its successors publish their splits."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from mfjax.data.reading import lines
from mfjax.data.reading.columns import Columns
from mfjax.data.reading.dialects import UNIT_SEPARATOR, WHITESPACE, Dialect
from mfjax.data.reading.layouts import Text
from mfjax.data.reading.opening import Place, owned
from mfjax.data.reading.rows import Rows


def rows(path: Place, columns: Columns, text: Text) -> Rows:
    """Return the pairs of a file of lists, in the order of the file; a user without items has no pair.

    The separator is any run of blanks and tabs unless `text` says another.

    Raises:
        ValueError: for columns that are named, and a file without a pair.
    """
    named: list[tuple[str, object]] = list(columns.selectors.items())
    if columns.where is not None:
        named.append(("where", columns.where))
    if named:
        name, selector = named[0]
        raise ValueError(f"{name}: {selector!r}, but lists have no columns; leave it out")
    dialect = Dialect(UNIT_SEPARATOR, False, False, None, text.comment, text.skip_lines, text.encoding or "utf-8")
    split = fields(path, dialect, text.separator)
    lengths = pc.list_value_length(split).to_numpy(zero_copy_only=False).astype(np.int64)
    cells = split.flatten()
    firsts = np.zeros(len(cells), bool)
    firsts[np.r_[0, np.cumsum(lengths)[:-1]][lengths > 0]] = True
    users = cells.filter(pa.array(firsts)).take(
        pa.array(np.repeat(np.arange((lengths > 0).sum()), lengths[lengths > 0] - 1))
    )
    items = cells.filter(pa.array(~firsts))
    of_row = np.repeat(np.arange(len(lengths)), np.maximum(lengths - 1, 0))

    def place(row: int) -> str:
        whole = (number for number, line in lines.numbered(path, dialect) if line.strip())
        return f"{path}, line {next(itertools.islice(whole, int(of_row[row]), None))},"

    parts = {"user": pa.chunked_array([users]), "item": pa.chunked_array([items])}
    return Rows(parts, columns.labels, place, untyped=True)  # type: ignore[arg-type]


def fields(path: Place, dialect: Dialect, separator: str | None = None) -> pa.ListArray:
    """Return the fields of every line of a text file that is not empty.

    Raises:
        ValueError: for a file without a line, or one in another encoding.
    """
    parse = ParseOptions(delimiter=UNIT_SEPARATOR, quote_char=False)
    convert = ConvertOptions(column_types={"line": pa.large_string()}, strings_can_be_null=False)
    chunks: list[pa.Array] = []
    try:
        for block in lines.blocks(path, dialect):
            read = ReadOptions(column_names=["line"], block_size=len(block) + 1)
            chunks += read_csv(owned(block), read, parse, convert).column("line").chunks
    except pa.ArrowInvalid as error:
        raise ValueError(f"source: {path}: {error!s:.150}; pass its encoding, or another file") from None
    found = pa.concat_arrays(chunks) if chunks else pa.array([], pa.large_string())
    found = pc.ascii_trim_whitespace(found)
    found = found.filter(pc.greater(pc.binary_length(found), 0))
    if separator in (None, "whitespace", WHITESPACE):
        return pc.ascii_split_whitespace(found)
    return pc.split_pattern(found, separator)
