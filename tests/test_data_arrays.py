"""Parallel arrays: what is kept, what is mapped, and one table of everything that is refused."""

import logging

import numpy as np
import pytest

from mfjax.data import from_arrays
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
        "values: row 1 holds nan, not finite; drop the row or mend",
    ),
    ({"users": [1, 2], "items": [1, 2], "values": [INF, 1]}, "values: row 0 holds inf, not finite"),
    ({"users": [1], "items": [1], "values": [1e300]}, r"values: row 0 holds 1e\+300, not finite"),
    ({"users": [1, 2], "items": [1, 2], "values": [3, -1]}, "values: row 1 holds -1, negative; drop or shift it"),
    ({"users": [1], "items": [1], "values": ["good"]}, "values: could not convert string to float: .*; pass numbers"),
    ({"users": [1], "items": [1], "values": [None]}, "values: row 0 holds None, not finite"),
    ({"users": [1], "items": [1], "timestamps": ["noon"]}, "timestamps: dtype <U4; pass whole seconds or datetime64"),
    ({"users": [1], "items": [1], "timestamps": [1.5]}, "timestamps: row 0 holds 1.5; pass whole numbers"),
    ({"users": [1], "items": [1], "timestamps": [NAN]}, "timestamps: row 0 holds nan; pass whole numbers .* drop gaps"),
    ({"users": [1], "items": [1], "timestamps": np.array(["NaT"], "M8[s]")}, "timestamps: row 0 holds NaT"),
    (
        {"users": [0, 3], "items": [0, 0], "num_users": 3},
        r"users: row 1 holds id 3, outside 0\.\.2; raise num_users, or lea",
    ),
    ({"users": [0, 0], "items": [0, -1], "num_items": 3}, r"items: row 1 holds id -1, outside 0\.\.2; raise num_items"),
    (
        {"users": ["a"], "items": [0], "num_users": 3},
        "users: dtype <U1, but ids below num_users are integers; leave num_u",
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
        {"users": [1], "items": [1], "duplicates": "first"},
        "duplicates: 'first' is not a policy; pass one of error, last",
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


@pytest.mark.parametrize(
    ("policy", "values"), [("last", [3, 5, 4]), ("sum", [3, 1 + 2 + 5, 4]), ("mean", [3, (1 + 2 + 5) / 3, 4])]
)
def test_duplicates_are_merged_at_the_last_row_and_counted(policy, values, caplog):
    users, items = [9, 8, 9, 9, 8], [1, 1, 1, 1, 2]
    with caplog.at_level(logging.WARNING):
        pairs = from_arrays(users, items, [1, 3, 2, 5, 4], [50, 20, 40, 30, 10], duplicates=policy)
    assert pairs.user_vocabulary.decode(pairs.users).tolist() == [8, 9, 8]
    assert pairs.values.tolist() == np.float32(values).tolist()
    assert pairs.timestamps.tolist() == [20, 30, 10]
    assert "2 of 5 rows repeat a pair and were merged" in caplog.text


def test_dates_become_seconds():
    dates = np.array(["1970-01-01T00:01", "1970-01-02T00:00"], "datetime64[ns]")
    assert from_arrays([1, 2], [1, 2], timestamps=dates).timestamps.tolist() == [60, 86400]
