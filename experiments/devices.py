"""All cores of a CPU as devices, which is how JAX uses them for one program: `mfjax.devices.sharding` does the rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from mfjax import als, devices, histories
from mfjax.als import Config, MapChunks
from mfjax.devices import sharding
from mfjax.histories import Histories
from mfjax.types import Interactions, Key

Result = TypeVar("Result")


def use_cores(count: int | None = None) -> None:
    """Make `count` CPU cores devices, or all that this process may run on; before JAX first computes.

    Where there is a GPU or a TPU that stays the default, and nothing changes. Nor does it where JAX has begun.

    Raises:
        ValueError: for a count below 1, or one that comes too late.
    """
    if count is not None and count < 1:
        raise ValueError(f"cores: {count} is below 1; pass a number of cores")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        jax.config.update("jax_num_cpu_devices", cores if count is None else count)
    except RuntimeError:
        there = jax.device_count("cpu")
        if count not in (None, there):
            raise ValueError(f"cores: {count}, but JAX has begun with {there}; ask for them in a new process") from None


def on_cores(run: Callable[[Any], Result]) -> Callable[[Any], Result]:
    """Return `run` of options, on as many cores as its option `cores` says."""

    def on_those(options: Any) -> Result:
        use_cores(options.cores)
        return run(options)

    return on_those


def place(interactions: Interactions) -> tuple[Histories, MapChunks]:
    """Return the histories on all devices, and how `als.step` maps over them."""
    if jax.device_count() == 1:
        return histories.build(interactions), als.map_on_one_device
    mesh = devices.mesh()
    built = histories.build(interactions, multiple_of=mesh.size)
    return sharding.place(built, mesh), devices.MapOverDevices(mesh)


def start(key: Key, config: Config, data: Histories) -> als.State:
    """Return the random start of ALS, on every device."""
    state = als.init(key, config, num_users=data.users.num_rows, num_items=data.items.num_rows)
    return state if jax.device_count() == 1 else sharding.replicate(state, devices.mesh())


def fit(key: Key, placed: tuple[Histories, MapChunks], config: Config, *, num_steps: int) -> als.State:
    """Return what `als.fit` finds on all devices, on the first one alone: what is done with it next runs there."""
    data, map_chunks = placed
    state = als.fit(key, data, config, num_steps=num_steps, map_chunks=map_chunks)
    # By way of the host, so that JAX is as free in where to use it as with what was never elsewhere.
    return state if map_chunks is als.map_on_one_device else jax.tree.map(jnp.asarray, jax.device_get(state))
