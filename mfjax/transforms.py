"""Algorithms, and transforms that turn one algorithm into another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mfjax.types import Array, Key


class Algorithm(NamedTuple):
    """Anything that is trained step by step, by pure functions.

    Attributes:
        init: key -> state.
        step: (key, state) -> (state, info), of the same structure each time, so that it scans.
    """

    init: Callable[[Key], Any]
    step: Callable[[Key, Any], tuple[Any, Any]]


class KeepBest(NamedTuple):
    """State of `keep_best`.

    Attributes:
        current: the state of the inner algorithm.
        best: its state where the metric was highest, the earliest of equals.
        value: float32 scalar, that metric; -inf before the first step.
        num_stale: int32 scalar, steps since then.
    """

    current: Any
    best: Any
    value: Array
    num_stale: Array


class KeepBestInfo(NamedTuple):
    """Info of `keep_best`.

    Attributes:
        inner: the info of the inner algorithm; of a repeated, discarded step once stopped.
        value: float32 scalar, the metric after this step.
        stopped: bool scalar, whether patience had run out, so that this step changed nothing.
    """

    inner: Any
    value: Array
    stopped: Array


def keep_best(algorithm: Algorithm, metric: Callable[[Any], Array], *, patience: int) -> Algorithm:
    """Return the algorithm that remembers its best state and stops after `patience` steps without a better one.

    A stopped algorithm can still be stepped, in a scan of fixed length or one of many under vmap: its state stays. A
    metric of NaN counts as no improvement.

    Args:
        algorithm: what to train.
        metric: state -> float scalar, higher is better; on validation data, never on test data.
        patience: at least 1.

    Raises:
        ValueError: for a patience below 1.

    Example:
        >>> count = Algorithm(lambda key: jnp.int32(0), lambda key, state: (state + 1, None))
        >>> best = keep_best(count, lambda state: -jnp.abs(state - 3.0), patience=2)
        >>> key = jax.random.key(0)
        >>> state, info = jax.lax.scan(lambda state, _: best.step(key, state), best.init(key), length=9)
        >>> int(state.best), int(state.current), info.stopped.tolist()[3:7]
        (3, 5, [False, False, True, True])
    """
    if patience < 1:
        raise ValueError(f"patience: {patience} is below 1; pass the number of steps to wait for a better state")

    def init(key: Key) -> KeepBest:
        state = algorithm.init(key)
        return KeepBest(state, state, jnp.float32(-jnp.inf), jnp.int32(0))

    def step(key: Key, state: KeepBest) -> tuple[KeepBest, KeepBestInfo]:
        stopped = state.num_stale >= patience
        current, info = algorithm.step(key, state.current)
        value = jnp.asarray(metric(current), jnp.float32)
        better = value > state.value
        best = _where(better, current, state.best)
        stale = jnp.where(better, 0, state.num_stale + 1)
        after = KeepBest(current, best, jnp.where(better, value, state.value), stale)
        return _where(stopped, state, after), KeepBestInfo(info, value, stopped)

    return Algorithm(init, step)


def _where(condition: Array, if_true: Any, if_false: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), if_true, if_false)
