"""Smooth NDCG nears the metric of `evaluate`, has its conventions, and does not see the scale of the scores."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import cells, histories, smooth_metrics
from mfjax.evaluate import evaluate
from mfjax.types import Factors, Interactions

NUM_USERS, NUM_ITEMS = 12, 20


def problem(seed=0):
    rng = np.random.default_rng(seed)
    users, items = (ids.astype(np.int32) for ids in np.nonzero(rng.random((NUM_USERS, NUM_ITEMS)) < 0.4))
    pairs = Interactions(users, items, np.ones(len(users), np.float32), NUM_USERS, NUM_ITEMS)
    known = rng.random(len(users)) < 0.6
    candidates = jnp.arange(NUM_ITEMS) != 3
    judge = cells.judge(
        histories.ragged(pairs.select(~known)), exclude=histories.ragged(pairs.select(known)), candidates=candidates
    )
    factors = Factors(*(jnp.asarray(rng.normal(size=(n, 2)), jnp.float32) for n in (NUM_USERS, NUM_ITEMS)))
    return factors, judge


def test_smooth_ndcg_nears_ndcg_and_ignores_scale():
    factors, judge = problem()
    exact = evaluate(
        factors,
        judge.targets,
        exclude=judge.exclude,
        candidates=judge.candidates,
        cutoffs=(NUM_ITEMS,),
        metrics=("ndcg",),
    ).mean()[f"ndcg@{NUM_ITEMS}"]
    smooth = jax.jit(smooth_metrics.ndcg)
    np.testing.assert_allclose(smooth(factors, judge, sharpness=1e5), exact, atol=1e-3)
    scaled = factors._replace(users=7 * factors.users)
    np.testing.assert_allclose(smooth(scaled, judge), smooth(factors, judge), rtol=1e-5)


def test_gradients_are_finite_where_all_scores_are_equal():
    factors, judge = problem()
    flat = factors._replace(users=jnp.zeros_like(factors.users))
    gradient = jax.jit(jax.grad(smooth_metrics.ndcg))(flat, judge)
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_what_does_not_fit_is_refused():
    factors, judge = problem()
    for model, message in (
        (Factors(factors.users[:5], factors.items), "targets: has 12 users and 20 items, but the model has 5 and 20"),
        (Factors(factors.users, factors.items[:9]), "targets: has 12 users and 20 items, but the model has 12 and 9"),
    ):
        with pytest.raises(ValueError, match=message):
            smooth_metrics.ndcg(model, judge)
    with pytest.raises(ValueError, match=r"sharpness: -1\.0 is not a finite number above 0"):
        smooth_metrics.ndcg(factors, judge, sharpness=-1.0)
    with pytest.raises(ValueError, match=r"judge: a Ragged is not what is needed; pass what cells\.judge makes"):
        smooth_metrics.ndcg(factors, judge.targets)
