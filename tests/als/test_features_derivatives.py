"""Derivatives of a fit with features by its hyperparameters, against central differences in double precision."""

from __future__ import annotations

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als
from tests.als.test_features import NUM_ITEMS, NUM_USERS, data_of, jit, start
from tests.als.test_features import config_of as plain_config

SETTINGS = {
    "conjugate gradient": {"solver": "conjugate_gradient"},
    "more steps than dim": {"solver": "conjugate_gradient", "cg_steps": 8},
    "tolerance": {"solver": "conjugate_gradient", "cg_steps": 20, "cg_tolerance": 1e-2},
    "cholesky": {"solver": "cholesky"},
    "biases": {"solver": "conjugate_gradient", "biases": True, "bias_reg": 0.5},
}
KEPT = np.random.default_rng(1).random((NUM_USERS, NUM_ITEMS)) < 0.3
HYPER = np.log([0.4, 0.7])


def config_of(hyper, **options) -> als.Config:
    return plain_config(reg=jnp.exp(hyper[0]), feature_reg=jnp.exp(hyper[1]), **options)


def score(hyper, data, options, num_steps=3, through="steps"):
    """A smooth function of all scores, those of cold users and items too, of log reg and log mu."""
    begin = start(config_of(HYPER, **options))
    begin = jax.tree.map(lambda part: part if part.ndim == 0 else part.astype(hyper.dtype), begin)
    model = als.hypergradients.factors(
        begin, hyper, data, config_of=partial(config_of, **options), num_steps=num_steps, through=through
    )
    return jnp.mean(KEPT * jax.nn.log_softmax(model.users @ model.items.T))


def differences(function, hyper, size=1e-6):
    return np.array(
        [(function(hyper + size * u) - function(hyper - size * u)) / (2 * size) for u in np.eye(len(hyper))]
    )


@cache
def by_differences(setting: str, kind: str) -> np.ndarray:
    with jax.enable_x64(True):
        return differences(jit(partial(score, data=data_of(kind), options=SETTINGS[setting])), HYPER)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "kind"), [*((name, "dense") for name in SETTINGS), ("conjugate gradient", "lists")]
)
def test_derivatives_by_reg_and_mu_equal_differences(setting, kind):
    """By both modes where all steps are differentiated, and where the solution is."""
    expected = by_differences(setting, kind)
    assert np.all(np.abs(expected) > 1e-5)
    with jax.enable_x64(True):
        function = partial(score, data=data_of(kind), options=SETTINGS[setting])
        both = kind == "dense" and setting in ("conjugate gradient", "cholesky")
        for mode in (jax.grad, jax.jacfwd) if both else (jax.grad,):
            np.testing.assert_allclose(jit(mode(function))(jnp.asarray(HYPER)), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
def test_the_derivative_at_the_fixed_point_is_that_of_many_steps():
    with jax.enable_x64(True):
        function = partial(score, data=data_of(), options=SETTINGS["cholesky"], num_steps=400)
        found = jit(jax.grad(partial(function, through="fixed_point")))(jnp.asarray(HYPER))
        np.testing.assert_allclose(found, differences(jit(function), HYPER), rtol=1e-3)


@pytest.mark.slow
def test_the_derivative_by_mu_in_single_precision():
    function = partial(score, data=data_of(), options=SETTINGS["conjugate gradient"])
    single = jit(jax.grad(function))(jnp.asarray(HYPER, jnp.float32))
    np.testing.assert_allclose(single, by_differences("conjugate gradient", "dense"), rtol=1e-2, atol=1e-5)


def test_a_loss_has_no_slope_by_what_the_map_is():
    """The loss is that at the best map, so its slope by mu is the map's square: |W|^2 times reg."""
    with jax.enable_x64(True):
        data, state = data_of(), start(plain_config())
        maps = als.feature_maps(state, data, plain_config())
        found = jit(jax.grad(lambda mu: als.loss(state, data, plain_config(feature_reg=mu))))(0.7)
        np.testing.assert_allclose(found, 0.4 * sum(np.sum(w**2) for w in maps), rtol=1e-8)
