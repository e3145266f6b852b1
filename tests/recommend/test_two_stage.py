"""Retrieve, then rerank: the order, the exclusions, the ceiling."""

from dataclasses import replace
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import recommend
from mfjax.histories import ragged
from mfjax.recommend import two_stage
from mfjax.types import Factors, Interactions

NUM_USERS, NUM_ITEMS, DIM = 6, 30, 4
USERS = jnp.array([5, 0, 3])


def random_factors(seed):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    return Factors(draw(NUM_USERS, DIM), draw(NUM_ITEMS, DIM), item_biases=draw(NUM_ITEMS))


def as_ragged(taken):
    users, items = np.nonzero(taken)
    ones = np.ones(len(users), np.float32)
    return ragged(Interactions(users.astype(np.int32), items.astype(np.int32), ones, NUM_USERS, NUM_ITEMS))


@pytest.fixture(scope="module")
def first():
    return random_factors(0)


@pytest.fixture(scope="module")
def second():
    return random_factors(1)


@pytest.fixture(scope="module")
def seen():
    seen = np.random.default_rng(2).random((NUM_USERS, NUM_ITEMS)) < 0.4
    seen[3] = np.arange(NUM_ITEMS) != 7  # one item is left
    return seen


def all_scores(model):
    return np.asarray(recommend.scorer(model)(jnp.arange(NUM_USERS)))


def test_candidates_of_the_first_in_the_order_of_the_second(first, second, seen):
    expected = np.full((len(USERS), NUM_ITEMS), -np.inf)
    retrieving, ordering = np.where(seen, -np.inf, all_scores(first)), all_scores(second)
    for row, user in enumerate(USERS):
        best = [item for item in np.argsort(-retrieving[user])[:5] if not seen[user, item]]
        expected[row, best] = ordering[user, best]
    assert (expected[2] > -np.inf).sum() == 1

    @jax.jit
    def score(scorers):
        return [scorer(USERS) for scorer in scorers]

    # Factors and scorers in either place.
    forms = product((first, recommend.scorer(first)), (second, recommend.scorer(second)))
    scorers = [two_stage.scorer(*stages, candidates=5, exclude=as_ragged(seen)) for stages in forms]
    for found in score(scorers):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_as_many_candidates_as_items_is_the_reranker(first, second):
    found = jax.jit(two_stage.scorer(first, second, candidates=NUM_ITEMS))(USERS)
    np.testing.assert_allclose(found, all_scores(second)[USERS], rtol=1e-5)


def test_one_stage_twice_keeps_the_order(first):
    both = two_stage.scorer(first, first, candidates=10)
    ids, _ = jax.jit(recommend.top_k, static_argnames="k")(both, USERS, k=10)
    np.testing.assert_array_equal(ids, np.argsort(-all_scores(first)[USERS])[:, :10])


def test_recall_of_two_stages_is_at_most_the_ceiling(first, second, seen):
    targets = np.random.default_rng(3).random((NUM_USERS, NUM_ITEMS)) < 0.2
    targets &= ~seen
    targets[0] = False
    ceiling = jax.jit(two_stage.ceiling, static_argnames="candidates")
    options = {"candidates": 8, "exclude": as_ragged(seen)}
    top = ceiling(first, jnp.arange(NUM_USERS), as_ragged(targets), **options)
    expected = np.full(NUM_USERS, np.nan)
    for user in range(1, NUM_USERS):
        best = np.argsort(np.where(seen[user], np.inf, -all_scores(first)[user]))[:8]
        if targets[user].any():
            expected[user] = (targets[user, best] & ~seen[user, best]).sum() / targets[user].sum()
    np.testing.assert_allclose(top, expected, rtol=1e-6)
    both = two_stage.scorer(first, second, **options)
    ids, scores = recommend.top_k(both, jnp.arange(NUM_USERS), k=8)
    for user in np.flatnonzero(targets.any(axis=1)):
        found = targets[user, np.asarray(ids[user])[np.asarray(scores[user]) > -np.inf]].sum() / targets[user].sum()
        assert found <= top[user] + 1e-6


def test_no_candidates_are_refused(first, second):
    with pytest.raises(ValueError, match="candidates: 0 is not a whole number of at least 1; pass how many"):
        two_stage.scorer(first, second, candidates=0)


def test_what_does_not_fit_is_refused(first, second, seen):
    with pytest.raises(ValueError, match=r"users: id 9 is outside 0\.\.5"):
        two_stage.retrieve(first, jnp.array([9]), candidates=2)
    with pytest.raises(ValueError, match=r"users: id -1 is outside 0\.\.5"):
        two_stage.ceiling(first, [-1], as_ragged(seen), candidates=2)
    with pytest.raises(ValueError, match="targets: has 6 users and 29 items, but the retriever has 6 and 30"):
        two_stage.ceiling(first, [0], replace(as_ragged(seen), num_columns=29), candidates=2)
    with pytest.raises(ValueError, match=r"ids: id 30 is outside 0\.\.29"):
        two_stage.rerank(second, [0], jnp.array([[30]]), jnp.array([[True]]))
    shorter = second._replace(users=second.users[:5])
    with pytest.raises(ValueError, match="reranker: has 5 users, the retriever 6"):
        two_stage.scorer(first, shorter, candidates=2)
    fewer = recommend.scorer(second._replace(items=second.items[:29], item_biases=None))
    with pytest.raises(ValueError, match="reranker: has 29 items, the retriever 30"):
        jax.jit(two_stage.scorer(first, fewer, candidates=2))(USERS)
    both = two_stage.scorer(first, second, candidates=2)
    with pytest.raises(ValueError, match=r"users: id 7 is outside 0\.\.5"):
        recommend.top_k(both, [7])


def test_plain_functions_are_stages(first, second):
    plain = [lambda users, model=model: recommend.scorer(model)(users) for model in (first, second)]
    wanted = jax.jit(two_stage.scorer(first, second, candidates=5))(USERS)
    np.testing.assert_allclose(jax.jit(two_stage.scorer(*plain, candidates=5))(USERS), wanted, rtol=1e-5)


def test_candidates_below_the_normal_numbers_keep_their_order(first):
    table = jnp.asarray(np.random.default_rng(4).permutation(NUM_ITEMS).astype(np.float32) * np.float32(1e-41))[None]
    ids, _ = two_stage.retrieve(lambda users: table[0 * users], USERS, candidates=4)
    assert ids[0].tolist() == np.argsort(-np.asarray(table[0], np.float64))[:4].tolist()
