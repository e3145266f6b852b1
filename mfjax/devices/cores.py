"""All cores of a CPU as devices, which is how JAX uses them for one program, and ALS on all devices that there are.

devices.use_cores()
placed = devices.build_on_all(interactions)
state = devices.fit_on_all(key, placed, config, num_steps=16)
"""

from __future__ import annotations

import os

import jax
import jax.numpy as jnp

from mfjax import als, checks, histories
from mfjax.als import Config, MapChunks
from mfjax.devices import sharding
from mfjax.histories import Histories
from mfjax.types import Interactions, Key


def use_cores(cores: int | None = None) -> None:
    """Make CPU cores devices, as many as asked or all that this process may use; call it before JAX first computes.

    Where there is a GPU or a TPU, it stays the default, and nothing changes. Nor does it where JAX has begun.

    Raises:
        ValueError: for a number of cores below 1, or one that comes too late.
    """
    if cores is not None:
        checks.whole("cores", cores, remedy="pass a number of cores, or None for all")
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        jax.config.update("jax_num_cpu_devices", here if cores is None else int(cores))
    except RuntimeError:
        there = jax.device_count("cpu")
        if cores not in (None, there):
            raise ValueError(f"cores: {cores}, but JAX has begun with {there}; ask for them in a new process") from None


def build_on_all(interactions: Interactions) -> tuple[Histories, MapChunks]:
    """Return the histories on all devices, and how `als.step` maps over the chunks of histories.

    Raises:
        ValueError: as `histories.build`.
    """
    if jax.device_count() == 1:
        return histories.build(interactions), als.map_on_one_device
    mesh = sharding.mesh()
    built = histories.build(interactions, multiple_of=mesh.size)
    return sharding.place(built, mesh), sharding.MapOverDevices(mesh)


def start_on_all(key: Key, config: Config, data: Histories) -> als.State:
    """Return the random start of ALS, on every device that `data` is on.

    Raises:
        ValueError: for arguments of another kind, or a config out of range.
    """
    checks.kind("data", data, Histories, "pass the histories that devices.build_on_all gives")
    sizes = {"num_users": data.users.num_rows, "num_items": data.items.num_rows}
    return als.WHOLE_TABLES.start(lambda: als.init(key, config, **sizes), data)


def fit_on_all(key: Key, placed: tuple[Histories, MapChunks], config: Config, *, num_steps: int = 16) -> als.State:
    """Fit on all devices as `als.fit` does, and return the state on the first device, where later work runs.

    Args:
        key: draws the start.
        placed: what `build_on_all` gives.
        config: the model.
        num_steps: steps to take, each solving all users and all items.

    Raises:
        ValueError: as `als.fit`.

    Example:
        >>> from mfjax.data import synthetic
        >>> pairs = synthetic.power_law(0, num_users=9, num_items=7, num_interactions=30)
        >>> fit_on_all(jax.random.key(0), build_on_all(pairs), Config(dim=2), num_steps=2).items.shape
        (7, 2)
    """
    if not (isinstance(placed, tuple) and len(placed) == 2):
        raise ValueError(f"placed: a {type(placed).__name__} is not what is needed; pass what build_on_all gives")
    data, map_chunks = placed
    state = als.fit(key, data, config, num_steps=num_steps, map_chunks=map_chunks)
    # By way of the host, so that JAX is as free in where to use it as with what was never elsewhere.
    return state if map_chunks is als.map_on_one_device else jax.tree.map(jnp.asarray, jax.device_get(state))
