"""mfjax.data.liang: users, items, counts and the order of draws, beside the steps of the source one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from mfjax import data
from mfjax.data import liang
from mfjax.data.leaks import check_no_leak


def rows(seed: int = 0, users: int = 60, items: int = 25, count: int = 700) -> list[tuple[int, int]]:
    """Return distinct pairs of raw ids, in an order that says nothing."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(users * items, count, replace=False)
    return [(int(cell // items) * 7 + 3, int(cell % items) * 11 + 5) for cell in cells]


def published(pairs: list[tuple[int, int]], heldout: int, seed: int = 98765, share: float = 0.2):
    """The slow truth: Python's lists, in the order in which the source goes."""
    users = sorted({user for user, _ in pairs})
    np.random.seed(seed)  # noqa: NPY002 - the generator of the source
    permuted = [users[at] for at in np.random.permutation(len(users))]  # noqa: NPY002
    train_users = set(permuted[: len(users) - 2 * heldout])
    validation_users = set(permuted[len(users) - 2 * heldout : len(users) - heldout])
    test_users = set(permuted[len(users) - heldout :])
    train = [pair for pair in pairs if pair[0] in train_users]
    items = {item for _, item in train}
    parts = []
    for chosen in (validation_users, test_users):
        np.random.seed(seed)  # noqa: NPY002
        kept, hidden = [], []
        for user in sorted(chosen):
            group = [pair for pair in pairs if pair[0] == user and pair[1] in items]
            drawn: set[int] = set()
            if len(group) >= 5:
                drawn = set(np.random.choice(len(group), size=int(share * len(group)), replace=False).tolist())  # noqa: NPY002
            kept += [pair for at, pair in enumerate(group) if at not in drawn]
            hidden += [pair for at, pair in enumerate(group) if at in drawn]
        parts += [set(kept), set(hidden)]
    return set(train), parts


def raw(part) -> set[tuple[int, int]]:
    users, items = part.user_vocabulary.decode(part.users), part.item_vocabulary.decode(part.items)
    return set(zip(users.tolist(), items.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_users_items_and_draws_are_those_of_the_source(seed):
    pairs = rows(seed)
    interactions = data.from_arrays([user for user, _ in pairs], [item for _, item in pairs])
    found = liang.split(interactions, validation_users=10, test_users=10)
    check_no_leak(found)
    train, parts = published(pairs, 10)
    assert raw(found.train) == train
    held = (found.validation.fold_in, found.validation.targets, found.test.fold_in, found.test.targets)
    assert [raw(part) for part in held] == parts
    assert found.dropped == len(pairs) - len(train) - sum(map(len, parts))


def test_another_seed_draws_others():
    pairs = rows()
    interactions = data.from_arrays([user for user, _ in pairs], [item for _, item in pairs])
    one, other = (liang.split(interactions, validation_users=10, test_users=10, seed=seed) for seed in (1, 2))
    assert one.checksum() != other.checksum()


def test_users_and_items_are_filtered_once_items_first():
    pairs = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 3), (3, 4)]
    interactions = data.from_arrays([user for user, _ in pairs], [item for _, item in pairs])
    kept = liang.activity(interactions, users=2, items=2)
    assert raw(kept) == {(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)}  # user 3 has one row of a popular item, 3 is left
    assert kept.num_users == interactions.num_users


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"validation_users": 30, "test_users": 30}, "leave no train"),
        ({"test_users": 0}, "test_users: 0"),
        ({"targets": 1.0}, "targets: 1.0"),
        ({"seed": -1}, "seed: -1"),
    ],
)
def test_what_makes_no_sense_is_refused(options, told):
    pairs = rows()
    interactions = data.from_arrays([user for user, _ in pairs], [item for _, item in pairs])
    with pytest.raises(ValueError, match=told):
        liang.split(interactions, **{"validation_users": 10, "test_users": 10, **options})
