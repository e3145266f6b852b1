"""Drawn arguments of everything that scores and recommends: the answer of numpy, or a refusal in our own words."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from mfjax import als, histories, recommend
from mfjax.evaluation import evaluate
from mfjax.histories import agreement
from mfjax.recommend import Model, candidates, two_stage
from mfjax.types import Factors, Interactions, Vocabulary
from tests.borders import NO_NUMBERS, NO_WHOLE_NUMBERS, REFUSED, answer, in_any_form

quick = settings(deadline=None, derandomize=True, database=None, max_examples=200)
few = settings(quick, max_examples=60)

NUM_USERS, NUM_ITEMS, DIM = 5, 7, 2
RNG = np.random.default_rng(0)
TABLES = RNG.integers(-9, 9, (NUM_USERS, DIM)), RNG.integers(-9, 9, (NUM_ITEMS, DIM))
MODEL = Factors(*(jnp.asarray(table, jnp.float32) for table in TABLES))
SCORES = (TABLES[0] @ TABLES[1].T).astype(np.float32)  # whole numbers, with ties


def from_table(users):
    return jnp.asarray(SCORES)[users]


MODELS = {"factors": MODEL, "function": from_table, "partial": Partial(lambda table, u: table[u], jnp.asarray(SCORES))}


def pairs_of(matrix) -> Interactions:
    users, items = (ids.astype(np.int32) for ids in np.nonzero(matrix))
    return Interactions(users, items, np.ones(len(users), np.float32), *np.shape(matrix))


SEEN = RNG.random((NUM_USERS, NUM_ITEMS)) < 0.4
LISTS = RNG.random((NUM_USERS, NUM_ITEMS)) < 0.5
LISTS[2] = False  # no candidate for one user
EXCLUDE, ALLOWED = histories.ragged(pairs_of(SEEN)), histories.ragged(pairs_of(LISTS))


def ids(size: int) -> st.SearchStrategy:
    """Three ids, in and out of range, in any form; or what is no id."""
    whole = st.lists(st.integers(-2, size + 1), min_size=3, max_size=3)
    good = st.lists(st.integers(0, size - 1), min_size=3, max_size=3)
    wrong = st.lists(st.sampled_from([0.0, 1.5, float("nan"), True, 2**31, -(2**40), 2**70]), min_size=3, max_size=3)
    return st.one_of(
        good.flatmap(in_any_form), good.flatmap(in_any_form), whole.flatmap(in_any_form), wrong, NO_NUMBERS
    )


def truth_of_ids(drawn, size: int, ndim: int | None = 1) -> np.ndarray | None:
    """Return ids, or None for what is no array of ids of a table of `size` rows."""
    try:
        array = np.asarray(drawn)
    except ValueError:
        return None
    if array.dtype.kind not in "iu" or (ndim is not None and array.ndim != ndim):
        return None
    return array if ((array >= 0) & (array < size)).all() else None


@quick
@given(users=ids(NUM_USERS), items=ids(NUM_ITEMS))
def test_scores_of_pairs(users, items):
    found = answer(lambda: recommend.score(MODEL, users, items))
    u, i = truth_of_ids(users, NUM_USERS, None), truth_of_ids(items, NUM_ITEMS, None)
    if u is None or i is None or u.shape != i.shape:
        assert found is REFUSED
    else:
        np.testing.assert_array_equal(found, SCORES[u, i])


bools = st.lists(st.booleans(), min_size=NUM_ITEMS, max_size=NUM_ITEMS)
a_candidate = st.one_of(
    st.none(),
    bools.flatmap(in_any_form),
    st.lists(st.integers(0, 1), min_size=NUM_ITEMS, max_size=NUM_ITEMS).flatmap(lambda x: in_any_form(x, np.int32)),
    st.lists(st.integers(0, NUM_ITEMS - 1), max_size=4, unique=True).flatmap(lambda x: in_any_form(x, np.int64)),
    st.lists(st.integers(-1, NUM_ITEMS), max_size=4).flatmap(lambda x: in_any_form(x, np.int64)),
    st.lists(st.booleans(), max_size=NUM_ITEMS + 1).map(np.array),
    st.lists(st.floats(), max_size=NUM_ITEMS),
    NO_NUMBERS.filter(lambda drawn: drawn is not None),
    st.just(pairs_of(LISTS)),
)


def truth_of_candidates(drawn) -> np.ndarray | None:
    """Return bool [num_items], or None for what are no candidates."""
    if drawn is None:
        return np.ones(NUM_ITEMS, bool)
    try:
        array = np.asarray(drawn)
    except ValueError:
        return None
    if array.ndim != 1 or not array.size:
        return None
    if array.dtype == bool:
        return array if array.shape == (NUM_ITEMS,) and array.any() else None
    found = truth_of_ids(array, NUM_ITEMS)
    if found is None or len(set(found.tolist())) < len(found):
        return None
    return np.isin(np.arange(NUM_ITEMS), found)


@quick
@given(drawn=a_candidate)
def test_candidates_are_a_mask_or_ids_and_never_confused(drawn):
    found = answer(lambda: candidates.prepared(drawn, NUM_ITEMS, NUM_USERS))
    wanted = truth_of_candidates(drawn)
    if wanted is None:
        assert found is REFUSED
    else:
        np.testing.assert_array_equal(np.ones(NUM_ITEMS, bool) if found is None else found, wanted)


@few
@given(users=ids(NUM_USERS), drawn=a_candidate, model=st.sampled_from(list(MODELS)))
def test_scores_of_the_candidates(users, drawn, model):
    found = answer(lambda: recommend.masked_scores(MODELS[model], users, None, drawn))
    # A function does not say how many users it has: those beyond its table are its own affair.
    u, allowed = truth_of_ids(users, NUM_USERS if model == "factors" else 2**31 - 1), truth_of_candidates(drawn)
    if u is None or allowed is None:
        assert found is REFUSED
    else:
        inside = u < NUM_USERS
        np.testing.assert_array_equal(found[inside], np.where(allowed, SCORES[u[inside]], -np.inf))


@functools.cache
def compiled(k: int, has_lists: bool, has_exclude: bool):
    def run(users, lists, exclude):
        return recommend.top_k(MODEL, users, k=k, candidates=lists, exclude=exclude)

    return jax.jit(run)


def best(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(scores, order, axis=1)
    return np.where(values > -np.inf, order, 0), values


@few
@given(users=st.lists(st.integers(0, NUM_USERS - 1), min_size=3, max_size=3), lists=st.booleans(), seen=st.booleans())
def test_lists_of_every_kind_of_restriction(users, lists, seen):
    arguments = ALLOWED if lists else None, EXCLUDE if seen else None
    found_ids, found = compiled(4, lists, seen)(jnp.array(users), *arguments)
    scores = SCORES[users]
    scores = np.where(LISTS[users], scores, -np.inf) if lists else scores
    wanted_ids, wanted = best(np.where(SEEN[users], -np.inf, scores) if seen else scores, 4)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(found_ids, wanted_ids)


wrong_lists = st.sampled_from(
    [
        pairs_of(SEEN),
        SEEN,
        histories.ragged(pairs_of(SEEN[:3])),
        histories.ragged(pairs_of(SEEN[:, :5])),
        histories.ragged(pairs_of(SEEN.T)),
        jnp.array([0, 1]),
        "seen",
    ]
)


@quick
@given(wrong=st.sampled_from(["k", "block_size", "metric", "exclude", "users", "candidates"]), data=st.data())
def test_a_wrong_argument_of_a_list_is_refused_before_anything_is_computed(wrong, data):
    options = {"k": 2, "block_size": 2}
    if wrong in options:
        options[wrong] = data.draw(NO_WHOLE_NUMBERS)
    users = data.draw(ids(NUM_USERS).filter(lambda x: truth_of_ids(x, NUM_USERS) is None)) if wrong == "users" else [0]
    if wrong == "metric":
        metric = data.draw(st.sampled_from(["", "euclid", "Dot", None, 1, ["dot"], np.zeros(2)]))
        assert answer(lambda: recommend.similar_items(MODEL, jnp.array([0]), metric=metric)) is REFUSED
        return
    exclude = data.draw(wrong_lists) if wrong == "exclude" else None
    allowed = data.draw(a_candidate.filter(lambda x: truth_of_candidates(x) is None)) if wrong == "candidates" else None
    assert answer(lambda: recommend.top_k(MODEL, users, exclude=exclude, candidates=allowed, **options)) is REFUSED
    if wrong in ("k", "block_size"):
        assert answer(lambda: recommend.similar_items(MODEL, jnp.array([0]), **options)) is REFUSED
    if wrong in ("users", "exclude"):
        assert answer(lambda: two_stage.retrieve(MODEL, users, candidates=2, exclude=exclude)) is REFUSED
        targets = histories.ragged(pairs_of(SEEN))
        assert answer(lambda: two_stage.ceiling(MODEL, users, targets, candidates=2, exclude=exclude)) is REFUSED
    if wrong == "k":
        assert answer(lambda: two_stage.retrieve(MODEL, users, candidates=options["k"])) is REFUSED
        assert answer(lambda: two_stage.scorer(MODEL, MODEL, candidates=options["k"])) is REFUSED


tables = st.sampled_from(
    [
        jnp.ones((NUM_USERS, DIM)),
        np.ones((NUM_ITEMS, DIM), np.float64),
        jnp.ones((NUM_ITEMS, 3)),
        np.ones((3, 0), np.float32),
        jnp.ones((3, DIM), jnp.int32),
        jnp.ones((3, DIM), jnp.bfloat16),
        np.ones((3, DIM), complex),
        jnp.ones(DIM),
        [[1.0, 2.0]],
        None,
        "items",
    ]
)
biases = st.one_of(st.none(), st.sampled_from([jnp.ones(NUM_USERS), np.ones(NUM_ITEMS), jnp.ones((NUM_USERS, 1)), 1.0]))
offsets = st.sampled_from([None, 0.5, 1, np.float32(2), jnp.float32(2), np.ones(1), jnp.ones(()), "0", True, [1.0]])


@quick
@given(users=tables, items=tables, user_biases=biases, item_biases=biases, offset=offsets)
def test_factors_that_do_not_fit_together(users, items, user_biases, item_biases, offset):
    model = Factors(users, items, user_biases, item_biases, offset)

    def fits(table) -> bool:
        return isinstance(table, np.ndarray | jax.Array) and jnp.issubdtype(table.dtype, jnp.floating)

    good = all(fits(table) and table.ndim == 2 for table in (users, items)) and users.shape[1] == items.shape[1]
    for table, bias in ((users, user_biases), (items, item_biases)):
        good = good and (bias is None or (fits(bias) and bias.shape == table.shape[:1]))
    is_number = isinstance(offset, int | float | np.floating) and not isinstance(offset, bool)
    good = good and (offset is None or is_number or (fits(offset) and offset.shape == ()))
    for call in (lambda: agreement.factors("model", model), lambda: recommend.scorer(model)):
        assert (answer(call) is not REFUSED) == good
    assert len(repr(model)) < 400


@few
@given(users=ids(NUM_USERS), items=ids(NUM_ITEMS), mask=st.one_of(bools.map(lambda x: x[:3]), NO_NUMBERS))
def test_reranking(users, items, mask):
    listed = np.reshape(items, (3, 1)) if truth_of_ids(items, NUM_ITEMS) is not None else items
    several = [[one] for one in mask] if isinstance(mask, list) and len(mask) == 3 else mask
    found = answer(lambda: two_stage.rerank(MODEL, users, listed, several))
    u, i = truth_of_ids(users, NUM_USERS), truth_of_ids(items, NUM_ITEMS)
    is_mask = isinstance(mask, list) and len(mask) == 3 and all(type(one) is bool for one in mask)
    if u is None or i is None or not is_mask:
        assert found is REFUSED
    else:
        np.testing.assert_array_equal(found[:, 0], np.where(mask, SCORES[u, i], -np.inf))


largest = jax.jit(recommend.largest, static_argnames="k")
specials = st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 3e-42, 1e-38, 1.2e-38, 3e38, float("inf"), -float("inf"), 1.0])


@quick
@given(row=st.lists(st.one_of(specials, st.floats(width=32, allow_nan=False)), min_size=40, max_size=40))
def test_the_largest_of_any_floats(row):
    scores = np.array([row, row[::-1]], np.float32)
    order = np.argsort(-scores.astype(np.float64), axis=1, kind="stable")
    for k in (3, 35):
        values, columns = map(np.asarray, largest(scores, k=k))
        wanted = np.take_along_axis(scores, order[:, :k], axis=1)
        np.testing.assert_array_equal(values, wanted)
        np.testing.assert_array_equal(
            np.where(wanted > -np.inf, columns, 0), np.where(wanted > -np.inf, order[:, :k], 0)
        )


@quick
@given(model=st.sampled_from([None, 3, "als", MODEL.users, [MODEL], Factors, {"users": 1}, Vocabulary.of([1])]))
def test_what_is_no_model(model):
    for call in (
        lambda: recommend.scorer(model),
        lambda: recommend.top_k(model, jnp.array([0])),
        lambda: evaluate(model, EXCLUDE),
        lambda: two_stage.scorer(model, MODEL, candidates=2),
        lambda: two_stage.retrieve(model, jnp.array([0]), candidates=2),
    ):
        assert answer(call) is REFUSED


@pytest.mark.parametrize(
    "scores",
    [
        lambda users: jnp.ones((len(users), NUM_ITEMS), jnp.int32),
        lambda users: jnp.ones((NUM_ITEMS, len(users))),
        lambda users: jnp.ones(NUM_ITEMS),
        lambda users: None,
        lambda users: [[1.0] * NUM_ITEMS] * len(users),
    ],
)
def test_what_is_no_table_of_scores(scores):
    assert answer(lambda: recommend.masked_scores(scores, jnp.array([0, 1]))) is REFUSED
    assert answer(lambda: evaluate(scores, EXCLUDE, block_size=3)) is REFUSED


explained = jax.jit(als.contributions)


@quick
@given(history=ids(NUM_ITEMS), item=st.one_of(st.integers(-2, NUM_ITEMS + 1), NO_NUMBERS), data=st.data())
def test_explanations(history, item, data):
    """Three entries; the arguments that are arrays of floats have a right or a wrong shape."""
    mask = data.draw(st.sampled_from([np.array([True, False, True]), np.array([1, 0, 1]), np.ones(2, bool)]))
    weights = data.draw(st.sampled_from([np.ones(3, np.float32), np.ones(4, np.float32), np.ones((3, 1), np.float32)]))
    gramian = data.draw(st.sampled_from([np.zeros((DIM, DIM), np.float32), np.zeros(DIM, np.float32)]))
    reg = data.draw(st.sampled_from([1.0, np.float32(0.5), np.ones(DIM, np.float32), -1.0, float("nan"), np.ones(3)]))
    found = answer(lambda: als.contributions(MODEL.items, history, mask, weights, weights, gramian, reg, item))
    good_reg = np.shape(reg) in ((), (DIM,)) and np.all(np.asarray(reg) >= 0)
    good = truth_of_ids(history, NUM_ITEMS) is not None and truth_of_ids(item, NUM_ITEMS, 0) is not None
    good = good and mask.dtype == bool and mask.shape == (3,) and weights.shape == (3,)
    if not (good and gramian.shape == (DIM, DIM) and good_reg):
        assert found is REFUSED
        return
    v = TABLES[1][np.asarray(history)].astype(np.float64)
    normal = (v.T * mask) @ v + np.diag(np.broadcast_to(np.float64(reg), DIM))
    wanted = mask * (v @ np.linalg.solve(normal, TABLES[1][item].astype(np.float64)))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


USERS, ITEMS = ["ann", "bob", "cyd", "dan", "eve"], [10, 20, 30, 40, 50, 60, 70]
RAW = Model(learned=MODEL, user_vocabulary=Vocabulary.of(USERS), item_vocabulary=Vocabulary.of(ITEMS), seen=EXCLUDE)


def forms(values: list) -> st.SearchStrategy:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    kinds = [list, tuple, np.array, lambda x: np.array(x, object), pandas.Series, polars.Series]
    kinds += [lambda x: pandas.Series(x).astype("category"), lambda x: pandas.Series(x, dtype=object)]
    return st.sampled_from(kinds).map(lambda kind: kind(values))


def two_of(values: list) -> st.SearchStrategy[list]:
    return st.lists(st.sampled_from(values), min_size=2, max_size=2)


@quick
@given(users=two_of(USERS), items=two_of(ITEMS), data=st.data())
def test_predictions_of_columns_of_any_kind(users, items, data):
    found = RAW.predict_batch(data.draw(forms(users)), data.draw(forms(items)))
    wanted = [SCORES[USERS.index(user), ITEMS.index(item)] for user, item in zip(users, items, strict=True)]
    np.testing.assert_array_equal(found.values, wanted)
    ratings = data.draw(forms([1.0, 2.0]).filter(lambda x: str(getattr(x, "dtype", "")) != "category"))
    assert RAW.rmse(users, items, ratings) == pytest.approx(np.sqrt(np.mean((np.array(wanted) - [1.0, 2.0]) ** 2)))


no_user = st.sampled_from(
    [None, float("nan"), 1, True, 1.0, b"ann", "", "zoe", ["ann"], ("ann", "bob"), np.array(["ann"]), {}]
)
no_item = st.sampled_from([None, float("nan"), "10", True, 10.0, 11, -1, 2**70, [10], np.array([10, 20]), 2**63])


@quick
@given(user=no_user, item=no_item, wrong=st.sampled_from(["user", "item"]), unknown=st.sampled_from(["error", "bias"]))
def test_no_raw_id_is_converted(user, item, wrong, unknown):
    user, item = (user, 10) if wrong == "user" else ("ann", item)
    found = answer(lambda: RAW.predict(user, item, unknown=unknown))
    is_unknown = user == "zoe" if wrong == "user" else isinstance(item, int) and item in (11, -1, 2**63)
    if unknown == "bias" and is_unknown:
        assert found == 0.0
    else:
        assert found is REFUSED
    if wrong == "user":
        lists = answer(lambda: RAW.recommend(user, k=2, unknown=unknown))
        is_list = isinstance(user, (list, tuple, np.ndarray))  # of users who are known
        assert (lists is REFUSED) == (not is_list and not (is_unknown and unknown == "bias"))


raw = st.one_of(st.integers(-5, 5), st.sampled_from([2**31, 2**62, 2**63 - 1, -(2**63)]), st.text("ab7", max_size=2))


@quick
@given(
    known=st.one_of(st.lists(st.integers(-5, 5)), st.lists(st.text("ab7", max_size=2))).filter(len),
    asked=st.lists(st.one_of(raw, st.sampled_from([None, 1.0, True, 2**70, float("nan"), "a\0"])), max_size=3),
    as_unsigned=st.booleans(),
)
def test_vocabularies(known, asked, as_unsigned):
    vocabulary = Vocabulary.of(known)
    assert vocabulary.raw.tolist() == sorted(set(known))
    kinds = {type(one) for one in asked}
    if as_unsigned and kinds == {int} and min(asked) >= 0 and max(asked) < 2**64:
        asked = np.array(asked, np.uint64)
    found = answer(lambda: vocabulary.find(asked))
    if len(kinds) > 1 or not kinds <= {type(known[0])} or any(one in (2**70, "a\0") for one in list(asked)):
        assert (found is REFUSED) == bool(len(asked))
        return
    ids, is_known = found
    for one, position, there in zip(np.asarray(asked).tolist(), ids.tolist(), is_known.tolist(), strict=True):
        assert there == (one in known)
        assert position == (sorted(set(known)).index(one) if there else 0)
    assert vocabulary.decode(ids[is_known]).tolist() == [one for one in np.asarray(asked).tolist() if one in known]
    assert (answer(lambda: vocabulary.encode(asked)) is REFUSED) == (not is_known.all())


@quick
@given(drawn=st.one_of(ids(3), st.lists(st.text()), st.lists(st.floats())))
def test_only_ids_are_decoded(drawn):
    found = answer(lambda: Vocabulary.of(["a", "b", "c"]).decode(drawn))
    wanted = truth_of_ids(drawn, 3, None) if np.size(np.array(drawn, object)) else np.zeros(0, int)
    if wanted is None:
        assert found is REFUSED
    else:
        assert found.tolist() == np.array(["a", "b", "c"])[wanted].tolist()
