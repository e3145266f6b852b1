"""Fewer interactions: users and items with enough rows, and id spaces without gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mfjax import checks
from mfjax.types import Interactions, Vocabulary


def k_core(interactions: Interactions, *, users: int = 5, items: int = 5) -> Interactions:
    """Return the largest subset where every user has at least `users` rows and every item at least `items`.

    The id spaces stay as they are; `compact` closes their gaps.

    Raises:
        ValueError: if nothing is left.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 2]), np.ones(5, np.float32), 3, 3)
        >>> k_core(pairs, users=2, items=2).users.tolist()
        [0, 0, 1, 1]
    """
    checks.kind("interactions", interactions, Interactions, "pass what data.from_arrays returns")
    checks.whole("users", users, least=0)
    checks.whole("items", items, least=0)
    core = interactions
    while len(core):
        # A row falls with its user or its item, which may leave others with too few: repeat until none falls.
        kept = (core.user_counts() >= users)[core.users] & (core.item_counts() >= items)[core.items]
        if kept.all():
            return core
        core = core.select(kept)
    raise ValueError(f"users, items: no row has {users} rows of its user and {items} of its item; ask for fewer")


def compact(interactions: Interactions) -> Interactions:
    """Return the same rows over id spaces of only the users and items that have a row, in the same order.

    Example:
        >>> pairs = Interactions(np.array([3, 1]), np.array([2, 2]), np.ones(2, np.float32), 5, 9)
        >>> compact(pairs).users.tolist(), compact(pairs).num_items
        ([1, 0], 1)
    """
    checks.kind("interactions", interactions, Interactions, "pass what data.from_arrays returns")
    users, user_vocabulary = _close_gaps(interactions.users, interactions.user_counts(), interactions.user_vocabulary)
    items, item_vocabulary = _close_gaps(interactions.items, interactions.item_counts(), interactions.item_vocabulary)
    return replace(
        interactions,
        users=users,
        items=items,
        num_users=len(user_vocabulary),
        num_items=len(item_vocabulary),
        user_vocabulary=user_vocabulary,
        item_vocabulary=item_vocabulary,
    )


def _close_gaps(ids: np.ndarray, counts: np.ndarray, vocabulary: Vocabulary | None) -> tuple[np.ndarray, Vocabulary]:
    used = np.flatnonzero(counts)
    # Without a vocabulary the ids are the raw ids, and the way back to them must not be lost.
    raw = used if vocabulary is None else vocabulary.raw[used]
    return (np.cumsum(counts > 0) - 1).astype(np.int32)[ids], Vocabulary(raw)
