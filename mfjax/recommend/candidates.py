"""The items that can be recommended: a mask, ids, or a list for each user; the type says which it is.

A mask bool [num_items], or distinct ids int [n], both for every user; or a `Ragged` with a list for each user.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from mfjax import checks
from mfjax.histories import Ragged, agreement
from mfjax.types import Array

Candidates = Array | Ragged
"""bool [num_items], int32 [n] distinct ids, or a list per user (row = user id)."""


def prepared(
    candidates: Candidates | ArrayLike | None, num_items: int, num_users: int | None = None
) -> Candidates | None:
    """Return candidates of any form as a mask bool [num_items] or a Ragged; None, for all items, stays.

    Args:
        candidates: a mask, ids, or a Ragged; arrays of numpy or JAX, or lists.
        num_items: size of the catalogue.
        num_users: rows that a list per user needs, or None for any.

    Raises:
        ValueError: for a mask of another length, ids outside the catalogue, repeated ids (0s and 1s are no mask unless
            bool), no candidate at all, or lists of other id spaces. While traced, as many ids as items are refused
            too: they would all be candidates, and the array may be a mask of integers.

    Example:
        >>> prepared(jnp.array([2, 0]), 4).tolist()
        [True, False, True, False]
        >>> prepared(jnp.array([1, 0, 0, 1]), 4)
        Traceback (most recent call last):
        ...
        ValueError: candidates: id 0 is repeated; pass distinct ids, for a mask pass bool
    """
    if candidates is None:
        return None
    if isinstance(candidates, Ragged):
        agreement.lists("candidates", candidates, num_users, num_items, "the model has")
        offsets = checks.seen(candidates.offsets)
        if offsets is not None and offsets[-1] == 0:
            raise ValueError("candidates: the lists are all empty; pass None for all items")
        return candidates
    array: Any = candidates if hasattr(candidates, "dtype") else checks.seen(candidates)
    remedy = "pass a mask bool [num_items], ids, or a Ragged with a list per user"
    checks.kind("candidates", array, (np.ndarray, jax.Array), remedy)
    checks.shape("candidates", array, (None,), remedy)
    if array.shape[0] == 0:
        raise ValueError("candidates: there are none; pass None for all items")
    return _as_mask(array, num_items) if jnp.issubdtype(array.dtype, jnp.bool_) else _of_ids(array, num_items)


def _as_mask(mask: Any, num_items: int) -> Array:
    checks.shape("candidates", mask, (num_items,), f"pass one bool for each of the {num_items} items")
    values = checks.seen(mask)
    if values is not None and not values.any():
        raise ValueError("candidates: the mask has no True; pass None for all items")
    return jnp.asarray(mask)


def _of_ids(ids: Any, num_items: int) -> Array:
    found = checks.ids("candidates", ids, num_items, "the items")
    values = checks.seen(found)
    if values is not None:
        distinct, times = np.unique(values, return_counts=True)
        if (times > 1).any():
            raise ValueError(
                f"candidates: id {distinct[times > 1][0]} is repeated; pass distinct ids, for a mask pass bool"
            )
    elif found.shape[0] >= num_items:
        raise ValueError(
            f"candidates: {found.shape[0]} ids for {num_items} items; for a mask pass bool, for all items None"
        )
    return jnp.zeros(num_items, bool).at[found].set(True, mode="drop", wrap_negative_indices=False)
