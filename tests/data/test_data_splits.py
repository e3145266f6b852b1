"""Splits: what each protocol promises, the published counts, and that leaks are found."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from mfjax import data
from mfjax.data import (
    StrongSplit,
    check_no_leak,
    compact,
    from_arrays,
    global_time_cut,
    k_core,
    k_folds,
    leave_last_out,
    load,
    random_split,
    strong_generalisation,
    temporal,
)
from mfjax.data.splits import TIES, time_order

# Users 0, 0, 0, 0, 1, 1, 2; the first user's last three rows share one time.
USERS, ITEMS = [0, 0, 0, 1, 0, 1, 2], [5, 9, 2, 1, 7, 3, 4]
TIMES = [20, 20, 10, 8, 20, 9, 1]


@pytest.fixture
def pairs():
    return from_arrays(USERS, ITEMS, timestamps=TIMES, num_users=4, num_items=10)


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(3)
    keys = rng.choice(60 * 40, 900, replace=False)
    return from_arrays(keys // 40, keys % 40, rng.integers(1, 6, 900), rng.integers(0, 50, 900))


def rows(part):
    return sorted(zip(part.users.tolist(), part.items.tolist(), strict=True))


def slow_last_out(pairs, k, validation, tie):
    """Return the test and validation pairs, user by user, ties by the function `tie` of (row, item)."""
    test, held = [], []
    for user in range(pairs.num_users):
        mine = [row for row in range(len(pairs)) if pairs.users[row] == user]
        mine.sort(key=lambda row: (pairs.timestamps[row], tie(row, pairs.items[row])))
        test += mine[-k:]
        held += mine[-k - validation : -k] if len(mine) > k else []
    return rows(pairs.select(np.array(test))), rows(pairs.select(np.array(held, int)))


@pytest.mark.parametrize(
    ("ties", "last"), [("file-order", 7), ("reverse", 5), ("item-id", 9), ("item-id-descending", 5)]
)
def test_tie_rules(pairs, ties, last):
    split = leave_last_out(pairs, ties=ties)
    assert rows(split.test) == [(0, last), (1, 3), (2, 4)]
    assert len(split.validation) == 0
    check_no_leak(split)


@pytest.mark.parametrize("validation", [0, 2])
@pytest.mark.parametrize(
    ("ties", "tie"),
    [
        ("file-order", lambda row, item: row),
        ("reverse", lambda row, item: -row),
        ("item-id", lambda row, item: item),
        ("item-id-descending", lambda row, item: -item),
    ],
)
def test_leave_last_out_against_loops(many, ties, tie, validation):
    split = leave_last_out(many, 3, validation=validation, ties=ties)
    assert (rows(split.test), rows(split.validation)) == slow_last_out(many, 3, validation, tie)
    assert len(split.train) + len(split.validation) + len(split.test) == len(many)
    check_no_leak(split)


def test_random_ties_are_the_keys(pairs, key):
    lasts = {
        rows(leave_last_out(pairs, ties="random", key=jax.random.fold_in(key, seed)).test)[0][1] for seed in range(30)
    }
    assert lasts == {5, 7, 9}
    same = [leave_last_out(pairs, ties="random", key=key).checksum() for _ in range(2)]
    assert same[0] == same[1]


def test_times_that_do_not_fit_a_packed_key(pairs):
    wide = replace(pairs, timestamps=pairs.timestamps * 2**57 - 2**61)
    for ties in TIES[:-1]:
        order, wide_order = (time_order(some, ties=ties, by_user=True) for some in (pairs, wide))
        np.testing.assert_array_equal(order, wide_order)


def test_times_at_both_ends_of_their_type(pairs):
    far = np.array([2**63 - 1, 5, -(2**63), 7, 2**63 - 2, -(2**63), 0])
    order = time_order(replace(pairs, timestamps=far), ties="file-order", by_user=True)
    assert order.tolist() == sorted(range(7), key=lambda row: (USERS[row], far[row], row))


def test_temporal_spares_users_with_few_rows(pairs):
    split = temporal(pairs, test=1, validation=1)
    assert (rows(split.test), rows(split.validation)) == ([(0, 7)], [(0, 9)])
    assert rows(temporal(pairs, test=1, validation=1, min_count=2).test) == [(0, 7), (1, 3)]


def test_parts_keep_file_order_and_id_spaces(many, key):
    splits = [temporal(many), global_time_cut(many, 500), random_split(key, many, validation=0.1)]
    position = {pair: row for row, pair in enumerate(zip(many.users.tolist(), many.items.tolist(), strict=True))}
    for split in splits:
        for part in (split.train, split.validation, split.test):
            places = [position[pair] for pair in zip(part.users.tolist(), part.items.tolist(), strict=True)]
            assert places == sorted(places)
            np.testing.assert_array_equal(part.timestamps, many.timestamps[places])
            assert (part.num_users, part.num_items) == (many.num_users, many.num_items)


def test_global_time_cut(many):
    split = global_time_cut(many, 600, validation=100)
    assert (len(split.train), len(split.validation), len(split.test)) == (600, 100, 200)
    assert split.train.timestamps.max() <= split.validation.timestamps.min()
    assert split.validation.timestamps.max() <= split.test.timestamps.min()
    check_no_leak(split)


def test_random_split_and_folds(many, key):
    split = random_split(key, many, test=0.2, validation=0.1)
    assert (len(split.train), len(split.validation), len(split.test)) == (630, 90, 180)
    assert split.checksum() == random_split(key, many, test=0.2, validation=0.1).checksum()
    check_no_leak(split)
    folds = k_folds(key, many, 7)
    assert sorted(pair for fold in folds for pair in rows(fold.test)) == rows(many)
    assert {len(fold.test) for fold in folds} == {128, 129}
    for fold in folds:
        check_no_leak(fold)


def test_strong_generalisation(many, key):
    split = strong_generalisation(key, many, validation_users=10, test_users=20)
    check_no_leak(split)
    kept = [split.train]
    for held, count in ((split.validation, 10), (split.test, 20)):
        kept += [held.fold_in, held.targets]
        total = held.fold_in.user_counts() + held.targets.user_counts()
        assert (total > 0).sum() == count
        np.testing.assert_array_equal(held.targets.user_counts(), total * 2 // 10)
    assert sum(len(part) for part in kept) + split.dropped == len(many)
    again = strong_generalisation(jax.random.clone(key), many, validation_users=10, test_users=20)
    assert split.checksum() == again.checksum()


def test_strong_generalisation_drops_items_without_training_rows(key):
    # Every user has an item of their own and shares the others.
    users, items = np.repeat(np.arange(6), 6), np.tile(np.arange(6), 6)
    items[items == 5] = 100 + np.arange(6)
    split = strong_generalisation(key, from_arrays(users, items), validation_users=1, test_users=2)
    assert split.dropped == 3
    assert len(split.test.targets) == 2
    check_no_leak(split)


def test_k_core_against_loops(many):
    kept = rows(many)
    while True:
        users, items = zip(*kept, strict=True)
        fewer = [(user, item) for user, item in kept if users.count(user) >= 10 and items.count(item) >= 17]
        if fewer == kept:
            break
        kept = fewer
    assert 0 < len(kept) < len(many)
    core = k_core(many, users=10, items=17)
    assert rows(core) == kept
    dense = compact(core)
    assert dense.num_users == len(set(users))
    np.testing.assert_array_equal(dense.user_vocabulary.decode(dense.users), many.user_vocabulary.decode(core.users))
    np.testing.assert_array_equal(dense.item_vocabulary.decode(dense.items), many.item_vocabulary.decode(core.items))


def test_compact_of_plain_ids_remembers_them(pairs):
    dense = compact(pairs)
    assert (dense.num_users, dense.num_items) == (3, 7)
    assert dense.item_vocabulary.decode(dense.items).tolist() == ITEMS


def leaks(pairs, many, key):
    """Return (a split with a leak, the message) for every promise."""
    last, cut = leave_last_out(pairs, 2), global_time_cut(pairs, 4)
    strong = strong_generalisation(key, many, validation_users=10, test_users=20)
    test, validation = strong.test, strong.validation
    train, orders = last.train, last.orders
    apart = compact(test.fold_in)
    swapped = replace(last, train=last.test, test=train, orders=orders[::-1])
    return [
        (replace(last, validation=train.select([0])), "is in train and validation"),
        (replace(last, test=train), r"is in train and test \(2 such pairs\)"),
        (replace(last, test=compact(last.test)), "test has another id space than train"),
        (replace(last, test=replace(last.test, item_vocabulary=many.item_vocabulary)), "test has another vocabulary"),
        (swapped, "a train row of user 0 has a later timestamp than a test row"),
        (replace(last, orders=(orders[0] + 9, *orders[1:])), "a train row of user 0 has a later rank than a test row"),
        (replace(cut, train=cut.test, test=cut.train, orders=cut.orders[::-1]), "a train row has a later timestamp"),
        (replace(last, train=replace(train, timestamps=None)), "there are no timestamps"),
        (StrongSplit(strong.train, test, test, 0), "is in validation fold_in and test fold_in"),
        (replace(strong, test=replace(test, targets=test.fold_in)), "is in test fold_in and test targets"),
        (replace(strong, test=replace(test, fold_in=apart)), "test fold_in has another id space"),
        (replace(strong, train=strong.train.select(slice(1))), "validation item .* has no training row; drop it"),
        (replace(strong, test=replace(test, fold_in=test.fold_in.select(slice(0)))), "test user .* nothing to fold in"),
        (replace(strong, validation=replace(validation, fold_in=validation.targets)), "is in validation fold_in and"),
    ]


@pytest.mark.parametrize("index", range(14))
def test_leaks_are_found(pairs, many, key, index):
    split, message = leaks(pairs, many, key)[index]
    with pytest.raises(ValueError, match=message):
        check_no_leak(split)


def test_shared_users_are_found(many, key):
    split = strong_generalisation(key, many, validation_users=10, test_users=20)
    # One row of a test user moves into train.
    fold_in = split.test.fold_in
    user, item = fold_in.users[0], fold_in.items[0]
    train = many.select(np.isin(many.users, split.train.users) | ((many.users == user) & (many.items == item)))
    with pytest.raises(ValueError, match=f"user {user} is in train and test; hold whole users out"):
        check_no_leak(replace(split, train=train, test=replace(split.test, fold_in=fold_in.select(slice(1, None)))))


BAD = [
    (lambda pairs, key: leave_last_out(pairs, 0), "k: 0 is not a whole number of at least 1"),
    (lambda pairs, key: temporal(pairs, validation=-1), "validation: -1 is not a whole number of at least 0"),
    (lambda pairs, key: leave_last_out(pairs, ties="first"), "ties: 'first' is unknown; pass 'file-order'"),
    (lambda pairs, key: leave_last_out(pairs, ties="random"), "key: ties='random' needs a key"),
    (lambda pairs, key: leave_last_out(pairs, key=key), "key: ties='file-order' takes no key"),
    (lambda pairs, key: leave_last_out(replace(pairs, timestamps=None)), "there are no timestamps; read them, or use"),
    (lambda pairs, key: global_time_cut(pairs, 7), r"train: 7 \+ 0 of 7 rows leave none for test; cut earlier"),
    (
        lambda pairs, key: random_split(key, pairs, test=1.0),
        "test: 1.0 is not a finite number of at least 0",
    ),
    (lambda pairs, key: random_split(0, pairs), r"key: 0 is not one key; pass jax.random.key\(seed\)"),
    (lambda pairs, key: random_split(jax.random.split(key, 2), pairs), "is not one key"),
    (lambda pairs, key: k_folds(key, pairs, 1), "k: 1 is not a whole number of at least 2"),
    (lambda pairs, key: k_core(pairs, users=9), "no row has 9 rows of its user and 5 of its item; ask for fewer"),
    (
        lambda pairs, key: strong_generalisation(key, pairs, validation_users=1, test_users=2),
        r"validation_users, test_users: 1 \+ 2 of 3 users leave no train",
    ),
    (lambda pairs, key: temporal([1, 2]), "interactions: a list is not what is needed; pass what data.from_arrays"),
    (lambda pairs, key: temporal(pairs.select([])), "interactions: there are no rows"),
    (lambda pairs, key: temporal(pairs, test=1.5), r"test: 1\.5 is not a whole number"),
    (lambda pairs, key: temporal(pairs, test=True), "test: True is not a whole number"),
    (lambda pairs, key: temporal(pairs, min_count=-1), "min_count: -1 is not a whole number"),
    (lambda pairs, key: temporal(pairs, ties=None), "ties: None is unknown"),
    (lambda pairs, key: temporal(pairs, ties="random", key=3), "key: 3 is not one key"),
    (lambda pairs, key: global_time_cut(pairs, float("nan")), "train: nan is not a whole number"),
    (lambda pairs, key: random_split(key, pairs, test=float("nan")), "test: nan is not a finite number"),
    (lambda pairs, key: random_split(key, pairs, validation=-0.1), r"validation: -0\.1 is not a finite number"),
    (lambda pairs, key: random_split(key, pairs, test="0.2"), r"test: '0\.2' is not a finite number"),
    (
        lambda pairs, key: random_split(key, pairs, test=0.7, validation=0.3),
        "test, validation: 0.7, 0.3; pass frac",
    ),
    (lambda pairs, key: k_folds(key, pairs, 8), "k: 8 folds of 7 rows; pass at most"),
    (lambda pairs, key: k_core(pairs, users=-1), "users: -1 is not a whole number of at least 0"),
    (lambda pairs, key: k_core(pairs, items=2.5), r"items: 2\.5 is not a whole number"),
    (lambda pairs, key: k_core(None), "interactions: a NoneType is not what is needed"),
    (lambda pairs, key: compact({}), "interactions: a dict is not what is needed"),
    (lambda pairs, key: check_no_leak(pairs), "split: a Interactions is not what is needed"),
    (
        lambda pairs, key: strong_generalisation(key, pairs, validation_users=0, test_users=1, targets=1.0),
        r"targets: 1\.0 is not a finite number of at least 0 and below 1",
    ),
    (
        lambda pairs, key: strong_generalisation(key, pairs, validation_users=0, test_users=0),
        "test_users: 0 is not a whole number of at least 1",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_bad_arguments(pairs, key, call, message):
    with pytest.raises(ValueError, match=message):
        call(pairs, key)


def popularity_hits(split, k=10):
    """Return the users whose test item is in the top k of train counts, their train items excluded, lower id first."""
    scores = np.tile(split.train.item_counts().astype(float), (split.train.num_users, 1))
    scores[split.train.users, split.train.items] = -np.inf
    top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return int((top[split.test.users] == split.test.items[:, None]).any(axis=1).sum())


@pytest.mark.parametrize(
    ("ties", "hits"), [("file-order", 74), ("reverse", 79), ("item-id", 55), ("item-id-descending", 94)]
)
def test_popularity_hits_of_the_published_tie_rules(data_dir, ties, hits):
    ratings = load("ml-100k", data_dir).interactions
    positives = compact(ratings.select(ratings.values >= 4))
    assert (len(positives), positives.num_users, positives.num_items) == (55_375, 942, 1447)
    split = leave_last_out(positives, ties=ties)
    assert (len(split.train), len(split.test)) == (54_433, 942)
    check_no_leak(split)
    assert popularity_hits(split) == hits


def test_published_global_cut(data_dir):
    split = global_time_cut(load("ml-100k", data_dir).interactions, 80_000)
    assert len(np.unique(split.train.users)) == 751
    enough = split.test.select(split.train.user_counts()[split.test.users] >= 10)
    assert (len(enough), len(np.unique(enough.users))) == (2875, 107)
    known = enough.select(split.train.item_counts()[enough.items] > 0)
    assert (len(known), len(np.unique(known.users))) == (2786, 105)


def test_published_temporal_split(data_dir):
    if not (data_dir / "ml-1m" / "ratings.dat").is_file():
        pytest.skip(f"no ml-1m in {data_dir}")
    split = temporal(load("ml-1m", data_dir).interactions, test=5, validation=1)
    assert (len(split.train), len(split.validation), len(split.test)) == (963_969, 6_040, 30_200)
    check_no_leak(split)
    positives = split.train.select(split.train.values >= 4)
    dense = compact(positives)
    assert (dense.num_users, dense.num_items) == (6038, 3525)
    top = np.argsort(-dense.item_counts(), kind="stable")[:5]
    assert dense.item_vocabulary.decode(top).tolist() == [2858, 260, 1196, 1198, 2028]
    assert len(np.unique(split.test.users[split.test.values >= 4])) == 5553


def test_everything_is_exported():
    assert all(hasattr(data, name) for name in data.__all__)
