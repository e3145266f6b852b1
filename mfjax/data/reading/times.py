"""Times of a column -> int64 and their unit, in the order that the source has, nothing rounded away or wrapped."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mfjax.data.reading.rows import RowError, first, is_text, refuse_missing
from mfjax.types import TimeUnit

# Each a thousandth of the one before it.
UNITS: tuple[TimeUnit, ...] = ("s", "ms", "us", "ns")

# Epochs of the years 1973 to 5138 tell their unit by their size; smaller whole numbers are taken as seconds.
_FROM = {"ns": 10**17, "us": 10**14, "ms": 10**11}


def read(
    column: pa.ChunkedArray, *, unit: TimeUnit | None = None, format: str | None = None
) -> tuple[np.ndarray, TimeUnit]:
    """Return times int64 [n] since 1970 (UTC), and the coarsest unit that holds every one of them exactly.

    Args:
        column: whole numbers (epochs, or any numbers that rise with time), numbers with fractions (kept to the
            microsecond), dates, timestamps (those without a zone are UTC), or text of any of these: ISO 8601 with or
            without a zone, all rows alike.
        unit: of numbers; None finds it: the largest below 1e11 are seconds, below 1e14 milliseconds, below 1e17
            microseconds, else nanoseconds.
        format: of text, as `datetime.strptime` has it; None for ISO 8601 and numbers.

    Raises:
        RowError: for a missing time, and one that can not be read or held.
        ValueError: for a column of another type.
    """
    refuse_missing(column, "time")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if is_text(kind):
        column = _of_text(column, format)
        kind = column.type
    if pa.types.is_timestamp(kind):
        return coarsest(column.cast(pa.int64()).to_numpy(), kind.unit)
    if pa.types.is_date(kind):
        return coarsest(column.cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64) * 86_400, "s")
    if pa.types.is_floating(kind):
        return _of_fractions(column.to_numpy().astype(np.float64, copy=False), unit)
    if not pa.types.is_integer(kind):
        raise ValueError(f"times of the type {kind}; pass numbers, dates, timestamps or their text")
    numbers = column.to_numpy()
    if numbers.dtype == np.uint64 and (wide := numbers > np.iinfo(np.int64).max).any():
        raise RowError(first(wide), f"holds {numbers[first(wide)]}, beyond 64 bits; scale the times down")
    return coarsest(numbers.astype(np.int64, copy=False), unit or _found(numbers))


def coarsest(times: np.ndarray, unit: TimeUnit) -> tuple[np.ndarray, TimeUnit]:
    """Return times in the coarsest unit that holds all of them exactly.

    Example:
        >>> coarsest(np.array([3_000_000, 5_000]), "us")
        (array([3000,    5]), 'ms')
    """
    while unit != "s" and len(times) and times[0] % 1000 == 0 and not (times % 1000).any():
        times, unit = times // 1000, UNITS[UNITS.index(unit) - 1]
    return times, unit


def in_unit(times: np.ndarray, unit: TimeUnit, wanted: TimeUnit) -> np.ndarray:
    """Return times in a finer unit. Raises ValueError where they do not fit 64 bits."""
    factor = 1000 ** (UNITS.index(wanted) - UNITS.index(unit))
    if len(times) and int(np.abs(times).max()) > (2**63 - 1) // factor:
        raise ValueError(f"timestamps: some do not fit 64 bits in the unit {wanted!r}; pass all files in one unit")
    return times * factor


def _found(numbers: np.ndarray) -> TimeUnit:
    size = max(abs(int(numbers.min(initial=0))), abs(int(numbers.max(initial=0))))
    units: tuple[TimeUnit, ...] = ("ns", "us", "ms")
    return next((unit for unit in units if size >= _FROM[unit]), "s")


def _of_fractions(numbers: np.ndarray, unit: TimeUnit | None) -> tuple[np.ndarray, TimeUnit]:
    # NaN and infinity are not below it either.
    wide = ~(np.abs(numbers) < 2.0**63)
    if wide.any():
        raise RowError(first(wide), f"holds {numbers[first(wide)]}, no time; drop the row")
    whole = numbers.astype(np.int64)
    unit = unit or _found(whole)
    if (whole == numbers).all():
        return coarsest(whole, unit)
    if unit in ("us", "ns"):
        row = first(whole != numbers)
        raise RowError(row, f"holds {numbers[row]}, a fraction of a microsecond; round the times")
    scale = 10**6 if unit == "s" else 10**3
    wide = np.abs(numbers) >= 2.0**63 / scale
    if wide.any():
        raise RowError(first(wide), f"holds {numbers[first(wide)]}, too large for microseconds; round the times")
    # The whole part apart: times 10^6 the fraction of a large number would be lost.
    return coarsest(whole * scale + np.rint((numbers - whole) * scale).astype(np.int64), "us")


def _of_text(column: pa.ChunkedArray, format: str | None) -> pa.ChunkedArray:
    column = pc.utf8_trim(column.cast(pa.large_string()), " \t")
    if format is not None:
        return pa.chunked_array([pa.array([_parsed(row, text, format) for row, text in enumerate(column.to_pylist())])])
    kinds = [pa.int64(), pa.float64(), *(pa.timestamp(unit, zone) for unit in ("us", "ns") for zone in (None, "UTC"))]
    for kind in kinds:
        try:
            return pc.cast(column, kind)
        except pa.ArrowInvalid:
            continue
    # Some row differs from the first: say which.
    for row, text in enumerate(column):
        if not any(_is(text, kind) for kind in kinds):
            raise RowError(
                row,
                f"holds {text.as_py()!r:.60}, neither a number nor a time of ISO 8601; mend it, or pass time_format",
            )
    usual = next(kind for kind in kinds if _is(column[0], kind))
    row = next(row for row, text in enumerate(column) if not _is(text, usual))
    raise RowError(
        row,
        f"holds {column[row].as_py()!r:.60}, but the first row {column[0].as_py()!r:.60}: with and without a zone, or "
        "numbers and dates, in one column; write all alike",
    )


def _is(text: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        text.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _parsed(row: int, text: str, format: str) -> datetime.datetime:
    try:
        time = datetime.datetime.strptime(text, format)
    except ValueError as error:
        raise RowError(row, f"{error}; mend it, or the format") from None
    return time if time.tzinfo is None else time.astimezone(datetime.UTC).replace(tzinfo=None)
