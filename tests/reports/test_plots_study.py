"""Plots and groups of users: numbers in captions and words follow the data, whatever it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mfjax.evaluation import groups
from mfjax.reports import buckets, plots_study
from mfjax.search import Trial
from tests.reports.made_up import made

PARTS = {"train ratings": groups.activity(np.arange(20) * 6, (20, 100))}


def test_groups_are_those_of_a_slow_mean():
    results = made("one", "two", seeds=2)
    results = replace(results, counts=np.where(results.users % 3 == 0, 0.0, 2.0) * results.counts)
    found = buckets.measure(results, PARTS, "ndcg@10", num_resamples=200)
    assert [(one.model, one.label) for one in found] == [
        (model, label) for label in ("<20", "20-99", ">=100") for model in ("one", "two")
    ]
    for one in found:
        inside = (PARTS["train ratings"].ids == PARTS["train ratings"].labels.index(one.label)) & (
            results.users % 3 > 0
        )
        number = ("one", "two").index(one.model)
        sums, counts = results.sums[number, :, 0][:, inside], results.counts[number, :, 0][:, inside]
        assert one.mean == pytest.approx(sums.sum() / counts.sum())
        assert one.users == inside.sum()
        assert one.low <= one.mean <= one.high


def test_groups_of_an_error_are_roots():
    results = made("one", measures=("rmse",))
    (few, *_) = buckets.measure(results, PARTS, "rmse", num_resamples=50)
    inside = PARTS["train ratings"].ids == 0
    assert few.mean == pytest.approx(np.sqrt(results.sums[0, 0, 0, inside].mean()))


@pytest.mark.parametrize(("measure", "best", "word"), [("ndcg@10", "two", "greatest"), ("mae", "one", "least")])
def test_activity_says_who_leads_each_group(measure, best, word):
    found = buckets.measure(made("one", "two", measures=(measure,)), PARTS, measure, num_resamples=50)
    plot = plots_study.activity(found)
    assert (
        f"The {word}: {'; '.join(f'{best} for train ratings {label}' for label in ('<20', '20-99', '>=100'))}."
        in plot.caption
    )
    assert f"{found[0].mean:.4g} at <20" in plot.alt
    assert b"<svg" in plot.svg()
    assert buckets.section(found).lines[0] == [
        "model",
        *(f"train ratings {x}" for x in ("<20 (4)", "20-99 (13)", ">=100 (3)")),
    ]


def test_activity_of_many_settings_shows_the_best():
    found = buckets.measure(made(*(f"m{number}." for number in range(14))), PARTS, "ndcg@10", num_resamples=50)
    plot = plots_study.activity(found)
    assert "Shown are the 12 best of 14 settings." in plot.caption
    assert [f"m{number}. " in plot.alt for number in range(14)] == [number > 1 for number in range(14)]


@pytest.mark.parametrize("count", [1, 3, 14])
def test_popularity_says_what_the_best_lists(count):
    results = made(*(f"m{number}" for number in range(count)), measures=("rmse", "recall@10"))
    results = replace(results, pooled=made(*results.settings).pooled)
    rows = results.rows(resamples=50)
    (plot,) = plots_study.popularity_bias(results, rows)
    assert f"m{count - 1} has the greatest recall@10, {results.means()[-1, 0, 1]:.4f}, and " in plot.caption
    assert f"{results.pooled['coverage@10'][-1, 0]:.4g} coverage@10" in plot.caption
    assert ("of 14" in plot.caption) == (count == 14)
    assert b"<svg" in plot.svg()


def test_popularity_of_ratings_is_no_plot():
    results = made("one", measures=("rmse",))
    assert plots_study.popularity_bias(results, results.rows(resamples=50)) == []


def test_convergence_tells_what_happened():
    losses = {"als": {"exact": [10.0, 2.0, 1.001, 1.0], "cg": [11.0, 4.0, 3.0, 3.0]}}
    ndcg = {"als": {"exact": [0.1, 0.3, 0.2, 0.2], "cg": [0.1, 0.2, 0.3, 0.4]}}
    plot = plots_study.convergence(losses, ndcg, measure="ndcg@10")
    assert (
        "als, exact is below 1 % from step 3 of 4 on, and its ndcg@10 is greatest, 0.3000, at step 2; "
        "als, cg is below 1 % at no step, and its ndcg@10 is greatest, 0.4000, at step 4." in plot.caption
    )
    assert b"<svg" in plot.svg()
    alone = plots_study.convergence({"als": {"exact": [1.0]}})
    assert "from step 1 of 1 on" in alone.caption
    assert b"<svg" in alone.svg()


@pytest.mark.parametrize(("measure", "sign", "best"), [("ndcg@10", 1, 0.5), ("rmse", -1, 0.2)])
def test_tuning_tells_the_best_trial(measure, sign, best):
    scores = [[], [0.2], [0.5], [float("nan")], [0.3]]
    trials = [Trial(number, {}, [sign * value for value in one]) for number, one in enumerate(scores)]
    plot = plots_study.tuning({"ease": trials}, measure)
    assert f"ease {best:.4f} at trial {2 if sign < 0 else 3} of 5." in plot.caption
    assert b"<svg" in plot.svg()
