"""mfjax.compilation: fewer passes on CPU, and nothing else changed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from mfjax import compilation


@pytest.fixture
def optimised(request):
    """As outside the tests, which run without optimisation, or as they do."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", not request.param)
    compilation.options.cache_clear()
    yield
    jax.config.update("jax_disable_most_optimizations", before)
    compilation.options.cache_clear()


@pytest.mark.parametrize(("optimised", "asked"), [(False, False), (True, True)], indirect=["optimised"])
def test_fewer_passes_on_cpu_unless_there_are_fewer_yet(optimised, asked):
    assert ("xla_backend_optimization_level" in compilation.options()) == (asked and jax.default_backend() == "cpu")


@pytest.mark.parametrize("optimised", [True], indirect=True)
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
