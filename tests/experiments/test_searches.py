"""The loop of the searches, and the tables of their trials."""

from __future__ import annotations

import math

import pytest

from mfjax.search import Trial
from mfjax.studies.searches import cells, search, table


def parabola(trial) -> float:
    x = trial.suggest_float("x", -1.0, 1.0)
    trial.set_user_attr("double", 2 * x)
    return -(x**2)


# Optuna 4 warns that this sampler is experimental.
@pytest.mark.filterwarnings("ignore:.*multivariate")
def test_search_returns_the_best_first_and_the_same_for_a_seed():
    pytest.importorskip("optuna")
    found, again = (search(parabola, trials=12, seed=3, progress=False) for _ in range(2))
    assert [trial.params for trial in found] == [trial.params for trial in again]
    scores = [trial.value for trial in found]
    assert len(scores) == 12
    assert scores == sorted(scores, reverse=True)
    head, _, first, second = table(found[:2], ("double", "x")).splitlines()
    assert head.split() == ["validation", "NDCG@10", "double", "x"]
    for line, trial in zip((first, second), found, strict=False):
        x = trial.params["x"]
        assert line.split() == [f"{number:.4g}" for number in (-(x**2), 2 * x, x)]


def test_cells_of_the_best_five_with_the_earlier_of_equals_first():
    scores = [0.1, 0.3, math.nan, 0.3, 0.25, 0.2, 0.0]
    found = [Trial(number, {"reg": number / 3}, [score]) for number, score in enumerate(scores)]
    assert cells(found, "ndcg@10", digits=2) == [
        ["ndcg@10", "trial", "reg"],
        ["0.30", "1", "0.3333"],
        ["0.30", "3", "1"],
        ["0.25", "4", "1.333"],
        ["0.20", "5", "1.667"],
        ["0.10", "0", "0"],
    ]
