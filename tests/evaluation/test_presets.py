"""Conventions named after an implementation give its values: those of ranx 0.3.21 and RecTools 0.19.0."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.evaluation import evaluate
from mfjax.histories import ragged
from mfjax.metrics.conventions import PRESETS
from mfjax.types import Interactions

NUM_USERS, NUM_ITEMS, K = 30, 50, 10
METRICS = ("ndcg", "map", "recall", "precision", "mrr", "hit_rate")

# What the two libraries print for `case`, written to their own structures.
SHARED = {
    "map": 0.06698410128965684,
    "recall": 0.1957438857438857,
    "precision": 0.15666666666666668,
    "mrr": 0.2803042328042328,
    "hit_rate": 0.8666666666666667,
}
SEEN = {
    "ranx": {**SHARED, "ndcg": 0.15201007811681613},
    "rectools": {**SHARED, "ndcg": 0.14855835096985545},
}
RANX_NDCG_BURGES = 0.13816559967166256


def case():
    """Return scores whose order is a random list for each user, and graded targets."""
    rng = np.random.default_rng(0)
    scores = np.full((NUM_USERS, NUM_ITEMS), -np.inf, np.float32)
    for user in range(NUM_USERS):
        scores[user, rng.permutation(NUM_ITEMS)[:K]] = np.arange(K, 0, -1)
    rows = []
    for user in range(NUM_USERS):
        items = rng.choice(NUM_ITEMS, rng.integers(1, 15), replace=False)
        rows += [(user, item, rng.integers(1, 4)) for item in items]
    users, items, relevances = (np.array(column) for column in zip(*rows, strict=True))
    pairs = Interactions(users, items, relevances.astype(np.float32), NUM_USERS, NUM_ITEMS)
    return lambda block: jnp.asarray(scores)[block], ragged(pairs)


@pytest.mark.parametrize("name", SEEN)
def test_the_values_are_those_of_the_implementation(name):
    found = evaluate(*case(), cutoffs=(K,), metrics=METRICS, convention=PRESETS[name]).mean()
    assert found == pytest.approx({f"{metric}@{K}": value for metric, value in SEEN[name].items()}, rel=1e-6)


def test_the_other_ndcg_of_ranx_has_exponential_gains():
    found = evaluate(*case(), metrics=("ndcg",), convention=replace(PRESETS["ranx"], gain="exponential")).mean()
    assert found["ndcg@10"] == pytest.approx(RANX_NDCG_BURGES, rel=1e-6)
