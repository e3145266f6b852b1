"""What a rating model is fitted on and judged by: cuts of one set of ratings, in histories of one shape."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import histories
from mfjax.data import splits
from mfjax.data.leaks import check_no_leak
from mfjax.data.splits import Split, Ties
from mfjax.histories import Histories, Side
from mfjax.types import Interactions, Key


@dataclass(frozen=True, eq=False)
class Cut:
    """Ratings to fit on, on the host and as histories."""

    ratings: Interactions
    histories: Histories

    @property
    def mean(self) -> float:
        return float(self.ratings.values.mean(dtype=np.float64))


@dataclass(frozen=True, eq=False)
class RatingTask:
    """One split of the ratings.

    Attributes:
        train: what a model is fitted on.
        tests: name -> ratings to predict.
        inner, validation: `train` split once more, for the choice of settings; no test rating is in either.
    """

    train: Cut
    tests: Mapping[str, Interactions]
    inner: Cut
    validation: Interactions

    def checksum(self) -> str:
        """Return the sha256 of all parts' users and items, which names the split in a manifest."""
        parts = (self.train.ratings, *self.tests.values(), self.inner.ratings, self.validation)
        total = hashlib.sha256()
        for part in parts:
            total.update(np.int64(len(part)).tobytes() + part.users.tobytes() + part.items.tobytes())
        return total.hexdigest()


class Cuts:
    """Histories of any subset of one set of ratings, all of one shape, so that a model compiles once for all of them.

    Attributes:
        numbered: the ratings with their row numbers as values: split these, and hand the parts to `of` and `rows`.
    """

    def __init__(self, ratings: Interactions):
        self._ratings = ratings
        # float32 holds the row numbers exactly below 2^24.
        self.numbered = replace(ratings, values=np.arange(len(ratings), dtype=np.float32))
        self._numbered_histories = histories.build(self.numbered)

    def rows(self, part: Interactions) -> Interactions:
        """Return the ratings of a part of `numbered`."""
        return self._ratings.select(part.values.astype(np.int64))

    def of(self, part: Interactions) -> Cut:
        """Return a part of `numbered` with its ratings, the rows of the other parts masked out of the histories."""
        kept = np.zeros(len(self._ratings), bool)
        kept[part.values.astype(np.int64)] = True
        user_counts, item_counts = part.user_counts(), part.item_counts()
        whole = self._numbered_histories
        users = self._side(whole.users, kept, user_counts, item_counts)
        items = self._side(whole.items, kept, item_counts, user_counts)
        return Cut(self.rows(part), Histories(users, items))

    def _side(self, side: Side, kept: np.ndarray, counts: np.ndarray, column_counts: np.ndarray) -> Side:
        blocks = []
        for block in side.blocks:
            number = np.asarray(block.values).astype(np.int64)
            mask = np.asarray(block.mask) & kept[number]
            blocks.append(
                replace(
                    block,
                    entries=jnp.where(mask, block.entries, 0),
                    values=jnp.where(mask, self._ratings.values[number], 0.0),
                    # A row that lost all its ratings is no row to solve.
                    row_mask=block.row_mask & (counts[np.asarray(block.rows)] > 0),
                )
            )
        return Side(tuple(blocks), jnp.asarray(counts, jnp.float32), jnp.asarray(column_counts, jnp.float32))


def time_split(
    ratings: Interactions, *, train: int = 80_000, ties: Ties = "reverse", min_ratings: int = 10
) -> RatingTask:
    """Return the split of T3: the first `train` ratings by one clock, and what follows them.

    Tests: "time", the ratings of users with at least `min_ratings` train ratings, and "time-known", those of them whose
    item has a train rating. Settings are chosen on the same kind of split of the train part, its first three quarters
    against its last, by the ratings of known users and items.
    """
    cuts = Cuts(ratings)
    split = _whole(splits.global_time_cut(cuts.numbered, train, ties=ties))
    inner = _whole(splits.global_time_cut(split.train, train * 3 // 4, ties=ties))
    test = _of_known_users(split.train, split.test, min_ratings)
    validation = _of_known_items(inner.train, _of_known_users(inner.train, inner.test, min_ratings))
    tests = {"time": cuts.rows(test), "time-known": cuts.rows(_of_known_items(split.train, test))}
    if not all(map(len, (*tests.values(), validation))):
        raise ValueError(
            f"train: the first {train:,} ratings leave none to predict, or none for validation, of users with "
            f"{min_ratings} before; pass another number"
        )
    return RatingTask(cuts.of(split.train), tests, cuts.of(inner.train), cuts.rows(validation))


def folds(key: Key, ratings: Interactions, k: int = 5, *, validation: float = 0.1) -> tuple[RatingTask, ...]:
    """Return the k splits of cross-validation, test "folds"; `validation` of every train part chooses its settings."""
    # A tenth of a train part chooses settings.
    if len(ratings) < max(2 * k, 20):
        raise ValueError(f"folds: {k} are too many for {len(ratings):,} ratings; pass a smaller number")
    cuts = Cuts(ratings)
    key_folds, key_validation = jax.random.split(key)
    tasks = []
    for fold, split in enumerate(map(_whole, splits.k_folds(key_folds, cuts.numbered, k))):
        key_inner = jax.random.fold_in(key_validation, fold)
        inner = _whole(splits.random_split(key_inner, split.train, test=validation))
        tests = {"folds": cuts.rows(split.test)}
        tasks.append(RatingTask(cuts.of(split.train), tests, cuts.of(inner.train), cuts.rows(inner.test)))
    return tuple(tasks)


def _whole(split: Split) -> Split:
    """Return a split that does not leak."""
    check_no_leak(split)
    return split


def _of_known_users(train: Interactions, test: Interactions, min_ratings: int) -> Interactions:
    return test.select(train.user_counts()[test.users] >= min_ratings)


def _of_known_items(train: Interactions, test: Interactions) -> Interactions:
    return test.select(train.item_counts()[test.items] > 0)
