"""experiments.devices: all cores, or as many as are asked for, with the factors of one."""

from __future__ import annotations

import subprocess
import sys

import jax
import numpy as np
import pytest

from experiments import devices


def test_cores_are_asked_for_before_jax_begins():
    devices.use_cores(None)
    devices.use_cores(jax.device_count("cpu"))
    with pytest.raises(ValueError, match=r"cores: 99, but JAX has begun with 1"):
        devices.use_cores(99)
    with pytest.raises(ValueError, match="cores: 0 is below 1"):
        devices.use_cores(0)


def test_all_cores_find_what_one_finds(tmp_path):
    script = """
import sys
from experiments import devices
devices.use_cores(int(sys.argv[1]))
import jax, numpy as np
from experiments.engine.task import Task
from experiments.ml100k.models import ALS_PUBLISHED
from dataclasses import replace
from mfjax.data import synthetic
pairs = synthetic.power_law(0, num_users=60, num_items=40, num_interactions=500)
task = Task(pairs, pairs, pairs)
state = devices.fit(jax.random.key(0), task.placed, replace(ALS_PUBLISHED, dim=4), num_steps=3)
assert len(task.placed[0].users.counts.sharding.device_set) == int(sys.argv[1])
assert len(state.users.sharding.device_set) == 1
np.save(sys.argv[2], state.users)
"""
    found = []
    for cores in ("1", "2"):
        path = tmp_path / f"{cores}.npy"
        done = subprocess.run([sys.executable, "-c", script, cores, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found.append(np.load(path))
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
