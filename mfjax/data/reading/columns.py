"""Which column of a table is the user, the item, the value, the time and the weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mfjax import checks
from mfjax.data.reading.rows import PARTS, Part

Selector = str | int
"""A column by its name, or by its position from 0."""

# What users and items are called, in lower case and without "_", "-" and RecBole's ":token".
_USUAL: dict[str, tuple[str, ...]] = {
    "user": (
        "user", "userid", "uid", "visitor", "visitorid", "customer", "customerid", "reviewer", "reviewerid", "member",
        "memberid", "client", "clientid",
    ),
    "item": (
        "item", "itemid", "iid", "movie", "movieid", "isbn", "book", "bookid", "artist", "artistid", "business",
        "businessid", "product", "productid", "article", "articleid", "asin", "song", "songid", "track", "trackid",
        "gmapid",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table by name or position.

    Attributes:
        user, item: None for the one column with a usual name, such as "userId" or "movie_id".
        value: of ratings, counts or events; None for ones.
        timestamp: of times; None for none.
        weight: how sure each value is; None for none.
        where: which rows are kept: an expression of pyarrow.compute, such as `field("rating") >= 4`, or a function of
            an Arrow table to a mask; None for all. Columns without a name are called "0", "1", ...
    """

    user: Selector | None = None
    item: Selector | None = None
    value: Selector | None = None
    timestamp: Selector | None = None
    weight: Selector | None = None
    where: Any = None

    def __post_init__(self) -> None:
        for part in PARTS:
            selector = getattr(self, part)
            is_position = isinstance(selector, int) and not isinstance(selector, bool) and selector >= 0
            if not (selector is None or isinstance(selector, str) or is_position):
                raise ValueError(f"{part}: {selector!r} is no column; pass a name, or a position from 0")

    @property
    def selectors(self) -> dict[Part, Selector]:
        """Return the columns that were named, by their part."""
        return {part: getattr(self, part) for part in PARTS if getattr(self, part) is not None}

    @property
    def labels(self) -> dict[Part, str]:
        """Return what messages call each column, by its part."""
        return {part: part if (named := getattr(self, part)) is None else f"{part} {named!r}" for part in PARTS}

    def locate(self, names: Sequence[str], source: str, *, positions_first: bool = True) -> dict[Part, int]:
        """Return the position of each column among the names of a table.

        Raises:
            ValueError: for a column that is not there or there twice, naming those that are.
        """
        found: dict[Part, int] = {}
        for part in PARTS:
            selector = getattr(self, part)
            if selector is None:
                if part in _USUAL:
                    found[part] = _usual(part, names, source)
            elif isinstance(selector, int) and (positions_first or str(selector) not in names):
                if selector >= len(names):
                    raise ValueError(
                        f"{part}: {source} has no column {selector}, its {len(names)} are: {_listed(names)}; "
                        "count from 0"
                    )
                found[part] = selector
            else:
                found[part] = _named(part, str(selector), names, source)
        return found


def is_usual(part: str, name: str) -> bool:
    """Return whether a name is one that users or items usually have.

    Example:
        >>> is_usual("user", "user_id:token"), is_usual("item", "title")
        (True, False)
    """
    return name.partition(":")[0].strip().lower().replace("_", "").replace("-", "").replace(" ", "") in _USUAL[part]


def _usual(part: str, names: Sequence[str], source: str) -> int:
    found = [position for position, name in enumerate(names) if is_usual(part, name)]
    if len(found) > 1 and len({names[position] for position in found}) == 1:
        raise ValueError(f"{part}: {source} has the column {names[found[0]]!r} twice; rename one, or pass its position")
    if len(found) != 1:
        which = "no column has" if not found else f"{len(found)} columns have"
        raise ValueError(
            f"{part}: in {source} {which} a usual name of {part}s; pass {part}= one of its columns: {_listed(names)}"
        )
    return found[0]


def _named(part: str, selector: str, names: Sequence[str], source: str) -> int:
    found = [position for position, name in enumerate(names) if name == selector]
    if len(found) > 1:
        raise ValueError(f"{part}: {source} has the column {selector!r} twice; rename one, or pass its position")
    if not found:
        raise ValueError(f"{part}: {source} has no column {selector!r}; its columns are: {_listed(names)}")
    return found[0]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20]) or "none"
    return shown if len(names) <= 20 else f"{shown}, ... ({len(names)})"


def filtered(table: Any, where: Any) -> tuple[Any, Any]:
    """Return the rows of an Arrow table that `where` keeps, and their places in it (None for all).

    Raises:
        ValueError: for what is no expression and no function to a mask, or does not fit the table.
    """
    if where is None:
        return table, None
    numbered = table.append_column("__row", pa.array(np.arange(len(table))))
    try:
        if isinstance(where, pc.Expression):
            kept = numbered.filter(where)
        else:
            checks.function("where", where, 'pass such as pyarrow.compute.field("rating") >= 4')
            mask = where(table)
            mask = mask.to_numpy(zero_copy_only=False) if isinstance(mask, pa.Array) else np.asarray(mask)
            checks.shape("where", mask, (len(table),), "return one bool for each row")
            kept = numbered.filter(pa.array(mask.astype(bool)))
    except pa.ArrowException as error:
        told = str(error).partition(" in ")[0].partition("\n")[0]
        raise ValueError(f"where: {told:.200}; the columns are: {_listed(table.column_names)}") from None
    return kept.drop_columns(["__row"]), kept.column("__row").to_numpy()
