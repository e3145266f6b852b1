"""The model of a study that makes the lists of another diverse."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import histories
from mfjax.recommend import diversity
from mfjax.studies import MODELS, protocols, run
from mfjax.studies.fitting import diversified
from mfjax.studies.running import model_key
from tests.studies.made_up import counting, pairs

SMALL = {"model_dim": 4, "model_steps": 2}
VECTORS = jnp.asarray(np.random.default_rng(0).normal(size=(20, 3)), jnp.float32)


def test_it_is_swept_as_any_model():
    task, mine = protocols.leave_last(pairs(), test=2).test[0], diversified(MODELS["ials"], candidates=12)
    assert mine.parameters(SMALL)["model_reg"] == MODELS["ials"].defaults["reg"]
    assert mine.space.keys() == {"model_reg", "model_unobserved_weight"}
    found = run([task], {"mine": mine}, parameters={"mine": SMALL}, sweep={"mine": {"tradeoff": [0.4, 1]}}, cutoffs=5)
    model = MODELS["ials"].fit(model_key("mine", 0), task, MODELS["ials"].parameters({"dim": 4, "steps": 2}))
    stage = diversity.scorer(model, candidates=12, tradeoff=0.4, exclude=task.exclude)
    for setting, wanted in zip(("mine[tradeoff=0.4]", "mine[tradeoff=1]"), (stage, model), strict=True):
        values = task.evaluate(wanted, cutoffs=5, metrics="ndcg").per_user["ndcg@5"]
        np.testing.assert_array_equal(found.per_user("ndcg@5")[setting][0], values.astype(np.float64))


def test_held_out_users_and_vectors_of_the_task():
    tasks = protocols.strong(pairs(), test_users=6, validation_users=0, key=jax.random.key(0)).test
    mine = diversified(counting(), lambda task: VECTORS[: task.train.num_items], candidates=8, tradeoff=0.5)
    assert mine.folds_in and not mine.random
    results = run(tasks, {"mine": mine, "other": counting()}, cutoffs=5)
    assert (results.means() > 0).all()


def test_what_a_model_may_repeat_stays_a_candidate():
    task = protocols.leave_last(pairs(), test=2).test[0]
    task = replace(task, excluded=pairs(1))
    for repeats, out in ((False, task.excluded), (True, task.train)):
        mine = diversified(replace(counting(), repeats=repeats), lambda task: VECTORS, candidates=20, tradeoff=0.5)
        assert mine.repeats == repeats
        scores = np.asarray(mine.fit(jax.random.key(0), task, mine.defaults)(jnp.arange(30)))
        is_out = np.zeros((30, 20), bool)
        is_out[out.users, out.items] = True
        np.testing.assert_array_equal(scores == -np.inf, is_out)
    assert histories.ragged(task.excluded).num_rows == 30


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"tradeoff": 1.5}, "tradeoff: 1.5 is not a finite number of at least 0 and of at most 1"),
        ({"candidates": 0}, "candidates: 0 is not a whole number of at least 1"),
        ({}, "items: a scorer has no vectors of items"),
    ],
)
def test_what_does_not_fit_is_refused(parameters, told):
    task = protocols.leave_last(pairs(), test=2).test[0]
    mine = diversified(counting(), (lambda task: VECTORS) if parameters else None)
    with pytest.raises(ValueError, match=told):
        mine.fit(jax.random.key(0), task, mine.parameters(parameters))
