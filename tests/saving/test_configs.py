"""Configs in files come back as what they were; anything else there is refused by its field."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mfjax import als, ranking, saving
from mfjax.als import objectives
from mfjax.histories import Ragged
from mfjax.ranking import losses
from mfjax.recommend import Model
from mfjax.saving import configs, container
from mfjax.types import Factors, Vocabulary


def a_model(config=None, **parts) -> Model:
    factors = Factors(jnp.ones((2, 3)), jnp.ones((3, 3)))
    users, items = Vocabulary.of(["ann", "bob"]), Vocabulary.of([1, 2, 3])
    return Model(learned=factors, user_vocabulary=users, item_vocabulary=items, config=config, **parts)


OBJECTIVES = [
    objectives.explicit(offset=3.5),
    objectives.zeros_observed(),
    *(objectives.implicit(alpha=jnp.float32(0.1), confidence=name) for name in objectives.CONFIDENCES),
    objectives.ials(unobserved_weight=np.float32(0.3), popularity_exponent=0.5),
    objectives.popularity_weighted(base=0.2),
    objectives.popularity_weighted(exponent=0.7),
]
CONFIGS = [
    *(als.Config(dim=3, objective=objective, reg=jnp.float32(0.1)) for objective in OBJECTIVES),
    als.Config(dim=3, solver="cholesky", cg_tolerance=0.1, reg=1e-7, relaxation=1.5),
    *(ranking.Config(dim=3, biases=False, loss=loss, learning_rate=1 / 3) for loss in losses.LOSSES.values()),
    ranking.Config(dim=3, biases=False, score="cosine", temperature=jnp.float32(0.1)),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_config_comes_back_with_its_functions_and_bits(tmp_path, config):
    saving.save(tmp_path / "model", a_model(config))
    found = saving.load(tmp_path / "model").config
    assert jax.tree.structure(found) == jax.tree.structure(config)
    for old, new in zip(jax.tree.leaves(config), jax.tree.leaves(found), strict=True):
        assert np.asarray(old).dtype == np.asarray(new).dtype
        assert np.asarray(old).tobytes() == np.asarray(new).tobytes()
        assert isinstance(old, (int, float)) == isinstance(new, (int, float))


def test_a_config_that_was_written_before_there_were_scores_has_scalar_products():
    kind, held = configs.written(ranking.Config(dim=3, learning_rate=0.25))
    older = {name: value for name, value in held.items() if name not in ("score", "temperature")}
    assert configs.read(kind, older) == configs.read(kind, held)


def test_counts_and_weights_come_back(tmp_path):
    offsets, ids = jnp.array([0, 2, 3], jnp.int32), jnp.array([0, 2, 1], jnp.int32)
    seen = Ragged(offsets, ids, jnp.ones(3), 3, 2, jnp.array([0.5, 1.0, 2.0]))
    saving.save(tmp_path / "model", a_model(seen=seen, item_counts=np.array([1, 5, 2])))
    found = saving.load(tmp_path / "model")
    assert found.item_counts.tolist() == [1, 5, 2]
    assert found.seen.weights.tolist() == [0.5, 1.0, 2.0]


def test_other_configs_are_a_record_in_the_format_of_before(tmp_path):
    saving.save(tmp_path / "model", a_model({"reg": 0.5}))
    assert saving.load(tmp_path / "model").config == {"reg": 0.5}
    header = container.read(tmp_path / "model")[1]
    assert sorted(header) == ["config", "kind", "manifest", "objective", "rating_range", "seen"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (als.Config(dim=3, objective=objectives.Objective(entry=lambda r, c: None)), "config.objective: .* no func"),
        (ranking.Config(dim=3, biases=False, loss=partial(losses.lambdarank, k=5)), "config.loss: .* is no function"),
        (ranking.Config(dim=3, biases=False, optimizer=optax.adam(1.0)), "config: an optimiser of optax can not be"),
        (als.Config(dim=3, reg=jnp.ones(2)), "config.reg: .* is not one number"),
    ],
)  # fmt: skip
def test_what_no_file_can_hold_is_refused_or_kept_as_a_record(tmp_path, config, message):
    with pytest.raises(ValueError, match=message):
        saving.save(tmp_path / "model", a_model(config))
    assert not list(tmp_path.iterdir())
    saving.save(tmp_path / "model", a_model(saving.trees.plain(config)))
    assert saving.load(tmp_path / "model").config["dim"] == 3


WRONG = [None, True, -1, 0, 2**70, 10**400, 0.5, "", "x", "explicit", [], [1], {}, {"dtype": "float32", "value": "x"},
         {"dtype": "O", "value": 1}, {"dtype": "float32", "value": 10**400}]  # fmt: skip


@pytest.mark.parametrize("config", [CONFIGS[3], CONFIGS[-1]], ids=["als", "ranking"])
def test_a_crafted_config_is_refused_or_is_a_config(tmp_path, config):
    path = tmp_path / "model"
    saving.save(path, a_model(config))
    arrays, header = container.read(path)
    held = header["config"]
    places = [("config_kind",), ("config",), *(("config", name) for name in held)]
    places += [("config", "objective", name) for name in held.get("objective", {})]
    num_refused = 0
    for place in places:
        for value in WRONG:
            crafted = changed(header, place, value)
            try:
                container.write(path, arrays, crafted)
                found = saving.load(path).config
            except ValueError as error:
                assert "config" in str(error) or "header" in str(error)
                num_refused += 1
            else:
                assert place == ("config_kind",) or isinstance(found, (als.Config, ranking.Config))
        container.write(path, arrays, changed(header, (*place[:-1], "more"), 1))
        with pytest.raises(ValueError, match=r"config|header"):
            saving.load(path)
    assert num_refused > len(places) * len(WRONG) / 2


def changed(header: dict, place: tuple, value) -> dict:
    first, *rest = place
    return {**header, first: changed(header[first], tuple(rest), value) if rest else value}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("item_counts", np.ones(2), "item_counts: shape .2,., where there are 3 items"),
        ("item_counts", np.array([1.0, np.nan, 1.0]), "item_counts: are not all finite and at least 0"),
        ("item_counts", np.array(["a", "b", "c"]), "item_counts: dtype <U1 is not of counts"),
        ("seen.weights", np.ones(3, np.float32), "'seen.weights' is no part of a model"),
    ],
)
def test_crafted_counts_and_weights_are_refused(tmp_path, name, value, message):
    saving.save(tmp_path / "model", a_model())
    arrays, header = container.read(tmp_path / "model")
    container.write(tmp_path / "model", {**arrays, name: value}, header)
    with pytest.raises(ValueError, match=message):
        saving.load(tmp_path / "model")


def test_a_config_of_other_factors_is_refused_on_loading(tmp_path):
    saving.save(tmp_path / "model", a_model(CONFIGS[0]))
    arrays, header = container.read(tmp_path / "model")
    container.write(tmp_path / "model", arrays, changed(header, ("config", "dim"), 4))
    with pytest.raises(ValueError, match="model: config: dim 4, but the factors have 3"):
        saving.load(tmp_path / "model")
    assert configs.read(None, {"dim": 4}) == {"dim": 4}
    assert replace(CONFIGS[0], dim=4).dim == 4
