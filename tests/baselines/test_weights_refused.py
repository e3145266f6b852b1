"""Models that know no weights refuse them: nothing that was passed is ignored in silence."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import baselines, histories, ranking
from mfjax.baselines import ratings, svd
from mfjax.histories import ragged
from mfjax.types import Factors, Interactions

PAIRS = Interactions(np.array([0, 0, 1, 2], np.int32), np.array([0, 1, 1, 2], np.int32), np.ones(4, np.float32), 3, 4)
MODEL = Factors(jnp.ones((3, 2)), jnp.ones((4, 2)))
CONFIG = ranking.Config(dim=2, biases=False)

MODELS = {
    "ranking.data": ("positives", lambda pairs: ranking.data(ragged(pairs))),
    "ranking.fold_in": ("positives", lambda pairs: ranking.fold_in(jax.random.key(0), ragged(pairs), MODEL, CONFIG)),
    "co_occurrence": ("interactions", baselines.co_occurrence),
    "item_knn": ("interactions", baselines.item_knn),
    "item_knn_mean": ("interactions", baselines.item_knn_mean),
    "ease": ("interactions", lambda pairs: baselines.ease(pairs, reg=1.0)),
    "linear": ("history", lambda pairs: baselines.linear(jnp.eye(4), ragged(pairs))),
    "global_mean": ("interactions", ratings.global_mean),
    "item_bias": ("interactions", ratings.item_bias),
    "user_item_bias": ("interactions", ratings.user_item_bias),
    "svd.decompose": ("data", lambda pairs: svd.decompose(jax.random.key(0), histories.build(pairs), dim=1)),
    "svd.fit": ("data", lambda pairs: svd.fit(jax.random.key(0), histories.build(pairs), dim=1)),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("weights", [[1, 1, 1, 1], [0.5, 2, 0, 1]])
def test_weights_are_refused_by_models_that_know_none(name, weights):
    argument, model = MODELS[name]
    weighted = replace(PAIRS, weights=np.array(weights, np.float32))
    remedy = r"build it of replace\(interactions, weights=None\), or in `mfjax study` leave out --weight"
    told = f"^{argument}: has weights, which this model would ignore; {remedy}"
    with pytest.raises(ValueError, match=told):
        model(weighted)
    with pytest.raises(ValueError, match=told):  # before anything is computed, and where values can not be seen
        jax.eval_shape(lambda: model(weighted))
    without = replace(weighted, weights=None)
    if name == "ranking.data":  # counts pairs, so that it can not be traced
        model(without)
    else:
        jax.eval_shape(lambda: model(without))
