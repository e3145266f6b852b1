"""A pair that comes more than once: what its rows become."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from mfjax.data.reading.rows import RowError, first
from mfjax.types import Interactions

Duplicates = Literal["error", "first", "last", "sum", "mean", "max", "count"]
"""What a repeated pair becomes: refused ("error"); its earliest ("first") or latest ("last") row; or the latest row
with the "sum", "mean" or "max" of the values, or the "count" of the rows. Earlier and later are by time, and by the
order of the rows for equal times or without times. Weights are merged as values are; with "count" the latest row's
stays.
"""

DUPLICATES: tuple[Duplicates, ...] = get_args(Duplicates)

_logger = logging.getLogger(__name__)


def merge(interactions: Interactions, duplicates: Duplicates) -> Interactions:
    """Return every pair once, by the rule `duplicates`, at the place of the row that is kept; say how many went.

    Raises:
        RowError: for a repeated pair under "error", and for values that add up to more than float32 can hold.
    """
    if (repeats := _count(_pairs(interactions))) == 0:
        # A count is of rows, also where every pair has one.
        return interactions.with_values(1) if duplicates == "count" else interactions
    pairs = _pairs(interactions)
    # Rows by pair, and within a pair by time and then by their place.
    order = np.arange(len(pairs))
    if interactions.timestamps is not None and duplicates != "error":
        order = np.argsort(interactions.timestamps, kind="stable")
    order = order[np.argsort(pairs[order], kind="stable")]
    ordered = pairs[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[starts, len(ordered)])
    if duplicates == "error":
        group = first(sizes > 1)
        earlier, later = order[starts[group]], order[starts[group] + 1]
        raise RowError(
            later,
            f"({repeats} repeats in all); drop them, or pass duplicates='last', 'sum', 'mean', 'max' or 'count'",
            earlier=int(earlier),
        )
    kept = order[starts if duplicates == "first" else starts + sizes - 1]
    values, weights = _merged(interactions.values[order], starts, sizes, kept, duplicates), interactions.weights
    if weights is not None:
        rule = "last" if duplicates == "count" else duplicates
        weights = _merged(weights[order], starts, sizes, kept, rule)
    _logger.warning("%d of %d rows repeat a pair and were merged (duplicates=%r)", repeats, len(pairs), duplicates)
    place = np.argsort(kept)
    weights = None if weights is None else weights[place]
    return replace(interactions.select(kept[place]), values=values[place], weights=weights)


def _pairs(interactions: Interactions) -> np.ndarray:
    """Return one number for each pair, int64 [n]."""
    pairs = interactions.users.astype(np.int64)
    pairs *= interactions.num_items
    pairs += interactions.items
    return pairs


def _count(pairs: np.ndarray) -> int:
    """Return how many rows repeat a pair. The pairs are sorted in place: a copy of 10^8 is a gigabyte."""
    if (pairs[1:] > pairs[:-1]).all():
        return 0
    pairs.sort()
    return int(np.count_nonzero(pairs[1:] == pairs[:-1]))


def _sum(values: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values.astype(np.float64), starts)


# (values of the pairs' rows, one pair after the other; where each begins; how many it has) -> values of the pairs.
_MERGED: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "first": lambda values, starts, sizes: values[starts],
    "last": lambda values, starts, sizes: values[starts + sizes - 1],
    "sum": _sum,
    "mean": lambda values, starts, sizes: _sum(values, starts, sizes) / sizes,
    "max": lambda values, starts, sizes: np.maximum.reduceat(values, starts),
    "count": lambda values, starts, sizes: sizes,
}


def _merged(values: np.ndarray, starts: np.ndarray, sizes: np.ndarray, kept: np.ndarray, rule: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        merged = _MERGED[rule](values, starts, sizes).astype(np.float32)
    if not np.isfinite(merged).all():
        row = kept[first(~np.isfinite(merged))]
        raise RowError(row, "repeats a pair whose values add up to more than float32 can hold; scale the values")
    return merged
