"""Drawn samples, levels and counts: what scipy or loops say, or a ValueError of ours; NaN never a p-value."""

from __future__ import annotations

import math

import hypothesis.extra.numpy as drawn_arrays
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax import statistics
from tests.borders import ours

quick = settings(deadline=None, derandomize=True, database=None, max_examples=300)

# One shape and one number of resamples a program, so that all draws share what is compiled.
USERS, RESAMPLES = 9, 40


FINITE = st.one_of(st.floats(-1, 1, width=32), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
SAMPLE = st.lists(FINITE, min_size=USERS, max_size=USERS)
ODD = [
    None,
    "ab",
    3,
    [],
    [[0.5] * USERS],
    ["a"] * USERS,
    [None] * USERS,
    [1j] * USERS,
    {"a": 1},
    object(),
    [1e300] * USERS,
]
MASKED = np.ma.array(np.ones(USERS), mask=[1] + [0] * (USERS - 1))
ANY_SAMPLE = st.one_of(
    SAMPLE,
    st.lists(st.floats(), min_size=USERS, max_size=USERS),
    st.lists(st.integers(-(2**70), 2**70), min_size=USERS, max_size=USERS),
    drawn_arrays.arrays(st.sampled_from(["f4", "f8", "f2", "i4", "b1", "M8[s]", "U2"]).map(np.dtype), USERS),
    st.sampled_from([*ODD, MASKED, jnp.ones(USERS), jnp.ones(USERS, jnp.bfloat16)]),
)
LEVELS = st.one_of(
    st.floats(), st.floats(0.01, 0.99), st.sampled_from([95, 0, 1, "0.9", None, [0.9], np.float32(0.5), True])
)
COUNTS = st.one_of(st.just(RESAMPLES), st.sampled_from([0, -1, 2.5, None, "9", True, math.nan, 2**40]))
KEYS = st.one_of(st.integers(0, 9).map(jax.random.key), st.sampled_from([None, 0, "key", np.zeros(2), object()]))


def is_finite(sample):
    return bool(np.isfinite(np.asarray(sample, np.float64)).all())


@quick
@given(SAMPLE, SAMPLE)
def test_the_t_test_is_that_of_scipy(one, other):
    one, other = np.array(one), np.array(other)
    difference = one - other
    t, p = statistics.paired_t(one, other)
    assert 0 <= p <= 1
    if difference.std() > 1e-6 * np.abs(difference).max():
        np.testing.assert_allclose((t, p), scipy.stats.ttest_rel(one, other), rtol=1e-6, atol=1e-12)
        dz = difference.mean() / difference.std(ddof=1)
        np.testing.assert_allclose(statistics.cohen_dz(one, other), dz, rtol=1e-6, atol=1e-12)


@pytest.mark.slow
@settings(quick, max_examples=50)  # scipy goes through all 2^9 signs where there are ties
@given(SAMPLE, SAMPLE)
def test_signed_ranks_are_those_of_scipy(one, other):
    one, other = np.array(one), np.array(other)
    difference = one - other
    found = statistics.wilcoxon(one, other)
    if difference.any():
        np.testing.assert_allclose(found, scipy.stats.wilcoxon(one, other), atol=1e-12)
        ranks = scipy.stats.rankdata(np.abs(difference[difference != 0])) * np.sign(difference[difference != 0])
        assert math.isclose(statistics.rank_biserial(one, other), ranks.sum() / np.abs(ranks).sum(), abs_tol=1e-12)
    else:
        assert found == (0, 1)


@settings(quick, max_examples=400)
@given(ANY_SAMPLE, ANY_SAMPLE, st.sampled_from(["t", "t", "t", "wilcoxon"]))
def test_samples_of_anything_give_a_p_value_or_are_refused(one, other, name):
    test = statistics.paired_t if name == "t" else statistics.wilcoxon
    found = ours(lambda: test(one, other))
    if not isinstance(found, ValueError):
        assert is_finite(one)
        assert is_finite(other)
        assert 0 <= found.p <= 1
    for effect in (statistics.cohen_dz, statistics.rank_biserial):
        found = ours(lambda effect=effect: effect(one, other))
        assert isinstance(found, ValueError) or not math.isnan(found)


@quick
@given(st.one_of(st.lists(st.floats(0, 1), max_size=8), st.lists(st.floats(), max_size=4), ANY_SAMPLE))
def test_holm_is_the_step_down_procedure_or_refuses(p):
    found = ours(lambda: statistics.holm(p))
    if isinstance(found, ValueError):
        return
    flat = np.asarray(p, np.float64).reshape(-1)
    order = np.argsort(flat, kind="stable")
    highest = 0.0
    for step, row in enumerate(order):
        highest = min(1.0, max(highest, float(flat[row] * (len(flat) - step))))
        assert math.isclose(found.reshape(-1)[row], highest, rel_tol=1e-12)
    assert found.shape == np.shape(p)


@settings(quick, max_examples=150)
@given(KEYS, SAMPLE, ANY_SAMPLE, st.sampled_from(["t", "wilcoxon", "sign_flip", "sign", None, 0]), LEVELS, COUNTS)
def test_comparisons_are_of_numbers_or_refused(key, one, other, test, level, num_resamples):
    table = {"one": {"ndcg": one}, "other": {"ndcg": other}}
    found = ours(lambda: statistics.compare(key, table, test=test, level=level, num_resamples=num_resamples))
    if isinstance(found, ValueError):
        return
    (row,) = found
    difference = np.array(one) - np.asarray(other, np.float64)
    assert math.isclose(row.difference, difference.mean(), abs_tol=1e-12)
    assert 0 < row.p <= 1 or (row.p == 0 and test == "t")
    assert row.p == row.p_holm
    reach = 1e-5 * max(1.0, np.abs(difference).max())
    assert difference.min() - reach <= row.low <= row.high <= difference.max() + reach


@pytest.mark.slow
@settings(quick, max_examples=120)  # each answer is compiled
@given(KEYS, ANY_SAMPLE, LEVELS, COUNTS, st.sampled_from([7, 128, 0, None, 2.0]))
def test_resamples_of_anything_are_finite_or_refused(key, values, level, num_resamples, block_size):
    sizes = {"num_resamples": num_resamples, "block_size": block_size}
    found = ours(lambda: statistics.bootstrap(key, values, level=level, **sizes))
    if not isinstance(found, ValueError):
        numbers = np.asarray(values, np.float32)
        reach = 1e-5 * max(1.0, float(np.abs(numbers).max()))
        assert all(end.dtype == jnp.float32 for end in found)
        assert numbers.min() - reach <= float(found.low) <= float(found.high) <= numbers.max() + reach
    p = ours(
        lambda: statistics.sign_flip(key if isinstance(found, ValueError) else jax.random.clone(key), values, **sizes)
    )
    if not isinstance(p, ValueError):
        assert 1 / (RESAMPLES + 1) - 1e-6 <= float(p) <= 1


@jax.jit
def traced(key, values):
    key_interval, key_test = jax.random.split(key)
    found = statistics.bootstrap(key_interval, values, num_resamples=RESAMPLES)
    return found, statistics.sign_flip(key_test, values, num_resamples=RESAMPLES)


@quick
@given(
    st.integers(0, 9),
    drawn_arrays.arrays(np.float32, USERS, elements=st.floats(-64, 64, width=32) | st.just(math.nan)),
)
def test_nan_stays_nan_inside_jit(seed, values):
    interval, p = traced(jax.random.key(seed), values)
    if np.isnan(values).any():
        assert math.isnan(p)
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)
    else:
        assert 0 < p <= 1
        assert interval.low <= interval.high


@quick
@given(
    st.one_of(
        drawn_arrays.arrays(np.float64, (3, 4), elements=st.floats(-10, 10)),
        drawn_arrays.arrays(np.float64, (3, 4), elements=st.floats()),
        ANY_SAMPLE,
    ),
    LEVELS,
)
def test_components_are_those_of_loops_or_refused(values, level):
    found = ours(lambda: statistics.components(values, level=level))
    if isinstance(found, ValueError):
        return
    values = np.asarray(values, np.float64)
    assert np.isfinite([*found[:5], *found.over_seeds, *found.over_users, *found.over_both]).all()
    mean, scale = values.mean(), 1e-9 * max(1e-300, np.abs(values).max()) ** 2
    seeds, users = values.mean(1), values.mean(0)
    rest = sum((values[s, u] - seeds[s] - users[u] + mean) ** 2 for s in range(3) for u in range(4)) / 6
    of_seeds = 4 * sum((seed - mean) ** 2 for seed in seeds) / 2
    np.testing.assert_allclose(found.residual_variance, rest, rtol=1e-6, atol=scale)
    np.testing.assert_allclose(found.seed_variance, max(0.0, (of_seeds - rest) / 4), rtol=1e-6, atol=scale)
    for spread in (found.over_seeds, found.over_users, found.over_both):
        assert spread.low <= found.mean <= spread.high
