"""Parquet files and JSON lines -> columns: sources whose columns have types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from mfjax.data.reading.columns import Columns, filtered
from mfjax.data.reading.opening import DAMAGED, Place, native, opened, owned
from mfjax.data.reading.rows import Part, Rows

_HEAD = 1 << 20

IDS: tuple[Part, ...] = ("user", "item")


def parquet(path: Place, columns: Columns) -> Rows:
    """Return the columns of a Parquet file.

    Raises:
        ValueError: naming the file and the remedy.
    """
    try:
        with native(path) as file, pyarrow.parquet.ParquetFile(file) as opened_file:
            names = opened_file.schema_arrow.names
            found = columns.locate(names, str(path))
            wanted = {names[position] for position in found.values()}
            # Of columns with one name Arrow would read any one: then all are read.
            every = columns.where is not None or any(names.count(name) > 1 for name in wanted)
            table = opened_file.read(columns=None if every else sorted(wanted))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"source: {path} is no whole Parquet file ({error!s:.120}); write it again") from None
    return _rows(path, table, names, columns, found)


def json_lines(path: Place, columns: Columns) -> Rows:
    """Return the columns of a file of one JSON object a line. Text stays text; numbers stay numbers.

    Raises:
        ValueError: naming the file and the remedy.
    """
    try:
        with opened(path) as file:
            head = file.read(_HEAD)
        whole = head[: head.rfind(b"\n") + 1] if len(head) == _HEAD else head
        known = pyarrow.json.read_json(owned(whole)).schema
        found = columns.locate(known.names, str(path))
        kinds = {known.names[position]: read_as(part, known.types[position]) for part, position in found.items()}
        ids = {known.names[found[part]] for part in IDS}
        table = read_widening(lambda: opened(path), kinds, ids, columns.where is not None)
    except (pa.ArrowException, UnicodeDecodeError, *DAMAGED) as error:
        raise ValueError(f"source: {path}: {error!s:.150}; pass a file of one JSON object a line") from None
    return _rows(path, table, known.names, columns, found)


def _rows(path: Place, table: pa.Table, names: list[str], columns: Columns, found: dict[Part, int]) -> Rows:
    table, kept = filtered(table, columns.where)
    parts: dict[Part, pa.ChunkedArray] = {
        part: table.column(names[position] if names.count(names[position]) == 1 else position)
        for part, position in found.items()
    }
    return Rows(parts, columns.labels, lambda row: f"{path}, row {row if kept is None else kept[row]},")


def read_as(part: Part, kind: pa.DataType) -> pa.DataType:
    """Return the type to read a column as: text that looks like a time is text, an id beyond 2^63 is no fraction."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    return pa.uint64() if part in IDS and pa.types.is_floating(kind) else kind


def read_widening(
    opener: Callable[[], BinaryIO], kinds: Mapping[str, pa.DataType], ids: set[str], every: bool
) -> pa.Table:
    """Read as `_read_json`; where the first lines have whole numbers or none, and later ones others, as those."""
    wider = {name: _wider(kind, name in ids) for name, kind in kinds.items()}
    error: pa.ArrowInvalid | None = None
    for widened in (set(), set(kinds) - ids, ids, set(kinds)):
        try:
            return _read_json(opener, {name: (wider if name in widened else kinds)[name] for name in kinds}, every)
        except pa.ArrowInvalid as wrong:
            error = error or wrong
    assert error is not None
    raise error


def _wider(kind: pa.DataType, is_id: bool) -> pa.DataType:
    if is_id:
        return pa.uint64() if pa.types.is_int64(kind) else kind
    return pa.float64() if pa.types.is_int64(kind) or pa.types.is_null(kind) else kind


def _read_json(opener: Callable[[], BinaryIO], kinds: Mapping[str, pa.DataType], every: bool) -> pa.Table:
    """Read the fields that have kinds, and all others where `every` says so."""
    options = pyarrow.json.ParseOptions(
        explicit_schema=pa.schema(list(kinds.items())), unexpected_field_behavior="infer" if every else "ignore"
    )
    with opener() as file:
        return pyarrow.json.read_json(owned(file.read()), parse_options=options)
