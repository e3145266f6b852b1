"""Several devices give one device's factors. A process has one number of CPU devices, so each case is a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
import numpy as np
from mfjax import als, devices, histories
from mfjax.devices import sharding
from mfjax.types import Interactions

rng = np.random.default_rng(0)
users, items = np.nonzero(rng.random((60, 40)) < 0.3)
pairs = Interactions(users.astype(np.int32), items.astype(np.int32), np.ones(len(users), np.float32), 60, 40)
config = als.Config(dim=8, solver=sys.argv[1])

def fitted(num_devices):
    mesh = devices.mesh(num_devices)
    data = histories.build(pairs, chunk_entries=300, width=4, multiple_of=int(sys.argv[2]))
    spread = devices.MapOverDevices(mesh)
    return als.fit(jax.random.key(0), sharding.place(data, mesh), config, num_steps=3, map_chunks=spread)

try:
    one, two = fitted(1), fitted(2)
    print(float(max(abs(a - b).max() for a, b in zip(jax.device_get(one), jax.device_get(two)))))
    print(len(two.items.sharding.device_set))
    devices.mesh(3)
except ValueError as error:
    print(error)
"""


def run(solver: str, multiple_of: int) -> list[str]:
    command = [sys.executable, "-c", SCRIPT, solver, str(multiple_of)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout.splitlines()


@pytest.mark.parametrize("solver", ["conjugate_gradient", "cholesky"])
def test_two_devices_give_the_factors_of_one(solver):
    difference, devices, message = run(solver, 2)
    assert float(difference) < 1e-5
    assert devices == "2"
    assert message.startswith("num_devices: 3 of 2; pass 1 to 2, or make more CPU devices")


def test_chunks_that_do_not_divide_say_why():
    message = "chunks do not divide over 2 devices; build the histories with multiple_of=2"
    assert message in run("conjugate_gradient", 1)[-1]
