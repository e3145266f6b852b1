"""Drawn arguments of evaluations and metrics: the value of slow numpy, or a refusal in our own words."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from mfjax import evaluation, histories, metrics
from mfjax.evaluation import blocks, groups, ranks
from mfjax.metrics import PRESETS, UNRANKED, Convention, discounts, lists
from mfjax.metrics.ratings import rmse, sign_accuracy, weighted_rmse
from mfjax.search import cells
from mfjax.types import Factors, Interactions
from tests import reference_ranking
from tests.borders import NO_NUMBERS, NO_WHOLE_NUMBERS, REFUSED, answer, in_any_form

quick = settings(deadline=None, derandomize=True, database=None, max_examples=200)
few = settings(quick, max_examples=50)

NUM_USERS, NUM_ITEMS = 5, 7
RNG = np.random.default_rng(3)
LABELS = RNG.integers(1, 4, (NUM_USERS, NUM_ITEMS)) * (RNG.random((NUM_USERS, NUM_ITEMS)) < 0.5)
LABELS[:, 0] = 1  # everybody has a target
LISTS = RNG.random((NUM_USERS, NUM_ITEMS)) < 0.6


def look_up(table, users):
    return table[users]


def lists_of(matrix) -> histories.Ragged:
    users, items = (ids.astype(np.int32) for ids in np.nonzero(matrix))
    values = np.asarray(matrix, np.float32)[users, items]
    return histories.ragged(Interactions(users, items, values, *np.shape(matrix)))


TARGETS, ALLOWED = lists_of(LABELS), lists_of(LISTS)
MODEL = Factors(jnp.ones((NUM_USERS, 1)), jnp.ones((NUM_ITEMS, 1)))
OPTIONS = {"cutoffs": (3,), "metrics": ("recall", "ndcg")}

score = st.sampled_from([0.0, -0.0, 1.0, -2.0, 1e-45, -3e-45, 2e-40, 1e-38, 3e38, np.nan, np.inf, -np.inf])
masks = st.lists(st.booleans(), min_size=NUM_ITEMS, max_size=NUM_ITEMS).filter(any)


@quick
@given(
    scores=st.lists(score, min_size=NUM_USERS * NUM_ITEMS, max_size=NUM_USERS * NUM_ITEMS),
    candidates=st.one_of(st.none(), masks, st.just(ALLOWED)),
    users=st.permutations(range(NUM_USERS)),
)
def test_evaluations_are_those_of_walking_down_the_lists(scores, candidates, users):
    """Scores of any floats, those below 1.2e-38 among them; candidates in any form that means the same."""
    scores = np.array(scores, np.float32).reshape(NUM_USERS, NUM_ITEMS)
    model = Partial(look_up, jnp.asarray(scores))
    found = evaluation.evaluate(model, TARGETS, candidates=candidates, users=users, **OPTIONS)
    allowed = LISTS if candidates is ALLOWED else np.ones_like(LISTS) if candidates is None else np.array([candidates])
    open_scores = np.where(np.isfinite(scores) & allowed, scores.astype(np.float64), -np.inf)
    for user in range(NUM_USERS):
        for name in ("recall", "ndcg"):
            wanted = reference_ranking.expectation(name, open_scores[user], LABELS[user], 3, Convention())
            assert found.per_user[f"{name}@3"][user] == pytest.approx(wanted, abs=1e-6)
    if isinstance(candidates, list):
        ids = np.random.default_rng(0).permutation(np.flatnonzero(candidates))
        same = evaluation.evaluate(model, TARGETS, candidates=ids, users=users, **OPTIONS)
        np.testing.assert_array_equal(same.per_user["ndcg@3"], found.per_user["ndcg@3"])
    assert len(repr(found)) < 300 and "ndcg@3" in repr(found)


def matrix_of(shape) -> Factors:
    return Factors(jnp.ones((shape[0], 2)), jnp.ones((shape[1], 2)))


WRONG = {
    "model": st.sampled_from(
        [matrix_of((4, 7)), matrix_of((5, 6)), matrix_of((7, 5)), Partial(look_up, jnp.ones((5, 6))), None, "als"]
    ),
    "targets": st.sampled_from(
        [
            LABELS,
            Interactions(*np.zeros((2, 1), np.int32), np.ones(1), 5, 7),
            lists_of(LABELS[:4]),
            lists_of(LABELS.T),
            1,
        ]
    ),
    "exclude": st.sampled_from([LABELS > 1, lists_of(LABELS[:4]), lists_of(LABELS[:, :6]), "seen", [[0]]]),
    "candidates": st.one_of(
        st.sampled_from([np.zeros(7, bool), np.ones(6, bool), np.ones(8), [], "all", lists_of(LISTS[:4]), {}]),
        st.lists(st.integers(0, 1), min_size=7, max_size=7),
        st.lists(st.integers(-3, -1) | st.integers(7, 9), min_size=1, max_size=3),
    ),
    "users": st.one_of(
        st.lists(st.booleans(), min_size=5, max_size=5).map(np.array),
        st.lists(st.integers(-3, -1) | st.integers(5, 2**40), min_size=1, max_size=3),
        NO_NUMBERS.filter(lambda drawn: drawn is not None),
        st.sampled_from([[1, 1], [0.0, 1.0], [], 3, [[0, 1]]]),
    ),
    "cutoffs": st.one_of(
        NO_WHOLE_NUMBERS.filter(lambda x: not isinstance(x, list)), NO_WHOLE_NUMBERS.map(lambda x: (3, x)), st.just(())
    ),
    "metrics": st.sampled_from(
        ["recall@", "recall@0", "recall@-1", "recal", "", ("ndcg", 3), None, 7, {"ndcg": 1}, "recall@²"]
    ),
    "convention": st.sampled_from(["trec", None, PRESETS, Convention, 0]),
    "groups": st.sampled_from(
        [
            evaluation.Groups(np.zeros(4, np.int32), ("all",)),
            evaluation.Groups(np.arange(5), ("a", "b")),
            evaluation.Groups(np.full(5, -1), ("a", "b")),
            evaluation.Groups(np.zeros(5), ("all",)),
            np.zeros(5, np.int32),
            "activity",
        ]
    ),
    "item_counts": st.sampled_from(
        [np.ones(6), np.full(7, -1), [np.nan] * 7, np.ones((7, 1)), "counts", 3, [True] * 7]
    ),
    "block_size": NO_WHOLE_NUMBERS.filter(lambda drawn: drawn is not None),
}


@quick
@given(name=st.sampled_from(sorted(WRONG)), data=st.data())
def test_a_wrong_argument_of_an_evaluation_is_refused(name, data):
    arguments = {"model": MODEL, "targets": TARGETS, **OPTIONS, name: data.draw(WRONG[name])}
    assert answer(lambda: evaluation.evaluate(**arguments)) is REFUSED
    if name in ("targets", "exclude", "candidates", "users", "item_counts"):
        judged = {"targets": TARGETS, name: arguments[name]}
        if name != "targets" or not isinstance(arguments[name], histories.Ragged):  # it has no model to compare
            assert answer(lambda: evaluation.evaluation_set(**judged)) is REFUSED
    if name in ("cutoffs", "metrics", "convention"):
        options = {key: arguments[key] for key in {"cutoffs", "metrics", name}}
        assert answer(lambda: cells.measured(cells.als_factors, **options)) is REFUSED


relevance = st.one_of(st.floats(width=32), st.sampled_from([0.0, -2.0, 1e-40, 3e38, 1.0, 5.0, 200.0]))


@quick
@given(values=st.lists(relevance, min_size=3, max_size=3), gain=st.sampled_from(["binary", "linear", "exponential"]))
def test_graded_relevances_are_looked_at(values, gain):
    targets = histories.Ragged(jnp.array([0, 2, 3]), jnp.array([0, 2, 1]), jnp.array(values, jnp.float32), 3, 2)
    with np.errstate(over="ignore", invalid="ignore"):
        worth = {"binary": np.ones(3), "linear": np.float32(values), "exponential": np.exp2(np.float32(values)) - 1}[
            gain
        ]
    good = bool(((worth >= 1e-30) & (worth <= 1e30)).all())
    assert (answer(lambda: blocks.check_relevances(targets, gain)) is not REFUSED) == good
    assert (answer(lambda: discounts.check_relevances("targets", np.float32(values), gain)) is not REFUSED) == good
    model = Factors(jnp.ones((2, 1)), jnp.array([[1.0], [2.0], [3.0]]))
    if good:
        found = evaluation.evaluate(model, targets, cutoffs=2, metrics="ndcg", convention=Convention(gain=gain))
        labels = np.array([[worth[0], 0, worth[1]], [0, worth[2], 0]])
        for user in range(2):
            wanted = reference_ranking.metric("ndcg", [2, 1, 0], labels[user], 2, Convention(gain="linear"))
            assert found.per_user["ndcg@2"][user] == pytest.approx(wanted, rel=1e-4)
    else:
        convention = Convention(gain=gain)
        assert answer(lambda: evaluation.evaluate(model, targets, convention=convention)) is REFUSED


rank = st.one_of(st.integers(1, 9), st.just(int(UNRANKED)))
ranked = st.lists(rank, min_size=3, max_size=3, unique_by=lambda r: r if r < UNRANKED else object())


def truth(name: str, places: list[int], n: int, k: int | None) -> float:
    hit = [r for r in places if r <= (k or UNRANKED - 1) and r < UNRANKED]
    if n == 0 and name not in ("hits", "hit_rate", "precision", "mrr"):
        return 0.0
    return {
        "hits": lambda: len(hit),
        "hit_rate": lambda: float(bool(hit)),
        "recall": lambda: len(hit) / n,
        "precision": lambda: len(hit) / k,
        "ndcg": lambda: sum(1 / np.log2(r + 1) for r in hit) / sum(1 / np.log2(p + 1) for p in range(1, min(k, n) + 1)),
        "map": lambda: sum((sorted(hit).index(r) + 1) / r for r in hit) / min(k, n),
        "mrr": lambda: 1 / min(hit) if hit else 0.0,
    }[name]()


METRICS = {
    "hits": metrics.hits,
    "hit_rate": metrics.hit_rate,
    "recall": metrics.recall,
    "precision": metrics.precision,
    "ndcg": metrics.ndcg,
    "map": metrics.average_precision,
    "mrr": metrics.reciprocal_rank,
}


@quick
@given(
    places=ranked, extra=st.integers(0, 3), k=st.integers(1, 9), name=st.sampled_from(sorted(METRICS)), data=st.data()
)
def test_metrics_of_one_list(places, extra, k, name, data):
    n = sum(r < UNRANKED for r in places) + extra
    n = min(n, 3) if name == "ndcg" else n
    given_ranks = data.draw(in_any_form(places, np.int32))
    assert METRICS[name](given_ranks, n, k=k) == pytest.approx(truth(name, places, n, k), abs=1e-6)


@quick
@given(
    name=st.sampled_from([*sorted(METRICS), "auc"]),
    wrong=st.sampled_from(["ranks", "num_relevant", "k", "convention", "num_items", "tie_sizes", "relevances"]),
    data=st.data(),
)
def test_a_wrong_argument_of_a_metric_is_refused(name, wrong, data):
    arguments = {"ranks": np.array([[1, 2, UNRANKED], [3, 4, 5]]), "num_relevant": np.array([2, 3])}
    if wrong in ("num_items", "tie_sizes", "relevances"):
        wanted = {"num_items": ("auc", "precision"), "tie_sizes": ("hits", "recall", "ndcg"), "relevances": ("ndcg",)}
        if name not in wanted[wrong]:
            return
    choices = {
        "ranks": [
            [[0, 1, 2]] * 2,
            [[-1, 1, 2]] * 2,
            [[1.0, 2.0, 3.0]] * 2,
            3,
            None,
            [[True] * 3] * 2,
            [[1], [2, 3]],
            [["1"]],
        ],
        "num_relevant": [-1, [1, 1], [2, 3, 4], 2.0, None, "2", [[2], [3]]],
        "convention": ["trec", None, 3],
        "num_items": [-1, 4, [9, 9, 9], 9.0, "9"],
        "tie_sizes": [np.ones((2, 3)), np.ones((2, 2), int), np.zeros((2, 3), int), None],
        "relevances": [-np.ones((2, 3)), np.ones((2, 2)), np.full((2, 3), np.nan), "1", None],
    }
    if wrong == "k":
        optional = name in ("ndcg", "map", "mrr", "auc")
        arguments["k"] = data.draw(NO_WHOLE_NUMBERS.filter(lambda k: not (optional and k is None)))
    else:
        arguments[wrong] = data.draw(st.sampled_from(choices[wrong]))
    if wrong == "tie_sizes":
        arguments["convention"] = Convention(ties="expected")
    if wrong == "relevances":
        arguments["convention"] = Convention(gain="linear")
    if wrong == "num_items" and name == "precision":
        arguments["convention"] = Convention(precision_denominator="retrieved")
    if name == "auc":
        if wrong == "convention":
            return
        arguments.setdefault("num_items", 9)
    assert answer(lambda: (METRICS | {"auc": metrics.auc})[name](**arguments)) is REFUSED


@quick
@given(
    ids=st.lists(st.integers(-1, 4), min_size=4, max_size=4),
    mask=st.lists(st.booleans(), min_size=4, max_size=4),
    counts=st.lists(st.integers(-1, 9), min_size=4, max_size=4),
    kind=st.sampled_from([np.int32, np.int64, np.float32, bool]),
)
def test_metrics_of_lists(ids, mask, counts, kind):
    ids, mask = np.array(ids).reshape(2, 2).astype(kind), np.array(mask).reshape(2, 2)
    good = kind in (np.int32, np.int64) and ((ids >= 0) & (ids < 4)).all()
    shown = ids[mask].astype(int)
    found = answer(lambda: lists.coverage(ids, mask, num_items=4))
    assert found == pytest.approx(len(set(shown.tolist())) / 4) if good else found is REFUSED
    found = answer(lambda: lists.mean_popularity(ids, mask, counts))
    if good and min(counts) >= 0:
        assert found == pytest.approx(np.array(counts)[shown].mean() if len(shown) else 0.0)
    else:
        assert found is REFUSED
    assert answer(lambda: lists.novelty(ids, mask.astype(int), counts, num_users=3)) is REFUSED
    assert answer(lambda: lists.gini(ids, mask[:1], num_items=4)) is REFUSED


number = st.one_of(st.integers(-5, 5), st.floats(-5, 5, width=32), st.sampled_from([np.nan, np.inf, 2**20]))


@quick
@given(
    predictions=st.lists(number, min_size=3, max_size=3).flatmap(in_any_form),
    ratings=st.one_of(st.lists(number, min_size=3, max_size=3).flatmap(in_any_form), NO_NUMBERS),
    mask=st.one_of(st.none(), st.lists(st.booleans(), min_size=3, max_size=3), st.just([1, 0, 1]), st.just([True])),
    weights=st.sampled_from([None, [1.0, 0.0, 2.0], [1.0, -1.0, 1.0], [1.0, np.nan, 1.0], [1.0]]),
)
def test_errors_of_ratings(predictions, ratings, mask, weights):
    if weights is None:
        found = answer(lambda: rmse(predictions, ratings, mask))
    else:
        found = answer(lambda: weighted_rmse(predictions, ratings, weights, mask))
    is_mask = mask is None or (len(mask) == 3 and type(mask[0]) is bool)
    try:
        rated = np.asarray(ratings) if isinstance(ratings, list | tuple | np.ndarray | jax.Array) else None
    except ValueError:
        rated = None
    good = is_mask and rated is not None and rated.dtype.kind in "iuf" and rated.shape == (3,)
    counted = np.ones(3, bool) if mask is None else np.array(mask)
    good = good and bool(np.isfinite(rated[counted]).all())
    if weights is not None:
        weights = np.array(weights)
        good = good and weights.shape == (3,) and bool((weights[counted] >= 0).all())
    if not good:
        assert found is REFUSED
        return
    weighed = counted * (np.ones(3) if weights is None else np.where(counted, weights, 0))
    with np.errstate(invalid="ignore"):
        error = np.float64(np.asarray(predictions)) - rated
        squares = np.where(weighed > 0, error**2, 0.0)
    wanted = np.sqrt((weighed * squares).sum() / (weighed.sum() or 1.0))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@quick
@given(
    counts=st.one_of(st.lists(st.integers(-1, 60), min_size=4, max_size=4).flatmap(in_any_form), NO_NUMBERS),
    edges=st.one_of(st.lists(st.integers(0, 50), max_size=3), NO_NUMBERS, NO_WHOLE_NUMBERS),
)
def test_groups_by_activity(counts, edges):
    found = answer(lambda: groups.activity(counts, edges))

    def numbers(drawn, least):
        try:
            array = np.asarray(drawn)
        except ValueError:
            return None
        return array if array.ndim == 1 and array.dtype.kind in "iu" and (array >= least).all() else None

    count, edge = numbers(counts, 0), numbers(edges, 1)
    if count is None or edge is None or (np.diff(edge) <= 0).any():
        assert found is REFUSED
    else:
        assert found.ids.tolist() == [sum(e <= c for e in edge.tolist()) for c in count.tolist()]


no_choice = st.sampled_from([None, "", 0, "K", ["first"], np.zeros(2), "First"])


@quick
@given(
    name=st.sampled_from(["gain", "ideal", "ap_denominator", "empty", "ties"]),
    choice=no_choice,
)
def test_choices_are_looked_up_where_they_act(name, choice):
    assert answer(lambda: Convention(**{name: choice})) is REFUSED
    if name == "gain":
        assert answer(lambda: discounts.gains(jnp.ones(2), choice)) is REFUSED
    if name == "empty":
        assert answer(lambda: blocks.build(TARGETS, empty=choice)) is REFUSED
    if name == "ties":
        one = jnp.zeros((1, 1), jnp.int32)
        assert answer(lambda: ranks.of(jnp.ones((1, 2)), one, one == 0, ties=choice)) is REFUSED
        assert answer(lambda: ranks.rank_block(MODEL, [0], TARGETS, ties=choice)) is REFUSED
    assert answer(lambda: sign_accuracy([1.0], [1.0], zero=choice)) is REFUSED
