"""The main experiment on a small made-up ratings folder, and on the real one where it is."""

from __future__ import annotations

import json
import re

import jax
import numpy as np
import pyarrow.parquet
import pytest

from experiments.ml100k import models, search_als, search_ranking
from experiments.ml100k import study as ml100k
from experiments.ml100k.study import Options
from mfjax import als, ranking
from mfjax.als import objectives
from mfjax.studies import fits, running
from mfjax.studies.tables import Row
from tests.studies.made_up import pairs_of


def small(folder, **changes) -> Options:
    defaults = {"models": ("random", "popularity", "als"), "seeds": 2, "dim": 4, "data_dir": folder, "progress": False}
    return Options(**(defaults | {"compare": ("none",)} | changes))


def rows_of(folder, **changes) -> list[Row]:
    return small(folder, **changes).run().results.rows()


def tasks_of(folder) -> ml100k.Tasks:
    options = small(folder)
    return options.tasks(options.load(), options.split_key(0))


def test_rows_follow_the_schema_and_a_manifest_repeats_them(folder, tmp_path, capsys):
    options = small(folder, out=tmp_path / "first", k=(5, 10))
    options.run()
    document = json.loads((tmp_path / "first" / "results.json").read_text())
    assert document["schema"] == 1
    row = next(row for row in document["rows"] if (row["model"], row["metric"]) == ("als", "recall@10"))
    assert list(row) == list(Row.__dataclass_fields__)
    assert row["low"] <= row["mean"] <= row["high"]
    assert len(row["per_seed"]) == 2
    np.testing.assert_allclose(row["mean"], np.mean(row["per_seed"]))
    assert {"versions", "device", "data", "splits", "keys", "options"} <= set(document["manifest"])
    assert re.search(r"^als +0\.\d{4} \[0\.\d{4}, 0\.\d{4}\]", capsys.readouterr().out, re.MULTILINE)
    config = str(tmp_path / "first" / "results.json")
    assert ml100k.main(["--config", config, "--out", str(tmp_path / "second"), "--no-progress"]) == 0
    assert "byte for byte" in capsys.readouterr().out
    # The seconds of the first run too.
    for name in ("results.json", "per_user.parquet"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert ml100k.main(["--config", config, "--k", "3", "--no-progress"]) == 0
    assert re.search(r"The rows are NOT those of .*, which ran with python", capsys.readouterr().out)
    path = tmp_path / "first" / "results.json"
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0'))
    assert ml100k.main(["--config", config]) == 2
    assert "is of data with sha256 0" in capsys.readouterr().err


def test_same_seeds_same_bits_whatever_else_runs(folder):
    alone, among = rows_of(folder, models=("als",)), rows_of(folder, models=("random", "als"))
    assert [row.per_seed for row in among if row.model == "als"] == [row.per_seed for row in alone]


def test_a_swept_setting_has_the_bits_of_the_plain_run(folder):
    plain, swept = rows_of(folder, models=("als",)), rows_of(folder, models=("als",), sweep=("als.alpha=10,20",))
    assert {row.model for row in swept} == {"als[alpha=10]", "als[alpha=20]"}
    found = [
        {
            row.metric: (row.mean, row.low, row.high, row.per_seed)
            for row in rows
            if row.model in ("als", "als[alpha=10]")
        }
        for rows in (plain, swept)
    ]
    assert found[0] == found[1]


def test_random_ties_give_every_seed_its_own_split(folder):
    studied = small(folder, models=("popularity",), ties="random", seeds=4).run()
    assert len(set(studied.results.rows()[0].per_seed)) > 1
    assert list(studied.splits) == ["0", "1", "2", "3"]
    assert len(set(studied.splits.values())) == 4


def test_a_sweep_has_seconds_of_none_and_its_files(folder, tmp_path):
    options = small(
        folder, models=("als", "popularity"), sweep=("als.reg=0.1,1", "als.steps=2,3"), compare=("all",), out=tmp_path
    )
    options.run()
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    names = [f"als[reg={reg},steps={steps}]" for reg in ("0.1", "1") for steps in (2, 3)]
    assert list(dict.fromkeys(row["model"] for row in rows)) == [*names, "popularity"]
    assert {row["seconds_first"] for row in rows} == {None}
    written = pyarrow.parquet.read_table(tmp_path / "per_user.parquet")
    assert set(written["setting"].to_pylist()) == {*names, "popularity"}
    found = json.loads((tmp_path / "comparisons.json").read_text())["comparisons"]
    assert len(found) == 10 * 2
    assert (tmp_path / "plots" / "sweep-als-reg-steps.svg").is_file()


def test_the_best_setting_of_a_search_joins_the_default(folder, tmp_path, capsys):
    options = small(folder, models=("ease", "popularity"), tune=3, out=tmp_path / "first")
    studied = options.run()
    first, second, third = map(str, studied.results.settings)
    assert (second, third) == ("ease[reg=100]", "popularity")
    chosen = json.loads((tmp_path / "first" / "results.json").read_text())["manifest"]["settings"]["ease"]["reg"]
    assert first == f"ease[reg={chosen:g}]"
    assert "3 settings by random, the best on validation" in capsys.readouterr().out


def test_validation_never_leaves_the_train_part(folder):
    tasks = tasks_of(folder)
    (test,) = tasks.test
    pairs = pairs_of(test.train)
    assert len(tasks.validation) == 3
    # Few ties in time, so that two of three ways to break them may be the same.
    assert len({fits.task_checksum(task) for task in tasks.validation}) > 1
    for task in tasks.validation:
        train, held = pairs_of(task.train), pairs_of(task.hidden)
        assert train | held == pairs
        assert not train & held


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps"), [("als", "steps"), ("bpr", "epochs")])
def test_a_path_ends_at_the_model_of_its_setting(name, steps, folder):
    model, (task, *_) = models.MODELS[name], tasks_of(folder).test
    parameters = model.parameters({"dim": 3, steps: 7})
    *_, last = found = list(model.path(jax.random.key(3), task, parameters, 5))
    assert len(found) == 5
    whole = model.fit(jax.random.key(3), task, parameters)
    np.testing.assert_allclose(last.users @ last.items.T, whole.users @ whole.items.T, atol=1e-5)


@pytest.mark.slow
def test_the_gradient_walks_uphill(folder):
    options = small(folder, models=("als",), tune=4, tune_method="gradient", set=("als.steps=4",), seeds=1)
    trials = options.run().trials["als"]
    assert set(trials[0].values) == {"reg", "alpha"}
    assert all(0 < trial.score() < 1 for trial in trials)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ("popularity",)}, "tune: none of the models has a search space; choose from item-knn, "),
        ({"ties": "random"}, "tune: with a split for every seed, what one hides another trains on"),
        ({"models": ("ease",), "tune_method": "gradient"}, "tune: the gradient is that of least squares"),
        ({"tune_by": "recall@10", "models": ("als",), "tune_method": "gradient"}, "tune: the gradient is that of NDCG"),
    ],
)
def test_what_can_not_be_tuned_says_why(changes, message, folder):
    with pytest.raises(ValueError, match=re.escape(message)):
        small(folder, tune=2, **changes).run()


@pytest.mark.parametrize("module", [search_als, search_ranking])
def test_a_search_looks_at_validation_alone(module, folder, capsys):
    words = ["--data-dir", str(folder), "--trials", "2", "--splits", "1", "--tune-method", "random", "--dim", "4"]
    words += ["--set", "bpr.epochs=2", "--loss", "bpr"] if module is search_ranking else ["--set", "ials.steps=2"]
    assert module.main([*words, "--no-progress"]) == 0
    printed = capsys.readouterr().out
    assert "2 settings by random, the best on validation" in printed
    assert "Models" not in printed


def test_published_settings_are_those_of_the_models(folder):
    task = tasks_of(folder).test[0]
    published = models.ALS.config(models.ALS.defaults, task)
    objective = objectives.implicit(alpha=10.0, confidence="value")
    assert jax.tree.leaves(published) == jax.tree.leaves(
        als.Config(objective=objective, reg=0.001, reg_exponent=0.0, dim=64)
    )
    assert models.BPR.config(models.BPR.defaults, task) == ranking.Config(dim=64, learning_rate=0.05, batch_size=1024)


def test_real_popularity_counts_and_protocol(data_dir):
    options = Options(models=("popularity",), seeds=1, data_dir=data_dir / "ml-100k", progress=False, timings=False)
    by_metric = {row.metric: row for row in options.run().results.rows()}
    assert by_metric["recall@10"].users == 942
    assert round(by_metric["recall@10"].mean * 942) == 74
    assert round(by_metric["ndcg@10"].mean, 4) == 0.0399


def test_keys_of_models_differ_and_repeat():
    first, again, other = (running.model_key(name, 3) for name in ("als", "als", "bpr"))
    assert first == again
    assert first != other
