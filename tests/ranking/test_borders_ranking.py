"""Borders of the ranking-trained models, by drawn arguments.

Every call gives what slow numpy gives, or a ValueError raised by this project: no other exception, and no answer to a
question that was not asked. Shapes are few, and what is wrong with an argument is asked without computing anything.
"""

import math
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import strategies as st

from mfjax import ranking, training
from mfjax.histories import Ragged, ragged
from mfjax.ranking import complement, fold_in, losses, sampling, sparse_updates, streams
from mfjax.ranking.objective import Lambdas, Rows, objective
from mfjax.ranking.sampler import draw as draw_negatives
from mfjax.types import Interactions
from tests.drawn import (
    FLOATS,
    KINDS,
    NUMBERS,
    WHOLES,
    WRONG,
    an_ids,
    drawn,
    is_number,
    is_whole,
    refused,
    refused_when_traced,
)
from tests.ranking.test_losses import TRUTH

NUM_USERS, NUM_ITEMS, DIM = 4, 6, 2
LISTS = [[0, 2, 5], [], [0, 1, 2, 3, 4, 5], [3]]


def lists(values=1.0) -> Ragged:
    users = np.repeat(np.arange(NUM_USERS), [len(row) for row in LISTS]).astype(np.int32)
    items = np.concatenate([np.array(row, np.int32) for row in LISTS])
    numbers = np.broadcast_to(np.asarray(values, np.float32), items.shape).copy()
    return ragged(Interactions(users, items, numbers, NUM_USERS, NUM_ITEMS))


POSITIVES = lists()
BUILT = complement.build(POSITIVES, np.arange(1.0, NUM_ITEMS + 1))
# Streams

permutation = jax.jit(partial(streams.permutation, size=7))
draw_outside, draw = jax.jit(complement.draw), jax.jit(draw_negatives)


@drawn(an_ids(5, 7), st.integers(0, 3), examples=150)
def test_permutation(positions, seed):
    passed, plain = positions
    assert refused_when_traced(lambda: streams.permutation(jax.random.key(seed), passed, 7)) == (plain is None)
    if plain is not None:
        whole = np.asarray(permutation(jax.random.key(seed), jnp.arange(7)))
        np.testing.assert_array_equal(permutation(jax.random.key(seed), jnp.asarray(plain)), whole[plain])


@drawn(st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3), st.one_of(st.integers(-2, 2**31), WRONG, FLOATS))
def test_below(words, bound):
    wrong, found = refused(lambda: streams.below(jnp.asarray(words, jnp.uint32), bound))
    assert wrong == (not (isinstance(bound, int) and 0 <= bound < 2**31))
    if not wrong:
        assert found.tolist() == [word * bound >> 32 for word in words]


@drawn(WHOLES, WHOLES, st.one_of(st.integers(-1, 3), st.integers(-1, 3).map(jnp.int32), WRONG, FLOATS))
def test_words(count, width, step):
    key = jax.random.key(1)
    wrong, found = refused(lambda: streams.words(key, step, count, width))
    whole_step = getattr(step, "dtype", None) == jnp.int32 or isinstance(step, int)
    assert wrong == (not (is_whole(count, 0) and is_whole(width, 0) and whole_step and int(step) >= 0))
    if not wrong:
        assert found.shape == (count, width) and found.dtype == jnp.uint32
        whole = streams.words(key, 0, 16, 4)
        np.testing.assert_array_equal(found, whole[int(step) * count :][:count, :width])


@pytest.mark.parametrize("key", [0, None, "key", np.uint32(3), jnp.zeros(3)])
def test_what_is_no_key(key):
    for call in (
        lambda: streams.words(key, 0, 3),
        lambda: streams.permutation(key, jnp.arange(3), 3),
        lambda: ranking.init(key, ranking.Config(dim=DIM), num_users=2, num_items=2),
        lambda: ranking.fit(key, ranking.data(POSITIVES), ranking.Config(dim=DIM)),
        lambda: training.train(key, COUNT, num_steps=1),
        lambda: fold_in(key, POSITIVES, MODEL, ranking.Config(dim=MODEL.items.shape[1])),
        lambda: draw_negatives(key, sampling.uniform(POSITIVES), jnp.array([0])),
    ):
        assert refused(call)[0]


# Complements and samplers

DTYPES = st.sampled_from([np.float16, np.float32, np.float64, np.int32, np.uint8, jnp.bfloat16, jnp.float32, list])
SIZES = st.one_of(
    st.floats(0, allow_infinity=False),
    st.floats(0, 10),
    st.floats(-300, 300).map(lambda power: 10.0**power),
    st.sampled_from([0.0, 0.0, 1.0, 1e-12, 1e-42, 5e-324, 1e300]),
    st.sampled_from([math.nan, math.inf, -1.0, -1e-42]),
)


@pytest.mark.slow
@drawn(st.lists(SIZES, min_size=NUM_ITEMS, max_size=NUM_ITEMS), DTYPES, examples=300)
def test_weights(numbers, dtype):
    if dtype in (np.int32, np.uint8):
        numbers = [number if math.isfinite(number) and 0 <= number < 100 else 0 for number in numbers]
    with np.errstate(all="ignore"):
        weights = jnp.asarray(numbers, dtype) if dtype in (jnp.bfloat16, jnp.float32) else np.array(numbers, dtype)
        weights = numbers if dtype is list else weights
    exact = np.asarray(weights, np.float64)
    good = np.isfinite(exact).all() and (exact >= 0).all() and exact.any()
    wrong, built = refused(lambda: complement.build(POSITIVES, weights))
    assert wrong == (not good)
    if not wrong:
        masses = np.diff(np.asarray(built.line.ends).astype(np.int64), prepend=0)
        shares = exact / exact.max() / (exact / exact.max()).sum()
        np.testing.assert_allclose(masses / masses.sum(), shares, rtol=0, atol=1e-8)
        assert not masses[exact == 0].any()
        assert masses.sum() < 2**31


@pytest.mark.parametrize("weights", [None, "weights", np.ones(NUM_ITEMS + 1), np.ones((NUM_ITEMS, 1)), 1.0, [True] * 6])
def test_weights_of_another_kind(weights):
    assert refused(lambda: sampling.weighted(POSITIVES, weights))[0]


@drawn(an_ids(3, NUM_USERS), st.integers(0, 2**32 - 1), examples=150)
def test_draws_outside_rows(rows, word):
    passed, plain = rows
    words = jnp.full((3, 2), word, jnp.uint32)
    assert refused_when_traced(lambda: complement.draw(BUILT, words, passed)) == (plain is None)
    if plain is not None:
        found = draw_outside(BUILT, words, jnp.asarray(plain))
        masses = np.diff(np.asarray(BUILT.line.ends).astype(np.int64), prepend=0)
        for row, ids in zip(plain, found[0], strict=True):
            outside = masses.copy()
            outside[LISTS[row]] = 0
            x = word * int(outside.sum()) >> 32
            want = np.searchsorted(np.cumsum(outside), x, "right") if outside.any() else 0
            assert ids.tolist() == [want] * 2


@drawn(an_ids(2, NUM_USERS), an_ids(2, NUM_ITEMS), examples=150)
def test_contains(rows, ids):
    passed = ids[0]
    if isinstance(passed, (list, np.ndarray, jax.Array)):
        passed = [[item] for item in passed] if isinstance(passed, list) else passed[:, None]
    wrong, found = refused(lambda: complement.contains(POSITIVES, rows[0], passed))
    assert wrong == (rows[1] is None or ids[1] is None)
    if not wrong:
        assert found[:, 0].tolist() == [item in LISTS[row] for row, item in zip(rows[1], ids[1], strict=True)]


RULES = st.sampled_from(["exclude", "skip", "keep", "drop", "Exclude", None, 1, ("keep",), ["keep"]])


@drawn(WHOLES, RULES, st.one_of(NUMBERS, st.sampled_from([0.0, 0.5, 0.75, 1.0])), examples=200)
def test_makers_of_samplers(num, rule, beta):
    wrong, sampler = refused(lambda: sampling.popularity(POSITIVES, beta=beta, num=num, false_negatives=rule))
    good = is_whole(num) and rule in ("exclude", "skip", "keep") and is_number(beta)
    if good and is_whole(num):
        counts = np.bincount(np.concatenate([np.array(row, int) for row in LISTS]), minlength=NUM_ITEMS)
        with np.errstate(all="ignore"):
            weights = counts.astype(np.float32) ** np.float32(beta)
        good = np.isfinite(weights).all() and (weights > 0).any()
    assert wrong == (not good)
    if not wrong:
        users = jnp.arange(NUM_USERS)
        found = draw(jax.random.key(0), sampler, users)
        assert found.weights.shape == (NUM_USERS, num)
        if rule != "keep":
            real = [
                ids[weights > 0] for ids, weights in zip(np.asarray(found.ids), np.asarray(found.weights), strict=True)
            ]
            assert not any(set(ids.tolist()) & set(row) for ids, row in zip(real, LISTS, strict=True))


SAMPLERS = [make(POSITIVES) for make in sampling.SAMPLERS.values() if make is not sampling.in_batch]


@drawn(an_ids(3, NUM_USERS), st.sampled_from(SAMPLERS), examples=100)
def test_users_of_samplers(users, sampler):
    passed, plain = users
    assert refused_when_traced(lambda: draw_negatives(jax.random.key(3), sampler, passed)) == (plain is None)
    if plain is not None:
        found = draw(jax.random.key(3), sampler, jnp.asarray(plain))
        np.testing.assert_array_equal(np.any(np.asarray(found.weights) > 0, axis=1), [user != 2 for user in plain])


@pytest.mark.parametrize(
    "positives", [None, [[0]], np.eye(3), jnp.eye(2), replace(POSITIVES, num_columns=3), "pairs", (0, 1)]
)
def test_lists_of_another_kind(positives):
    makers = *sampling.SAMPLERS.values(), partial(sampling.weighted, weights=np.ones(NUM_ITEMS))
    for call in (*makers, ranking.data, complement.build):
        assert refused(lambda call=call: call(positives))[0]
    assert refused(lambda: ranking.data(Interactions([0], [0], [1.0], 1, 1)))[0]


# Training

STATIC = {
    "order": st.sampled_from(["replacement", "permutation", "shuffle", "", None, 0, ["permutation"]]),
    "dim": WHOLES,
    "batch_size": WHOLES,
    "biases": st.sampled_from([True, False, 1, None, "yes"]),
    "dense_updates": st.sampled_from([True, False, 0, None]),
    "loss": st.sampled_from([losses.bpr, losses.softmax, lambda *scores: scores[0], "bpr", None, 3]),
    "optimizer": st.sampled_from([None, optax.adam(1.0), optax.adam, "adam", 1.0]),
}


@drawn(st.fixed_dictionaries({}, optional=STATIC), examples=300)
def test_static_fields(fields):
    good = (
        fields.get("order", "permutation") in ("replacement", "permutation")
        and all(is_whole(fields.get(name, 1)) for name in ("dim", "batch_size"))
        and all(type(fields.get(name, True)) is bool for name in ("biases", "dense_updates"))
        and callable(fields.get("loss", losses.bpr))
        and isinstance(fields.get("optimizer"), (type(None), optax.GradientTransformation))
    )
    for make in (ranking.Config, partial(replace, ranking.Config())):
        wrong, config = refused(lambda make=make: make(**fields))
        assert wrong == (not good)
        assert wrong or all(getattr(config, name) == value for name, value in fields.items())


CONFIG = ranking.Config(dim=DIM, batch_size=4)
DATA = ranking.data(POSITIVES)
STATE = ranking.init(jax.random.key(0), CONFIG, num_users=NUM_USERS, num_items=NUM_ITEMS)
MODEL = ranking.factors(STATE, CONFIG)
FIELDS = ("learning_rate", "reg_user", "reg_positive", "reg_negative", "reg_bias", "init_scale")
examples = jax.jit(ranking.examples)
tables_after_a_step = jax.jit(lambda state, config: ranking.step(jax.random.key(1), state, DATA, config)[0].tables)


@drawn(st.sampled_from(FIELDS), NUMBERS, st.sampled_from(["fit", "init", "state", "step", "epoch"]), examples=200)
def test_numbers_of_training(name, number, path):
    config = replace(CONFIG, **{name: number})
    key = jax.random.key(5)
    calls = {
        "fit": lambda: ranking.fit(key, DATA, config, num_epochs=0),
        "state": lambda: ranking.fit(key, DATA, config, num_epochs=0, state=STATE),
        "init": lambda: ranking.init(key, config, num_users=NUM_USERS, num_items=NUM_ITEMS),
        # Evaluated for its shapes only: what can be seen is seen all the same.
        "step": lambda: jax.eval_shape(lambda state: ranking.step(key, state, DATA, config), STATE),
        "epoch": lambda: jax.eval_shape(lambda state: ranking.epoch(key, state, DATA, config), STATE),
    }
    wrong, _ = refused(calls[path])
    assert wrong == (not (is_number(number) and number >= 0))


@drawn(st.floats(0, 2, width=32), st.floats(0, 2, width=32), examples=60)
def test_a_step_follows_its_numbers(rate, reg):
    """Each example of a user adds -rate * reg * row."""
    config = replace(CONFIG, learning_rate=np.float32(rate), reg_user=jnp.float32(reg))
    found = tables_after_a_step(STATE, config)
    still = tables_after_a_step(STATE, replace(config, reg_user=np.float32(0)))
    moved = np.asarray(found.users) - np.asarray(still.users)
    users, _, negatives = examples(jax.random.key(1), STATE, DATA, CONFIG)
    active = np.bincount(np.asarray(users), np.any(np.asarray(negatives.weights) > 0, axis=1), NUM_USERS)
    want = -rate * reg * active[:, None] * np.asarray(STATE.tables.users)
    np.testing.assert_allclose(moved, want, atol=1e-5)


NUM_PAIRS = sum(map(len, LISTS))


@drawn(st.lists(st.one_of(st.floats(0, 5, width=32), FLOATS), min_size=NUM_PAIRS, max_size=NUM_PAIRS), examples=150)
def test_values_of_positives(values):
    positives = replace(POSITIVES, values=jnp.asarray(values, jnp.float32))
    wrong, data = refused(lambda: ranking.data(positives))
    numbers = np.asarray(positives.values)
    assert wrong == (not (numbers > 0).all())
    if not wrong:
        assert data.users.tolist() == [user for user, row in enumerate(LISTS) for _ in row]


def other_states():
    start = lambda config, users=NUM_USERS, items=NUM_ITEMS: ranking.init(  # noqa: E731
        jax.random.key(0), config, num_users=users, num_items=items
    )
    yield "another dim", start(replace(CONFIG, dim=3))
    yield "other users", start(CONFIG, users=NUM_USERS + 1)
    yield "other items", start(CONFIG, items=NUM_ITEMS - 1)
    yield "no biases", start(replace(CONFIG, biases=False))
    yield "an optimizer", start(replace(CONFIG, optimizer=optax.adam(1.0)))
    yield "integers", STATE._replace(tables=jax.tree.map(lambda table: table.astype(jnp.int32), STATE.tables))
    yield "transposed", STATE._replace(tables=STATE.tables._replace(users=STATE.tables.users.T))
    yield "factors", ranking.factors(STATE, CONFIG)
    yield "a step", STATE._replace(step=jnp.int32(-1))
    yield "no state", tuple(STATE)


@pytest.mark.parametrize(("what", "state"), list(other_states()))
def test_states_of_something_else(what, state):
    assert refused(lambda: ranking.fit(jax.random.key(2), DATA, CONFIG, state=state))[0]
    for call in (ranking.step, ranking.epoch, ranking.examples):
        assert refused(lambda call=call: call(jax.random.key(2), state, DATA, CONFIG))[0]
        if what != "a step":  # its value can not be seen under jit
            assert refused(lambda call=call: jax.jit(call)(jax.random.key(2), state, DATA, CONFIG))[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"data": POSITIVES}, "ranking.data"),
        ({"data": None}, "ranking.data"),
        ({"config": {}}, "ranking.Config"),
        ({"num_epochs": -1}, "num_epochs"),
        ({"num_epochs": 1.5}, "num_epochs"),
        ({"num_epochs": "3"}, "num_epochs"),
        ({"factors": STATE}, "factors"),
        ({"factors": MODEL._replace(items=MODEL.items[:2])}, "factors.items"),
        ({"factors": MODEL._replace(item_biases=jnp.zeros(2))}, "factors.item_biases"),
        ({"factors": MODEL, "config": replace(CONFIG, biases=False)}, "biases=True"),
        ({"factors": MODEL, "state": STATE}, "one of the two"),
        ({"on_epoch": 3}, "on_epoch"),
        ({"config": replace(CONFIG, loss=lambda *scores: losses.bpr(*scores).mean())}, "not their sum or mean"),
        ({"config": replace(CONFIG, learning_rate=jnp.ones(2))}, "vmap"),
    ],
)
def test_arguments_of_fit(arguments, words):
    good = {"key": jax.random.key(0), "data": DATA, "config": CONFIG, "num_epochs": 1}
    with pytest.raises(ValueError, match=words):
        ranking.fit(**(good | arguments))


@pytest.mark.parametrize(
    ("sampler", "words"),
    [
        (sampling.uniform, "no sampler"),
        (lambda words, users, items, score: None, "no sampler"),
        ("uniform", "no sampler"),
        (sampling.uniform(ragged(Interactions(np.array([0]), np.array([0]), np.ones(1), 1, 2))), "made for"),
        (
            sampling.hard(sampling.everything(ragged(Interactions(np.array([0]), np.array([0]), np.ones(1), 1, 2)))),
            "made",
        ),
    ],
)
def test_samplers_of_something_else(sampler, words):
    with pytest.raises(ValueError, match=words):
        ranking.data(POSITIVES, sampler)


def test_more_hard_negatives_than_are_drawn():
    sampler = sampling.hard(sampling.uniform(POSITIVES, num=2), num=3)
    with pytest.raises(ValueError, match="num: 3 cannot be kept of 2"):
        draw_negatives(jax.random.key(0), sampler, jnp.array([0]))


# Fold-in


@drawn(reg_user=NUMBERS, num_negatives=WHOLES, num_steps=WHOLES, block_size=WHOLES, examples=100)
def test_numbers_of_fold_in(reg_user, **counts):
    good = is_number(reg_user) and reg_user >= 0 and all(map(is_whole, counts.values()))

    def shape(positives):
        config = ranking.Config(dim=MODEL.items.shape[1], reg_user=reg_user)
        return fold_in(jax.random.key(0), positives, MODEL, config, **counts).shape

    wrong, _ = refused(lambda: jax.eval_shape(lambda positives: jnp.zeros(shape(positives)), POSITIVES))
    assert wrong == (not good)


@pytest.mark.parametrize(
    ("positives", "model", "loss", "words"),
    [
        (lists(-1.0), MODEL, losses.bpr, "negative"),
        (lists(0.0), MODEL, losses.bpr, "zero"),
        (None, MODEL, losses.bpr, "histories.ragged"),
        (POSITIVES, MODEL._replace(items=MODEL.items[:3]), losses.bpr, "model: items"),
        (POSITIVES, MODEL._replace(item_biases=jnp.zeros(3)), losses.bpr, "model: item_biases"),
        (POSITIVES, STATE, losses.bpr, "model"),
        (POSITIVES, MODEL, "bpr", "loss"),
        (POSITIVES, MODEL, lambda *scores: losses.bpr(*scores).sum(), "one number for each example"),
    ],
)
def test_arguments_of_fold_in(positives, model, loss, words):
    with pytest.raises(ValueError, match=words):
        fold_in(jax.random.key(0), positives, model, ranking.Config(dim=MODEL.items.shape[1], loss=loss))


# Losses

BATCH, NUM = 2, 3
SCORES = st.lists(st.integers(-40, 40), min_size=BATCH * (NUM + 1), max_size=BATCH * (NUM + 1), unique=True).map(
    lambda tenths: [tenth / 10 for tenth in tenths]
)
WEIGHTS = st.one_of(st.none(), st.lists(st.one_of(st.floats(0, 4, width=16), FLOATS), min_size=6, max_size=6))


@drawn(st.sampled_from(sorted(losses.LOSSES)), SCORES, WEIGHTS, KINDS, examples=300)
def test_losses(name, scores, weights, kind):
    positive = np.array(scores[:BATCH], np.float32)
    negatives = np.array(scores[BATCH:], np.float32).reshape(BATCH, NUM)
    plain = np.ones((BATCH, NUM)) if weights is None else np.array(weights, np.float32).reshape(BATCH, NUM)
    passed = None if weights is None else kind(plain.astype(np.float32).tolist())
    good = np.isfinite(plain).all() and (plain >= 0).all()
    wrong, found = refused(lambda: losses.LOSSES[name](positive, negatives, passed))
    assert wrong == (not good)
    # A denormal is 0 on this processor; and the ranks of weights of 1e30 are no ranks.
    if not wrong and ((plain == 0) | ((plain > 1e-30) & (plain < 1e6))).all() and name != "warp":
        truth = [TRUTH[name](*map(np.float64, one)) for one in zip(positive, negatives, plain, strict=True)]
        np.testing.assert_allclose(found, truth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", losses.LOSSES.values())
@pytest.mark.parametrize(
    "shapes",
    [((2, 1), (2, 3), (2, 3)), ((2,), (3, 3), (2, 3)), ((2,), (2, 3), (2, 2)), ((2,), (2,), (2,)), ((), (3,), (3,))],
)
def test_shapes_of_losses(loss, shapes):
    parts = [jnp.ones(shape) for shape in shapes]
    assert refused(lambda: loss(*parts))[0] and refused(lambda: jax.jit(loss)(*parts))[0]


LABELS = st.lists(st.one_of(st.integers(0, 4).map(float), FLOATS), min_size=4, max_size=4)


@drawn(
    LABELS, st.sampled_from(["exponential", "binary", "linear", None, 1]), st.one_of(st.none(), WHOLES), examples=200
)
def test_lambda_weights(labels, gain, k):
    scores, mask = np.array([3.0, 1.0, 2.0, 0.0], np.float32), np.array([True, True, True, False])
    array = np.array(labels, np.float32)
    good = gain in ("exponential", "binary") and (k is None or is_whole(k))
    good = good and np.isfinite(array).all() and (array >= 0).all() and (gain == "binary" or (array <= 100).all())
    wrong, found = refused(lambda: losses.ndcg_weight(scores, array, mask, k=k, gain=gain))
    assert wrong == (not good)
    if not wrong and (array < 20).all() and ((array == 0) | (array > 1e-3)).all():
        gains = np.exp2(np.float64(array)) - 1 if gain == "exponential" else 1.0 * (array > 0)
        discount = lambda rank: 1 / np.log2(rank + 1) if k is None or rank <= k else 0.0  # noqa: E731
        ranks = [1, 3, 2]
        ideal = sum(one * discount(place + 1) for place, one in enumerate(sorted(gains[:3], reverse=True)))
        want = np.zeros((4, 4))
        for i, j in np.ndindex(3, 3):
            change = abs(gains[i] - gains[j]) * abs(discount(ranks[i]) - discount(ranks[j]))
            want[i, j] = change / (ideal if ideal > 0 else 1)
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "mask"),
    [
        (jnp.ones(3), jnp.ones(4, bool)),
        (jnp.ones(4), jnp.ones(3, bool)),
        (jnp.ones(4), jnp.ones(4)),
        (jnp.array([1, jnp.nan, 0, 0]), jnp.ones(4, bool)),
    ],
)
def test_lists_of_losses(labels, mask):
    for call in (losses.pairwise_logistic, losses.ndcg_weight):
        assert refused(lambda call=call: call(jnp.ones(4), labels, mask))[0]


@pytest.mark.parametrize("shape", [(2, 2), (3,), (1, 3), ()])
def test_weights_of_an_objective(shape):
    rows = Rows(jnp.ones((2, DIM)), jnp.ones((2, DIM)), jnp.ones((2, 3, DIM)), None, None)
    with pytest.raises(ValueError, match="weights: shape"):
        objective(rows, jnp.ones(shape), losses.bpr, Lambdas(0.0, 0.0, 0.0, 0.0))


# Sparse updates


@drawn(an_ids(3, 5), NUMBERS, examples=200)
def test_plain_updates(ids, rate):
    passed, plain = ids
    table, gradients = np.arange(10.0, dtype=np.float32).reshape(5, 2), np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    wrong, found = refused(lambda: sparse_updates.plain(jnp.asarray(table), passed, jnp.asarray(gradients), rate))
    assert wrong == (plain is None or not (is_number(rate) and rate >= 0))
    if not wrong and rate < 1e6:
        want = table.astype(np.float64)
        for row, gradient in zip(plain, gradients, strict=True):
            want[row] -= float(rate) * gradient
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)
    wrong, found = refused(lambda: sparse_updates.sum_repeats(passed, jnp.asarray(gradients), 5))
    assert wrong == (plain is None)
    if not wrong:
        distinct = sorted(set(plain))
        assert found[0].tolist() == distinct + [5] * (3 - len(distinct))
        sums = [sum(g for row, g in zip(plain, gradients, strict=True) if row == one) for one in distinct]
        np.testing.assert_allclose(found[1][: len(distinct)], sums)


@pytest.mark.parametrize("update", [sparse_updates.sparse, sparse_updates.dense])
def test_optimizers_and_states_of_something_else(update):
    table, ids, gradients, adam = jnp.ones((4, 2)), jnp.array([1]), jnp.ones((1, 2)), optax.adam(1.0)
    state = adam.init(table)
    for optimizer, given_state, given_gradients, given_ids in (
        ("adam", state, gradients, ids),
        (adam, None, gradients, ids),
        (adam, adam.init(table[:3]), gradients, ids),
        (adam, state, jnp.ones((1, 3)), ids),
        (adam, state, jnp.ones((2, 2)), ids),
        (adam, state, gradients, jnp.array([4])),
        (adam, state, gradients, jnp.array([-1])),
    ):
        assert refused(lambda a=(optimizer, table, given_state, given_ids, given_gradients): update(*a, 0.1))[0]
    factored = optax.adafactor(1.0, min_dim_size_to_factor=1)
    if update is sparse_updates.sparse:
        with pytest.raises(ValueError, match="not elementwise; step on the whole table"):
            update(factored, table, factored.init(table), ids, gradients, 0.1)


# Transforms

COUNT = training.Algorithm(lambda key: jnp.int32(0), lambda key, state: (state + 1, {"now": state + 1.0, "n": state}))


@partial(jax.jit, static_argnames="patience")
def followed(values, patience):
    best = training.keep_best(COUNT, lambda state: values[state - 1], patience=patience)
    key = jax.random.key(0)
    return jax.lax.scan(lambda state, _: best.step(key, state), best.init(key), length=len(values))


@drawn(st.lists(st.one_of(st.integers(0, 3).map(float), st.just(math.nan)), min_size=7, max_size=7), st.integers(1, 3))
def test_keep_best_and_its_info_agree(values, patience):
    state, info = followed(jnp.asarray(values, jnp.float32), patience)
    best, at, stale, now = -math.inf, 0, 0, 0
    for number, value in enumerate(values):
        stopped = stale >= patience
        assert bool(info.stopped[number]) == stopped
        if stopped:
            assert math.isnan(info.value[number]) and math.isnan(info.inner["now"][number])
            assert info.inner["n"][number] == 0
            continue
        now = number + 1
        np.testing.assert_array_equal(info.value[number], np.float32(value))
        assert info.inner["now"][number] == now
        best, at, stale = (value, now, 0) if value > best else (best, at, stale + 1)
    assert (int(state.current), float(state.value), int(state.num_stale)) == (now, best, stale)
    assert int(state.best) == at


@drawn(WHOLES, WHOLES, WHOLES, WHOLES, examples=200)
def test_counts_of_transforms(patience, every, start, num_steps):
    key, metric = jax.random.key(0), lambda state: state + 0.0
    assert refused(lambda: training.keep_best(COUNT, metric, patience=patience))[0] == (not is_whole(patience))
    assert refused(lambda: training.trace(COUNT, metric, every=every))[0] == (not is_whole(every))
    assert refused(lambda: training.average(COUNT, start=start))[0] == (not is_whole(start, 0))
    wrong, state = refused(lambda: training.train(key, COUNT, num_steps=num_steps))
    assert wrong == (not is_whole(num_steps, 0))
    assert wrong or int(state) == num_steps


def test_algorithms_and_functions_of_something_else():
    metric = lambda state: state + 0.0  # noqa: E731
    for call in (
        lambda: training.keep_best(ranking.fit, metric, patience=1),
        lambda: training.keep_best(COUNT, "ndcg", patience=1),
        lambda: training.trace(None, metric),
        lambda: training.average((COUNT.init, COUNT.step)),
        lambda: training.schedule(COUNT, 3.0),
        lambda: training.schedule(lambda size: size, lambda step: step).init(jax.random.key(0)),
        lambda: training.train(jax.random.key(0), COUNT.step, num_steps=1),
        lambda: training.train(jax.random.key(0), COUNT, num_steps=1, stop=True),
    ):
        assert refused(call)[0]
    vector = training.keep_best(COUNT, lambda state: jnp.ones(2), patience=1)
    with pytest.raises(ValueError, match="metric: shape"):
        vector.step(jax.random.key(0), vector.init(jax.random.key(0)))
