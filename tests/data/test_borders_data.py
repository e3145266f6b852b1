"""Drawn columns, splits and filters: what a slow truth says, or a ValueError of ours."""

from __future__ import annotations

import datetime
import decimal
import math
from fractions import Fraction

import hypothesis.extra.numpy as drawn_arrays
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax.data import (
    check_no_leak,
    compact,
    from_arrays,
    from_sparse,
    global_time_cut,
    k_core,
    k_folds,
    random_split,
    read,
    recency,
    strong_generalisation,
    synthetic,
    temporal,
)
from mfjax.data.reading.repeats import DUPLICATES
from mfjax.data.splits import TIES
from mfjax.types import Interactions, Vocabulary
from tests.borders import ours
from tests.data import drawn_tables
from tests.reference import merged_rows

quick = settings(deadline=None, derandomize=True, database=None, max_examples=200)


KINDS = ["list", "tuple", "numpy", "int8", "uint64", "jax", "pandas", "polars", "pyarrow", "object"]


def column(kind, cells):
    if kind in ("list", "tuple"):
        return list(cells) if kind == "list" else tuple(cells)
    if kind in ("int8", "uint64", "object"):
        whole = all(isinstance(cell, int) for cell in cells)
        return np.array(cells, kind if whole or kind == "object" else None)
    if kind == "jax":
        return jnp.asarray(np.array(cells)) if all(isinstance(cell, int) for cell in cells) else np.array(cells)
    if kind in ("pandas", "polars"):
        return pytest.importorskip(kind).Series(cells)
    return pytest.importorskip("pyarrow").array(cells) if kind == "pyarrow" else np.array(cells)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 3),
        st.floats(0, 100, width=32).filter(lambda x: x == 0 or x > 1e-30),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=12,
)


@quick
@given(ROWS, st.sampled_from(DUPLICATES), st.tuples(*[st.sampled_from(KINDS)] * 4), st.booleans(), st.booleans())
def test_any_rows_in_any_columns_are_merged_as_loops_do(rows, policy, kinds, with_times, with_sizes):
    users, items, values, times = ([row[place] for row in rows] for place in range(4))
    kinds = (*kinds[:3], "numpy" if kinds[3] == "object" else kinds[3])
    columns = [column(kind, cells) for kind, cells in zip(kinds, (users, items, values, times), strict=True)]
    sizes = {"num_users": 4, "num_items": 5} if with_sizes else {}
    found = ours(lambda: from_arrays(*columns[:3], columns[3] if with_times else None, duplicates=policy, **sizes))
    pairs = list(zip(users, items, strict=True))
    expected = merged_rows(pairs, values, times if with_times else None, None, policy)
    if expected is None:
        assert isinstance(found, ValueError)
        return
    assert isinstance(found, Interactions)
    decode = (lambda ids, vocabulary: ids) if with_sizes else (lambda ids, vocabulary: vocabulary.decode(ids))
    got = zip(
        decode(found.users, found.user_vocabulary).tolist(),
        decode(found.items, found.item_vocabulary).tolist(),
        strict=True,
    )
    assert list(got) == [pairs[row] for row, *_ in expected]
    np.testing.assert_allclose(found.values, [value for _, value, _ in expected], rtol=1e-6)
    if with_times:
        assert found.timestamps.tolist() == [times[row] for row, *_ in expected]


CELLS = [
    st.integers(-(2**70), 2**70),
    st.integers(-3, 3),
    st.floats(),
    st.floats(0, 5),
    st.text(max_size=3),
    st.sampled_from(["", "a", "7", "nan"]),
    st.booleans(),
    st.none(),
    st.complex_numbers(),
    st.just(decimal.Decimal("1.5")),
    st.datetimes(min_value=datetime.datetime(1900, 1, 1)),
    st.sampled_from(
        [np.datetime64("2020-01-01"), np.datetime64("NaT"), np.float32(0.5), np.int8(-3), np.uint64(2**63 + 5)]
    ),
    st.lists(st.integers(0, 3), max_size=2),
]
DTYPES = st.sampled_from(
    ["f4", "f8", "f2", "i8", "u8", "i1", "b1", "c8", "U2", "S2", "M8[D]", "M8[s]", "M8[ns]", "m8[s]", "O"]
)
COLUMNS = st.one_of(
    st.sampled_from(CELLS).flatmap(lambda cells: st.lists(cells, min_size=2, max_size=2)),
    st.lists(st.one_of(*CELLS), max_size=3),
    DTYPES.flatmap(lambda dtype: drawn_arrays.arrays(np.dtype(dtype), 2)),
    st.sampled_from([None, 3, "ab", {1, 2}, {"a": 1}, object(), np.zeros((2, 2)), np.ma.array([1, 2], mask=[0, 1])]),
    st.sampled_from([range(2), np.ma.array([1, 2]), jnp.array([1.5, 0.5]), jnp.array([1, 2], jnp.bfloat16)]),
)


@settings(quick, max_examples=250)
@given(COLUMNS, COLUMNS, COLUMNS, COLUMNS, st.sampled_from([*DUPLICATES, "any", None, 3]))
def test_columns_of_anything_are_kept_as_they_are_or_refused(users, items, values, times, policy):
    for columns in (
        (users, [1, 2], None, None),
        ([1, 2], items, None, None),
        ([1, 2], [1, 2], values, None),
        ([1, 2], [1, 2], None, times),
        (users, items, values, times),
    ):
        found = ours(lambda columns=columns: from_arrays(*columns, duplicates=policy))
        if isinstance(found, ValueError):
            continue
        assert found.values.dtype == np.float32
        if len(found) != 2:  # merged, which the loops above look at
            continue
        order = np.argsort(found.users * 0 + np.arange(2))
        for raw, ids, vocabulary in (
            (columns[0], found.users, found.user_vocabulary),
            (columns[1], found.items, found.item_vocabulary),
        ):
            assert sorted(vocabulary.decode(ids[order]).tolist()) == sorted(np.asarray(raw).tolist())
        if columns[2] is not None and policy != "count":
            kept = sorted(np.asarray(columns[2]).astype(np.float64).tolist())
            np.testing.assert_allclose(sorted(found.values.tolist()), kept, rtol=1e-3 if policy == "any" else 6e-8)
        if columns[3] is not None:
            kept = sorted(time * FACTORS[found.time_unit] for time in found.timestamps.tolist())
            for one, right in zip(kept, sorted(map(float, nanoseconds(columns[3]))), strict=True):
                assert abs(one - right) <= max(500, abs(right) * 1e-15)


FACTORS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def nanoseconds(column) -> list:
    """Return times since 1970 by loops; the unit of numbers is told by the largest."""
    cells = list(column) if isinstance(column, (list, tuple, range)) else list(np.asarray(column))
    if isinstance(cells[0], np.datetime64):
        seconds = {"D": 86_400, "s": 1}
        units = [np.datetime_data(cell.dtype)[0] for cell in cells]
        return [
            int(cell.astype(np.int64)) * (seconds[unit] * 10**9 if unit in seconds else FACTORS[unit])
            for cell, unit in zip(cells, units, strict=True)
        ]
    if isinstance(cells[0], datetime.datetime):
        return [drawn_tables.nanoseconds(cell, "naive") for cell in cells]
    numbers = [
        Fraction(str(cell)) if isinstance(cell, str) else Fraction(cell.item() if hasattr(cell, "item") else cell)
        for cell in cells
    ]
    largest = max(int(abs(number)) for number in numbers)
    unit = next((unit for unit, least in (("ns", 10**17), ("us", 10**14), ("ms", 10**11)) if largest >= least), "s")
    return [number * FACTORS[unit] for number in numbers]


SIZES = st.one_of(st.integers(-1, 4), st.sampled_from([2**31 - 1, 2**31, 2**33, 2.0, True, None, "3", math.nan]))
VOCABULARIES = st.sampled_from([None, Vocabulary.of([0, 1, 2]), [0, 1]])
IDS = st.one_of(st.integers(-2, 5), st.sampled_from([2**31, 2**32, 2**32 + 1, 2**63 - 1]))


@quick
@given(
    st.lists(IDS, min_size=1, max_size=3, unique=True), SIZES, st.sampled_from([None, Vocabulary.of([0, 1, 2]), [0, 1]])
)
def test_sizes_and_vocabularies_never_wrap(ids, size, vocabulary):
    found = ours(lambda: from_arrays(ids, list(range(len(ids))), num_users=size, user_vocabulary=vocabulary))
    if isinstance(found, ValueError):
        return
    decoded = found.users if found.user_vocabulary is None else found.user_vocabulary.decode(found.users)
    assert decoded.tolist() == ids
    assert found.num_users == (size if size is not None else len(found.user_vocabulary))


@quick
@given(ROWS, st.sampled_from(["pandas", "polars", "pyarrow", "csr", "coo"]))
def test_frames_and_matrices_give_what_arrays_give(rows, kind):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    users, items, values, times = ([row[place] for row in rows] for place in range(4))
    expected = from_arrays(users, items, values, times, duplicates="sum")
    if kind in ("csr", "coo"):
        matrix = scipy_sparse.coo_array((np.array(values), (users, items)), shape=(4, 4)).asformat(kind)
        found = from_sparse(matrix, duplicates="sum")
        dense = np.zeros((4, 4))
        np.add.at(dense, (users, items), values)
        rebuilt = np.zeros((4, 4))
        rebuilt[found.users, found.items] = found.values
        np.testing.assert_allclose(rebuilt, dense, rtol=1e-5)
        return
    table = {"user": users, "item": items, "value": values, "timestamp": times}
    module = pytest.importorskip(kind)
    frame = module.table(table) if kind == "pyarrow" else module.DataFrame(table)
    found = read(frame, value="value", timestamp="timestamp", duplicates="sum")
    for field in ("users", "items", "values", "timestamps"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


@pytest.fixture(scope="module")
def many() -> Interactions:
    rng = np.random.default_rng(3)
    keys = rng.choice(12 * 10, 70, replace=False)
    return from_arrays(
        keys // 10, keys % 10, rng.integers(1, 6, 70), rng.integers(0, 9, 70), num_users=12, num_items=10
    )


ODD_COUNTS = [0.5, True, None, math.nan, "2", 2**40, np.int64(2), jnp.int32(2)]
COUNTS = st.one_of(st.integers(-2, 80), st.sampled_from(ODD_COUNTS))
ODD_FRACTIONS = [0, 1, None, "0.2", [0.1], np.float32(0.3), True, 10**400]
FRACTIONS = st.one_of(st.floats(), st.floats(0, 1), st.sampled_from(ODD_FRACTIONS))
ODD_KEYS = [None, 0, "key", jax.random.split(jax.random.key(0)), jax.random.PRNGKey(0)]
KEYS = st.one_of(st.integers(0, 5).map(jax.random.key), st.sampled_from(ODD_KEYS))
RULES = st.sampled_from([*TIES, "last", None, 0, ["reverse"]])


def all_rows(*parts):
    users, items = (np.concatenate([getattr(part, name) for part in parts]).tolist() for name in ("users", "items"))
    return sorted(zip(users, items, strict=True))


@settings(quick, max_examples=400)
@given(COUNTS, COUNTS, COUNTS, RULES, KEYS)
def test_splits_by_time_are_whole_and_leak_nothing(many, test, validation, min_count, ties, key):
    for call in (
        lambda: temporal(many, test=test, validation=validation, min_count=min_count, ties=ties, key=key),
        lambda: global_time_cut(many, test, validation=validation, ties=ties, key=key),
    ):
        found = ours(call)
        if not isinstance(found, ValueError):
            check_no_leak(found)
            assert all_rows(found.train, found.validation, found.test) == all_rows(many)


@settings(quick, max_examples=400)
@given(KEYS, FRACTIONS, FRACTIONS, COUNTS)
def test_random_splits_have_the_sizes_they_say(many, key, test, validation, k):
    found = ours(lambda: random_split(key, many, test=test, validation=validation))
    if not isinstance(found, ValueError):
        check_no_leak(found)
        sizes = [math.floor(70 * float(share) + 1e-9) for share in (test, validation)]
        assert [len(found.test), len(found.validation)] == sizes
        assert all_rows(found.train, found.validation, found.test) == all_rows(many)
    folds = ours(lambda: k_folds(key, many, k))
    if not isinstance(folds, ValueError):
        assert len(folds) == k
        assert all_rows(*(fold.test for fold in folds)) == all_rows(many)


@quick
@given(KEYS, COUNTS, COUNTS, FRACTIONS)
def test_held_out_users_are_held_out(many, key, validation_users, test_users, targets):
    found = ours(
        lambda: strong_generalisation(
            key, many, validation_users=validation_users, test_users=test_users, targets=targets
        )
    )
    if not isinstance(found, ValueError):
        check_no_leak(found)
        held = (found.validation.fold_in, found.validation.targets, found.test.fold_in, found.test.targets)
        assert len(found.train) + sum(map(len, held)) + found.dropped == len(many)


@quick
@given(COUNTS, COUNTS, FRACTIONS, RULES, KEYS)
def test_filters_and_recency(many, users, items, half_life, ties, key):
    core = ours(lambda: k_core(many, users=users, items=items))
    if not isinstance(core, ValueError):
        assert core.user_counts()[core.users].min() >= users
        assert core.item_counts()[core.items].min() >= items
        assert (compact(core).user_counts() > 0).all()
    weighted = ours(lambda: recency.decayed(many, half_life=half_life, ties=ties, key=key))
    if not isinstance(weighted, ValueError):
        places = recency.places_from_last(many, ties=ties, key=key)
        np.testing.assert_allclose(weighted.values, many.values * 0.5 ** (places / np.float64(half_life)), rtol=1e-5)


WRONG_THINGS = [None, 3, "data", [1, 2], {"users": [1]}, np.eye(2), jnp.ones(3), object()]


@pytest.mark.parametrize("thing", WRONG_THINGS, ids=lambda thing: type(thing).__name__)
def test_other_things_than_interactions_are_named(thing, key):
    for call in (
        lambda: temporal(thing),
        lambda: global_time_cut(thing, 3),
        lambda: random_split(key, thing),
        lambda: k_folds(key, thing),
        lambda: strong_generalisation(key, thing, validation_users=1, test_users=1),
        lambda: k_core(thing),
        lambda: compact(thing),
        lambda: check_no_leak(thing),
        lambda: recency.places_from_last(thing),
        lambda: from_sparse(thing),
    ):
        assert isinstance(ours(call), ValueError)
    # A text is a path.
    with pytest.raises(FileNotFoundError if isinstance(thing, str) else ValueError, match=r"source: |user: "):
        read(thing)


@quick
@given(COUNTS, COUNTS, COUNTS, st.one_of(st.integers(-2, 5), st.floats()), FRACTIONS, COUNTS)
def test_made_up_interactions_are_as_many_as_asked_or_refused(num_users, num_items, count, seed, number, dim):
    sizes = {"num_users": num_users, "num_items": num_items, "num_interactions": count}
    if not any(
        type(size) is int and size == 2**40 for size in sizes.values()
    ):  # refused; anything near it would be made
        for call in (
            lambda: synthetic.power_law(seed, **sizes, user_exponent=number),
            lambda: synthetic.low_rank(seed, **sizes, dim=dim, noise=number).interactions,
        ):
            found = ours(call)
            if not isinstance(found, ValueError):
                assert len(found) == len(set(all_rows(found))) == count
                assert np.isfinite(found.values).all()
