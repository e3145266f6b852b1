"""The users of an evaluation, cut into equal blocks of bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import checks, compilation
from mfjax.histories import Ragged, agreement
from mfjax.metrics import discounts
from mfjax.metrics.conventions import Empty, Gain
from mfjax.types import Array

BLOCK_BYTES = {"cpu": 1 << 22, "gpu": 1 << 28, "tpu": 1 << 26}
"""Memory of the scores of one block of users, by platform, unless its size is given: they should stay in a core's cache
on CPU, and keep all of a GPU at work."""

LEAST_USERS = 16
"""Users a block whatever the catalogue's size, so that the item table is not read anew for every user."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Blocks:
    """Users in equal blocks, in an order that puts users of equal cost together.

    Attributes:
        users: int32 [num_blocks, block_size]; padding is 0.
        mask: bool [num_blocks, block_size], True for a real user.
        positions: int32 [num_users], where in the flattened blocks the users stand, by ascending id.
    """

    users: Array
    mask: Array
    positions: Array

    def ascending(self, values: Array) -> Array:
        """Return `values` [num_blocks, block_size, ...] as [num_users, ...], by ascending id of the user."""
        return values.reshape(-1, *values.shape[2:])[self.positions]


def build(
    targets: Ragged,
    *,
    exclude: Ragged | None = None,
    users: Array | np.ndarray | None = None,
    empty: Empty = "skip",
    block_size: int | None = None,
) -> Blocks:
    """Return the blocks of the users to evaluate; on the host.

    The cost of a block grows with its longest list of targets and its longest history, so users are ordered by the
    number of targets, then by the length of the history.

    Args:
        targets: relevant items, a row per user.
        exclude: histories, a row per user, or None.
        users: distinct ids of the users to evaluate, or None for all.
        empty: whether users without a target are left out ("skip") or stay ("zero").
        block_size: users a block, or None for as many as BLOCK_BYTES of scores hold, at least LEAST_USERS.

    Raises:
        ValueError: targets or exclude are no Ragged; no user is left, a user id is out of range or repeated, a target
            is repeated or outside the items, targets and exclude disagree on the number of users or items, or
            block_size is below 1.

    Example:
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> pairs = Interactions(np.array([3, 1, 1]), np.array([2, 0, 1]), np.ones(3, np.float32), 4, 3)
        >>> build(ragged(pairs)).users
        Array([[3, 1]], dtype=int32)
    """
    _check(targets, exclude, empty, block_size)
    chosen = _chosen(users, targets.num_rows)
    num_targets = np.diff(np.asarray(targets.offsets))
    if empty == "skip":
        chosen = chosen[num_targets[chosen] > 0]
    if len(chosen) == 0:
        raise ValueError("targets: none of the users has a target; check the split, or pass other users")
    lengths = np.zeros_like(num_targets) if exclude is None else np.diff(np.asarray(exclude.offsets))
    order = np.lexsort((lengths[chosen], num_targets[chosen]))
    if block_size is None:
        block_bytes = BLOCK_BYTES.get(compilation.platform(targets), BLOCK_BYTES["cpu"])
        block_size = max(block_bytes // (4 * targets.num_columns), LEAST_USERS)
    num_blocks = -(-len(chosen) // block_size)
    block_size = -(-len(chosen) // num_blocks)  # as equal as the number of blocks allows
    padded = np.zeros(num_blocks * block_size, np.int32)
    padded[: len(chosen)] = chosen[order]
    mask = np.arange(num_blocks * block_size) < len(chosen)
    positions = np.empty(len(chosen), np.int32)
    positions[order] = np.arange(len(chosen))
    shape = (num_blocks, block_size)
    return Blocks(jnp.asarray(padded.reshape(shape)), jnp.asarray(mask.reshape(shape)), jnp.asarray(positions))


def check_relevances(targets: Ragged, gain: Gain) -> None:
    """Raise ValueError for targets whose values are no relevances under a graded gain, where they can be seen."""
    offsets, values = checks.seen(targets.offsets), checks.seen(targets.values)
    if gain != "binary" and offsets is not None and values is not None:
        discounts.check_relevances("targets", values[: offsets[-1]], gain)


def _chosen(users: Any, num_users: int) -> np.ndarray:
    if users is None:
        return np.arange(num_users)
    ids = np.asarray(checks.ids("users", users, num_users, "the rows of targets"))
    checks.shape("users", ids, (None,), "pass a one-dimensional array of ids")
    chosen, times = np.unique(ids, return_counts=True)
    if (times > 1).any():
        raise ValueError(f"users: {chosen[times > 1][0]} is repeated; pass distinct ids")
    return chosen


def _check(targets: Any, exclude: Any, empty: Empty, block_size: int | None) -> None:
    checks.choice("empty", empty, get_args(Empty))
    if block_size is not None:
        checks.whole("block_size", block_size, remedy="pass a number of users, or None")
    agreement.lists("targets", targets)
    if exclude is not None:
        agreement.lists("exclude", exclude, targets.num_rows, targets.num_columns, "targets have")
    if isinstance(targets.offsets, jax.core.Tracer):
        raise ValueError(
            "targets: are traced; make the evaluation set on the host, outside jit, and pass it to evaluation.measure"
        )
    offsets, ids = np.asarray(targets.offsets), np.asarray(targets.ids)[: int(targets.offsets[-1])]
    checks.ids("targets", ids, targets.num_columns, "the items")
    repeated = ids[1:] == ids[:-1]
    starts = offsets[(offsets > 0) & (offsets < len(ids))]
    repeated[starts - 1] = False  # neighbours in different rows
    if repeated.any():
        entry = int(np.flatnonzero(repeated)[0]) + 1
        user = int(np.searchsorted(offsets, entry, side="right")) - 1
        raise ValueError(f"targets: item {ids[entry]} is repeated for user {user}; merge duplicate pairs first")
