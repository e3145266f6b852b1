"""experiments.accelerator: what is written down when, the float64 solves, and the whole at a tiny size."""

from __future__ import annotations

import json
import time

import jax
import numpy as np
import pytest

from experiments.accelerator import correctness, limits, study, sweeps
from experiments.accelerator.ledger import Ledger, Line, table, text_of, turn
from mfjax import als, histories
from mfjax.als import objectives
from mfjax.data import synthetic


def a_ledger(path=None, budget=100.0):
    return Ledger(budget, sweeps.TINY, path, {"made": "here"})


def test_every_line_is_written_down_at_once(tmp_path):
    ledger = a_ledger(tmp_path / "accelerator.json")
    for number in (1, 2):
        ledger.add("als", "a sweep", ms=2.0 * number, floor_ms=1.0, chunks=number)
        found = json.loads((tmp_path / "accelerator.json").read_text())
        assert [row["more"] for row in found["rows"]] == [{"chunks": n} for n in range(1, number + 1)]
        assert found["manifest"] == {"made": "here"}
    assert text_of(ledger.lines[1]).endswith("4.000 ms  4.0 x the floor  chunks=2")
    assert "2.000  1.000" in table(ledger.lines)


def test_an_error_is_a_line_and_so_is_what_there_is_no_time_for():
    ledger = a_ledger()
    ledger.attempt("als", "a", lambda: 1 / 0)
    ledger.until(0.0)
    ledger.attempt("als", "b", lambda: ledger.add("als", "b"))
    assert [(line.name, line.status) for line in ledger.lines] == [("a", "failed"), ("b", "left out")]
    assert "ZeroDivisionError" in ledger.lines[0].more["error"]


def test_a_turn_is_timed_without_what_starts_the_loop():
    begin = time.perf_counter()
    assert 0 < turn(lambda x: x + 1.0, jax.numpy.ones(3), turns=5) < time.perf_counter() - begin


def test_the_solves_in_float64_are_those_of_als():
    pairs = synthetic.power_law(0, num_users=20, num_items=15, num_interactions=90)
    config = als.Config(objective=objectives.ials(unobserved_weight=0.2), reg=0.1, dim=4, solver="cholesky")
    start = als.init(jax.random.key(0), config, num_users=20, num_items=15)
    half_step = jax.jit(als.half_step, static_argnames="by")
    found = half_step(start.users, start.items, histories.build(pairs).users, config, by="user")
    one = np.ones(len(pairs))
    expected = correctness._solved(pairs.users, pairs.items, 20, np.asarray(start.items, np.float64), one, one, 0.2)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_difference_from_the_cpu_is_told():
    ledger = a_ledger()
    numbers = iter(np.arange(4, dtype=np.float32))
    correctness._compare(ledger, "equal", lambda: np.arange(3))
    correctness._compare(ledger, "unequal", lambda: next(numbers))
    correctness._compare(ledger, "near", lambda: next(numbers), farthest=1.5)
    assert [line.status for line in ledger.lines] == ["ok", "wrong", "ok"]
    assert [line.more["same_bits"] for line in ledger.lines] == [True, False, False]


def test_the_limits_are_measured():
    ledger = a_ledger()
    limits._copy(ledger, True)
    assert ledger.rates["bandwidth"] != 3.0e12
    assert isinstance(ledger.lines[0], Line) and ledger.lines[0].ms > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_at_a_tiny_size(tmp_path, capsys):
    sections = ("correct", "limits", "als", "evaluation")
    lines = study.Options(tiny=True, budget=3600.0, out=tmp_path, sections=sections).run()
    assert {line.section for line in lines} == set(sections)
    assert not [line for line in lines if line.status in ("wrong", "failed")], capsys.readouterr().out
    assert len(json.loads((tmp_path / "accelerator.json").read_text())["rows"]) == len(lines)
