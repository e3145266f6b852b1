"""Smooth NDCG nears the metric of `evaluate`, has its conventions, and does not see the scale of the scores."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import evaluation, histories
from mfjax.evaluation import evaluate
from mfjax.evaluation.smooth import ndcg
from mfjax.types import Factors, Interactions

NUM_USERS, NUM_ITEMS = 12, 20


def problem(seed=0):
    rng = np.random.default_rng(seed)
    users, items = (ids.astype(np.int32) for ids in np.nonzero(rng.random((NUM_USERS, NUM_ITEMS)) < 0.4))
    pairs = Interactions(users, items, np.ones(len(users), np.float32), NUM_USERS, NUM_ITEMS)
    known = rng.random(len(users)) < 0.6
    candidates = jnp.arange(NUM_ITEMS) != 3
    held_out = evaluation.evaluation_set(
        histories.ragged(pairs.select(~known)), exclude=histories.ragged(pairs.select(known)), candidates=candidates
    )
    factors = Factors(*(jnp.asarray(rng.normal(size=(n, 2)), jnp.float32) for n in (NUM_USERS, NUM_ITEMS)))
    return factors, held_out


def test_smooth_ndcg_nears_ndcg_and_ignores_scale():
    factors, held_out = problem()
    exact = evaluate(
        factors,
        held_out.targets,
        exclude=held_out.exclude,
        candidates=held_out.candidates,
        cutoffs=(NUM_ITEMS,),
        metrics=("ndcg",),
    ).mean()[f"ndcg@{NUM_ITEMS}"]
    smooth = jax.jit(ndcg)
    np.testing.assert_allclose(smooth(factors, held_out, sharpness=1e5), exact, atol=1e-3)
    scaled = factors._replace(users=7 * factors.users)
    np.testing.assert_allclose(smooth(scaled, held_out), smooth(factors, held_out), rtol=1e-5)


def test_gradients_are_finite_where_all_scores_are_equal():
    factors, held_out = problem()
    flat = factors._replace(users=jnp.zeros_like(factors.users))
    gradient = jax.jit(jax.grad(ndcg))(flat, held_out)
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_what_does_not_fit_is_refused():
    factors, held_out = problem()
    for model, message in (
        (Factors(factors.users[:5], factors.items), "targets: has 12 users and 20 items, but the model has 5 and 20"),
        (Factors(factors.users, factors.items[:9]), "targets: has 12 users and 20 items, but the model has 12 and 9"),
    ):
        with pytest.raises(ValueError, match=message):
            ndcg(model, held_out)
    with pytest.raises(ValueError, match=r"sharpness: -1\.0 is not a finite number above 0"):
        ndcg(factors, held_out, sharpness=-1.0)
    with pytest.raises(ValueError, match=r"held_out: a Ragged is not what is needed; pass what evaluation\.eval"):
        ndcg(factors, held_out.targets)
