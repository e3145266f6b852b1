"""One measurement of `scale` in a process of its own: `python -m experiments.benchmark.scale_worker JSON`."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.benchmark import timing
from mfjax import als, devices, evaluation, histories, ranking, recommend
from mfjax.als import WHOLE_TABLES, MapChunks, Storage, objectives
from mfjax.data import synthetic
from mfjax.devices import by_rows
from mfjax.histories import Histories, Ragged
from mfjax.types import Interactions

Placed = tuple[Histories, MapChunks, Storage]

NUM_USERS, NUM_INTERACTIONS = 100_000, 3_000_000
"""What a model of a large catalogue is fitted to."""

ASKED = 1024
"""Users that it is asked for."""

CONFIG = als.Config(objective=objectives.ials(unobserved_weight=0.1), reg=0.003, reg_exponent=1.0)


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the measurement that the specification asks for, as JSON values."""
    devices.use_cores(spec["devices"])
    if spec["processes"] > 1:
        jax.distributed.initialize(spec["address"], spec["processes"], spec["process"])
    parts = {"rows": ranking_step, "devices": als_sweep, "interactions": als_sweep, "catalogues": catalogue}
    measured = parts[spec["part"]](spec)
    shared = {"part": spec["part"], "size": spec["size"], "processes": spec["processes"]}
    return shared | {"devices": jax.device_count(), "peak_mb": timing.memory_mb()} | measured


def als_sweep(spec: dict[str, Any]) -> dict[str, Any]:
    base = timing.memory_mb()
    made_up = synthetic.of_size(0, spec["size"])
    # Without the timestamps, which ALS does not read.
    pairs = Interactions(made_up.users, made_up.items, made_up.values, made_up.num_users, made_up.num_items)
    del made_up
    data_mb = _megabytes(pairs.users, pairs.items, pairs.values)
    placed, build = _built(_place_by_rows if spec.get("by_rows") else _place_chunks, pairs)
    # From here on nothing reads them.
    del pairs
    state, seconds = _swept(spec, placed)
    storage = placed[2]
    if isinstance(storage, by_rows.TablesByRows):
        state = by_rows.gather(state, storage)
    if spec.get("save") and spec["process"] == 0:
        np.savez(spec["save"], users=_local(state.users), items=_local(state.items))
    return seconds | {
        "build_s": build,
        "base_mb": base,
        "data_mb": data_mb + _megabytes(_local(state.users), _local(state.items)),
    }


def _built(place: Callable[[Interactions], Placed], pairs: Interactions) -> tuple[Placed, float]:
    """Return the placed histories, and the seconds that it took."""
    begin = time.perf_counter()
    placed = place(pairs)
    jax.block_until_ready(placed[0])
    return placed, time.perf_counter() - begin


def _swept(spec: dict[str, Any], placed: Placed) -> tuple[als.State, dict[str, float]]:
    """Return the state after a first sweep and the repeats, and their seconds."""
    data, map_chunks, storage = placed
    times = [time.perf_counter()]
    state = als.fit(
        jax.random.key(0),
        data,
        replace(CONFIG, dim=spec["dim"]),
        num_steps=spec["repeats"] + 1,
        on_step=partial(_note, times),
        map_chunks=map_chunks,
        storage=storage,
    )
    first, *others = np.diff(times).tolist()
    return state, {"first_s": first, "seconds": statistics.median(others)}


def catalogue(
    spec: dict[str, Any], num_users: int = NUM_USERS, num_interactions: int = NUM_INTERACTIONS
) -> dict[str, Any]:
    """Return what a sweep takes with a catalogue of this size, and what lists and metrics of ASKED users take."""
    base = timing.memory_mb()
    sizes = {"num_users": num_users, "num_items": spec["size"], "num_interactions": num_interactions}
    pairs = synthetic.power_law(0, **sizes)
    placed, build = _built(_place_chunks, pairs)
    state, seconds = _swept(spec, placed)
    model = als.factors(jax.tree.map(jnp.asarray, jax.device_get(state)), replace(CONFIG, dim=spec["dim"]))
    seen, asked, repeats = histories.ragged(pairs), jnp.arange(min(ASKED, num_users)), spec["repeats"]
    best = partial(recommend.top_k_on_all, model, asked, k=20, exclude=seen)
    # What a user has taken is what is looked for: metrics of a model on its own train part, for their time alone.
    measured = partial(evaluation.evaluate, model, seen, users=asked, metrics=("recall", "ndcg"), cutoffs=20)
    return seconds | {
        "build_s": build,
        "base_mb": base,
        "data_mb": _megabytes(pairs.users, pairs.items, pairs.values, *map(np.asarray, (model.users, model.items))),
        "top_k_s": timing.median(best, repeats=repeats),
        "evaluation_s": timing.median(measured, repeats=repeats),
    }


def _place_chunks(pairs: Interactions) -> Placed:
    return *devices.build_on_all(pairs), WHOLE_TABLES


def _place_by_rows(pairs: Interactions) -> Placed:
    mesh = devices.mesh()
    data, storage = by_rows.place(histories.build(pairs, multiple_of=mesh.size), mesh)
    return data, devices.MapOverDevices(mesh), storage


def _local(table: jax.Array) -> np.ndarray:
    return np.asarray(table.addressable_data(0) if isinstance(table, jax.Array) else table)


def _megabytes(*arrays: np.ndarray) -> float:
    return sum(array.nbytes for array in arrays) / 2**20


def ranking_step(spec: dict[str, Any], num_users: int = 10_000, num_positives: int = 200_000) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, spec["size"], (num_users, num_positives // num_users))
    ids.sort(axis=1)
    offsets = jnp.arange(num_users + 1, dtype=jnp.int32) * ids.shape[1]
    flat = jnp.asarray(ids.reshape(-1), jnp.int32)
    positives = Ragged(offsets, flat, jnp.ones(num_positives), num_columns=spec["size"], longest=ids.shape[1])
    config = ranking.Config(dim=spec["dim"], batch_size=1024, learning_rate=0.05, optimizer=optax.adagrad(1.0))
    data = ranking.data(positives)
    base, begin = timing.memory_mb(), time.perf_counter()
    ranking.fit(jax.random.key(0), data, config, num_epochs=1)
    first, seconds = time.perf_counter() - begin, []
    state = ranking.fit(jax.random.key(0), data, config, num_epochs=1)
    for _ in range(spec["repeats"]):
        began: list[float] = []
        # The state is copied before the first epoch: the second one is timed.
        note = partial(_note, began)
        ranking.fit(jax.random.key(0), data, config, num_epochs=2, state=state, on_epoch=note)
        seconds.append((began[1] - began[0]) / ranking.steps_per_epoch(data, config))
    tables = _megabytes(*(np.asarray(table) for table in jax.tree.leaves(state.tables)))
    return {
        "first_s": first,
        "seconds": statistics.median(seconds),
        "build_s": 0.0,
        "base_mb": base,
        "data_mb": tables + _megabytes(ids),
    }


def _note(times: list[float], state: Any, _: Any) -> None:
    jax.block_until_ready(state)
    times.append(time.perf_counter())


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
