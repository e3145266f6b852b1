"""The same step on many devices: chunks of histories are shared out, factor tables are held by every device.

A chunk holds whole histories, so devices exchange solved rows only, once a half-step. Tables that no device can hold
whole are shared out by `mfjax.devices.by_rows`. CPU cores become devices by
`jax.config.update("jax_num_cpu_devices", n)` before JAX first computes; set `OPENBLAS_NUM_THREADS=1` in the environment
as well, or the threads of LAPACK take the cores from the devices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from mfjax import checks, compilation
from mfjax.als import footprint
from mfjax.als.half_steps import Chunk, Shared
from mfjax.histories import Histories, Side
from mfjax.types import Array

AXIS = "chunks"

COPIES = 0.25
"""The share of a CPU's memory that copies of a model, one for every core, may take."""


def mesh(num_devices: int | None = None) -> Mesh:
    """Return a mesh of the first `num_devices` devices, or of all.

    Raises:
        ValueError: for a number of devices that is not there.
    """
    devices = jax.devices()
    count = len(devices) if num_devices is None else num_devices
    if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or not 1 <= count <= len(devices):
        raise ValueError(
            f"num_devices: {count!r} of {len(devices)}; pass 1 to {len(devices)}, or make more CPU devices with "
            'jax.config.update("jax_num_cpu_devices", n) before JAX first computes'
        )
    return jax.make_mesh((count,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices[:count])


def mesh_of_all(*trees: Any) -> Mesh | None:
    """Return all devices, to share users out to; None where there is one, and where arrays are to stay where they are.

    Those are arrays that were put on another platform's device by name, those of a run of several processes, and those
    of which a copy for every core would take more than COPIES of the memory that the cores of a CPU share.

    Example:
        >>> mesh_of_all(np.ones(3)) is None or jax.device_count() > 1
        True
    """
    here = compilation.platform()
    if jax.device_count() == 1 or jax.process_count() > 1 or compilation.platform(*trees) != here:
        return None
    share = footprint.limit() if here == compilation.CPU else None  # a core's of the memory
    return None if share is not None and footprint.held(trees) > COPIES * share else mesh()


@dataclass(frozen=True)
class MapOverDevices:
    """A `map_chunks` for `als.step` and `als.fit`: every device of the mesh solves its share of the chunks.

    Results differ from one device's by rounding only.

    Attributes:
        mesh: from `mesh()`.
    """

    mesh: Mesh

    def __post_init__(self) -> None:
        check_mesh(self.mesh)

    def __call__(self, solve: Callable, shared: Shared, chunks: Chunk) -> tuple[Array, Array]:
        # Chunks with routes read a device's share of a table; others read whole tables, by ids.
        tables = P() if chunks.route is None else P(AXIS)
        specs = Shared._make([tables] + [P()] * (len(Shared._fields) - 1)), P(AXIS)
        spread = jax.shard_map(solve, mesh=self.mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False)
        solved, left = spread(shared, chunks)
        return jax.lax.with_sharding_constraint(solved, NamedSharding(self.mesh, tables)), left


def place(data: Histories, mesh: Mesh) -> Histories:
    """Return histories on the mesh: chunks shared out, counts on every device.

    Build them with `histories.build(..., multiple_of=mesh.size)`.

    Raises:
        ValueError: for arguments of another kind, or when the chunks can not be shared out evenly.
    """
    check(data, mesh)

    def place_side(side: Side) -> Side:
        whole = replicate((side.counts, side.column_counts, side.features), mesh)
        return Side(share_out(side.blocks, mesh), *whole)

    return Histories(place_side(data.users), place_side(data.items))


def check_mesh(mesh: Mesh) -> None:
    """Raise ValueError for what is no mesh of `mesh()`."""
    checks.kind("mesh", mesh, Mesh, "pass devices.mesh()")
    if mesh.axis_names != (AXIS,):
        raise ValueError(f"mesh: its axes are {mesh.axis_names}, not {(AXIS,)}; pass devices.mesh()")


def check(data: Histories, mesh: Mesh) -> None:
    """Raise ValueError for other kinds, or chunks that can not be shared out evenly over the devices of the mesh."""
    check_mesh(mesh)
    checks.kind("data", data, Histories, "pass histories.build(interactions, multiple_of=mesh.size)")
    if not all(isinstance(leaf, np.ndarray) or leaf.is_fully_addressable for leaf in jax.tree.leaves(data)):
        raise ValueError("data: it is shared out over processes already; pass what histories.build gives")
    for block in data.users.blocks + data.items.blocks:
        if block.entries.shape[0] % mesh.size:
            raise ValueError(
                f"data: {block.entries.shape[0]} chunks do not divide over {mesh.size} devices; build the histories "
                f"with multiple_of={mesh.size}"
            )


def replicate(tree, mesh: Mesh):
    """Return a pytree with every array on every device of the mesh."""
    return jax.device_put(tree, NamedSharding(mesh, P()))


def share_out(tree, mesh: Mesh):
    """Return a pytree with every array cut along its first axis into one part a device of the mesh."""
    # From the host's memory: a device would compile a program for every shape to cut its own array up.
    return jax.device_put(jax.tree.map(np.asarray, tree), NamedSharding(mesh, P(AXIS)))
