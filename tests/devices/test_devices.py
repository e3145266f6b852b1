"""mfjax.devices.cores: all cores, or as many as are asked for, with the factors of one."""

from __future__ import annotations

import subprocess
import sys

import jax
import numpy as np
import pytest

from mfjax import als, devices


def test_cores_are_asked_for_before_jax_begins():
    devices.use_cores(None)
    devices.use_cores(jax.device_count("cpu"))
    with pytest.raises(ValueError, match=r"cores: 99, but JAX has begun with 1"):
        devices.use_cores(99)
    for wrong in (0, 1.0, "2", True):
        with pytest.raises(ValueError, match=r"cores: .* is not a whole number of at least 1; pass a number of cores"):
            devices.use_cores(wrong)


def test_what_is_no_command_no_histories_and_not_placed():
    config = als.Config(dim=2)
    for call, message in (
        (lambda: devices.build_on_all([(0, 1)]), "interactions: "),
        (lambda: devices.start_on_all(jax.random.key(0), config, None), "data: .*build_on_all"),
        (lambda: devices.fit_on_all(jax.random.key(0), None, config), "placed: .*build_on_all"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_all_cores_find_what_one_finds(tmp_path):
    script = """
import sys
from mfjax import als, devices
from mfjax.als import footprint
from mfjax.devices import sharding
devices.use_cores(int(sys.argv[1]))
import jax, numpy as np
from mfjax.data import synthetic
pairs = synthetic.power_law(0, num_users=60, num_items=40, num_interactions=500)
placed, config = devices.build_on_all(pairs), als.Config(dim=4)
state = devices.fit_on_all(jax.random.key(0), placed, config, num_steps=3)
started = devices.start_on_all(jax.random.key(0), config, placed[0])
for table in (placed[0].users.counts, started.users):
    assert len(table.sharding.device_set) == int(sys.argv[1])
assert len(state.users.sharding.device_set) == 1
np.save(sys.argv[2], state.users)

# Copies for all cores take up to a quarter of their memory.
several, table = int(sys.argv[1]) > 1, np.zeros(8, np.float32)
for memory, shared_out in ((4 * 2 * table.nbytes, several), (4 * 2 * table.nbytes - 1, False), (None, several)):
    footprint.host_memory = lambda: memory
    assert (sharding.mesh_of_all(table) is not None) == shared_out
"""
    found = []
    for cores in ("1", "2"):
        path = tmp_path / f"{cores}.npy"
        done = subprocess.run([sys.executable, "-c", script, cores, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found.append(np.load(path))
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
