"""Borders of the models without factors and of the truncated SVD, by drawn arguments; see `test_borders_ranking`."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from mfjax import baselines, histories
from mfjax.baselines import ratings, svd
from mfjax.histories import ragged
from mfjax.types import Interactions
from tests.drawn import FLOATS, NUMBERS, WHOLES, an_ids, drawn, is_number, is_whole, refused


def pairs(values=1.0) -> Interactions:
    users, items = np.array([0, 0, 1, 2, 2], np.int32), np.array([0, 1, 1, 0, 2], np.int32)
    return Interactions(users, items, np.broadcast_to(np.float32(values), 5).copy(), 3, 4)


DENSE = np.array([[1.0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0]])
SCORERS = {
    "linear": baselines.linear(jnp.arange(16.0).reshape(4, 4), ragged(pairs())),
    "popularity": baselines.popularity([3, 1, 2, 0]),
    "random": baselines.random(jax.random.key(0), 4),
}
TRUE = {
    "linear": DENSE @ np.arange(16.0).reshape(4, 4),
    "popularity": np.tile([3.0, 1, 2, 0], (3, 1)),
    "random": np.asarray(SCORERS["random"](jnp.arange(3))),
}


@drawn(st.sampled_from(sorted(SCORERS)), an_ids(3, 3), examples=200)
def test_users_of_scorers(name, users):
    passed, plain = users
    wrong, found = refused(lambda: SCORERS[name](passed))
    if plain is None and name != "linear":
        return  # the same for all, so that no user is unknown; it may still be refused
    assert wrong == (plain is None)
    if not wrong:
        np.testing.assert_allclose(found, TRUE[name][plain], rtol=1e-6)


NUMBERS_OF_PAIRS = st.lists(st.one_of(st.floats(-4, 4, width=16), st.just(1.0), FLOATS), min_size=5, max_size=5)


@drawn(NUMBERS_OF_PAIRS, an_ids(5, 3), an_ids(5, 4), examples=200)
def test_interactions(values, users, items):
    if not all(isinstance(ids[0], np.ndarray) for ids in (users, items)):
        users = items = (np.array([0, 0, 1, 2, 2], np.int32), [0, 0, 1, 2, 2])
    given_pairs = Interactions(users[0], items[0], np.array(values, np.float32), 3, 4)
    good = users[1] is not None and items[1] is not None and np.isfinite(given_pairs.values).all()
    dense = np.zeros((3, 4))
    if good:
        np.add.at(dense, (users[1], items[1]), given_pairs.values.astype(np.float64))
    gramian = dense.T @ dense
    wrong, found = refused(lambda: baselines.co_occurrence(given_pairs))
    assert wrong == (not (good and (np.abs(gramian) < np.finfo(np.float32).max).all()))
    if not wrong:
        np.testing.assert_allclose(found, gramian, rtol=1e-5, atol=1e-30)
    wrong, found = refused(lambda: ratings.global_mean(given_pairs))
    assert wrong == (not good)
    if not wrong:
        np.testing.assert_allclose(found.offset, given_pairs.values.mean(dtype=np.float64), rtol=1e-5, atol=1e-30)


@drawn(NUMBERS, NUMBERS, WHOLES, examples=150)
def test_numbers_of_rating_baselines(reg, exponent, sweeps):
    good = is_number(reg) and reg >= 0
    wrong, found = refused(lambda: ratings.item_bias(pairs([5.0, 3, 1, 4, 2]), reg=reg))
    assert wrong == (not good)
    if not wrong:
        want = np.array([9 - 6, 4 - 6, 2 - 3, 0]) / (np.array([2, 2, 1, 1]) + float(reg))
        np.testing.assert_allclose(found.item_biases, want, rtol=1e-4, atol=1e-6)
    make = partial(ratings.user_item_bias, pairs(), reg=reg, reg_exponent=exponent, num_iterations=sweeps)
    wrong, _ = refused(lambda: jax.eval_shape(make))
    assert wrong == (not (good and is_number(exponent) and is_whole(sweeps)))


GRAMIANS = st.lists(st.integers(0, 3).map(float), min_size=16, max_size=16).map(lambda x: np.array(x).reshape(4, 4))


@drawn(GRAMIANS, WHOLES, st.sampled_from(["lower", "higher", "first", None]), NUMBERS, examples=200)
def test_item_models(root, num_neighbours, ties, reg):
    gramian = (root.T @ root).astype(np.float32)
    wrong, found = refused(lambda: baselines.cosine_neighbours(gramian, num_neighbours, ties=ties))
    assert wrong == (not (is_whole(num_neighbours) and ties in ("lower", "higher")))
    if not wrong:
        kept = np.count_nonzero(np.asarray(found), axis=1)
        assert (kept <= num_neighbours).all() and not np.diagonal(found).any()
        norms = np.sqrt(np.maximum(np.diagonal(gramian), 1e-30))
        cosine = gramian / norms[:, None] / norms[None, :]
        for row, weights in enumerate(np.asarray(found)):
            chosen = weights > 0
            np.testing.assert_allclose(weights[chosen], cosine[row][chosen], rtol=1e-5)
            others = np.delete(cosine[row], row)
            assert weights.sum() == pytest.approx(np.sort(others)[::-1][:num_neighbours].sum(), rel=1e-4, abs=1e-5)
    wrong, found = refused(lambda: baselines.ease_weights(gramian, reg))
    if not (is_number(reg) and reg > 0):
        assert wrong
    elif reg > 1e-2 and reg < 1e4:
        precision = np.linalg.inv(gramian.astype(np.float64) + float(reg) * np.eye(4))
        want = np.where(np.eye(4) == 1, 0, -precision / np.diagonal(precision)[None, :])
        assert not wrong
        np.testing.assert_allclose(found, want, rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("gramian", [np.ones((2, 3)), np.ones(4), np.eye(2, dtype=int), [[1.0]], None, pairs()])
def test_what_is_no_gramian(gramian):
    assert refused(lambda: baselines.ease_weights(gramian, 1.0))[0]
    assert refused(lambda: baselines.cosine_neighbours(gramian, 1))[0]


@pytest.mark.parametrize("given_pairs", [None, np.eye(3), ragged(pairs()), histories.build(pairs()), [(0, 0)]])
def test_what_is_no_interactions(given_pairs):
    models = ratings.global_mean, ratings.item_bias, ratings.user_item_bias
    for call in (baselines.co_occurrence, baselines.item_knn, partial(baselines.ease, reg=1.0), *models):
        with pytest.raises(ValueError, match=r"interactions: a .* is not what is needed; pass what data"):
            call(given_pairs)


@pytest.mark.parametrize("counts", [None, "3", [[1, 2]], [1, math.nan], [1e39], [1, -math.inf], [True, False]])
def test_counts_of_popularity(counts):
    assert refused(lambda: baselines.popularity(counts))[0]


HISTORIES = histories.build(pairs([5.0, 3, 1, 4, 2]))


@drawn(
    dim=WHOLES,
    missing=st.sampled_from(["mean", "zero", "median", None, ["mean"]]),
    oversampling=WHOLES,
    num_iterations=WHOLES,
    examples=150,
)
def test_options_of_svd(**options):
    good = is_whole(options["dim"], 1, 3) and options["missing"] in ("mean", "zero")
    good = good and is_whole(options["oversampling"], 0) and is_whole(options["num_iterations"])
    decompose = lambda: svd.decompose(jax.random.key(0), HISTORIES, **options)  # noqa: E731
    assert refused(lambda: jax.eval_shape(decompose))[0] == (not good)
    if not good:
        assert refused(lambda: svd.fit(jax.random.key(0), HISTORIES, **options))[0]


@pytest.mark.parametrize("data", [None, pairs(), ragged(pairs()), np.eye(3)])
def test_what_is_no_histories(data):
    with pytest.raises(ValueError, match=r"histories\.build"):
        svd.fit(jax.random.key(0), data, dim=1)


@pytest.mark.parametrize("key", [0, None, jnp.zeros(3)])
def test_what_is_no_key(key):
    assert refused(lambda: baselines.random(key, 3))[0] and refused(lambda: svd.fit(key, HISTORIES, dim=1))[0]


@pytest.mark.parametrize("history", [None, pairs(), np.eye(4), HISTORIES])
def test_what_is_no_history(history):
    assert refused(lambda: baselines.linear(jnp.eye(4), history))[0]
    for weights in (history, jnp.eye(3), jnp.ones(4), jnp.eye(4, dtype=int)):
        wrong = not isinstance(weights, np.ndarray)
        assert refused(lambda weights=weights: baselines.linear(weights, ragged(pairs())))[0] == wrong


def test_more_triplets_than_there_are():
    found = svd.decompose(jax.random.key(0), HISTORIES, dim=2)
    assert refused(lambda: svd.factors(found, dim=3))[0] and refused(lambda: svd.factors(svd.factors(found)))[0]
