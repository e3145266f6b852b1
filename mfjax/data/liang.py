"""Strong generalisation with the draws of Liang et al. (2018), those of published tables of MovieLens-20M and MSD."""

from __future__ import annotations

import numpy as np

from mfjax import checks
from mfjax.data.splits import HeldOut, StrongSplit
from mfjax.types import Interactions

SEED = 98765
"""Of numpy's legacy generator, seeded anew before the users, the rows of validation and the rows of test."""
LEAST = 5
"""Rows from which a held-out user's are divided; of a user with fewer all are folded in."""


def activity(interactions: Interactions, *, users: int = 0, items: int = 0) -> Interactions:
    """Return the rows of items with at least `items` rows, and of these the rows of users with at least `users`.

    Each is looked at once, items first, as in the source: what is left of an item may be less. (`filters.k_core` goes
    on until all have enough.) Ids stay.

    Raises:
        ValueError: for numbers below 0.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> activity(pairs, users=1, items=2).items.tolist()
        [1, 1]
    """
    checks.whole("users", users, least=0)
    checks.whole("items", items, least=0)
    kept = interactions.select(interactions.item_counts()[interactions.items] >= items)
    return kept.select(kept.user_counts()[kept.users] >= users)


def split(
    interactions: Interactions,
    *,
    validation_users: int,
    test_users: int,
    targets: float = 0.2,
    seed: int = SEED,
) -> StrongSplit:
    """Hold out users as the source does: the same users and rows, where the interactions are the same, in its order.

    Users are permuted in ascending order of their raw ids; the last `test_users` are for test, those before them for
    validation, the others to train. Held-out rows whose item no training user has are dropped. Of a held-out user's
    n >= 5 rows that are left, floor(n * targets), drawn without replacement in file order, are to be predicted; users
    are drawn for in ascending order of their raw ids.

    Args:
        interactions: filtered before, by `protocols.positives` (ratings of at least 4) and `activity`.
        validation_users, test_users: 10,000 each for MovieLens-20M, 50,000 each for the Million Song Dataset.
        targets: the share of a user's rows that is predicted.
        seed: of numpy's legacy generator.

    Raises:
        ValueError: for numbers out of range, and for so many held-out users that none is left to train.

    Source: Liang et al., Variational Autoencoders for Collaborative Filtering (2018), section 4.1 and its published
    notebook. MovieLens-20M: 9,990,682 rows of 136,677 users and 20,720 items, 20,108 of them with a training row.
    """
    checks.whole("validation_users", validation_users, least=0)
    checks.whole("test_users", test_users)
    checks.whole("seed", seed, least=0, most=2**32 - 1)
    checks.number("targets", targets, above=0, below=1, remedy="pass a share of a user's rows")
    by_raw = _ascending(interactions)
    if validation_users + test_users >= len(by_raw):
        raise ValueError(
            f"validation_users, test_users: {validation_users} + {test_users} of {len(by_raw)} users leave no train"
        )
    shuffled = by_raw[np.random.RandomState(seed).permutation(len(by_raw))]
    num_train = len(by_raw) - validation_users - test_users
    group = np.zeros(interactions.num_users, np.int8)
    group[shuffled[num_train:]] = 1
    group[shuffled[num_train + validation_users :]] = 2
    part = group[interactions.users]
    train = interactions.select(part == 0)
    known = train.item_counts()[interactions.items] > 0
    place = np.empty(interactions.num_users, np.int64)
    place[by_raw] = np.arange(len(by_raw))
    held = [_held_out(interactions.select((part == one) & known), place, targets, seed) for one in (1, 2)]
    return StrongSplit(train, held[0], held[1], dropped=int(((part > 0) & ~known).sum()))


def _ascending(interactions: Interactions) -> np.ndarray:
    """Return the users with rows, in ascending order of their raw ids."""
    active = np.flatnonzero(interactions.user_counts())
    vocabulary = interactions.user_vocabulary
    return active if vocabulary is None else active[np.argsort(vocabulary.decode(active), kind="stable")]


def _held_out(rows: Interactions, place: np.ndarray, share: float, seed: int) -> HeldOut:
    """Return the rows of held-out users, divided; `place` says in which order users are drawn for."""
    draw = np.random.RandomState(seed)
    order = np.argsort(place[rows.users], kind="stable")  # users ascending, rows in file order
    starts = np.flatnonzero(np.diff(place[rows.users][order], prepend=-1))
    is_target = np.zeros(len(rows), bool)
    for of_user in np.split(order, starts[1:]):
        if len(of_user) >= LEAST:
            is_target[of_user[draw.choice(len(of_user), size=int(share * len(of_user)), replace=False)]] = True
    return HeldOut(rows.select(~is_target), rows.select(is_target))
