"""Data that come split, as tasks: train and test as they are, and what of train is held out to choose settings by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import jax
import numpy as np

from mfjax import checks
from mfjax.data import splits
from mfjax.data.published.datasets import Dataset
from mfjax.data.splits import Split
from mfjax.evaluation import sampled as sampling
from mfjax.histories import Ragged, ragged
from mfjax.studies.task import Task
from mfjax.studies.tasks import Catalogue, Tasks, of_splits
from mfjax.types import Interactions, Key


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
        >>> from mfjax.studies import protocols
        >>> pairs = synthetic.power_law(0, num_users=30, num_items=20, num_interactions=200)
        >>> parts = protocols.random(pairs, jax.random.key(0))
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
