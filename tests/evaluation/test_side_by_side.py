"""Evaluation and lists on three devices are those of one: in a process of its own, whose devices are counted anew."""

import json
import subprocess
import sys

PROGRAM = """
import json, sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
import jax.numpy as jnp, numpy as np
from mfjax import baselines, evaluation, recommend
from mfjax.data import synthetic
from mfjax.evaluation import evaluating
from mfjax.histories import ragged
from mfjax.types import Factors

pairs = synthetic.power_law(0, num_users=301, num_items=40, num_interactions=4000)
held = np.random.default_rng(0).random(len(pairs)) < 0.3
targets, seen = ragged(pairs.select(held)), ragged(pairs.select(~held))
rng = np.random.default_rng(1)
factors = Factors(*(jnp.asarray(rng.normal(size=(rows, 5)), jnp.float32) for rows in (301, 40)))
found = {}
for name, model in (("factors", factors), ("ease", baselines.ease(pairs, reg=5.0))):
    for most in (10**6, 1):  # by a program for each block, and as one
        evaluating.MOST_BLOCKS = most
        result = evaluation.evaluate(model, targets, exclude=seen, item_counts=pairs.item_counts(), block_size=4)
        found[f"{name} {most}"] = {
            "per_user": {key: np.round(value, 6).tolist() for key, value in result.per_user.items()},
            "pooled": {key: round(value, 5) for key, value in result.pooled.items()},
            "users": result.users.tolist(),
            "recommended": result.recommended.tolist(),
        }
users = np.arange(601) % 301
for name, model in (("factors", factors), ("ease", baselines.ease(pairs, reg=5.0))):
    ids, best = recommend.top_k_on_all(model, users, k=4, exclude=seen)
    wanted, _ = recommend.top_k(model, jnp.asarray(users), k=4, exclude=seen)
    assert (ids == np.asarray(wanted)).all() and best.shape == (601, 4)
print(json.dumps(found))
"""


def found(devices: int) -> dict:
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(devices)], capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_evaluation_on_several_devices_is_that_of_one():
    one, three = found(1), found(3)
    for model in ("factors", "ease"):
        assert one[f"{model} 1"] == one[f"{model} 1000000"]
        assert three[f"{model} 1"] == one[f"{model} 1"]
