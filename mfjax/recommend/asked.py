"""What is handed to a model and what it hands back: one raw id or many, histories in any form, frames as they came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mfjax import vocabularies
from mfjax.data.reading.reader import read
from mfjax.data.writing.interactions import Library, in_library, text_or_integers
from mfjax.histories.ragged import check
from mfjax.recommend.parts import Side
from mfjax.types import Interactions, Vocabulary

UnknownIds = Literal["error", "drop"]
"""What becomes of a pair with an id that the model does not know."""


def is_one(given: Any) -> bool:
    """Return whether one raw id is given, and not a list, an array or a column of them.

    Example:
        >>> is_one("ann"), is_one(["ann"]), is_one(np.int64(3))
        (True, False, True)
    """
    return isinstance(given, (str, bytes)) or not hasattr(given, "__len__") or getattr(given, "ndim", 1) == 0


def library_of(given: Any) -> Library:
    """Return whose frame goes back to one who hands in a column or a frame: Arrow's where it is of no such library.

    Example:
        >>> import pandas
        >>> library_of(pandas.Series([1])), library_of([1])
        ('pandas', 'arrow')
    """
    if hasattr(given, "to_native"):  # of narwhals
        given = given.to_native()
    root = type(given).__module__.partition(".")[0]
    return "pandas" if root == "pandas" else "polars" if root == "polars" else "arrow"


def frame(columns: Mapping[str, np.ndarray | pa.Array], library: Library) -> Any:
    """Return columns of numbers, or of raw ids, as a frame of a library.

    Raises:
        ImportError: where the library is not installed.

    Example:
        >>> frame({"user": np.array(["ann"], vocabularies.TEXT), "rank": np.array([1])}, "arrow").to_pylist()
        [{'user': 'ann', 'rank': 1}]
    """
    held = {name: one if isinstance(one, pa.Array) else _column(one) for name, one in columns.items()}
    table = pa.table(held)
    if library == "pandas" and any(column.null_count for column in table.columns):
        return table.to_pandas(integer_object_nulls=True)  # where floats would round the ids beside a null
    return in_library(table, library)


def _column(numbers: np.ndarray) -> pa.Array:
    if numbers.dtype.kind in "iuT":
        return text_or_integers(numbers)
    return pa.array(numbers if numbers.dtype.kind == "f" else numbers.astype(np.float32))  # Arrow has no bfloat16


def histories_of(name: str, given: Any, by: Side = "user", **reading: Any) -> Interactions:
    """Return histories as Interactions that have both vocabularies.

    Args:
        name: of the argument, for messages.
        given: a dict of a raw id -> its raw ids, or -> a dict of raw id -> value; Interactions, whose ids are raw ids
            where they have no vocabulary; or a frame, or whatever else `data.read` takes.
        by: which side the keys of a dict are.
        reading: options of `data.read`, for what it reads.

    Raises:
        ValueError: for what is none of these, no pair at all, a key without a pair, a repeated pair, and as
            `data.read`.

    Example:
        >>> pairs = histories_of("histories", {"ann": [30, 10], "bob": [10]})
        >>> pairs.users.tolist(), pairs.items.tolist()
        ([0, 0, 1], [1, 0, 0])
    """
    if reading and isinstance(given, (Mapping, Interactions)):
        raise ValueError(f"{next(iter(reading))}: names a column of a frame, but {name} is a {type(given).__name__}")
    if isinstance(given, Mapping):
        return _of_dict(name, given, by)
    if not isinstance(given, Interactions):
        return read(given, **reading)
    check(given)
    if len(given) == 0:
        raise ValueError(f"{name}: there are no pairs; pass at least one")
    keys = given.users.astype(np.int64) * given.num_items + given.items
    distinct, first = np.unique(keys, return_index=True)
    if len(distinct) < len(keys):
        row = np.setdiff1d(np.arange(len(keys)), first)[0]
        raise ValueError(f"{name}: row {row} repeats a pair; keep one row of each")
    held = {side: getattr(given, f"{side}_vocabulary") for side in ("user", "item")}
    sizes = {"user": given.num_users, "item": given.num_items}
    made = {
        f"{side}_vocabulary": Vocabulary(np.arange(sizes[side])) if vocabulary is None else vocabulary
        for side, vocabulary in held.items()
    }
    return replace(given, **made)  # type: ignore[arg-type]


def _of_dict(name: str, given: Mapping[Any, Any], by: Side) -> Interactions:
    """Return the Interactions of a dict of raw id -> raw ids, or -> a dict of raw id -> value."""
    if not given:
        raise ValueError(f"{name}: there are none; pass at least one")
    rows = vocabularies.raw_ids(name, list(given))
    lists, numbers = [], []
    for raw, entries in given.items():
        with_values = isinstance(entries, Mapping)
        ids = vocabularies.raw_ids(f"{name} of {raw!r:.40}", list(entries) if with_values else entries)
        if len(ids) == 0:
            raise ValueError(f"{name}: {raw!r:.40} has no entry; drop it, or give it one")
        lists.append(ids.tolist())
        numbers.append(_numbers(name, raw, list(entries.values())) if with_values else np.ones(len(ids), np.float32))
    columns = Vocabulary.of([raw for ids in lists for raw in ids])
    own, found = Vocabulary.of(rows.tolist()), columns.encode([raw for ids in lists for raw in ids])
    owners = np.repeat(own.encode(rows), [len(ids) for ids in lists])
    users, items = (owners, found) if by == "user" else (found, owners)
    by_user, by_item = (own, columns) if by == "user" else (columns, own)
    sizes = len(by_user), len(by_item)
    made = Interactions(users, items, np.concatenate(numbers), *sizes, user_vocabulary=by_user, item_vocabulary=by_item)
    return histories_of(name, made)


def _numbers(name: str, raw: Any, values: list) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or array.ndim != 1:
        raise ValueError(f"{name}: the values of {raw!r:.40} are not all numbers; pass id -> number, or a list of ids")
    return array.astype(np.float32)


def placed(
    name: str, pairs: Interactions, side: Side, vocabulary: Vocabulary, unknown: UnknownIds = "error"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids that a model has for one side of pairs, int32 [n], and which it knows, bool [n].

    Raises:
        ValueError: for ids of another kind, and for unknown ones unless they are to be dropped.
    """
    ids = pairs.users if side == "user" else pairs.items
    own = pairs.user_vocabulary if side == "user" else pairs.item_vocabulary
    assert own is not None
    used = np.flatnonzero(np.bincount(ids, minlength=len(own)))
    raw = own.raw[used]
    if len(raw) and vocabularies.kind_of(raw) != (kind := vocabularies.kind_of(vocabulary.raw)):
        raise ValueError(f"{name}: {side} {raw[:1].tolist()[0]!r:.80}, but those of this model are {kind}; convert it")
    place, known = vocabulary.find(raw)
    if unknown == "error" and not known.all():
        first = raw[~known].tolist()[0]
        raise ValueError(
            f"{name}: {side} {first!r:.80} is unknown to the model ({int((~known).sum())} are); drop its pairs"
        )
    where = np.zeros(len(own), np.int64)
    where[used] = np.arange(len(used))
    where = where[ids]
    return place[where], known[where]
