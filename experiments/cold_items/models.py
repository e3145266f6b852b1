"""Models that score cold items, ours and the baselines, and the values that validation chooses from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.cold_items import peers
from experiments.cold_items.tasks import Task, ndcg
from mfjax import als
from mfjax.als import objectives
from mfjax.data.splits import host_rng
from mfjax.studies.fitting import unsolved_is_no_news
from mfjax.types import Factors, Key

STEPS = 16
"""Sweeps of ALS, as many as irspack takes unless told otherwise."""
PASSES = 2
OURS, ORACLE = "als, features", "popularity in test (oracle)"


class Model(NamedTuple):
    """A fit (key, task, dim, **values) -> factors of all users and of the cold items; axis -> values, middle first."""

    fit: Callable[..., Factors]
    axes: Mapping[str, tuple[Any, ...]] = {}
    needs: str | None = None


def _one_score(scores: np.ndarray, task: Task) -> Factors:
    """Return the model that ranks the cold items alike for everybody."""
    nothing = jnp.zeros((task.train.num_users, 1))
    return Factors(nothing, jnp.zeros((len(scores), 1)), item_biases=jnp.asarray(scores, jnp.float32))


def random(key: Key, task: Task, dim: int) -> Factors:
    """Return normal factors: orders that differ from user to user."""
    rng = host_rng(key)
    return Factors(
        *(jnp.asarray(rng.normal(size=(n, dim)), jnp.float32) for n in (task.train.num_users, len(task.cold)))
    )


def popularity(key: Key, task: Task, dim: int, *, ridge: float) -> Factors:
    """Return the log count that a ridge regression on the features of warm items predicts."""
    features, counts = task.about.features.astype(float), np.bincount(task.train.items, minlength=task.train.num_items)
    warm = features[task.warm]
    weights = np.linalg.solve(warm.T @ warm + ridge * np.eye(warm.shape[1]), warm.T @ np.log1p(counts[task.warm]))
    return _one_score(features[task.cold] @ weights, task)


def oracle(key: Key, task: Task, dim: int) -> Factors:
    """Return the counts of the hidden pairs themselves: the best that one order for everybody can nearly reach."""
    return _one_score(np.bincount(task.hidden.items, minlength=len(task.cold)), task)


def _per_genre(genres: np.ndarray) -> np.ndarray:
    """Return the genres of items as weights that sum to 1."""
    return genres / np.maximum(genres.sum(1, keepdims=True), 1)


def genre_shares(key: Key, task: Task, dim: int) -> Factors:
    """Return the mean, over the genres of an item, of their shares in what the user has rated."""
    genres = task.about.genres.astype(float)
    shares = np.zeros((task.train.num_users, genres.shape[1]))
    np.add.at(shares, task.train.users, genres[task.train.items])
    tables = _per_genre(shares), _per_genre(genres[task.cold])
    return Factors(*(jnp.asarray(table, jnp.float32) for table in tables))


def _fitted(key: Key, task: Task, dim: int, with_features: bool, **values: Any) -> als.State:
    data = task.histories
    if with_features:
        data = als.features.with_features(data, items=task.about.features)
    objective = objectives.ials(unobserved_weight=values.pop("unobserved_weight"))
    # Every setting starts alike.
    with unsolved_is_no_news(), jax.debug_key_reuse(False):
        return als.fit(key, data, als.Config(objective=objective, dim=dim, **values), num_steps=STEPS)


def genre_factors(key: Key, task: Task, dim: int, **values: Any) -> Factors:
    """Return ALS without features, cold items the mean of their genres, a genre the mean of its warm items."""
    state, genres = _fitted(key, task, dim, False, **values), task.about.genres.astype(np.float32)
    of_genres = _per_genre(genres[task.warm].T) @ np.asarray(state.items)[task.warm]
    return Factors(state.users, jnp.asarray(_per_genre(genres[task.cold]) @ of_genres, jnp.float32))


def features(key: Key, task: Task, dim: int, **values: Any) -> Factors:
    """Return ALS with features, whose cold items follow from them."""
    state = _fitted(key, task, dim, True, **values)
    return Factors(state.users, state.items[task.cold])


ALS = {"unobserved_weight": (0.1, 0.03, 0.3), "reg": (0.03, 0.01, 0.1)}

MODELS = {
    "random": Model(random),
    "popularity": Model(popularity, {"ridge": (1.0, 0.1, 10.0, 100.0)}),
    "genre shares": Model(genre_shares),
    "als, means of genres": Model(genre_factors, ALS),
    OURS: Model(features, {**ALS, "feature_reg": (30.0, 1.0, 1000.0)}),
    "irspack": Model(peers.irspack, peers.IRSPACK, needs="irspack"),
    "cmfrec": Model(peers.cmfrec, peers.CMFREC, needs="cmfrec"),
    "lightfm": Model(peers.lightfm, peers.LIGHTFM, needs="lightfm"),
    ORACLE: Model(oracle),
}


def choose(model: Model, key: Key, task: Task, dim: int) -> tuple[dict[str, Any], dict[tuple[Any, ...], float]]:
    """Return the values with the best NDCG@10 on a task, and what was tried: values in their order -> NDCG.

    One axis after another, the others held at the best so far, from the first value of each; `PASSES` times. Where
    there is but one setting, nothing is tried.
    """
    tried: dict[tuple[Any, ...], float] = {}

    def score(values: Mapping[str, Any]) -> float:
        at = tuple(values.values())
        if at not in tried:
            tried[at] = float(np.nanmean(ndcg(model.fit(key, task, dim, **values), task)))
        return tried[at]

    best = {axis: values[0] for axis, values in model.axes.items()}
    for axis, values in [*model.axes.items()] * PASSES:
        if len(values) > 1:
            best = max(({**best, axis: value} for value in values), key=score)
    return best, tried
