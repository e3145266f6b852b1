"""mfjax.studies.stopped: the length that validation likes best, looked at step by step, kept in a file."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.studies import MODELS, Model, protocols, run, stopped, stopping
from mfjax.studies.curves import fit_key
from tests.studies.made_up import counting, pairs, same

TASKS = protocols.leave_last(pairs(), validation=1)


def scripted(curve: list[float], looked: list[int] | None = None) -> Model:
    """A model that is as good after a number of epochs as a curve says: so much of its scores is popularity."""

    def path(key, task, p, parts):
        lengths = [p["epochs"] * (part + 1) // parts for part in range(parts)]
        for length in lengths:
            if looked is not None:
                looked.append(length)
            yield fit(key, task, {"epochs": length})

    def fit(key, task, p):
        noise = jax.random.permutation(jax.random.key(3), task.item_counts)
        share = curve[p["epochs"] - 1]
        return same(share * task.item_counts + (1 - share) * noise)

    return Model(fit=fit, defaults={"epochs": len(curve)}, path=path, length="epochs")


def test_training_ends_when_no_look_is_better_and_the_best_length_is_kept():
    looked = []
    model = scripted([0.0, 0.4, 1.0, 0.5, 0.2, 0.1, 0.0], looked)
    assert stopped(TASKS.validation, {"mine": model}, patience=2)["mine"] == [{"epochs": 3}]
    assert looked == [1, 2, 3, 4, 5]
    looked.clear()
    assert stopped(TASKS.validation, {"mine": model}, patience=9)["mine"] == [{"epochs": 3}]
    assert looked == [1, 2, 3, 4, 5, 6, 7]


def test_of_equal_looks_the_earliest_is_the_best():
    assert stopped(TASKS.validation, {"mine": scripted([0.0, 1.0, 1.0, 1.0])}, patience=5)["mine"] == [{"epochs": 2}]


def test_long_trainings_are_looked_at_after_equal_parts(monkeypatch):
    monkeypatch.setattr(stopping, "MOST_LOOKS", 3)
    looked = []
    found = stopped(TASKS.validation, {"mine": scripted([0.0] * 5 + [1.0] + [0.0] * 4, looked)}, patience=9)
    assert looked == [3, 6, 10]
    assert found["mine"] == [{"epochs": 6}]


def test_every_setting_of_a_sweep_has_a_length_of_its_own_and_other_models_keep_theirs():
    models = {"mine": scripted([0.0, 1.0, 0.0, 0.0]), "plain": counting()}
    found = stopped(TASKS.validation, models, patience=3, sweep={"mine": {"epochs": [1, 4]}})
    assert found == {"mine": [{"epochs": 1}, {"epochs": 2}], "plain": [{"power": 1.0}]}
    results = run(TASKS.test, models, parameters=found)
    assert [str(setting) for setting in results.settings] == ["mine[epochs=1]", "mine[epochs=2]", "plain"]


@pytest.mark.parametrize(("name", "values"), [("ials", {"steps": 4}), ("bpr", {"epochs": 4, "batch": 64})])
def test_the_looks_are_fits_of_that_many_steps(name, values):
    scores = []
    chosen = {**values, "dim": 4}
    found = stopped(
        TASKS.validation, [name], patience=9, parameters={name: chosen},
        on_look=lambda setting, trial: scores.append(trial.score()),
    )  # fmt: skip
    length = MODELS[name].length
    assert length is not None and len(scores) == 4
    task = TASKS.validation[0]
    for steps, score in enumerate(scores, start=1):
        parameters = MODELS[name].parameters({**chosen, length: steps})
        fitted = MODELS[name].fit(fit_key(0, 0), task, parameters)
        wanted = task.evaluate(fitted, metrics="ndcg", cutoffs=10)
        assert score == pytest.approx(float(jnp.mean(wanted.per_user["ndcg@10"])), abs=1e-6)
    assert found[name][0][length] == 1 + int(np.argmax(scores))


def test_scores_on_disk_are_not_made_again(tmp_path):
    looked = []
    model = scripted([0.0, 1.0, 0.5], looked)
    first = stopped(TASKS.validation, {"mine": model}, patience=2, folder=tmp_path)
    looked.clear()
    assert stopped(TASKS.validation, {"mine": model}, patience=2, folder=tmp_path) == first
    assert looked == []
    stopped(TASKS.validation, {"mine": model}, patience=1, folder=tmp_path)
    assert looked


def test_a_setting_without_a_finite_solution_keeps_its_length():
    def path(key, task, p, parts):
        raise ValueError("reg: there is no finite solution")
        yield

    model = Model(fit=counting().fit, defaults={"power": 1.0, "epochs": 7}, path=path, length="epochs")
    assert stopped(TASKS.validation, {"mine": model}, patience=3)["mine"] == [{"power": 1.0, "epochs": 7}]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stopped((), ["ials"], patience=1), "tasks: nothing is held out for validation"),
        (lambda: stopped(TASKS.validation, ["ials"], patience=0), "patience: 0 is not"),
        (lambda: stopped(TASKS.validation, ["ials"], patience=1, measure="best"), "measure|metrics: "),
        (lambda: stopped(TASKS.validation, ["nobody"], patience=1), "models: 'nobody'"),
        (lambda: stopped(TASKS.validation, ["ials"], patience=1, sweep={"ease": {"reg": [1]}}), "sweep: 'ease'"),
        (lambda: Model(fit=lambda key, task, p: None, length="epochs"), "length: 'epochs' is no parameter"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"^({message})"):
        call()
