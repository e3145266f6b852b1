"""What a run records is what it did: splits that do not leak, keys, settings and data."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import jax
import numpy as np
import pytest

from experiments import ranking_losses
from experiments.benchmark import peers, scale, scale_worker
from experiments.benchmark import study as benchmark
from experiments.ml100k.models import BATCH
from experiments.two_stage import study as two_stage
from mfjax import ranking
from mfjax.data import datasets
from mfjax.ranking import sampling
from mfjax.studies import protocols
from mfjax.studies.by_gradients import by_adam

pytestmark = pytest.mark.slow


def manifest_of(path) -> dict:
    return json.loads(path.read_text())["manifest"]


def losses(folder, **changes) -> ranking_losses.Options:
    defaults = {"models": ("bpr", "warp"), "epochs": 2, "seeds": 2, "data_dir": folder, "progress": False}
    return ranking_losses.Options(**(defaults | changes))


@pytest.fixture(scope="module")
def tasks(folder) -> protocols.Tasks:
    """The split by file order, from the library alone."""
    ratings = datasets.load("ml-100k", folder).interactions
    return protocols.leave_last(protocols.positives(ratings, 4.0), catalogue="train")


def test_the_manifest_of_ranking_losses_says_what_was_used(folder, tasks, tmp_path, capsys):
    studied = losses(folder, out=tmp_path).run()
    manifest = manifest_of(tmp_path / "results.json")
    assert manifest["splits"] == {"0": tasks.checksum}
    assert manifest["data"]["sha256"] == datasets.load("ml-100k", folder).checksum
    assert manifest["keys"].startswith("start, order and negatives: key(seed)")
    assert "2 epochs, 30 negatives an example, 2 seeds" in capsys.readouterr().out
    # By hand, from the settings of the models: the same values to the bit.
    for setting in studied.results.settings:
        used, task = dict(setting.parameters), tasks.test[0]
        assert used["epochs"] == manifest["options"]["epochs"]
        data = ranking.data(task.seen, sampling.popularity(task.seen, num=30, beta=used["beta"]))
        config = by_adam(setting.model, used, BATCH)
        state = ranking.fit(jax.random.key(1), data, config, num_epochs=used["epochs"])
        again = task.evaluate(ranking.factors(state, config), metrics=("ndcg",)).per_user["ndcg@10"]
        np.testing.assert_array_equal(studied.results.per_user("ndcg@10")[setting.model][1], again)


def test_the_benchmark_has_split_checksums(tmp_path, monkeypatch):
    (tmp_path / "pairs.csv").write_text(
        "user,item\n" + "".join(f"{u},{(u * 7 + i) % 40}\n" for u in range(40) for i in range(9))
    )
    monkeypatch.setattr(peers, "available", lambda: False)
    for data in ({"data": ("600", "1e3")}, {"interactions": tmp_path / "pairs.csv"}):
        benchmark.Options(tasks=("top-k",), dims=(4,), repeats=1, out=tmp_path, **data).run()
        manifest = manifest_of(tmp_path / "benchmark.json")
        sources = manifest["data"] if isinstance(manifest["data"], list) else [manifest["data"]]
        assert [len(one["sha256"]) for one in sources] == [64] * len(sources)
        assert list(manifest["splits"]) == [f"top-k {one['name']}" for one in sources]


def test_every_split_is_checked_for_leaks(folder, monkeypatch):
    def leaks(split):
        raise ValueError("split: leaks")

    monkeypatch.setattr("mfjax.studies.tasks.check_no_leak", leaks)
    monkeypatch.setattr(benchmark, "check_no_leak", leaks)
    stages = two_stage.Options(data_dir=folder)
    for options in (losses(folder), stages, benchmark.Options(data=("600",), tasks=("top-k",))):
        with pytest.raises(ValueError, match="split: leaks"):
            options.run()


def test_scale_says_what_was_made_up(tmp_path, monkeypatch):
    found = scale.Run("interactions", 1, 1, 600, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0)
    monkeypatch.setattr(scale, "interactions", lambda options: [found])
    scale.Options(parts=("interactions",), out=tmp_path).run()
    manifest = manifest_of(tmp_path / "scale.json")
    assert manifest["data"]["source"] == "mfjax.data.synthetic.of_size(0, 600)"
    assert {"versions", "device", "keys", "options"} <= manifest.keys()
    monkeypatch.setattr(scale, "catalogues", lambda options: [replace(found, part="catalogues")])
    scale.Options(parts=("interactions", "catalogues"), out=tmp_path).run()
    sources = [one["source"] for one in manifest_of(tmp_path / "scale.json")["data"]]
    sizes = "num_users=100000, num_items=600, num_interactions=3000000"
    assert sources == ["mfjax.data.synthetic.of_size(0, 600)", f"mfjax.data.synthetic.power_law(0, {sizes})"]


def test_what_a_catalogue_is_measured_by():
    spec = {"size": 50, "dim": 2, "repeats": 2}
    found = scale_worker.catalogue(spec, num_users=40, num_interactions=300)
    assert {field.name for field in fields(scale.Run)} >= found.keys()
    assert all(found[name] > 0 for name in ("first_s", "seconds", "build_s", "top_k_s", "evaluation_s"))
