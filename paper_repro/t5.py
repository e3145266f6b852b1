"""T5, the interface of a tutorial's ALS model: what its users do with it, by raw ids, on a part of MovieLens-100K.

100 factors, reg .01, alpha 40, 15 steps. The tutorial prints no figures: every check is that an answer is the one that
follows from the others.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import jax
import numpy as np

from mfjax import als, data, histories, recommend, saving
from mfjax.als import objectives
from mfjax.data import datasets, splits
from mfjax.types import Interactions
from paper_repro.verdict import Check, Options, main

CONFIG = als.Config(objective=objectives.implicit(alpha=40.0), reg=0.01, dim=100, solver="cholesky")
NUM_STEPS = 15
K = 10


def measure(options: Options) -> list[Check]:
    """Return how far answers are from those that follow from the others; each is to be 0."""
    ratings = datasets.load("ml-100k", options.data_dir).interactions
    split = splits.random_split(jax.random.key(0), ratings, test=0.2)
    users, items = raw_ids(split.train)
    model = fitted(users, items, split.train.values)
    test = split.test.select(np.isin(raw_ids(split.test)[1], items))  # a tutorial's test array has known items
    return answers(model, test)


def raw_ids(part: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Return the raw ids of rows, users and items: text for users, as ids are rarely counted from 0."""
    assert part.user_vocabulary is not None and part.item_vocabulary is not None
    users = np.array([f"user {user}" for user in part.user_vocabulary.decode(part.users)])
    return users, part.item_vocabulary.decode(part.items)


def fitted(users: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> recommend.Model:
    """Return the model of arrays of raw ids and ratings."""
    interactions = data.from_arrays(users, items, ratings)
    state = als.fit(jax.random.key(0), histories.build(interactions), CONFIG, num_steps=NUM_STEPS)
    return recommend.model.of(interactions, als.factors(state, CONFIG), config=CONFIG)


def answers(model: recommend.Model, test: Interactions) -> list[Check]:
    """Return the checks of a model's answers."""
    users, items = raw_ids(test)
    batch = model.predict_batch(users, items).values
    one_by_one = [
        model.predict(user, item) for user, item in zip(users[:50].tolist(), items[:50].tolist(), strict=True)
    ]
    error = float(np.sqrt(np.mean((batch - test.values) ** 2)))
    with tempfile.TemporaryDirectory() as folder:
        saving.save(Path(folder) / "model.mfjax", model)
        again = saving.load(Path(folder) / "model.mfjax")
    lists, scores = zip(*(model.recommend(user, k=K) for user in dict.fromkeys(users[:50].tolist())), strict=True)
    asked = np.repeat(list(dict.fromkeys(users[:50].tolist())), K)
    listed = model.predict_batch(asked, np.concatenate(lists)).values
    return [
        _zero("one pair beside a batch", np.abs(batch[:50] - one_by_one).max(), most=1e-5),
        _zero("scores of lists beside predictions of their items", np.abs(listed - np.concatenate(scores)).max(), 1e-5),
        _zero("places of lists in which a score rises", sum((np.diff(each) > 0).sum() for each in scores)),
        _zero("RMSE of an array beside numpy's", abs(model.rmse(users, items, test.values) - error), most=1e-6),
        _zero("predictions of the file's model", np.abs(again.predict_batch(users, items).values - batch).max()),
    ]


def _zero(quantity: str, measured: float, most: float = 0.0) -> Check:
    return Check(table="T5", quantity=quantity, published=None, measured=float(measured), low=0.0, high=most)


if __name__ == "__main__":
    main("paper_repro.t5", measure)
