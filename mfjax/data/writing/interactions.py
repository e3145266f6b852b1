"""Interactions -> Arrow tables, frames and files, with raw ids: `read` gives the same interactions back."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from mfjax import checks
from mfjax.data.reading.rows import first
from mfjax.data.writing.formats import Format, format_of, write_table
from mfjax.types import Interactions, Vocabulary

Library = Literal["pandas", "polars", "arrow"]
"""Whose frame is wanted."""

_FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
}


def to_arrow(
    interactions: Interactions,
    *,
    user: str = "user",
    item: str = "item",
    value: str = "value",
    timestamp: str = "timestamp",
    weight: str = "weight",
) -> pa.Table:
    """Return interactions as an Arrow table, in their order.

    Args:
        user, item: names of the columns of raw ids, integers or text; of ids where there is no vocabulary.
        value, weight: of numbers, float32; there is no weight column where interactions have no weights.
        timestamp: of times in their unit, in UTC; there is none where interactions have no times.

    Raises:
        ValueError: for what are no Interactions, ids that their vocabulary does not have, columns of several lengths,
            numbers that are not finite, and names that are not distinct.

    Example:
        >>> from mfjax.data import from_arrays
        >>> to_arrow(from_arrays(["ann", "bob"], [30, 10], [5, 3])).to_pylist()
        [{'user': 'ann', 'item': 30, 'value': 5.0}, {'user': 'bob', 'item': 10, 'value': 3.0}]
    """
    checks.kind("interactions", interactions, Interactions, "pass what data.read or data.from_arrays returned")
    columns = {
        user: _raw("users", interactions.users, interactions.user_vocabulary),
        item: _raw("items", interactions.items, interactions.item_vocabulary),
        value: _numbers("values", interactions.values),
    }
    if interactions.timestamps is not None:
        columns[timestamp] = pa.array(interactions.timestamps, pa.timestamp(interactions.time_unit, "UTC"))
    if interactions.weights is not None:
        columns[weight] = _numbers("weights", interactions.weights)
    wanted = 3 + (interactions.timestamps is not None) + (interactions.weights is not None)
    for name in columns:
        checks.kind("user, item, value, timestamp, weight", name, str, "pass names of columns")
    if len(columns) < wanted:
        raise ValueError(
            f"user, item, value, timestamp, weight: {', '.join(columns)} are not distinct; pass other names"
        )
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(
            f"interactions: columns of {[len(column) for column in columns.values()]} rows; use Interactions.select"
        )
    return pa.table(columns)


def to_frame(interactions: Interactions, library: Library = "pandas", **names: str) -> Any:
    """Return interactions as a frame of pandas or polars, or an Arrow table; names and errors as `to_arrow`.

    Raises:
        ImportError: where the library is not installed.

    Example:
        >>> from mfjax.data import from_arrays
        >>> to_frame(from_arrays(["ann"], [30]), user="who").columns.tolist()
        ['who', 'item', 'value']
    """
    return in_library(to_arrow(interactions, **names), library)


def in_library(table: pa.Table, library: Library) -> Any:
    """Return an Arrow table as a frame of pandas or polars, or as it is.

    Raises:
        ImportError: where the library is not installed.
    """
    checks.choice("library", library, get_args(Library))
    if library == "arrow":
        return table
    try:
        if library == "pandas":
            return table.to_pandas()
        import polars
    except ImportError as error:
        raise ImportError(f"library: {library} is not installed; pip install {library}, or pass 'arrow'") from error
    return polars.from_arrow(table)


def write(interactions: Interactions, path: Any, **names: str) -> None:
    """Write interactions to a file: Parquet, CSV, TSV or JSON lines, by its suffix.

    `.csv.gz` and the like (`.bz2`, `.zst`, `.lz4`, `.xz`) are compressed. The file is whole, or the one that was there.
    `read(path, value="value", timestamp="timestamp", weight="weight")` gives the same interactions back, except that
    CSV and TSV do not say what ids are: text ids that all spell integers come back as integers unless `ids="text"` is
    passed, and ids that hold line breaks need `multiline=True`.

    Args:
        interactions: with or without vocabularies, times and weights.
        path: ends in .parquet, .csv, .tsv or .jsonl.
        names: of the columns, as `to_arrow` has them.

    Raises:
        ValueError: for another suffix; for an id or a time that the format can not hold, with the row and the remedy;
            and as `to_arrow`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from mfjax.data import from_arrays
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "pairs.csv"
        ...     write(from_arrays(["ann", "x,y"], [30, 10], [5, 3.5]), path)
        ...     print(path.read_text())
        user,item,value
        ann,30,5
        "x,y",10,3.5
        <BLANKLINE>
    """
    where, form, compression = format_of(path, _FORMATS)
    write_table(to_arrow(interactions, **names), where, form, compression)


def text_or_integers(raw: np.ndarray) -> pa.Array:
    """Return raw ids (int64, uint64 or text) [n] as an Arrow array."""
    return pa.array(raw) if raw.dtype.kind in "iu" else pa.array(raw.tolist(), pa.large_string())


def _raw(name: str, given: np.ndarray, vocabulary: Vocabulary | None) -> pa.Array:
    if vocabulary is None:
        checks.shape(name, given, (None,), "pass ids of one dimension")
        checks.count(name, given, remedy="ids are at least 0; map raw ids with a Vocabulary")
        return pa.array(np.asarray(given))
    ids = np.asarray(checks.ids(name, given, len(vocabulary), "the vocabulary"))
    return text_or_integers(vocabulary.raw).take(pa.array(ids))


def _numbers(name: str, given: np.ndarray) -> pa.Array:
    numbers = np.asarray(given, np.float32)
    if not (finite := np.isfinite(numbers)).all():
        raise ValueError(f"{name}: row {first(~finite)} holds {numbers[first(~finite)]}, not finite; drop or mend it")
    return pa.array(numbers)
