"""ALS on values of either sign, how far from solved it says rows are, and float64."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from mfjax import als, histories
from mfjax.als import objectives
from mfjax.types import Interactions
from tests import reference

NUM_USERS, NUM_ITEMS, DIM = 17, 11, 4

OBJECTIVES = {
    "explicit": {},
    "zeros_observed": {},
    "implicit": {"alpha": 3.0, "confidence": "linear"},
    "implicit_log": {"alpha": 3.0, "confidence": "log", "epsilon": 0.5},
    "implicit_value": {"alpha": 3.0, "confidence": "value"},
    "ials": {"unobserved_weight": 0.2},
}

step, loss, fold_in = jax.jit(als.step), jax.jit(als.loss), jax.jit(als.fold_in)


def signed_pairs() -> Interactions:
    """Values -3..3, zeros among them; the last user and the last item have none."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((NUM_USERS - 1, NUM_ITEMS - 1)) < 0.5)
    values = rng.integers(-3, 4, len(users)).astype(np.float32)
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, NUM_USERS, NUM_ITEMS)


PAIRS = signed_pairs()
DATA = histories.build(PAIRS, chunk_entries=16, width=2)


def config_of(name: str, **options) -> als.Config:
    objective = objectives.OBJECTIVES[name.partition("_")[0] if "implicit" in name else name](**OBJECTIVES[name])
    options = {"solver": "cholesky", "reg": 0.4, "reg_exponent": 0.5, "init_scale": 1.0, "dim": DIM} | options
    return als.Config(objective=objective, **options)


def start(config: als.Config, num_users: int = NUM_USERS, num_items: int = NUM_ITEMS) -> als.State:
    return als.init(jax.random.key(0), config, num_users=num_users, num_items=num_items)


def entries_of(name: str) -> tuple:
    kind = "implicit" if "implicit" in name else name
    return reference.quadratic_entry(kind, PAIRS.values, PAIRS.item_counts()[PAIRS.items], **OBJECTIVES[name])


# Values of either sign


@pytest.mark.parametrize("solver", als.SOLVERS)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_signed_values_and_stored_zeros_equal_the_loops(name, solver):
    config = config_of(name, solver=solver, cg_steps=40, cg_tolerance=1e-6)
    before, (a, q, c, w0) = start(config), entries_of(name)
    of_users, of_items = np.ones(NUM_USERS), np.ones(NUM_ITEMS)
    ids, regs = (PAIRS.users, PAIRS.items), (0.4, 0.5)
    users = reference.als_half_step(*ids, PAIRS.values, np.asarray(before.items), a, q, w0, of_items, of_users, *regs)
    items = reference.als_half_step(*ids[::-1], PAIRS.values, users, a, q, w0, of_users, of_items, *regs)
    after, _ = step(before, DATA, config)
    np.testing.assert_allclose(after.users, users, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(after.items, items, rtol=1e-3, atol=1e-4)
    expected = reference.als_loss(*ids, PAIRS.values, users, items, a, q, c, w0, of_items, *regs)
    np.testing.assert_allclose(loss(after, DATA, config), expected, rtol=1e-4)


def test_signed_values_equal_the_library_implicit():
    peer_als = pytest.importorskip("implicit.cpu.als", reason="the library implicit is in the extra `peers`")
    threadpoolctl = pytest.importorskip("threadpoolctl")
    config = config_of("implicit_value", reg=0.3, reg_exponent=0.0)
    # A stored zero weighs nothing there either, but scipy may drop it.
    pairs = PAIRS.select(PAIRS.values != 0)
    state, data = start(config), histories.build(pairs)
    matrix = scipy.sparse.csr_matrix((3.0 * pairs.values, (pairs.users, pairs.items)), (NUM_USERS, NUM_ITEMS))
    with threadpoolctl.threadpool_limits(1, "blas"):
        peer = peer_als.AlternatingLeastSquares(
            factors=DIM, regularization=0.3, alpha=1.0, iterations=5, use_cg=False, num_threads=1
        )
        peer.user_factors, peer.item_factors = np.array(state.users), np.array(state.items)
        peer.fit(matrix, show_progress=False)
    ours = als.fit(jax.random.key(0), data, config, num_steps=5, state=state)
    np.testing.assert_allclose(ours.users @ ours.items.T, peer.user_factors @ peer.item_factors.T, atol=1e-3)


def tasted(value: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return users, items and values: user 0 has item 0 with `value` and has not seen item 1; 20 others like each."""
    likes = [(user, item) for user in range(1, 41) for item in (2, 3, user % 2)]
    users, items = np.array([(0, 0), (0, 2), *likes], np.int32).T
    values = np.array([value, 1.0] + [1.0] * len(likes), np.float32)
    return users, items, values


@pytest.mark.parametrize("name", ["implicit", "implicit_log", "implicit_value", "ials"])
def test_a_dislike_scores_below_what_was_not_seen_and_a_like_above(name):
    config = config_of(name, reg=0.1, dim=4)
    margins = {}
    for value in (-1.0, 0.0, 1.0):
        users, items, values = tasted(value)
        data = histories.build(Interactions(users, items, values, 41, 4))
        model = als.fit(jax.random.key(0), data, config, num_steps=8)
        scores = np.asarray(model.users @ model.items.T)[0]
        margins[value] = scores[0] - scores[1]
    assert margins[-1.0] < 0 < margins[1.0]
    assert margins[0.0] < margins[1.0] / 2


def test_explicit_values_are_ratings_of_either_sign():
    config = config_of("explicit", reg=0.1)
    flipped = histories.build(replace(PAIRS, values=-PAIRS.values), chunk_entries=16, width=2)
    one, other = step(start(config), DATA, config)[0], step(start(config), flipped, config)[0]
    np.testing.assert_allclose(one.users, -other.users, atol=1e-6)
    np.testing.assert_allclose(one.items, other.items, atol=1e-5)


# How far from solved


def residuals(rows, columns, solved, table, a, q, w0, row_weights, column_weights, reg, reg_exponent) -> float:
    """The largest |b - A x| / |b| of the rows that have a history, from dense systems."""
    worst = 0.0
    for row in np.unique(rows):
        mine = rows == row
        vectors = table[columns[mine]]
        strength = (mine.sum() + w0 * row_weights[row] * column_weights.sum()) ** reg_exponent
        matrix = w0 * row_weights[row] * (table * column_weights[:, None]).T @ table
        matrix = matrix + (vectors * a[mine][:, None]).T @ vectors + reg * strength * np.eye(table.shape[1])
        right = vectors.T @ q[mine]
        if np.linalg.norm(right) > 0:
            worst = max(worst, np.linalg.norm(right - matrix @ solved[row]) / np.linalg.norm(right))
    return worst


@pytest.mark.parametrize("name", ["explicit", "implicit", "ials"])
def test_the_residual_is_that_of_the_dense_systems(name):
    config = config_of(name, solver="conjugate_gradient", cg_steps=1, reg=0.05)
    before, (a, q, _, w0) = start(config), entries_of(name)
    after, info = step(before, DATA, config)
    old_items, users, items = (np.asarray(t, np.float64) for t in (before.items, after.users, after.items))
    ones, options = (np.ones(NUM_USERS), np.ones(NUM_ITEMS)), (0.05, 0.5)
    of_users = residuals(PAIRS.users, PAIRS.items, users, old_items, a, q, w0, *ones, *options)
    of_items = residuals(PAIRS.items, PAIRS.users, items, users, a, q, w0, *ones[::-1], *options)
    assert info.residual > 0.01
    np.testing.assert_allclose(info.residual, max(of_users, of_items), rtol=1e-3)
    assert step(before, DATA, replace(config, solver="cholesky"))[1].residual < 1e-5
    unmeasured = step(before, DATA, config, measured=False)
    assert np.isnan(unmeasured[1].residual)
    np.testing.assert_allclose(unmeasured[0].items, after.items, rtol=1e-5)


def test_fit_warns_of_rows_that_are_far_from_solved():
    rng = np.random.default_rng(0)
    users, items = (ids.astype(np.int32) for ids in np.nonzero(rng.random((80, 60)) < 0.2))
    values = rng.integers(1, 6, len(users)).astype(np.float32)
    data = histories.build(Interactions(users, items, values, 80, 60))
    weak = als.Config(objective=objectives.explicit(), reg=0.001, dim=16)
    with pytest.warns(UserWarning, match="cg_steps: 2 steps leave a row with a residual of") as told:
        als.fit(jax.random.key(0), data, weak, num_steps=8)
    assert len(told) == 1
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        als.fit(jax.random.key(0), data, replace(weak, objective=objectives.ials(), reg=0.05))
        als.fit(jax.random.key(0), data, replace(weak, solver="cholesky", reg=0.05))


# float64


def test_the_same_start_in_either_mode():
    for biases, scale in itertools.product((False, True), (0.1, 0.7)):
        config = config_of("ials", biases=biases, init_scale=scale)
        single = start(config)
        with jax.enable_x64(True):
            double = start(config)
        assert double.users.dtype == np.float64
        for one, other in zip(single, double, strict=True):
            np.testing.assert_array_equal(np.asarray(one, np.float64), np.asarray(other, np.float64))


def results(config: als.Config, dtype: type) -> dict[str, np.ndarray]:
    """What every function gives from the same start in `dtype`."""
    data, state = histories.build(PAIRS, chunk_entries=16, width=2), start(config)
    state = state._replace(users=state.users.astype(dtype), items=state.items.astype(dtype))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "cg_steps")
        fitted = als.fit(jax.random.key(0), data, config, num_steps=2, state=state)
    after, info = step(state, data, config)
    found = {"fitted": fitted.items, "users": after.users, "items": after.items, "change": info.change}
    found["residual"], found["loss"] = info.residual, loss(fitted, data, config)
    found["folded"] = fold_in(data.users, als.factors(fitted, config), config, item_counts=data.items.counts)
    assert {array.dtype for array in found.values()} == {jnp.dtype(dtype)}
    assert fitted.step.dtype == np.int32
    return {name: np.asarray(array, np.float64) for name, array in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("gathered", als.GATHERED_DTYPES)
@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("solver", als.SOLVERS)
def test_float64_and_the_tables_dtype_decide_and_agree(solver, biases, gathered):
    options = {"solver": solver, "biases": biases, "gathered_dtype": gathered, "relaxation": 1.6, "bias_reg": 0.4}
    config = config_of("ials", **options)
    single = results(config, jnp.float32)
    with jax.enable_x64(True):
        others = results(config, jnp.float32), results(config, jnp.float64)
        if solver == "cholesky":
            assert others[1]["residual"] < 1e-12
    for other in others:
        for name in set(single) - {"residual"}:
            size = np.abs(single[name]).max()
            np.testing.assert_allclose(other[name], single[name], rtol=1e-4, atol=1e-4 * size, err_msg=name)
