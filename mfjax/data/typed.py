"""Parquet files and JSON lines -> columns: sources whose columns have types."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from mfjax.data.columns import Columns, filtered
from mfjax.data.opening import DAMAGED, Place, opened
from mfjax.data.rows import Part, Rows

_HEAD = 1 << 20


def parquet(path: Place, columns: Columns) -> Rows:
    """Return the columns of a Parquet file.

    Raises:
        ValueError: naming the file and the remedy.
    """
    try:
        with cast(BinaryIO, path.open("rb")) as file, pyarrow.parquet.ParquetFile(file) as opened_file:
            names = opened_file.schema_arrow.names
            found = columns.locate(names, str(path))
            wanted = None if columns.where is not None else [names[position] for position in found.values()]
            table = opened_file.read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
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
            names = _names(head)
            found = columns.locate(names, str(path))
            file.seek(0)
            table = _read_json(file, head, [names[position] for position in found.values()], columns.where is not None)
    except (pa.ArrowException, *DAMAGED) as error:
        raise ValueError(f"source: {path}: {error!s:.150}; pass a file of one JSON object a line") from None
    return _rows(path, table, names, columns, found)


def _rows(path: Place, table: pa.Table, names: list[str], columns: Columns, found: dict[Part, int]) -> Rows:
    table, kept = filtered(table, columns.where)
    parts: dict[Part, pa.ChunkedArray] = {part: table.column(names[position]) for part, position in found.items()}
    return Rows(parts, columns.labels, lambda row: f"{path}, row {row if kept is None else kept[row]},")


def _names(head: bytes) -> list[str]:
    """Return the names of the first objects, in the order of their first occurrence."""
    whole = head[: head.rfind(b"\n") + 1] if len(head) == _HEAD else head
    return pyarrow.json.read_json(io.BytesIO(whole)).column_names


def _read_json(file: BinaryIO, head: bytes, wanted: list[str], every: bool) -> pa.Table:
    """Read the wanted fields, text that looks like a time as text: an id may look like one."""
    whole = head[: head.rfind(b"\n") + 1] if len(head) == _HEAD else head
    kinds = pyarrow.json.read_json(io.BytesIO(whole)).schema
    schema = pa.schema(
        [
            pa.field(name, pa.string() if pa.types.is_timestamp(kinds.field(name).type) else kinds.field(name).type)
            for name in dict.fromkeys(wanted)
        ]
    )
    options = pyarrow.json.ParseOptions(
        explicit_schema=schema, unexpected_field_behavior="infer" if every else "ignore"
    )
    return pyarrow.json.read_json(pa.PythonFile(file, mode="r"), parse_options=options)
