"""Weights by how recent an interaction is among its user's, so that a model attends to a user's latest items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mfjax import checks
from mfjax.data.splits import Ties, time_order
from mfjax.types import Interactions, Key


def places_from_last(interactions: Interactions, *, ties: Ties = "file-order", key: Key | None = None) -> np.ndarray:
    """Return how many of its user's rows come after each row in time, int64 [n]; the last row has 0.

    Args:
        interactions: with timestamps.
        ties: which of equal times is the last, one of `splits.TIES`.
        key: for ties="random".

    Raises:
        ValueError: without timestamps, or for a rule or key that does not fit.

    Example:
        >>> times = np.array([30, 10, 20])
        >>> pairs = Interactions(np.zeros(3, int), np.arange(3), np.ones(3, np.float32), 1, 3, timestamps=times)
        >>> places_from_last(pairs).tolist()
        [0, 2, 1]
    """
    order = time_order(interactions, ties=ties, key=key, by_user=True)
    ends = np.cumsum(interactions.user_counts().astype(np.int64))
    places = np.empty(len(interactions), np.int64)
    places[order] = ends[interactions.users[order]] - 1 - np.arange(len(interactions))
    return places


def decayed(
    interactions: Interactions, *, half_life: float, ties: Ties = "file-order", key: Key | None = None
) -> Interactions:
    r"""Return the interactions with values that halve every `half_life` places away from the user's last one.

    .. math:: r'_{ui} = r_{ui} \, 2^{-p_{ui} / h}

    with p the place from the last and h the half-life. Places, not seconds: people rate in bursts, and in MovieLens
    most ratings of a user share one evening.

    Args:
        half_life: h > 0, in interactions.
        interactions, ties, key: as in `places_from_last`.

    Raises:
        ValueError: for a half-life that is not positive, or as `places_from_last`.

    Example:
        >>> times = np.array([30, 10, 20])
        >>> pairs = Interactions(np.zeros(3, int), np.arange(3), np.ones(3, np.float32), 1, 3, timestamps=times)
        >>> decayed(pairs, half_life=1.0).values.tolist()
        [1.0, 0.25, 0.5]
    """
    checks.shape("half_life", half_life, (), "pass one number")
    checks.number("half_life", half_life, above=0, remedy="pass a number of interactions")
    places = places_from_last(interactions, ties=ties, key=key)
    return replace(interactions, values=(interactions.values * 0.5 ** (places / half_life)).astype(np.float32))
