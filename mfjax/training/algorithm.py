"""The contract of what is trained step by step, and the loop that trains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.types import Array, Key


class Algorithm(NamedTuple):
    """Anything that is trained step by step, by pure functions.

    Attributes:
        init: key -> state.
        step: (key, state) -> (state, info), of the same structure each time, so that it scans.
    """

    init: Callable[[Key], Any]
    step: Callable[[Key, Any], tuple[Any, Any]]


def train(key: Key, algorithm: Algorithm, *, num_steps: int | Array, stop: Callable[[Any], Array] | None = None) -> Any:
    """Return the state after `num_steps` steps, or earlier once `stop` holds; for `jit`, `vmap` and `lax.map`.

    Args:
        key: draws the start; all steps share one key of their own, as `ranking.step` asks for.
        algorithm: what to train.
        num_steps: the most steps; may be traced.
        stop: state -> bool scalar, such as `lambda state: state.num_stale >= 3` of `keep_best`. Under vmap the steps
            of the models that have stopped cost as before, and change nothing.

    Raises:
        ValueError: for what is no key or algorithm, or a negative number of steps where it can be seen.

    Example:
        >>> count = Algorithm(lambda key: jnp.int32(0), lambda key, state: (state + 1, None))
        >>> int(train(jax.random.key(0), count, num_steps=9, stop=lambda state: state >= 4))
        4
    """
    checks.key("key", key)
    check_algorithm(algorithm)
    checks.count("num_steps", num_steps, remedy="pass the most steps to take")
    checks.shape("num_steps", num_steps, (), "pass one number, or vmap over several")
    if stop is not None:
        checks.function("stop", stop, "pass a function of the state, or None")
    key_init, key_steps = jax.random.split(key)

    def unfinished(carry: tuple[Array, Any]) -> Array:
        step, state = carry
        return (step < num_steps) & (jnp.bool_(True) if stop is None else ~stop(state))

    def advance(carry: tuple[Array, Any]) -> tuple[Array, Any]:
        step, state = carry
        return step + 1, algorithm.step(key_steps, state)[0]

    return jax.lax.while_loop(unfinished, advance, (jnp.int32(0), algorithm.init(key_init)))[1]


def check_algorithm(algorithm: Algorithm) -> None:
    """Raise ValueError for what is no Algorithm."""
    checks.kind("algorithm", algorithm, Algorithm, "pass such as als.algorithm(data, config)")
