"""Protocols: interactions -> the tasks that models are fitted on and judged by.

A protocol is a function (interactions, key) -> Tasks, with its choices as keyword options. Keys are for what is drawn;
a protocol that draws nothing takes None. The tests of several tasks (folds) are pooled: a user's values add up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np

from mfjax import checks
from mfjax.data import filters, liang, splits
from mfjax.data.leaks import check_no_leak
from mfjax.data.splits import HeldOut, StrongSplit, Ties
from mfjax.evaluation import sampled as sampling
from mfjax.histories.parts import Whole
from mfjax.studies.given import given, listed
from mfjax.studies.task import Task
from mfjax.studies.tasks import Catalogue, Tasks, check_catalogue, of_splits
from mfjax.types import Interactions, Key

__all__ = [
    "PROTOCOLS",
    "Protocol",
    "Tasks",
    "core",
    "folds",
    "given",
    "global_time",
    "leave_last",
    "liked",
    "listed",
    "of_liang",
    "positives",
    "random",
    "sampled",
    "strong",
]

Protocol = Callable[..., Tasks]

_MOST_NUMBERED = 2**24
"""Rows whose numbers float32 holds."""


def positives(interactions: Interactions, least: float) -> Interactions:
    """Return the interactions of a value of at least `least`, all of value 1.

    Raises:
        ValueError: where there are none.
    """
    checks.number("least", least)
    found = interactions.select(interactions.values >= least)
    if not len(found):
        span = f"{interactions.values.min():g} to {interactions.values.max():g}" if len(interactions) else "none"
        raise ValueError(f"positives: no value is at least {least:g}, they are {span}; pass a lower one")
    return found.with_values(1.0)


def core(interactions: Interactions, *, users: int = 0, items: int = 0) -> Interactions:
    """Return the largest part where users and items have so many rows, over id spaces without gaps."""
    return filters.compact(filters.k_core(interactions, users=users, items=items))


def liked(tasks: Tasks, least: float) -> Tasks:
    """Return the same tasks with the rows of at least this value alone to train on and to find, all of value 1.

    For splits of all rows: rows below it are no likes, but they are never recommended again.

    Raises:
        ValueError: where a task has no such rows.
    """
    checks.kind("tasks", tasks, Tasks, "pass what a protocol returns")

    def of(task: Task) -> Task:
        folded = None if task.fold_in is None else positives(task.fold_in, least)
        return replace(
            task, train=positives(task.train, least), hidden=positives(task.hidden, least), fold_in=folded, part=None
        )

    return replace(tasks, test=tuple(map(of, tasks.test)), validation=tuple(map(of, tasks.validation)))


def leave_last(
    interactions: Interactions,
    key: Key | None = None,
    *,
    test: int = 1,
    validation: int = 0,
    min_count: int | None = None,
    ties: Ties = "file-order",
    catalogue: Catalogue = "all",
) -> Tasks:
    """Hide each user's last `test` rows by time, and the `validation` rows before them; see `splits.temporal`.

    Example:
        >>> from mfjax.data import synthetic
        >>> tasks = leave_last(synthetic.power_law(0, num_users=30, num_items=20, num_interactions=200), test=2)
        >>> len(tasks.test), len(tasks.test[0].hidden)
        (1, 58)
    """
    split = splits.temporal(
        interactions,
        test=test,
        validation=validation,
        min_count=min_count,
        ties=ties,
        key=key if ties == "random" else None,
    )
    return of_splits([split], catalogue)


def global_time(
    interactions: Interactions,
    key: Key | None = None,
    *,
    test: float = 0.2,
    validation: float = 0.0,
    ties: Ties = "file-order",
    catalogue: Catalogue = "all",
) -> Tasks:
    """Hide the last rows of one clock: a share `test` of all, and a share `validation` before them."""
    checks.number("test", test, above=0, below=1, remedy="pass a share of the rows")
    checks.number("validation", validation, least=0, below=1, remedy="pass a share of the rows")
    # A hair more, so that 0.29 of 100 is 29.
    num_test, num_validation = (int(len(interactions) * share + 1e-9) for share in (test, validation))
    train = len(interactions) - num_test - num_validation
    if num_test <= 0 or train <= 0:
        raise ValueError(
            f"test, validation: {test}, {validation} of {len(interactions)} rows leave {train} for train and "
            f"{num_test} for test; pass other shares"
        )
    split = splits.global_time_cut(
        interactions, train, validation=num_validation, ties=ties, key=key if ties == "random" else None
    )
    return of_splits([split], catalogue)


def random(
    interactions: Interactions,
    key: Key,
    *,
    test: float = 0.2,
    validation: float = 0.0,
    catalogue: Catalogue = "all",
) -> Tasks:
    """Hide shares of the rows at random; see `splits.random_split`."""
    return of_splits([splits.random_split(key, interactions, test=test, validation=validation)], catalogue)


def folds(interactions: Interactions, key: Key, *, k: int = 5, catalogue: Catalogue = "all") -> Tasks:
    """Hide each of k parts of the rows in turn; every row is judged once.

    Of the first fold's train part, a share of 1 / k is for validation. The other folds hide these rows: settings that
    were chosen by them have seen some of what the study is judged by.
    """
    whole = Whole(interactions) if len(interactions) < _MOST_NUMBERED and interactions.weights is None else None
    found = splits.k_folds(key, interactions if whole is None else whole.numbered, k)
    tasks = of_splits(found, catalogue, whole)
    inner = splits.random_split(jax.random.fold_in(key, 1), found[0].train, test=1 / k)
    return replace(tasks, validation=of_splits([inner], catalogue, whole).test if len(inner.test) else ())


def strong(
    interactions: Interactions,
    key: Key,
    *,
    validation_users: int = 0,
    test_users: int,
    targets: float = 0.2,
    catalogue: Catalogue = "all",
) -> Tasks:
    """Hold out whole users: a share `targets` of each one's rows is hidden, the others are folded in.

    See `splits.strong_generalisation`.
    """
    split = splits.strong_generalisation(
        key, interactions, validation_users=validation_users, test_users=test_users, targets=targets
    )
    return _of_users(split, catalogue)


def of_liang(
    interactions: Interactions,
    key: Key | None = None,
    *,
    validation_users: int = 0,
    test_users: int,
    targets: float = 0.2,
    catalogue: Catalogue = "all",
) -> Tasks:
    """Hold out whole users by the draws of Liang et al. (2018), which need no key; see `data.liang.split`."""
    found = liang.split(interactions, validation_users=validation_users, test_users=test_users, targets=targets)
    return _of_users(found, catalogue)


def _of_users(split: StrongSplit, catalogue: Catalogue) -> Tasks:
    check_catalogue(catalogue)
    check_no_leak(split)

    def task(held: HeldOut) -> tuple[Task, ...]:
        if not len(held.targets):
            return ()
        whole = catalogue == "all"
        return (Task(split.train, held.targets, held.fold_in, fold_in=held.fold_in, whole_catalogue=whole),)

    return Tasks(task(split.test), task(split.validation), split.checksum())


def sampled(tasks: Tasks, key: Key, *, num: int = 99) -> Tasks:
    """Return the same tasks with hidden items ranked among `num` drawn items alone; see `evaluation.sampled`.

    Metrics of such ranks are not those of the full ranking, and can order models the other way round.
    """

    checks.kind("tasks", tasks, Tasks, "pass what a protocol returns")
    if any(task.lists is not None for task in tasks.test):
        raise ValueError("tasks: hidden items are ranked among listed ones already; draw none, or leave the lists out")

    def listed(task: Task, number: int) -> Task:
        drawn = sampling.candidates(jax.random.fold_in(key, number), task.targets, exclude=task.exclude, num=num)
        return replace(task, lists=drawn)

    test = tuple(listed(task, number) for number, task in enumerate(tasks.test))
    validation = tuple(listed(task, len(test) + number) for number, task in enumerate(tasks.validation))
    lists = [task.lists for task in (*test, *validation) if task.lists is not None]
    total = hashlib.sha256(tasks.checksum.encode())
    for each in lists:
        total.update(np.asarray(each.offsets).tobytes() + np.asarray(each.ids).tobytes())
    return Tasks(test, validation, total.hexdigest())


PROTOCOLS: dict[str, Protocol] = {
    "leave-last": leave_last,
    "global-time": global_time,
    "random": random,
    "folds": folds,
    "strong": strong,
    "liang": of_liang,
}
"""Protocols of one set of interactions, by name; `given` takes parts."""
