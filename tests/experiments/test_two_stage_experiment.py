"""The two-stage experiment on a small made-up ratings folder: its table, its file and its plots."""

from __future__ import annotations

import json

import numpy as np
import pytest

from experiments.two_stage import study as two_stage
from experiments.two_stage.study import Options
from mfjax.reports.item_space import principal_components

pytestmark = pytest.mark.slow


def test_lines_and_plots_are_written(folder, tmp_path, capsys):
    options = Options(
        pairs=("popularity:als",), candidates=(5, 30), seeds=1, out=tmp_path, data_dir=folder, progress=False
    )
    few, all_items = two_stage.run(options)
    assert few.ceiling < all_items.ceiling == 1.0
    assert few.recall <= few.ceiling
    assert few.low <= few.gain <= few.high
    document = json.loads((tmp_path / "two_stage.json").read_text())
    assert document["schema"] == 1
    assert [line["candidates"] for line in document["lines"]] == [5, 30]
    for name in ("item_spaces.png", "training.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert "popularity  als" in capsys.readouterr().out


@pytest.mark.parametrize("pair", ["als", "als:svd", "als:bpr:als"])
def test_a_pair_that_is_none_names_the_models(pair):
    with pytest.raises(SystemExit, match=f"error: pairs: '{pair}' is not retriever:reranker; choose both from random"):
        two_stage.main(["--pairs", pair])


def test_first_component_of_planted_popularity_is_popularity():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 500, 300)
    items = rng.normal(size=(300, 8)) * 0.1
    items[:, 3] -= np.log1p(counts)
    space = principal_components(items, counts)
    assert space.popularity_correlation > 0.98
    assert np.corrcoef(space.coordinates[:, 0], counts)[0, 1] > 0
    assert space.explained[0] > 0.8
