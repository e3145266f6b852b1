"""Every kind of model in its users' words: lists, pairs, newcomers, reasons and files, against slow numpy."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from mfjax import als, baselines, histories, recommend, saving
from mfjax.als import objectives
from mfjax.baselines import svd
from mfjax.data import from_arrays
from mfjax.recommend import model as models
from tests.recommend.test_newcomers import ITEMS, KNOWN, ratings

PAIRS = ratings(0, KNOWN, ITEMS)
CONFIG = als.Config(objective=objectives.ials(unobserved_weight=0.2), reg=0.1, dim=3, init_scale=1.0)
NEWCOMERS = {"new": {10: 2.0, 11: 5.0, 30: 4.0}, "newer": {20: 1.0, 12: 3.0}}


def factors():
    return als.factors(als.fit(jax.random.key(0), histories.build(PAIRS), CONFIG, num_steps=8), CONFIG)


def two_stages():
    stages = baselines.ease(PAIRS, reg=2.0), factors()
    scorer = recommend.two_stage.scorer(*stages, candidates=12, exclude=histories.ragged(PAIRS))
    return models.of(PAIRS, scorer, config=(None, CONFIG))


def by_svd(missing: svd.Missing):
    found = svd.fit(jax.random.key(0), histories.build(PAIRS), dim=3, missing=missing, num_iterations=60)
    return models.of(PAIRS, found, config=svd.Config(3, missing))


KINDS = {
    "ease": lambda: models.of(PAIRS, baselines.ease(PAIRS, reg=2.0)),
    "item-knn": lambda: models.of(PAIRS, baselines.item_knn(PAIRS, num_neighbours=5)),
    "item-knn-mean": lambda: models.of(PAIRS, baselines.item_knn_mean(PAIRS, num_neighbours=5)),
    "item-knn of lists": lambda: models.of(
        PAIRS, baselines.linear(baselines.nearest_items(PAIRS, 5), histories.ragged(PAIRS))
    ),
    "popularity": lambda: models.of(PAIRS, baselines.popularity(PAIRS.item_counts())),
    "item-bias": lambda: models.of(PAIRS, baselines.ratings.item_bias(PAIRS)),
    "svd": lambda: by_svd("mean"),
    "svd of zeros": lambda: by_svd("zero"),
    "als": lambda: models.of(PAIRS, factors(), config=CONFIG),
    "two stages": two_stages,
}
MADE: dict = {}


@pytest.fixture(params=KINDS)
def model(request):
    if request.param not in MADE:
        MADE[request.param] = KINDS[request.param]()
    return MADE[request.param]


def table_of(model) -> np.ndarray:
    return np.concatenate([scores for _, scores in model.score_all(block_size=7)])


def seen_of(model) -> np.ndarray:
    pairs = recommend.parts.pairs_of(model.seen)
    mask = np.zeros((pairs.num_users, pairs.num_items), bool)
    mask[pairs.users, pairs.items] = True
    return mask


def test_lists_and_pairs_are_those_of_all_scores(model):
    table, seen = table_of(model), seen_of(model)
    masked = np.where(seen, -np.inf, table)
    users, items = model.user_vocabulary.raw, model.item_vocabulary.raw
    found = model.recommend(pd.Series(users.tolist()), 4)
    for row, user in enumerate(users.tolist()):
        best = np.argsort(-masked[row], kind="stable")[:4]
        best = best[masked[row][best] > -np.inf]
        assert found[found.user == user].item.tolist() == items[best].tolist()
    asked = ITEMS[::7]
    found = model.recommend_for(pd.Series(asked), 3, candidates=users.tolist()[:15])
    for item in asked:
        column = masked[:15, model.item_vocabulary.encode([item])[0]]
        best = np.argsort(-column, kind="stable")[:3]
        best = best[column[best] > -np.inf]
        rows = found[found.item == item]
        assert rows.user.tolist() == users[best].tolist()
        np.testing.assert_allclose(rows.score, column[best], rtol=1e-5, atol=1e-6)
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, len(users), 30), rng.integers(0, len(items), 30)
    values = model.predict_batch(users[rows], items[columns]).values
    np.testing.assert_allclose(values, table[rows, columns], rtol=1e-5, atol=1e-5)


def test_a_file_keeps_the_kind_and_all_it_does(model, tmp_path):
    saving.save(tmp_path / "model", model)
    loaded = saving.load(tmp_path / "model")
    assert type(loaded.learned) is type(model.learned)
    assert type(loaded.config) is type(model.config)
    assert table_of(loaded).tobytes() == table_of(model).tobytes()
    grown, again = model.fold_in(NEWCOMERS), loaded.fold_in(NEWCOMERS)
    assert table_of(grown).tobytes() == table_of(again).tobytes()
    saving.save(tmp_path / "again", loaded)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_newcomers_leave_all_others_as_they_were(model):
    found = model.fold_in(NEWCOMERS)
    old = found.user_vocabulary.encode(model.user_vocabulary.raw)
    np.testing.assert_array_equal(table_of(found)[old], table_of(model))
    assert not set(found.recommend("new", 30)[0].tolist()) & {10, 11, 30}
    apart = model.fold_in({"new": NEWCOMERS["new"]}).fold_in({"newer": NEWCOMERS["newer"]})
    np.testing.assert_allclose(table_of(apart), table_of(found), rtol=1e-4, atol=1e-5)


def test_rows_of_newcomers_against_numpy():
    own = np.zeros(len(ITEMS))
    own[[0, 1, 20]] = 2.0, 5.0, 4.0
    scores = {}
    for name in KINDS:
        found = KINDS[name]().fold_in(NEWCOMERS)
        scores[name] = table_of(found)[found.user_vocabulary.encode(["new"])[0]]
    for name in ("ease", "item-knn", "item-knn of lists"):
        weights = KINDS[name]().learned.rows(np.arange(len(ITEMS)))
        np.testing.assert_allclose(scores[name], own @ weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(scores["popularity"], PAIRS.item_counts())
    for name, missing in (("svd", "mean"), ("svd of zeros", "zero")):
        items = np.asarray(by_svd(missing).learned.items, np.float64)
        basis, mean = items / np.linalg.norm(items, axis=0), 11 / 3
        centred = np.where(own > 0, own - mean, 0.0 if missing == "mean" else -mean)
        np.testing.assert_allclose(scores[name], mean + basis @ (basis.T @ centred), rtol=1e-4, atol=1e-4)
    retrieved = np.argsort(-np.where(own > 0, -np.inf, scores["ease"]), kind="stable")[:12]
    expected = np.full(len(ITEMS), -np.inf)
    expected[retrieved] = scores["als"][retrieved]
    np.testing.assert_allclose(scores["two stages"], expected, rtol=1e-4, atol=1e-5)


def test_a_fitted_row_of_an_svd_is_the_row_that_folding_in_gives():
    for missing in svd.MISSING:
        model = by_svd(missing)
        found = svd.fold_in(histories.ragged(PAIRS), model.learned, missing=missing)
        np.testing.assert_allclose(found.users, model.learned.users, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found.user_biases, model.learned.user_biases, rtol=1e-5)


def test_reasons_add_up(model):
    found = model.fold_in(NEWCOMERS)
    table = found.explain("new", pd.Series(ITEMS[:6]))
    scores = table_of(found)[found.user_vocabulary.encode(["new"])[0]]
    for item, rows in table.groupby("item"):
        assert rows.history.dropna().tolist() == [10, 11, 30]
        score = scores[model.item_vocabulary.encode([item])[0]]
        if score > -np.inf:  # two stages explain what the reranker says, of other items too
            assert rows.contribution.sum() == pytest.approx(score, rel=1e-3, abs=2e-4)


def test_updates_change_the_rows_of_those_users_alone(model):
    more = {"u00": {12: 4.0, 39: 5.0}, "eve": {10: 2.0, 12: 4.0}}
    found = model.update(more, drift=False)
    by_als = isinstance(model.config, als.Config)
    assert found.users.tolist() == ["eve", "u00"] and found.items.tolist() == ([10, 12, 39] if by_als else [])
    whole = table_of(found.model)
    others = [user for user in KNOWN if user != "u00"]
    if isinstance(model.learned, baselines.Popularity):
        assert whole.sum() == table_of(model).sum() / len(KNOWN) * (len(KNOWN) + 1) + len(whole) * (
            found.model.item_counts.sum() - len(PAIRS)
        )
    elif not isinstance(model.config, als.Config):
        now, before = found.model.user_vocabulary.encode(others), model.user_vocabulary.encode(others)
        np.testing.assert_array_equal(whole[now], table_of(model)[before])
    alone = model.fold_in({"eve": more["eve"]})
    if not isinstance(model.config, als.Config) and not isinstance(model.learned, baselines.Popularity):
        eve = table_of(alone)[alone.user_vocabulary.encode(["eve"])[0]]
        here = whole[found.model.user_vocabulary.encode(["eve"])[0]]
        np.testing.assert_allclose(here, eve, rtol=1e-4, atol=1e-4)
        with pytest.raises(ValueError, match="interactions: item 77 is unknown to the model; only ALS solves new"):
            model.update({"eve": [77]})


def test_neighbours_of_item_weights():
    model = KINDS["ease"]()
    weights = np.array(model.learned.weights)
    np.fill_diagonal(weights, -np.inf)
    ids, values = model.similar_items(15, 3)
    row = weights[model.item_vocabulary.encode([15])[0]]
    best = np.argsort(-row, kind="stable")[:3]
    assert ids.tolist() == model.item_vocabulary.raw[best].tolist()
    np.testing.assert_array_equal(values, row[best])
    dense = np.zeros((len(KNOWN), len(ITEMS)))
    dense[PAIRS.users, PAIRS.items] = PAIRS.values
    units = dense / np.linalg.norm(dense, axis=1, keepdims=True)
    cosines = units @ units[3]
    cosines[3] = -np.inf
    ids, values = model.similar_users(model.user_vocabulary.raw[3], 4)
    np.testing.assert_allclose(values, np.sort(cosines)[::-1][:4], rtol=1e-5)
    assert two_stages().similar_items(15, 2)[0].tolist() == KINDS["als"]().similar_items(15, 2)[0].tolist()


def test_a_function_of_your_own_is_a_model_that_can_be_asked(tmp_path):
    table = jnp.asarray(np.random.default_rng(0).random((len(KNOWN), len(ITEMS))), jnp.float32)
    model = models.of(PAIRS, lambda users: table[users])
    np.testing.assert_array_equal(table_of(model), table)
    with pytest.raises(ValueError, match="learned: a function says nothing about its users"):
        model.fold_in(NEWCOMERS)
    with pytest.raises(ValueError, match="learned: a function can not be saved; a file keeps factors"):
        saving.save(tmp_path / "model", model)
    with pytest.raises(ValueError, match="has no vectors of items; ask factors or item weights"):
        model.similar_items(15)
    with pytest.raises(ValueError, match="unknown: a function has no scores for an unknown user"):
        model.recommend("nobody", unknown="bias")


def test_nobody_knows_an_unknown_user():
    assert KINDS["popularity"]().predict("nobody", 15, unknown="bias") == PAIRS.item_counts()[5]
    assert KINDS["ease"]().predict("nobody", 15, unknown="bias") == 0
    assert len(two_stages().recommend("nobody", 3, unknown="bias")[0]) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: replace(KINDS["ease"](), config=CONFIG), "config: a config of factors, but the model has item weig"),
        (lambda: replace(two_stages(), config=(None,)), "config: 1 for two stages"),
        (lambda: replace(two_stages(), config=(None, replace(CONFIG, dim=9))), "config: dim 9, but the factors have 3"),
        (lambda: replace(by_svd("mean"), config=svd.Config(4)), "config: dim 4, but the factors have 3"),
        (lambda: KINDS["ease"]().similar_items(15, metric="dot"), "metric: 'dot', but item weights are a similarity"),
        (lambda: KINDS["ease"]().factors, "learned: item weights have no factors"),
        (lambda: KINDS["ease"]().fold_in_items({77: KNOWN[:2]}), "config: fold_in_items solves rows by least squares"),
        (lambda: models.of(PAIRS, factors()).fold_in(NEWCOMERS), "config: nothing does not say how rows of users"),
        (lambda: svd.Config(0), "dim: "),
        (lambda: svd.Config(3, "median"), "missing: 'median'"),
        (lambda: models.of(from_arrays(["a"], [1], [1.0]), 3), "learned: a int is neither Factors nor a scorer"),
        (
            lambda: models.of(from_arrays(["a"], [1], [1.0]), factors()),
            "learned: has 20 users, but the vocabulary 1 ids",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()
