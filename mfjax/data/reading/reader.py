"""Any source -> Interactions: files of any kind, folders, frames. One path: columns, checks, vocabularies, pairs."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

import pyarrow as pa

from mfjax import checks
from mfjax.data.reading import frames, lists, opening, text, typed
from mfjax.data.reading.assembly import Reading, Unknown, assemble, in_one_unit
from mfjax.data.reading.columns import Columns, Selector
from mfjax.data.reading.ids import IdKind, encode
from mfjax.data.reading.layouts import Text, judgements
from mfjax.data.reading.opening import Place
from mfjax.data.reading.repeats import Duplicates
from mfjax.data.reading.rows import Part, Rows
from mfjax.types import Interactions, TimeUnit, Vocabulary

FileLayout = Literal["table", "lists", "qrels"]
"""What a line of a text file is: a pair ("table"), a user and its items ("lists": `user item item ...`), or a TREC
judgement ("qrels": `user 0 item relevance`).
"""


def read(
    source: Any,
    *,
    user: Selector | None = None,
    item: Selector | None = None,
    value: Selector | None = None,
    timestamp: Selector | None = None,
    weight: Selector | None = None,
    values: Mapping[Any, float] | None = None,
    where: Any = None,
    duplicates: Duplicates = "error",
    ids: IdKind | None = None,
    time_unit: TimeUnit | None = None,
    time_format: str | None = None,
    vocabularies: Any = None,
    user_vocabulary: Vocabulary | None = None,
    item_vocabulary: Vocabulary | None = None,
    unknown: Unknown = "error",
    layout: FileLayout = "table",
    separator: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    quoting: bool | None = None,
    multiline: bool = False,
    escape: str | None = None,
    comment: str | None = None,
    skip_lines: int = 0,
) -> Interactions:
    r"""Return the Interactions of a file, a folder, several of either, or a frame, in the order of the source.

    Text files may be compressed (gzip, bzip2, xz, zstandard, lz4) or in a zip archive; Parquet files and files of one
    JSON object a line are told by their suffix. Of a folder all tables are read, by name. A frame is one of pandas,
    polars or Arrow, a lazy one, whatever else narwhals takes, or a dict of columns.

    Args:
        source: a path, a `zipfile.Path`, a list of these, or a frame.
        user, item: columns by name, or by position from 0; None for the one with a usual name ("userId", "movie_id").
        value: of ratings, counts or events; None for ones.
        timestamp: of epochs, dates, times, or their text in ISO 8601; None for none. They are kept in the coarsest unit
            that holds all of them exactly; without a zone they are UTC.
        weight: how sure each value is; None for none.
        values: event -> number, for a value column of events, such as {"view": 1, "purchase": 5}.
        where: rows to keep: an expression of pyarrow.compute, such as `field("rating") >= 4`, or a function of an Arrow
            table to a mask. Columns of a file without a header line are called "0", "1", ...; ids of a text file are
            text there.
        duplicates: what a repeated pair becomes, see `from_arrays`.
        ids: what ids in a text file are, "integers" or "text"; None for integers where writing every id of the column
            back gives the same text, so that "007" stays text. Ids of other sources keep their types.
        time_unit: of times that are numbers, "s", "ms", "us" or "ns"; None finds it by their size.
        time_format: of times in text that is not ISO 8601, as `datetime.strptime` has it.
        vocabularies: Interactions (or a Dataset) whose ids these get too, or a pair of Vocabulary.
        user_vocabulary, item_vocabulary: the same, each for itself.
        unknown: what becomes of a row with an id that a given vocabulary lacks: "error" or "drop".
        layout: of the lines of a text file: "table", "lists" (`user item item ...`) or "qrels"
            (`user 0 item relevance`).
        separator: of fields: one character or several, or "whitespace" for runs of blanks and tabs; None for the one of
            tab, "::", ";", "|", "," and blank that splits all first lines alike.
        header: whether the first line names the columns; None for yes where columns are asked for by name, and where a
            column of numbers begins with a word.
        encoding: None for UTF-8, or UTF-16 with a byte order mark.
        quoting: whether fields may stand in double quotes; None for yes, but no where the separator is a tab or several
            characters.
        multiline: whether quoted fields may hold line breaks.
        escape: the character before a quote, within quotes, that is text, such as a backslash; None where they are
            doubled.
        comment: lines that begin with it are left out.
        skip_lines: lines left out before the header.

    Raises:
        FileNotFoundError: for a file that is not there.
        ValueError: naming the column, the file, the line (from 1) or row (from 0), and the remedy.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "events.csv"
        ...     _ = path.write_text("visitor;event;product\nann;view;007\nbob;purchase;7\n")
        ...     pairs = read(path, user="visitor", item="product", value="event", values={"view": 1, "purchase": 5})
        >>> pairs.item_vocabulary.raw.tolist(), pairs.values.tolist()
        (['007', '7'], [1.0, 5.0])
    """
    options = {name: option for name, option in locals().items() if name != "source"}
    how, columns, dialect, layout = options_of(**options)
    return assemble(rows_of(source, columns, dialect, layout, events=values is not None), how)


def options_of(
    *, layout: FileLayout = "table", vocabularies: Any = None, **options: Any
) -> tuple[Reading, Columns, Text, FileLayout]:
    """Return the options of `read`, each with the part of reading that it belongs to."""
    parts: list[dict[str, Any]] = []
    for kind in (Reading, Columns, Text):
        names = [each.name for each in fields(kind)]
        parts.append({name: options.pop(name) for name in names if name in options})
    if options:
        raise TypeError(f"read has no option {next(iter(options))!r}")
    if vocabularies is not None:
        given = parts[0].get("user_vocabulary"), parts[0].get("item_vocabulary")
        parts[0]["user_vocabulary"], parts[0]["item_vocabulary"] = _pair_of(vocabularies, *given)
    return Reading(**parts[0]), Columns(**parts[1]), Text(**parts[2]), layout


def rows_of(
    source: Any, columns: Columns, dialect: Text, layout: FileLayout = "table", *, events: bool = False
) -> Rows:
    """Return the columns of any source, see `read`.

    Raises:
        FileNotFoundError: for a file that is not there.
        ValueError: for what can not be read, naming where it is and the remedy.
    """
    checks.choice("layout", layout, ("table", "lists", "qrels"))
    if hasattr(source, "tocoo"):
        raise ValueError("source: a matrix of scipy.sparse; pass it to data.from_sparse")
    if not is_path(source) and not isinstance(source, (list, tuple)):
        if not frames.is_frame(source):
            raise ValueError(
                f"source: a {type(source).__name__} is no file and no frame; pass a path, a frame, a dict of columns, "
                "or arrays to data.from_arrays"
            )
        return frames.rows(source, columns)
    return joined([_rows_of_file(file, columns, dialect, layout, events) for file in opening.files_of(source)])


def joined(parts: Sequence[Rows]) -> Rows:
    """Return rows of several sources one after the other.

    Raises:
        ValueError: where a column has one type in one source and another in another.
    """
    if len(parts) == 1:
        return parts[0]
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part))

    def place(row: int) -> str:
        at = max(number for number in range(len(parts)) if starts[number] <= row)
        return parts[at].place(row - starts[at])

    columns = {name: _one_type(parts, name) for name in parts[0].columns}
    return Rows(columns, parts[0].labels, place, parts[0].untyped)


def _one_type(parts: Sequence[Rows], name: Part) -> pa.ChunkedArray:
    """Return a column of several sources; of text files its text where some have numbers of another kind."""
    columns = [part.columns[name] for part in parts]
    kinds = {str(column.type) for column in columns}
    if len(kinds) > 1 and all(part.untyped for part in parts):
        columns = [column.cast(pa.string()) for column in columns]
    if len(kinds) > 1 and all(pa.types.is_timestamp(column.type) and column.type.tz for column in columns):
        columns = [column.cast(pa.timestamp(column.type.unit, "UTC")) for column in columns]
    tables = [pa.table({name: column}) for column in columns]
    try:
        return pa.concat_tables(tables, promote_options="permissive").column(0)
    except pa.ArrowException:
        raise ValueError(
            f"{parts[0].labels[name]}: of the types {', '.join(sorted(kinds))} in the files; write all of one type"
        ) from None


def read_split(sources: Mapping[str, Any], **options: Any) -> dict[str, Interactions]:
    """Return the Interactions of sources that come split, such as train and test files, over one id space.

    The vocabularies hold the ids of all parts; repeated pairs are looked at within a part.

    Args:
        sources: name of a part -> what `read` takes.
        options: as those of `read`.

    Example:
        >>> import pandas
        >>> frames = {
        ...     "train": pandas.DataFrame({"user": [7, 8], "item": ["a", "b"]}),
        ...     "test": pandas.DataFrame({"user": [7], "item": ["c"]}),
        ... }
        >>> parts = read_split(frames)
        >>> parts["train"].num_items, parts["test"].items.tolist()
        (3, [2])
    """
    checks.kind("sources", sources, Mapping, 'pass such as {"train": path, "test": path}')
    if not sources:
        raise ValueError("sources: there are none; pass at least one")
    for name in ("vocabularies", "user_vocabulary", "item_vocabulary"):
        if options.get(name) is not None:
            raise ValueError(f"{name}: the parts make one of their own; use read for each part instead")
    taken = options_of(**options)
    rows = {name: rows_of(source, *taken[1:], events=taken[0].values is not None) for name, source in sources.items()}
    together = joined(list(rows.values()))
    user_vocabulary, item_vocabulary = (vocabulary_of(together, part, taken[0].ids) for part in ("user", "item"))
    how = replace(taken[0], user_vocabulary=user_vocabulary, item_vocabulary=item_vocabulary)
    return in_one_unit({name: assemble(part, how) for name, part in rows.items()})


def vocabulary_of(rows: Rows, part: Part, kind: IdKind | None = None) -> Vocabulary:
    """Return the vocabulary of the ids that occur in a column."""
    return rows.read(part, lambda: encode(rows.columns[part], untyped=rows.untyped, kind=kind)).vocabulary


def _pair_of(given: Any, user: Vocabulary | None, item: Vocabulary | None) -> tuple[Vocabulary, Vocabulary]:
    if user is not None or item is not None:
        raise ValueError("vocabularies: user_vocabulary or item_vocabulary is given as well; pass one or the other")
    if hasattr(given, "interactions"):
        given = given.interactions
    if isinstance(given, Interactions):
        given = given.user_vocabulary, given.item_vocabulary
    pair = isinstance(given, (tuple, list)) and len(given) == 2 and all(isinstance(each, Vocabulary) for each in given)
    if not pair:
        raise ValueError(
            f"vocabularies: {given!r:.80} is no pair of Vocabulary; pass Interactions that have both, or (users, items)"
        )
    return given[0], given[1]


def is_path(source: Any) -> bool:
    """Return whether a source is the name of a file or a folder."""
    return isinstance(source, (str, os.PathLike, zipfile.Path))


def _rows_of_file(file: Place, columns: Columns, dialect: Text, layout: FileLayout, events: bool) -> Rows:
    if layout == "lists":
        return lists.rows(file, columns, dialect)
    if layout == "qrels":
        columns, dialect = judgements(columns, dialect)
    elif (form := opening.form(file)) != "text":
        return (typed.parquet if form == "parquet" else typed.json_lines)(file, columns)
    return text.rows(file, columns, dialect, events=events)
