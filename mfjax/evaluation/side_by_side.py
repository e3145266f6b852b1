"""The blocks of an evaluation on all devices at once, each with every device's next block of users."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from mfjax.devices import sharding
from mfjax.evaluation.evaluation_set import EvaluationSet
from mfjax.evaluation.measuring import Measured, block_of_users, pooled_of
from mfjax.types import Array, Scorer


def measure_on_all(scorer: Scorer, held_out: EvaluationSet, mesh: Mesh, **how: Any) -> Measured:
    """Return what `measure` does, the blocks dealt out to the devices of a mesh; on the host.

    The metrics of a user are those of one device but for the rounding of the scores: each block is ranked alone.

    Args:
        scorer, held_out: as `fitting` gives them; every device gets a copy.
        mesh: from `devices.sharding.mesh_of_all`.
        how: cutoffs and metrics as tuples, and the convention.
    """
    scorer, held_out = sharding.replicate((scorer, held_out), mesh)
    return jax.device_get(_measure(scorer, held_out, mesh=mesh, **how))


def _dealt(blocks: Array, size: int) -> Array:
    """Return blocks [n, ...] in the order of the devices that they go to, [size * rounds, ...]: dealt out in turns.

    They rise in cost, so that equal ranges would not be equal work.
    """
    rounds = -(-len(blocks) // size)
    padded = jnp.pad(blocks, ((0, size * rounds - len(blocks)), *[(0, 0)] * (blocks.ndim - 1)))
    return padded.reshape(rounds, size, *blocks.shape[1:]).swapaxes(0, 1).reshape(size * rounds, *blocks.shape[1:])


def _gathered(found: Array, size: int) -> Array:
    """Return what `_dealt` was given, padding included."""
    return found.reshape(size, -1, *found.shape[1:]).swapaxes(0, 1).reshape(found.shape)


@partial(jax.jit, static_argnames=("mesh", "cutoffs", "metrics", "convention"))
def _measure(scorer: Scorer, held_out: EvaluationSet, *, mesh: Mesh, **how: Any) -> Measured:
    def share(scorer: Scorer, held_out: EvaluationSet, users: Array, mask: Array) -> Any:
        return lax.map(lambda block: block_of_users(scorer, block[0], block[1], held_out, **how), (users, mask))

    blocks, axis = held_out.blocks, P(sharding.AXIS)
    spread = jax.shard_map(share, mesh=mesh, in_specs=(P(), P(), axis, axis), out_specs=axis, check_vma=False)
    dealt = (_dealt(part, mesh.size) for part in (blocks.users, blocks.mask))
    found = spread(scorer, held_out, *dealt)
    found = jax.tree.map(lambda part: blocks.ascending(_gathered(part, mesh.size)), found)
    lists = found.hits, found.recommended, found.recommended_mask, found.num_relevant
    return Measured(blocks.ascending(blocks.users), found.per_user, pooled_of(*lists, held_out), *found[2:])
