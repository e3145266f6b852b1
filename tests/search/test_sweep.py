"""Sweeps: the bits of the single run, one compilation a group, and no finished cell computed twice."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, evaluation, histories, ranking, saving
from mfjax.als import objectives
from mfjax.evaluation import evaluate
from mfjax.search import cells, sweep
from mfjax.types import Interactions

pytestmark = pytest.mark.slow

NUM_USERS, NUM_ITEMS = 40, 30


def split(seed: int = 0) -> tuple[Interactions, Interactions]:
    """Random pairs, the last of every user hidden."""
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((NUM_USERS, NUM_ITEMS)) < 0.3)
    users, items = users.astype(np.int32), items.astype(np.int32)
    pairs = Interactions(users, items, np.ones(len(users), np.float32), NUM_USERS, NUM_ITEMS)
    last = np.append(users[1:] != users[:-1], True)
    return pairs.select(~last), pairs.select(last)


@pytest.fixture(scope="module")
def data():
    train, hidden = split()
    held_out = evaluation.evaluation_set(histories.ragged(hidden), exclude=histories.ragged(train))
    return histories.build(train, chunk_entries=64, width=8), held_out


def keys_of(seeds) -> jax.Array:
    return jnp.stack([jax.random.key(seed) for seed in seeds])


SETTINGS = [
    cells.Training(als.Config(objective=objectives.ials(unobserved_weight=w), reg=reg, reg_exponent=0.0, dim=4), steps)
    for w, reg, steps in ((0.1, 0.5, 3), (0.1, 2.0, 3), (0.7, 0.5, 5))
]
CELL = cells.measured(cells.als_factors, metrics=("ndcg", "auc"), cutoffs=(5,))


def assert_same_bits(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_grid_is_the_product_in_order():
    points = sweep.grid({"reg": [1, 2], "alpha": [3, 4]})
    assert points == [
        {"reg": 1, "alpha": 3}, {"reg": 1, "alpha": 4}, {"reg": 2, "alpha": 3}, {"reg": 2, "alpha": 4}
    ]  # fmt: skip


def test_map_has_the_bits_of_single_runs_whatever_the_chunk(data):
    found = sweep.run(CELL, keys_of(range(2)), SETTINGS, data, mode="map")
    assert found.per_user.shape == (3, 2, 2, NUM_USERS)
    for row, setting in enumerate(SETTINGS):
        for column in range(2):
            alone = CELL.compiled(jax.random.key(column), setting, data)
            assert_same_bits(jax.tree.map(lambda leaf, at=(row, column): leaf[at], found), alone)
    assert_same_bits(sweep.run(CELL, keys_of(range(2)), SETTINGS, data, mode="map", chunk=4), found)


def test_vmap_and_the_pure_sweep_are_close(data):
    def keys():
        return jax.random.split(jax.random.key(0), 3)

    found = {
        "single": sweep.run(cells.als_factors, keys(), SETTINGS, data[0], mode="map"),
        "vmap": sweep.run(cells.als_factors, keys(), SETTINGS, data[0], mode="vmap", chunk=4),
        "pure": jax.jit(sweep.over(cells.als_factors, "map"))(keys(), sweep.stack(SETTINGS), data[0]),
    }
    scores = {name: model.users @ model.items.swapaxes(-1, -2) for name, model in found.items()}
    np.testing.assert_allclose(scores["vmap"], scores["single"], atol=1e-5)
    np.testing.assert_allclose(scores["pure"], scores["single"][range(3), range(3)], atol=1e-5)


def test_a_cell_has_the_bits_of_fit(data):
    found = sweep.run(cells.als_factors, keys_of([0]), SETTINGS[:1], data[0], mode="map")
    steps: list[int] = []
    for on_step in (None, lambda state, info: steps.append(int(state.step))):
        state = als.fit(jax.random.key(0), data[0], SETTINGS[0].config, num_steps=3, on_step=on_step)
        assert_same_bits(found.users[0, 0], state.users)
        assert_same_bits(found.items[0, 0], state.items)
    assert steps == [1, 2, 3]


def test_cells_measure_as_evaluate(data):
    train, held_out = data
    counts = np.asarray(train.items.counts)
    held_out = replace(held_out, item_counts=jnp.asarray(counts))
    found = sweep.run(CELL, keys_of([0]), SETTINGS[:1], (train, held_out), mode="map")
    state = als.fit(jax.random.key(0), train, SETTINGS[0].config, num_steps=3)
    model = als.factors(state, SETTINGS[0].config)
    values = evaluate(
        model, held_out.targets, exclude=held_out.exclude, cutoffs=(5,), metrics=("ndcg", "auc"), item_counts=counts
    )
    for row, name in enumerate(("ndcg@5", "auc")):
        np.testing.assert_array_equal(found.per_user[0, 0, row], values.per_user[name])
    assert {name: float(value[0, 0]) for name, value in found.pooled.items()} == values.pooled


def test_ranking_models_sweep_alike():
    train, hidden = split()
    held_out = evaluation.evaluation_set(histories.ragged(hidden), exclude=histories.ragged(train))
    positives = ranking.data(histories.ragged(train))
    settings = [cells.Training(ranking.Config(dim=4, batch_size=64, learning_rate=rate), 2) for rate in (0.05, 0.2)]
    cell = cells.measured(cells.ranking_factors, metrics=("ndcg",), cutoffs=(5,))
    found = sweep.run(cell, keys_of(range(2)), settings, (positives, held_out), mode="map")
    state = ranking.fit(jax.random.key(1), positives, settings[1].config, num_epochs=2)
    alone = evaluate(
        ranking.factors(state, settings[1].config),
        held_out.targets,
        exclude=held_out.exclude,
        cutoffs=(5,),
        metrics=("ndcg",),
    ).per_user["ndcg@5"]
    np.testing.assert_allclose(found.per_user[1, 1, 0], alone, atol=1e-6)
    assert np.abs(found.per_user[0] - found.per_user[1]).max() > 0


@pytest.mark.parametrize("kept", [False, True])
def test_one_trace_for_each_group_of_static_fields(kept, tmp_path):
    traces = []

    def cell(key, setting, data):
        traces.append(setting.config.dim)
        return jax.random.normal(key, (setting.config.dim,)).sum() * setting.config.reg + data

    settings = [cells.Training(als.Config(dim=dim, reg=reg), 1) for dim in (2, 3) for reg in (0.1, 1.0, 10.0)]
    settings = settings[::2] + settings[1::2]
    found = sweep.run(
        cell, keys_of(range(3)), settings, jnp.float32(1.0), mode="map", folder=tmp_path if kept else None
    )
    assert sorted(traces) == [2, 3]
    assert found.shape == (6, 3)
    alone = jax.jit(lambda key: jax.random.normal(key, (3,)).sum() * 10.0 + 1.0)(jax.random.key(2))
    where = [(s.config.dim, s.config.reg) for s in settings].index((3, 10.0))
    np.testing.assert_allclose(found[where, 2], alone, rtol=1e-6)


def scaled(key, setting, data):
    return {"value": setting["scale"] * jax.random.normal(key, (2,)) + data}


def test_finished_cells_are_read_not_computed(tmp_path):
    told, settings = [], [{"scale": jnp.float32(s)} for s in (1, 2, 3)]
    whole = sweep.run(scaled, keys_of(range(3)), settings, jnp.float32(1), folder=tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(files) == 9
    for name in sorted(files)[:4]:
        (tmp_path / name).unlink()
    on_cells = lambda done, total: told.append((done, total))  # noqa: E731
    again = sweep.run(scaled, keys_of(range(3)), settings, jnp.float32(1), folder=tmp_path, on_cells=on_cells, chunk=3)
    assert told[0] == (5, 9)
    assert told[-1] == (9, 9)
    assert_same_bits(again, whole)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize("change", ["data", "setting", "key", "program"])
def test_a_cell_is_never_taken_for_another(change, tmp_path):
    sweep.run(scaled, keys_of([0]), [{"scale": 1.0}], jnp.float32(1), folder=tmp_path)
    cell, key, setting, data = scaled, keys_of([0]), {"scale": 1.0}, jnp.float32(1)
    if change == "data":
        data = jnp.float32(2)
    elif change == "setting":
        setting = {"scale": 2.0}
    elif change == "key":
        key = keys_of([1])
    else:
        factor = np.arange(2, dtype=np.float32)
        cell = lambda *arguments: {"value": scaled(*arguments)["value"] * factor}  # noqa: E731
    sweep.run(cell, key, [setting], data, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.search.test_sweep import killable_sweep

def on_cells(done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

killable_sweep(Path(sys.argv[1]), on_cells)
"""


def killable_sweep(folder: Path, on_cells=None):
    train, hidden = split()
    held_out = evaluation.evaluation_set(histories.ragged(hidden), exclude=histories.ragged(train))
    data = histories.build(train, chunk_entries=64, width=8), held_out
    return sweep.run(CELL, keys_of(range(2)), SETTINGS[:2], data, mode="map", folder=folder, on_cells=on_cells)


def test_a_killed_sweep_goes_on_and_ends_in_the_same_bytes(tmp_path):
    root, killed, whole = Path(__file__).resolve().parents[2], tmp_path / "killed", tmp_path / "whole"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(killed)], cwd=root, timeout=100)
    assert ended.returncode == -9
    finished = {path.name: path.read_bytes() for path in killed.iterdir()}
    assert len(finished) == 2
    told: list[int] = []
    after = killable_sweep(killed, lambda done, total: told.append(done))
    assert told == [2, 3, 4]
    assert_same_bits(after, killable_sweep(whole))
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (killed, whole)]
    assert contents[0] == contents[1]
    assert finished.items() <= contents[1].items()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": []}, "settings, keys: 0 settings"),
        ({"chunk": 0}, "chunk: 0 is not a whole number of at least 1"),
        ({"mode": "scan"}, "mode: 'scan' is unknown; pass 'vmap' or 'map'"),
        ({"chunk": 1.5}, r"chunk: 1\.5 is not a whole number"),
        ({"cell": 3}, "cell: 3 is no function"),
        ({"keys": jax.random.key(0)}, r"keys: key<fry>\[\] is no list of keys; pass jax.random.split"),
        ({"keys": np.zeros((2, 2), np.uint32)}, r"keys: uint32\[2, 2\] is no list of keys"),
        ({"keys": [0, 1]}, r"keys: \[0, 1\] is no list of keys"),
        ({"settings": {"scale": 1.0}}, "settings: a dict is not what is needed; pass a list of settings"),
        ({"settings": cells.Training(als.Config(dim=2), 1)}, "settings: one Training is no list"),
        ({"settings": [{"scale": "much"}]}, "settings: 'much' is no number; make it a static field"),
        ({"settings": [{"scale": 2**40}]}, "settings: 1099511627776 is not a whole number"),
        ({"folder": 3}, "folder: a int is not what is needed"),
        (
            {"settings": [jnp.ones(2), jnp.ones(3)], "cell": lambda key, setting, data: setting},
            "cell: results have the",
        ),
    ],
)
def test_bad_calls_say_what_to_do(changes, message):
    arguments = {"cell": scaled, "keys": keys_of([0]), "settings": [{"scale": 1.0}], "data": 1.0} | changes
    with pytest.raises(ValueError, match=message):
        sweep.run(**arguments)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"reg": 0.1}, r"axes\['reg'\]: 0\.1 is no list of values; pass such as \[0\.1\]"),
        ({"model": "als"}, r"axes\['model'\]: 'als' is no list of values; pass such as \['als'\]"),
        ({"reg": []}, r"axes\['reg'\]: there are no values"),
        ([("reg", [0.1])], "axes: a list is not what is needed"),
    ],
)
def test_axes_are_lists_of_values(axes, message):
    with pytest.raises(ValueError, match=message):
        sweep.grid(axes)


def test_stacked_trees_agree():
    with pytest.raises(ValueError, match="trees: there are none"):
        sweep.stack([])
    with pytest.raises(ValueError, match="trees: differ in structure or shapes"):
        sweep.stack([{"a": 1.0}, {"b": 1.0}])


def test_a_large_constant_of_a_cell_is_part_of_the_name(tmp_path):
    def make(last):
        table = np.zeros(5000, np.float32)
        table[-1] = last
        return lambda key, setting, data: jnp.sum(table) * setting["scale"] + data

    found = [sweep.run(make(x), keys_of([0]), [{"scale": 1.0}], jnp.float32(1), folder=tmp_path) for x in (1.0, 2.0)]
    assert [float(one[0, 0]) for one in found] == [2.0, 3.0]


def test_the_cells_of_another_version_are_not_taken(tmp_path, monkeypatch):
    for _ in range(2):
        sweep.run(scaled, keys_of([0]), [{"scale": 1.0}], jnp.float32(1), folder=tmp_path)
        monkeypatch.setattr(jax, "__version__", "0.0.1")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_cell_is_refused_by_the_name_of_its_file(tmp_path):
    def again():
        return sweep.run(scaled, keys_of([0]), [{"scale": 1.0}], jnp.float32(1), folder=str(tmp_path))

    again()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=f"{path.name}: damaged, its checksum does not match"):
        again()
    saving.save_tree(path, {"value": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match=rf"leaf .* of .*{path.name} is float\d+\[2\], saved was float32\[3\]"):
        again()
    path.unlink()
    again()
    assert path.read_bytes() == whole


def test_static_fields_are_part_of_the_name(tmp_path):
    def cell(key, setting, data):
        return jnp.float32(setting.dim) * data

    config = als.Config(dim=2)
    sweep.run(cell, keys_of([0]), [config, replace(config, dim=3)], jnp.float32(1), folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
