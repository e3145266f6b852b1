"""How the library's own programs are compiled: `jax.jit`, with less work for the compiler where that costs no speed.

On CPU these programs spend their time in gathers, matrix products and sorts, which LLVM's costlier passes do not make
faster; leaving them out compiles a third sooner. Evaluation is compiled as usual: its bits must not depend on the
number of users at once, and only the full set of passes gives that.

A `frugal` program runs its kernels in the order that lets go of memory first, and not each as early as it could: ALS,
whose kernels wait for one another anyway, holds half as much and is as fast. Training on batches is not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

Result = TypeVar("Result")


@functools.cache
def options(*, frugal: bool = False) -> dict[str, Any]:
    """Return the compiler options for the default backend, for `jax.jit(compiler_options=...)`."""
    if jax.default_backend() != "cpu":
        return {}
    order = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"} if frugal else {}
    # Those who ask for few passes, such as the tests, get fewer than ours.
    return order if jax.config.read("jax_disable_most_optimizations") else order | {"xla_backend_optimization_level": 1}


def jit(function: Callable[..., Result], *, frugal: bool = False, **settings: Any) -> Callable[..., Result]:
    """Return `jax.jit(function, **settings)` under `options`.

    Which backend there is, is asked at the first call and not at import, so that programs can still choose devices.

    Args:
        function: a pure function.
        frugal: whether memory comes before early starts.
        settings: arguments of `jax.jit`, such as `static_argnames`.

    Example:
        >>> double = jit(lambda x: 2 * x)
        >>> double(21)
        Array(42, dtype=int32, weak_type=True)
    """

    @functools.cache
    def program(*, outermost: bool) -> Callable[..., Result]:
        return jax.jit(function, compiler_options=options(frugal=frugal) if outermost else None, **settings)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Result:
        # Within a program of the caller's, the caller's options hold.
        return program(outermost=not is_traced())(*args, **kwargs)

    return call


def is_traced(*values: Any) -> bool:
    """Return whether a call is a part of the caller's `jax.jit`, or its values are those of `vmap` or `grad`.

    Args:
        values: pytrees, the arguments of the call.

    Example:
        >>> is_traced(jnp.ones(2)), jax.jit(lambda: is_traced())(), bool(jax.vmap(is_traced)(jnp.ones(2))[0])
        (False, Array(True, dtype=bool), True)
    """
    # Within jit all that is computed is traced, within vmap and grad what depends on their arguments.
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((values, jnp.zeros(()))))
