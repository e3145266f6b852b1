"""What the metrics of ranks share: their arguments as arrays that fit together, and what they count of them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from mfjax import checks
from mfjax.metrics import conventions
from mfjax.metrics.conventions import DEFAULT, Convention, Denominator
from mfjax.types import Array

UNRANKED = np.int32(np.iinfo(np.int32).max)
"""Rank of padding, and of a relevant item that can not be recommended."""


def checked(
    ranks: ArrayLike,
    num_relevant: ArrayLike,
    k: int | None,
    convention: Convention = DEFAULT,
    *,
    optional: bool = False,
) -> tuple[Array, Array]:
    """Return ranks and num_relevant as arrays; `optional` tells whether k may be None. Errors as in `mfjax.metrics`."""
    conventions.check(convention)
    if k is not None or not optional:
        checks.whole("k", k, remedy="pass None for no cutoff" if optional else "")
    checks.count("ranks", ranks, least=1, remedy="pass positions from 1, UNRANKED where there is none")
    checks.count("num_relevant", num_relevant)
    if np.ndim(ranks) == 0:
        raise ValueError("ranks: one number is no list of ranks; pass an array [..., R]")
    if np.ndim(num_relevant):
        checks.shape("num_relevant", num_relevant, np.shape(ranks)[:-1], "pass one number for each list of ranks")
    seen_ranks, seen_numbers = checks.seen(ranks), checks.seen(num_relevant)
    if seen_ranks is not None and seen_numbers is not None:
        ranked = np.sum(seen_ranks < UNRANKED, axis=-1)
        if (ranked > seen_numbers).any():
            raise ValueError(
                f"num_relevant: {np.min(seen_numbers)} relevant items, but a list has {np.max(ranked)} ranks; "
                "pass the number of relevant items, ranked or not"
            )
    return jnp.asarray(ranks, jnp.int32), jnp.asarray(num_relevant, jnp.int32)


def checked_items(num_items: ArrayLike, ranks: Array) -> Array:
    """Return num_items as an array, not less than the ranks are."""
    checks.count("num_items", num_items)
    if np.ndim(num_items):
        checks.shape("num_items", num_items, ranks.shape[:-1], "pass one number for each list of ranks, or one for all")
    numbers, places = checks.seen(num_items), checks.seen(ranks)
    if numbers is not None and places is not None:
        last = np.where(places < UNRANKED, places, 0).max(axis=-1, initial=0)
        if (last > numbers).any():
            raise ValueError(
                f"num_items: {np.min(numbers)} items, but a rank is {np.max(last)}; pass the items that ranks count"
            )
    return jnp.asarray(num_items, jnp.int32)


def checked_sizes(tie_sizes: ArrayLike, ranks: Array) -> Array:
    """Return tie_sizes as an array [..., R] of the shape of the ranks."""
    checks.count("tie_sizes", tie_sizes, least=1)
    checks.shape("tie_sizes", tie_sizes, ranks.shape, "pass one for each rank")
    return jnp.asarray(tie_sizes, jnp.int32)


def open_groups(convention: Convention, tie_sizes: Array | None, ranks: Array) -> Array | None:
    """Return the sizes of the groups whose order is open, None where the tie rule settles every order."""
    if convention.ties != "expected":
        return None
    if tie_sizes is None:
        raise ValueError("tie_sizes: None under ties 'expected'; pass the sizes of the groups of equal scores")
    return checked_sizes(tie_sizes, ranks)


def refuse_expected(convention: Convention, name: str) -> None:
    """Raise ValueError under ties "expected", for a metric `name` that is no sum over positions."""
    if convention.ties == "expected":
        raise ValueError(f"ties: 'expected' has no closed form for {name}; pass ties 'first', 'last' or 'worst'")


def places_within(ranks: Array, sizes: Array, k: int) -> Array:
    """Return how many positions of each item's group are in the top k, int32 [..., R]."""
    return jnp.clip(k + 1 - ranks, 0, sizes)


def num_counted(num_relevant: Array, k: int | None, denominator: Denominator) -> Array:
    """Return n or min(k, n), at least 1 so that a user without relevant items gets 0."""
    upper = UNRANKED if k is None or denominator == "relevant" else k
    return jnp.clip(num_relevant, 1, upper)
