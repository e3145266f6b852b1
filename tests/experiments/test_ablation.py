"""`--sweep`, `--compare`, `--config`: on a small made-up ratings folder."""

from __future__ import annotations

import json
import re

import jax
import numpy as np
import pytest

from experiments.ml100k import models
from experiments.ml100k import study as ml100k
from experiments.ml100k.models import FAMILIES
from experiments.ml100k.study import Options
from mfjax.search import cells
from mfjax.studies import ablation
from mfjax.studies.options import parse
from tests.experiments.test_experiments import small

pytestmark = pytest.mark.slow

SWEEP = ("als.reg=0.1,1", "als.steps=2,3")


@pytest.fixture(scope="module")
def swept(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("swept")
    rows = ml100k.run(small(folder, sweep=SWEEP, compare=("als", "popularity"), out=out, k=(5,)))
    return out, rows


def test_a_sweep_has_a_row_for_every_setting_and_no_seconds(swept):
    _, rows = swept
    models = list(dict.fromkeys(row.model for row in rows))
    assert models == [f"als[reg={reg},steps={steps}]" for reg in ("0.1", "1") for steps in (2, 3)] + ["popularity"]
    assert {(row.seconds_first, row.seconds_warm) for row in rows} == {(None, None)}


def test_a_setting_has_the_bits_of_the_plain_run(folder):
    defaults = FAMILIES["als"].defaults
    plain = ml100k.run(small(folder, models=("als",), timings=False))
    (word,) = [f"als.alpha={defaults['alpha']:g}"]
    swept = ml100k.run(small(folder, sweep=(word,)))
    assert {row.model for row in swept} == {"als[alpha=10]"}
    values = [{row.metric: (row.mean, row.low, row.high, row.per_seed) for row in rows} for rows in (plain, swept)]
    assert values[0] == values[1]


def test_files_of_a_sweep(swept):
    out, rows = swept
    assert {path.name for path in out.iterdir()} == {
        "results.json", "per_user.npz", "comparisons.json", "sweep-als.png", "cells"
    }  # fmt: skip
    with np.load(out / "per_user.npz") as saved:
        assert saved["values"].shape == (5, 2, len(saved["metrics"]), len(saved["users"]))
        metric = list(saved["metrics"]).index("ndcg@5")
        mean = saved["values"][1, :, metric].mean(dtype=np.float64)
        assert saved["users"].min() >= 1
    row = next(row for row in rows if (row.model, row.metric) == ("als[reg=0.1,steps=3]", "ndcg@5"))
    np.testing.assert_allclose(mean, row.mean, rtol=1e-6)
    found = json.loads((out / "comparisons.json").read_text())["comparisons"]
    assert len(found) == 10 * 2
    assert {"metric", "one", "other", "difference", "low", "high", "p", "p_holm"} <= found[0].keys()
    assert (out / "sweep-als.png").read_bytes().startswith(b"\x89PNG")


def test_a_manifest_repeats_its_rows_and_files_byte_for_byte(swept, tmp_path, capsys):
    out, _ = swept
    ml100k.main(["--config", str(out / "results.json"), "--out", str(tmp_path)])
    assert "byte for byte" in capsys.readouterr().out
    for name in ("results.json", "per_user.npz", "comparisons.json", "sweep-als.png"):
        assert (out / name).read_bytes() == (tmp_path / name).read_bytes()


def test_the_manifest_of_a_plain_run_keeps_its_seconds(folder, tmp_path, capsys):
    first = ml100k.run(small(folder, models=("popularity",), out=tmp_path / "first"))
    ml100k.main(["--config", str(tmp_path / "first" / "results.json"), "--out", str(tmp_path / "second")])
    assert "byte for byte" in capsys.readouterr().out
    rows = json.loads((tmp_path / "second" / "results.json").read_text())["rows"]
    assert rows[0]["seconds_first"] == first[0].seconds_first


def test_other_rows_are_said_to_be_other(folder, tmp_path, capsys):
    ml100k.run(small(folder, models=("popularity",), out=tmp_path))
    ml100k.main(["--config", str(tmp_path / "results.json"), "--k", "3"])
    assert re.search(r"The rows are NOT those of .*, which ran with python", capsys.readouterr().out)


def test_other_data_is_refused(folder, tmp_path):
    ml100k.run(small(folder, models=("popularity",), out=tmp_path))
    path = tmp_path / "results.json"
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0'))
    with pytest.raises(SystemExit, match=r"error: config: .* is of data with sha256 0"):
        ml100k.main(["--config", str(path)])


def test_toml_gives_the_options_and_the_command_line_wins(tmp_path, monkeypatch):
    path = tmp_path / "run.toml"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    path.write_text('seeds = 8\nk = [5, 10]\ndata-dir = "here"\nmodels = ["als"]\nmin_rating = 3\n')
    options = parse(Options, ["--config", str(path), "--seeds", "2"], program="experiments.ml100k")
    assert (options.seeds, options.k, str(options.data_dir), options.models) == (2, (5, 10), "here", ("als",))
    assert options.min_rating == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 8", "'seed' is unknown; choose from models, seeds"),
        ("seeds = 'two'", "seeds = 'two' is not of type int"),
        ("seeds = true", "seeds = True is not of type int"),
        ("seeds = ", "Invalid value"),
        (None, "is not a file"),
    ],
)
def test_bad_configurations_name_the_remedy(text, message, tmp_path):
    path = tmp_path / "run.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match=re.escape(message)):
        parse(Options, ["--config", str(path)], program="experiments.ml100k")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("als.reg", "'als.reg' is not of the form MODEL.PARAMETER=VALUE,VALUE"),
        ("als.reg=a", "'als.reg=a' is not of the form"),
        ("svd.reg=1", "'svd' has no parameters to sweep; choose from als, "),
        ("als.lr=1", "'lr' is no parameter; choose from reg, alpha"),
        ("als.dim=2.5", "dim: 2.5 is not a whole number"),
        ("als.reg=1,1", "repeats a parameter or a value"),
    ],
)
def test_bad_sweeps_name_the_choices(word, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ablation.parse([word], FAMILIES)


PLAIN = {
    "als": cells.Training(models.ALS_PUBLISHED, models.ALS_PUBLISHED_STEPS),
    "als-tuned": cells.Training(models.ALS_TUNED, models.ALS_TUNED_STEPS),
    "bpr": cells.Training(models.BPR_PUBLISHED, models.BPR_PUBLISHED_EPOCHS),
    "ease": {"reg": 100.0},
}


@pytest.mark.parametrize("model", FAMILIES)
def test_default_settings_are_those_of_the_model(model):
    family = FAMILIES[model]
    setting = family.setting(family.parameters({}))
    assert jax.tree.structure(setting) == jax.tree.structure(PLAIN[model])
    assert jax.tree.leaves(setting) == jax.tree.leaves(PLAIN[model])
