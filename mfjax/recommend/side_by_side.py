"""Lists of many users on all devices at once, each with its share of the users."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from mfjax import checks, compilation
from mfjax.devices import sharding
from mfjax.histories import Ragged
from mfjax.recommend import lists
from mfjax.recommend.candidates import Candidates
from mfjax.recommend.scores import scorer
from mfjax.types import Array, Factors, Scorer

Found = tuple[np.ndarray, np.ndarray]
"""Ids [n, k] and scores [n, k], -inf where a list is shorter than k."""

LEAST = 512
"""Users that it takes for more than one device to be asked."""


def top_k_on_all(
    model: Scorer | Factors,
    users: Any,
    *,
    k: int = 10,
    exclude: Ragged | None = None,
    candidates: Candidates | None = None,
) -> Found:
    """Return what `top_k` does, on the host, with users shared out over all devices (`devices.use_cores`).

    Args:
        model, users, k, exclude, candidates: as in `top_k`.

    Returns:
        numpy: ids int32 [batch, k] and scores float [batch, k].

    Raises:
        ValueError: as `top_k`.

    Example:
        >>> factors = Factors(users=jnp.array([[1.0, 2.0]]), items=jnp.array([[3.0, 0.0], [0.0, 4.0], [1.0, 1.0]]))
        >>> top_k_on_all(factors, [0], k=2)[0].tolist()
        [[1, 0]]
    """
    checks.whole("k", k)
    asked = checks.ids("users", users, 2**31 - 1, "the model's users")
    checks.shape("users", asked, (None,), "pass a list of users")
    model = model if isinstance(model, Factors) else scorer(model)
    mesh = sharding.mesh_of_all(model, exclude, candidates) if len(asked) >= LEAST else None
    if mesh is None:
        found = _top_k(model, asked, k=k, exclude=exclude, candidates=candidates)
        return np.asarray(found[0]), np.asarray(found[1])
    missing = -len(asked) % mesh.size
    filled = np.concatenate([np.asarray(asked), np.zeros(missing, np.int32)])
    shared = sharding.replicate((model, exclude, candidates), mesh)
    ids, best = jax.device_get(_on_mesh(jnp.asarray(filled), *shared, k=k, mesh=mesh))
    return ids[: len(asked)], best[: len(asked)]


_top_k = compilation.jit(lists.top_k, static_argnames="k")


def _spread(
    users: Array, model: Any, exclude: Ragged | None, candidates: Candidates | None, *, k: int, mesh: Mesh
) -> tuple[Array, Array]:
    def share(users: Array, model: Any, exclude: Any, candidates: Any) -> tuple[Array, Array]:
        return lists.top_k(model, users, k=k, exclude=exclude, candidates=candidates)

    axis = P(sharding.AXIS)
    spread = jax.shard_map(share, mesh=mesh, in_specs=(axis, P(), P(), P()), out_specs=(axis, axis), check_vma=False)
    return spread(users, model, exclude, candidates)


_on_mesh = compilation.jit(_spread, static_argnames=("k", "mesh"))
