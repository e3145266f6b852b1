"""mfjax.compilation: fewer passes on CPU, and nothing else changed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from mfjax import compilation


@pytest.fixture
def optimised():
    """As outside the tests, which run without optimisation."""
    jax.config.update("jax_disable_most_optimizations", False)
    compilation.options.cache_clear()
    yield
    jax.config.update("jax_disable_most_optimizations", True)
    compilation.options.cache_clear()


def test_no_passes_are_asked_for_where_none_are_wanted():
    compilation.options.cache_clear()
    assert compilation.options() == {}


def test_fewer_passes_on_cpu(optimised):
    assert compilation.options() == ({"xla_backend_optimization_level": 1} if jax.default_backend() == "cpu" else {})


def test_a_program_takes_the_settings_of_jit_and_traces_once(optimised):
    traces = []

    def power(x: jax.Array, *, exponent: int) -> jax.Array:
        traces.append(exponent)
        return x**exponent

    program = compilation.jit(power, static_argnames="exponent")
    assert program(jnp.float32(3.0), exponent=2) == 9.0
    assert program(jnp.float32(4.0), exponent=2) == 16.0
    assert traces == [2]
    assert program.__name__ == "power"
