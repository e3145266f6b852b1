"""Rows of a model solved anew, the other side held fixed: by least squares, a ranking loss, or a projection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from mfjax import als, compilation, histories, ranking
from mfjax.als.config import NUM_BIAS_COORDINATES
from mfjax.baselines import svd
from mfjax.histories import Ragged
from mfjax.ranking.values import check_likes
from mfjax.recommend.chosen import filled_up, rows_of
from mfjax.recommend.parts import Side
from mfjax.types import Array, Factors, Interactions, Key

half_step = compilation.jit(als.half_step, frugal=True, static_argnames="by")
_solve = compilation.jit(als.fold_in, frugal=True, static_argnames="by")
_fold_in = compilation.jit(ranking.fold_in)
_project = compilation.jit(svd.fold_in, static_argnames="missing")


def tables_of(factors: Factors, biases: bool) -> dict[Side, np.ndarray]:
    """Return both tables as `als.State` has them: with biases, users (b_u, 1, u) and items (1, b_i, v)."""
    users, items = np.asarray(factors.users), np.asarray(factors.items)
    if not biases:
        return {"user": users, "item": items}

    def column(given: Array | None, table: np.ndarray) -> np.ndarray:
        return np.zeros((len(table), 1), table.dtype) if given is None else np.asarray(given, table.dtype)[:, None]

    ones = {"user": np.ones((len(users), 1), users.dtype), "item": np.ones((len(items), 1), items.dtype)}
    return {
        "user": np.concatenate([column(factors.user_biases, users), ones["user"], users], axis=1),
        "item": np.concatenate([ones["item"], column(factors.item_biases, items), items], axis=1),
    }


def factors_of(tables: dict[Side, np.ndarray], biases: bool, offset: Array | None) -> Factors:
    """Return the factors of tables: what `tables_of` took."""
    users, items = (jnp.asarray(tables[side]) for side in ("user", "item"))  # type: ignore[index]
    if not biases:
        return Factors(users, items, offset=offset)
    first = NUM_BIAS_COORDINATES
    return Factors(users[:, first:], items[:, first:], users[:, 0], items[:, 1], offset)


def least_squares(
    pairs: Interactions,
    factors: Factors,
    config: als.Config,
    rows: np.ndarray,
    *,
    by: Side,
    item_counts: np.ndarray,
    maps: als.FeatureMaps | None = None,
    features: Array | Ragged | None = None,
) -> np.ndarray:
    """Return some rows of a side, as `tables_of` has them, by `als.fold_in`: exact given the other side's.

    Args:
        pairs: the whole histories of the rows to solve, in the id spaces of the model.
        factors: the model; its table of the other side is read.
        config: what the model was fitted with.
        rows: int64 [n], those to solve, ascending; a row without a history is 0, or W' f.
        by: whose rows they are.
        item_counts: [num_items], by which the objective weighs items; those of all data.
        maps: of features, where the model was fitted with some.
        features: of all rows of `by`, where `maps` has some of them.

    Returns:
        float [n, width].
    """
    known = None if maps is None else getattr(maps, f"{by}s")
    if len(pairs) == 0:  # rows that features alone tell of
        table = np.zeros((len(rows), config.width), np.float32)
        if features is not None and known is not None:
            table = np.array(als.features.rows(_taken(features, rows), known))
        if config.biases:
            table[:, 1 if by == "user" else 0] = 1
        return table
    # Users alone, as no user's problem knows of another; items are weighed by the counts of all.
    here = rows if by == "item" else filled_up(rows, FEW)
    if by == "user":
        place = np.zeros(pairs.num_users, np.int32)
        place[rows] = np.arange(len(rows))
        pairs = replace(pairs, users=place[pairs.users], num_users=len(here))
        features = None if features is None else _taken(features, here)
    side = als.features.side_with_features(histories.side(pairs, by=by, rounded=True), features)
    # The table of the rows is not read: without it no program is of its size.
    other: dict[str, Any] = {f"{by}s": getattr(factors, f"{by}s")[:0], f"{by}_biases": None}
    counts = jnp.asarray(item_counts, jnp.float32)
    found = _solve(side, factors._replace(**other), config, item_counts=counts, maps=maps, by=by)
    return np.asarray(found)[: len(rows)] if by == "user" else np.asarray(found)[rows]


FEW = 256
"""Above this, numbers of users are multiples of it."""


def _taken(features: Array | Ragged, rows: np.ndarray) -> Array | Ragged:
    return rows_of(features, rows) if isinstance(features, Ragged) else jnp.asarray(np.asarray(features)[rows])


def by_ranking(key: Key, pairs: Interactions, factors: Factors, config: ranking.Config) -> np.ndarray:
    """Return the rows of users 0, 1, ... by a ranking loss, float [num_users, dim]; `pairs` have the model's items.

    Raises:
        ValueError: for a value that is not above 0.
    """
    positives = histories.ragged(pairs)
    check_likes("histories", positives)
    model = factors._replace(users=factors.users[:0], user_biases=None)
    # Not filled up: what is drawn for a user depends on the longest history.
    return np.asarray(_fold_in(key, positives, model, replace(config, optimizer=None)))


def by_projection(pairs: Interactions, factors: Factors, config: svd.Config) -> Factors:
    """Return the model of truncated SVD for users 0, 1, ... of pairs."""
    lists = rows_of(histories.ragged(pairs), filled_up(np.arange(pairs.num_users), FEW))
    found = _project(lists, factors._replace(users=factors.users[:0], user_biases=None), missing=config.missing)
    assert found.user_biases is not None
    return found._replace(users=found.users[: pairs.num_users], user_biases=found.user_biases[: pairs.num_users])
