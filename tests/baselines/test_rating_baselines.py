"""Rating baselines: closed forms, the optimum of the quadratic they alternate on, and the published split."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import recommend
from mfjax.baselines.ratings import global_mean, item_bias, user_item_bias
from mfjax.types import Interactions


@pytest.fixture(scope="module")
def ratings() -> Interactions:
    rng = np.random.default_rng(0)
    pairs = np.argwhere(rng.random((12, 9)) < 0.5).astype(np.int32)
    values = rng.integers(1, 6, len(pairs)).astype(np.float32)
    return Interactions(pairs[:, 0], pairs[:, 1], values, num_users=13, num_items=10)  # one user, one item unseen


def predictions(factors, data: Interactions) -> np.ndarray:
    return np.asarray(recommend.score(factors, jnp.asarray(data.users), jnp.asarray(data.items)))


def test_global_mean_and_item_means(ratings):
    mean = ratings.values.mean()
    np.testing.assert_allclose(predictions(global_mean(ratings), ratings), mean, rtol=1e-6)
    factors = item_bias(ratings)
    wanted = [ratings.values[ratings.items == item].mean() for item in ratings.items]
    np.testing.assert_allclose(predictions(factors, ratings), wanted, rtol=1e-6)
    assert recommend.score(factors, jnp.array([12]), jnp.array([9]))[0] == pytest.approx(mean)


def test_item_bias_shrinks_by_count(ratings):
    plain, shrunken = (item_bias(ratings, reg=reg).item_biases for reg in (0.0, 3.0))
    counts = ratings.item_counts()
    np.testing.assert_allclose(shrunken, plain * counts / (counts + 3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("reg", "reg_exponent"), [(2.0, 0.0), (1.0, 0.5), (0.3, 1.0)])
def test_user_and_item_biases_solve_the_joint_ridge_regression(ratings, reg, reg_exponent):
    counts = np.concatenate([ratings.user_counts(), ratings.item_counts()])
    design = np.zeros((len(ratings), 23))
    design[np.arange(len(ratings)), ratings.users] = 1
    design[np.arange(len(ratings)), 13 + ratings.items] = 1
    seen = counts > 0
    normal = design.T @ design + np.diag(np.where(seen, reg * np.maximum(counts, 1.0) ** reg_exponent, 1.0))
    wanted = np.linalg.solve(normal, design.T @ (ratings.values - ratings.values.mean()))
    factors = user_item_bias(ratings, reg=reg, reg_exponent=reg_exponent, num_iterations=100)
    np.testing.assert_allclose(factors.user_biases, wanted[:13], atol=1e-4)
    np.testing.assert_allclose(factors.item_biases, wanted[13:], atol=1e-4)
    assert factors.user_biases[12] == factors.item_biases[9] == 0


def test_reg_is_traced(ratings):
    fit = jax.jit(jax.vmap(lambda reg: user_item_bias(ratings, reg=reg).item_biases))
    single = user_item_bias(ratings, reg=2.0).item_biases
    np.testing.assert_allclose(fit(jnp.array([0.5, 2.0]))[1], single, rtol=1e-5, atol=1e-6)


def test_no_ratings_are_an_error():
    none = Interactions(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), 2, 2)
    for fit in (global_mean, item_bias, user_item_bias):
        with pytest.raises(ValueError, match="interactions: there are none"):
            fit(none)


def test_published_time_split_of_movielens_100k(data_dir):
    rows = np.loadtxt(data_dir / "ml-100k" / "u.data", dtype=np.int64)
    rows = rows[np.argsort(rows[:, 3], kind="stable")]
    users, items = (rows[:, :2] - 1).T.astype(np.int32)
    everything = Interactions(users, items, rows[:, 2].astype(np.float32), 943, 1682)
    first = np.arange(100_000) < 80_000
    train = everything.select(first)
    test = everything.select(~first & (train.user_counts()[users] >= 10))
    known = test.select(train.item_counts()[test.items] > 0)
    assert (len(test), len(known)) == (2875, 2786)

    def rmse(factors, data: Interactions) -> float:
        return float(np.sqrt(np.mean((predictions(factors, data) - data.values) ** 2)))

    mean, item = global_mean(train), item_bias(train)
    assert rmse(mean, train) == pytest.approx(1.12741, abs=1e-5)
    assert rmse(mean, test) == pytest.approx(1.12710, abs=1e-5)
    assert rmse(item, train) == pytest.approx(0.995549, abs=1e-4)  # published; equal times at the cut move it
    assert rmse(item, test) == pytest.approx(1.02921, abs=1e-5)
    assert rmse(user_item_bias(train, reg=0.5), known) < 0.981


def test_the_same_under_x64(ratings):
    for fit in (global_mean, item_bias, user_item_bias):
        single = fit(ratings)
        with jax.enable_x64(True):
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), single, fit(ratings))


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.nan, {}, "values: nan is not a finite number"),
        (1.0, {"reg": -1.0}, "reg: -1.0 is not a finite number of at least 0"),
        (1.0, {"reg_exponent": np.inf}, "reg_exponent: inf"),
        (1.0, {"num_iterations": 0}, "num_iterations: 0"),
    ],
)
def test_bad_arguments_are_refused(ratings, values, options, message):
    with pytest.raises(ValueError, match=message):
        user_item_bias(ratings.with_values(values), **options)
