"""Drawn interactions and options of everything that packs them: what loops find, or a refusal in our own words."""

from __future__ import annotations

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mfjax import data, histories
from mfjax.histories import streaming
from mfjax.search import cells
from mfjax.types import Interactions
from tests.borders import NO_WHOLE_NUMBERS, REFUSED, answer
from tests.histories.test_streaming import entries

quick = settings(deadline=None, derandomize=True, database=None, max_examples=200)

NUM_USERS, NUM_ITEMS, SIZE = 4, 5, 6


def column(good: st.SearchStrategy, bad: list) -> st.SearchStrategy:
    right = st.lists(good, min_size=SIZE, max_size=SIZE).map(np.array)
    return st.one_of(right, right, right, st.sampled_from(bad))


users = column(st.integers(0, NUM_USERS - 1), [np.full(SIZE, -1), np.full(SIZE, NUM_USERS), np.full(SIZE, 2**32)])
items = column(
    st.integers(0, NUM_ITEMS - 1),
    [
        np.zeros(SIZE),
        np.zeros(SIZE, bool),
        np.zeros(5, int),
        np.zeros((SIZE, 1), int),
        [0] * SIZE,
        None,
        np.zeros(SIZE, "U1"),
    ],
)
values = column(
    st.floats(-9, 9, width=32),
    [
        np.full(SIZE, np.nan),
        np.full(SIZE, 1e300),
        np.full(SIZE, 3e38),
        np.ones(SIZE, complex),
        np.ones(3),
        np.arange(SIZE),
    ],
)
sizes = st.sampled_from([(NUM_USERS, NUM_ITEMS)] * 5 + [(NUM_USERS, 0), (-1, 5), (4.0, 5), (None, 5), (True, 5)])


def dense(side: histories.Side, num_columns: int) -> np.ndarray:
    matrix = np.zeros((side.num_rows, num_columns))
    for row, item, value in entries(side):
        matrix[row, item] += value
    return matrix


def truth(pairs: Interactions) -> np.ndarray | None:
    """Return the dense matrix, None for what are no interactions."""
    found = []
    for name, kinds in (("users", "iu"), ("items", "iu"), ("values", "iuf")):
        each = getattr(pairs, name)
        if not isinstance(each, np.ndarray) or each.dtype.kind not in kinds or each.shape != (SIZE,):
            return None
        found.append(each)
    shape = pairs.num_users, pairs.num_items
    if any(type(size) is not int or size < 0 for size in shape):
        return None
    for ids, size in zip(found[:2], shape, strict=True):
        if (ids < 0).any() or (ids >= size).any():
            return None
    with np.errstate(over="ignore"):
        weights = found[2].astype(np.float32)
    if not np.isfinite(weights).all():
        return None
    matrix = np.zeros(shape)
    np.add.at(matrix, (found[0], found[1]), weights.astype(np.float64))
    return matrix


@quick
@given(users=users, items=items, values=values, sizes=sizes, by=st.sampled_from(["user", "item"]))
def test_packed_and_ragged_histories_are_the_matrix(users, items, values, sizes, by):
    pairs = Interactions(users, items, values, *sizes)
    matrix = truth(pairs)
    packed = answer(lambda: histories.side(pairs, by=by, chunk_entries=8, width=2))
    lists = answer(lambda: histories.ragged(pairs, by=by))
    if matrix is None:
        assert packed is REFUSED and lists is REFUSED
        assert answer(lambda: histories.build(pairs)) is REFUSED
        assert answer(lambda: streaming.build(lambda: iter([pairs]))) is REFUSED
        return
    matrix = matrix if by == "user" else matrix.T
    np.testing.assert_allclose(dense(packed, matrix.shape[1]), matrix, rtol=1e-6, atol=1e-6)
    offsets, ids, entries = (np.asarray(x) for x in (lists.offsets, lists.ids, lists.values))
    found = np.zeros(matrix.shape)
    for row in range(len(matrix)):
        mine = slice(offsets[row], offsets[row + 1])
        assert (np.diff(ids[mine]) >= 0).all()
        np.add.at(found[row], ids[mine], entries[mine].astype(np.float64))
    np.testing.assert_allclose(found, matrix, rtol=1e-6)
    streamed = streaming.build(lambda: (pairs.select(slice(n, n + 4)) for n in (0, 4)), chunk_entries=8, width=2)
    np.testing.assert_allclose(
        dense(streamed.users if by == "user" else streamed.items, matrix.shape[1]), matrix, rtol=1e-6, atol=1e-6
    )
    for printed in (repr(pairs), repr(packed), repr(lists), repr(streamed)):
        assert len(printed) < 500 and "\n" not in printed


PAIRS = Interactions(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([1.0, 2.0, 3.0], np.float32), 2, 2)


@quick
@given(option=st.sampled_from(["chunk_entries", "width", "multiple_of", "by"]), draws=st.data())
def test_a_wrong_option_is_refused(option, draws):
    wrong = draws.draw(
        st.sampled_from(["users", None, 0, "", ["user"], np.zeros(2)]) if option == "by" else NO_WHOLE_NUMBERS
    )
    assume(option not in ("chunk_entries", "width") or wrong is not None)  # None is what suits
    assert answer(lambda: histories.side(PAIRS, **{option: wrong})) is REFUSED
    if option == "by":
        assert answer(lambda: histories.ragged(PAIRS, by=wrong)) is REFUSED
    else:
        assert answer(lambda: histories.build(PAIRS, **{option: wrong})) is REFUSED
        assert answer(lambda: streaming.build(lambda: iter([PAIRS]), **{option: wrong})) is REFUSED


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (scipy.sparse.csr_matrix(np.eye(2)), "from_sparse"),
        (scipy.sparse.coo_array(np.eye(2)), "from_sparse"),
        (histories.ragged(PAIRS), "the Interactions that it was made of"),
        (np.eye(2), "data.from_arrays"),
        (None, "data.from_arrays"),
    ],
)
def test_what_are_no_interactions(wrong, said):
    for call in (histories.build, histories.side, histories.ragged, lambda x: streaming.build(lambda: iter([x]))):
        with pytest.raises(ValueError, match=f"interactions: .*{said}"):
            call(wrong)


rows = st.one_of(
    st.lists(st.integers(-2, 4), max_size=3),
    st.lists(st.booleans(), max_size=4),
    st.sampled_from([slice(0, 2), 1.5, "a", None, [0.0], np.array([2], np.uint8), [[0]], 2**70]),
)


@quick
@given(rows=rows)
def test_rows_are_chosen_by_masks_and_positions(rows):
    found = answer(lambda: PAIRS.select(rows))
    array = (
        np.zeros(0, int)
        if isinstance(rows, list) and not rows
        else None
        if isinstance(rows, slice)
        else np.asarray(rows)
    )
    if array is None:
        good = True
    elif array.dtype == bool:
        good = array.shape == (3,)
    else:
        good = array.dtype.kind in "iu" and array.ndim == 1 and ((array >= 0) & (array < 3)).all()
    if good:
        assert found.items.tolist() == PAIRS.items[rows if array is None else array].tolist()
        assert (found.num_users, found.num_items) == (2, 2)
    else:
        assert found is REFUSED


@quick
@given(
    new=st.one_of(st.floats(width=32), st.lists(st.floats(-9, 9), max_size=4), st.sampled_from([None, "1", True, 2j]))
)
def test_values_are_numbers(new):
    found = answer(lambda: PAIRS.with_values(new))
    array = np.asarray(new)
    if array.dtype.kind in "iuf" and array.shape in ((), (3,)):
        np.testing.assert_array_equal(found.values, np.broadcast_to(array.astype(np.float32), 3))
    else:
        assert found is REFUSED


@pytest.mark.parametrize("steps", [-1, 1.5, "3", None, True])
def test_steps_of_a_cell_are_whole(steps):
    from mfjax import als

    setting = cells.Training(als.Config(dim=1), steps)
    assert answer(lambda: cells.als_factors(None, setting, histories.build(PAIRS))) is REFUSED


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("users", "values", "message"),
    [
        (np.array([0, 2**32]), np.ones(2), r"user: .*, (line 3|row 1), holds 4294967296, and ids without a vocabulary"),
        (np.array([0, -1]), np.ones(2), r"user: .*, (line 3|row 1), holds -1, and ids without a vocabulary"),
        (np.array([0, 2**64 - 1], np.uint64), np.ones(2), "user: .* holds 18446744073709551615, and ids without"),
        (np.array([True, False]), np.ones(2), r"user: .*(of the type bool are neither|, line 2, holds 'true', and)"),
        (np.array([0, 1]), np.array([1.0, np.nan]), r"value 'stars': .*, (line 3|row 1), (holds nan|has no number)"),
        (np.array([0, 1]), np.array([1.0, 1e300]), r"value 'stars': .*, (line 3|row 1), holds 1e\+300, not finite"),
        (np.array([0, 1]), np.array([1.0, -1.0]), r"value 'stars': .*, (line 3|row 1), holds -1(.0)?, negative"),
    ],
)
def test_files_of_wrong_numbers(tmp_path, suffix, users, values, message):
    path = tmp_path / f"pairs.{suffix}"
    table = pyarrow.table({"user": users, "item": np.array([0, 1]), "stars": values})
    if suffix == "csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
    with pytest.raises(ValueError, match=message):
        streaming.build(data.batches(path, value="stars"))


def test_a_second_pass_that_differs_is_refused():
    other = Interactions(np.array([0, 0, 1]), PAIRS.items, PAIRS.values, 2, 2)
    for second in ([other], [PAIRS, PAIRS], [PAIRS.select(slice(0, 2))]):
        passes = iter([[PAIRS], second])
        with pytest.raises(ValueError, match=r"batches: .*start the same pass whenever called"):
            streaming.build(lambda passes=passes: iter(next(passes)))
