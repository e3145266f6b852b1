"""Columns on their way to Interactions: Arrow columns with the parts that they play, and where each row came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa

Part = Literal["user", "item", "value", "timestamp", "weight"]
"""What a column is to the interactions."""

PARTS: tuple[Part, ...] = ("user", "item", "value", "timestamp", "weight")


class RowError(ValueError):
    """A row that can not be taken, and why. Whoever knows the source turns the row into a place in it.

    Attributes:
        row: of the column that was looked at, from 0.
        told: what is wrong and what to do, such as "holds -1; drop the row".
        earlier: the row whose pair is repeated, where this is what is wrong.
    """

    def __init__(self, row: int, told: str, earlier: int | None = None) -> None:
        super().__init__(f"row {row} {told}")
        self.row, self.told, self.earlier = int(row), told, earlier


@dataclass(frozen=True)
class Rows:
    """Columns of one length by the part that they play.

    Attributes:
        columns: Arrow columns [n]: user and item always, the others where the source has them.
        labels: part -> what error messages call its column.
        place: row -> where it is, such as "row 3" or "ratings.csv, line 4,".
        untyped: whether the source has text only, so that text which spells integers may be integers.
    """

    columns: Mapping[Part, pa.ChunkedArray]
    labels: Mapping[Part, str]
    place: Callable[[int], str] = field(default="row {}".format)
    untyped: bool = False

    def __len__(self) -> int:
        return len(self.columns["user"])

    def read(self, part: Part, reader: Callable[[], Any]) -> Any:
        """Return what `reader` makes of a column; its errors name the column and the place of the row."""
        try:
            return reader()
        except RowError as error:
            raise self.wrong(part, error) from None
        except ValueError as error:
            raise ValueError(f"{self.labels[part]}: {error}") from None

    def wrong(self, part: Part, error: RowError) -> ValueError:
        """Return the error that names the column, the place of the row, and the remedy."""
        return ValueError(f"{self.labels[part]}: {self.place(error.row)} {error.told}")


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is one of Arrow's for text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def value_type(column: pa.ChunkedArray) -> pa.DataType:
    """Return the type of what a column holds, that of its dictionary where it has one."""
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def first(mask: np.ndarray) -> int:
    """Return the first row where a mask is True."""
    return int(np.argmax(mask))


def refuse_missing(column: pa.ChunkedArray, what: str) -> None:
    """Raise RowError for the first row of a column that is null."""
    if pa.types.is_dictionary(column.type) and any(chunk.dictionary.null_count for chunk in column.chunks):
        column = column.cast(column.type.value_type)  # the null may be in the dictionary
    if column.null_count:
        row = first(column.is_null().to_numpy())
        raise RowError(row, f"has no {what}; drop the row or give it one")
