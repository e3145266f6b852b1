"""The main experiment on a small made-up ratings folder, and on the real one where it is."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from experiments.ml100k import study as ml100k
from experiments.ml100k.study import Options
from mfjax.studies import options, results, study
from mfjax.studies.options import parse


def small(folder, **changes) -> Options:
    defaults = {"models": ("random", "popularity", "als"), "seeds": 2, "dim": 4, "data_dir": folder, "progress": False}
    return Options(**(defaults | changes))


def test_rows_follow_the_schema(folder, tmp_path, capsys):
    ml100k.run(small(folder, out=tmp_path, k=(5, 10)))
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["schema"] == 1
    row = next(r for r in document["rows"] if (r["model"], r["metric"]) == ("als", "recall@10"))
    assert set(row) == {
        "model", "metric", "mean", "low", "high", "per_seed", "users", "seconds_first", "seconds_warm"
    }  # fmt: skip
    assert row["low"] <= row["mean"] <= row["high"]
    assert len(row["per_seed"]) == 2
    np.testing.assert_allclose(row["mean"], np.mean(row["per_seed"]))
    assert {"versions", "device", "data", "splits", "keys", "options"} <= set(document["manifest"])
    printed = capsys.readouterr().out
    assert re.search(r"^als +0\.\d{4} \[0\.\d{4}, 0\.\d{4}\]", printed, re.MULTILINE)


def test_same_seeds_same_bits_whatever_else_runs(folder):
    alone = ml100k.run(small(folder, models=("als",)))
    among = ml100k.run(small(folder, models=("random", "als")))
    mine = [row.per_seed for row in among if row.model == "als"]
    assert mine == [row.per_seed for row in alone]


def test_random_ties_give_every_seed_its_own_split(folder, tmp_path):
    rows = ml100k.run(small(folder, models=("popularity",), ties="random", seeds=4, out=tmp_path))
    recall = next(row for row in rows if row.metric == "recall@10")
    assert len(set(recall.per_seed)) > 1
    splits = json.loads((tmp_path / "results.json").read_text())["manifest"]["splits"]
    assert len(set(splits.values())) == 4


def test_stopping_while_writing_leaves_the_old_file(folder, tmp_path, monkeypatch):
    (tmp_path / "results.json").write_text("old")
    monkeypatch.setattr(results.json, "dumps", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        ml100k.run(small(folder, models=("popularity",), out=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "als,svd++"], "models: 'svd++' is unknown; pass 'random', 'popularity', "),
        (["--ties", "coin"], "ties: 'coin' is unknown; pass 'file-order', "),
        (["--seeds", "two"], "seeds: 'two' is not a whole number"),
        (["--k", "5,x"], "k: 'x' is not a whole number"),
        (["--seed", "2"], "unrecognized arguments: --seed 2"),
    ],
)
def test_bad_command_lines_name_the_choices(arguments, message):
    with pytest.raises(SystemExit, match=re.escape(f"error: {message}")):
        parse(Options, arguments, program="experiments.ml100k")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--seeds", "0"], "seeds: 0 is not a whole number from 1"), (["--k", "0"], "k: 0 is not a whole number from 1")],
)
def test_bad_values_end_in_one_line(arguments, message):
    with pytest.raises(SystemExit, match=f"error: {message}"):
        ml100k.main(arguments)


def test_help_shows_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit):
        parse(Options, ["--help"], program="experiments.ml100k")
    printed = capsys.readouterr().out
    assert printed.count("(default:") == len(options.dataclasses.fields(Options))


def test_real_popularity_counts_and_protocol(data_dir):
    rows = ml100k.run(Options(models=("popularity",), seeds=1, data_dir=data_dir / "ml-100k", progress=False))
    by_metric = {row.metric: row for row in rows}
    assert by_metric["recall@10"].users == 942
    assert round(by_metric["recall@10"].mean * 942) == 74
    assert round(by_metric["ndcg@10"].mean, 4) == 0.0399


def test_keys_of_models_differ_and_repeat():
    first, again, other = (study.model_key(name, 3) for name in ("als", "als", "bpr"))
    assert first == again
    assert first != other
