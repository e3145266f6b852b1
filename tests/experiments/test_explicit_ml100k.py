"""The rating experiment on a small made-up ratings folder."""

from __future__ import annotations

import json
import re

import jax
import numpy as np
import pytest

from experiments.explicit_ml100k import curves, models
from experiments.explicit_ml100k import study as explicit_ml100k
from experiments.explicit_ml100k.study import Options
from mfjax import als
from mfjax.data import datasets
from mfjax.studies import rating_task

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ratings(folder):
    return datasets.load("ml-100k", folder).interactions


def small(folder, **changes) -> Options:
    defaults = {"models": ("global-mean",), "seeds": 2, "train": 450, "data_dir": folder, "progress": False}
    return Options(**(defaults | {"folds": 2, "plot": False} | changes))


def test_rows_follow_the_schema(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(models, "BIASED_GRID", models.BIASED_GRID[:2])
    explicit_ml100k.run(small(folder, models=("user-item-bias", "biased-als"), out=tmp_path))
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["schema"] == 1
    rows = {(row["model"], row["metric"]): row for row in document["rows"]}
    metrics = {
        f"{metric}@{test}" for metric in ("rmse", "mae", "train-rmse") for test in ("time", "time-known", "folds")
    }
    assert set(rows) == {(name, metric) for name in ("user-item-bias", "biased-als") for metric in metrics}
    row = rows["biased-als", "rmse@folds"]
    assert row["low"] <= row["mean"] <= row["high"]
    assert len(row["per_seed"]) == 2
    assert row["users"] == 40
    assert set(document["manifest"]["splits"]) == {"time 0", "folds 0", "folds 1"}
    assert len(document["manifest"]["chosen"]["folds biased-als"]) == 2
    printed = capsys.readouterr().out
    assert re.search(r"^biased-als +\d\.\d{4} \[", printed, re.MULTILINE)
    assert "biased-als, chosen on validation: dim" in printed


def test_global_mean_by_hand(folder, ratings):
    rows = explicit_ml100k.run(small(folder, protocols=("folds",)))
    squares = 0.0
    for task in rating_task.folds(jax.random.key(0), ratings, 2):
        squares += np.sum((task.tests["folds"].values - task.train.ratings.values.mean()) ** 2)
    measured = next(row.mean for row in rows if row.metric == "rmse@folds")
    np.testing.assert_allclose(measured, np.sqrt(squares / len(ratings)), rtol=1e-5)


def test_no_test_rating_is_in_train_or_validation(ratings):
    splits = [rating_task.time_split(ratings, train=450), *rating_task.folds(jax.random.key(0), ratings, 3)]
    for task in splits:
        train, inner = _pairs(task.train.ratings), _pairs(task.inner.ratings)
        assert inner < train
        assert _pairs(task.validation) <= train - inner
        assert not any(_pairs(test) & train for test in task.tests.values())
    assert set.union(*(_pairs(task.tests["folds"]) for task in splits[1:])) == _pairs(ratings)


def _pairs(ratings) -> set[tuple[int, int]]:
    return set(zip(ratings.users.tolist(), ratings.items.tolist(), strict=True))


def test_the_plot_is_a_png_of_falling_losses(ratings, tmp_path):
    task = rating_task.time_split(ratings, train=450)
    config = als.Config(**curves.PUBLISHED)
    curve = curves.trace(jax.random.key(0), task, config, "cholesky", num_steps=6)
    assert np.all(np.diff(curve) <= 1e-4 * curve[:-1])
    curves.draw({"als": {"cholesky": curve, "conjugate_gradient": curve * 1.01}}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds: 0 is not a whole number from 1"),
        ({"folds": 1}, "folds: 1 is not a whole number from 2"),
        ({"folds": 900}, r"folds: 900 are too many for \d+ ratings"),
        ({"train": 4}, "train: the first 4 ratings leave none to predict"),
        ({"train": 10**6}, r"train: 1000000 \+ 0 of \d+ rows leave none for test"),
    ],
)
def test_bad_options_name_the_remedy(changes, message, folder):
    with pytest.raises(ValueError, match=message):
        explicit_ml100k.run(small(folder, **changes))
