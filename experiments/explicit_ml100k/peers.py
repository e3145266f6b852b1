"""The peer of the rating models: the library Surprise (extra `peers`)."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np

from mfjax.data.splits import host_rng
from mfjax.studies import extras
from mfjax.studies.model import Parameters
from mfjax.studies.task import Task
from mfjax.types import Factors, Key


def surprise_svd(key: Key, task: Task, parameters: Parameters) -> Factors:
    """Fit the biased matrix factorisation of the library Surprise, its defaults untouched.

    Raises:
        ValueError: if it is not installed.
    """
    extras.require("surprise")
    # Its import warns about its own dependencies.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import surprise
    ratings = task.train
    triples = zip(ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist(), strict=True)
    data = surprise.Dataset(surprise.Reader(rating_scale=(1, 5)))
    trainset = data.construct_trainset([(user, item, value, None) for user, item, value in triples])
    model = surprise.SVD(random_state=int(host_rng(key).integers(2**31))).fit(trainset)
    users = [trainset.to_raw_uid(inner) for inner in trainset.all_users()]
    items = [trainset.to_raw_iid(inner) for inner in trainset.all_items()]
    # A user or item without a train rating has a zero row and a zero bias, as in Surprise.
    return Factors(
        _table(users, model.pu, ratings.num_users),
        _table(items, model.qi, ratings.num_items),
        _table(users, model.bu, ratings.num_users),
        _table(items, model.bi, ratings.num_items),
        jnp.float32(trainset.global_mean),
    )


def _table(ids: list[int], rows: np.ndarray, size: int) -> jax.Array:
    return jnp.zeros((size, *rows.shape[1:])).at[jnp.asarray(ids)].set(rows.astype(np.float32))
