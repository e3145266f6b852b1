"""Weights beside values: every objective against loops, its own gradient, its invariances and the library implicit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from hypothesis import strategies as st

from mfjax import als, devices, histories
from mfjax.als import objectives
from mfjax.devices import by_rows, sharding
from mfjax.types import Interactions
from tests import reference
from tests.borders import REFUSED, answer
from tests.drawn import drawn

NUM_USERS, NUM_ITEMS, DIM = 17, 11, 4
CHUNKS = {"chunk_entries": 16, "width": 2}

OBJECTIVES = {
    "explicit": objectives.explicit(),
    "zeros_observed": objectives.zeros_observed(),
    "implicit": objectives.implicit(alpha=3.0),
    "implicit, log": objectives.implicit(alpha=3.0, confidence="log", epsilon=0.5),
    "implicit, value": objectives.as_in_implicit(alpha=3.0),
    "ials": objectives.ials(unobserved_weight=0.2),
    "popularity_weighted": objectives.popularity_weighted(base=0.3, scale=2.0),
}

step, loss, fold_in = jax.jit(als.step), jax.jit(als.loss), jax.jit(als.fold_in)
half_step, explain = jax.jit(als.half_step, static_argnames="by"), jax.jit(als.contributions)
slope_of = jax.jit(jax.grad(lambda users, state, config: als.loss(state._replace(users=users), DATA, config)))


def weighted_pairs() -> Interactions:
    """Values -3..3 and weights 0..4, zeros among both; the last user and the last item have none."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((NUM_USERS - 1, NUM_ITEMS - 1)) < 0.5)
    values = rng.integers(-3, 4, len(users)).astype(np.float32)
    weights = np.where(rng.random(len(users)) < 0.1, 0, rng.uniform(0, 4, len(users))).astype(np.float32)
    ids = users.astype(np.int32), items.astype(np.int32)
    return Interactions(*ids, values, NUM_USERS, NUM_ITEMS, weights=weights)


PAIRS = weighted_pairs()
DATA = histories.build(PAIRS, **CHUNKS)


def config_of(name: str, **options) -> als.Config:
    options = {"solver": "cholesky", "reg": 0.4, "reg_exponent": 0.5, "init_scale": 1.0, "dim": DIM} | options
    return als.Config(objective=OBJECTIVES[name], **options)


def start(config: als.Config) -> als.State:
    return als.init(jax.random.key(0), config, num_users=NUM_USERS, num_items=NUM_ITEMS)


def entries(name: str, pairs: Interactions) -> tuple:
    """Return a, q, c of every pair and w0: its error's confidence, what it errs to, and how much the background has."""
    r, w = (column.astype(np.float64) for column in (pairs.values, pairs.weights))
    likes = ((r > 0) & (w > 0)).astype(float)
    confidence, target, w0, replaced = {
        "explicit": (w, r, 0.0, False),
        "zeros_observed": (w, r, 1.0, True),
        "implicit": (1 + 3 * w, likes, 1.0, True),
        "implicit, log": (1 + 3 * np.log(1 + w / 0.5), likes, 1.0, True),
        "implicit, value": (3 * w, likes, 1.0, True),
        "ials": (w, likes, 0.2, False),
        "popularity_weighted": (w * (0.3 + 2 / np.maximum(pairs.item_counts()[pairs.items], 1)), r, 0.0, False),
    }[name]
    return confidence - replaced, confidence * target, confidence * target**2, w0


def solved_by_loops(name: str, pairs: Interactions, before: als.State) -> tuple[np.ndarray, np.ndarray, float]:
    """Return users and items after a step with reg .4 and reg_exponent .5, and the loss there."""
    a, q, c, w0 = entries(name, pairs)
    of_users, of_items, ids, regs = np.ones(NUM_USERS), np.ones(NUM_ITEMS), (pairs.users, pairs.items), (0.4, 0.5)
    users = reference.als_half_step(*ids, None, np.asarray(before.items), a, q, w0, of_items, of_users, *regs)
    items = reference.als_half_step(*ids[::-1], None, users, a, q, w0, of_users, of_items, *regs)
    return users, items, reference.als_loss(*ids, None, users, items, a, q, c, w0, of_items, *regs)


@pytest.mark.parametrize(
    ("name", "solver"),
    [
        *((name, "cholesky") for name in OBJECTIVES),
        *((name, "conjugate_gradient") for name in ("explicit", "implicit", "ials")),
    ],
)
def test_step_loss_and_fold_in_equal_the_loops(name, solver):
    config = config_of(name, solver=solver, cg_steps=40, cg_tolerance=1e-6)
    before = start(config)
    users, items, expected = solved_by_loops(name, PAIRS, before)
    after, _ = step(before, DATA, config)
    np.testing.assert_allclose(after.users, users, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(after.items, items, rtol=1e-3, atol=1e-4)
    if solver == "cholesky":
        np.testing.assert_allclose(loss(after, DATA, config), expected, rtol=1e-4)
        folded = fold_in(DATA.users, als.factors(before, config), config, item_counts=DATA.items.counts)
        np.testing.assert_allclose(folded, users, rtol=1e-3, atol=1e-4)


def stepped(name: str, pairs: Interactions, **options) -> als.State:
    config = config_of(name, **options)
    return step(start(config), histories.build(pairs, **CHUNKS), config)[0]


def assert_same(one: als.State, other: als.State, rtol: float = 1e-4) -> None:
    for table, wanted in zip(one[:2], other[:2], strict=True):
        np.testing.assert_allclose(table, wanted, rtol=rtol, atol=rtol)


# What a weight means


@pytest.mark.parametrize("name", ["explicit", "zeros_observed", "ials", "popularity_weighted"])
def test_weights_of_one_are_as_none(name):
    ones = replace(PAIRS, weights=np.ones(len(PAIRS), np.float32))
    assert_same(stepped(name, ones), stepped(name, replace(PAIRS, weights=None)), 1e-6)


@pytest.mark.parametrize("name", ["explicit", "ials"])
def test_a_weight_of_three_is_the_entry_three_times(name):
    weights = np.random.default_rng(1).integers(1, 4, len(PAIRS))
    repeated = replace(PAIRS, weights=None).select(np.repeat(np.arange(len(PAIRS)), weights))
    # Regularisation counts entries: here it is to be the same for both.
    found = stepped(name, replace(PAIRS, weights=weights), reg_exponent=0.0)
    assert_same(found, stepped(name, repeated, reg_exponent=0.0))


@pytest.mark.parametrize("name", ["explicit", "popularity_weighted"])
def test_twice_the_weights_and_the_regularisation_are_the_same_model(name):
    twice = replace(PAIRS, weights=2 * PAIRS.weights)
    assert_same(stepped(name, twice, reg=0.8), stepped(name, PAIRS, reg=0.4))


@pytest.mark.parametrize("name", ["implicit", "implicit, log", "implicit, value"])
def test_a_weight_is_the_size_of_a_value_of_implicit(name):
    signed = np.where(PAIRS.values > 0, PAIRS.weights, -PAIRS.weights)
    assert_same(stepped(name, PAIRS), stepped(name, replace(PAIRS, weights=None).with_values(signed)), 1e-6)
    assert_same(stepped(name, PAIRS), stepped(name, PAIRS.with_values(9 * PAIRS.values)), 1e-6)


@pytest.mark.parametrize("name", ["explicit", "implicit", "implicit, log", "ials"])
def test_a_pair_without_weight_is_as_one_that_was_not_seen(name):
    weights = PAIRS.weights * (np.arange(len(PAIRS)) % 3 > 0)
    given = replace(PAIRS, weights=weights)
    assert_same(stepped(name, given, reg_exponent=0.0), stepped(name, given.select(weights > 0), reg_exponent=0.0))


@pytest.mark.parametrize("name", ["implicit", "ials"])
@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_the_surer_a_dislike_the_lower_its_score_and_a_like_the_higher(name, value):
    margins = []
    for weight in (0.3, 1.0, 5.0):
        likes = [(user, item) for user in range(1, 41) for item in (2, 3, user % 2)]
        users, items = np.array([(0, 0), (0, 2), *likes], np.int32).T
        values = np.array([value] + [0.9] * (len(likes) + 1), np.float32)
        pairs = Interactions(users, items, values, 41, 4, weights=np.array([weight] + [1.0] * (len(likes) + 1)))
        config = config_of(name, reg=0.1)
        model = als.fit(jax.random.key(0), histories.build(pairs), config, num_steps=8)
        scores = np.asarray(model.users @ model.items.T)[0]
        margins.append(scores[0] - scores[1])  # against an item that 20 others like as well, and user 0 has not seen
    assert np.all(np.diff(margins) > 0 if value > 0 else np.diff(margins) < 0)


def test_signed_and_weighted_values_equal_the_library_implicit():
    peer_als = pytest.importorskip("implicit.cpu.als", reason="the library implicit is in the extra `peers`")
    threadpoolctl = pytest.importorskip("threadpoolctl")
    pairs = PAIRS.select((PAIRS.weights > 0) & (PAIRS.values != 0))  # the library has no stored zeros
    config = config_of("implicit, value", reg=0.3, reg_exponent=0.0)
    state = start(config)
    signed = np.where(pairs.values > 0, pairs.weights, -pairs.weights)
    matrix = scipy.sparse.csr_matrix((signed, (pairs.users, pairs.items)), (NUM_USERS, NUM_ITEMS))
    with threadpoolctl.threadpool_limits(1, "blas"):
        peer = peer_als.AlternatingLeastSquares(
            factors=DIM, regularization=0.3, alpha=3.0, iterations=5, use_cg=False, num_threads=1
        )
        peer.user_factors, peer.item_factors = np.array(state.users), np.array(state.items)
        peer.fit(matrix, show_progress=False)
    ours = als.fit(jax.random.key(0), histories.build(pairs), config, num_steps=5, state=state)
    np.testing.assert_allclose(ours.users @ ours.items.T, peer.user_factors @ peer.item_factors.T, atol=1e-3)


def test_spark_takes_a_value_of_0_or_below_for_a_dislike_of_its_size():
    """ALS.computeFactors: c1 = alpha |rating|, and `ls.add(srcFactor, if (rating > 0) 1 + c1 else 0, c1)`."""
    values = np.array([2.0, 0.0, -3.0], np.float32)
    found = objectives.as_in_spark(alpha=0.5).numbers(jnp.asarray(values), jnp.ones(3))
    assert found.quadratic.tolist() == [1.0, 0.0, 1.5]
    assert found.linear.tolist() == [2.0, 0.0, 0.0]


# What holds for any weights


@pytest.mark.parametrize(
    ("name", "biases", "solver"),
    [("explicit", True, "conjugate_gradient"), ("zeros_observed", False, "cholesky"),
     ("implicit", False, "conjugate_gradient"), ("ials", True, "cholesky")],
)  # fmt: skip
def test_the_gradient_is_zero_after_a_half_step_and_the_loss_never_rises(name, biases, solver):
    config = config_of(name, biases=biases, bias_reg=0.2, solver=solver, cg_steps=40, cg_tolerance=1e-6)
    state = start(config)
    solved = half_step(state.users, state.items, DATA.users, config, by="user")
    held = np.arange(config.width) == 1 if biases else np.zeros(config.width, bool)
    slopes = (slope_of(users, state, config) for users in (state.users, solved))
    before, after = (np.abs(np.where(held, 0.0, slope)).max() for slope in slopes)
    assert after < 1e-4 * before
    losses = [float(loss(state, DATA, config))]
    for _ in range(6):
        state, _ = step(state, DATA, config)
        losses.append(float(loss(state, DATA, config)))
    assert np.all(np.diff(losses) <= 1e-5 * np.abs(losses[:-1]))


@pytest.mark.parametrize("name", ["explicit", "implicit"])
def test_order_padding_and_names_do_not_matter(name):
    wanted, rng = stepped(name, PAIRS), np.random.default_rng(2)
    config, state = config_of(name), start(config_of(name))
    shuffled = histories.build(PAIRS.select(rng.permutation(len(PAIRS))), chunk_entries=64, width=8, multiple_of=3)
    assert_same(step(state, shuffled, config)[0], wanted)
    users, items = rng.permutation(NUM_USERS), rng.permutation(NUM_ITEMS)
    renamed = replace(PAIRS, users=users[PAIRS.users], items=items[PAIRS.items])
    moved = state._replace(users=state.users[np.argsort(users)], items=state.items[np.argsort(items)])
    found = step(moved, histories.build(renamed, **CHUNKS), config)[0]
    assert_same(found._replace(users=found.users[users], items=found.items[items]), wanted)
    # What stands on padding is never read.
    blocks = tuple(replace(b, weights=jnp.where(b.mask, b.weights, 1e9)) for b in DATA.users.blocks)
    assert_same(step(state, replace(DATA, users=replace(DATA.users, blocks=blocks)), config)[0], wanted, 1e-7)


def test_one_weight_for_all_is_one_number_a_chunk():
    ones = histories.build(replace(PAIRS, weights=np.full(len(PAIRS), 2.5)), **CHUNKS)
    assert {block.weights.shape[1:] for block in ones.users.blocks + ones.items.blocks} == {(1, 1)}
    whole = [
        replace(block, weights=jnp.where(block.mask, jnp.broadcast_to(block.weights, block.entries.shape), 0))
        for block in ones.users.blocks
    ]
    config = config_of("ials")
    other = replace(ones, users=replace(ones.users, blocks=tuple(whole)))
    assert_same(step(start(config), ones, config)[0], step(start(config), other, config)[0], 1e-6)


def test_devices_and_tables_by_rows_read_weights():
    mesh, config = devices.mesh(1), config_of("implicit")
    spread, (placed, storage) = devices.MapOverDevices(mesh), by_rows.place(DATA, mesh)
    fit = partial(als.fit, jax.random.key(0), config=config, num_steps=1, map_chunks=spread)
    found = fit(placed, state=by_rows.scatter(start(config), storage), storage=storage)
    assert_same(by_rows.gather(found, storage), step(start(config), DATA, config)[0], 1e-5)
    one = histories.build(replace(PAIRS, weights=np.full(len(PAIRS), 2.5)), **CHUNKS)
    found = fit(sharding.place(one, mesh), state=start(config))
    assert_same(found, step(start(config), one, config)[0], 1e-5)


@pytest.mark.parametrize("name", ["explicit", "implicit", "ials"])
def test_the_parts_of_an_explanation_add_up_to_the_score_that_folding_in_gives(name):
    config, lists = config_of(name, reg_exponent=0.0), histories.ragged(PAIRS)
    model = als.factors(start(config), config)
    rows = fold_in(DATA.users, model, config, item_counts=DATA.items.counts)
    ids, values, mask = (part[0] for part in lists.rows(jnp.array([3])))
    entry = config.objective.numbers(values, DATA.items.counts[ids], lists.weights_of(jnp.array([3]))[0])
    background = config.objective.unobserved_weight * model.items.T @ model.items
    parts = explain(model.items, ids, mask, entry.quadratic, entry.linear, background, 0.4, jnp.array(5))
    np.testing.assert_allclose(parts.sum(), rows[3] @ model.items[5], rtol=1e-3, atol=1e-5)


def plain(values, item_counts):
    return objectives.Entry(1.0, values, values**2)


def test_a_function_of_ones_own_is_weighed_as_explicit_is():
    config = config_of("explicit")
    own = replace(config, objective=objectives.Objective(entry=plain))
    assert_same(step(start(config), DATA, own)[0], step(start(config), DATA, config)[0], 1e-6)


@pytest.mark.parametrize("weighing", ["times", "", None, 1, ("part",)])
def test_another_word_for_what_weights_do_is_refused(weighing):
    assert answer(lambda: objectives.Objective(entry=plain, weighing=weighing)) is REFUSED


WEIGHTS = st.one_of(st.floats(0, 4, width=32), st.sampled_from([0.0, 1e-6, 1.0, 1e3]))


@drawn(
    st.sampled_from(sorted(OBJECTIVES)),
    st.lists(st.floats(-3, 3, width=16), min_size=len(PAIRS), max_size=len(PAIRS)),
    st.lists(WEIGHTS, min_size=len(PAIRS), max_size=len(PAIRS)),
    examples=40,
)
def test_drawn_values_and_weights_equal_the_loops(name, values, weights):
    values, weights = np.array(values, np.float32), np.array(weights, np.float32)
    values[0], values[1], weights[0], weights[1] = 1, 2, 1, 2  # so that they differ, and no program is compiled anew
    pairs, config = replace(PAIRS, values=values, weights=weights), config_of(name)
    before = start(config)
    users, items, expected = solved_by_loops(name, pairs, before)
    after, _ = step(before, histories.build(pairs, **CHUNKS), config)
    np.testing.assert_allclose(after.users, users, rtol=2e-3, atol=2e-3 * np.abs(users).max())
    np.testing.assert_allclose(after.items, items, rtol=5e-3, atol=5e-3 * np.abs(items).max())
    np.testing.assert_allclose(loss(after, histories.build(pairs, **CHUNKS), config), expected, rtol=5e-3)
