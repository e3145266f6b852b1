"""Predicted ratings: biased objectives against loops and cmfrec, parts of one shape, several tests in one study."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, histories, recommend
from mfjax.als import objectives
from mfjax.baselines.ratings import user_item_bias
from mfjax.data import splits
from mfjax.histories.parts import Whole
from mfjax.recommend import model
from mfjax.studies import MODELS, protocols, run
from mfjax.studies.judging import predict
from mfjax.studies.tasks import part_task
from mfjax.types import Factors, Interactions
from tests.studies.made_up import ratings

NUM_USERS, NUM_ITEMS, DIM = 17, 11, 3
half_step = jax.jit(als.half_step, static_argnames="by")


@pytest.fixture(scope="module")
def pairs() -> Interactions:
    """Random ratings 1..5; the last user and the last item have none."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((NUM_USERS - 1, NUM_ITEMS - 1)) < 0.4)
    values = rng.integers(1, 6, len(users)).astype(np.float32)
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, NUM_USERS, NUM_ITEMS)


def biased_rows(pairs, state: als.State, config: als.Config, weights: np.ndarray, mean: float) -> np.ndarray:
    """Return (b_u, u) of every user by one dense least-squares system each: features [1, v] on r - mean - b_i."""
    items, item_biases = np.asarray(state.items[:, 2:], np.float64), np.asarray(state.items[:, 1], np.float64)
    rows = np.zeros((NUM_USERS, 1 + DIM))
    for user in range(NUM_USERS):
        mine = np.flatnonzero(pairs.users == user)
        if len(mine) == 0:
            continue
        features = np.concatenate([np.ones((len(mine), 1)), items[pairs.items[mine]]], axis=1)
        target = pairs.values[mine] - mean - item_biases[pairs.items[mine]]
        strength = len(mine) ** config.reg_exponent
        ridge = strength * np.diag([config.bias_reg] + [config.reg] * DIM)
        weighted = features * weights[mine][:, None]
        rows[user] = np.linalg.solve(features.T @ weighted + ridge, weighted.T @ target)
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(("weighted", "solver"), [(False, "cholesky"), (True, "conjugate_gradient")])
def test_biased_half_step_equals_loops_and_leaves_no_gradient(weighted, solver, pairs):
    mean = float(pairs.values.mean())
    counts = pairs.item_counts()[pairs.items]
    objective = objectives.popularity_weighted(offset=mean) if weighted else objectives.explicit(offset=mean)
    config = als.Config(
        objective=objective, reg=0.4, bias_reg=0.7, reg_exponent=0.5, dim=DIM, biases=True, init_scale=1.0,
        solver=solver, cg_steps=40, cg_tolerance=1e-7,
    )  # fmt: skip
    data = histories.build(pairs, chunk_entries=16, width=2)
    state = als.init(jax.random.key(0), config, num_users=NUM_USERS, num_items=NUM_ITEMS)
    # Item biases that are not 0, so that a row has to subtract them.
    state = state._replace(items=half_step(state.items, state.users, data.items, config, by="item"))
    users = half_step(state.users, state.items, data.users, config, by="user")
    expected = biased_rows(pairs, state, config, 0.1 + 1 / counts if weighted else np.ones(len(pairs)), mean)
    np.testing.assert_allclose(users[:, 0], expected[:, 0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(users[:, 2:], expected[:, 1:], rtol=1e-3, atol=1e-4)

    gradient = jax.jit(jax.grad(lambda table: als.loss(state._replace(users=table), data, config)))
    free = jnp.array([1.0, 0.0] + [1.0] * DIM)
    left, before = (jnp.max(jnp.abs(gradient(table) * free[None])) for table in (users, state.users))
    assert float(left) < 1e-4 * float(before)


def planted_ratings() -> tuple[Interactions, Interactions]:
    """Return train and test ratings of two factors, both biases, a mean of 3 and noise of .3."""
    rng = np.random.default_rng(1)
    num_users, num_items = 120, 80
    scores = 0.5 * rng.normal(size=(num_users, 2)) @ rng.normal(size=(2, num_items))
    scores += 3 + 0.5 * rng.normal(size=(num_users, 1)) + 0.5 * rng.normal(size=num_items)
    scores += 0.3 * rng.normal(size=scores.shape)
    users, items = np.nonzero(rng.random(scores.shape) < 0.3)
    whole = Interactions(
        users.astype(np.int32), items.astype(np.int32), scores[users, items].astype(np.float32), num_users, num_items
    )
    split = splits.random_split(jax.random.key(0), whole, test=0.25)
    return split.train, split.test


def rmse(factors: Factors, ratings: Interactions) -> float:
    return float(np.sqrt(np.mean((predict(factors, ratings) - ratings.values) ** 2)))


@pytest.mark.slow
def test_biased_als_equals_cmfrec():
    cmfrec = pytest.importorskip("cmfrec", reason="the library cmfrec is in the extra `peers`")
    pandas = pytest.importorskip("pandas")
    train, test = planted_ratings()
    peer = cmfrec.CMF(
        k=2, lambda_=2.0, method="als", use_cg=False, user_bias=True, item_bias=True, niter=40, nthreads=1,
        verbose=False, random_state=1, precompute_for_predictions=False,
    )  # fmt: skip
    peer.fit(pandas.DataFrame({"UserId": train.users, "ItemId": train.items, "Rating": train.values}))
    config = als.Config(
        objective=objectives.explicit(offset=float(train.values.mean())),
        reg=2.0, bias_reg=2.0, reg_exponent=0.0, dim=2, biases=True, init_scale=1.0,
    )  # fmt: skip
    ours = als.factors(als.fit(jax.random.key(0), histories.build(train), config, num_steps=40), config)
    np.testing.assert_allclose(
        predict(ours, test),
        recommend.score(ours, jnp.asarray(test.users), jnp.asarray(test.items)),
        rtol=1e-5,
    )
    for part in (train, test):
        theirs = float(np.sqrt(np.mean((peer.predict(part.users, part.items) - part.values) ** 2)))
        assert abs(rmse(ours, part) - theirs) < 0.005
    assert rmse(ours, test) < rmse(user_item_bias(train), test) - 0.1


@pytest.mark.slow
def test_histories_of_a_part_give_the_model_of_its_ratings_alone(pairs):
    whole = Whole(pairs)
    kept, rest = (whole.numbered.select(of) for of in (pairs.users != 3, pairs.users == 3))
    task = part_task(whole, kept, rest)
    assert len(task.train) == (pairs.users != 3).sum()
    config = als.Config(objective=objectives.explicit(), reg=0.4, reg_exponent=0.5, dim=DIM, init_scale=1.0)
    masked = als.fit(jax.random.key(0), task.histories, config, num_steps=3)
    alone = als.fit(jax.random.key(0), histories.build(task.train), config, num_steps=3)
    np.testing.assert_allclose(masked.users, alone.users, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(masked.items, alone.items, rtol=1e-4, atol=1e-5)
    assert float(jnp.abs(masked.users[3]).max()) == 0.0


@pytest.mark.slow
def test_a_biased_model_predicts_from_raw_ids(pairs):
    """One pair, a batch, unknown ids by bias or as an error, and clipping."""
    mean = float(pairs.values.mean())
    config = als.Config(objective=objectives.explicit(offset=mean), reg=1.0, bias_reg=1.0, dim=2, biases=True)

    def learn(interactions: Interactions) -> Factors:
        return als.factors(als.fit(jax.random.key(0), histories.build(interactions), config, num_steps=2), config)

    users, items = [f"user {u}" for u in pairs.users], pairs.items + 100
    fitted = model.fit(users, items, pairs.values, learn)
    found = fitted.predict_batch([*users[:3], "nobody"], [*items[:3], items[0]], unknown="bias")
    assert found.num_unknown_users == 1
    np.testing.assert_allclose(found.values[0], fitted.predict(users[0], items[0]), rtol=1e-6)
    assert fitted.factors.item_biases is not None
    bias_only = mean + float(fitted.factors.item_biases[fitted.item_vocabulary.encode(items[0])])
    np.testing.assert_allclose(found.values[3], bias_only, rtol=1e-5)
    with pytest.raises(ValueError, match=r"'nobody'.* is unknown"):
        fitted.predict("nobody", int(items[0]))
    extreme = replace(fitted, learned=fitted.factors._replace(offset=jnp.float32(9.0)))
    assert extreme.predict(users[0], int(items[0]), clip=True) == 5.0
    assert 0 < fitted.rmse(users, items, pairs.values) < 2


def test_a_study_of_several_tests_has_the_measures_of_each():
    whole = ratings()
    late = [replace(task, test="late") for task in protocols.leave_last(whole, test=2).test]
    folds = [replace(task, test="folds") for task in protocols.folds(whole, jax.random.key(0), k=3).test]
    # One user is judged by folds alone.
    late = [replace(task, hidden=task.hidden.select(task.hidden.users != 3)) for task in late]
    asked = {"models": ["item-bias"], "sweep": {"item-bias": {"reg": [1, 5]}}, "metrics": ("rmse", "known-mae")}
    found = run([*late, *folds], **asked)
    assert found.measures == ("rmse@late", "mae@late-known", "rmse@folds", "mae@folds-known")
    apart = [run([replace(task, test="") for task in tasks], **asked) for tasks in (late, folds)]
    np.testing.assert_allclose(found.means(), np.concatenate([one.means() for one in apart], axis=-1), rtol=1e-12)
    for name, one in (("train-rmse@late", apart[0]), ("train-rmse@folds", apart[1])):
        np.testing.assert_array_equal(found.pooled[name], one.pooled["train-rmse"])
    rows = {(row.model, row.metric): row for row in found.rows(resamples=50)}
    for alone in apart[0].rows(resamples=50):
        row = rows[alone.model, {"known-mae": "mae@late-known"}.get(alone.metric, f"{alone.metric}@late")]
        np.testing.assert_allclose([row.mean, row.low, row.high], [alone.mean, alone.low, alone.high])
    assert found.best("rmse@folds") == apart[1].best("rmse")
    # Every measure over its own users, and one Holm family.
    compared = found.compare(["rmse@late", "rmse@folds"], resamples=50)
    for row, one in zip(compared, apart, strict=True):
        (alone,) = one.compare("rmse", resamples=50)
        assert (row.difference, row.p) == pytest.approx((alone.difference, alone.p))
        assert row.p_holm >= row.p
    part = found.only(measures=["mae@folds-known"])
    np.testing.assert_array_equal(part.means()[..., 0], found.means()[..., 3])


def test_the_errors_are_those_of_predictions_by_hand():
    (task,) = protocols.leave_last(ratings(), test=2).test
    found = run([task], "item-bias", metrics=("rmse", "known-rmse"), clip=False)
    errors = predict(MODELS["item-bias"].fit(jax.random.key(0), task, {"reg": 5.0}), task.hidden) - task.hidden.values
    known = task.train.item_counts()[task.hidden.items] > 0
    wanted = [np.sqrt(np.mean(errors**2)), np.sqrt(np.mean(errors[known] ** 2))]
    np.testing.assert_allclose(found.means()[0, 0], wanted, rtol=1e-6)
