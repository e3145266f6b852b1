"""Protocols: interactions -> the tasks that models are fitted on and judged by.

A protocol is a function (interactions, key) -> Tasks, with its choices as keyword options. Keys are for what is drawn;
a protocol that draws nothing takes None. The tests of several tasks (folds) are pooled: a user's values add up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import jax
import numpy as np

from mfjax import checks
from mfjax.data import filters, liang, splits
from mfjax.data.leaks import check_no_leak
from mfjax.data.published.datasets import Dataset
from mfjax.data.splits import HeldOut, Split, StrongSplit, Ties
from mfjax.evaluation import sampled as sampling
from mfjax.histories import Ragged, ragged
from mfjax.histories.parts import Whole
from mfjax.studies.task import Task
from mfjax.studies.tasks import Catalogue, Tasks, check_catalogue, of_splits
from mfjax.types import Interactions, Key

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


def given(
    parts: Mapping[str, Interactions],
    key: Key | None = None,
    *,
    validation: float = 0.0,
    lists: Ragged | None = None,
    catalogue: Catalogue = "all",
) -> Tasks:
    """Take parts as they come: "train" and "test", and "validation" where there is one, over one id space.

    Args:
        parts: such as `data.load(...).parts`, or of `data.read_split`.
        key: draws what `validation` leaves to chance; None where it leaves nothing.
        validation: what of train is hidden while settings are chosen, where the parts say nothing of it: below 1 a
            share of its rows, drawn at random, from 1 on the last rows of each user by time. In the end models are
            fitted on all of train, as published results on such parts are. 0 hides nothing.
        lists: the items among which those of "test" are ranked, a row per user; None for the catalogue. Those of
            `validation` are then ranked among as many items, drawn from those that the user has not taken.
        catalogue: which items are ranked where there are no lists.

    Raises:
        ValueError: where a part is missing, or has another id space, for a part "validation" and a share of train too,
            and for a share without a key.

    Example:
        >>> from mfjax.data import synthetic
        >>> parts = random(synthetic.power_law(0, num_users=30, num_items=20, num_interactions=200), jax.random.key(0))
        >>> whole = {"train": parts.test[0].train, "test": parts.test[0].hidden}
        >>> tasks = given(whole, jax.random.key(1), validation=0.1)
        >>> len(tasks.test[0].train), len(tasks.validation[0].train), len(tasks.validation[0].hidden)
        (160, 144, 16)
    """
    checks.kind("parts", parts, Mapping, 'pass such as {"train": ..., "test": ...}')
    if missing := {"train", "test"} - set(parts):
        raise ValueError(f"parts: there is no {min(missing)!r} among {', '.join(parts) or 'none'}; name the parts so")
    sizes = {(part.num_users, part.num_items) for part in parts.values()}
    if len(sizes) > 1:
        raise ValueError(f"parts: have {sorted(sizes)} users and items; read them together (data.read_split)")
    checks.number("validation", validation, least=0)
    if validation and "validation" in parts:
        raise ValueError(f"validation: {validation:g} of train, but there is a part for it; leave one of them out")
    train, test = parts["train"], parts["test"]
    tasks = of_splits([Split(train, parts.get("validation", test.select(slice(0, 0))), test)], catalogue)
    tasks = replace(tasks, test=tuple(replace(task, lists=lists) for task in tasks.test))
    if not validation:
        return tasks
    return replace(tasks, validation=(_within(train, key, validation, lists, catalogue),))


def _within(
    train: Interactions, key: Key | None, validation: float, lists: Ragged | None, catalogue: Catalogue
) -> Task:
    """Return the task of finding a part of train, as in `given`."""
    if key is None and (validation < 1 or lists is not None):
        raise ValueError("key: None, but what is held out of train is drawn by it; pass a key")
    if validation < 1:
        assert key is not None
        split = splits.random_split(key, train, test=validation)
    else:
        if validation != int(validation):
            raise ValueError(f"validation: {validation:g} is no share, and no number of rows; pass such as 0.1 or 1")
        split = splits.temporal(train, test=int(validation), validation=0)
    (task,) = of_splits([split], catalogue).test
    if lists is None:
        return task
    assert key is not None
    num = int(lists.longest) - 1
    drawn = sampling.candidates(jax.random.fold_in(key, 1), task.targets, exclude=task.exclude, num=max(num, 1))
    return replace(task, lists=drawn)


def listed(dataset: Dataset) -> Ragged | None:
    """Return the items among which each user's test items are ranked: those that the source lists, and these; or None.

    Raises:
        ValueError: where there are lists, but no test part.
    """
    if dataset.candidates is None:
        return None
    if "test" not in dataset.parts:
        raise ValueError(f"parts: {dataset.name} lists items, but has no test part; pass its folder whole")
    test, lists = dataset.parts["test"], dataset.candidates
    mask = np.asarray(lists.mask)
    users = np.concatenate([np.broadcast_to(test.users[:, None], mask.shape)[mask], test.users])
    items = np.concatenate([np.asarray(lists.ids)[mask], test.items])
    pairs = np.unique(users.astype(np.int64) * test.num_items + items)
    values = np.ones(len(pairs), np.float32)
    return ragged(
        Interactions(
            (pairs // test.num_items).astype(np.int32),
            (pairs % test.num_items).astype(np.int32),
            values,
            test.num_users,
            test.num_items,
        )
    )


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
