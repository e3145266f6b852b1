"""Models that were fitted with features: newcomers with and without histories, updates, reasons and files."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest

from mfjax import als, histories, saving
from mfjax.als import objectives
from mfjax.histories import Ragged, ragged
from mfjax.recommend import model as models
from mfjax.types import Interactions
from tests.recommend.test_newcomers import ITEMS, KNOWN, ratings, row_of

PAIRS = ratings(0, KNOWN, ITEMS)
RNG = np.random.default_rng(3)
NUMBERS = {"user": RNG.normal(size=(len(KNOWN), 2)).astype(np.float32), "item": RNG.normal(size=(len(ITEMS), 4))}
NUMBERS["item"] = NUMBERS["item"].astype(np.float32)


def lists(side: str) -> Ragged:
    """The same features as lists of ids with values."""
    table = NUMBERS[side]
    rows, columns = np.nonzero(np.ones_like(table))
    return ragged(Interactions(rows.astype(np.int32), columns.astype(np.int32), table.reshape(-1), *table.shape))


def fitted(sides=("user", "item"), biases=False, as_lists=False):
    config = als.Config(
        objective=objectives.explicit(offset=3.0) if biases else objectives.ials(unobserved_weight=0.2),
        reg=0.1, bias_reg=0.2, biases=biases, dim=3, feature_reg=0.5, init_scale=1.0,
    )  # fmt: skip
    held = {f"{side}s": lists(side) if as_lists else NUMBERS[side] for side in sides}
    data = als.features.with_features(histories.build(PAIRS), **held)
    state = als.fit(jax.random.key(0), data, config, num_steps=6)
    maps = als.feature_maps(state, data, config)
    features = {f"{name[:-1]}_features": one for name, one in held.items()}
    return models.of(PAIRS, als.factors(state, config), config=config, maps=maps, **features)


def given(as_lists: bool, numbers) -> object:
    return dict(enumerate(numbers)) if as_lists else numbers


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("as_lists", [False, True])
def test_new_users_and_items_with_and_without_histories(biases, as_lists):
    model = fitted(biases=biases, as_lists=as_lists)
    new = {"new": {10: 2.0, 30: 4.0}}
    about = {"new": given(as_lists, [0.5, -1.0]), "nobody": given(as_lists, [0.5, -1.0])}
    found = model.fold_in(new, features=about)
    side = histories.side(Interactions(np.zeros(2, np.int32), np.array([0, 20], np.int32),
                                       np.array([2, 4], np.float32), 1, len(ITEMS)))  # fmt: skip
    side = als.features.side_with_features(side, np.array([[0.5, -1.0]], np.float32))
    row = als.fold_in(side, model.factors, model.config, item_counts=PAIRS.item_counts(), maps=model.maps)[0]
    wanted = np.concatenate([row[:1], row[2:]]) if biases else row
    np.testing.assert_allclose(row_of(found, "user", "new"), wanted, rtol=1e-4, atol=1e-5)
    cold = als.features.rows(np.array([[0.5, -1.0]], np.float32), model.maps.users)[0]
    wanted = np.concatenate([cold[:1], cold[2:]]) if biases else cold
    np.testing.assert_allclose(row_of(found, "user", "nobody"), wanted, rtol=1e-4, atol=1e-5)
    assert (found.user_features.num_rows if as_lists else len(found.user_features)) == len(KNOWN) + 2

    shelf = found.fold_in_items({99: {"new": 4.0, "u00": 2.0}}, features={99: given(as_lists, [1.0, 0, 0, 2.0])})
    cold = shelf.fold_in_items(features={98: given(as_lists, [1.0, 0, 0, 2.0])})
    row = als.features.rows(np.array([[1.0, 0, 0, 2.0]], np.float32), model.maps.items)[0]
    wanted = np.concatenate([row[1:2], row[2:]]) if biases else row
    np.testing.assert_allclose(row_of(cold, "item", 98), wanted, rtol=1e-4, atol=1e-5)
    assert 98 in cold.recommend("nobody", 40)[0]
    np.testing.assert_array_equal(row_of(cold, "user", "nobody"), row_of(found, "user", "nobody"))


@pytest.mark.parametrize("as_lists", [False, True])
@pytest.mark.parametrize("sides", [("user",), ("item",), ("user", "item")])
def test_a_file_keeps_features_and_maps(tmp_path, sides, as_lists):
    model = fitted(sides, as_lists=as_lists)
    saving.save(tmp_path / "model", model)
    loaded = saving.load(tmp_path / "model")
    about = {"eve": given(as_lists, [0.1, 0.2])} if "user" in sides else None
    grown, again = (one.fold_in({"eve": [10, 11]}, features=about) for one in (model, loaded))
    assert np.asarray(grown.factors.users).tobytes() == np.asarray(again.factors.users).tobytes()
    saving.save(tmp_path / "again", loaded)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize("biases", [False, True])
def test_reasons_add_up_with_features(biases):
    model = fitted(biases=biases).fold_in({"new": {10: 2.0, 30: 4.0}}, features={"new": [0.5, -1.0]})
    found = model.explain("new", pd.Series(ITEMS))
    for item, rows in found.groupby("item"):
        assert rows.contribution.sum() == pytest.approx(model.predict("new", item), rel=1e-3, abs=2e-4)


def test_an_update_keeps_to_the_map():
    model = fitted()
    found = model.update({"u00": {10: 5.0}, "eve": {10: 4.0}}, user_features={"eve": [0.5, -1.0]})
    assert found.users.tolist() == ["eve", "u00"] and 0 < found.user_drift < 0.5
    alone = model.fold_in({"eve": {10: 4.0}}, features={"eve": [0.5, -1.0]})
    np.testing.assert_allclose(row_of(found.model, "user", "eve"), row_of(alone, "user", "eve"), rtol=0.2, atol=0.05)
    with pytest.raises(ValueError, match="user_features: 'eve' has none, and the model was fitted with features"):
        model.update({"eve": {10: 4.0}})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.fold_in({"new": [10]}), "features: 'new' has none, and the model was fitted with features; give"),
        (lambda m: m.fold_in({"new": [10]}, features={"new": [1.0]}), r"features\['new'\]: \[1.0\] are not 2 numbers"),
        (lambda m: m.fold_in(features={"new": [1.0, np.nan]}), r"features\['new'\]: "),
        (lambda m: m.fold_in(features={"u00": [1.0, 2.0]}), "histories: user 'u00' is known to the model"),
        (lambda m: m.fold_in(features=[1.0]), "features: a list is not what is needed; pass a dict of raw id"),
        (lambda m: m.fold_in(), "histories: there are none, and no features either"),
        (lambda m: replace(m, maps=None), "user_features: there is no map of them"),
        (lambda m: replace(m, item_features=None), "item_features: missing"),
        (lambda m: replace(m, item_features=NUMBERS["item"][1:]), "item_features: "),
        (lambda m: replace(m, config=None), "maps: belong to a model of als.Config"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(fitted())


def test_lists_of_features_that_there_are_not():
    model = fitted(("item",), as_lists=True)
    for wrong in ([4], [-1], ["a"], {0: "x"}):
        with pytest.raises(ValueError, match=r"^features"):
            model.fold_in_items(features={99: wrong})
    with pytest.raises(ValueError, match="features: the model was fitted without features of these; pass None"):
        model.fold_in({"eve": [10]}, features={"eve": [1]})
