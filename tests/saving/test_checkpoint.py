"""A fit that is killed and resumed ends in the bits of one that was not."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from mfjax import als, histories, ranking, saving
from mfjax.als import objectives
from mfjax.saving import checkpoint
from mfjax.types import Interactions

CONFIG = als.Config(dim=3, reg=0.1, cg_steps=4)
NUM_STEPS = 6


def pairs() -> Interactions:
    users, items = np.nonzero(np.random.default_rng(0).random((30, 20)) < 0.3)
    return Interactions(users.astype(np.int32), items.astype(np.int32), np.ones(len(users), np.float32), 30, 20)


def fit(path, *, config=CONFIG, num_steps=NUM_STEPS, kill_after=None) -> als.State:
    """Fit with a checkpoint every two steps; the process kills itself when it has taken `kill_after` steps."""
    key, data, taken = jax.random.key(3), histories.build(pairs()), 0

    def advance(state, num_steps):
        nonlocal taken
        state = als.fit(key, data, config, state=state, num_steps=num_steps)
        taken += num_steps
        if taken == kill_after:
            os.kill(os.getpid(), 9)
        return state

    return checkpoint.run(path, advance, num_steps=num_steps, every=2, made_of=(key, data, config))


def bits(state) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]


@pytest.fixture(scope="module")
def undisturbed() -> als.State:
    return als.fit(jax.random.key(3), histories.build(pairs()), CONFIG, num_steps=NUM_STEPS)


def test_killed_and_resumed_is_undisturbed(tmp_path, undisturbed):
    path = tmp_path / "als.checkpoint"
    script = f"from tests.saving.test_checkpoint import fit; fit({str(path)!r}, kill_after=4)"
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, timeout=100)
    assert killed.returncode == -9, killed.stderr.decode()
    assert path.exists()  # after two steps: it was killed before the next two were written down
    assert bits(fit(path)) == bits(undisturbed)


def test_longer_runs_go_on_and_finished_ones_take_no_step(tmp_path, undisturbed):
    path = tmp_path / "als.checkpoint"
    fit(path, num_steps=3)
    assert bits(fit(path)) == bits(undisturbed)
    assert bits(fit(path, kill_after=1)) == bits(undisturbed)


@pytest.mark.slow
def test_ranking_goes_on_as_one_longer_run(tmp_path):
    data = ranking.data(histories.ragged(pairs()))
    config = ranking.Config(dim=2, batch_size=64)

    def advance(state, num_epochs):
        return ranking.fit(jax.random.key(0), data, config, state=state, num_epochs=num_epochs)

    for num_steps in (1, 3):
        found = checkpoint.run(tmp_path / "bpr", advance, num_steps=num_steps, every=1, made_of=(data, config))
    assert bits(found) == bits(advance(None, 3))


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "als.checkpoint"
    fit(path, num_steps=2)
    data = path.read_bytes()
    for damaged in (data[:-1], data[:50], data[:100] + bytes([data[100] ^ 1]) + data[101:], b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"als.checkpoint: .*save"):
            fit(path)


def bayes(confidence):
    """An objective whose entry has the name and place of every other one made here, but not its numbers."""

    def entry(values, item_counts):
        return objectives.Entry(confidence * values, confidence * values, confidence * values)

    return objectives.Objective(entry=jax.tree_util.Partial(entry), unobserved_weight=0.1)


def changed(what):
    """Return the arguments of a fit that differs in one thing from `fit(path)`."""
    keys, data = jax.random.key(3), histories.build(pairs())
    if what == "data":
        data = histories.build(pairs().with_values(2.0))
    elif what == "split":
        data = histories.build(pairs().select(np.arange(len(pairs())) > 0))
    elif what == "key":
        keys = jax.random.key(4)
    config = {"setting": replace(CONFIG, reg=0.2), "shape": replace(CONFIG, dim=4)}.get(what, CONFIG)
    config = replace(config, objective=bayes(2.0)) if what == "objective" else config
    return keys, data, config


@pytest.mark.parametrize("what", ["data", "split", "key", "setting", "shape", "objective"])
def test_the_checkpoint_of_another_fit_is_refused(tmp_path, what):
    path = tmp_path / "als.checkpoint"
    base = replace(CONFIG, objective=bayes(1.0)) if what == "objective" else CONFIG
    fit(path, config=base, num_steps=2)
    fit(path, config=base, num_steps=2)
    key, data, config = made_of = changed(what)

    def advance(state, num_steps):
        return als.fit(jax.random.clone(key), data, config, state=state, num_steps=num_steps)

    with pytest.raises(ValueError, match=r"made_of: .* is the checkpoint of another key, data or config"):
        checkpoint.run(path, advance, num_steps=2, every=2, made_of=made_of)


@pytest.mark.parametrize("package", ["mfjax", "jax"])
def test_the_checkpoint_of_another_version_is_refused(tmp_path, monkeypatch, package):
    path = tmp_path / "als.checkpoint"
    fit(path, num_steps=2)
    now = saving.version()
    monkeypatch.setattr(checkpoint, "version", lambda: {**now, package: "0.0.1"})
    with pytest.raises(ValueError, match=rf"is the checkpoint of another version, {package} .* 0\.0\.1; go on with"):
        fit(path)


def test_numbers_out_of_range(tmp_path):
    path = tmp_path / "als.checkpoint"
    fit(path, num_steps=2)
    with pytest.raises(ValueError, match=r"num_steps: 1, but .* is after step 2"):
        fit(path, num_steps=1)
    with pytest.raises(ValueError, match="num_steps: -1 is not a whole number"):
        fit(path, num_steps=-1)
    with pytest.raises(ValueError, match="every: 0 is not a whole number"):
        checkpoint.run(path, fit, num_steps=1, every=0, made_of=None)
    with pytest.raises(ValueError, match="advance: a int is not what is needed"):
        checkpoint.run(path, 3, num_steps=1, every=1, made_of=None)
    with pytest.raises(ValueError, match="path: a int is not what is needed"):
        checkpoint.run(3, fit, num_steps=1, every=1, made_of=None)
