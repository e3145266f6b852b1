"""Digests of what fixed keys and settings give, a line each: equal before and after a change that keeps the bits.

    python -m tests.digests

Bits are those of one processor and one JAX: compare two trees on one machine.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from mfjax import als, baselines, devices, evaluation, histories, ranking, recommend, statistics
from mfjax.als import hypergradients, objectives
from mfjax.baselines import svd
from mfjax.data import splits, synthetic
from mfjax.devices import by_rows, sharding
from mfjax.histories import Histories, Ragged
from mfjax.ranking import losses, sampling
from mfjax.search import cells, sweep
from mfjax.training import average, train
from mfjax.types import Factors, Interactions

NUM_USERS, NUM_ITEMS = 60, 45


class Given(NamedTuple):
    """What every case starts from."""

    train: Interactions
    data: Histories
    seen: Ragged
    targets: Ragged


@functools.cache
def given() -> Given:
    split = splits.leave_last_out(
        synthetic.power_law(3, num_users=NUM_USERS, num_items=NUM_ITEMS, num_interactions=900)
    )
    data = histories.build(split.train, chunk_entries=256, width=8)
    return Given(split.train, data, histories.ragged(split.train), histories.ragged(split.test))


def _als(num_steps: int = 4, **settings: Any) -> als.State:
    return als.fit(jax.random.key(20), given().data, als.Config(dim=6, **settings), num_steps=num_steps)


def _ranking(loss: str, sampler: Any) -> Factors:
    config = ranking.Config(dim=6, loss=losses.LOSSES[loss], batch_size=64)
    state = ranking.fit(jax.random.key(20), ranking.data(given().seen, sampler), config, num_epochs=3)
    return ranking.factors(state, config)


def _factors() -> Factors:
    return als.factors(
        _als(objective=objectives.ials(), reg=0.1), als.Config(dim=6, objective=objectives.ials(), reg=0.1)
    )


def _evaluation() -> Any:
    found = evaluation.evaluate(
        _factors(), given().targets, exclude=given().seen, cutoffs=(3, 10), metrics=tuple(evaluation.METRICS)
    )
    return found.per_user, found.pooled, found.recommended


def _fold_in() -> Any:
    config = als.Config(dim=6, objective=objectives.implicit(alpha=4.0), reg=0.5)
    state = _als(objective=config.objective, reg=0.5)
    return als.fold_in(
        histories.side(given().train), als.factors(state, config), config, item_counts=given().data.items.counts
    )


def _sweep() -> Any:
    cell = cells.measured(cells.als_factors, metrics=("ndcg",), cutoffs=(5,))
    settings = [cells.Training(als.Config(dim=4, reg=reg), 3) for reg in (0.01, 0.1)]
    return sweep.run(
        cell,
        jax.random.split(jax.random.key(20), 2),
        settings,
        (given().data, evaluation.evaluation_set(given().targets, exclude=given().seen)),
    )


def _sharded() -> Any:
    config = als.Config(dim=6, objective=objectives.ials(), reg=0.1)
    mesh = devices.mesh(2)
    data = histories.build(given().train, chunk_entries=256, width=8, multiple_of=2)
    whole = als.fit(
        jax.random.key(20), sharding.place(data, mesh), config, num_steps=3, map_chunks=devices.MapOverDevices(mesh)
    )
    placed, storage = by_rows.place(data, mesh)
    spread = devices.MapOverDevices(mesh)
    stored = als.fit(jax.random.key(20), placed, config, num_steps=3, map_chunks=spread, storage=storage)
    return whole, by_rows.gather(stored, storage)


def _hypergradient() -> Any:
    start = als.init(jax.random.key(20), als.Config(dim=4), num_users=NUM_USERS, num_items=NUM_ITEMS)

    def value(reg: Any) -> Any:
        found = hypergradients.factors(
            start, reg, given().data, config_of=lambda reg: als.Config(dim=4, reg=reg), num_steps=5
        )
        return (found.users**2).sum()

    return jax.value_and_grad(value)(0.1)


def _transform() -> Any:
    algorithm = average(als.algorithm(given().data, als.Config(dim=4, reg=0.1)), start=2)
    return train(jax.random.key(20), algorithm, num_steps=4)


CASES: dict[str, Callable[[], Any]] = {
    "als, explicit, biases, Cholesky": lambda: _als(
        objective=objectives.explicit(), biases=True, solver="cholesky", reg=0.1
    ),
    "als, iALS, over-relaxed": lambda: _als(objective=objectives.ials(), reg=0.1, relaxation=1.7),
    "als, fold-in": _fold_in,
    "ranking, BPR, unseen": lambda: _ranking("bpr", None),
    "ranking, LambdaRank, by popularity": lambda: _ranking("lambdarank", sampling.popularity(given().seen, num=5)),
    "ranking, WARP, hard": lambda: _ranking("warp", sampling.hard(sampling.uniform(given().seen, num=8), num=2)),
    "svd": lambda: svd.decompose(jax.random.key(20), given().data, dim=5),
    "ease": lambda: baselines.ease(given().train, reg=10.0)(np.arange(NUM_USERS)),
    "top-k": lambda: recommend.top_k(_factors(), np.arange(NUM_USERS), k=7, exclude=given().seen),
    "evaluation, every metric": _evaluation,
    "sweep": _sweep,
    "devices": _sharded,
    "hypergradient": _hypergradient,
    "transform": _transform,
    "statistics": lambda: statistics.compare(
        jax.random.key(20), {name: {"ndcg": np.random.default_rng(seed).random(50)} for seed, name in enumerate("abc")}
    ),
}


def digest(value: Any) -> str:
    """Return a short SHA-256 of the dtypes, shapes and bits of the leaves of `value`."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(value):
        array = np.asarray(leaf) if not hasattr(leaf, "__dict__") else np.frombuffer(repr(leaf).encode(), np.uint8)
        found.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def main() -> None:
    for name, case in CASES.items():
        print(f"{digest(case())}  {name}", flush=True)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 2)
    main()
