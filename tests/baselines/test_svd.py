"""The randomised SVD against scipy's, and as a rating model."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from mfjax import histories
from mfjax.baselines import svd
from mfjax.types import Interactions

NUM_USERS, NUM_ITEMS = 40, 30
decompose = jax.jit(svd.decompose, static_argnames=("dim", "missing", "oversampling", "num_iterations"))


@pytest.fixture(scope="module")
def ratings() -> Interactions:
    """Random ratings 1..5; the last user and the last item have none."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((NUM_USERS - 1, NUM_ITEMS - 1)) < 0.4)
    values = rng.integers(1, 6, len(users)).astype(np.float32)
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, NUM_USERS, NUM_ITEMS)


@pytest.fixture(scope="module")
def data(ratings) -> histories.Histories:
    return histories.build(ratings, chunk_entries=128, width=4)


def centred(ratings: Interactions, missing: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the dense X of the module's formula, and m."""
    dense = np.zeros((NUM_USERS, NUM_ITEMS))
    dense[ratings.users, ratings.items] = ratings.values
    means = np.full(NUM_USERS, ratings.values.mean())
    for user in range(NUM_USERS - 1):
        means[user] = dense[user][dense[user] > 0].mean()
    if missing == "zero":
        return dense - means[:, None], means
    return np.where(dense > 0, dense - means[:, None], 0.0), means


@pytest.mark.parametrize(
    ("missing", "layout"),
    # The second layout has histories too long for a common chunk.
    [("mean", {"chunk_entries": 128, "width": 4}), ("zero", {"chunk_entries": 8, "width": 2})],
)
def test_triplets_equal_scipy(missing, layout, ratings, key):
    data = histories.build(ratings, **layout)
    dense, means = centred(ratings, missing)
    found = decompose(key, data, dim=4, missing=missing, num_iterations=50)
    users, values, items = scipy.sparse.linalg.svds(scipy.sparse.csr_array(dense), k=4)
    np.testing.assert_allclose(found.user_means, means, rtol=1e-5)
    np.testing.assert_allclose(found.singular_values, values[::-1], rtol=1e-4)
    product = (found.users * found.singular_values[None]) @ found.items.T
    np.testing.assert_allclose(product, (users * values) @ items, atol=5e-3)
    np.testing.assert_allclose(found.items.T @ found.items, np.eye(4), atol=1e-5)


def test_factors_predict_mean_plus_product(data, key):
    found = decompose(jax.random.clone(key), data, dim=4)
    model = svd.fit(key, data, dim=4)
    assert model.user_biases is not None
    product = (found.users * found.singular_values[None]) @ found.items.T
    np.testing.assert_allclose(model.users @ model.items.T, product, atol=1e-5)
    np.testing.assert_array_equal(model.user_biases, found.user_means)
    # A user or item without ratings is predicted by the mean alone.
    np.testing.assert_allclose(product[-1], 0.0, atol=1e-5)
    np.testing.assert_allclose(product[:, -1], 0.0, atol=1e-5)
    assert svd.factors(found, dim=2).users.shape == (NUM_USERS, 2)


def test_same_key_same_bits_and_vmap(data, key):
    one, other = (decompose(jax.random.clone(key), data, dim=4) for _ in range(2))
    np.testing.assert_array_equal(one.items, other.items)
    both = jax.jit(jax.vmap(lambda k: svd.decompose(k, data, dim=4).singular_values))(jax.random.split(key))
    np.testing.assert_allclose(both[1], one.singular_values, rtol=1e-2)


def test_singular_values_of_real_ratings_equal_scipy(data_dir, key):
    from mfjax.data import datasets

    ratings = datasets.load("ml-100k", data_dir).interactions
    found = decompose(key, histories.build(ratings), dim=10, num_iterations=15)
    means = np.bincount(ratings.users, ratings.values) / ratings.user_counts()
    matrix = scipy.sparse.coo_array((ratings.values - means[ratings.users], (ratings.users, ratings.items))).tocsr()
    values = scipy.sparse.linalg.svds(matrix, k=10, return_singular_vectors=False)
    np.testing.assert_allclose(found.singular_values, np.sort(values)[::-1], rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "dim: 0 is not a whole number from 1 to 30"),
        ({"dim": 31}, "dim: 31 is not a whole number from 1 to 30; pass the number"),
        ({"dim": 2, "num_iterations": 0}, "num_iterations: 0 is not a whole number of at least 1"),
        ({"dim": 2, "missing": "median"}, "missing: 'median' is unknown; pass 'mean' or 'zero'"),
    ],
)
def test_bad_arguments_name_the_remedy(options, message, data, key):
    with pytest.raises(ValueError, match=message):
        svd.fit(key, data, **options)


def test_the_same_start_under_x64(data, key):
    single = svd.fit(jax.random.clone(key), data, dim=3)
    with jax.enable_x64(True):
        double = svd.fit(jax.random.clone(key), data, dim=3)
    one, other = (np.asarray(model.users) @ np.asarray(model.items).T for model in (single, double))
    np.testing.assert_allclose(one, other, atol=1e-3)
