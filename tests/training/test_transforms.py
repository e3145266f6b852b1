"""Algorithm -> algorithm: each transform alone, composed, under jit and vmap, and on ALS."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, histories
from mfjax.training import Algorithm, average, keep_best, schedule, trace, train
from mfjax.types import Interactions


def follow(values, patience, key):
    values = jnp.asarray(values)
    count = Algorithm(lambda key: jnp.int32(0), lambda key, state: (state + 1, {"state": state}))
    best = keep_best(count, lambda state: values[state - 1], patience=patience)
    return jax.lax.scan(lambda state, _: best.step(key, state), best.init(key), length=len(values))


def test_best_is_the_first_of_the_highest_before_patience_runs_out(key):
    state, info = follow([1.0, 3.0, 2.0, 3.0, 9.0], 2, key)
    assert (int(state.best), float(state.value), int(state.current)) == (2, 3.0, 4)
    assert info.stopped.tolist() == [False, False, False, False, True]


def test_info_of_a_stopped_step_says_nothing_of_the_step_thrown_away(key):
    state, info = follow([1.0, 3.0, 2.0, 3.0, 9.0, 8.0], 2, key)
    np.testing.assert_array_equal(info.value, [1, 3, 2, 3, np.nan, np.nan])
    assert info.inner["state"].tolist() == [0, 1, 2, 3, 0, 0]
    assert float(state.value) == 3.0


def test_transforms_under_x64(key):
    def found():
        inner = trace(average(COUNT, start=1), lambda state: -jnp.abs(state.mean - 2.5), every=1)
        best = keep_best(inner, lambda state: state.value, patience=2)
        return train(jax.random.clone(key), best, num_steps=8)

    single = found()
    with jax.enable_x64(True):
        jax.tree.map(np.testing.assert_array_equal, single, found())


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


COUNT = Algorithm(lambda key: jnp.float32(0), lambda key, state: (state + 1, state))


def steps(algorithm, length, key):
    return jax.lax.scan(lambda state, _: algorithm.step(key, state), algorithm.init(key), length=length)


def test_trace_takes_the_metric_when_it_is_due(key):
    state, info = steps(trace(COUNT, lambda state: 10 * state, every=3), 7, key)
    np.testing.assert_array_equal(info.value, [np.nan, np.nan, 30, np.nan, np.nan, 60, np.nan])
    assert (float(state.current), float(state.value)) == (7, 60)
    np.testing.assert_array_equal(info.inner, np.arange(7))


def test_average_is_the_mean_from_the_start_on(key):
    state, _ = steps(average(COUNT, start=2), 6, key)
    assert (float(state.current), float(state.mean)) == (6, np.mean([3, 4, 5, 6]))
    early, _ = steps(average(COUNT, start=9), 4, key)
    assert float(early.mean) == 4


def test_schedule_follows_the_steps_taken(key):
    walk = lambda size: Algorithm(COUNT.init, lambda key, state: (state + size, None))  # noqa: E731
    state, _ = steps(schedule(walk, lambda step: jnp.float32([1.0, 0.0, 5.0])[step]), 3, key)
    assert float(state.current) == 6


def test_transforms_compose_under_jit_and_vmap(key):
    def best_of(peak):
        inner = trace(average(COUNT), lambda state: -jnp.abs(state.current - peak), every=2)
        kept = keep_best(inner, lambda state: state.value, patience=4)
        return train(key_again(), kept, num_steps=20, stop=lambda state: state.num_stale >= 4)

    def key_again():
        return jax.random.key(20)

    peaks = jnp.array([4.0, 9.0])
    together = jax.jit(jax.vmap(best_of))(peaks)
    alone = [jax.jit(best_of)(peak) for peak in peaks]
    assert together.best.current.current.tolist() == [float(state.best.current.current) for state in alone] == [4, 8]
    assert together.current.step.tolist() == [int(state.current.step) for state in alone] == [8, 12]


def test_als_stops_at_its_best_and_equals_the_plain_fit(key):
    rng = np.random.default_rng(0)
    users, items = (ids.astype(np.int32) for ids in np.nonzero(rng.random((12, 9)) < 0.4))
    data = histories.build(Interactions(users, items, np.ones(len(users), np.float32), 12, 9))
    config = als.Config(dim=3, solver="cholesky")
    algorithm = als.algorithm(data, config)
    metric = lambda state: -jnp.abs(state.step - 3.0)  # noqa: E731
    best = jax.jit(lambda key: train(key, keep_best(algorithm, metric, patience=2), num_steps=9, stop=stale))(key)
    assert (int(best.best.step), int(best.current.step)) == (3, 5)
    key_init, _ = jax.random.split(jax.random.key(20))
    plain = als.fit(key_init, data, config, num_steps=3)
    np.testing.assert_allclose(best.best.items, plain.items, atol=1e-5)


def stale(state):
    return state.num_stale >= 2


def test_every_below_one_is_refused():
    with pytest.raises(ValueError, match="every: 0"):
        trace(COUNT, lambda state: state, every=0)
