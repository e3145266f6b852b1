"""`--tune` on a small made-up ratings folder: what it adds, that it is repeated, and what it refuses."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest

from experiments.ml100k import study as ml100k
from experiments.ml100k.models import FAMILIES
from mfjax.data import datasets
from mfjax.studies import tuning
from mfjax.studies.task import last_positive
from tests.experiments.test_experiments import small

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def train(folder):
    ratings = datasets.load("ml-100k", folder).interactions
    return last_positive(ratings, min_rating=4.0, ties="file-order", key=None).train


def test_the_best_setting_joins_the_table_and_a_manifest_repeats_it(folder, tmp_path, capsys):
    options = small(folder, models=("ease", "popularity"), tune=3, out=tmp_path / "first")
    rows = ml100k.run(options)
    models = list(dict.fromkeys(row.model for row in rows))
    assert re.fullmatch(r"ease\[reg=[\d.]+\]", models[0])
    assert models[1:] == ["ease", "popularity"]
    assert "ease: 3 settings by random, the best by ndcg@10 on 3 validation splits" in capsys.readouterr().out
    ml100k.main(["--config", str(tmp_path / "first" / "results.json"), "--out", str(tmp_path / "second")])
    assert "byte for byte" in capsys.readouterr().out
    for name in ("results.json", "study-ease.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_validation_never_leaves_the_train_part(train):
    pairs = set(zip(train.users.tolist(), train.items.tolist(), strict=True))
    for task in tuning.tasks(train):
        held = set(zip(task.hidden.users.tolist(), task.hidden.items.tolist(), strict=True))
        assert held <= pairs
        assert not held & set(zip(task.train.users.tolist(), task.train.items.tolist(), strict=True))


@pytest.mark.parametrize(("model", "fixed"), [("als", {"dim": 3, "steps": 7}), ("bpr", {"dim": 3, "epochs": 7})])
def test_a_curve_ends_at_the_model_of_its_setting(model, fixed, train):
    family, task = FAMILIES[model], tuning.tasks(train)[0]
    setting, data, key = family.setting(family.parameters(fixed)), family.data(task), jax.random.key(3)
    *_, last = models = list(family.path(key, setting, data))
    assert len(models) == 5
    whole = jax.jit(family.fit)(jax.random.key(3), setting, data)
    np.testing.assert_allclose(last.users @ last.items.T, whole.users @ whole.items.T, atol=1e-5)


def test_the_gradient_walks_uphill(train):
    best = tuning.run(
        "als", FAMILIES["als"], train, trials=4, method="gradient", fixed={"dim": 3, "steps": 4}, progress=False
    )
    assert set(best) == {"dim", "steps", "reg", "alpha"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ("popularity",)}, "tune: none of the models has a search space; choose from als, "),
        ({"ties": "random"}, "tune: with --ties random what one seed hides another trains on"),
        ({"models": ("ease",), "tune_method": "gradient"}, "tune: the gradient is that of least squares"),
    ],
)
def test_what_can_not_be_tuned_says_why(changes, message, folder):
    with pytest.raises(ValueError, match=re.escape(message)):
        ml100k.run(small(folder, tune=2, **changes))
