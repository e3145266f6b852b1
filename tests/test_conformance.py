"""The contract of an algorithm, for every entry of the tables of objectives, losses, samplers, and every transform.

Adding an objective, a loss or a sampler to its table adds its tests here; a transform is added to TRANSFORMS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mfjax import als, histories, ranking
from mfjax.als import objectives
from mfjax.ranking import losses, sampling
from mfjax.training import Algorithm, average, keep_best, schedule, trace, transforms
from mfjax.types import Interactions

NUM_STEPS = 3
RNG = np.random.default_rng(14)
USERS, ITEMS = (ids.astype(np.int32) for ids in np.nonzero(RNG.random((9, 7)) < 0.4))
PAIRS = Interactions(USERS, ITEMS, RNG.integers(1, 6, len(USERS)).astype(np.float32), 9, 7)
HISTORIES = histories.build(PAIRS, chunk_entries=32, width=4)
POSITIVES = histories.ragged(PAIRS)


class Case(NamedTuple):
    """An algorithm of a number that a researcher sweeps, and two values of the number."""

    make: Callable[[Any], Algorithm]
    values: tuple[float, float]


def of_als(objective: str, solver: str, **settings: Any) -> Case:
    def make(reg: Any) -> Algorithm:
        config = als.Config(objective=objectives.OBJECTIVES[objective](), reg=reg, dim=2, solver=solver, **settings)
        return als.algorithm(HISTORIES, config)

    return Case(make, (0.1, 0.3))


def of_ranking(loss: str, sampler: str, **settings: Any) -> Case:
    data = ranking.data(POSITIVES, sampling.SAMPLERS[sampler](POSITIVES))

    def make(rate: Any) -> Algorithm:
        config = ranking.Config(learning_rate=rate, loss=losses.LOSSES[loss], dim=2, batch_size=16, **settings)
        return ranking.algorithm(data, config)

    return Case(make, (0.1, 0.3))


def size(state: als.State) -> Any:
    return -jnp.mean(state.items**2)


TRANSFORMS: dict[str, Callable[[Callable[[Any], Algorithm], Any], Algorithm]] = {
    "average": lambda make, reg: average(make(reg), start=1),
    "keep_best": lambda make, reg: keep_best(make(reg), size, patience=1),
    "schedule": lambda make, reg: schedule(make, lambda step: reg / (step + 1)),
    "trace": lambda make, reg: trace(make(reg), size, every=2),
}
EXPLICIT = of_als("explicit", "cholesky")

ALGORITHMS: dict[str, Case] = {
    **{f"als, {name}": of_als(name, "conjugate_gradient") for name in objectives.OBJECTIVES},
    **{f"als, {solver}": of_als("ials", solver) for solver in als.SOLVERS if solver != "conjugate_gradient"},
    "als, biases": of_als("explicit", "conjugate_gradient", biases=True, relaxation=1.5),
    **{f"ranking, {name}": of_ranking(name, "uniform") for name in losses.LOSSES},
    **{f"ranking, bpr, {name}": of_ranking("bpr", name) for name in sampling.SAMPLERS if name != "uniform"},
    "ranking, Adam, permuted": of_ranking("bpr", "uniform", optimizer=optax.adam(1.0), order="permutation"),
    **{name: Case(partial(transform, EXPLICIT.make), EXPLICIT.values) for name, transform in TRANSFORMS.items()},
}
QUICK = {"ranking, bpr", "keep_best"}
"""What is tested at every run; all others are marked slow."""

pytestmark = pytest.mark.timeout(600)
every_algorithm = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ALGORITHMS]
)


class Programs:
    """Start, step and several steps of a case as functions of its number and a seed; compiled once for all tests."""

    def __init__(self, case: Case) -> None:
        self.make, self.num_traces = case.make, 0
        self.compiled_init, self.compiled_step = jax.jit(self.init), jax.jit(self.counted_step)

    def init(self, value: Any, seed: Any) -> Any:
        return self.make(value).init(jax.random.key(seed))

    def step(self, value: Any, seed: Any, state: Any) -> Any:
        return self.make(value).step(jax.random.key(seed + 100), state)

    def counted_step(self, value: Any, seed: Any, state: Any) -> Any:
        self.num_traces += 1
        return self.step(value, seed, state)

    def scan(self, value: Any, seed: Any) -> Any:
        first = self.init(value, seed)
        return jax.lax.scan(lambda state, _: self.step(value, seed, state), first, length=NUM_STEPS)

    def steps(self, value: Any, seed: Any) -> tuple[list[Any], list[Any]]:
        """Return the states and infos of NUM_STEPS compiled steps, each a call."""
        states, infos = [self.compiled_init(value, seed)], []
        for _ in range(NUM_STEPS):
            state, info = self.compiled_step(value, seed, states[-1])
            states.append(state)
            infos.append(info)
        return states, infos


@functools.cache
def programs(name: str) -> Programs:
    return Programs(ALGORITHMS[name])


def alike(found: Any, wanted: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), found, wanted)


def shapes(tree: Any) -> Any:
    """Return a tree with the dtype, weak or not, and the shape of every leaf in its place."""
    return jax.tree.map(lambda leaf: f"{leaf.dtype}{leaf.shape}{leaf.weak_type}", tree)


def check_modes(these: Programs, value: Any, another: Any) -> None:
    runs = [these.steps(value, seed) for seed in range(2)]
    ends = [(states[-1], jax.tree.map(lambda *each: jnp.stack(each), *infos)) for states, infos in runs]
    # One step of the eager mode: JAX compiles loops anew at every eager call.
    alike(these.step(value, 0, these.init(value, 0)), (runs[0][0][1], runs[0][1][0]))
    # The scan under vmap is that of `jax.jit` too: were it another, one of the two seeds would differ.
    both = jax.jit(jax.vmap(these.scan, (None, 0)))(value, jnp.arange(2))
    alike(both, jax.tree.map(lambda *each: jnp.stack(each), *ends))


def check_shapes(these: Programs, value: Any, another: Any) -> None:
    states, infos = these.steps(value, 0)
    assert [shapes(state) for state in states] == [shapes(states[0])] * len(states)
    assert [shapes(info) for info in infos] == [shapes(infos[0])] * len(infos)


def check_one_trace(these: Programs, value: Any, another: Any) -> None:
    ends = [these.steps(number, 0)[0][-1] for number in (value, another)]
    assert these.num_traces == 1
    same = jax.tree.map(lambda one, other: np.allclose(one, other, atol=1e-6), *ends)
    assert not all(jax.tree.leaves(same)), "the number has no effect"


@every_algorithm
@pytest.mark.parametrize("check", [check_modes, check_shapes, check_one_trace])
def test_the_contract_is_kept(name, check):
    check(programs(name), *ALGORITHMS[name].values)


DRIFTS = Algorithm(lambda key: jnp.int32(0), lambda key, state: (state + 0.5, None))
WAVERS = Algorithm(
    lambda key: jnp.float32(0),
    lambda key, state: (state + (0.1 if isinstance(state, jax.core.Tracer) else 0.2), None),
)
WEAKENS = Algorithm(lambda key: jnp.float32(0), lambda key, state: (jnp.asarray(1.0), None))
STANDS = Algorithm(lambda key: jnp.float32(0), lambda key, state: (state, None))


@pytest.mark.parametrize(
    ("check", "algorithm"),
    [(check_shapes, DRIFTS), (check_shapes, WEAKENS), (check_modes, WAVERS), (check_one_trace, STANDS)],
)
def test_an_algorithm_that_breaks_the_contract_is_found(check, algorithm):
    with pytest.raises(AssertionError):
        check(Programs(Case(lambda value: algorithm, (0.1, 0.3))), 0.1, 0.3)


def test_a_number_that_compiles_anew_is_found():
    these = Programs(Case(lambda value: WAVERS, (jnp.float32(0.1), 0.3)))
    with pytest.raises(AssertionError, match="num_traces"):
        check_one_trace(these, jnp.float32(0.1), 0.3)


def test_every_transform_is_in_the_table():
    made = {name for name, value in vars(transforms).items() if callable(value) and is_transform(name, value)}
    assert set(TRANSFORMS) == made, "add the transform to TRANSFORMS"


def is_transform(name: str, value: Any) -> bool:
    here = getattr(value, "__module__", "") == transforms.__name__
    return here and not name.startswith("_") and getattr(value, "__annotations__", {}).get("return") == "Algorithm"
