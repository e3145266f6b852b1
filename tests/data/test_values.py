"""Values, weights and events: every number is what the source has, or is refused."""

from __future__ import annotations

import decimal

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from mfjax.data import read
from tests.data.test_reading import written

BASE = {"user": [1, 2], "item": [1, 2]}


@pytest.mark.parametrize(
    "column",
    [
        [1.5, 2],
        ["1.5", " 2"],
        [decimal.Decimal("1.5"), decimal.Decimal("2")],
        np.array([1.5, 2], "f2"),
        np.array([1.5, 2], ">f8"),
        pandas.array([1.5, 2], "Float32"),
        pandas.Categorical([1.5, 2.0]),
        polars.Series([decimal.Decimal("1.5"), decimal.Decimal("2")]),
        pyarrow.array(np.array([1.5, 2], "f2")),
        pyarrow.array(["1.5", "2"], pyarrow.string_view()),
        pyarrow.chunked_array([["1.5"], ["\t2"]]),
    ],
    ids=lambda column: type(column).__name__,
)
def test_numbers_of_every_kind(column):
    for part in ("value", "weight"):
        pairs = read({**BASE, "n": column}, **{part: "n"})
        found = pairs.values if part == "value" else pairs.weights
        assert found.dtype == np.float32
        assert found.tolist() == [1.5, 2]


def test_truth_values_are_ones_and_zeros():
    assert read({**BASE, "n": [True, False]}, value="n").values.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1, -1], "row 1 holds -1, negative; drop or shift it"),
        ([1.0, float("inf")], "row 1 holds inf, not finite"),
        ([1.0, float("nan")], "row 1 has no number; drop the row or give it one"),
        ([1.0, None], "row 1 has no number"),
        (["1", "x"], "row 1 holds 'x', which is not a number; mend or drop it, or pass values="),
        (["1", "nan"], "row 1 holds nan, not finite"),
        (["1", "\x1e2"], r"row 1 holds '\\x1e2', which is not a number"),
        ([1, 2**24 + 1], "row 1 holds 16777217, which float32 can not hold; scale the values, or round them"),
        ([1, 2**60 + 1], "row 1 holds 1152921504606846977, which float32 can not hold"),
        ([1.0, 1e-40], "row 1 holds 1e-40, which float32 can not hold"),
        ([1.0, 1e300], r"row 1 holds 1e\+300, not finite"),
        (np.array([1, 2], "M8[s]"), r"a column of the type timestamp\[s\] is not of numbers"),
        (np.array([1, 2j]), "dtype complex128 is not of numbers"),
        ([[1], [2]], "type list<.*> is not of numbers"),
    ],
    ids=str,
)
def test_what_is_no_column_of_numbers(column, message):
    for part in ("value", "weight"):
        with pytest.raises(ValueError, match=message):
            read({**BASE, "n": column}, **{part: "n"})


def test_a_cut_number_is_found_in_any_chunk():
    chunks = pyarrow.chunked_array([np.ones(3), np.array([1, 2**24 + 1.0])])
    with pytest.raises(ValueError, match=r"value 'n': row 4 holds 16777217\.0"):
        read(pyarrow.table({"user": range(5), "item": range(5), "n": chunks}), value="n")


EVENTS = "when,visitor,event,item,bill\n1433221332117,7,view,8,\n1433224214164,9,view,3,\n1433221999827,7,buy,8,40\n"


def test_events_stand_for_numbers(tmp_path):
    path = written(tmp_path, EVENTS)
    columns = {"user": "visitor", "item": "item", "value": "event", "timestamp": "when"}
    pairs = read(path, **columns, values={"view": 1, "buy": 5}, duplicates="max")
    assert (pairs.values.tolist(), pairs.time_unit) == ([1, 5], "ms")
    assert read(path, **{**columns, "value": None}, duplicates="sum").values.tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"value 'event': .*line 2, holds 'view', which is not a number; .*values="):
        read(path, **columns)
    with pytest.raises(ValueError, match=r"value 'event': .*line 4, holds 'buy', which values does not name \(view\)"):
        read(path, **columns, values={"view": 1})


def test_events_of_frames():
    frame = {**BASE, "event": [1, 2]}
    assert read(frame, value="event", values={1: 0.5, 2: 3}).values.tolist() == [0.5, 3]
    for event in (pandas.Categorical(["a", "b"], categories=["c", "a", "b"]), polars.Series(["a", "b"])):
        found = read({**BASE, "event": event}, value="event", values={"a": 2, "b": 4})
        assert found.values.tolist() == [2, 4]
    with pytest.raises(ValueError, match="value 'event': row 1 has no event"):
        read({**BASE, "event": ["a", None]}, value="event", values={"a": 2})
    for wrong, message in (
        ({"a": 1e300, "b": 1}, r"values: 'a' holds 1e\+300, not finite"),
        ({"a": 1e-50, "b": 1}, "values: 'a' holds 1e-50, which float32 can not hold"),
        ({"a": -1, "b": 1}, "values: -1.0 is not a finite number of at least 0; give each event its value"),
        ({"a": "x", "b": 1}, "values: .* is not a finite number"),
        ([1, 2], "values: a list is not what is needed; pass such as"),
    ):
        with pytest.raises(ValueError, match=message):
            read({**BASE, "event": ["a", "b"]}, value="event", values=wrong)
