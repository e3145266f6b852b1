"""Times of every kind, in the coarsest unit that holds them exactly, in the order of the source."""

from __future__ import annotations

import datetime

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from mfjax.data import from_arrays, read
from mfjax.data.reading import times

WHEN = [datetime.datetime(2020, 7, 1, 12), datetime.datetime(2020, 7, 1, 13)]
UTC = [int(time.replace(tzinfo=datetime.UTC).timestamp()) for time in WHEN]
AWARE = pandas.to_datetime(WHEN).tz_localize("UTC")
BASE = {"user": [1, 2], "item": [1, 2]}


def seconds(column) -> list[int]:
    pairs = read({**BASE, "when": column}, timestamp="when")
    assert pairs.time_unit == "s"
    return pairs.timestamps.tolist()


@pytest.mark.parametrize(
    "column",
    [
        WHEN,
        [time.replace(tzinfo=datetime.UTC) for time in WHEN],
        [time.isoformat() for time in WHEN],
        [time.isoformat(sep=" ") + "Z" for time in WHEN],
        [time.isoformat() + "+00:00" for time in WHEN],
        [(time + datetime.timedelta(hours=2)).isoformat() + "+02:00" for time in WHEN],
        np.array(WHEN, "M8[us]"),
        np.array(WHEN, "M8[h]"),
        pandas.Series(WHEN),
        pandas.Series(AWARE.tz_convert("Europe/Paris")),
        pandas.Series(AWARE, dtype=object),
        pandas.array(AWARE, "timestamp[us, tz=UTC][pyarrow]"),
        [np.datetime64(WHEN[0], "ms"), np.datetime64(WHEN[1], "h")],
        np.array([np.datetime64(time) for time in WHEN], object),
        polars.Series(WHEN),
        polars.Series(WHEN).dt.replace_time_zone("UTC"),
        pyarrow.array(WHEN, pyarrow.timestamp("ns", "UTC")),
        pyarrow.array(UTC).dictionary_encode(),
        [f" {time}" for time in UTC],
        np.array(UTC, float),
        *([time * 10**power for time in UTC] for power in (3, 6, 9)),
    ],
    ids=lambda column: str(getattr(column, "dtype", getattr(column, "type", type(column).__name__))),
)
def test_one_instant_in_every_kind(column):
    assert seconds(column) == UTC


def test_frames_of_times_with_zones():
    for frame in (
        pandas.DataFrame({**BASE, "when": AWARE.tz_convert("Asia/Kolkata")}),
        polars.DataFrame(
            {**BASE, "when": polars.Series(WHEN).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")}
        ),
        pyarrow.table({**BASE, "when": pyarrow.array(WHEN, pyarrow.timestamp("us", "UTC"))}),
    ):
        assert read(frame, timestamp="when").timestamps.tolist() == UTC


def test_dates_are_midnights():
    midnight = [UTC[0] - 12 * 3600] * 2
    dates = [time.date() for time in WHEN]
    for column in (
        dates,
        [str(date) for date in dates],
        np.array(dates, "M8[D]"),
        pyarrow.array(dates, pyarrow.date64()),
    ):
        assert seconds(column) == midnight


@pytest.mark.parametrize(
    ("column", "kept", "unit"),
    [
        ([0.5, 1.25], [500, 1250], "ms"),
        ([1598844463.599123, 1598844463.1], [1598844463599123, 1598844463100000], "us"),
        (["2020-09-01 11:27:43.599", "2020-09-01T11:27:43"], [1598959663599, 1598959663000], "ms"),
        (["2020-09-01 11:27:43.000000001", "2020-09-01 11:27:43"], [1598959663000000001, 1598959663000000000], "ns"),
        ([pandas.Timestamp(5), pandas.Timestamp(7, tz=None)], [5, 7], "ns"),
        ([pandas.Timestamp(5, tz="UTC"), pandas.Timestamp(7, tz="Europe/Paris")], [5, 7], "ns"),
        ([1598844463599, 1598844463000], [1598844463599, 1598844463000], "ms"),
        ([10**17 + 1, 10**17], [10**17 + 1, 10**17], "ns"),
        ([-5, 3], [-5, 3], "s"),
        (np.array([-1, 1], "M8[ms]"), [-1, 1], "ms"),
        ([20050402, 20050403], [20050402, 20050403], "s"),
    ],
    ids=str,
)
def test_the_coarsest_unit_that_holds_all(column, kept, unit):
    pairs = from_arrays([1, 2], [1, 2], timestamps=column)
    assert (pairs.timestamps.tolist(), pairs.time_unit) == (kept, unit)


def test_a_unit_or_a_format_that_is_said():
    rows = {**BASE, "when": [5, 7000]}
    assert read(rows, timestamp="when", time_unit="ms").timestamps.tolist() == [5, 7000]
    assert read(rows, timestamp="when", time_unit="ms").time_unit == "ms"
    rows["when"] = ["02.04.2005 23:53", "03.04.2005 00:00"]
    found = read(rows, timestamp="when", time_format="%d.%m.%Y %H:%M")
    assert found.timestamps.tolist() == [1112485980, 1112486400]
    rows["when"] = ["2005-04-02 23:53 +0200", "2005-04-02 21:53 +0000"]
    assert len(set(read(rows, timestamp="when", time_format="%Y-%m-%d %H:%M %z").timestamps.tolist())) == 1
    with pytest.raises(
        ValueError, match=r"timestamp 'when': row 0 unconverted data remains: .*; mend it, or the format"
    ):
        read(rows, timestamp="when", time_format="%Y")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            [datetime.date(2020, 1, 1), WHEN[0]],
            "row 1 holds a time without a zone, 2020-07-01 12:00:00, but row 0 a date",
        ),
        ([WHEN[0], datetime.date(2020, 1, 1)], "row 1 holds a date, 2020-01-01, but row 0 a time without a zone"),
        ([WHEN[0], AWARE[0]], "row 1 holds a time with a zone, .*; write all alike"),
        ([WHEN[0], 5], "row 1 holds a int, 5, but row 0 a time without a zone"),
        (
            ["2020-01-01T00:00:00", "2020-01-01T00:00:00Z"],
            "row 1 holds '2020-01-01T00:00:00Z', but the first row .*alike",
        ),
        (["2020-01-01", "5"], "row 1 holds '5', but the first row '2020-01-01'"),
        (
            ["2020-01-01", "1/2/2020"],
            "row 1 holds '1/2/2020', neither a number nor a time of ISO 8601; mend it, or pass",
        ),
        ([np.datetime64("2020-01-01"), np.int8(3)], "row 1 holds a int, 3, but row 0 a datetime64; write all alike"),
        ([np.datetime64("NaT"), np.int8(3)], "row 0 has no time"),
        ([np.datetime64("NaT"), np.datetime64("2020-01-01")], "row 0 has no time"),
        ([np.timedelta64(5, "s"), np.int8(3)], "row 1 holds a int, 3, but row 0 a timedelta64|dtype timedelta64"),
        ([WHEN[0], None], "row 1 has no time; drop the row or give it one"),
        (np.array(["NaT", "2020-01-01"], "M8[s]"), "row 0 has no time"),
        ([np.nan, 1.0], "row 0 has no time"),
        ([1e19, 1.0], r"row 0 holds 1e\+19, no time; drop the row"),
        (np.array([2**63 + 5, 1], "u8"), "row 0 holds 9223372036854775813, beyond 64 bits; scale the times down"),
        (np.array([2**60, 0], "M8[D]"), "row 0 holds .*, which 64 bits can not hold"),
        (["9223372036854775813", "1"], r"row 0 holds 9.*e\+18, no time"),
        ([1e17 + 0.5e3, 1e9 + 0.5], "row 1 holds 1000000000.5, a fraction of a microsecond; round the times"),
        (pyarrow.array([1, 2], pyarrow.time32("s")), r"times of the type time32\[s\]; pass numbers, dates"),
        ([datetime.timedelta(1), datetime.timedelta(2)], r"times of the type duration\[us\]"),
        ([True, False], "times of the type bool"),
    ],
    ids=str,
)
def test_what_is_no_column_of_times(column, message):
    with pytest.raises(ValueError, match=message):
        read({**BASE, "when": column}, timestamp="when")
    with pytest.raises(ValueError, match=message):
        from_arrays([1, 2], [1, 2], timestamps=column)


def test_times_that_a_finer_unit_can_not_hold():
    assert times.in_unit(np.array([1, -2]), "s", "us").tolist() == [10**6, -2 * 10**6]
    with pytest.raises(ValueError, match="timestamps: some do not fit 64 bits in the unit 'ns'"):
        times.in_unit(np.array([10**11]), "s", "ns")


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize(
    "lines",
    [
        ["0\t2010-10-19T23:55:27Z\t7", "0\t2010-10-18T22:17:43Z\t8"],
        ["0\t2005-09-06\t7", "0\t2005-05-13\t8"],
        ["0\t2009-01-02 23:53:47\t7", "0\t2009-01-01 23:53:47\t8"],
    ],
)
def test_text_files_of_dates(tmp_path, lines, end):
    path = tmp_path / "times.tsv"
    path.write_text("\n".join(lines) + end)
    pairs = read(path, user=0, item=2, timestamp=1)
    assert pairs.timestamps[0] > pairs.timestamps[1] > 1e9
    assert pairs.time_unit == "s"


def test_one_negative_time_beside_text_ids(tmp_path):
    path = tmp_path / "times.csv"
    path.write_text("user,item,when\na,1,-5\nb,2,9007199254740993\n")
    pairs = read(path, timestamp="when", time_unit="ns")
    assert pairs.timestamps.tolist() == [-5, 9007199254740993]
