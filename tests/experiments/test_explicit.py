"""Rating models on MovieLens-100K: the published table, what biases add, and the library Surprise."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from experiments.explicit_ml100k.models import MODELS
from experiments.explicit_ml100k.peers import surprise_svd
from experiments.explicit_ml100k.tasks import by_time
from mfjax.data import datasets, splits
from mfjax.histories.parts import Whole
from mfjax.studies import Task
from mfjax.studies.judging import predict
from mfjax.types import Interactions
from tests.studies.made_up import ratings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def task(data_dir):
    return by_time(Whole(datasets.load("ml-100k", data_dir).interactions))


def test_the_published_table(task, monkeypatch):
    from paper_repro import t3

    fit_of, made = t3.published_als, {}

    def once(objective):
        """Both tables ask for the same fits of the one task."""

        def fit(seed, task):
            if (id(objective), seed) not in made:
                made[id(objective), seed] = fit_of(objective)(seed, task)
            return made[id(objective), seed]

        return fit

    monkeypatch.setattr(t3, "published_als", once)
    checks = [*t3.counts(task), *t3.rating_errors(task, [], [0]), *t3.weighted_errors(task)]
    assert [check.quantity for check in checks if not check.passed] == []


def test_biases_win_on_the_published_split(task):
    model = MODELS["biased-als"]
    parameters = model.parameters({"dim": 5, "reg": 1.0, "bias_share": 1.0})
    known = task.hidden.select(task.train.item_counts()[task.hidden.items] > 0)
    models = [model.fit(jax.random.key(seed), task, parameters) for seed in range(2)]
    errors = [np.clip(predict(each, known), 1, 5) - known.values for each in models]
    # Surprise's SVD is published at .9774 there.
    assert np.mean([np.sqrt(np.mean(each**2)) for each in errors]) < 0.96


def test_surprise_as_factors_predicts_what_surprise_predicts():
    surprise = pytest.importorskip("surprise", reason="scikit-surprise is in the extra `peers`")
    pairs = ratings()
    # A user and an item without a train rating.
    pairs = pairs.select((pairs.users != 7) & (pairs.items != 5))
    factors = surprise_svd(jax.random.key(0), Task(train=pairs, hidden=pairs, excluded=pairs), {})
    seed = int(splits.host_rng(jax.random.key(0)).integers(2**31))
    data = surprise.Dataset(surprise.Reader(rating_scale=(1, 5)))
    triples = zip(pairs.users.tolist(), pairs.items.tolist(), pairs.values.tolist(), strict=True)
    peer = surprise.SVD(random_state=seed).fit(data.construct_trainset([(*triple, None) for triple in triples]))
    users, items = np.array([0, 2, 7, 1], np.int32), np.array([0, 3, 1, 5], np.int32)
    expected = [peer.predict(int(user), int(item), clip=False).est for user, item in zip(users, items, strict=True)]
    asked = Interactions(users, items, np.ones(4, np.float32), pairs.num_users, pairs.num_items)
    np.testing.assert_allclose(predict(factors, asked), expected, rtol=1e-5)
