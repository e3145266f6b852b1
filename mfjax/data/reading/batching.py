"""Files -> passes of Interactions a part at a time, for `histories.streaming`, and the vocabularies that these need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mfjax import checks
from mfjax.data.reading import opening
from mfjax.data.reading.assembly import Reading, assemble
from mfjax.data.reading.opening import Place
from mfjax.data.reading.parts import parts_of
from mfjax.data.reading.reader import FileLayout, is_path, options_of, vocabulary_of
from mfjax.data.reading.rows import Part, Rows, first, value_type
from mfjax.data.writing.interactions import text_or_integers
from mfjax.types import Interactions, Vocabulary
from mfjax.vocabularies import kind_of

BATCH = 1 << 20

# Ids are int32.
_LARGEST = 2**31 - 2

_SIDES: tuple[Part, ...] = ("user", "item")


def batches(source: Any, *, rows: int = BATCH, **options: Any) -> Callable[[], Iterator[Interactions]]:
    """Return a function that starts a pass over files, for `histories.streaming.build`: Interactions, a part at a time.

    Memory does not grow with the files (files of lists are read one at a time). A pass has the rows that `read` has, in
    their order, with two differences, for no pass looks back:

    - A pair that is repeated stays repeated, in a batch as between two: histories have an entry for each, so that its
      loss counts each. `read` refuses or merges repeats.
    - Without vocabularies ids must be 0, 1, ... already: `num_users` and `num_items` are the largest of the batch, plus
      one. With `scan_vocabularies` the ids are those of `read`.

    Args:
        source: a file, a folder, or a list of these. Frames are in memory: `read` takes them.
        rows: of a batch, at most.
        options: as those of `read`, except `duplicates`. A function as `where` sees a part at a time. Times that are
            numbers need `time_unit`; every batch has the coarsest unit of its own times.

    Raises:
        FileNotFoundError: for a file that is not there.
        ValueError: for an option; at the pass, as `read`, with the line or row of the whole file.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from mfjax.histories import streaming
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "pairs.csv"
        ...     _ = path.write_text("user,item\\nann,x\\nbob,x\\nann,y\\n")
        ...     passes = batches(path, rows=2, vocabularies=scan_vocabularies(path))
        ...     [batch.users.tolist() for batch in passes()], streaming.build(passes).users.counts.tolist()
        ([[0, 1], [0]], [2.0, 1.0])
    """
    if "duplicates" in options:
        raise ValueError(
            f"duplicates: {options['duplicates']!r}, but a pass does not look back; leave it out, or merge repeats in "
            "the files"
        )
    checks.whole("rows", rows, remedy="pass a number of rows")
    how, columns, dialect, layout = options_of(**options)
    checks.choice("layout", layout, get_args(FileLayout))
    files = _files(source)

    def passes() -> Iterator[Interactions]:
        some = False
        # Files are closed when a pass is left, and not some time after.
        with closing(parts_of(files, columns, dialect, layout, rows, events=how.values is not None)) as parts:
            for part in parts:
                _check_times(part, how)
                batch = _with_given_ids(part, assemble(part, how, merging=False), how)
                if len(batch):
                    some = True
                    yield batch
        if not some:
            raise ValueError(f"source: {source} has no row that is kept; look at where= and at the vocabularies")

    return passes


def scan_vocabularies(source: Any, *, rows: int = BATCH, **options: Any) -> tuple[Vocabulary, Vocabulary]:
    """Return the vocabularies of users and items of files, by one pass in memory of the distinct ids.

    They are those that `read` makes of the files.

    Args:
        source, rows, options: as those of `batches`; what is said of values, times and weights is not looked at.

    Raises:
        FileNotFoundError: for a file that is not there.
        ValueError: as `read`, for the columns of users and items.
    """
    checks.whole("rows", rows, remedy="pass a number of rows")
    how, columns, dialect, layout = options_of(**options)
    checks.choice("layout", layout, get_args(FileLayout))
    files = _files(source)
    columns = replace(columns, value=None, timestamp=None, weight=None)
    seen = {side: _Distinct() for side in _SIDES}
    found: Rows | None = None
    with closing(parts_of(files, columns, dialect, layout, rows)) as parts:
        for found in parts:
            for side in _SIDES:
                seen[side].add(found, side, how)
    if found is None:
        raise ValueError(f"source: {source} has no row that is kept; look at where=")
    distinct = Rows({side: seen[side].column(found, side) for side in _SIDES}, found.labels, untyped=found.untyped)
    users, items = (vocabulary_of(distinct, side, how.ids) for side in _SIDES)
    return users, items


class _Distinct:
    """Distinct raw ids of a column that comes in parts."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._least = 0

    def add(self, rows: Rows, side: Part, how: Reading) -> None:
        """Check a part of the column, and keep what it has."""
        # As text, which integers can be written back to: another part may have an id that is none.
        kind = how.ids or ("text" if rows.untyped else None)
        raw = vocabulary_of(rows, side, kind).raw
        of_integers = kind_of(raw) == "integers" and not rows.untyped
        typed = pa.array(raw, value_type(rows.columns[side])) if of_integers else text_or_integers(raw)
        self._tables.append(pa.table({side: typed}))
        # So that ids are compared as often as they double, and not once a part.
        if sum(map(len, self._tables)) > 2 * self._least + BATCH:
            self._tables = [pa.table({side: self.column(rows, side)})]
            self._least = len(self._tables[0])

    def column(self, rows: Rows, side: Part) -> pa.ChunkedArray:
        """Return the distinct ids so far."""
        try:
            together = pa.concat_tables(self._tables, promote_options="permissive")
        except pa.ArrowException:
            kinds = sorted({str(table.column(0).type) for table in self._tables})
            raise ValueError(
                f"{rows.labels[side]}: of the types {', '.join(kinds)} in the files; write all of one type"
            ) from None
        return pa.chunked_array([pc.unique(together.column(0))])


def _files(source: Any) -> list[Place]:
    sources = source if isinstance(source, (list, tuple)) else [source]
    if not all(map(is_path, sources)):
        raise ValueError(
            f"source: a {type(source).__name__} is no file; pass a path or paths, or data.read what is in memory"
        )
    return opening.files_of(source)


def _with_given_ids(rows: Rows, batch: Interactions, how: Reading) -> Interactions:
    """Return a batch whose ids are the raw ones on a side that has no vocabulary."""
    changed: dict[str, Any] = {}
    for side in _SIDES:
        vocabulary = getattr(batch, f"{side}_vocabulary")
        if getattr(how, f"{side}_vocabulary") is not None:
            continue
        raw = vocabulary.raw
        if kind_of(raw) == "text" or ((raw < 0) | (raw > _LARGEST)).any():
            raise _no_ids(rows, side, raw.tolist())
        ids = raw[getattr(batch, f"{side}s")].astype(np.int32)
        changed |= {f"{side}s": ids, f"num_{side}s": int(ids.max(initial=-1)) + 1, f"{side}_vocabulary": None}
    return replace(batch, **changed)


def _no_ids(rows: Rows, side: Part, raw: list[Any]) -> ValueError:
    """Return the error of the first row whose raw id is none of 0, 1, ..."""
    wrong = [one for one in raw if not (str(one).isdecimal() and str(int(one)) == str(one) and int(one) <= _LARGEST)]
    column = rows.columns[side]
    text = column.cast(value_type(column))
    is_wrong = pc.is_in(text.cast(pa.large_string()), pa.array(map(str, wrong or raw), pa.large_string()))
    row = first(is_wrong.to_numpy())
    held = text[row].as_py()
    shown = held if isinstance(raw[0], int) else repr(held)
    return ValueError(
        f"{rows.labels[side]}: {rows.place(row)} holds {shown}, and ids without a vocabulary are 0..{_LARGEST}; pass "
        "vocabularies=data.scan_vocabularies(source)"
    )


def _check_times(rows: Rows, how: Reading) -> None:
    if how.time_unit is None and "timestamp" in rows.columns:
        kind = rows.columns["timestamp"].type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            raise ValueError("time_unit: the times are numbers, and a part does not tell their unit; pass such as 's'")
