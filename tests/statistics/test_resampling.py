import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax import lax

from mfjax import statistics


def test_resamples_are_multinomial_counts(key):
    """With the identity as values the resampled means are the counts themselves, over the number of users."""
    means = statistics.bootstrap_means(key, jnp.eye(7), num_resamples=4000)  # [users, resamples]
    counts = np.asarray(means) * 7
    np.testing.assert_allclose(counts.sum(0), 7, rtol=1e-6)
    drawn = counts.sum(1)
    assert scipy.stats.chisquare(drawn).pvalue > 0.01
    np.testing.assert_allclose(counts.var(1), 7 * (1 / 7) * (6 / 7), rtol=0.1)


def test_blocks_change_no_resample_and_rows_share_them(key):
    values = jax.random.uniform(jax.random.key(3), (2, 3, 50))
    one = statistics.bootstrap_means(key, values, num_resamples=30, block_size=7)
    other = statistics.bootstrap_means(key.copy(), values, num_resamples=30)
    assert one.shape == (2, 3, 30)
    np.testing.assert_allclose(one, other, rtol=1e-6)
    shifted = statistics.bootstrap_means(key.copy(), values + 1, num_resamples=30)
    np.testing.assert_allclose(shifted - other, 1, rtol=1e-5)


def test_the_ends_of_an_interval_of_equal_values_are_in_order():
    values = jnp.full(9, 7.798803, jnp.float32)
    found = jax.jit(lambda key: statistics.bootstrap(key, values, num_resamples=40))(jax.random.key(0))
    assert found.low <= found.high


def test_interval_agrees_with_scipy(key):
    values = np.random.default_rng(10).beta(0.5, 3, 400)
    found = statistics.bootstrap(key, jnp.asarray(values), num_resamples=5000)
    options = {"n_resamples": 5000, "method": "percentile", "random_state": 11}
    peer = scipy.stats.bootstrap((values,), np.mean, **options).confidence_interval
    # Two Monte Carlo quantiles: within a few hundredths of the interval's width.
    np.testing.assert_allclose([found.low, found.high], peer, atol=0.08 * (peer.high - peer.low))
    assert np.isclose(found.mean, values.mean())


@pytest.mark.slow
def test_the_95_percent_interval_covers_the_mean_93_to_97_percent_of_the_time(key):
    """700 samples of 150 users from a skewed distribution such as NDCG has."""
    key_samples, key_resamples = jax.random.split(key)
    samples = jax.random.beta(key_samples, 1.0, 3.0, (700, 150))  # mean 1/4

    @jax.jit
    def ends(keys, samples):
        found = lax.map(lambda sample: statistics.bootstrap(*sample, num_resamples=400), (keys, samples))
        return found.low, found.high

    low, high = ends(jax.random.split(key_resamples, len(samples)), samples)
    assert 0.93 <= np.mean((low <= 0.25) & (high >= 0.25)) <= 0.97


def test_sign_flip_agrees_with_all_sign_flips(key):
    rng = np.random.default_rng(12)
    differences = np.round(rng.normal(0.4, 1, (4, 10)), 1)
    p = statistics.sign_flip(key, jnp.asarray(differences), num_resamples=20_000)
    for row, found in zip(differences, p, strict=True):
        exact = scipy.stats.permutation_test((row,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
        assert abs(found - exact) < 4 * np.sqrt(exact * (1 - exact) / 20_000) + 1e-4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_or_stays_nan_inside_jit(bad, key):
    values = np.ones((2, 40), np.float32)
    values[1, 3] = bad
    with pytest.raises(ValueError, match=r"values: not finite in float32 at \(1, 3\); drop the users"):
        statistics.bootstrap(key, values, num_resamples=20)
    with pytest.raises(ValueError, match="differences: not finite in float32"):
        statistics.sign_flip(key, jnp.asarray(values), num_resamples=20)
    p = jax.jit(lambda key, x: statistics.sign_flip(key, x, num_resamples=20))(key, values)
    assert np.isfinite(p[0]) and np.isnan(p[1])
    found = jax.jit(lambda key, x: statistics.bootstrap(key, x, num_resamples=20))(key.copy(), values)
    assert np.isnan([found.mean[1], found.low[1], found.high[1]]).all() or bad == np.inf
    assert np.isfinite([found.mean[0], found.low[0], found.high[0]]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": 95}, r"level: 95\.0 is not a finite number above 0 and below 1; pass a share such as \.95"),
        ({"level": -1}, "level: -1"),
        ({"level": np.float32("nan")}, "level: nan"),
        ({"level": [0.9]}, r"level: shape \(1,\)"),
        ({"num_resamples": 0}, "num_resamples: 0 is not a whole number of at least 1"),
        ({"block_size": 0}, "block_size: 0 is not"),
        ({"values": []}, r"values: shape \(0,\) has no user"),
        ({"values": 3.0}, r"values: shape \(\) has no user"),
        ({"values": ["a"]}, "values: .* is no array of numbers"),
        ({"values": [1e39]}, "values: not finite in float32"),
        ({"key": 3}, "key: 3 is not a PRNG key"),
    ],
)
def test_bad_arguments_are_named(changes, message, key):
    with pytest.raises(ValueError, match=message):
        statistics.bootstrap(**{"key": key, "values": jnp.ones(3)} | changes)


def test_lists_and_whole_numbers_are_taken(key):
    one = statistics.bootstrap(key, [0, 1, 1, 0], num_resamples=50)
    other = statistics.bootstrap(key.copy(), jnp.array([0.0, 1.0, 1.0, 0.0]), num_resamples=50)
    assert one == other
