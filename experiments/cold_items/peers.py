"""Libraries that learn from items' features too: the same pairs and features, cold items from their features alone.

irspack's feature-aware iALS, cmfrec's collective factorisation of counts, and LightFM. Each is fitted on the warm items
and then asked for the others in its own way, which is one of the values that validation chooses where it has two.
"""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.sparse as sparse

from experiments.benchmark.peers import matrix_of
from experiments.cold_items.tasks import Task, renumbered
from mfjax.data.splits import host_rng
from mfjax.types import Factors, Key

THREADS = os.cpu_count() or 1


def _seed(key: Key) -> int:
    return int(host_rng(key).integers(2**31))


def _factors(*tables: Any) -> Factors:
    return Factors(*(jnp.asarray(table, jnp.float32) for table in tables))


IRSPACK = {
    "alpha0": (0.1, 0.03, 0.3),
    "reg": (0.03, 0.01, 0.1),
    "lambda_item_feature": (1.0, 0.01, 100.0),
    "solved": (False, True),
}


def irspack(key: Key, task: Task, dim: int, *, solved: bool, **values: Any) -> Factors:
    """Fit iALS; `solved`: a cold item is the solution for no history in place of the map of its features."""
    from irspack import IALSRecommender

    about = sparse.csr_matrix(task.about.features)
    model = IALSRecommender(
        matrix_of(renumbered(task.train, task.warm)),
        n_components=dim,
        item_features=about[task.warm],
        random_seed=_seed(key),
        n_threads=THREADS,
        **values,
    )
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bar
        model.learn()
    cold = about[task.cold]
    by_map = model.trainer_as_ials.transform_item_feature
    return _factors(
        model.get_user_embedding(), model.compute_item_embedding_from_features(cold) if solved else by_map(cold)
    )


CMFREC = {"lambda_": (100.0, 10.0, 300.0), "alpha": (1.0, 0.1, 10.0), "w_user": (10.0, 0.1, 1.0, 100.0)}


def cmfrec(key: Key, task: Task, dim: int, **values: Any) -> Factors:
    """Fit the collective model for implicit feedback, its other settings as they come."""
    import cmfrec as library

    model = library.CMF_implicit(k=dim, random_state=_seed(key), nthreads=THREADS, verbose=False, **values)
    # With users and items swapped it has a call for many cold rows.
    model.fit(matrix_of(renumbered(task.train, task.warm)).T.tocoo(), U=task.about.features[task.warm])
    rows = [model.factors_cold(U=row) for row in task.about.features[task.cold]]
    return _factors(model.B_, np.stack(rows))


LIGHTFM = {"identity": (False, True), "epochs": (5, 10)}


def lightfm(key: Key, task: Task, dim: int, *, identity: bool, epochs: int) -> Factors:
    """Fit LightFM on features that sum to 1, as its `Dataset` makes them; `identity`: and one for each warm item."""
    from lightfm import LightFM

    about = task.about.features / task.about.features.sum(axis=1, keepdims=True)
    warm, cold = (sparse.csr_matrix(about[items]) for items in (task.warm, task.cold))
    if identity:
        warm = sparse.csr_matrix(sparse.hstack([warm, sparse.eye(len(task.warm))]))
        cold = sparse.csr_matrix(sparse.hstack([cold, sparse.csr_matrix((len(task.cold), len(task.warm)))]))
    model = LightFM(no_components=dim, loss="warp", random_state=_seed(key))
    pairs = matrix_of(renumbered(task.train, task.warm)).tocoo()
    model.fit(pairs, item_features=warm.astype(np.float32), epochs=epochs, num_threads=THREADS)
    user_biases, users = model.get_user_representations()
    item_biases, items = model.get_item_representations(cold.astype(np.float32))
    return _factors(users, items, user_biases, item_biases)
