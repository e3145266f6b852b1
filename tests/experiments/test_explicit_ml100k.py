"""The rating experiment on a small made-up ratings folder."""

from __future__ import annotations

import json
import re

import jax
import numpy as np
import pytest

from experiments.explicit_ml100k import models, study
from experiments.explicit_ml100k.study import Options
from experiments.explicit_ml100k.tasks import by_folds, by_time
from mfjax.data import datasets
from mfjax.histories.parts import Whole
from tests.studies.made_up import pairs_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ratings(folder):
    return datasets.load("ml-100k", folder).interactions


def small(folder, **changes) -> Options:
    sizes = {"auto": {"train": 450, "folds": 2}, "global-time": {"train": 450}, "folds": {"folds": 2}}
    defaults = {"models": ("global-mean",), "seeds": 2, "data_dir": folder, "progress": False, "plot": False}
    return Options(**(defaults | sizes.get(changes.get("protocol", "auto"), {}) | changes))


def test_rows_follow_the_schema(folder, tmp_path, capsys, monkeypatch):
    grid = models.GRIDS["biased-als"]
    values = {"dim": (2,), "reg": (0.7, 1.0), "bias_share": (0.3,)}
    monkeypatch.setitem(models.GRIDS, "biased-als", grid._replace(values=values))
    small(folder, models=("user-item-bias", "biased-als"), out=tmp_path).run()
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["schema"] == 1
    rows = {(row["model"], row["metric"]): row for row in document["rows"]}
    metrics = {
        *(f"{metric}@{test}" for metric in ("rmse", "mae") for test in ("time", "time-known", "folds", "folds-known")),
        "train-rmse@time", "train-rmse@folds",
    }  # fmt: skip
    assert set(rows) == {(name, metric) for name in ("user-item-bias", "biased-als") for metric in metrics}
    row = rows["biased-als", "rmse@folds"]
    assert row["low"] <= row["mean"] <= row["high"]
    assert len(row["per_seed"]) == 2
    assert row["users"] == 40
    assert len(document["manifest"]["chosen"]["folds biased-als"]) == 2
    printed = capsys.readouterr().out
    assert re.search(r"^biased-als +\d\.\d{4} \[", printed, re.MULTILINE)
    assert re.search(r"^biased-als +time +dim 2, reg (0.7|1.0), bias share 0.3 +1 of 1$", printed, re.MULTILINE)
    assert "Comparison" in printed
    (again := tmp_path / "again").mkdir()
    code = study.main(
        ["--config", str(tmp_path / "results.json"), "--out", str(again), "--no-progress", "--no-compilation-cache"]
    )
    assert code == 0
    assert (again / "results.json").read_bytes() == (tmp_path / "results.json").read_bytes()


def test_a_parameter_that_is_given_is_not_chosen(folder, capsys):
    words = {"models": ("svd",), "protocol": "folds", "seeds": 1}
    found = small(folder, **words, sweep=("svd.dim=2,3",)).run()
    assert [str(setting) for setting in found.results.settings] == ["svd[dim=2]", "svd[dim=3]"]
    assert re.search(r"^svd\[dim=3\] +folds +rank 3 +2 of 2$", capsys.readouterr().out, re.MULTILINE)


def test_global_mean_by_hand(folder, ratings):
    results = small(folder, protocol="folds").run().results
    squares = 0.0
    for task in by_folds(jax.random.key(0), Whole(ratings), 2):
        squares += np.sum((task.hidden.values - task.train.values.mean()) ** 2)
    measured = results.means()[0, 0, results.measures.index("rmse@folds")]
    np.testing.assert_allclose(measured, np.sqrt(squares / len(ratings)), rtol=1e-5)


def test_no_test_rating_is_in_train_or_validation(ratings):
    whole = Whole(ratings)
    tasks = [by_time(whole, train=450), *by_folds(jax.random.key(0), whole, 3)]
    for task in tasks:
        train, inner = pairs_of(task.train), pairs_of(task.validation.train)
        assert inner < train
        assert pairs_of(task.validation.hidden) <= train - inner
        assert not pairs_of(task.hidden) & train
    assert set.union(*(pairs_of(task.hidden) for task in tasks[1:])) == pairs_of(ratings)


def test_every_split_is_checked_for_leaks(folder, monkeypatch):
    def leaks(split):
        raise ValueError("split: leaks")

    monkeypatch.setattr("experiments.explicit_ml100k.tasks.check_no_leak", leaks)
    for protocol in ("global-time", "folds"):
        with pytest.raises(ValueError, match="split: leaks"):
            small(folder, protocol=protocol).run()


def test_losses_fall_and_are_drawn(folder, ratings, tmp_path, monkeypatch):
    task, model = by_time(Whole(ratings), train=450), models.MODELS["als"]
    curve = np.array(study.losses_of(task, model.config(model.defaults, task), num_steps=6))
    assert np.all(np.diff(curve) <= 1e-4 * curve[:-1])
    monkeypatch.setattr(study, "losses_of", lambda task, config: curve.tolist())
    monkeypatch.setattr(models.choosing, "choose", lambda task, model, settings, **_: settings[0])
    small(folder, protocol="global-time", plot=True, out=tmp_path).run()
    assert (tmp_path / "plots" / "convergence.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds: 0 is not a whole number from 1"),
        ({"folds": 1}, "folds: 1 is not a whole number from 2"),
        ({"folds": 900}, r"folds: 900 are too many for \d+ ratings"),
        ({"folds": 3, "protocol": "global-time"}, "folds: 3 says nothing to the protocol global-time"),
        ({"protocol": "strong"}, "protocol: 'strong' is unknown"),
        ({"negatives": 9}, "negatives: 9"),
        ({"test": 0.1}, "test: 0.1 says nothing to the protocol both"),
        ({"ties": "random"}, "key: ties='random' needs a key"),
        ({"train": 4}, "train: the first 4 ratings leave none to predict"),
        ({"train": 10**6}, r"train: 1000000 \+ 0 of \d+ rows leave none for test"),
        ({"positives": 4.0, "protocol": "folds"}, "errors are of predicted ratings, and all values are 1"),
    ],
)
def test_bad_options_name_the_remedy(changes, message, folder):
    with pytest.raises(ValueError, match=message):
        small(folder, **changes).run()
