"""Nothing stops for good: threads and CPU devices that factorise at once, each with a hard timeout.

A batched LAPACK call waits on the thread pool that another one may hold; `mfjax.factorisations` never makes one. Two
threads that call one three times, of a hundred matrices, stop in half of the tries; each case here makes dozens.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading
num_threads, num_devices, dim = map(int, sys.argv[1:4])
import jax
jax.config.update("jax_num_cpu_devices", num_devices)
import jax.numpy as jnp, numpy as np
from mfjax import als, baselines, devices, histories
from mfjax.devices import sharding
from mfjax.types import Interactions

rng = np.random.default_rng(0)
users, items = np.nonzero(rng.random((120, 80)) < 0.1)
pairs = Interactions(users.astype(np.int32), items.astype(np.int32), np.ones(len(users), np.float32), 120, 80)
data, new = histories.build(pairs, multiple_of=num_devices), histories.side(pairs)
config = als.Config(dim=dim, solver="cholesky")
start = als.init(jax.random.key(0), config, num_users=120, num_items=80)
model = als.factors(start, config)
gramian = jnp.asarray(np.eye(128, dtype=np.float32) + 0.1)

def fold_in(reg):
    return als.fold_in(new, model, als.Config(dim=dim, reg=reg), item_counts=data.items.counts)

def fit(reg):
    config = als.Config(dim=dim, solver="cholesky", reg=reg)
    return als.fit(jax.random.key(0), data, config, num_steps=2).users

def slope(reg):
    config = als.Config(dim=dim, solver="cholesky", reg=reg)
    return jnp.sum(als.step(start, data, config)[0].items ** 2)

models = jax.vmap(lambda reg: als.step(start, data, als.Config(dim=dim, reg=reg))[0].items)
works = {
    "fold_in": fold_in,
    "fold_in, jitted": jax.jit(fold_in),
    "fit": fit,
    "hypergradients": jax.jit(jax.grad(slope)),
    "ease": lambda reg: baselines.ease_weights(gramian, reg),
    "ease of many": jax.jit(jax.vmap(lambda reg: baselines.ease_weights(gramian, 1.0 + reg * jnp.arange(4.0)[0]))),
    "many models": jax.jit(models),
}
many = {"ease of many", "many models"}
if num_devices > 1:
    works = {name: works[name] for name in ("fold_in, jitted", "fit", "hypergradients", "many models")}
for name, work in works.items():
    reg = jnp.full(8, 0.1) if name in many else 0.1
    alone = np.asarray(work(reg))
    found = [None] * num_threads

    def run(number):
        with jax.default_device(jax.devices()[number % num_devices]):
            for _ in range(1 if name == "fold_in" else 6):  # without jit each call is compiled anew
                found[number] = np.asarray(work(reg))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(num_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((one == alone).all() for one in found), name
if num_devices > 1:
    mesh = devices.mesh(num_devices)
    shared = sharding.place(data, mesh)
    for _ in range(3):
        state = als.fit(
            jax.random.key(0), shared, config, num_steps=2, map_chunks=devices.MapOverDevices(mesh)
        )
    assert abs(np.asarray(state.users) - fit(config.reg)).max() < 1e-4
print("done")
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("num_threads", "num_devices", "dim"),
    [(4, 1, 128), (2, 2, 64), (4, 4, 32)],
)
def test_threads_and_devices_come_back_with_the_bits_of_one(num_threads, num_devices, dim):
    command = [sys.executable, "-c", SCRIPT, *map(str, (num_threads, num_devices, dim))]
    # What LAPACK is given does not depend on the optimiser, which would take most of the time.
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, timeout=540, env=environment)
    assert result.stdout.strip() == "done", result.stderr[-2000:]
