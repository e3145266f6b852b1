"""mfjax.studies.protocols: parts are disjoint, nothing is lost, nothing leaks, and what makes no sense is refused."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfjax.data import liang
from mfjax.data.leaks import check_no_leak
from mfjax.data.published.candidates import Candidates
from mfjax.data.published.datasets import Dataset, load
from mfjax.data.splits import Split
from mfjax.studies import protocols
from mfjax.types import Interactions
from tests.studies.made_up import pairs, pairs_of, ratings, write_ratings


def key(seed: int = 3) -> jax.Array:
    return jax.random.key(seed)


WAYS = {
    "leave-last": lambda given: protocols.leave_last(given, test=2, validation=1),
    "leave-last, random ties": lambda given: protocols.leave_last(given, key(), ties="random"),
    "global-time": lambda given: protocols.global_time(given, test=0.3, validation=0.1),
    "random": lambda given: protocols.random(given, key(), test=0.25, validation=0.25),
    "folds": lambda given: protocols.folds(given, key(), k=4),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("way", WAYS)
def test_parts_of_rows_are_disjoint_and_nothing_is_lost(way, seed):
    given = ratings(seed)
    found = WAYS[way](given)
    whole = pairs_of(given)
    for task in found.test:
        train, hidden = pairs_of(task.train), pairs_of(task.hidden)
        assert not train & hidden
        assert (task.train.num_users, task.train.num_items) == (given.num_users, given.num_items)
        assert task.excluded is task.train
        held = set() if not found.validation or way == "folds" else pairs_of(found.validation[0].hidden)
        assert train | hidden | held == whole
        assert not held & (train | hidden)
    for task in found.validation:
        assert not pairs_of(task.train) & pairs_of(task.hidden)
        # The test rows stay out of sight while settings are chosen.
        assert not (pairs_of(task.train) | pairs_of(task.hidden)) & pairs_of(found.test[0].hidden)


def test_values_and_ids_stay_with_their_rows():
    given = ratings()
    of_pair = dict(zip(zip(given.users.tolist(), given.items.tolist(), strict=True), given.values, strict=True))
    task = protocols.random(given, key()).test[0]
    for part in (task.train, task.hidden):
        rows = zip(part.users.tolist(), part.items.tolist(), part.values, strict=True)
        assert all(of_pair[user, item] == value for user, item, value in rows)


def test_the_last_rows_of_a_user_are_hidden():
    given = pairs()
    task = protocols.leave_last(given, test=2).test[0]
    for user in range(given.num_users):
        trained = task.train.timestamps[task.train.users == user]
        hidden = task.hidden.timestamps[task.hidden.users == user]
        assert len(hidden) == (2 if len(trained) + len(hidden) >= 3 else 0)
        assert not len(hidden) or not len(trained) or trained.max() <= hidden.min()


def test_one_clock_cuts_everybody():
    task = protocols.global_time(pairs(), test=0.3).test[0]
    assert task.train.timestamps.max() <= task.hidden.timestamps.min()
    assert len(task.hidden) == 72
    # 0.29 * 100 is 28.999999999999996.
    assert len(protocols.global_time(pairs(count=100), test=0.29).test[0].hidden) == 29


def test_every_row_is_in_one_fold():
    given = pairs()
    found = protocols.folds(given, key(), k=4)
    hidden = [pair for task in found.test for pair in pairs_of(task.hidden)]
    assert len(found.test) == 4
    assert len(hidden) == len(set(hidden)) == len(given)
    # Too few rows for a validation part: there is none.
    assert protocols.folds(pairs(users=5, items=5, count=5), key(), k=5).validation == ()


def test_held_out_users_are_folded_in():
    given = pairs()
    found = protocols.strong(given, key(), test_users=6, validation_users=4)
    for task, users in ((found.test[0], 6), (found.validation[0], 4)):
        trained = set(task.train.users.tolist())
        assert not trained & set(task.fold_in.users.tolist())
        assert set(task.hidden.users.tolist()) <= set(task.fold_in.users.tolist())
        assert len(set(task.fold_in.users.tolist())) <= users
        assert task.history is task.fold_in
        assert task.excluded is task.fold_in
        assert (task.train.item_counts()[task.hidden.items] > 0).all()
    published = protocols.of_liang(given, test_users=6, validation_users=4)
    assert published.test[0].history is published.test[0].fold_in
    assert published.checksum == liang.split(given, test_users=6, validation_users=4).checksum() != found.checksum
    test, validation = (set(tasks[0].fold_in.users.tolist()) for tasks in (found.test, found.validation))
    assert not test & validation
    assert protocols.strong(given, key(), test_users=6).validation == ()


def test_parts_that_are_given_are_taken_as_they_come(tmp_path):
    split = protocols.random(ratings(), key(), validation=0.2)
    for name, part in (
        ("train", split.test[0].train),
        ("test", split.test[0].hidden),
        ("validation", split.validation[0].hidden),
    ):
        write_ratings(tmp_path / f"{name}.csv", part)
    dataset = load(tmp_path)
    found = protocols.given(dataset.parts)
    check_no_leak(Split(dataset.parts["train"], dataset.parts["validation"], dataset.parts["test"]))
    assert found.test[0].train is dataset.parts["train"]
    assert found.test[0].hidden is dataset.parts["test"]
    assert found.validation[0].hidden is dataset.parts["validation"]
    assert found.test[0].lists is None
    parts = {name: part for name, part in dataset.parts.items() if name != "validation"}
    assert protocols.given(parts).validation == ()


@pytest.mark.parametrize("validation", [0.25, 2])
def test_a_part_of_train_is_held_out_of_parts_that_are_given(validation):
    split = protocols.leave_last(pairs()).test[0]
    parts = {"train": split.train, "test": split.hidden}
    found = protocols.given(parts, key(), validation=validation)
    (test,), (inner,) = found.test, found.validation
    assert test.train is split.train and test.hidden is split.hidden  # models are fitted on all of train in the end
    assert pairs_of(inner.train) | pairs_of(inner.hidden) == pairs_of(split.train)
    assert not pairs_of(inner.train) & pairs_of(inner.hidden)
    if validation < 1:
        assert len(inner.hidden) == int(len(split.train) * validation)
        assert len(protocols.given(parts, key(1), validation=validation).validation[0].hidden) == len(inner.hidden)
    else:
        assert set(inner.hidden.user_counts().tolist()) <= {0, validation}
    with pytest.raises(ValueError, match="there is a part for it"):
        protocols.given(parts | {"validation": inner.hidden}, key(), validation=validation)


def test_what_is_held_out_of_train_is_ranked_among_as_many_items_as_the_source_lists():
    split = protocols.leave_last(pairs(users=6, items=40, count=60)).test[0]
    parts = {"train": split.train, "test": split.hidden}
    ids = np.tile(np.array([1, 2, 3], np.int32), (len(split.hidden), 1))
    lists = protocols.listed(a_dataset(parts, Candidates(ids, np.ones_like(ids, bool))))
    inner = protocols.given(parts, key(), lists=lists, validation=1).validation[0]
    lengths = np.diff(np.asarray(inner.lists.offsets))
    assert set(lengths[inner.hidden.users].tolist()) == {lists.longest}
    with pytest.raises(ValueError, match="key: None"):
        protocols.given(parts, lists=lists, validation=1)


@pytest.mark.parametrize("validation", [-1, float("nan"), 1.5])
def test_what_is_held_out_of_train_is_a_share_or_a_number_of_rows(validation):
    split = protocols.leave_last(pairs()).test[0]
    with pytest.raises(ValueError, match=r"^validation: "):
        protocols.given({"train": split.train, "test": split.hidden}, key(), validation=validation)


def a_dataset(parts: dict[str, Interactions], candidates: Candidates | None) -> Dataset:
    return Dataset("made-up", parts["test"], None, None, None, "0", "nowhere", parts, candidates)


def test_listed_items_are_those_of_the_source_and_the_test_items():
    split = protocols.leave_last(pairs(users=6, items=12, count=30)).test[0]
    parts = {"train": split.train, "test": split.hidden}
    ids = np.tile(np.array([1, 2, 3], np.int32), (len(split.hidden), 1))
    mask = np.ones_like(ids, bool)
    mask[0, 2] = False
    lists = protocols.listed(a_dataset(parts, Candidates(ids, mask)))
    for row, (user, item) in enumerate(zip(split.hidden.users, split.hidden.items, strict=True)):
        first, last = np.asarray(lists.offsets)[user : user + 2]
        wanted = {*ids[row][mask[row]].tolist(), int(item)}
        assert np.asarray(lists.ids)[first:last].tolist() == sorted(wanted)
    task = protocols.given(parts, lists=lists).test[0]
    assert task.lists is lists
    assert protocols.listed(a_dataset(parts, None)) is None
    with pytest.raises(ValueError, match="has no test part"):
        protocols.listed(a_dataset({"test": split.hidden}, Candidates(ids, mask)).__class__(
            "x", split.hidden, None, None, None, "0", "", {}, Candidates(ids, mask)
        ))  # fmt: skip


@pytest.mark.slow
def test_drawn_items_are_new_to_the_user_and_follow_the_key():
    found = protocols.leave_last(pairs(), validation=1)
    drawn = protocols.sampled(found, key(), num=5)
    for task in (*drawn.test, *drawn.validation):
        seen, hidden = pairs_of(task.train), pairs_of(task.hidden)
        offsets, ids = np.asarray(task.lists.offsets), np.asarray(task.lists.ids)
        listed = {(user, int(item)) for user in range(30) for item in ids[offsets[user] : offsets[user + 1]]}
        assert hidden <= listed
        assert not listed & seen
        users = {user for user, _ in hidden}
        assert all(sum(pair[0] == user for pair in listed - hidden) == 5 for user in users)
    assert drawn.checksum != found.checksum
    assert drawn.checksum == protocols.sampled(found, key(), num=5).checksum
    assert drawn.checksum != protocols.sampled(found, key(4), num=5).checksum
    with pytest.raises(ValueError, match="listed ones already"):
        protocols.sampled(drawn, key())
    with pytest.raises(ValueError, match="what a protocol returns"):
        protocols.sampled(found.test, key())


def test_positives_are_alike():
    given = ratings()
    found = protocols.positives(given, 4)
    assert set(found.values.tolist()) == {1.0}
    assert pairs_of(found) == pairs_of(given.select(given.values >= 4))
    with pytest.raises(ValueError, match="no value is at least 9, they are 1 to 5; pass a lower one"):
        protocols.positives(given, 9)


def test_a_core_has_enough_rows_and_no_gaps():
    found = protocols.core(pairs(), users=7, items=6)
    assert (found.user_counts() >= 7).all()
    assert (found.item_counts() >= 6).all()
    assert found.num_users == len(np.unique(found.users)) < 30
    raw = set(zip(found.user_vocabulary.decode(found.users), found.item_vocabulary.decode(found.items), strict=True))
    assert {(int(user), int(item)) for user, item in raw} <= pairs_of(pairs())


def test_checksums_name_the_split():
    given = ratings()
    sums = [WAYS[way](given).checksum for way in WAYS]
    assert len(set(sums)) == len(sums)
    assert sums == [WAYS[way](given).checksum for way in WAYS]
    assert protocols.random(given, key()).checksum != protocols.random(given, key(4)).checksum


def no_times() -> Interactions:
    given = pairs()
    return Interactions(given.users, given.items, given.values, given.num_users, given.num_items)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: protocols.leave_last(no_times()), "no timestamps"),
        (lambda: protocols.leave_last(pairs(), test=0), "test: 0"),
        (lambda: protocols.leave_last(pairs(), test=100), "nobody has enough rows"),
        (lambda: protocols.leave_last(pairs(), ties="best"), "ties: 'best' is unknown"),
        (lambda: protocols.leave_last(pairs(), catalogue="some"), "catalogue: 'some' is unknown"),
        (lambda: protocols.global_time(pairs(), test=1.5), "test: 1.5"),
        (lambda: protocols.global_time(pairs(), test=0.6, validation=0.4), "leave 0 for train"),
        (lambda: protocols.global_time(pairs(), test=1e-6), "0 for test"),
        (lambda: protocols.global_time(no_times()), "no timestamps"),
        (lambda: protocols.random(pairs(), key(), test=1.0), "test: 1.0"),
        (lambda: protocols.random(pairs(), 0), "key: 0 is not one key"),
        (lambda: protocols.folds(pairs(), key(), k=1), "k: 1"),
        (lambda: protocols.folds(pairs(), key(), k=1000), "k: 1000 folds of 240 rows"),
        (lambda: protocols.strong(pairs(), key(), test_users=30), "leave no train"),
        (lambda: protocols.strong(pairs(), key(), test_users=3, catalogue="none"), "catalogue: 'none' is unknown"),
        (lambda: protocols.given({"train": pairs()}), "there is no 'test' among train"),
        (lambda: protocols.given(pairs()), "parts: a Interactions"),
        (lambda: protocols.given({"train": pairs(), "test": pairs(items=21)}), "read them together"),
        (lambda: protocols.given({"train": pairs(), "test": pairs()}), "is in train and test"),
        (lambda: protocols.core(pairs(), users=50), "no row has 50 rows"),
        (lambda: protocols.core(pairs(), users=-1), "users: -1"),
    ],
)
def test_what_makes_no_sense_is_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()
