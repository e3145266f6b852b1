"""experiments.benchmark: every contestant minimises the same objective, and the results follow the schema."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmark import against, peers, plots, roofline, study, timing
from experiments.benchmark.latency import latency
from experiments.benchmark.tasks import Case, Timing, ours
from mfjax import als, recommend
from mfjax.data import synthetic
from mfjax.studies import command_line
from mfjax.types import Factors

CASE = Case("made-up", synthetic.power_law(0, num_users=60, num_items=40, num_interactions=600), 8, 1, False)


def test_the_common_loss_is_that_of_als():
    config = CASE.config()
    model = ours(CASE, config)
    state = model.sweep(model.state)
    expected = float(als.loss(state, model.data, config))
    found = peers.loss(CASE.matrix, np.array(state.users), np.array(state.items))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("peer", "solver"), [("implicit", "cholesky"), ("irspack", "cholesky"), ("irspack", "ials++"), ("irspack", "cg")]
)
def test_an_exact_sweep_of_a_peer_is_ours(peer, solver):
    pytest.importorskip(peer, reason=f"the extra `peers` has {peer}")
    model = ours(CASE, CASE.config(solver="cholesky"))
    tables = tuple(np.array(table) for table in model.state[:2])
    sweeper = peers.SWEEPERS[peer](CASE.matrix, *tables, solver=solver, threads=1)
    sweeper.sweep()
    state = model.sweep(model.state)
    expected = peers.loss(CASE.matrix, np.array(state.users), np.array(state.items))
    # Three steps of conjugate gradient from a random start are near the solution, not at it.
    assert peers.loss(CASE.matrix, *sweeper.tables()) == pytest.approx(expected, rel=0.05 if solver == "cg" else 1e-4)


def test_calls_are_made_in_turns_and_the_first_is_told_apart():
    made = []
    seconds = timing.in_turns({"a": lambda: made.append("a"), "b": lambda: made.append("b")}, 2)
    assert made == ["a", "b"] + ["a", "a", "b", "b"] * 2
    assert all(one.first >= 0 and one.warm >= 0 for one in seconds.values())


def test_the_latency_of_two_stages_is_measured():
    rng = np.random.default_rng(0)
    first, second = (Factors(*(jnp.asarray(rng.normal(size=(n, 4)), jnp.float32) for n in (6, 30))) for _ in range(2))
    measured = latency(first, recommend.scorer(second), jnp.array([5, 0, 3]), candidates=3, repeats=2)
    assert measured.retrieve > 0 and measured.rerank > 0
    with pytest.raises(ValueError, match=r"users: id 6 is outside 0\.\.5"):
        latency(first, second, jnp.array([6]), candidates=3)
    with pytest.raises(ValueError, match="repeats: 0"):
        latency(first, second, jnp.array([5]), candidates=3, repeats=0)


def test_the_figures_are_drawn(tmp_path):
    curves = {"mfjax": [(0.1, 5.0), (0.2, 4.0)], "irspack cg": [(0.2, 4.5), (0.4, 4.0)]}
    lines = [
        Timing("sweep", data, dim, "cg", 1.0, 0.01 * dim, peers={"irspack cg": 0.02 * dim})
        for data in ("small", "large")
        for dim in (8, 16)
    ]
    lines.append(Timing("time-to-objective", "small", 8, "cg", 1.0, 0.2, curves=curves))
    paths = plots.write(tmp_path, lines, {"small": 100, "large": 1000})
    assert [path.name for path in paths] == ["time_by_interactions.svg", "time_by_dim.svg", "loss_small_8.svg"]
    assert all(b"<svg" in path.read_bytes() for path in paths)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_command_writes_the_schema(tmp_path):
    command = [sys.executable, "-m", "experiments.benchmark", "--data", "2000", "--dims", "8", "--repeats", "1"]
    options = ["--tasks", "sweep", "--cores", "2", "--memory", "--out", str(tmp_path)]
    done = subprocess.run(command + options, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "benchmark.json").read_text())
    assert found["schema"] == 1
    fields = {"task", "data", "dim", "solver", "first_s", "warm_s", "peak_mb", "peers", "ratio_best_peer"}
    assert all(fields <= row.keys() for row in found["rows"])
    assert [row["task"] for row in found["rows"]] == ["sweep"] * 3
    assert found["rows"][0]["peak_mb"] > 50
    assert found["manifest"]["device"]["count"] == (2 if jax.default_backend() == "cpu" else jax.device_count())


def test_the_roofline_says_what_share_is_reached():
    found = roofline.Roofline(0.1, 2e9, 4e9, 1e11, 8e10, 1e10)
    text = roofline.table(found)
    assert "a sweep takes 100.0 ms" in text
    assert [line.split()[-1] for line in text.splitlines()[3:]] == ["20%", "50%", "400%"]


def test_options_become_the_command_line_that_they_came_from():
    options = study.Options(data=("600", "700"), dims=(4,), repeats=1, beside_peers=False, against="HEAD")
    given = ["--data", "600", "700", "--dims", "4", "--repeats", "1", "--no-beside-peers"]
    assert options._arguments() == given
    assert study.Options() == command_line.parse(study.Options, [], program="experiments.benchmark")
    parsed = command_line.parse(study.Options, [*given, "--against", "HEAD"], program="experiments.benchmark")
    assert parsed == options


def test_what_has_become_slower_is_named(monkeypatch, tmp_path):
    seconds = iter([1.0, 1.05, 2.0, 2.3, 1.0, 1.2])
    row = ("sweep", "600", 4, "2 steps")
    monkeypatch.setattr(against, "_checked_out", lambda commit: contextlib.nullcontext(tmp_path))
    monkeypatch.setattr(against, "_rows", lambda tree, arguments: {row: next(seconds), (tree.name,): 1.0})
    (found,) = against.compare("HEAD~1", [])
    assert found == (row, 1.0, 1.2, pytest.approx(1.15))
    assert "HEAD~1, s" in against.table("HEAD~1", [found])
    with pytest.raises(ValueError, match=r"against: sweep 600 4 2 steps takes 1\.15 times as long as at HEAD~1"):
        against.check("HEAD~1", [found])


def test_an_unknown_commit_is_refused():
    with pytest.raises(ValueError, match=r"against: git has no 'nowhere' here|against: there is no git"):
        against.compare("nowhere", [])
