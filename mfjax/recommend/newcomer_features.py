"""Features of users and items that a model did not have, beside those that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from mfjax import checks, vocabularies
from mfjax.histories import Ragged, ragged
from mfjax.recommend.parts import pairs_of
from mfjax.types import Array, Interactions, Vocabulary


def raw_ids_of(name: str, given: Any) -> np.ndarray:
    """Return the raw ids that features are given for, none where there are none.

    Raises:
        ValueError: for what is no dict, and raw ids of two kinds.
    """
    if given is None:
        return np.zeros(0, np.int64)
    checks.kind(name, given, Mapping, "pass a dict of raw id -> its features")  # type: ignore[type-abstract]
    return vocabularies.raw_ids(name, list(given))


def with_features(
    name: str, held: Array | Ragged | None, given: Any, vocabulary: Vocabulary, old: np.ndarray, new: np.ndarray
) -> Array | Ragged | None:
    """Return features of all rows of a vocabulary: those held, at `old`, and those given for the others.

    Args:
        name: of the argument, for messages.
        held: float [len(old), num_features], lists of feature ids, or None for a model without.
        given: a dict of raw id -> [num_features] numbers; or for lists -> feature ids, or -> {feature id: value}.
        vocabulary: with the new raw ids.
        old, new: ids of the rows that were there, and that were not.

    Raises:
        ValueError: for features where the model has none, a new row without, ids that are known, and features of
            another number or kind.

    Example:
        >>> with_features("features", jnp.ones((1, 2)), {"b": [0, 3]}, Vocabulary.of(["a", "b"]), [0], [1]).tolist()
        [[1.0, 1.0], [0.0, 3.0]]
    """
    if held is None:
        if given is not None:
            raise ValueError(f"{name}: the model was fitted without features of these; pass None")
        return None
    raw = raw_ids_of(name, given)
    places = dict(zip(vocabulary.encode(raw).tolist(), raw.tolist(), strict=True))
    for place in np.asarray(new).tolist():
        if place not in places:
            one = vocabulary.decode(np.array([place])).tolist()[0]
            raise ValueError(f"{name}: {one!r:.80} has none, and the model was fitted with features; give it some")
    chosen = {place: given[places[place]] for place in np.asarray(new).tolist()}
    if isinstance(held, Ragged):
        return _lists(name, held, chosen, len(vocabulary), np.asarray(old))
    table = np.zeros((len(vocabulary), held.shape[1]), np.asarray(held).dtype)
    table[np.asarray(old)] = np.asarray(held)
    for place, row in chosen.items():
        table[place] = _numbers(f"{name}[{places[place]!r:.40}]", row, held.shape[1])
    return jnp.asarray(table)


def _numbers(name: str, row: Any, size: int) -> np.ndarray:
    remedy = f"pass {size} numbers, those of the columns that were fitted"
    array = np.asarray(row)
    if array.dtype.kind not in "iufb" or array.shape != (size,):
        raise ValueError(f"{name}: {row!r:.60} are not {size} numbers; {remedy}")
    checks.number(name, array.astype(np.float64), remedy=remedy)
    return array


def _lists(name: str, held: Ragged, chosen: Mapping[int, Any], num_rows: int, old: np.ndarray) -> Ragged:
    known = pairs_of(held)
    rows, ids, values = [old[known.users]], [known.items], [known.values]
    for place, entries in chosen.items():
        found = np.asarray(list(entries))
        remedy = f"pass feature ids below {held.num_columns}, or a dict of feature id -> value"
        if found.size and found.dtype.kind not in "iu":
            raise ValueError(f"{name}: {entries!r:.60} are no feature ids; {remedy}")
        checks.count(name, found.astype(np.int64), most=held.num_columns - 1, remedy=remedy)
        rows.append(np.full(len(found), place))
        ids.append(found.astype(np.int32))
        one = list(entries.values()) if isinstance(entries, Mapping) else np.ones(len(found))
        values.append(_numbers(name, one, len(found)).astype(np.float32))
    made = Interactions(
        np.concatenate(rows).astype(np.int32),
        np.concatenate(ids).astype(np.int32),
        np.concatenate(values).astype(np.float32),
        num_rows,
        held.num_columns,
    )
    return ragged(made)
