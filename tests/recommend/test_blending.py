"""mfjax.recommend.blending: standardised scores add up, whatever the models' scales; and the model of a study."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax import baselines
from mfjax.recommend import blending
from mfjax.studies import MODELS, protocols, run
from mfjax.studies.fitting import blended
from mfjax.types import Factors
from tests.studies.made_up import pairs

USERS, ITEMS = 5, 7


def factors(seed: int, users: int = USERS, items: int = ITEMS) -> Factors:
    rng = np.random.default_rng(seed)
    return Factors(*(jnp.asarray(rng.normal(size=(count, 3)), jnp.float32) for count in (users, items)))


def standardised(scores: np.ndarray) -> np.ndarray:
    """The slow truth, a row at a time."""
    found = np.full_like(scores, -np.inf)
    for row, values in enumerate(scores):
        real = values > -np.inf
        spread = values[real].std() if real.any() else 0.0
        found[row, real] = (values[real] - values[real].mean()) / spread if spread else 0.0
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), scale=st.floats(0.01, 100), weights=st.lists(st.floats(-2, 2), min_size=2, max_size=2))
def test_a_blend_is_the_sum_of_standardised_scores(seed, scale, weights):
    one, other = factors(seed), factors(seed + 1)
    users = jnp.array([3, 0])
    scores = [np.asarray(each.users @ each.items.T, np.float64)[[3, 0]] for each in (one, other)]
    wanted = sum(weight * standardised(each) for weight, each in zip(weights, scores, strict=True))
    larger = Factors(one.users, one.items * scale)
    found = jax.jit(lambda blend, users: blend(users))(blending.scorer([larger, other], weights), users)
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_what_a_model_does_not_recommend_is_not_recommended_and_no_part_of_the_mean():
    one = np.array([[1.0, -np.inf, 3.0, 8.0]], np.float32)
    other = np.array([[2.0, 9.0, 2.0, 2.0]], np.float32)
    found = blending.scorer([lambda users: jnp.asarray(one), lambda users: jnp.asarray(other)], [1.0, 0.0])
    np.testing.assert_allclose(found(jnp.array([0])), standardised(one), atol=1e-6)


def test_a_model_that_scores_all_alike_adds_nothing():
    one = factors(0)
    blend = blending.scorer([one, baselines.popularity(np.ones(ITEMS))], [1.0, 5.0])
    wanted = standardised(np.asarray(one.users @ one.items.T))
    np.testing.assert_allclose(blend(jnp.arange(USERS)), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("models", "weights", "told"),
    [
        ([factors(0)], None, "models: a blend is of two"),
        (factors(0), None, "models: a blend is of two"),
        ([factors(0), factors(1, users=4)], None, "models: have [4, 5] users"),
        ([factors(0), factors(1)], [1.0], "weights: "),
        ([factors(0), factors(1)], [1.0, np.nan], "weights: "),
        ([factors(0), "ease"], None, "model: a str is neither"),
    ],
)
def test_what_can_not_be_blended_is_refused(models, weights, told):
    with pytest.raises(ValueError) as refused:
        blending.scorer(models, weights)
    assert str(refused.value).startswith(told)


def test_models_of_other_items_are_refused_when_they_score():
    with pytest.raises(ValueError, match="items; pass models of one id space"):
        blending.scorer([factors(0), factors(1, items=8)])(jnp.array([0]))


def test_a_study_sweeps_the_weights():
    task = protocols.leave_last(pairs(), test=2).test[0]
    both = blended({"ease": MODELS["ease"], "popularity": MODELS["popularity"]})
    assert both.defaults == {"weight_ease": 0.5, "weight_popularity": 0.5, "ease_reg": 200.0}
    assert not both.random and both.folds_in and both.space.keys() == {"weight_ease", "weight_popularity"}
    models = {"both": both, "ease": MODELS["ease"], "popularity": MODELS["popularity"]}
    found = run([task], models, sweep={"both": {"weight_ease": [0, 1]}}, parameters={"both": {"weight_popularity": 0}})
    values = found.per_user("ndcg@10")
    np.testing.assert_array_equal(values["both[weight_ease=1]"], values["ease"])
    with pytest.raises(ValueError, match="weights: are for ease, not for ease, popularity"):
        blended({"ease": MODELS["ease"], "popularity": MODELS["popularity"]}, weights={"ease": 1.0})
