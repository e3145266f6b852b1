"""Keep the best, and stop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.transforms import Algorithm, keep_best


def follow(values, patience, key):
    values = jnp.asarray(values)
    count = Algorithm(lambda key: jnp.int32(0), lambda key, state: (state + 1, {"state": state}))
    best = keep_best(count, lambda state: values[state - 1], patience=patience)
    return jax.lax.scan(lambda state, _: best.step(key, state), best.init(key), length=len(values))


def test_best_is_the_first_of_the_highest_before_patience_runs_out(key):
    state, info = follow([1.0, 3.0, 2.0, 3.0, 9.0], 2, key)
    assert (int(state.best), float(state.value), int(state.current)) == (2, 3.0, 4)
    assert info.stopped.tolist() == [False, False, False, False, True]


def test_patience_starts_anew_with_every_improvement(key):
    state, info = follow([1.0, 0.0, 2.0, 0.0, 3.0], 2, key)
    assert (int(state.best), info.stopped.any()) == (5, False)


def test_nan_is_no_improvement(key):
    state, _ = follow([1.0, np.nan, np.nan, 5.0], 2, key)
    assert (int(state.best), int(state.current)) == (1, 3)


def test_many_at_once_stop_apart(key):
    values = jnp.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    state, _ = jax.vmap(lambda values: follow(values, 1, key))(values)
    assert state.best.tolist() == [3, 1]


def test_patience_below_one_is_refused():
    with pytest.raises(ValueError, match="patience: 0"):
        keep_best(Algorithm(lambda key: 0, lambda key, state: (state, None)), lambda state: state, patience=0)
