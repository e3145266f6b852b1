"""Explicit feedback as a whole: biased objectives against loops and cmfrec, and the published table on real data."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.explicit_ml100k.models import BiasedSetting, fit_biased
from experiments.explicit_ml100k.peers import surprise_svd
from mfjax import als, histories, recommend
from mfjax.als import objectives
from mfjax.baselines.ratings import user_item_bias
from mfjax.data import datasets, splits
from mfjax.recommend import model
from mfjax.studies.rating_models import predict
from mfjax.studies.rating_task import Cuts, time_split
from mfjax.types import Factors, Interactions

pytestmark = pytest.mark.slow

NUM_USERS, NUM_ITEMS, DIM = 17, 11, 3
half_step = jax.jit(als.half_step, static_argnames="by")
loss = jax.jit(als.loss)


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
    return float(np.sqrt(np.mean((predict(factors, ratings, clip=None) - ratings.values) ** 2)))


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
        predict(ours, test, clip=None),
        recommend.score(ours, jnp.asarray(test.users), jnp.asarray(test.items)),
        rtol=1e-5,
    )
    for part in (train, test):
        theirs = float(np.sqrt(np.mean((peer.predict(part.users, part.items) - part.values) ** 2)))
        assert abs(rmse(ours, part) - theirs) < 0.005
    assert rmse(ours, test) < rmse(user_item_bias(train), test) - 0.1


def test_histories_of_a_cut_give_the_model_of_its_ratings_alone(pairs):
    cuts = Cuts(pairs)
    cut = cuts.of(cuts.numbered.select(pairs.users != 3))
    assert len(cut.ratings) == (pairs.users != 3).sum()
    config = als.Config(objective=objectives.explicit(), reg=0.4, reg_exponent=0.5, dim=DIM, init_scale=1.0)
    masked = als.fit(jax.random.key(0), cut.histories, config, num_steps=3)
    alone = als.fit(jax.random.key(0), histories.build(cut.ratings), config, num_steps=3)
    np.testing.assert_allclose(masked.users, alone.users, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(masked.items, alone.items, rtol=1e-4, atol=1e-5)
    assert float(jnp.abs(masked.users[3]).max()) == 0.0


def test_a_biased_model_predicts_from_raw_ids(pairs):
    """One pair, a batch, unknown ids by bias or as an error, and clipping."""
    mean = float(pairs.values.mean())
    config = BiasedSetting(2, 1.0, 1.0).config(mean)

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
    extreme = replace(fitted, factors=fitted.factors._replace(offset=jnp.float32(9.0)))
    assert extreme.predict(users[0], int(items[0]), clip=True) == 5.0
    assert 0 < fitted.rmse(users, items, pairs.values) < 2


@pytest.fixture(scope="module")
def task(data_dir):
    return time_split(datasets.load("ml-100k", data_dir).interactions)


def test_the_published_table(data_dir, task):
    from paper_repro import t3

    checks = [*t3.counts(task), *t3.rating_errors(task, [], [0]), *t3.weighted_errors(task)]
    assert [check.quantity for check in checks if not check.passed] == []


def test_biases_win_on_the_published_split(task):
    models = [fit_biased(jax.random.key(seed), task.train, BiasedSetting(5, 1.0, 1.0)) for seed in range(2)]
    errors = [np.clip(predict(each, task.tests["time-known"], clip=None), 1, 5) for each in models]
    errors = [np.sqrt(np.mean((each - task.tests["time-known"].values) ** 2)) for each in errors]
    # Surprise's SVD is published at .9774 there.
    assert np.mean(errors) < 0.96


def test_surprise_as_factors_predicts_what_surprise_predicts(pairs):
    surprise = pytest.importorskip("surprise", reason="scikit-surprise is in the extra `peers`")
    from mfjax.studies.rating_task import RatingTask

    cut = Cuts(pairs).of(Cuts(pairs).numbered)
    factors = surprise_svd(jax.random.key(0), RatingTask(cut, {}, cut, pairs))
    seed = int(splits.host_rng(jax.random.key(0)).integers(2**31))
    data = surprise.Dataset(surprise.Reader(rating_scale=(1, 5)))
    triples = zip(pairs.users.tolist(), pairs.items.tolist(), pairs.values.tolist(), strict=True)
    peer = surprise.SVD(random_state=seed).fit(data.construct_trainset([(*triple, None) for triple in triples]))
    expected = [
        peer.predict(user, item, clip=False).est
        for user, item in ((0, 0), (2, 3), (NUM_USERS - 1, 1), (1, NUM_ITEMS - 1))
    ]
    asked = Interactions(
        np.array([0, 2, NUM_USERS - 1, 1], np.int32), np.array([0, 3, 1, NUM_ITEMS - 1], np.int32),
        np.ones(4, np.float32), NUM_USERS, NUM_ITEMS,
    )  # fmt: skip
    np.testing.assert_allclose(predict(factors, asked, clip=None), expected, rtol=1e-5)
