"""The two-stage experiment on a small made-up ratings folder: its table, its file and its plots."""

from __future__ import annotations

import json

import numpy as np
import pytest

from experiments.two_stage import plots
from experiments.two_stage.study import Options
from mfjax.data import datasets
from mfjax.reports.item_space import principal_components
from mfjax.studies import protocols


@pytest.fixture(scope="module")
def tasks(folder) -> protocols.Tasks:
    """The split by file order, from the library alone."""
    ratings = datasets.load("ml-100k", folder).interactions
    return protocols.leave_last(protocols.positives(ratings, 4.0), catalogue="train")


@pytest.mark.slow
def test_lines_and_plots_are_written(folder, tasks, tmp_path, capsys):
    options = Options(
        pairs=("popularity:als",), candidates=(5, 30), seeds=1, out=tmp_path, data_dir=folder, progress=False
    )
    few, all_items = options.run()
    assert few.ceiling < all_items.ceiling == 1.0
    assert few.recall <= few.ceiling + 1e-6
    assert few.low <= few.gain <= few.high
    document = json.loads((tmp_path / "two_stage.json").read_text())
    assert document["schema"] == 1
    assert document["manifest"]["splits"] == {"all": tasks.checksum}
    assert "seeds from 0" in document["manifest"]["keys"]
    assert [line["candidates"] for line in document["lines"]] == [5, 30]
    for name in ("item_space.svg", "training.svg"):
        assert b"<svg" in (tmp_path / name).read_bytes()
    assert "popularity  als" in capsys.readouterr().out


@pytest.mark.slow
def test_the_curve_of_bpr_is_looked_at_as_often_as_asked(tasks):
    (task,) = tasks.test
    bpr, curve = plots.train_bpr(task, every=20)
    assert (len(curve.loss), len(curve.auc), list(curve.ndcg)) == (50, 50, [1, 20, 40])
    assert curve.loss[-1] < curve.loss[0]
    spaces, counts = plots.spaces_of(task, bpr)
    assert list(spaces) == ["ALS", "BPR"]
    assert all(len(space.coordinates) == len(counts) for space in spaces.values())
    assert counts.min() > 0


def test_first_component_of_planted_popularity_is_popularity():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 500, 300)
    items = rng.normal(size=(300, 8)) * 0.1
    items[:, 3] -= np.log1p(counts)
    space = principal_components(items, counts)
    assert space.popularity_correlation > 0.98
    assert np.corrcoef(space.coordinates[:, 0], counts)[0, 1] > 0
    assert space.explained[0] > 0.8
