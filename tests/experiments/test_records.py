"""What a run records is what it did: splits that do not leak, keys, settings and data."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments import ranking_losses
from experiments.benchmark import peers, scale
from experiments.benchmark import study as benchmark
from experiments.explicit_ml100k import study as explicit_ml100k
from experiments.ml100k import study as ml100k
from experiments.ml100k.settings import TUNED
from experiments.two_stage import study as two_stage
from mfjax import ranking
from mfjax.data import datasets
from mfjax.ranking import sampling
from mfjax.studies import records, study
from mfjax.studies import task as tasks
from tests.experiments.test_experiments import small

pytestmark = pytest.mark.slow


def split_of(folder):
    ratings = datasets.load("ml-100k", folder).interactions
    return tasks.last_positive(ratings, min_rating=4.0, ties="file-order", key=None)


def manifest_of(path) -> dict:
    return json.loads(path.read_text())["manifest"]


def losses(folder, **changes) -> ranking_losses.Options:
    defaults = {"losses": ("bpr", "warp"), "epochs": 2, "seeds": 2, "data_dir": folder, "progress": False}
    return ranking_losses.Options(**(defaults | changes))


def test_the_manifest_of_ranking_losses_says_what_was_used(folder, tmp_path):
    ranking_losses.run(losses(folder, out=tmp_path))
    manifest = manifest_of(tmp_path / "ranking_losses.json")
    split = split_of(folder)
    assert manifest["splits"] == {"all": split.checksum()}
    assert manifest["data"]["sha256"] == datasets.load("ml-100k", folder).checksum
    assert manifest["keys"].startswith("start, order and negatives: key(seed)")
    assert set(manifest["settings"]) == {"bpr", "warp"}
    # From the manifest alone: the same values to the bit.
    used, task = manifest["settings"]["warp"], tasks.test_task(split)
    names = ("dim", "batch_size", "learning_rate", "reg_user", "reg_positive", "reg_negative", "reg_bias", "init_scale")
    config = replace(TUNED["bpr"].config, loss=TUNED["warp"].config.loss, **{name: used[name] for name in names})
    data = ranking.data(task.seen, sampling.popularity(task.seen, num=used["negatives"], beta=used["beta"]))
    state = ranking.fit(jax.random.key(1), data, config, num_epochs=manifest["options"]["epochs"])
    again = task.evaluate(ranking.factors(state), metrics=("recall", "ndcg")).per_user
    found = ranking_losses.fit("warp", task, 1, 2)
    for name in study.HEADLINE:
        np.testing.assert_array_equal(found[name], again[name])


def test_two_stage_and_benchmark_have_split_checksums(folder, tmp_path, monkeypatch):
    two_stage.run(
        two_stage.Options(pairs=("popularity:ease",), candidates=(5,), seeds=1, data_dir=folder, progress=False,
                          out=tmp_path)
    )  # fmt: skip
    manifest = manifest_of(tmp_path / "two_stage.json")
    assert manifest["splits"] == {"all": split_of(folder).checksum()}
    assert "seeds from 0" in manifest["keys"]
    (tmp_path / "pairs.csv").write_text(
        "user,item\n" + "".join(f"{u},{(u * 7 + i) % 40}\n" for u in range(40) for i in range(9))
    )
    monkeypatch.setattr(peers, "available", lambda: False)
    for data in ({"data": ("600", "1e3")}, {"interactions": tmp_path / "pairs.csv"}):
        benchmark.run(benchmark.Options(tasks=("top-10",), dims=(4,), repeats=1, out=tmp_path, **data))
        manifest = manifest_of(tmp_path / "benchmark.json")
        sources = manifest["data"] if isinstance(manifest["data"], list) else [manifest["data"]]
        assert [len(one["sha256"]) for one in sources] == [64] * len(sources)
        assert list(manifest["splits"]) == [f"top-10 {one['name']}" for one in sources]


def test_the_settings_that_a_search_has_chosen_are_recorded(folder, tmp_path):
    rows = ml100k.run(small(folder, models=("ease",), tune=2, out=tmp_path))
    manifest = manifest_of(tmp_path / "results.json")
    assert rows[0].model == f"ease[reg={manifest['settings']['ease']['reg']:g}]"
    assert "search: settings by first_seed" in manifest["keys"]


def test_every_split_is_checked_for_leaks(folder, monkeypatch):
    def leaks(split):
        raise ValueError("split: leaks")

    monkeypatch.setattr(records, "check_no_leak", leaks)
    monkeypatch.setattr("mfjax.studies.rating_task.check_no_leak", leaks)
    common = {"data_dir": folder, "progress": False}
    for run, options in (
        (ml100k.run, small(folder)),
        (ranking_losses.run, losses(folder)),
        (two_stage.run, two_stage.Options(**common)),
        (explicit_ml100k.run, explicit_ml100k.Options(protocols=("folds",), **common)),
        (explicit_ml100k.run, explicit_ml100k.Options(protocols=("time",), train=450, **common)),
        (benchmark.run, benchmark.Options(data=("600",), tasks=("top-10",))),
    ):
        with pytest.raises(ValueError, match="split: leaks"):
            run(options)


def test_scale_says_what_was_made_up(tmp_path, monkeypatch):
    found = scale.Run("interactions", 1, 1, 600, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0)
    monkeypatch.setattr(scale, "interactions", lambda options: [found])
    scale.run(scale.Options(parts=("interactions",), out=tmp_path))
    manifest = manifest_of(tmp_path / "scale.json")
    assert manifest["data"]["source"] == "mfjax.data.synthetic.of_size(0, 600)"
    assert {"versions", "device", "keys", "options"} <= manifest.keys()
