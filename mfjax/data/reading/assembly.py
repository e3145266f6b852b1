"""Columns with a part each -> Interactions: the one place where rows are checked, mapped and freed of repeats."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mfjax import checks
from mfjax.data.reading import ids, times, values
from mfjax.data.reading.ids import IdKind
from mfjax.data.reading.repeats import DUPLICATES, Duplicates, merge
from mfjax.data.reading.rows import RowError, Rows, first
from mfjax.types import Interactions, TimeUnit, Vocabulary
from mfjax.vocabularies import kind_of

Unknown = Literal["error", "drop"]
"""What becomes of a row whose id a given vocabulary does not have."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How columns are read, whatever the source.

    Attributes:
        duplicates: what a repeated pair becomes, see `Duplicates`.
        values: event -> number, for a value column of events; None for numbers.
        ids: "integers" or "text", what the ids of a text file are; None for integers where writing each back gives the
            text of its row. Typed sources keep their types.
        time_unit: of times that are numbers; None finds it by their size, see `times.read`.
        time_format: of times that are text, as `datetime.strptime` has it; None for ISO 8601 and numbers.
        user_vocabulary, item_vocabulary: encode by these instead of new ones, so that two sources share an id space.
        unknown: what becomes of a row with an id that they do not have.
    """

    duplicates: Duplicates = "error"
    values: Mapping[Any, float] | None = None
    ids: IdKind | None = None
    time_unit: TimeUnit | None = None
    time_format: str | None = None
    user_vocabulary: Vocabulary | None = None
    item_vocabulary: Vocabulary | None = None
    unknown: Unknown = "error"

    def __post_init__(self) -> None:
        checks.choice("duplicates", self.duplicates, DUPLICATES)
        checks.choice("ids", self.ids, (None, "integers", "text"))
        checks.choice("time_unit", self.time_unit, (None, *times.UNITS))
        checks.choice("unknown", self.unknown, ("error", "drop"))
        if self.time_format is not None:
            checks.kind("time_format", self.time_format, str, "pass such as '%d.%m.%Y %H:%M'")
        for name in ("user_vocabulary", "item_vocabulary"):
            if getattr(self, name) is not None:
                checks.kind(name, getattr(self, name), Vocabulary, "pass Vocabulary.of(raw_ids)")


def assemble(
    rows: Rows,
    how: Reading,
    *,
    num_users: int | None = None,
    num_items: int | None = None,
    merging: bool = True,
) -> Interactions:
    """Return the Interactions of rows, in their order.

    Args:
        num_users, num_items: sizes of the id space of ids that already are 0..count-1; no vocabulary is made.
        merging: False leaves repeated pairs as they are, for a part of a source that is read in parts.

    Raises:
        ValueError: naming the column, the place of the row and the remedy.
    """
    columns = dict(rows.columns)
    if len(rows) == 0:
        raise ValueError(f"{rows.labels['user']}: there are no rows; pass at least one interaction")
    # A column is let go of once it is read: at 10^8 rows each is a gigabyte.
    users, known_users, user_vocabulary = _encoded(rows, "user", columns.pop("user"), how, num_users)
    items, known_items, item_vocabulary = _encoded(rows, "item", columns.pop("item"), how, num_items)
    numbers = _values(rows, columns.pop("value", None), how)
    timestamps, unit = _times(rows, columns.pop("timestamp", None), how)
    weights = rows.read("weight", lambda: values.read(columns.pop("weight"))) if "weight" in columns else None
    interactions = Interactions(
        users,
        items,
        numbers,
        len(user_vocabulary) if user_vocabulary is not None else num_users or 0,
        len(item_vocabulary) if item_vocabulary is not None else num_items or 0,
        timestamps,
        user_vocabulary,
        item_vocabulary,
        unit,
        weights,
    )
    if known_users is not None or known_items is not None:
        known = np.ones(len(rows), bool)
        known &= True if known_users is None else known_users
        known &= True if known_items is None else known_items
        if merging and not known.any():
            raise ValueError(
                f"{rows.labels['user']}, {rows.labels['item']}: no row has a user and an item of the vocabularies; "
                "pass vocabularies of the same ids"
            )
        interactions, kept = interactions.select(known), np.flatnonzero(known)
        return _merged(rows, interactions, kept, how) if merging else interactions
    return _merged(rows, interactions, None, how) if merging else interactions


def _encoded(
    rows: Rows, part: Literal["user", "item"], column: pa.ChunkedArray, how: Reading, count: int | None
) -> tuple[np.ndarray, np.ndarray | None, Vocabulary | None]:
    """Return ids int32, which rows are known (None for all), and the vocabulary (None for ids below `count`)."""
    given = how.user_vocabulary if part == "user" else how.item_vocabulary
    if count is not None:
        checks.whole(f"num_{part}s", count, remedy=f"ids are int32; leave num_{part}s out to have raw ids mapped")
        if given is None:
            return rows.read(part, lambda: ids.below(column, count, f"num_{part}s")), None, None
        if count != len(given):
            raise ValueError(f"num_{part}s: {count}, but {part}_vocabulary has {len(given)} ids; pass one of the two")
    # Of a text file, ids that a vocabulary of text gets stay text, and those that one of integers gets may spell none.
    kind = how.ids if given is None or not len(given) else "text" if kind_of(given.raw) == "text" else None
    found = rows.read(part, lambda: ids.encode(column, untyped=rows.untyped, kind=kind))
    if given is None:
        return found.ids, None, found.vocabulary
    raw = found.vocabulary.raw
    try:
        place, known = ids.find(given, raw, untyped=rows.untyped)
    except ValueError:
        raise ValueError(
            f"{rows.labels[part]}: {kind_of(raw)}, but the ids of the vocabulary are {kind_of(given.raw)}; convert one"
        ) from None
    if known.all():
        return place[found.ids], None, given
    rows_known = known[found.ids]
    if how.unknown == "error":
        row = first(~rows_known)
        raise rows.wrong(
            part,
            RowError(
                row,
                f"holds {raw[found.ids[row : row + 1]].tolist()[0]!r}, which is not in the vocabulary "
                f"({int((~rows_known).sum())} such rows); pass unknown='drop', or read the files together (read_split)",
            ),
        )
    _logger.warning("%d of %d rows have a %s that the vocabulary lacks", (~rows_known).sum(), len(rows), part)
    return place[found.ids], rows_known, given


def _values(rows: Rows, column: pa.ChunkedArray | None, how: Reading) -> np.ndarray:
    if how.values is not None:
        if column is None:
            raise ValueError("values: there is no value column for them; name it (value=)")
        return rows.read("value", lambda: values.of_events(column, how.values or {}))
    if column is None:
        return np.ones(len(rows), np.float32)
    return rows.read("value", lambda: values.read(column))


def _times(rows: Rows, column: pa.ChunkedArray | None, how: Reading) -> tuple[np.ndarray | None, TimeUnit]:
    if column is None:
        return None, "s"
    return rows.read("timestamp", lambda: times.read(column, unit=how.time_unit, format=how.time_format))


def _merged(rows: Rows, interactions: Interactions, kept: np.ndarray | None, how: Reading) -> Interactions:
    try:
        return merge(interactions, how.duplicates)
    except RowError as error:

        def place(row: int) -> str:
            return rows.place(row if kept is None else int(kept[row]))

        told = error.told if error.earlier is None else f"repeats the pair of {place(error.earlier)} {error.told}"
        raise ValueError(f"{rows.labels['user']}, {rows.labels['item']}: {place(error.row)} {told}") from None


def in_one_unit(parts: Mapping[str, Interactions]) -> dict[str, Interactions]:
    """Return the same interactions with their times in one unit, the finest of theirs."""
    unit = max((part.time_unit for part in parts.values()), key=times.UNITS.index)
    return {
        name: part
        if part.timestamps is None
        else replace(part, timestamps=times.in_unit(part.timestamps, part.time_unit, unit), time_unit=unit)
        for name, part in parts.items()
    }
