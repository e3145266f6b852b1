"""Writes tables in blocks to the terminal, or to a file in the format of its suffix, and reports progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from mfjax import files
from mfjax.data.writing.formats import Format, format_of, writer
from mfjax.studies.tables import align

TABLES: Mapping[str, Format] = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet"}
RUNS: Mapping[str, Format] = {**TABLES, ".trec": "trec", ".run": "trec"}
"""Suffix -> the format of a file of lists; the suffix of a compression may follow, as in .csv.gz."""

_WAIT = 2.0
"""Seconds until work is long enough to be told of, and between two lines about it."""


def check(name: str, path: Path | None, overwrite: bool, formats: Mapping[str, Format] | None = None) -> None:
    """Raise ValueError for a file that can not be written, before any work: one that is there, or of no format.

    Its folder is made, and tried.

    Args:
        name: of the option.
        path: of the file, or None.
        overwrite: whether it may be there.
        formats: that it may have by its suffix, or None for a file of any name.
    """
    if path is None:
        return
    if path.is_dir():
        raise ValueError(f"{name}: {path} is a folder; pass the name of a file")
    if formats is not None:
        try:
            format_of(path, formats)
        except ValueError as error:
            raise ValueError(f"{name}{str(error).removeprefix('path')}") from None
    if path.exists() and not overwrite:
        raise ValueError(f"{name}: {path} is there already; pass another name, or --overwrite")
    files.check_writable(name, path.parent)


@contextmanager
def to_file(path: Path, formats: Mapping[str, Format]) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that adds tables to a file, whole or not at all; for TREC they are lists, see `run_of`."""
    where, form, compression = format_of(path, formats)
    with writer(where, form, compression) as write:

        def add(table: pa.Table) -> None:
            write(run_of(table) if form == "trec" else table)

        yield add


def run_of(lists: pa.Table) -> pa.Table:
    """Return lists as the lines of a run: topic, Q0, document, rank, score, tag.

    Args:
        lists: of whom, what, ..., rank and score, in the order of `columns`.

    Example:
        >>> run_of(pa.table({"user_id": ["ann"], "item_id": [7], "rank": [1], "score": [0.5]})).to_pylist()
        [{'user_id': 'ann', 'Q0': 'Q0', 'item_id': 7, 'rank': 1, 'score': 0.5, 'tag': 'mfjax'}]
    """
    topic, document = lists.column_names[:2]
    constant = {name: pa.repeat(pa.scalar(one, pa.large_string()), len(lists)) for name, one in _CONSTANTS.items()}
    columns = {name: lists.column(name) for name in (topic, document, "rank", "score")} | constant
    return pa.table({name: columns[name] for name in (topic, "Q0", document, "rank", "score", "tag")})


_CONSTANTS = {"Q0": "Q0", "tag": "mfjax"}


def printer() -> Callable[[pa.Table], None]:
    """Return a function that prints tables of the same columns one after the other, below one head."""
    is_first = True

    def show(table: pa.Table) -> None:
        nonlocal is_first
        print(text(table, head=is_first), flush=True)
        is_first = False

    return show


def text(table: pa.Table, *, head: bool = True) -> str:
    """Return a table in columns: text and ids set left, ranks and numbers right.

    Example:
        >>> print(text(pa.table({"item_id": [7, 12], "rank": [1, 2], "score": [0.25, 0.125]})))
        item_id  rank   score
        -------  ----  ------
        7           1  0.2500
        12          2  0.1250
    """
    numbers = [name for name in table.column_names if name in ("rank", "score", "contribution")]
    names = [name for name in table.column_names if name not in numbers] + numbers
    lines = [names, *zip(*(_cells(table.column(name)) for name in names), strict=True)]
    told = align(lines, left=len(names) - len(numbers)).split("\n")
    return "\n".join(told if head else told[2:])


def _cells(column: pa.ChunkedArray) -> list[str]:
    if pa.types.is_floating(column.type):
        return [f"{one:.4f}" for one in column.to_pylist()]
    return ["" if one is None else str(one) for one in column.to_pylist()]


def blocks(raw: np.ndarray, size: int, *, what: str, tell: bool) -> Iterator[np.ndarray]:
    """Yield raw ids in blocks, and report progress on stderr where there are many.

    Example:
        >>> [block.tolist() for block in blocks(np.arange(5), 2, what="users", tell=False)]
        [[0, 1], [2, 3], [4]]
    """
    started = told = time.perf_counter()
    for first in range(0, len(raw), size):
        yield raw[first : first + size]
        now, done = time.perf_counter(), min(first + size, len(raw))
        if tell and done < len(raw) and now - told >= _WAIT:
            told = now
            left = (now - started) * (len(raw) - done) / done
            line = f"{done:,} of {len(raw):,} {what}, {left:.0f} s left"
            _tell(line, line + "\n")
    if told > started:
        _tell("", "")


def _tell(on_terminal: str, elsewhere: str) -> None:
    """Write a line about what is going on on stderr; on a terminal the next one writes over it."""
    print(f"\r\x1b[K{on_terminal}" if sys.stderr.isatty() else elsewhere, end="", file=sys.stderr, flush=True)


def send(tables: Iterable[pa.Table], path: Path | None, formats: Mapping[str, Format]) -> int:
    """Write tables to a file, or print them where there is none, and return the number of rows."""
    rows = 0
    if path is None:
        show = printer()
        for table in tables:
            show(table)
            rows += len(table)
        return rows
    with to_file(path, formats) as add:
        for table in tables:
            add(table)
            rows += len(table)
    print(f"wrote {path}: {rows:,} rows")
    return rows
