"""mfjax.devices.by_rows: tables in slices give one device's factors, and no program holds a whole one.

A process has one number of CPU devices, so each number is a process; each prints a line of JSON a case.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

COMMON = """
import json, re, sys
from dataclasses import replace
import jax
num_devices = int(sys.argv[1])
jax.config.update("jax_num_cpu_devices", num_devices)
jax.config.update("jax_numpy_rank_promotion", "raise")
import numpy as np
from mfjax import als, compilation, devices, histories
from mfjax.als import footprint, objectives
from mfjax.data import synthetic
from mfjax.devices import by_rows
from mfjax.types import Interactions

mesh = devices.mesh()
"""

FACTORS = """
rng = np.random.default_rng(0)
# Users 0, 1 and 60 and items 0 and 42 have no history; user 2 has one that is longer than a chunk.
users, items = np.nonzero(rng.random((57, 41)) < 0.3 * rng.random((57, 1)))
users, items = np.append(users, np.zeros(41)), np.append(items, np.arange(41))
values = rng.uniform(0.5, 1.5, len(users)).astype(np.float32)
pairs = Interactions((users + 2).astype(np.int32), (items + 1).astype(np.int32), values, 61, 43)
built = histories.build(pairs, chunk_entries=32, width=4, multiple_of=num_devices)
data, storage = by_rows.place(built, mesh)
spread = devices.MapOverDevices(mesh)
assert len(built.users.blocks) == 2

def compare(config, num_steps):
    infos = []
    note = lambda state, info: infos.append(jax.device_get(info))
    one = als.fit(jax.random.key(0), built, config, num_steps=num_steps, on_step=note)
    options = {"num_steps": num_steps, "on_step": note, "map_chunks": spread, "storage": storage}
    stored = als.fit(jax.random.key(0), data, config, **options)
    found = by_rows.gather(stored, storage)
    tables = [(np.asarray(one[side]), found[side]) for side in (0, 1)]
    difference = max(np.abs(a - b).max() / np.abs(a).max() for a, b in tables)
    again = by_rows.gather(by_rows.scatter(found, storage), storage)
    print(json.dumps({
        "difference": float(difference),
        "steps": int(found.step),
        "change": max(float(abs(a.change / b.change - 1)) for a, b in zip(infos, infos[num_steps:])),
        "returns": all(np.array_equal(a, b) for a, b in zip(again, found)),
        "devices": len(stored.users.sharding.device_set),
        "stored": [stored.users.addressable_data(0).shape[0], stored.items.addressable_data(0).shape[0]],
    }))

config = als.Config(dim=8)
compare(config, 4)
compare(replace(config, objective=objectives.ials(popularity_exponent=0.5), relaxation=1.6), 4)
# Regularised so that a row of a few entries is well determined: otherwise rounding alone moves it by 1e-5.
compare(replace(config, objective=objectives.popularity_weighted(), biases=True, reg=0.01, bias_reg=0.01), 3)
state = storage.start(lambda: als.init(jax.random.key(0), config, num_users=61, num_items=43), data)
fewer = devices.MapOverDevices(devices.mesh(1))
for attempt in (
    lambda: als.step(state, data, config, storage=storage),
    lambda: als.step(state, data, config, map_chunks=spread),
    lambda: jax.eval_shape(lambda: als.step(state, built, config, storage=storage, map_chunks=fewer)),
    lambda: by_rows.place(histories.build(pairs, chunk_entries=100_000), mesh),
):
    try:
        attempt()
    except ValueError as error:
        print(json.dumps(str(error)))
"""

MEMORY = """
dim = 24
pairs = synthetic.power_law(0, num_users=3000, num_items=2600, num_interactions=20_000)
built = histories.build(pairs, chunk_entries=256, width=8, multiple_of=num_devices)
data, storage = by_rows.place(built, mesh)
spread = devices.MapOverDevices(mesh)
config = als.Config(dim=dim)
state = storage.start(lambda: als.init(jax.random.key(0), config, num_users=3000, num_items=2600), data)
as_fit = {"donate_argnames": "state", "compiler_options": compilation.options(frugal=True)}
program = jax.jit(als.step, static_argnames="map_chunks", **as_fit)
program = program.lower(state, data, config, map_chunks=spread, storage=storage).compile()
taken, text = program.memory_analysis(), program.as_text()
collective = r"(all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)[a-z-]*[(]"
shapes = [[int(size) for size in shape.split(",")] for shape in re.findall(r"f32\\[([0-9,]+)\\]", text)]
print(json.dumps({
    "largest": int(max(np.prod(shape) for shape in shapes if shape[-1] == dim)) // dim,
    "stored": max(len(storage.users.order), len(storage.items.order)) // num_devices,
    "collectives": sorted(set(re.findall(collective, text))),
    "needed": taken.temp_size_in_bytes + taken.argument_size_in_bytes,
    "foretold": footprint.of(data, dim=dim, storage=storage).total,
    "histories": footprint.of(data, dim=dim, storage=storage).histories,
    "expected": footprint.expected(
        3000, 2600, len(pairs), dim=dim, num_devices=num_devices, width=8, chunk_entries=256, by_rows=True
    ).histories,
}))
"""


def run(script: str, num_devices: int) -> list:
    command = [sys.executable, "-c", COMMON + script, str(num_devices)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("num_devices", [2, 4])
def test_slices_give_the_factors_of_one_device(num_devices):
    *cases, no_map, no_storage, other_map, uneven = run(FACTORS, num_devices)
    assert [case["steps"] for case in cases] == [4, 4, 3]
    for case in cases:
        assert case["difference"] < 1e-5
        assert case["change"] < 1e-4
        assert case["returns"]
        assert case["devices"] == num_devices
        assert case["stored"][0] < 61
        assert case["stored"][1] < 43
    assert no_map.startswith("map_chunks: tables stored by rows are read by a map over devices; pass devices.MapOver")
    assert no_storage.startswith("state.users: shape")
    assert no_storage.endswith("with the storage of by_rows.place where they are stored by rows")
    assert other_map.startswith(
        f"map_chunks: maps over 1 devices, and tables are stored by rows on {num_devices}; pass"
    )
    assert uneven.startswith("data: 1 chunks do not divide over")


def test_no_program_holds_a_whole_table():
    (found,) = run(MEMORY, 4)
    assert found["largest"] <= found["stored"] < 2600 / 3
    assert found["collectives"] == ["all-reduce", "all-to-all"]
    assert found["needed"] <= found["foretold"] <= 2 * found["needed"]
    assert 0.7 < found["expected"] / found["histories"] < 1.4
