"""Maximal marginal relevance: the picks, what is left out, and what they do to lists."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from mfjax import evaluation, recommend
from mfjax.histories import ragged
from mfjax.metrics import lists
from mfjax.recommend import diversity, two_stage
from mfjax.types import Factors, Interactions
from tests import reference
from tests.drawn import NUMBERS, WHOLES, drawn, is_number, is_whole, refused

NUM_USERS, NUM_ITEMS, DIM = 9, 30, 4
USERS = jnp.arange(NUM_USERS)


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    return Factors(draw(NUM_USERS, DIM), draw(NUM_ITEMS, DIM), item_biases=draw(NUM_ITEMS))


def table(model):
    return np.asarray(recommend.scorer(model)(USERS), np.float64)


def as_ragged(taken):
    users, items = np.nonzero(taken)
    ones = np.ones(len(users), np.float32)
    return ragged(Interactions(users.astype(np.int32), items.astype(np.int32), ones, NUM_USERS, NUM_ITEMS))


rerank = jax.jit(diversity.rerank, static_argnames=("k", "block_size"))
# Whole numbers of lengths that are powers of two, and scores of a range that is: all is exact, and many are equal.
VECTORS = np.array([[0, 0], [1, 0], [0, 2], [-4, 0], [0, -1], [8, 0], [3, 4]], np.float32)


@drawn(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5)), min_size=6, max_size=6),
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    st.integers(0, 6),
    st.integers(1, 8),
    examples=200,
)
def test_the_picks_of_loops(candidates, tradeoff, number, k):
    scores, ids = map(np.array, zip(*candidates, strict=True))
    scores[: max(number - 1, 0) : max(number - 2, 1)] = 0
    scores[min(1, max(number - 1, 0))], scores[0] = 8, 0
    order = reference.diversified(scores[:number].tolist(), VECTORS[ids[:number]].tolist(), tradeoff)[:k]
    given = np.where(np.arange(6) < number, scores, -np.inf).astype(np.float32)
    found, kept = rerank(jnp.asarray(ids)[None], jnp.asarray(given)[None], jnp.asarray(VECTORS), tradeoff=tradeoff, k=8)
    found, kept = found[0, :k], kept[0, :k]
    assert found[: len(order)].tolist() == ids[order].tolist()
    assert kept[: len(order)].tolist() == scores[order].tolist()
    assert not found[len(order) :].any() and (kept[len(order) :] == -np.inf).all()


@pytest.mark.parametrize("tradeoff", [0.0, 0.3, 0.8, 1.0])
def test_every_pick_of_the_scorer_is_the_best_that_is_left(model, tradeoff):
    seen = np.random.default_rng(2).random((NUM_USERS, NUM_ITEMS)) < 0.4
    seen[3] = np.arange(NUM_ITEMS) != 7  # one item is left
    seen[4] = True
    scorer = diversity.scorer(model, candidates=8, tradeoff=tradeoff, exclude=as_ragged(seen))
    found, vectors = np.asarray(jax.jit(scorer)(USERS)), np.asarray(model.items, np.float64)
    for user, scores in enumerate(np.where(seen, -np.inf, table(model))):
        candidates = np.argsort(-scores, kind="stable")[: min(8, (~seen[user]).sum())].tolist()
        picks = np.argsort(-found[user], kind="stable")[: len(candidates)].tolist()
        assert sorted(picks) == sorted(candidates) and (np.delete(found[user], candidates) == -np.inf).all()
        assert found[user, picks].tolist() == list(range(8, 8 - len(picks), -1))
        picked = []
        for item in picks:
            left = reference.marginal_relevance(scores[candidates], vectors[candidates], picked, tradeoff)
            assert left[candidates.index(item)] >= max(left) - 1e-5
            picked.append(candidates.index(item))


def test_relevance_alone_keeps_the_order_of_any_model(model):
    for one in (model, recommend.scorer(model), lambda users: recommend.scorer(model)(users)):
        both = diversity.scorer(one, model.items, candidates=10, tradeoff=1.0)
        ids, _ = recommend.top_k(both, USERS, k=10)
        np.testing.assert_array_equal(ids, recommend.top_k(model, USERS, k=10)[0])


def test_a_list_and_the_scorer_are_one(model):
    first = recommend.top_k(model, USERS, k=12)
    ids, kept = rerank(*first, model.items, tradeoff=0.4, k=5, block_size=4)
    scorer = diversity.scorer(model, candidates=12, tradeoff=0.4)
    np.testing.assert_array_equal(ids, recommend.top_k(scorer, USERS, k=5)[0])
    np.testing.assert_allclose(kept, np.take_along_axis(table(model), np.asarray(ids), axis=1), rtol=1e-5)
    ids, kept = rerank(*recommend.top_k(model, USERS[:0], k=4), model.items, tradeoff=0.4, k=5)
    assert ids.shape == kept.shape == (0, 5)
    both = two_stage.scorer(scorer, model, candidates=3)
    assert ((jax.jit(both)(USERS) > -jnp.inf).sum(axis=1) == 3).all()


def test_one_program_for_all_tradeoffs_and_lists_that_grow_alike_with_them(model):
    held_out = evaluation.evaluation_set(as_ragged(np.eye(NUM_USERS, NUM_ITEMS, dtype=bool)))

    def measured(tradeoff):
        scorer = diversity.scorer(model, candidates=15, tradeoff=tradeoff)
        found = evaluation.measure(scorer, held_out, cutoffs=(5,), metrics=("ndcg",))
        alike = lists.intra_list_similarity(found.recommended, found.recommended_mask, model.items)
        return found.recommended, found.per_user["ndcg@5"], jnp.mean(alike)

    tradeoffs = jnp.array([0.0, 0.5, 1.0])
    ids, _, alike = jax.jit(jax.vmap(measured))(tradeoffs)
    for place, tradeoff in enumerate(tradeoffs):
        scorer = diversity.scorer(model, candidates=15, tradeoff=float(tradeoff))
        np.testing.assert_array_equal(ids[place], recommend.top_k(scorer, USERS, k=5)[0])
    assert alike[0] < alike[1] < alike[2]


def test_scales_and_broken_scores(model):
    first, scores = recommend.top_k(model, USERS, k=6)
    ids, _ = rerank(first, scores, model.items, tradeoff=0.4, k=6)
    for scale in (1e30, 1e-30):
        found, _ = rerank(first, scores * scale, model.items * scale, tradeoff=0.4, k=6)
        np.testing.assert_array_equal(found, ids)
    huge = jnp.linspace(3e38, -3e38, 6)[None]
    assert rerank(first[:1], huge, model.items, tradeoff=1.0, k=6)[0].tolist() == first[:1].tolist()
    found, kept = rerank(first, scores.at[0, 2].set(jnp.nan).at[1, 1].set(jnp.inf), model.items, tradeoff=0.4, k=6)
    assert not found[:2].any() and jnp.isnan(kept[:2]).all()
    np.testing.assert_array_equal(found[2:], ids[2:])
    broken = lambda users: recommend.scorer(model)(users).at[:, 0].set(jnp.nan).at[:, 1].set(jnp.inf)  # noqa: E731
    found = diversity.scorer(broken, model.items, candidates=NUM_ITEMS, tradeoff=0.4)(USERS)
    assert jnp.isnan(found[:, 0]).all() and (found[:, 1] == jnp.inf).all() and jnp.isfinite(found[:, 2:]).all()
    assert evaluation.evaluate(broken, as_ragged(np.eye(NUM_USERS, NUM_ITEMS, dtype=bool))).num_broken == 2 * NUM_USERS


FIRST = jnp.zeros((1, 3), jnp.int32), jnp.ones((1, 3))
MODEL = Factors(jnp.ones((1, 2)), jnp.ones((3, 2)))


@drawn(NUMBERS, WHOLES, WHOLES, WHOLES, examples=100)
def test_numbers(tradeoff, k, block_size, candidates):
    good = is_number(tradeoff) and 0 <= tradeoff <= 1
    call = lambda: diversity.scorer(MODEL, candidates=candidates, tradeoff=tradeoff)  # noqa: E731
    assert refused(call)[0] == (not (good and is_whole(candidates)))
    call = lambda: diversity.rerank(*FIRST, MODEL.items, tradeoff=tradeoff, k=k, block_size=block_size)  # noqa: E731
    assert refused(lambda: jax.eval_shape(call))[0] == (not (good and is_whole(k) and is_whole(block_size)))


def test_what_does_not_fit_is_refused(model):
    how, seen = {"candidates": 3, "tradeoff": 0.5}, as_ragged(np.eye(NUM_USERS, NUM_ITEMS, dtype=bool))
    wrong = {
        "items: a scorer has no vectors": lambda: diversity.scorer(recommend.scorer(model), **how),
        "items: has 29 vectors, the model 30 items": lambda: diversity.scorer(model, model.items[:29], **how)(USERS),
        "items: nan is not a finite number": lambda: diversity.scorer(model, model.items.at[3].set(jnp.nan), **how),
        r"items: shape \(30,\) is not": lambda: diversity.scorer(model, jnp.ones(30), **how),
        "model: a int is neither": lambda: diversity.scorer(3, model.items, **how),
        "exclude: has 9 users": lambda: diversity.scorer(model._replace(users=model.users[:7]), exclude=seen, **how),
        r"ids: id 30 is outside 0\.\.29": lambda: diversity.rerank(
            jnp.array([[30]]), jnp.ones((1, 1)), model.items, tradeoff=0.5
        ),
        "scores: shape": lambda: diversity.rerank(
            jnp.array([[3]]), jnp.ones((1, 2)), model.items, tradeoff=0.5
        ),
    }  # fmt: skip
    for told, call in wrong.items():
        with pytest.raises(ValueError, match=told):
            call()
