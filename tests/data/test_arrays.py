"""Parallel arrays: what is kept, what is mapped, and one table of everything that is refused."""

import decimal
import logging

import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.data import from_arrays, leave_last_out
from mfjax.data.reading.repeats import DUPLICATES
from mfjax.types import Vocabulary

NAN, INF = float("nan"), float("inf")
VOCABULARY = Vocabulary.of(["a", "b"])

BAD = [
    # Arguments of from_arrays, and what the message must say.
    ({"users": [1], "items": []}, "items: 0 rows, but users has 1; pass arrays of one length"),
    ({"users": [1, 2], "items": [3]}, "items: 1 rows, but users has 2; pass arrays of one length"),
    ({"users": [1], "items": [1], "values": [1, 2]}, "values: 2 rows, but users has 1"),
    ({"users": [1], "items": [1], "timestamps": [1, 2]}, "timestamps: 2 rows, but users has 1"),
    ({"users": [], "items": []}, "users: there are no rows; pass at least one interaction"),
    ({"users": [[1]], "items": [1]}, r"users: shape \(1, 1\); pass a one-dimensional array"),
    ({"users": [1], "items": [1], "values": [[1]]}, r"values: shape \(1, 1\)"),
    ({"users": [1], "items": [1], "timestamps": [[1]]}, r"timestamps: shape \(1, 1\)"),
    ({"users": [1.0, 2.0], "items": [1, 2]}, r"users: dtype float64; convert ids to integers or strings"),
    ({"users": [1, 2], "items": [1.0, NAN]}, "items: row 1 has no id; drop the row or give it an id"),
    ({"users": [True], "items": [1]}, "users: dtype bool; convert ids"),
    ({"users": ["a", ""], "items": [1, 2]}, "users: row 1 is an empty string; drop the row"),
    ({"users": np.array(["a", None], object), "items": [1, 2]}, "users: row 1 holds None; .* drop the row or convert"),
    ({"users": np.array([1, "a"], object), "items": [1, 2]}, "users: row 1 holds 'a'; ids are all integers or all str"),
    (
        {"users": [1, 2], "items": [1, 2], "values": [1, NAN]},
        "values: row 1 has no number; drop the row or give it one",
    ),
    ({"users": [1, 2], "items": [1, 2], "values": [INF, 1]}, "values: row 0 holds inf, not finite"),
    ({"users": [1], "items": [1], "values": [1e300]}, r"values: row 0 holds 1e\+300, not finite"),
    ({"users": [1, 2], "items": [1, 2], "values": [3, -1]}, "values: row 1 holds -1, negative; drop or shift it"),
    ({"users": [1], "items": [1], "values": [1e-50]}, "values: row 0 holds 1e-50, which float32 can not hold; scale"),
    ({"users": [1], "items": [1], "values": [1e-40]}, "values: row 0 holds 1e-40, which float32 can not hold; scale"),
    ({"users": [1], "items": [1], "values": [2**24 + 1]}, "values: row 0 holds 16777217, which float32 can not hold"),
    ({"users": [1], "items": [1], "values": [2.0**24 + 1]}, r"values: row 0 holds 16777217\.0, which float32"),
    ({"users": [1], "items": [1], "values": [2**60 + 1]}, "values: row 0 holds 1152921504606846977, which float32"),
    ({"users": [1], "items": [1], "values": [1 + 2j]}, "values: dtype complex128 is not of numbers; pass ratings"),
    (
        {"users": [1], "items": [1], "values": np.array([1], "M8[s]")},
        r"values: a column of the type timestamp\[s\] is not of numbers; pass ratings",
    ),
    ({"users": [1], "items": [1], "values": np.array([1], "m8[s]")}, r"values: dtype timedelta64\[s\] is not of nu"),
    ({"users": [1], "items": [1], "values": np.ma.array([1], mask=[1])}, "values: row 0 is masked; drop the row"),
    ({"users": np.ma.array([1], mask=[1]), "items": [1]}, "users: row 0 is masked; drop the row, or fill it"),
    (
        {"users": [1], "items": [1], "timestamps": np.ma.array([1], mask=[True])},
        "timestamps: row 0 is masked; drop the row",
    ),
    ({"users": "abc", "items": [1, 2, 3]}, "users: a str is no column; pass an array or a list"),
    ({"users": {1: 2}, "items": [1]}, "users: a dict is no column"),
    ({"users": [[1], [2, 3]], "items": [1, 2]}, "users: ValueError.*; pass a one-dimensional array"),
    (
        {"users": [2**70], "items": [1]},
        "users: row 0 holds 1180591620717411303424, beyond 64 bits; pass such ids as str",
    ),
    (
        {"users": [1, 1], "items": [1, 1], "values": [3e38, 3e38], "duplicates": "sum"},
        "users, items: row 1 repeats a pair whose values add up to more than float32 can hold; scale the values",
    ),
    ({"users": [2**32], "items": [0], "num_users": 2**33}, "num_users: 8589934592 is not a whole number of at least 1"),
    ({"users": [0], "items": [0], "num_items": 0}, "num_items: 0 is not a whole number"),
    ({"users": [0], "items": [0], "num_items": 2.0}, r"num_items: 2\.0 is not a whole number"),
    (
        {"users": ["a"], "items": [0], "user_vocabulary": VOCABULARY, "num_users": 9},
        "num_users: 9, but user_vocabulary has 2 ids; pass one of the two",
    ),
    (
        {"users": [1], "items": [0], "user_vocabulary": VOCABULARY},
        "users: integers, but the ids of the vocabulary are text; convert one",
    ),
    ({"users": [1], "items": [0], "user_vocabulary": ["a"]}, "user_vocabulary: a list is not what is needed"),
    ({"users": [1], "items": [1], "timestamps": [1e19]}, r"timestamps: row 0 holds 1e\+19, no time; drop the row"),
    (
        {"users": [1], "items": [1], "timestamps": np.array([2**63 + 5], "u8")},
        "timestamps: row 0 holds 92233720368547",
    ),
    (
        {"users": [1], "items": [1], "timestamps": np.array([2**60], "M8[D]")},
        "timestamps: row 0 holds .*, which 64 bits can not hold",
    ),
    (
        {"users": [1], "items": [1], "timestamps": [1j]},
        "timestamps: dtype complex128 is not of numbers; pass ratings, counts or times",
    ),
    ({"users": [1], "items": [1], "timestamps": [True]}, "timestamps: times of the type bool; pass numbers, dates"),
    ({"users": [1], "items": [1], "duplicates": ["sum"]}, r"duplicates: \['sum'\] is unknown"),
    ({"users": [1], "items": [1], "duplicates": None}, "duplicates: None is unknown"),
    ({"users": [1], "items": [1], "values": ["good"]}, "values: row 0 holds 'good', which is not a number; mend"),
    ({"users": [1], "items": [1], "values": [None]}, "values: row 0 has no number; drop the row"),
    (
        {"users": [1], "items": [1], "timestamps": ["noon"]},
        "timestamps: row 0 holds 'noon', neither a number nor a time of ISO 8601",
    ),
    (
        {"users": [1], "items": [1], "timestamps": [1.5], "time_unit": "ns"},
        "timestamps: row 0 holds 1.5, a fraction of",
    ),
    ({"users": [1], "items": [1], "timestamps": [1], "time_unit": "h"}, "time_unit: 'h' is unknown; pass None, 's'"),
    ({"users": [1], "items": [1], "timestamps": [NAN]}, "timestamps: row 0 has no time; drop the row"),
    ({"users": [1], "items": [1], "timestamps": np.array(["NaT"], "M8[s]")}, "timestamps: row 0 has no time"),
    (
        {"users": [0, 3], "items": [0, 0], "num_users": 3},
        r"users: row 1 holds id 3, outside 0\.\.2; raise num_users, or lea",
    ),
    ({"users": [0, 0], "items": [0, -1], "num_items": 3}, r"items: row 1 holds id -1, outside 0\.\.2; raise num_items"),
    (
        {"users": ["a"], "items": [0], "num_users": 3},
        "users: ids of the type large_string, but ids below num_users are integers; leave num_u",
    ),
    (
        {"users": ["a", "c"], "items": [0, 0], "user_vocabulary": VOCABULARY},
        "users: row 1 holds 'c', .* not in the vocab",
    ),
    (
        {"users": [1, 2, 1], "items": [1, 2, 1]},
        "users, items: row 2 repeats the pair of row 0 .1 repeats.*'last', 'sum'",
    ),
    (
        {"users": [1], "items": [1], "duplicates": "any"},
        "duplicates: 'any' is unknown; pass 'error', 'first', 'last'",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(**arguments)


def test_keeps_rows_in_order_and_maps_back():
    rng = np.random.default_rng(0)
    users, items = rng.permutation(np.repeat([7, -3, 10**12], 4)), np.array(list("abcdefghijkl"))
    values, timestamps = rng.random(12), rng.integers(10**9, size=12)
    pairs = from_arrays(users, items, values, timestamps)
    assert pairs.user_vocabulary.raw.tolist() == [-3, 7, 10**12]
    np.testing.assert_array_equal(pairs.user_vocabulary.decode(pairs.users), users)
    np.testing.assert_array_equal(pairs.item_vocabulary.decode(pairs.items), items)
    np.testing.assert_array_equal(pairs.values, values.astype(np.float32))
    np.testing.assert_array_equal(pairs.timestamps, timestamps)
    assert (pairs.users.dtype, pairs.values.dtype, pairs.timestamps.dtype) == (np.int32, np.float32, np.int64)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "u8", "O"])
def test_ids_of_any_integer_type(dtype):
    raw = np.array([100, 3, 100, 0], dtype)
    pairs = from_arrays(raw, [0, 1, 2, 3])
    assert pairs.users.tolist() == [2, 1, 2, 0]
    assert pairs.user_vocabulary.raw.tolist() == [0, 3, 100]


def test_ids_whose_span_overflows_their_type():
    assert from_arrays(np.array([100, -100, 0], "i1"), [0, 1, 2]).users.tolist() == [2, 0, 1]
    huge = np.array([2**64 - 1, 2**64 - 3], "u8")
    assert from_arrays(huge, [0, 1]).user_vocabulary.raw.tolist() == [2**64 - 3, 2**64 - 1]


def test_close_and_scattered_integers_get_the_same_ids():
    raw = np.random.default_rng(1).integers(-50, 50, 300)
    items = np.arange(300)
    close, scattered = from_arrays(raw, items), from_arrays(raw * 10**9, items)
    np.testing.assert_array_equal(close.users, scattered.users)
    np.testing.assert_array_equal(close.user_vocabulary.raw * 10**9, scattered.user_vocabulary.raw)


def test_given_vocabulary_and_given_sizes_keep_the_id_space():
    pairs = from_arrays(["b"], [2], user_vocabulary=VOCABULARY, num_items=9)
    assert (pairs.users.tolist(), pairs.num_users, pairs.user_vocabulary) == ([1], 2, VOCABULARY)
    assert (pairs.items.tolist(), pairs.num_items, pairs.item_vocabulary) == ([2], 9, None)


ROWS = {"users": [9, 8, 9, 9, 8], "items": [1, 1, 1, 1, 2], "values": [1, 3, 2, 5, 4]}

# Policy -> users, values and times of the merged rows: by time, and by the order of the rows without times.
MERGED = {
    "first": ([8, 9, 8], [3, 5, 4], [20, 30, 10], [9, 8, 8], [1, 3, 4]),
    "last": ([9, 8, 8], [1, 3, 4], [50, 20, 10], [8, 9, 8], [3, 5, 4]),
    "sum": ([9, 8, 8], [8, 3, 4], [50, 20, 10], [8, 9, 8], [3, 8, 4]),
    "mean": ([9, 8, 8], [8 / 3, 3, 4], [50, 20, 10], [8, 9, 8], [3, 8 / 3, 4]),
    "max": ([9, 8, 8], [5, 3, 4], [50, 20, 10], [8, 9, 8], [3, 5, 4]),
    "count": ([9, 8, 8], [3, 1, 1], [50, 20, 10], [8, 9, 8], [1, 3, 1]),
}


@pytest.mark.parametrize("policy", DUPLICATES[1:])
def test_duplicates_are_merged_at_the_row_kept_and_counted(policy, caplog):
    users, values, times, users_without, values_without = MERGED[policy]
    with caplog.at_level(logging.WARNING):
        pairs = from_arrays(**ROWS, timestamps=[50, 20, 40, 30, 10], duplicates=policy)
    assert pairs.user_vocabulary.decode(pairs.users).tolist() == users
    assert pairs.values.tolist() == np.float32(values).tolist()
    assert pairs.timestamps.tolist() == times
    assert "2 of 5 rows repeat a pair and were merged" in caplog.text
    without = from_arrays(**ROWS, duplicates=policy)
    assert without.user_vocabulary.decode(without.users).tolist() == users_without
    assert without.values.tolist() == np.float32(values_without).tolist()


def test_of_equal_times_the_later_row_is_the_later():
    same = {"users": [7, 7], "items": [1, 1], "values": [5, 3], "timestamps": [9, 9]}
    assert from_arrays(**same, duplicates="last").values.tolist() == [3]
    assert from_arrays(**same, duplicates="first").values.tolist() == [5]


def test_a_pair_rated_again_is_the_last_to_be_held_out():
    rows = {"users": [7, 7, 7], "items": [1, 2, 1], "values": [5, 4, 1], "timestamps": [900, 500, 300]}
    for policy in ("last", "sum", "mean", "max", "count"):
        pairs = from_arrays(**rows, duplicates=policy)
        held = leave_last_out(pairs).test
        assert pairs.item_vocabulary.decode(held.items).tolist() == [1]
        assert held.timestamps.tolist() == [900]


def test_counts_are_of_rows_also_where_no_pair_repeats():
    assert from_arrays([1, 2], [1, 1], [5, 3], duplicates="count").values.tolist() == [1, 1]


@pytest.mark.parametrize(
    "values",
    [
        [2**24, 2**25],
        [16777218.0, 0.1],
        np.array([2**60, 2**24 + 2]),
        np.array([2**63], "u8"),
        [3e38, 1e300 / 1e280],
        [True, False],
        ["1.5", "2"],
        [decimal.Decimal("1.5"), 2],
        np.array([1.5, 2], "f2"),
        [1.2e-38, 0.0],
    ],
    ids=str,
)
def test_values_are_rounded_and_not_cut(values):
    kept = from_arrays(list(range(len(values))), list(range(len(values))), values).values
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept, np.array(values).astype(np.float64), rtol=6e-8)


COLUMNS = ["list", "tuple", "numpy", "jax", "pandas", "polars", "pyarrow", "chunked"]


def column(kind, cells):
    """Return the cells in a column of a kind."""
    if kind in ("list", "tuple"):
        return {"list": list, "tuple": tuple}[kind](cells)
    if kind in ("numpy", "jax"):
        return np.array(cells) if kind == "numpy" else jnp.asarray(cells)
    if kind in ("pandas", "polars"):
        return pytest.importorskip(kind).Series(cells)
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.array(cells) if kind == "pyarrow" else pyarrow.chunked_array([cells[:1], cells[1:]])


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_every_kind(kind):
    pairs = from_arrays(*(column(kind, cells) for cells in ([7, 7, 3], [1, 0, 1], [0.5, 2.0, 1.0], [3, 1, 2])))
    assert (pairs.users.tolist(), pairs.items.tolist()) == ([1, 1, 0], [1, 0, 1])
    assert (pairs.values.tolist(), pairs.timestamps.tolist()) == ([0.5, 2.0, 1.0], [3, 1, 2])
    if kind != "jax":
        assert from_arrays(column(kind, ["b", "a"]), [0, 1]).user_vocabulary.raw.tolist() == ["a", "b"]
        with pytest.raises(ValueError, match=r"values: row 1 holds 16777217.*, which float32 can not hold"):
            from_arrays([0, 1], [0, 1], column(kind, [1, 2**24 + 1]))
        with pytest.raises(ValueError, match="values: row 1 holds 1e-50, which float32 can not hold"):
            from_arrays([0, 1], [0, 1], column(kind, [1.0, 1e-50]))


def test_dates_become_seconds():
    dates = np.array(["1970-01-01T00:01", "1970-01-02T00:00"], "datetime64[ns]")
    assert from_arrays([1, 2], [1, 2], timestamps=dates).timestamps.tolist() == [60, 86400]
