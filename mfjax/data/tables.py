"""Tables -> Interactions: scipy.sparse, pandas, polars and pyarrow frames, CSV and Parquet files."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mfjax import checks
from mfjax.data.arrays import DUPLICATES, Duplicates, from_arrays
from mfjax.types import Interactions


class Sparse(Protocol):
    """What is read of a matrix of scipy.sparse."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def tocoo(self) -> Any: ...


def from_sparse(matrix: Sparse, *, duplicates: Duplicates = "error") -> Interactions:
    """Return the stored entries of a scipy.sparse matrix [num_users, num_items], zeros that are stored included.

    Example:
        >>> import scipy.sparse
        >>> from_sparse(scipy.sparse.csr_array([[0, 2], [3, 0]])).values.tolist()
        [2.0, 3.0]
    """
    if not hasattr(matrix, "tocoo") or len(matrix.shape) != 2:
        raise ValueError(
            f"matrix: a {type(matrix).__name__} is no matrix of scipy.sparse; pass one, such as csr_array, "
            "or give from_arrays its rows and columns"
        )
    entries = matrix.tocoo()
    num_users, num_items = entries.shape
    return from_arrays(
        entries.row, entries.col, entries.data, duplicates=duplicates, num_users=num_users, num_items=num_items
    )


def from_frame(
    frame: Any,
    *,
    user: str = "user",
    item: str = "item",
    value: str | None = None,
    timestamp: str | None = None,
    duplicates: Duplicates = "error",
) -> Interactions:
    """Return the Interactions of the named columns of a pandas or polars DataFrame or a pyarrow Table.

    Example:
        >>> import pandas
        >>> from_frame(pandas.DataFrame({"who": [7, 8], "what": ["b", "a"]}), user="who", item="what").items.tolist()
        [1, 0]
    """
    names = getattr(frame, "column_names", getattr(frame, "columns", None))
    if names is None or isinstance(frame, np.ndarray):
        raise ValueError(
            f"frame: a {type(frame).__name__} is no frame; pass one of pandas or polars, or a pyarrow Table"
        )
    names = [str(name) for name in names]
    columns = [name for name in (user, item, value, timestamp) if name is not None]
    _positions("frame", columns, names)
    column = {name: frame[name].to_numpy() for name in columns}
    return from_arrays(
        column[user],
        column[item],
        None if value is None else column[value],
        None if timestamp is None else column[timestamp],
        duplicates=duplicates,
    )


def read_csv(
    path: str | Path,
    *,
    user: str | int = "user",
    item: str | int = "item",
    value: str | int | None = None,
    timestamp: str | int | None = None,
    separator: str = ",",
    duplicates: Duplicates = "error",
) -> Interactions:
    """Return the Interactions of a text file with one row a line, in file order.

    Columns are names of the header line, or positions from 0 of a file that has no header line. Ids are integers if
    every one of the column is, else strings. Blank lines are skipped.

    Raises:
        ValueError: naming the file, the line (counted from 1) or the row (counted from 0, without header), the remedy.
    """
    checks.kind("path", path, (str, os.PathLike), "pass the name of a file")
    checks.choice("duplicates", duplicates, DUPLICATES)
    if not (isinstance(separator, str) and len(separator) == 1 and separator not in '\r\n"'):
        raise ValueError(f"separator: {separator!r} is not one character; pass such as ',' or '\\t'")
    path = Path(path)
    columns = [column for column in (user, item, value, timestamp) if column is not None]
    if bad := [column for column in columns if isinstance(column, int) and (column < 0 or isinstance(column, bool))]:
        raise ValueError(f"user, item, value, timestamp: {bad[0]} is no column; pass a name, or a position from 0")
    positions, skip = _locate(path, columns, separator)
    fields = [("user", "i8"), ("item", "i8"), ("value", "f8"), ("timestamp", "i8")]
    asked = (user, item, value, timestamp)
    fields = [field for field, column in zip(fields, asked, strict=True) if column is not None]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="loadtxt: input contained no data")
            table = np.loadtxt(
                path,
                np.dtype(fields),
                delimiter=separator,
                usecols=positions,
                skiprows=skip,
                comments=None,
                encoding="utf-8-sig",
            )
        column = {name: np.atleast_1d(table[name]) for name, _ in fields}
    except ValueError:
        column = _read_text_columns(path, [name for name, _ in fields], positions, separator, skip)
    try:
        return from_arrays(
            column["user"], column["item"], column.get("value"), column.get("timestamp"), duplicates=duplicates
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_parquet(
    path: str | Path,
    *,
    user: str = "user",
    item: str = "item",
    value: str | None = None,
    timestamp: str | None = None,
    duplicates: Duplicates = "error",
) -> Interactions:
    """Return the Interactions of the named columns of a Parquet file, in file order."""
    checks.kind("path", path, (str, os.PathLike), "pass the name of a file")
    checks.choice("duplicates", duplicates, DUPLICATES)
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError('read_parquet needs pyarrow: pip install "mfjax[tables]"') from error
    columns = [name for name in (user, item, value, timestamp) if name is not None]
    _positions(str(path), columns, pyarrow.parquet.read_schema(path).names)
    table = pyarrow.parquet.read_table(path, columns=columns)
    try:
        return from_frame(table, user=user, item=item, value=value, timestamp=timestamp, duplicates=duplicates)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _locate(path: Path, columns: Sequence[str | int], separator: str) -> tuple[list[int], int]:
    """Return the positions of the columns and the number of header lines."""
    positions = [column for column in columns if isinstance(column, int)]
    if len(positions) == len(columns):
        return positions, 0
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = [name.strip() for name in next(csv.reader(file, delimiter=separator), [])]
    return _positions(str(path), columns, header), 1


def _positions(source: str, columns: Sequence[str | int], names: Sequence[str]) -> list[int]:
    position = {name: index for index, name in enumerate(names)}
    for column in columns:
        if column not in position:
            raise ValueError(f"{source}: no column {column!r}; its columns are: {', '.join(names) or 'none'}")
    return [position[str(column)] for column in columns]


def _read_text_columns(
    path: Path, names: Sequence[str], positions: Sequence[int], separator: str, skip: int
) -> dict[str, np.ndarray]:
    """Read what is not plain numbers line by line: string ids, quotes, and the line that can not be read."""
    convert = {"value": float, "timestamp": lambda text: int(text) if text.isdigit() else float(text)}
    column: dict[str, list] = {name: [] for name in names}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=separator)
        for number, row in enumerate(reader):
            if number < skip or not row:
                continue
            if len(row) <= max(positions):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(row)} columns, needs {max(positions) + 1}; "
                    "mend or drop the line, or pass the file's separator"
                )
            for name, position in zip(names, positions, strict=True):
                text = row[position].strip()
                try:
                    column[name].append(convert.get(name, str)(text))
                except ValueError:
                    raise ValueError(
                        f"{path}, line {reader.line_num}: {name} {text!r} is not a number; mend or drop the line"
                    ) from None
    return {
        name: _integers_or_strings(cells) if name in ("user", "item") else np.array(cells)
        for name, cells in column.items()
    }


def _integers_or_strings(texts: Sequence[str]) -> np.ndarray:
    # int() alone would read "1_000" as a number.
    if not all(text.removeprefix("-").isdecimal() for text in texts):
        return np.array(texts, str)
    try:
        return np.array([int(text) for text in texts], np.int64)
    except OverflowError:
        return np.array(texts, str)
