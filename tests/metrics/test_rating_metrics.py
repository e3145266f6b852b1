import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.metrics.ratings import inverse_popularity, mae, rmse, sign_accuracy, weighted_rmse


@pytest.fixture
def ratings():
    rng = np.random.default_rng(4)
    return rng.normal(3, 1, 50).astype(np.float32), rng.integers(1, 6, 50).astype(np.float32), rng.random(50) < 0.7


def test_errors_are_over_the_mask(ratings):
    predictions, truth, mask = ratings
    weights = np.random.default_rng(5).random(50).astype(np.float32)
    error = (predictions - truth)[mask]
    assert np.isclose(rmse(predictions, truth, mask), np.sqrt((error**2).mean()))
    assert np.isclose(mae(predictions, truth, mask), np.abs(error).mean())
    expected = np.sqrt((weights[mask] * error**2).sum() / weights[mask].sum())
    assert np.isclose(weighted_rmse(predictions, truth, weights, mask), expected)
    assert np.isclose(rmse(predictions, truth), np.sqrt(((predictions - truth) ** 2).mean()))


def test_masked_entries_may_be_anything_and_an_empty_mask_is_zero(ratings):
    predictions, truth, mask = (jnp.asarray(x) for x in ratings)
    broken = jnp.where(mask, predictions, jnp.nan)
    for metric in (rmse, mae, sign_accuracy):
        assert metric(broken, truth, mask) == metric(predictions, truth, mask)
        assert metric(predictions, truth, jnp.zeros_like(mask)) == 0
    ones = jnp.ones_like(predictions)
    weighted = weighted_rmse(broken, truth, ones, mask)
    np.testing.assert_allclose(weighted, rmse(predictions, truth, mask), rtol=1e-6)
    gradient = jax.grad(weighted_rmse)(predictions, truth, ones, mask)
    assert bool(jnp.isfinite(gradient).all())


def test_an_item_without_train_ratings_weighs_nothing_unless_told():
    """With the published guard 1 / (0 + 1e-8) such items alone decide the value, whatever the model."""
    counts, items = jnp.array([4, 0]), jnp.array([0, 0, 1])
    predictions, truth = jnp.array([3.0, 4.0, 0.0]), jnp.array([4.0, 4.0, 3.0])

    def value(unrated):
        weights = inverse_popularity(counts, unrated=unrated)[items]
        return float(weighted_rmse(predictions, truth, weights))

    assert np.isclose(value(0.0), np.sqrt(1 / 2))
    assert np.isclose(value(1.0), np.sqrt((1 / 4 + 9) / (1 / 4 + 1 / 4 + 1)))
    assert np.isclose(value(1e8), 3)


@pytest.mark.parametrize(("zero", "expected"), [("positive", 2 / 3), ("negative", 2 / 3), ("wrong", 1 / 3)])
def test_sign_accuracy_says_what_zero_means(zero, expected):
    accuracy = sign_accuracy(jnp.array([0.0, 0.0, -1.0]), jnp.array([1.0, -1.0, -1.0]), zero=zero)
    assert np.isclose(accuracy, expected)
