"""More interactions: the rows touched are exact, the others stay, and the drift is that of a half-step over all."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, histories, saving
from mfjax.recommend.parts import pairs_of
from mfjax.recommend.rows import tables_of
from tests.recommend.test_newcomers import ITEMS, KNOWN, OBJECTIVES, fitted, row_of

MORE = {KNOWN[0]: {10: 5.0, 11: 1.0}, KNOWN[4]: {12: 2.0, 39: 3.0}}
WITH_NEW = {**MORE, "zoe": {10: 4.0, 99: 5.0}, KNOWN[7]: {99: 1.0}}


def whole_step(model, side: str, solver: str = "cholesky") -> np.ndarray:
    """Return a side's table after one half-step over all histories of the model."""
    tables = tables_of(model.factors, model.config.biases)
    pairs, config = pairs_of(model.seen), replace(model.config, solver=solver)
    other = "item" if side == "user" else "user"
    held = histories.side(pairs, by=side)
    return np.asarray(als.half_step(jnp.asarray(tables[side]), jnp.asarray(tables[other]), held, config, by=side))


@pytest.mark.parametrize(("name", "biases"), [*((name, False) for name in OBJECTIVES), ("explicit", True)])
@pytest.mark.parametrize("more", [MORE, WITH_NEW], ids=["known", "new"])
def test_touched_rows_are_exact_and_others_stay(name, biases, more):
    model = fitted(name, biases)
    updated = model.update(more)
    found, touched = (
        updated.model,
        {"user": sorted(more), "item": sorted({i for items in more.values() for i in items})},
    )
    assert (updated.users.tolist(), updated.items.tolist()) == (touched["user"], touched["item"])
    exact = whole_step(found, "user")
    table = tables_of(found.factors, biases)["user"]
    places = found.user_vocabulary.encode(touched["user"])
    np.testing.assert_allclose(table[places], exact[places], rtol=1e-3, atol=1e-4)
    for side, raw in (("user", KNOWN), ("item", ITEMS)):
        for one in set(raw) - set(touched[side]):
            assert row_of(model, side, one).tobytes() == row_of(found, side, one).tobytes()
        for one in touched[side]:
            assert one not in raw or row_of(model, side, one).tobytes() != row_of(found, side, one).tobytes()


def test_a_known_pair_takes_its_new_value_and_all_are_counted():
    model = fitted("explicit")
    pairs = pairs_of(model.seen)
    first = int(pairs.items[0])
    raw = int(model.item_vocabulary.raw[first])
    found = model.update({KNOWN[0]: {raw: 9.0}}, drift=False).model
    again = pairs_of(found.seen)
    assert len(again) == len(pairs) and again.values[0] == 9.0
    np.testing.assert_array_equal(again.values[1:], pairs.values[1:])
    np.testing.assert_array_equal(found.item_counts, pairs.item_counts())
    more = model.update(WITH_NEW).model
    np.testing.assert_array_equal(more.item_counts, pairs_of(more.seen).item_counts())


def test_drift_is_how_far_a_half_step_would_move_all_rows():
    model = fitted("explicit", True, steps=30)
    updated = model.update(WITH_NEW)
    for side, told in (("user", updated.user_drift), ("item", updated.item_drift)):
        now = tables_of(updated.model.factors, True)[side]
        moved = whole_step(updated.model, side, "conjugate_gradient")
        assert told == pytest.approx(np.linalg.norm(moved - now) / np.linalg.norm(now), rel=0.05)
    # The rows of its users are solved; others' items have moved a little.
    small, large = model.update({KNOWN[0]: {10: 4.0}}), model.update({user: {10: 1.0, 11: 1.0} for user in KNOWN[:12]})
    assert small.item_drift < large.item_drift
    assert model.update(MORE, drift=False).user_drift is None


def test_an_update_is_the_same_after_a_file(tmp_path):
    model = fitted("ials")
    saving.save(tmp_path / "model", model)
    here, there = model.update(WITH_NEW).model, saving.load(tmp_path / "model").update(WITH_NEW).model
    for old, new in zip(here.factors[:2], there.factors[:2], strict=True):
        assert np.asarray(old).tobytes() == np.asarray(new).tobytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.update({}), "interactions: there are none"),
        (lambda m: m.update({"zoe": ["x"]}), "histories: item 'x', but the item ids of this model are integers"),
        (lambda m: m.update(MORE, drift=1), "drift: a int is not what is needed"),
        (lambda m: replace(m, config=None).update(MORE), "config: nothing does not say how rows of users"),
        (lambda m: replace(m, seen=None).update(MORE), "seen: the model has no histories to solve rows by"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(fitted(steps=1))


def test_known_items_stay_where_they_are_not_asked_for():
    model = fitted("ials")
    found = model.update({"u00": {10: 4.0}, "eve": {11: 2.0, 77: 1.0}}, items=False, drift=False)
    assert found.items.tolist() == [77]
    for item in ITEMS:
        np.testing.assert_array_equal(row_of(found.model, "item", item), row_of(model, "item", item))
    assert found.model.item_counts.sum() == model.seen.offsets[-1] + 2 + (10 not in seen_by(model, "u00"))


def seen_by(model, user) -> list:
    ids, _, mask = model.seen.rows(model.user_vocabulary.encode([user]))
    return model.item_vocabulary.raw[np.asarray(ids[0])[np.asarray(mask[0])]].tolist()
