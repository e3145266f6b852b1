"""A check that nothing of the test part can be learned from the train part."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from mfjax import checks
from mfjax.data.splits import Split, StrongSplit
from mfjax.types import Interactions


def check_no_leak(split: Split | StrongSplit) -> None:
    """Raise ValueError unless the parts share id spaces, hold no pair twice, and keep what their protocol promises.

    By time ("user" or "global" scope): within the scope each train row comes before each validation row, and that
    before each test row, both by their timestamps (ties allowed) and by their ranks under the tie rule (strictly).
    Strong generalisation: no user is in two of train, validation and test; a user to be predicted has rows to fold in;
    every held-out item has a training row.

    Example:
        >>> from mfjax.data.splits import leave_last_out
        >>> pairs = Interactions(np.array([0, 0]), np.array([0, 1]), np.ones(2, np.float32), 1, 2, np.array([5, 5]))
        >>> check_no_leak(leave_last_out(pairs))
    """
    checks.kind("split", split, (Split, StrongSplit), "pass what a function of data.splits returns")
    if isinstance(split, StrongSplit):
        _check_strong(split)
        return
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    _check_pairs(parts)
    if split.scope is None or split.orders is None:
        return
    for (earlier, first), (later, second) in combinations(enumerate(parts), 2):
        _check_before(split, parts, (first, second), (split.orders[earlier], split.orders[later]))


def _check_pairs(parts: Mapping[str, Interactions]) -> None:
    keys = {}
    reference = next(iter(parts.values()))
    for name, part in parts.items():
        if (part.num_users, part.num_items) != (reference.num_users, reference.num_items):
            raise ValueError(f"split: {name} has another id space than train; split one Interactions")
        if (
            part.user_vocabulary is not reference.user_vocabulary
            or part.item_vocabulary is not reference.item_vocabulary
        ):
            raise ValueError(f"split: {name} has another vocabulary than train; split one Interactions")
        keys[name] = _distinct(part.users.astype(np.int64) * part.num_items + part.items)
    for first, second in combinations(parts, 2):
        both = np.sort(np.concatenate([keys[first], keys[second]]))
        shared = both[1:][both[1:] == both[:-1]]
        if len(shared):
            user, item = divmod(int(shared[0]), reference.num_items)
            raise ValueError(
                f"split: user {user}, item {item} is in {first} and {second} ({len(shared)} such pairs); "
                "merge duplicate pairs before the split"
            )


def _distinct(keys: np.ndarray) -> np.ndarray:
    # A sort and a comparison are many times faster than np.unique, which hashes.
    keys = np.sort(keys)
    return keys[np.diff(keys, prepend=-1) > 0]


def _check_before(
    split: Split, parts: Mapping[str, Interactions], names: tuple[str, str], orders: tuple[np.ndarray, np.ndarray]
) -> None:
    first, second = (parts[name] for name in names)
    for what, earlier, later in (
        ("timestamp", first.timestamps, second.timestamps),
        ("rank", *orders),
    ):
        if earlier is None or later is None:
            raise ValueError(f"split: scope {split.scope!r}, but there are no timestamps; keep those of the source")
        groups = [part.users if split.scope == "user" else np.zeros(len(part), np.int32) for part in (first, second)]
        latest = np.full(split.train.num_users, np.iinfo(np.int64).min)
        earliest = np.full(split.train.num_users, np.iinfo(np.int64).max)
        np.maximum.at(latest, groups[0], earlier)
        np.minimum.at(earliest, groups[1], later)
        wrong = latest > earliest if what == "timestamp" else latest >= earliest
        if wrong.any():
            user = f" of user {int(np.argmax(wrong))}" if split.scope == "user" else ""
            raise ValueError(f"split: a {names[0]} row{user} has a later {what} than a {names[1]} row; split by time")


def _check_strong(split: StrongSplit) -> None:
    held = {"validation": split.validation, "test": split.test}
    parts = {"train": split.train}
    parts |= {f"{name} fold_in": held_out.fold_in for name, held_out in held.items()}
    parts |= {f"{name} targets": held_out.targets for name, held_out in held.items()}
    _check_pairs(parts)
    unseen = split.train.item_counts() == 0
    present = {"train": split.train.user_counts() > 0}
    for name, held_out in held.items():
        present[name] = held_out.fold_in.user_counts() > 0
        alone = (held_out.targets.user_counts() > 0) & ~present[name]
        _none(alone, f"{name} user {{}} has targets but nothing to fold in; fold in some of its rows")
        items = held_out.fold_in.item_counts() + held_out.targets.item_counts() > 0
        _none(items & unseen, f"{name} item {{}} has no training row; drop it from the held-out users")
    for first, second in combinations(present, 2):
        _none(present[first] & present[second], f"user {{}} is in {first} and {second}; hold whole users out")


def _none(wrong: np.ndarray, message: str) -> None:
    if wrong.any():
        raise ValueError("split: " + message.format(int(np.argmax(wrong))))
