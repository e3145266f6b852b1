"""mfjax.compilation: fewer passes on CPU, and nothing else changed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
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


def test_the_platform_is_that_of_the_arguments_or_of_the_default_device():
    cpu = jax.devices("cpu")[0]
    there = jax.device_put(jnp.ones(2), cpu)
    assert compilation.platform({"table": there}) == compilation.CPU
    assert compilation.platform(jax.ShapeDtypeStruct((2,), jnp.float32, sharding=there.sharding)) == compilation.CPU
    with jax.default_device(cpu):
        assert compilation.platform(1.0, np.ones(2)) == compilation.CPU
    assert compilation.platform() in (compilation.CPU, compilation.GPU, compilation.TPU)


def test_options_are_those_of_the_platform():
    assert compilation.options(on="gpu") == compilation.options(on="gpu", frugal=True) == {"xla_gpu_ftz": True}
    assert compilation.options(on="tpu") == {}
    assert set(compilation.options(on="cpu", frugal=True)) >= {"xla_cpu_scheduler_type"}


def test_a_program_can_be_compiled_ahead_of_time():
    program = compilation.jit(lambda x, *, times: times * x, static_argnames="times")
    shape = jax.ShapeDtypeStruct((3,), jnp.float32)
    assert program.trace(shape, times=2).jaxpr.out_avals[0].shape == (3,)
    assert program.lower(shape, times=2).compile()(jnp.ones(3)).tolist() == [2.0, 2.0, 2.0]
