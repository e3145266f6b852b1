"""Verdicts: what passes, what misses, and the tables that need no data."""

from __future__ import annotations

import json

import pytest

from paper_repro import t2
from paper_repro.verdict import Check, Options, finish, near, report


def test_worked_example_agrees_and_the_printed_dcg_is_marked():
    checks = t2.worked_example()
    assert all(check.passed for check in checks)
    assert "13.35 is the ideal DCG" in report(checks)
    assert [check.verdict for check in checks] == ["published is wrong", "agrees", "agrees", "agrees"]


def test_toy_matrix_agrees():
    assert all(check.verdict == "ours only" for check in t2.toy_matrix(3))


def test_a_miss_is_printed_written_and_exits_with_one(tmp_path, capsys):
    checks = [near("T9", "right", 1.0, 1.0, tolerance=0.1), near("T9", "wrong", 1.0, 2.0, tolerance=0.1)]
    with pytest.raises(SystemExit) as stop:
        finish(checks, Options(out=tmp_path))
    assert stop.value.code == 1
    printed = capsys.readouterr().out
    assert "MISS" in printed
    assert "2 figures: 1 agree with the published ones, 0 are published wrongly, 0 are ours only, 1 miss" in printed
    assert [entry["passed"] for entry in json.loads((tmp_path / "paper_repro.json").read_text())] == [True, False]


def test_a_figure_that_is_not_a_number_misses():
    assert not Check(table="T9", quantity="nan", published=1.0, measured=float("nan"), low=0.0, high=2.0).passed
