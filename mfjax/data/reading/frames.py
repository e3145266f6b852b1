"""Frames -> columns: pandas, polars, Arrow, lazy ones and whatever else narwhals takes, and dicts of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from mfjax.data.reading import arrays
from mfjax.data.reading.columns import Columns, filtered
from mfjax.data.reading.rows import Part, Rows


def rows(frame: Any, columns: Columns) -> Rows:
    """Return the columns of a frame.

    Raises:
        ValueError: for what is no frame, a column that is not there or holds several types, and as `Columns.locate`.
    """
    table, names = _table(frame, columns)
    found = columns.locate(names, "the frame", positions_first=False)
    table, kept = filtered(table, columns.where)
    parts: dict[Part, pa.ChunkedArray] = {part: table.column(position) for part, position in found.items()}

    def place(row: int) -> str:
        return f"row {row if kept is None else kept[row]}"

    return Rows(parts, columns.labels, place)


def is_frame(source: Any) -> bool:
    """Return whether `rows` would take it for a frame."""
    import narwhals as nw

    if isinstance(source, (Mapping, pa.RecordBatch, pa.RecordBatchReader)) or hasattr(source, "__arrow_c_stream__"):
        return True
    if isinstance(source, np.ndarray):
        return source.dtype.names is not None
    return isinstance(nw.from_native(source, pass_through=True), (nw.DataFrame, nw.LazyFrame))


def _table(frame: Any, columns: Columns) -> tuple[pa.Table, list[str]]:
    """Return an Arrow table of a frame, and the names of its columns as text."""
    import narwhals as nw

    if isinstance(frame, np.ndarray) and frame.dtype.names:
        frame = {name: frame[name] for name in frame.dtype.names}
    if isinstance(frame, Mapping):
        names = [str(name) for name in frame]
        columns_made = [arrays.any_column(name, column) for name, column in zip(names, frame.values(), strict=True)]
        if len({len(column) for column in columns_made}) > 1:
            raise ValueError(f"source: columns of {[len(column) for column in columns_made]} rows; pass one length")
        return pa.Table.from_arrays(columns_made, names), names
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    if isinstance(frame, pa.RecordBatchReader):
        frame = frame.read_all()
    if isinstance(frame, pa.Table):
        return frame, frame.column_names
    try:
        known = nw.from_native(frame, pass_through=True)
    except nw.exceptions.DuplicateError:
        return _of_pandas_with_repeats(frame)
    if isinstance(known, nw.LazyFrame):
        known = known.collect()
    if isinstance(known, nw.DataFrame):
        names = [str(name) for name in known.columns]
        return _of_known(known, names, columns)
    if hasattr(frame, "__arrow_c_stream__"):
        table = pa.table(frame)
        return table, table.column_names
    raise ValueError(f"source: a {type(frame).__name__} is no frame; pass one of pandas, polars or Arrow, or a dict")


def _of_known(frame: Any, names: list[str], columns: Columns) -> tuple[pa.Table, list[str]]:
    """Convert the columns that are asked for, all of them where a filter may look at any."""
    wanted = set(range(len(names)))
    if columns.where is None:
        wanted = set(columns.locate(names, "the frame", positions_first=False).values())
    made = []
    for position, name in enumerate(frame.columns):
        if position not in wanted:
            made.append(pa.nulls(len(frame)))
            continue
        series = frame.get_column(name)
        try:
            made.append(pa.chunked_array(series.to_arrow()) if not _is_objects(series) else None)
        except (pa.ArrowException, TypeError, ValueError):
            made.append(None)
        if made[-1] is None:
            made[-1] = arrays.any_column(names[position], series.to_native())
    return pa.Table.from_arrays(made, names), names


def _is_objects(series: Any) -> bool:
    return getattr(series.to_native(), "dtype", None) == np.dtype(object)


def _of_pandas_with_repeats(frame: Any) -> tuple[pa.Table, list[str]]:
    names = [str(name) for name in frame.columns]
    made = [arrays.any_column(name, frame.iloc[:, position]) for position, name in enumerate(names)]
    return pa.Table.from_arrays(made, names), names
