"""Interactions made up from a seed: power laws for tests of scale, planted factors for tests of recovery."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mfjax import checks
from mfjax.types import Interactions

_MOST_STEEP = 10.0
_MOST_ROUNDS = 1000


class Planted(NamedTuple):
    """Interactions with the factors that made their values: value = <users[u], items[i]> + noise."""

    interactions: Interactions
    users: np.ndarray
    items: np.ndarray


def power_law(
    seed: int | np.random.Generator,
    *,
    num_users: int,
    num_items: int,
    num_interactions: int,
    user_exponent: float = 0.5,
    item_exponent: float = 0.8,
) -> Interactions:
    r"""Return distinct pairs whose users and items follow power laws, sorted by (user, item), all values 1.

    .. math:: P(u, i) \propto (u' + 10)^{-a} (i' + 10)^{-b}

    drawn until `num_interactions` distinct pairs are there, where u', i' are ranks from 0 that a random permutation
    gives to the ids, a is `user_exponent` and b `item_exponent`. Timestamps are uniform seconds with some ties.

    Example:
        >>> pairs = power_law(0, num_users=100, num_items=50, num_interactions=1000)
        >>> len(pairs), pairs.num_users
        (1000, 100)
    """
    rng = _rng(seed)
    _sizes(num_users=num_users, num_items=num_items, num_interactions=num_interactions)
    for name, exponent in (("user_exponent", user_exponent), ("item_exponent", item_exponent)):
        checks.shape(name, exponent, (), "pass one number")
        checks.number(name, exponent, least=-_MOST_STEEP, most=_MOST_STEEP, remedy="0 makes all ids alike")
    draw_users = _power_law_ids(rng, num_users, user_exponent)
    draw_items = _power_law_ids(rng, num_items, item_exponent)
    users, items = _distinct_pairs(rng, draw_users, draw_items, num_users, num_items, num_interactions)
    timestamps = rng.integers(10 * num_interactions, size=num_interactions)
    return Interactions(users, items, np.ones(num_interactions, np.float32), num_users, num_items, timestamps)


def of_size(seed: int | np.random.Generator, num_interactions: int) -> Interactions:
    """Return `power_law` interactions of about as many users (n / 150) and items (n / 300) as real data of that size.

    There are at least 100 of either, and as many items as leave half of the pairs free.

    Example:
        >>> of_size(0, 60_000).num_users
        400
    """
    checks.whole("num_interactions", num_interactions)
    num_users = max(num_interactions // 150, 100)
    num_items = max(num_interactions // 300, 2 * num_interactions // num_users + 1, 100)
    return power_law(seed, num_users=num_users, num_items=num_items, num_interactions=num_interactions)


def low_rank(
    seed: int | np.random.Generator,
    *,
    num_users: int,
    num_items: int,
    num_interactions: int,
    dim: int,
    noise: float = 0.0,
) -> Planted:
    """Return uniformly drawn distinct pairs with the values of planted factors plus N(0, noise^2), of either sign.

    Factors are normal with variance 1 / sqrt(dim), so that values have variance 1 + noise^2.

    Example:
        >>> planted = low_rank(0, num_users=20, num_items=10, num_interactions=100, dim=2)
        >>> pairs = planted.interactions
        >>> scores = np.einsum("nd,nd->n", planted.users[pairs.users], planted.items[pairs.items])
        >>> bool(np.allclose(scores, pairs.values, atol=1e-6))
        True
    """
    rng = _rng(seed)
    _sizes(num_users=num_users, num_items=num_items, num_interactions=num_interactions, dim=dim)
    checks.shape("noise", noise, (), "pass one number")
    checks.number("noise", noise, least=0, remedy="pass a standard deviation")
    users, items = (
        (rng.standard_normal((count, dim)) / dim**0.25).astype(np.float32) for count in (num_users, num_items)
    )
    pairs = _distinct_pairs(
        rng,
        lambda count: rng.integers(num_users, size=count, dtype=np.int32),
        lambda count: rng.integers(num_items, size=count, dtype=np.int32),
        num_users,
        num_items,
        num_interactions,
    )
    values = np.einsum("nd,nd->n", users[pairs[0]], items[pairs[1]]) + noise * rng.standard_normal(num_interactions)
    return Planted(Interactions(*pairs, values.astype(np.float32), num_users, num_items), users, items)


def _rng(seed: int | np.random.Generator) -> np.random.Generator:
    if not isinstance(seed, np.random.Generator):
        checks.whole("seed", seed, least=0, most=2**63 - 1, remedy="or pass a numpy Generator")
    return np.random.default_rng(seed)


def _sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        checks.whole(name, size)


def _power_law_ids(rng: np.random.Generator, count: int, exponent: float) -> Callable[[int], np.ndarray]:
    # The shift by 10 flattens the head, as in real catalogues: no item is in most users' histories.
    cumulative = np.cumsum((np.arange(count) + 10.0) ** -exponent)
    ids = rng.permutation(count).astype(np.int32)
    return lambda size: ids[np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")]


def _distinct_pairs(
    rng: np.random.Generator,
    draw_users: Callable[[int], np.ndarray],
    draw_items: Callable[[int], np.ndarray],
    num_users: int,
    num_items: int,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` distinct pairs sorted by (user, item): draw, sort, drop repeats, until there are enough."""
    most = num_users * num_items // 2
    if not 0 < count <= most:
        raise ValueError(f"num_interactions: {count}; pass 1..{most}, half of the {num_users} x {num_items} pairs")
    pairs = np.empty(0, np.int64)
    num_rounds = 0
    while len(pairs) < count:
        num_rounds += 1
        if num_rounds > _MOST_ROUNDS:
            raise ValueError(
                f"num_interactions: only {len(pairs)} of {count} distinct pairs came up in {_MOST_ROUNDS} rounds of "
                "draws; ask for fewer, or for smaller exponents"
            )
        more = count - len(pairs) + (count - len(pairs)) // 8 + 16
        drawn = draw_users(more).astype(np.int64) * num_items + draw_items(more)
        pairs = np.concatenate([pairs, drawn])
        pairs.sort()
        pairs = pairs[np.r_[True, pairs[1:] != pairs[:-1]]]
    if surplus := len(pairs) - count:
        pairs = np.delete(pairs, rng.choice(len(pairs), surplus, replace=False, shuffle=False))
    return (pairs // num_items).astype(np.int32), (pairs % num_items).astype(np.int32)
