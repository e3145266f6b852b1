"""mfjax.studies.tune: the best of random settings by validation alone, kept in a file from which it is resumed."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from mfjax.search import Choice, Uniform
from mfjax.search.spaces import draw
from mfjax.studies import Model, curves, protocols, run, tune
from tests.studies.made_up import counting, pairs, ratings, same

SPACE = {"power": Uniform(0.1, 3.0)}


def tasks() -> protocols.Tasks:
    return protocols.leave_last(pairs(), validation=1)


def noisy() -> Model:
    """A model whose scores get better with a parameter."""

    def fit(key, task, p):
        noise = jax.random.normal(key, (task.train.num_items,))
        return same(task.item_counts * p["power"] + 9 * noise)

    return Model(fit=fit, defaults={"power": 1.0, "kind": 2}, space={**SPACE, "kind": Choice((1, 2, 3))})


def test_the_best_on_validation_is_chosen():
    told = []
    found = tune(tasks().validation, {"mine": noisy()}, trials=3, on_trial=lambda name, one: told.append((name, one)))
    scores = []
    for number in range(3):
        values = draw(0, number, noisy().space)
        # The start of the first validation task is that of a model of this name.
        plain = run(
            tasks().validation, {"validation 0": noisy()}, parameters={"validation 0": values}, metrics="ndcg@10"
        )
        scores.append(plain.means().item())
    assert [one.score() for _, one in told] == pytest.approx(scores)
    assert found["mine"] == pytest.approx(draw(0, int(np.argmax(scores)), noisy().space))
    assert isinstance(found["mine"]["kind"], int)


def test_what_is_fixed_is_not_searched_and_a_model_without_a_space_keeps_its_defaults():
    models = {"mine": noisy(), "plain": counting()}
    found = tune(tasks().validation, models, trials=2, parameters={"mine": {"power": 2.0}})
    assert found["mine"]["power"] == 2.0
    assert found["plain"] == {"power": 1.0}


def test_the_least_error_is_chosen():
    split = protocols.leave_last(ratings(), validation=2)
    scores = []
    tune(split.validation, "item-bias", trials=3, measure="rmse", on_trial=lambda name, one: scores.append(one))
    best = min(scores, key=lambda one: -one.score())
    assert all(one.score() < 0 for one in scores)
    assert tune(split.validation, "item-bias", trials=3, measure="rmse")["item-bias"] == best.values


def test_a_search_is_resumed_and_others_are_kept_apart(tmp_path, monkeypatch):
    validation = tasks().validation
    first = tune(validation, {"mine": noisy()}, trials=3, folder=tmp_path)
    calls = []
    judge = curves.judge
    monkeypatch.setattr(curves, "judge", lambda *rest, **how: calls.append(rest) or judge(*rest, **how))
    assert tune(validation, {"mine": noisy()}, trials=3, folder=tmp_path) == first
    assert not calls
    # Another measure, and another space, are other searches.
    tune(validation, {"mine": noisy()}, trials=1, folder=tmp_path, measure="recall@10")
    tune(validation, {"mine": replace(noisy(), space=SPACE)}, trials=1, folder=tmp_path)
    assert len(calls) == 2
    assert len(list((tmp_path / "fits").glob("tune-*.json"))) == 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"trials": 0}, "trials: 0"),
        ({"measure": "ndgc@10"}, "'ndgc' is unknown"),
        ({"measure": 3}, "measure: a int"),
        ({"measure": "rmse"}, "rmse is of predicted ratings"),
        ({"parameters": {"ials": {"reg": 1}}}, "parameters: 'ials' is not among the models"),
        ({"parameters": {"mine": {"size": 1}}}, "size: is no parameter"),
        ({"seed": -1}, "seed"),
        ({"tasks": ()}, "nothing is held out for validation"),
    ],
)
def test_what_makes_no_sense_is_refused(options, told):
    given = {"tasks": tasks().validation, "models": {"mine": noisy()}, "trials": 1, **options}
    with pytest.raises(ValueError, match=told):
        tune(given.pop("tasks"), given.pop("models"), **given)
