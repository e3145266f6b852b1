"""Train, validation and test parts of Interactions that share one id space.

Time splits follow an explicit rule for equal times: many of a user's ratings in MovieLens share one second, and which
of them comes last alone moves a popularity baseline between 55 and 94 hits of 942.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import checks
from mfjax.types import Interactions, Key

Ties = Literal["file-order", "reverse", "item-id", "item-id-descending", "random"]
"""What comes last among a user's rows of one time: the lowest row of the file ("file-order", a stable sort), the
highest row ("reverse"), the highest item id, the lowest item id, or what a permutation drawn from a key says."""

TIES: tuple[Ties, ...] = get_args(Ties)

Scope = Literal["user", "global"]


@dataclass(frozen=True, eq=False)
class Split:
    """Three parts that share id spaces; a part that was not asked for is empty. Rows keep file order.

    Attributes:
        train, validation, test: Interactions.
        orders: for each part, int64 [n] ranks of its rows in time with ties resolved (within a user if `scope` is
            "user"), or None where time plays no role.
        scope: what is sorted by time: "user", "global", or None.
    """

    train: Interactions
    validation: Interactions
    test: Interactions
    orders: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    scope: Scope | None = None

    def checksum(self) -> str:
        """Return the sha256 of the parts' users and items, which names the split in a manifest."""
        return _checksum(self.train, self.validation, self.test)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Users that are not trained on: a model folds in some of their items and predicts the others."""

    fold_in: Interactions
    targets: Interactions


@dataclass(frozen=True, eq=False)
class StrongSplit:
    """Strong generalisation: validation and test users have no row in train. All parts share id spaces.

    Attributes:
        train: Interactions of the training users.
        validation, test: HeldOut users.
        dropped: number of held-out rows left out because their item has no training row.
    """

    train: Interactions
    validation: HeldOut
    test: HeldOut
    dropped: int

    def checksum(self) -> str:
        """Return the sha256 of the parts' users and items, which names the split in a manifest."""
        held_out = (self.validation, self.test)
        return _checksum(self.train, *(part for held in held_out for part in (held.fold_in, held.targets)))


def temporal(
    interactions: Interactions,
    *,
    test: int = 5,
    validation: int = 1,
    min_count: int | None = None,
    ties: Ties = "file-order",
    key: Key | None = None,
) -> Split:
    """Split every user by time: the last `test` rows, the `validation` rows before them, the rest to train.

    A user with fewer than `min_count` rows (None: test + validation + 1) stays in train whole.

    Args:
        interactions: with timestamps.
        ties: one of TIES.
        key: for ties="random".

    Example:
        >>> pairs = Interactions(np.zeros(4, np.int32), np.arange(4, dtype=np.int32), np.ones(4, np.float32), 1, 4,
        ...                      timestamps=np.array([30, 10, 20, 20]))
        >>> split = temporal(pairs, test=1, validation=1)
        >>> split.train.items.tolist(), split.validation.items.tolist(), split.test.items.tolist()
        ([1, 2], [3], [0])
        >>> temporal(pairs, test=1, validation=1, ties="reverse").validation.items.tolist()
        [2]
    """
    checks.whole("test", test)
    checks.whole("validation", validation, least=0)
    if min_count is not None:
        checks.whole("min_count", min_count, least=0)
    order = time_order(interactions, ties=ties, key=key, by_user=True)
    counts = interactions.user_counts().astype(np.int64)
    rank = _rank_in_user(order, counts)
    from_end = counts[interactions.users] - 1 - rank
    enough = counts[interactions.users] >= (test + validation + 1 if min_count is None else min_count)
    part = np.where(enough & (from_end < test), 2, np.where(enough & (from_end < test + validation), 1, 0))
    return _split(interactions, part, rank, "user")


def leave_last_out(
    interactions: Interactions,
    k: int = 1,
    *,
    validation: int = 0,
    ties: Ties = "file-order",
    key: Key | None = None,
) -> Split:
    """Split off every user's last `k` rows for test and the `validation` rows before them, even if train gets none.

    The same as `temporal`, but no user is spared: one with k rows or fewer is all test and has no row in train.
    """
    checks.whole("k", k)
    return temporal(interactions, test=k, validation=validation, min_count=0, ties=ties, key=key)


def global_time_cut(
    interactions: Interactions,
    train: int,
    *,
    validation: int = 0,
    ties: Ties = "file-order",
    key: Key | None = None,
) -> Split:
    """Split all rows by one clock: the first `train` rows, the `validation` rows after them, the rest to test."""
    _check(interactions)
    checks.whole("train", train)
    checks.whole("validation", validation, least=0)
    if train + validation >= len(interactions):
        raise ValueError(f"train: {train} + {validation} of {len(interactions)} rows leave none for test; cut earlier")
    rank = np.empty(len(interactions), np.int64)
    rank[time_order(interactions, ties=ties, key=key, by_user=False)] = np.arange(len(interactions))
    part = np.where(rank < train, 0, np.where(rank < train + validation, 1, 2))
    return _split(interactions, part, rank, "global")


def random_split(key: Key, interactions: Interactions, *, test: float = 0.2, validation: float = 0.0) -> Split:
    """Split rows at random: floor(n * test) to test, floor(n * validation) to validation, the rest to train."""
    _check(interactions)
    _fraction("test", test)
    _fraction("validation", validation)
    if not (test > 0 and test + validation < 1):
        raise ValueError(f"test, validation: {test}, {validation}; pass fractions >= 0 that leave some for train")
    num_test, num_validation = _share(len(interactions), test), _share(len(interactions), validation)
    rank = host_rng(key).permutation(len(interactions))
    return _split(interactions, np.where(rank < num_test, 2, np.where(rank < num_test + num_validation, 1, 0)))


def k_folds(key: Key, interactions: Interactions, k: int = 5) -> tuple[Split, ...]:
    """Return k splits whose test parts are disjoint, cover every row, and differ by at most one in size."""
    _check(interactions)
    checks.whole("k", k, least=2)
    if k > len(interactions):
        raise ValueError(f"k: {k} folds of {len(interactions)} rows; pass at most as many as there are rows")
    fold = host_rng(key).permutation(len(interactions)) % k
    return tuple(_split(interactions, np.where(fold == index, 2, 0)) for index in range(k))


def strong_generalisation(
    key: Key,
    interactions: Interactions,
    *,
    validation_users: int,
    test_users: int,
    targets: float = 0.2,
) -> StrongSplit:
    """Hold out users; of each, floor(n_u * targets) random rows are to be predicted and the others folded in.

    Held-out rows whose item no training user has are dropped first and counted. A user with too few rows for one target
    is folded in only. Filter before (positives, `k_core(..., users=5, items=1)`).

    Source: Liang et al., Variational Autoencoders for Collaborative Filtering (2018), section 4.1. There the users are
    drawn by a seed of numpy's legacy generator; here by a key.
    """
    _check_key(key)
    _check(interactions)
    checks.whole("validation_users", validation_users, least=0)
    checks.whole("test_users", test_users)
    _fraction("targets", targets)
    active = np.flatnonzero(interactions.user_counts())
    if validation_users + test_users >= len(active):
        raise ValueError(
            f"validation_users, test_users: {validation_users} + {test_users} of {len(active)} users leave no train"
        )
    key_users, key_targets = jax.random.split(key)
    shuffled = host_rng(key_users).permutation(active)
    group = np.zeros(interactions.num_users, np.int8)
    group[shuffled[:test_users]] = 2
    group[shuffled[test_users : test_users + validation_users]] = 1
    part = group[interactions.users]
    train = interactions.select(part == 0)
    known = train.item_counts()[interactions.items] > 0
    held = interactions.select((part > 0) & known)
    shuffled = host_rng(key_targets).permutation(len(held))
    counts = held.user_counts().astype(np.int64)
    rank = _rank_in_user(shuffled[np.argsort(held.users[shuffled], kind="stable")], counts)
    target = rank < _share(counts, targets)[held.users]
    group = group[held.users]
    validation, test = (
        HeldOut(held.select((group == index) & ~target), held.select((group == index) & target)) for index in (1, 2)
    )
    return StrongSplit(train, validation, test, dropped=int(((part > 0) & ~known).sum()))


# Tie rule -> rows such that a stable sort by time breaks ties by it.
_TIED: dict[str, Callable[[Interactions, Any], np.ndarray]] = {
    "file-order": lambda interactions, key: np.arange(len(interactions)),
    "reverse": lambda interactions, key: np.arange(len(interactions))[::-1],
    "item-id": lambda interactions, key: np.argsort(interactions.items, kind="stable"),
    "item-id-descending": lambda interactions, key: np.argsort(-interactions.items, kind="stable"),
    "random": lambda interactions, key: host_rng(key).permutation(len(interactions)),
}


def time_order(interactions: Interactions, *, ties: Ties, key: Key | None = None, by_user: bool) -> np.ndarray:
    """Return rows int64 [n] sorted by time, within each user if `by_user`; the tie rule orders rows of one time."""
    _check(interactions)
    checks.choice("ties", ties, TIES)
    if interactions.timestamps is None:
        raise ValueError("interactions: there are no timestamps; read them, or use random_split")
    if (ties == "random") != (key is not None):
        raise ValueError(f"key: ties={ties!r} {'needs a key' if ties == 'random' else 'takes no key'}")
    order = _TIED[ties](interactions, key)
    times = interactions.timestamps[order]
    if not by_user:
        return order[np.argsort(times, kind="stable")]
    users = interactions.users[order].astype(np.int64)
    low, high = int(times.min()), int(times.max())
    span = high - low + 1
    if interactions.num_users * span < 2**63:
        # One sort of (user, time) packed into an integer takes a third of the time of two.
        return order[np.argsort(users * span + (times - low), kind="stable")]
    return order[np.lexsort((times, users))]


def host_rng(key: Key) -> np.random.Generator:
    """Return a numpy generator seeded by a `jax.random.key`: the same key gives the same rows."""
    _check_key(key)
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())


def _check_key(key: Key) -> None:
    if not (isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ()):
        raise ValueError(f"key: {key!r} is not one key; pass jax.random.key(seed)")


def _split(
    interactions: Interactions, part: np.ndarray, rank: np.ndarray | None = None, scope: Scope | None = None
) -> Split:
    rows = [np.flatnonzero(part == index) for index in range(3)]
    train, validation, test = (interactions.select(selected) for selected in rows)
    orders = None if rank is None else (rank[rows[0]], rank[rows[1]], rank[rows[2]])
    return Split(train, validation, test, orders, scope)


def _rank_in_user(order: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return each row's place among its user's rows, given the rows sorted by user and the counts of the users."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank


def _share(count, fraction: float):
    # A hair more, so that 0.2 of 35 is 7 whatever the last bit says.
    return np.floor(np.asarray(count) * fraction + 1e-9).astype(np.int64)


def _check(interactions: Interactions) -> None:
    checks.kind("interactions", interactions, Interactions, "pass what data.from_arrays returns")
    if len(interactions) == 0:
        raise ValueError("interactions: there are no rows; pass at least one")


def _fraction(name: str, value: float) -> None:
    checks.shape(name, value, (), "pass one fraction")
    checks.number(name, value, least=0, below=1, remedy="pass a fraction of the rows")


def _checksum(*parts: Interactions) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(np.int64(len(part)).tobytes() + part.users.tobytes() + part.items.tobytes())
    return total.hexdigest()
