"""`jax.grad` through ALS with weights, by hyperparameters and by weights, against central differences in float64."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, histories
from mfjax.als import hypergradients, objectives
from mfjax.types import Interactions

# What is held here is mathematics: compiled as is quickest, for gradients are large programs.
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False})

NUM_USERS, NUM_ITEMS, DIM = 14, 11, 3

OBJECTIVES = {
    "explicit": lambda number: objectives.explicit(offset=0.1 * number),
    "implicit": lambda number: objectives.implicit(alpha=number),
    "ials": lambda number: objectives.ials(unobserved_weight=0.1 * number, popularity_exponent=0.3),
}


def data() -> histories.Histories:
    rng = np.random.default_rng(3)
    users, items = (ids.astype(np.int32) for ids in np.nonzero(rng.random((NUM_USERS, NUM_ITEMS)) < 0.5))
    values, weights = rng.normal(size=len(users)).astype(np.float32), rng.uniform(0.2, 3, len(users))
    return histories.build(Interactions(users, items, values, NUM_USERS, NUM_ITEMS, weights=weights), chunk_entries=64)


DATA = data()
START = [np.random.default_rng(1).normal(size=(size, DIM)) for size in (NUM_USERS, NUM_ITEMS)]


def weighed(number):
    """The histories with other weights, alike on both sides: w exp(number) for items of an even id."""

    def of(side, is_user):
        def block_of(block):
            items = block.ids if is_user else block.rows[block.owners][:, None]
            return replace(block, weights=block.weights * jnp.exp(number * (items % 2 == 0)))

        return replace(side, blocks=tuple(map(jax.vmap(block_of), side.blocks)))

    return histories.Histories(of(DATA.users, True), of(DATA.items, False))


def score(hyper, objective, through, **options):
    """A smooth function of scores, by log reg, the objective's number and a change of the weights."""
    config = als.Config(dim=DIM, reg_exponent=0.0, **options)
    start = als.State(*(jnp.asarray(table, hyper.dtype) for table in START), jnp.int32(0))
    if options.get("biases"):
        padded = (
            jnp.zeros((len(table), 2), hyper.dtype).at[:, 1 - side].set(1) for side, table in enumerate(start[:2])
        )
        start = als.State(*(jnp.hstack(pair) for pair in zip(padded, start[:2], strict=True)), jnp.int32(0))

    def config_of(hyper):
        return replace(config, reg=jnp.exp(hyper[0]), objective=OBJECTIVES[objective](hyper[1]))

    if through == "weights":
        given = weighed(hyper[2])
        state = jax.lax.scan(lambda state, _: (als.step(state, given, config_of(hyper))[0], None), start, length=4)[0]
        model = als.factors(state, config_of(hyper))
    else:
        steps = {"steps": 4, "fixed_point": 300}[through]
        model = hypergradients.factors(start, hyper, DATA, config_of=config_of, num_steps=steps, through=through)
    return jnp.mean(jax.nn.log_softmax(model.users @ model.items.T)[:, ::3])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "through", "options"),
    [
        ("explicit", "weights", {"biases": True, "bias_reg": 0.5}),
        ("implicit", "weights", {}),
        ("ials", "weights", {"solver": "cholesky"}),
        ("ials", "steps", {}),
        ("implicit", "fixed_point", {"solver": "cholesky"}),
    ],
)
def test_gradients_equal_differences_in_both_precisions(objective, through, options):
    function = partial(score, objective=objective, through=through, **options)
    hyper = np.array([1.0, 2.0, 0.1][: 3 if through == "weights" else 2])
    single = jit(jax.grad(function))(jnp.asarray(hyper, jnp.float32))
    with jax.enable_x64(True):
        value = jit(function)
        expected = np.array([(value(hyper + unit) - value(hyper - unit)) / 2e-6 for unit in 1e-6 * np.eye(len(hyper))])
        scale = np.abs(expected).max()
        assert np.abs(expected).min() > 1e-3 * scale  # every number moves the score, weights too
        np.testing.assert_allclose(jit(jax.grad(function))(hyper), expected, rtol=1e-5, atol=1e-6 * scale)
    np.testing.assert_allclose(single, expected, rtol=1e-2, atol=1e-3 * scale)
