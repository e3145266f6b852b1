"""Transforms of algorithms: stop early and keep the best state, trace, average, schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.training.algorithm import Algorithm, check_algorithm
from mfjax.types import Array, Key


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
        inner: the info of the inner algorithm. Once stopped no step is taken, so that it says nothing: numbers are NaN,
            those of integers 0, and bools False.
        value: float32 scalar, the metric after this step; NaN once stopped.
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
        ValueError: for a patience below 1, or an algorithm or metric of another kind; when traced, for a metric that is
            no scalar.

    Example:
        >>> count = Algorithm(lambda key: jnp.int32(0), lambda key, state: (state + 1, None))
        >>> best = keep_best(count, lambda state: -jnp.abs(state - 3.0), patience=2)
        >>> key = jax.random.key(0)
        >>> state, info = jax.lax.scan(lambda state, _: best.step(key, state), best.init(key), length=9)
        >>> int(state.best), int(state.current), info.stopped.tolist()[3:7]
        (3, 5, [False, False, True, True])
    """
    check_algorithm(algorithm)
    checks.function("metric", metric, "pass a function of the state")
    checks.whole("patience", patience, remedy="pass the number of steps to wait for a better state")

    def init(key: Key) -> KeepBest:
        state = algorithm.init(key)
        return KeepBest(state, state, jnp.float32(-jnp.inf), jnp.int32(0))

    def step(key: Key, state: KeepBest) -> tuple[KeepBest, KeepBestInfo]:
        stopped = state.num_stale >= patience
        current, info = algorithm.step(key, state.current)
        value = _scalar(metric, current)
        better = value > state.value
        best = _where(better, current, state.best)
        stale = jnp.where(better, 0, state.num_stale + 1)
        after = KeepBest(current, best, jnp.where(better, value, state.value), stale)
        seen, unseen = KeepBestInfo(info, value, stopped), KeepBestInfo(_nothing(info), _nothing(value), stopped)
        return _where(stopped, state, after), _where(stopped, unseen, seen)

    return Algorithm(init, step)


class Trace(NamedTuple):
    """State of `trace`.

    Attributes:
        current: the state of the inner algorithm.
        value: float32 scalar, the metric when it was last taken; NaN before. Outer transforms can read it here.
        step: int32 scalar, steps taken.
    """

    current: Any
    value: Array
    step: Array


class TraceInfo(NamedTuple):
    """Info of `trace`.

    Attributes:
        inner: the info of the inner algorithm.
        value: float32 scalar, the metric after this step, or NaN where it was not taken.
    """

    inner: Any
    value: Array


def trace(algorithm: Algorithm, metric: Callable[[Any], Array], *, every: int = 1) -> Algorithm:
    """Return the algorithm that takes a metric after every `every` steps, and at no other.

    Under vmap the metric is computed at every step, and shown at these.

    Args:
        algorithm: what to train.
        metric: state -> float scalar.
        every: at least 1.

    Raises:
        ValueError: for `every` below 1, or an algorithm or metric of another kind; when traced, for a metric that is no
            scalar.

    Example:
        >>> count = Algorithm(lambda key: jnp.int32(0), lambda key, state: (state + 1, None))
        >>> traced = trace(count, lambda state: state**2, every=2)
        >>> key = jax.random.key(0)
        >>> _, info = jax.lax.scan(lambda state, _: traced.step(key, state), traced.init(key), length=4)
        >>> info.value.tolist()
        [nan, 4.0, nan, 16.0]
    """
    check_algorithm(algorithm)
    checks.function("metric", metric, "pass a function of the state")
    checks.whole("every", every, remedy="pass the number of steps between two values")

    def init(key: Key) -> Trace:
        return Trace(algorithm.init(key), jnp.float32(jnp.nan), jnp.int32(0))

    def step(key: Key, state: Trace) -> tuple[Trace, TraceInfo]:
        current, info = algorithm.step(key, state.current)
        due = (state.step + 1) % every == 0
        taken = jax.lax.cond(due, lambda now: _scalar(metric, now), lambda _: jnp.float32(jnp.nan), current)
        return Trace(current, jnp.where(due, taken, state.value), state.step + 1), TraceInfo(info, taken)

    return Algorithm(init, step)


class Average(NamedTuple):
    """State of `average`.

    Attributes:
        current: the state of the inner algorithm, which the averaging leaves alone.
        mean: a state whose numbers are the means over the steps averaged; before them, and for integers, the current.
        step: int32 scalar, steps taken.
    """

    current: Any
    mean: Any
    step: Array


def average(algorithm: Algorithm, *, start: int | Array = 0) -> Algorithm:
    r"""Return the algorithm that keeps the mean of its iterates.

    .. math:: \bar\theta_t = \frac{1}{t - s} \sum_{j=s+1}^{t} \theta_j

    Args:
        algorithm: what to train.
        start: s, steps whose outcome is left out; may be traced.

    Raises:
        ValueError: for a negative `start`, or an algorithm of another kind.

    Example:
        >>> count = Algorithm(lambda key: jnp.float32(0), lambda key, state: (state + 1, None))
        >>> mean, key = average(count, start=1), jax.random.key(0)
        >>> state, _ = jax.lax.scan(lambda state, _: mean.step(key, state), mean.init(key), length=3)
        >>> float(state.current), float(state.mean)
        (3.0, 2.5)

    Source: Polyak & Juditsky 1992, Acceleration of stochastic approximation by averaging.
    """
    check_algorithm(algorithm)
    checks.count("start", start, remedy="pass the number of steps to leave out")
    checks.shape("start", start, (), "pass one number, or vmap over several")

    def init(key: Key) -> Average:
        state = algorithm.init(key)
        return Average(state, state, jnp.int32(0))

    def step(key: Key, state: Average) -> tuple[Average, Any]:
        current, info = algorithm.step(key, state.current)
        share = 1.0 / jnp.maximum(state.step + 1 - start, 1)

        def mix(mean: Array, now: Array) -> Array:
            return mean + share.astype(mean.dtype) * (now - mean) if jnp.issubdtype(now.dtype, jnp.inexact) else now

        return Average(current, jax.tree.map(mix, state.mean, current), state.step + 1), info

    return Algorithm(init, step)


class Scheduled(NamedTuple):
    """State of `schedule`: the state of the inner algorithm and int32 scalar, the steps taken."""

    current: Any
    step: Array


def schedule(make: Callable[[Any], Algorithm], values: Callable[[Array], Any]) -> Algorithm:
    """Return the algorithm whose hyperparameters follow the number of steps taken.

    Args:
        make: hyperparameters -> algorithm; all of one kind of state.
        values: int32 scalar, steps taken -> hyperparameters, such as an Optax schedule.

    Raises:
        ValueError: for what is no function; when used, where `make` returns no algorithm.

    Example:
        >>> walk = lambda size: Algorithm(lambda key: jnp.float32(0), lambda key, state: (state + size, None))
        >>> growing, key = schedule(walk, lambda step: jnp.float32(10) ** step), jax.random.key(0)
        >>> state, _ = jax.lax.scan(lambda state, _: growing.step(key, state), growing.init(key), length=3)
        >>> float(state.current)
        111.0
    """
    checks.function("make", make, "pass a function of hyperparameters that returns an Algorithm")
    checks.function("values", values, "pass a function of the steps taken")

    def at(step: Array) -> Algorithm:
        algorithm = make(values(step))
        check_algorithm(algorithm)
        return algorithm

    def init(key: Key) -> Scheduled:
        return Scheduled(at(jnp.int32(0)).init(key), jnp.int32(0))

    def step(key: Key, state: Scheduled) -> tuple[Scheduled, Any]:
        current, info = at(state.step).step(key, state.current)
        return Scheduled(current, state.step + 1), info

    return Algorithm(init, step)


def _scalar(metric: Callable[[Any], Array], state: Any) -> Array:
    value = metric(state)
    checks.shape("metric", value, (), "return one number of the state")
    return jnp.asarray(value, jnp.float32)


def _nothing(tree: Any) -> Any:
    """Return a tree of the same kind that says nothing: NaN, and 0 where there is no NaN."""
    of_leaf = lambda leaf: jnp.full_like(leaf, jnp.nan if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact) else 0)  # noqa: E731
    return jax.tree.map(of_leaf, tree)


def _where(condition: Array, if_true: Any, if_false: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), if_true, if_false)
