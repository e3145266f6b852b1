"""Hyper-gradients against central finite differences, in both precisions and through both routes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, evaluation, histories
from mfjax.als import hypergradients, objectives
from mfjax.evaluation import smooth
from mfjax.types import Interactions

pytestmark = pytest.mark.slow

NUM_USERS, NUM_ITEMS = 30, 24
HYPER = {"log_alpha": np.log(4.0), "log_reg": np.log(2.0), "reg_exponent": 0.3}
NUM_STEPS = {"steps": 10, "fixed_point": 400}


def problem():
    """Planted preferences, a fifth of them hidden."""
    rng = np.random.default_rng(0)
    liking = rng.normal(size=(NUM_USERS, 3)) @ rng.normal(size=(3, NUM_ITEMS))
    liking += 0.5 * rng.normal(size=liking.shape)
    users, items = (ids.astype(np.int32) for ids in np.nonzero(liking > np.quantile(liking, 0.7)))
    pairs = Interactions(users, items, np.ones(len(users), np.float32), NUM_USERS, NUM_ITEMS)
    known = rng.random(len(users)) < 0.8
    train, hidden = pairs.select(known), pairs.select(~known)
    held_out = evaluation.evaluation_set(histories.ragged(hidden), exclude=histories.ragged(train))
    return histories.build(train, chunk_entries=64, width=8), held_out


def config_of(hyper, solver="cholesky") -> als.Config:
    return als.Config(
        solver=solver,
        cg_steps=8,
        objective=objectives.implicit(alpha=jnp.exp(hyper["log_alpha"])),
        reg=jnp.exp(hyper["log_reg"]),
        reg_exponent=hyper["reg_exponent"],
        dim=3,
    )


def start_of(dtype=jnp.float32) -> als.State:
    """The same start in either precision."""
    rng = np.random.default_rng(1)
    users, items = (jnp.asarray(rng.normal(size=(n, 3)).astype(np.float32), dtype) for n in (NUM_USERS, NUM_ITEMS))
    return als.State(users, items, jnp.int32(0))


def score(hyper, start, data, through, solver="cholesky"):
    histories, held_out = data
    model = hypergradients.factors(
        start,
        hyper,
        histories,
        config_of=partial(config_of, solver=solver),
        num_steps=NUM_STEPS[through],
        through=through,
    )
    return smooth.ndcg(model, held_out, sharpness=3.0)


@pytest.mark.parametrize("through", NUM_STEPS)
def test_gradients_equal_central_differences(through):
    """Both precisions are held against differences in float64, whose own error is far below."""
    data = problem()
    gradient = jax.jit(jax.grad(score), static_argnums=3)
    single = gradient({name: jnp.float32(value) for name, value in HYPER.items()}, start_of(), data, through)
    with jax.enable_x64(True):
        hyper = {name: jnp.float64(value) for name, value in HYPER.items()}
        start = start_of(jnp.float64)
        double = gradient(hyper, start, data, through)
        value = jax.jit(score, static_argnums=3)
        for name in hyper:
            ends = [value(hyper | {name: hyper[name] + size}, start, data, through) for size in (1e-5, -1e-5)]
            expected = float(ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose(double[name], expected, rtol=1e-6)
            np.testing.assert_allclose(single[name], expected, rtol=1e-3)


def test_forward_mode_and_conjugate_gradient_give_the_same():
    data, hyper = problem(), {name: jnp.float32(value) for name, value in HYPER.items()}

    def derivative(mode, solver):
        return jax.jit(mode(lambda hyper: score(hyper, start_of(), data, "steps", solver)))(hyper)

    reverse = derivative(jax.grad, "cholesky")
    for found in (derivative(jax.jacfwd, "cholesky"), derivative(jax.grad, "conjugate_gradient")):
        jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-4), found, reverse)


def test_the_fixed_point_is_differentiated_by_the_solution_whatever_the_solver():
    """There conjugate gradient has nothing left to do, so that its steps have no derivative."""
    data, hyper = problem(), {name: jnp.float32(value) for name, value in HYPER.items()}
    found, expected = (
        jax.jit(jax.grad(score), static_argnums=(3, 4))(hyper, start_of(), data, "fixed_point", solver)
        for solver in ("conjugate_gradient", "cholesky")
    )
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-3), found, expected)


def test_memory_of_the_fixed_point_does_not_grow_with_the_steps():
    step = lambda state, hyper, data: 0.5 * jnp.tanh(data @ state) + hyper  # noqa: E731
    data = 0.1 * jnp.ones((64, 64))

    def temporary(method, num_steps):
        value = lambda hyper: jnp.sum(method(step, jnp.zeros(64), hyper, data, num_steps) ** 2)  # noqa: E731
        compiled = jax.jit(jax.grad(value)).lower(jnp.float32(1.0)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    unrolled = lambda *arguments: hypergradients.unrolled(*arguments[:4], num_steps=arguments[4])  # noqa: E731
    assert temporary(hypergradients.fixed_point, 200) == temporary(hypergradients.fixed_point, 10)
    assert temporary(unrolled, 200) > temporary(unrolled, 10)


def test_fixed_point_gives_no_derivative_of_start_and_data():
    step = lambda state, hyper, data: 0.5 * state + hyper * data  # noqa: E731
    value = lambda start, hyper, data: hypergradients.fixed_point(step, start, hyper, data, 60)  # noqa: E731
    found = jax.grad(value, argnums=(0, 1, 2))(jnp.float32(3.0), jnp.float32(1.0), jnp.float32(5.0))
    np.testing.assert_allclose(found, (0.0, 10.0, 0.0), rtol=1e-5)


def test_an_unknown_route_is_refused():
    data, _ = problem()
    with pytest.raises(ValueError, match="through: 'time' is unknown"):
        hypergradients.factors(start_of(), HYPER, data, config_of=config_of, num_steps=1, through="time")


def test_the_steps_are_those_of_fit_with_relaxation_too():
    data, _ = problem()

    def relaxed(hyper) -> als.Config:
        return replace(config_of(hyper), relaxation=1.7)

    start = start_of()
    state = als.fit(jax.random.key(0), data, relaxed(HYPER), num_steps=10, state=start)
    found = jax.jit(partial(hypergradients.factors, config_of=relaxed, num_steps=10))(start, HYPER, data)
    np.testing.assert_allclose(found.items, state.items, rtol=1e-4, atol=1e-5)
    plain = als.fit(jax.random.key(0), data, config_of(HYPER), num_steps=10, state=start)
    assert np.abs(plain.items - state.items).max() > 1e-2
