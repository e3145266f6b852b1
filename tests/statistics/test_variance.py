import numpy as np
import pytest
import scipy.stats

from mfjax import statistics


def simulate(rng, seeds, users, seed_sd, user_sd, residual_sd):
    seed, user = rng.normal(0, seed_sd, (seeds, 1)), rng.normal(0, user_sd, (1, users))
    return 0.3 + seed + user + rng.normal(0, residual_sd, (seeds, users))


def test_components_are_recovered():
    rng = np.random.default_rng(16)
    found = [statistics.components(simulate(rng, 8, 60, 0.05, 0.3, 0.1)) for _ in range(300)]
    estimates = np.array([(x.seed_variance, x.user_variance, x.residual_variance) for x in found])
    np.testing.assert_allclose(estimates.mean(0), [0.05**2, 0.3**2, 0.1**2], rtol=0.06)
    seed_means = np.mean([x.variance_of_seed_means for x in found])
    np.testing.assert_allclose(seed_means, 0.05**2 + 0.1**2 / 60, rtol=0.06)


def test_intervals_over_one_source_are_those_of_its_means():
    values = simulate(np.random.default_rng(17), 5, 40, 0.05, 0.3, 0.1)
    found = statistics.components(values, level=0.9)
    for spread, means in ((found.over_seeds, values.mean(1)), (found.over_users, values.mean(0))):
        peer = scipy.stats.ttest_1samp(means, 0).confidence_interval(0.9)
        np.testing.assert_allclose([spread.low, spread.high], peer, rtol=1e-9)


def test_only_the_interval_over_both_covers_a_new_draw_of_both():
    rng = np.random.default_rng(18)
    found = [statistics.components(simulate(rng, 6, 50, 0.05, 0.3, 0.1)) for _ in range(1000)]
    covered = {
        name: np.mean([getattr(x, name).low <= 0.3 <= getattr(x, name).high for x in found])
        for name in ("over_seeds", "over_users", "over_both")
    }
    assert covered["over_seeds"] < covered["over_users"] < 0.93 <= covered["over_both"] <= 0.97


def test_values_without_spread():
    found = statistics.components(np.ones((3, 4)))
    assert found.over_both == (1, 1, 0) and found.seed_variance == found.user_variance == 0


def test_bad_shape_is_named():
    with pytest.raises(ValueError, match=r"values: shape \(1, 5\)"):
        statistics.components(np.ones((1, 5)))


@pytest.mark.parametrize(
    ("values", "level", "message"),
    [
        ([[1.0, 2.0], [3.0, float("nan")]], 0.95, "values: number 3 is nan, not finite"),
        ([[1.0, 2.0], [3.0, 1e200]], 0.95, r"values: 1e\+200 is not a finite number"),
        ([["a", "b"], ["c", "d"]], 0.95, "values: .* holds no real numbers"),
        ([[1.0, 2.0], [3.0, 4.0]], 95, "level: 95"),
        ([[1.0, 2.0], [3.0, 4.0]], 0.0, "level: 0"),
    ],
)
def test_bad_values_and_levels_are_named(values, level, message):
    with pytest.raises(ValueError, match=message):
        statistics.components(values, level=level)
