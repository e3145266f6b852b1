"""Newcomers of a model: exact given the other side, nobody else moves, the same bits after a file is loaded."""

import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest

from mfjax import als, histories, ranking, saving
from mfjax.als import objectives
from mfjax.data import from_arrays
from mfjax.ranking import losses
from mfjax.recommend import Model
from mfjax.types import Vocabulary

DIM = 3
OBJECTIVES = {
    "ials": objectives.ials(unobserved_weight=0.2, popularity_exponent=0.5),
    "explicit": objectives.explicit(offset=3.0),
    "implicit": objectives.implicit(alpha=4.0),
    "popularity": objectives.popularity_weighted(exponent=0.5),
    "zeros": objectives.zeros_observed(),
}


def ratings(seed: int, users: list, items: list, share: float = 0.5, weighted: bool = False):
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((len(users), len(items))) < share)
    pairs = [users[row] for row in rows], [items[column] for column in columns]
    values = rng.integers(1, 6, len(rows)).astype(np.float32)
    weights = rng.random(len(rows)).astype(np.float32) + 0.5 if weighted else None
    return from_arrays(*pairs, values, weights=weights)


KNOWN, ITEMS, NEW = [f"u{n:02}" for n in range(0, 60, 3)], list(range(10, 40)), [f"u{n:02}" for n in range(1, 60, 7)]
NEW = [user for user in NEW if user not in KNOWN]


def fitted(name: str = "ials", biases: bool = False, weighted: bool = False, steps: int = 3) -> Model:
    config = als.Config(objective=OBJECTIVES[name], reg=0.1, bias_reg=0.2, biases=biases, dim=DIM, init_scale=1.0)
    pairs = ratings(0, KNOWN, ITEMS, weighted=weighted)
    factors = als.factors(als.fit(jax.random.key(0), histories.build(pairs), config, num_steps=steps), config)
    vocabularies = {"user_vocabulary": pairs.user_vocabulary, "item_vocabulary": pairs.item_vocabulary}
    return Model(learned=factors, **vocabularies, seen=histories.ragged(pairs), objective=name, config=config)


def as_dict(pairs, by="user") -> dict:
    users, items = pairs.user_vocabulary.decode(pairs.users), pairs.item_vocabulary.decode(pairs.items)
    rows, columns = (users, items) if by == "user" else (items, users)
    found: dict = {}
    for row, column, value in zip(rows.tolist(), columns.tolist(), pairs.values.tolist(), strict=True):
        found.setdefault(row, {})[column] = value
    return found


def row_of(model: Model, side: str, raw) -> np.ndarray:
    place = model.vocabulary(side).encode([raw])[0]
    biases = getattr(model.factors, f"{side}_biases")
    own = [] if biases is None else [np.asarray(biases)[place]]
    return np.concatenate([own, np.asarray(getattr(model.factors, f"{side}s"))[place]])


def check_others_stay(before: Model, after: Model):
    for side in ("user", "item"):
        for raw in before.vocabulary(side).raw.tolist():
            assert row_of(before, side, raw).tobytes() == row_of(after, side, raw).tobytes()


@pytest.mark.parametrize(
    ("name", "biases", "weighted"),
    [*((name, False, False) for name in OBJECTIVES), ("explicit", True, False), ("explicit", True, True),
     ("ials", True, True)],
)  # fmt: skip
def test_new_users_are_those_of_als_fold_in(name, biases, weighted):
    model = fitted(name, biases, weighted)
    pairs = ratings(1, NEW, ITEMS, weighted=weighted)
    found = model.fold_in(pairs)
    check_others_stay(model, found)
    items = model.item_vocabulary.encode(pairs.item_vocabulary.raw)[pairs.items]
    own = replace(pairs, items=items, num_items=len(ITEMS))
    counts = np.bincount(np.asarray(model.seen.ids), minlength=len(ITEMS))
    rows = als.fold_in(histories.side(own), model.factors, model.config, item_counts=counts)
    rows = np.delete(np.asarray(rows), 1, axis=1) if biases else np.asarray(rows)
    for place, raw in enumerate(pairs.user_vocabulary.raw.tolist()):
        np.testing.assert_allclose(row_of(found, "user", raw), rows[place], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.item_counts, counts)


def test_every_form_of_histories_is_the_same():
    model, pairs = fitted("explicit", True), ratings(1, NEW, ITEMS)
    wanted = model.fold_in(pairs)
    table = {"user": pairs.user_vocabulary.decode(pairs.users).tolist(), "rating": pairs.values,
             "item": pairs.item_vocabulary.decode(pairs.items).tolist()}  # fmt: skip
    for given, options in (
        (as_dict(pairs), {}), (pd.DataFrame(table), {"value": "rating"}), (pl.DataFrame(table), {"value": "rating"})
    ):  # fmt: skip
        found = model.fold_in(given, **options)
        assert found.user_vocabulary.raw.tolist() == sorted([*KNOWN, *pairs.user_vocabulary.raw.tolist()])
        np.testing.assert_array_equal(found.factors.users, wanted.factors.users)
        np.testing.assert_array_equal(found.seen.ids, wanted.seen.ids)
    ones = model.fold_in({NEW[0]: [10, 12]})
    np.testing.assert_array_equal(ones.factors.users, model.fold_in({NEW[0]: {10: 1.0, 12: 1}}).factors.users)


def test_one_group_after_the_other_is_both_at_once():
    model, pairs = fitted(), as_dict(ratings(1, NEW, ITEMS))
    first = dict(list(pairs.items())[:2])
    apart = model.fold_in(first).fold_in({user: items for user, items in pairs.items() if user not in first})
    together = model.fold_in(pairs)
    np.testing.assert_allclose(apart.factors.users, together.factors.users, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(apart.seen.ids, together.seen.ids)


def test_a_newcomer_is_recommended_to_without_what_was_taken():
    model = fitted().fold_in({"new": [10, 11, 12]})
    ids, _ = model.recommend("new", 30)
    assert len(ids) == 27 and not {10, 11, 12} & set(ids.tolist())


def test_unknown_items_are_refused_or_dropped():
    model = fitted()
    with pytest.raises(ValueError, match=r"histories: item 99 is unknown to the model .1 are.; drop its pairs"):
        model.fold_in({"new": [10, 99], "other": [11]})
    found = model.fold_in({"new": [10, 99], "other": [98]}, unknown="drop")
    np.testing.assert_array_equal(row_of(found, "user", "new"), row_of(model.fold_in({"new": [10]}), "user", "new"))
    assert not row_of(found, "user", "other").any()


@pytest.mark.parametrize(("name", "biases"), [*((name, False) for name in OBJECTIVES), ("explicit", True)])
def test_new_items_are_those_of_a_half_step_over_all(name, biases):
    """Of a model with more items, of which the newcomers' rows are solved anew."""
    model, new = fitted(name, biases), [5, 25_000, 999]
    pairs = ratings(2, KNOWN, new)
    found = model.fold_in_items(as_dict(pairs, "item"))
    check_others_stay(model, found)
    assert found.item_vocabulary.raw.tolist() == sorted([*ITEMS, *new])
    whole = found.seen
    users = np.repeat(np.arange(len(KNOWN), dtype=np.int32), np.diff(np.asarray(whole.offsets)))
    both = replace(pairs, users=users, items=np.asarray(whole.ids), values=np.asarray(whole.values),
                   num_users=len(KNOWN), num_items=len(ITEMS) + 3)  # fmt: skip
    f, config = model.factors, replace(model.config, solver="cholesky")
    ones = jnp.ones((len(KNOWN), 1))
    columns = jnp.concatenate([f.user_biases[:, None], ones, f.users], axis=1) if biases else f.users
    start = jnp.zeros((len(ITEMS) + 3, config.width)).at[:, 0].set(1.0 * biases)
    rows = np.asarray(als.half_step(start, columns, histories.side(both, by="item"), config, by="item"))
    for raw in new:
        place = found.item_vocabulary.encode([raw])[0]
        np.testing.assert_allclose(row_of(found, "item", raw), rows[place, biases:], rtol=2e-4, atol=1e-5)
    np.testing.assert_array_equal(found.item_counts, both.item_counts())
    assert found.recommend_for(999, 2)[0].tolist()


def ranked(loss=losses.bpr, biases: bool = True) -> Model:
    pairs = ratings(0, KNOWN, ITEMS)
    config = ranking.Config(dim=DIM, loss=loss, biases=biases, batch_size=64)
    lists = histories.ragged(pairs)
    factors = ranking.factors(ranking.fit(jax.random.key(1), ranking.data(lists), config, num_epochs=2), config)
    users, items = pairs.user_vocabulary, pairs.item_vocabulary
    return Model(learned=factors, user_vocabulary=users, item_vocabulary=items, seen=lists, config=config)


@pytest.mark.parametrize("loss", [losses.bpr, losses.softmax])
def test_new_users_by_a_ranking_loss(loss):
    model, pairs = ranked(loss), ratings(1, NEW, ITEMS)
    found = model.fold_in(pairs, key=jax.random.key(7))
    check_others_stay(model, found)
    own = replace(pairs, items=model.item_vocabulary.encode(pairs.item_vocabulary.raw)[pairs.items], num_items=30)
    rows = ranking.fold_in(jax.random.key(7), histories.ragged(own), model.factors, model.config)
    for place, raw in enumerate(pairs.user_vocabulary.raw.tolist()):
        np.testing.assert_allclose(row_of(found, "user", raw), rows[place], rtol=1e-3, atol=1e-4)
    with pytest.raises(
        ValueError, match=r"config: fold_in_items solves rows by least squares, but .* a ranking.Config"
    ):
        model.fold_in_items({7: KNOWN[:2]})
    with pytest.raises(ValueError, match=r"histories: a value of 0.0 is zero"):
        model.fold_in({"new": {10: 0.0}})


FOLDS = """
import sys
from mfjax import saving
model = saving.load(sys.argv[1]).fold_in({"new": {10: 2.0, 11: 5.0}, "newer": {20: 1.0}})
print(model.factors.users.__array__().tobytes().hex())
"""


@pytest.mark.parametrize("make", [lambda: fitted("explicit", True, False), ranked], ids=["als", "ranking"])
def test_the_same_bits_after_a_file_and_in_another_process(tmp_path, make):
    model = make()
    saving.save(tmp_path / "model", model)
    wanted = model.fold_in({"new": {10: 2.0, 11: 5.0}, "newer": {20: 1.0}})
    loaded = saving.load(tmp_path / "model")
    assert type(loaded.config) is type(model.config)
    here = loaded.fold_in({"new": {10: 2.0, 11: 5.0}, "newer": {20: 1.0}})
    assert np.asarray(here.factors.users).tobytes() == np.asarray(wanted.factors.users).tobytes()
    command = [sys.executable, "-c", FOLDS, str(tmp_path / "model")]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    assert output.strip() == np.asarray(wanted.factors.users).tobytes().hex()
    saving.save(tmp_path / "with newcomers", wanted)
    again = saving.load(tmp_path / "with newcomers")
    np.testing.assert_array_equal(again.recommend("new", 5)[0], wanted.recommend("new", 5)[0])
    np.testing.assert_array_equal(again.item_counts, wanted.item_counts)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: m.fold_in({KNOWN[0]: [10]}),
            "histories: user 'u00' is known to the model; pass its pairs to update",
        ),
        (lambda m: m.fold_in({5: [10]}), "histories: user 5, but the user ids of this model are text; convert it"),
        (lambda m: m.fold_in({"new": ["10"]}), "histories: item '10', but those of this model are integers"),
        (lambda m: m.fold_in({"new": [77]}, unknown="drop"), "histories: no pair is left"),
        (lambda m: m.fold_in({"new": {10: "5"}}), "histories: the values of 'new' are not all numbers"),
        (
            lambda m: m.fold_in({"new": [10]}, value="stars"),
            "value: names a column of a frame, but histories is a dict",
        ),
        (
            lambda m: m.fold_in(ratings(1, NEW, ITEMS, weighted=True)),
            "weights: these histories have weights, the model",
        ),
        (lambda m: m.fold_in_items({10: KNOWN[:1]}), "histories: item 10 is known to the model"),
        (lambda m: m.fold_in_items({99: ["zoe"]}), "histories: user 'zoe' is unknown to the model"),
        (
            lambda m: replace(m, config=None).fold_in({"new": [10]}),
            "config: nothing does not say how rows of users are",
        ),
        (lambda m: replace(m, seen=None).fold_in({"new": [10]}), "item_counts: the model has neither counts nor seen"),
        (lambda m: replace(m, config=als.Config(dim=9)), "config: dim 9, but the factors have 3"),
        (lambda m: replace(m, config=als.Config(dim=3, biases=True)), "config: biases=True, but the model has no"),
        (lambda m: replace(m, item_counts=np.ones(3)), r"item_counts: shape \(3,\) is not \(30,\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(fitted(steps=1))


def test_a_model_without_lists_needs_counts_alone():
    model = fitted()
    counts = np.bincount(np.asarray(model.seen.ids), minlength=len(ITEMS))
    bare = replace(model, seen=None, item_counts=counts)
    found = bare.fold_in({"new": [10]})
    np.testing.assert_array_equal(row_of(found, "user", "new"), row_of(model.fold_in({"new": [10]}), "user", "new"))
    assert found.seen.num_rows == len(KNOWN) + 1
    assert isinstance(found.user_vocabulary, Vocabulary)
