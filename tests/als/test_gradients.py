"""`jax.grad` through ALS against central differences of the function that was computed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, histories
from mfjax.als import objectives
from mfjax.data import datasets
from mfjax.types import Interactions

# What is held here is mathematics: compiled as is quickest, for gradients are large programs.
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False})

NUM_USERS, NUM_ITEMS, NUM_STEPS = 24, 20, 6

OBJECTIVES = {
    "implicit": lambda number: objectives.implicit(alpha=number),
    "log": lambda number: objectives.implicit(alpha=number, confidence="log"),
    "ials": lambda number: objectives.ials(unobserved_weight=0.1 * number, popularity_exponent=0.3),
    "explicit": lambda number: objectives.explicit(offset=0.1 * number),
    "popularity_weighted": lambda number: objectives.popularity_weighted(base=0.1 * number),
}


@pytest.fixture(scope="module")
def pairs() -> Interactions:
    rng = np.random.default_rng(3)
    liking = rng.normal(size=(NUM_USERS, 3)) @ rng.normal(size=(3, NUM_ITEMS)) + 0.5 * rng.normal(
        size=(NUM_USERS, NUM_ITEMS)
    )
    users, items = (ids.astype(np.int32) for ids in np.nonzero(np.abs(liking) > 0.8))
    return Interactions(users, items, liking[users, items].astype(np.float32), NUM_USERS, NUM_ITEMS)


def score(hyper, data, kept, config, objective, num_steps=NUM_STEPS):
    """A smooth function of the model, of log reg and of the objective's number."""
    config = replace(config, reg=jnp.exp(hyper[0]), objective=OBJECTIVES[objective](hyper[1]))
    start = als.init(jax.random.key(0), config, num_users=NUM_USERS, num_items=NUM_ITEMS)
    state, _ = jax.lax.scan(lambda state, _: (als.step(state, data, config)[0], None), start, length=num_steps)
    model = als.factors(state, config)
    scores = model.users @ model.items.T
    if model.item_biases is not None:
        scores = scores + model.item_biases[None]
    return jnp.mean(kept * jax.nn.log_softmax(scores))


def differences(function, hyper, size):
    unit = np.eye(len(hyper))
    return np.array([(function(hyper + size * u) - function(hyper - size * u)) / (2 * size) for u in unit])


SETTINGS = {
    "one step": {"cg_steps": 1},
    "default": {},
    "three steps": {"cg_steps": 3},
    "eight steps, more than dim": {"cg_steps": 8},
    "cholesky": {"solver": "cholesky"},
    "relaxed": {"relaxation": 1.7},
    "biases": {"biases": True, "bias_reg": 0.5},
    "tolerance": {"cg_steps": 20, "cg_tolerance": 1e-2},
}

CASES = [("implicit", name) for name in SETTINGS] + [
    (objective, "biases" if objective == "explicit" else "default")
    for objective in OBJECTIVES
    if objective != "implicit"
]


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "setting"), CASES)
def test_reverse_and_forward_mode_equal_differences_in_both_precisions(objective, setting, pairs):
    config = als.Config(dim=4, init_scale=1.0, reg_exponent=0.0, **SETTINGS[setting])
    data = histories.build(pairs, chunk_entries=64, width=8)
    kept = (np.random.default_rng(1).random((NUM_USERS, NUM_ITEMS)) < 0.2).astype(np.float32)
    function = partial(score, data=data, kept=kept, config=config, objective=objective)
    hyper = np.array([0.3, 2.0])
    single = jit(jax.grad(function))(jnp.asarray(hyper, jnp.float32))
    with jax.enable_x64(True):
        value = jit(function)
        expected = differences(value, hyper, 1e-6)
        scale = np.abs(expected).max()
        for mode in (jax.grad, jax.jacfwd) if setting in ("default", "biases") else (jax.grad,):
            np.testing.assert_allclose(jit(mode(function))(jnp.asarray(hyper)), expected, rtol=1e-6, atol=1e-7 * scale)
    np.testing.assert_allclose(single, expected, rtol=1e-2, atol=1e-3 * scale)


def test_under_vmap_the_gradient_is_that_of_each(pairs):
    data, kept = histories.build(pairs), np.ones((NUM_USERS, NUM_ITEMS), np.float32)
    config = als.Config(dim=3, reg_exponent=0.0, init_scale=1.0)
    gradient = jax.grad(partial(score, data=data, kept=kept, config=config, objective="implicit", num_steps=2))
    hypers = jnp.array([[0.0, 2.0], [1.0, 5.0]])
    together, single = jit(jax.vmap(gradient))(hypers), jit(gradient)
    alone = [single(hyper) for hyper in hypers]
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("cg_steps", [2, 8])
def test_a_start_that_is_the_solution_already_has_its_derivative(cg_steps, pairs):
    """No step says there how the solution moves: the start does not, and the residual is rounding."""
    data = histories.build(pairs)
    config = als.Config(dim=3, reg=1.0, reg_exponent=0.0, solver="cholesky", objective=objectives.implicit(alpha=2.0))
    state = als.fit(jax.random.key(0), data, config, num_steps=200)
    iterative = replace(config, solver="conjugate_gradient", cg_steps=cg_steps)

    def rows(reg, config):
        return jnp.sum(als.step(state, data, replace(config, reg=reg))[0].users ** 2)

    found, expected = (jit(jax.grad(partial(rows, config=one)))(1.0) for one in (iterative, config))
    np.testing.assert_allclose(found, expected, rtol=1e-3 if cg_steps == 8 else 0.1)


def test_many_steps_past_convergence_have_a_finite_derivative(pairs):
    """Thirty steps in three dimensions: all but the first few are rounding."""
    data, kept = histories.build(pairs), np.ones((NUM_USERS, NUM_ITEMS), np.float32)
    config = als.Config(dim=3, reg_exponent=0.0, init_scale=1.0, cg_steps=30)
    exact = replace(config, solver="cholesky")
    found, expected = (
        jit(jax.grad(partial(score, data=data, kept=kept, config=one, objective="implicit", num_steps=3)))(
            jnp.array([0.0, 2.0])
        )
        for one in (config, exact)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_the_derivative_of_a_solution_is_there_by_name(pairs):
    data = histories.build(pairs)
    config = als.Config(dim=3, reg_exponent=0.0, init_scale=1.0, cg_steps=1)
    state = als.init(jax.random.key(0), config, num_users=NUM_USERS, num_items=NUM_ITEMS)

    def rows(reg, **options):
        return jnp.sum(als.step(state, data, replace(config, reg=reg, **options))[0].users ** 2)

    steps, solution = (jit(jax.grad(partial(rows, derivative=derivative)))(1.0) for derivative in ("steps", "solution"))
    size = 1e-2
    value = jit(rows)
    expected = (value(1.0 + size) - value(1.0 - size)) / (2 * size)
    np.testing.assert_allclose(steps, expected, rtol=1e-2)
    assert abs(float(solution) / float(expected) - 1) > 0.02


def test_fold_in_and_loss_have_derivatives(pairs):
    data = histories.build(pairs)
    config = als.Config(dim=3, reg_exponent=0.0, solver="cholesky")
    state = als.fit(jax.random.key(0), data, config, num_steps=2)
    new = histories.side(pairs)

    def value(hyper):
        one = replace(config, reg=jnp.exp(hyper[0]), objective=objectives.ials(unobserved_weight=hyper[1]))
        rows = als.fold_in(new, als.factors(state, one), one, item_counts=data.items.counts)
        return als.loss(als.State(rows, state.items, state.step), data, one) + jnp.sum(rows)

    hyper = np.array([0.1, 0.2], np.float32)
    expected = differences(jit(value), hyper, 1e-2)
    np.testing.assert_allclose(jit(jax.grad(value))(hyper), expected, rtol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"cg_steps": 1}, {}, {"solver": "cholesky"}])
def test_movielens(options, data_dir):
    """200 users of MovieLens-100K, 16 steps of dim 8, d / d log reg at 0 and 2, d / d log alpha."""
    ratings = datasets.load("ml-100k", data_dir).interactions
    ratings = ratings.select(ratings.users < 200)
    known = np.random.default_rng(0).random(len(ratings)) < 0.9
    train, hidden = ratings.select(known).with_values(1.0), ratings.select(~known)
    data, pairs = histories.build(train), (jnp.asarray(hidden.users), jnp.asarray(hidden.items))

    def value(hyper):
        objective = objectives.implicit(alpha=jnp.exp(hyper[1]))
        config = als.Config(objective=objective, reg=jnp.exp(hyper[0]), reg_exponent=0.0, dim=8, **options)
        start = als.init(jax.random.key(0), config, num_users=train.num_users, num_items=train.num_items)
        state, _ = jax.lax.scan(lambda state, _: (als.step(state, data, config)[0], None), start, length=16)
        return jnp.mean(jax.nn.log_softmax(state.users @ state.items.T)[pairs])

    compiled, gradient = jit(value), jit(jax.grad(value))
    for log_reg in (0.0, 2.0):
        hyper = np.array([log_reg, np.log(10.0)])
        single = gradient(jnp.asarray(hyper, jnp.float32))
        with jax.enable_x64(True):
            expected = differences(compiled, hyper, 1e-6)
            double = gradient(jnp.asarray(hyper))
        np.testing.assert_allclose(double, expected, rtol=3e-6)
        np.testing.assert_allclose(single, expected, rtol=1e-2)
