"""How the library's own programs are compiled: `jax.jit`, with options for the platform that a program runs on.

On CPU these programs spend their time in gathers, matrix products and sorts, which LLVM's costlier passes do not make
faster; leaving them out compiles a third sooner. Evaluation is compiled as usual: its bits must not depend on the
number of users at once, and only the full set of passes gives that. A `frugal` program runs its kernels in the order
that lets go of memory first, and not each as early as it could: ALS, whose kernels wait for one another anyway, holds
half as much and is as fast. Training on batches is not.

On GPU, sums over histories and over a batch's repeated rows are atomic additions. The hardware adds float32 atomically
only where numbers below 1.2e-38 may become 0, as they do on CPU; else every addition is a loop of compare and swap.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import jax
import jax.numpy as jnp

Result = TypeVar("Result")
Given = TypeVar("Given", covariant=True)


class Program(Protocol[Given]):
    """A compiled function, which can be looked at before it runs, as those of `jax.jit` can."""

    def __call__(self, *args: Any, **kwargs: Any) -> Given: ...

    def lower(self, *args: Any, **kwargs: Any) -> Any: ...

    def trace(self, *args: Any, **kwargs: Any) -> Any: ...


CPU, GPU, TPU = "cpu", "gpu", "tpu"


def platform(*values: Any) -> str:
    """Return the platform that a program with these arguments runs on: "cpu", "gpu" or "tpu".

    That of the first array that was put on a device by name, else that of the default device.

    Args:
        values: pytrees.

    Example:
        >>> platform(jax.device_put(1.0, jax.devices("cpu")[0]))
        'cpu'
    """
    for leaf in jax.tree.leaves(values):
        sharding = getattr(leaf, "sharding", None)
        if sharding is not None and not isinstance(leaf, jax.core.Tracer) and getattr(leaf, "committed", True):
            return _named(next(iter(sharding.device_set)).platform)
    default = jax.config.jax_default_device  # type: ignore[attr-defined]
    return _named(default if isinstance(default, str) else getattr(default, "platform", jax.default_backend()))


def _named(name: str) -> str:
    return GPU if name in ("cuda", "rocm") else name


@functools.cache
def options(*, frugal: bool = False, on: str | None = None) -> dict[str, Any]:
    """Return the compiler options for a platform, for `jax.jit(compiler_options=...)`.

    Args:
        frugal: whether memory comes before early starts.
        on: "cpu", "gpu" or "tpu"; None for that of the default device.
    """
    on = platform() if on is None else on
    if on == GPU:
        return {"xla_gpu_ftz": True}
    if on != CPU:
        return {}
    order = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"} if frugal else {}
    # Those who ask for few passes, such as the tests, get fewer than ours.
    return order if jax.config.read("jax_disable_most_optimizations") else order | {"xla_backend_optimization_level": 1}


def jit(function: Callable[..., Result], *, frugal: bool = False, **settings: Any) -> Program[Result]:
    """Return `jax.jit(function, **settings)` under the `options` of the platform of its arguments.

    Which platform that is, is asked at every call and not at import, so that programs can still choose devices. It has
    `lower` and `trace`, as `jax.jit` has, to compile ahead of time.

    Args:
        function: a pure function.
        frugal: whether memory comes before early starts.
        settings: arguments of `jax.jit`, such as `static_argnames`.

    Example:
        >>> double = jit(lambda x: 2 * x)
        >>> double(21)
        Array(42, dtype=int32, weak_type=True)
        >>> double.lower(jax.ShapeDtypeStruct((3,), jnp.float32)).compile()(jnp.ones(3)).tolist()
        [2.0, 2.0, 2.0]
    """

    @functools.cache
    def program(on: str | None) -> Program[Result]:
        return jax.jit(function, compiler_options=None if on is None else options(frugal=frugal, on=on), **settings)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Result:
        # Within a program of the caller's, the caller's options hold.
        return program(None if is_traced() else platform(args, kwargs))(*args, **kwargs)

    def lower(*args: Any, **kwargs: Any) -> Any:
        return program(platform(args, kwargs)).lower(*args, **kwargs)

    def trace(*args: Any, **kwargs: Any) -> Any:
        return program(platform(args, kwargs)).trace(*args, **kwargs)

    call.lower, call.trace = lower, trace  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


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
