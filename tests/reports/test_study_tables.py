"""The tables of a study: what is marked, and numbers of differences, follow the results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax.reports import study_tables
from tests.reports.made_up import made


def test_models_have_seconds_where_they_are_asked_for():
    results = made("one", "two")
    head, first, _ = study_tables.models(results, timings=True).lines
    assert head == ["model", "ndcg@10", "first fit, s", "warm fit, s"]
    assert first[2:] == ["2.000", "1.000"]
    plain = study_tables.models(results)
    assert plain.lines[0] == ["model", "ndcg@10"]
    assert plain.best == {(2, 1)}


def test_lists_are_of_the_first_cutoff():
    (section,) = study_tables.lists(made("one", "two", measures=("ndcg@5", "ndcg@10"), cutoffs=(5, 10)))
    assert section.lines == [
        ["model", "coverage@5", "mean popularity@5"],
        ["one", "0.2000", "80.0"],
        ["two", "0.8000", "50.0"],
    ]
    assert "Gini" not in section.note
    assert study_tables.lists(made("one", measures=("rmse",))) == []


def test_differences_are_numbered_both_ways():
    results = made("one", "two", "three", measures=("ndcg@10", "recall@10"))
    (section,) = study_tables.differences(results)
    assert "Holm over 6 pairs and measures" in section.note
    assert section.lines[0] == ["", "model", "ndcg@10 differs from", "recall@10 differs from"]
    assert [line[1:3] for line in section.lines[1:]] == [["one", "2 3"], ["two", "1 3"], ["three", "1 2"]]
    (one_measure,) = study_tables.differences(results, ["recall@10"])
    assert len(one_measure.lines[0]) == 3
    assert "Holm over 3 pairs" in one_measure.note
    same = made("one", "two")
    same.sums[1] = same.sums[0]
    assert study_tables.differences(same)[0].lines[1:] == [["1", "one", "-"], ["2", "two", "-"]]


@pytest.mark.parametrize("options", [{}, {"users": 1}])
def test_nothing_is_compared_with_itself(options):
    results = made("one", **options) if not options else made("one", "two", **options)
    assert study_tables.differences(results) == study_tables.pairs(results) == []


def test_pairs_of_few_settings_are_all_told():
    results = made("one", "two", "three")
    (section,) = study_tables.pairs(results)
    # The best stands first in its pairs.
    assert [line[:2] for line in section.lines[1:]] == [["one", "two"], ["three", "one"], ["three", "two"]]
    two = results.compare()[1]
    cell = f"{-two.difference:+.4f} [{-two.high:+.4f}, {-two.low:+.4f}] p < 0.0001"
    assert section.lines[2][2] == cell
    assert section.best == {(1, 2), (2, 2), (3, 2)}


def test_pairs_of_many_settings_are_those_with_the_best():
    results = made(*(f"m{number}" for number in range(9)))
    (section,) = study_tables.pairs(results)
    assert [line[:2] for line in section.lines[1:]] == [["m8", f"m{number}"] for number in range(8)]
    assert "Shown are the pairs with m8, the best under ndcg@10." in section.note


@settings(max_examples=10, deadline=None)
@given(key=st.integers(0, 2**32), spread=st.floats(0, 1))
def test_tables_agree_with_the_results(key, spread):
    names = [f"m{number}" for number in range(4)]
    results = made(*names, measures=("ndcg@10", "rmse"))
    rng = np.random.default_rng(key)
    results = replace(results, sums=rng.random(results.sums.shape) + spread * rng.random((4, 1, 2, 1)))
    means = results.means()[:, 0]
    assert study_tables.models(results).best == {(1 + means[:, 0].argmax(), 1), (1 + means[:, 1].argmin(), 2)}
    found = {(row.metric, frozenset((row.one, row.other))): row for row in results.compare()}
    real = {pair for pair, row in found.items() if row.p_holm < 0.05}
    ((told,), (pairs,)) = study_tables.differences(results), study_tables.pairs(results)
    for column, measure in enumerate(results.measures, 2):
        for line in told.lines[1:]:
            others = {frozenset((line[1], names[int(at) - 1])) for at in line[column].split() if at != "-"}
            assert others == {pair for name, pair in real if name == measure and line[1] in pair}
        for number, line in enumerate(pairs.lines[1:], 1):
            row = found[measure, frozenset(line[:2])]
            turned = 1 if line[0] == row.one else -1
            assert float(line[column].split()[0]) == pytest.approx(turned * row.difference, abs=6e-5)
            assert ((number, column) in pairs.best) == (row.p_holm < 0.05)
