"""Users held out wholly and folded in through a `Model`: NDCG as the strong-generalisation protocol's."""

import jax
import numpy as np
import pytest

from mfjax.data import datasets, synthetic
from mfjax.recommend import model as models
from mfjax.studies import catalogue, protocols
from mfjax.types import Factors, Interactions, Vocabulary


def through_a_model(task, learned, config) -> np.ndarray:
    """NDCG@100 of every held-out user, from raw ids: those fitted are in the model, the others are folded in."""
    train, fitted = task.train, np.unique(task.train.users)
    users = Vocabulary(np.array([f"u{user:05}" for user in range(train.num_users)]))
    items = Vocabulary(np.arange(train.num_items) + 100)
    own = Interactions(
        np.searchsorted(fitted, train.users).astype(np.int32), train.items, train.values, len(fitted), train.num_items,
        user_vocabulary=Vocabulary(users.raw[fitted]), item_vocabulary=items,
    )  # fmt: skip
    tables = learned if not isinstance(learned, Factors) else learned._replace(users=learned.users[fitted])
    model = models.of(own, tables, config=config)
    histories: dict = {}
    for user, item in zip(task.fold_in.users.tolist(), task.fold_in.items.tolist(), strict=True):
        histories.setdefault(str(users.raw[user]), []).append(item + 100)
    held = np.unique(task.hidden.users)
    lists = model.fold_in(histories).recommend(users.raw[held].tolist(), 100)
    names, found = np.array(lists["user"].to_pylist()), lists["item"].to_numpy() - 100
    discounts, ndcg = 1 / np.log2(np.arange(2, 102)), []
    for user in held.tolist():
        relevant = task.hidden.items[task.hidden.users == user]
        hits = np.isin(found[names == users.raw[user]], relevant)
        ndcg.append(hits @ discounts[: len(hits)] / discounts[: min(len(relevant), 100)].sum())
    return np.array(ndcg)


def check(pairs: Interactions, test_users: int, **parameters):
    task = protocols.strong(pairs, jax.random.key(0), test_users=test_users).test[0]
    chosen = catalogue.MODELS["ials"].parameters(parameters)
    learned = catalogue.MODELS["ials"].fit(jax.random.key(1), task, chosen)
    wanted = task.evaluate(learned, metrics=("ndcg@100",)).per_user["ndcg@100"]
    found = through_a_model(task, learned, catalogue.MODELS["ials"].config(chosen, task))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    return found.mean()


def test_on_made_up_data():
    assert check(synthetic.of_size(0, 3000).with_values(1.0), 12, dim=8, steps=4) > 0


@pytest.mark.slow
def test_on_movielens_100k(data_dir):
    pairs = datasets.load("ml-100k", data_dir).interactions.with_values(1.0)
    assert check(pairs, 100, dim=16) > 0.3
