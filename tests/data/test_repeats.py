"""A pair that comes more than once, by every rule, against loops."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import strategies as st

from mfjax.data import from_arrays, read
from mfjax.data.reading.repeats import DUPLICATES
from tests.borders import ours
from tests.drawn import drawn
from tests.reference import merged_rows

NUMBERS = st.one_of(st.integers(0, 5), st.floats(2.0**-20, 2.0**20, width=32))
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), NUMBERS, st.integers(-2, 2), NUMBERS), min_size=1, max_size=12
)


@drawn(ROWS, st.sampled_from(DUPLICATES), st.booleans(), st.booleans(), examples=150)
def test_any_rows_are_merged_as_loops_do(rows, rule, timed, weighted):
    users, items, values, times, weights = (list(column) for column in zip(*rows, strict=True))
    options = {"timestamps": times if timed else None, "weights": weights if weighted else None}
    found = ours(lambda: from_arrays(users, items, values, **options, duplicates=rule))
    pairs = list(zip(users, items, strict=True))
    right = merged_rows(pairs, values, options["timestamps"], options["weights"], rule)
    if right is None:
        assert "repeats the pair of row" in str(found)
        return
    rows_kept = [row for row, _, _ in right]
    raw = zip(found.user_vocabulary.decode(found.users), found.item_vocabulary.decode(found.items), strict=True)
    assert [tuple(map(int, pair)) for pair in raw] == [pairs[row] for row in rows_kept]
    np.testing.assert_allclose(found.values, [value for _, value, _ in right], rtol=1e-6)
    if timed:
        assert found.timestamps.tolist() == [times[row] for row in rows_kept]
    if weighted:
        np.testing.assert_allclose(found.weights, [weight for *_, weight in right], rtol=1e-6)


def test_last_is_by_time_and_not_by_the_order_of_the_file():
    rows = {"users": [7, 7, 7], "items": [1, 2, 1], "values": [5.0, 4.0, 1.0], "timestamps": [900, 500, 300]}
    for rule, value in (("last", 5.0), ("sum", 6.0), ("mean", 3.0), ("max", 5.0), ("count", 2.0)):
        pairs = from_arrays(**rows, duplicates=rule)
        assert (pairs.items.tolist(), pairs.values.tolist()) == ([0, 1], [value, 1.0 if rule == "count" else 4.0])
        assert pairs.timestamps.tolist() == [900, 500]
    first = from_arrays(**rows, duplicates="first")
    assert (first.items.tolist(), first.values.tolist(), first.timestamps.tolist()) == ([1, 0], [4.0, 1.0], [500, 300])


def test_how_many_rows_went_is_logged(caplog):
    with caplog.at_level(logging.WARNING):
        read({"user": [1, 1, 2], "item": [1, 1, 1]}, duplicates="last")
    assert "1 of 3 rows repeat a pair and were merged (duplicates='last')" in caplog.text


def test_sums_that_float32_can_not_hold():
    with pytest.raises(
        ValueError, match="user, item: row 1 repeats a pair whose values add up to more than float32 can"
    ):
        read({"user": [1, 1], "item": [1, 1], "v": [3e38, 3e38]}, value="v", duplicates="sum")
    whole = {"user": [1] * 3, "item": [1] * 3, "v": [2**24, 1, 1]}
    assert read(whole, value="v", duplicates="sum").values.tolist() == [2**24 + 2]
