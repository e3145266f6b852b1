"""The ingredients of discounted cumulative gain, against sums written out."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.metrics import discounts


@pytest.mark.parametrize(
    ("gain", "expected"), [("binary", [0, 1, 1]), ("linear", [0, 1, 3]), ("exponential", [0, 1, 7])]
)
def test_gains(gain, expected):
    np.testing.assert_allclose(discounts.gains(jnp.array([0.0, 1.0, 3.0]), gain), expected, rtol=1e-15)


def test_discount_sums_add_up_position_by_position():
    sums = discounts.discount_sums(50)
    for m in range(51):
        assert sums[m] == pytest.approx(sum(1 / np.log2(p + 1) for p in range(1, m + 1)), rel=1e-12)


@pytest.mark.parametrize("k", [1, 10, 10_000])
def test_mean_discounts_of_groups_that_cross_the_cutoff_or_lie_beyond_it(k):
    first, sizes = np.array([1, 1, 5, k, k, k + 1, 2**31 - 1]), np.array([1, 7, 3, 1, 4, 2, 1])
    found = discounts.mean_discounts(jnp.asarray(first, jnp.int32), jnp.asarray(sizes, jnp.int32), k)
    for one, size, mean in zip(first, sizes, found, strict=True):
        positions = range(one, min(one + size - 1, k) + 1)
        assert float(mean) == pytest.approx(sum(1 / np.log2(p + 1) for p in positions) / size, rel=1e-5)
