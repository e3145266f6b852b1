"""`largest` against a stable numpy sort: ties, infinities, sizes around the group width."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mfjax import recommend
from mfjax.recommend import selection

RNG = np.random.default_rng(0)


def expected(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    columns = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, columns, axis=1), columns


@pytest.mark.parametrize("num_columns", [1, 5, 64, 65, 200])
def test_equals_a_stable_sort_with_ties(num_columns):
    scores = RNG.integers(0, 6, size=(17, num_columns)).astype(np.float32)
    scores[0, 0] = np.inf
    k = min(10, num_columns)
    values, columns = jax.jit(recommend.largest, static_argnames="k")(scores, k=k)
    np.testing.assert_array_equal(values, expected(scores, k)[0])
    np.testing.assert_array_equal(columns, expected(scores, k)[1])
    assert columns.dtype == jnp.int32


def test_both_ways_agree_with_top_k():
    scores = jnp.asarray(RNG.normal(size=(9, 300)).astype(np.float32))
    for k in (selection._PEEL_AT_MOST, selection._PEEL_AT_MOST + 1):
        for found, wanted in zip(recommend.largest(scores, k), lax.top_k(scores, k), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_minus_infinity_comes_last_and_nan_is_not_hidden():
    scores = jnp.array([[-jnp.inf, 1.0, -jnp.inf], [0.0, jnp.nan, 2.0]])
    values, columns = recommend.largest(scores, 3)
    assert values[0].tolist() == [1.0, -jnp.inf, -jnp.inf]
    assert columns[0, 0] == 1
    assert jnp.isnan(values[1]).all()


def test_works_under_vmap_and_grad():
    scores = jnp.asarray(RNG.normal(size=(3, 4, 70)).astype(np.float32))
    total = jax.jit(jax.vmap(jax.value_and_grad(lambda block: recommend.largest(block, 5)[0].sum())))
    sums, gradients = total(scores)
    kth = np.sort(scores, axis=2)[:, :, -5:]
    np.testing.assert_allclose(sums, kth.sum(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(gradients, scores >= kth[:, :, :1])
