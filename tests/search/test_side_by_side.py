"""A sweep on three devices has the bits of a sweep on one, each in a process of its own."""

import subprocess
import sys

PROGRAM = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
import numpy as np
from mfjax import als, evaluation, histories
from mfjax.data import synthetic
from mfjax.search import cells, sweep

pairs = synthetic.power_law(0, num_users=60, num_items=40, num_interactions=900)
held = np.random.default_rng(0).random(len(pairs)) < 0.3
seen = histories.ragged(pairs.select(~held))
held_out = evaluation.evaluation_set(histories.ragged(pairs.select(held)), exclude=seen)
settings = [cells.Training(als.Config(dim=3, reg=reg), 3) for reg in (0.01, 0.1)]
told = []
keys = jax.random.split(jax.random.key(0), 2)
data = histories.build(pairs.select(~held)), held_out
found = sweep.run(cells.measured(cells.als_factors), keys, settings, data, on_cells=lambda *done: told.append(done))
print(found.per_user.tobytes().hex()[:400], told)
"""


def found(devices: int) -> tuple[str, str]:
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(devices)], capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stderr
    return tuple(run.stdout.strip().split(" ", 1))


def test_every_cell_has_the_bits_of_one_device():
    (one, alone), (three, together) = found(1), found(3)
    assert one == three
    assert alone == "[(1, 4), (2, 4), (3, 4), (4, 4)]"
    assert together == "[(3, 4), (4, 4)]"
