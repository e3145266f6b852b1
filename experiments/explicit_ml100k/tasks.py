"""The two protocols of predicted ratings: one clock, and folds; settings are chosen within every train part."""

from __future__ import annotations

import jax

from mfjax.data import splits
from mfjax.data.leaks import check_no_leak
from mfjax.data.splits import Split, Ties
from mfjax.histories.parts import Whole
from mfjax.studies.task import Task
from mfjax.studies.tasks import part_task
from mfjax.types import Interactions, Key

LEAST = 10
"""Train ratings of a user whose later ratings are predicted."""


def by_time(whole: Whole, *, train: int = 80_000, ties: Ties = "reverse") -> Task:
    """Return the task of T3: the first `train` ratings by one clock, and what follows of users with enough of them.

    Validation is the same split of the train part, three quarters against the last, by ratings of known items.
    """
    split = splits.global_time_cut(whole.numbered, train, ties=ties)
    inner = splits.global_time_cut(split.train, train * 3 // 4, ties=ties)
    hidden, validation = _hidden(split), _hidden(inner)
    validation = validation.select(inner.train.item_counts()[validation.items] > 0)
    if not (split.train.item_counts()[hidden.items] > 0).any() or not len(validation):
        raise ValueError(
            f"train: the first {train:,} ratings leave none to predict, or none for validation, of users with {LEAST} "
            "before; pass another number"
        )
    within = part_task(whole, inner.train, validation)
    return part_task(whole, split.train, hidden, test="time", validation=within)


def by_folds(key: Key, whole: Whole, k: int = 5) -> tuple[Task, ...]:
    """Return the k tasks of cross-validation; a random tenth of each train part is its validation."""
    if len(whole.interactions) < max(2 * k, 20):
        raise ValueError(f"folds: {k} are too many for {len(whole.interactions):,} ratings; pass a smaller number")
    key_folds, key_validation = jax.random.split(key)
    tasks = []
    for fold, split in enumerate(splits.k_folds(key_folds, whole.numbered, k)):
        inner = splits.random_split(jax.random.fold_in(key_validation, fold), split.train, test=0.1)
        for one in (split, inner):
            check_no_leak(one)
        within = part_task(whole, inner.train, inner.test)
        tasks.append(part_task(whole, split.train, split.test, test="folds", validation=within))
    return tuple(tasks)


def _hidden(split: Split) -> Interactions:
    """Return the test ratings of known users, of a split that does not leak."""
    check_no_leak(split)
    return split.test.select(split.train.user_counts()[split.test.users] >= LEAST)
