"""Values and weights of a column -> float32, every one what the source has; events -> the numbers they stand for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mfjax import checks
from mfjax.data.reading.rows import RowError, first, is_text, refuse_missing


def read(column: pa.ChunkedArray) -> np.ndarray:
    """Return float32 [n] of numbers or their text: finite, not negative, and what the source has.

    Fractions are rounded; whole numbers that float32 can not hold, and numbers too large or too small for it, are
    refused.

    Raises:
        RowError: for the first row that can not be taken.
        ValueError: for a column of another type.
    """
    refuse_missing(column, "number")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if is_text(kind):
        column = _of_text(column)
    elif pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise ValueError(f"a column of the type {kind} is not of numbers; pass ratings or counts")
    numbers = np.empty(len(column), np.float32)
    start = 0
    for chunk in column.chunks:  # chunk by chunk: the passes over one stay in the cache
        try:
            _checked(chunk.to_numpy(zero_copy_only=False), numbers[start : start + len(chunk)])
        except RowError as error:
            raise RowError(start + error.row, error.told) from None
        start += len(chunk)
    return numbers


def _checked(given: np.ndarray, numbers: np.ndarray) -> None:
    """Write given numbers into `numbers`, float32."""
    exact = given if given.dtype.kind in "iu" else given.astype(np.float64, copy=False)
    with np.errstate(over="ignore"):
        numbers[:] = exact
    for bad, what in (
        (~np.isfinite(numbers), "not finite; drop the row or mend it"),
        (exact < 0, "negative; drop or shift it (signed values are set afterwards, by Interactions.with_values)"),
        (_is_cut(exact, numbers), "which float32 can not hold; scale the values, or round them (.astype(np.float32))"),
    ):
        if bad.any():
            raise RowError(first(bad), f"holds {given[first(bad)]}, {what}")


def of_events(column: pa.ChunkedArray, values: Mapping) -> np.ndarray:
    """Return float32 [n] of a column of events by a mapping of events to numbers, matched by their text.

    Raises:
        RowError: for an event that the mapping does not name.
        ValueError: for numbers that are not finite and at least 0.
    """
    checks.kind("values", values, Mapping, 'pass such as {"view": 1, "purchase": 5}')
    checks.number("values", list(values.values()), least=0, remedy="give each event its value")
    refuse_missing(column, "event")
    try:
        numbers = read(pa.chunked_array([pa.array(map(float, values.values()), pa.float64())]))
    except RowError as error:
        raise ValueError(f"values: {list(values)[error.row]!r} {error.told}") from None
    known = dict(zip(map(str, values), numbers, strict=True))
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    coded = coded.unify_dictionaries()
    events = [str(event) for event in coded.chunk(0).dictionary.to_pylist()] if coded.num_chunks else []
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in coded.chunks]) if events else np.zeros(0, np.int32)
    numbers = np.array([known.get(event, np.nan) for event in events], np.float32)[codes]
    if np.isnan(numbers).any():
        row = first(np.isnan(numbers))
        raise RowError(
            row,
            f"holds {events[codes[row]]!r}, which values does not name ({', '.join(known)}); "
            "name it, or drop it by where",
        )
    return numbers


def _of_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    column = pc.utf8_trim(column.cast(pa.large_string()), " \t")
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        for row, text in enumerate(column):
            try:
                text.cast(pa.float64())
            except pa.ArrowInvalid:
                raise RowError(
                    row,
                    f"holds {text.as_py()!r:.60}, which is not a number; mend or drop it, or pass values={{...}} for "
                    "events",
                ) from None
        raise


def _is_cut(exact: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return where float32 lost more than a rounding: whole numbers that changed, and numbers below its least."""
    cut = numbers != exact
    if exact.dtype.kind in "iu":
        far = np.flatnonzero(exact > 2**53)  # where float64, in which numpy compares them, rounds as well
        cut[far] = [int(numbers[row]) != int(exact[row]) for row in far]
        return cut
    if cut.any():
        cut &= (exact < 2**53) & (exact == np.floor(exact))
    # Of numbers below the least normal one, XLA makes 0.
    return cut | ((numbers < np.finfo(np.float32).tiny) & (exact > 0))
