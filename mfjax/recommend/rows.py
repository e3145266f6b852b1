"""Rows of a model solved anew, the other side held fixed: by least squares, a ranking loss, or a projection."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from mfjax import als, compilation, histories, ranking
from mfjax.als.config import NUM_BIAS_COORDINATES
from mfjax.baselines import svd
from mfjax.histories import Ragged
from mfjax.ranking.values import check_likes
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
    *,
    by: Side,
    item_counts: np.ndarray,
    maps: als.FeatureMaps | None = None,
    features: Array | Ragged | None = None,
) -> np.ndarray:
    """Return the table of a side, as `tables_of` has it, by `als.fold_in`: exact given the other side's.

    Args:
        pairs: the whole histories of the rows to solve, in the id spaces of the model.
        factors: the model; its table of the other side is read.
        config: what the model was fitted with.
        by: whose rows are solved.
        item_counts: [num_items], by which the objective weighs items; those of all data.
        maps: of features, where the model was fitted with some.
        features: of the rows of `by`, where `maps` has some of them.
    """
    if len(pairs) == 0:  # rows that features alone tell of
        rows = pairs.num_users if by == "user" else pairs.num_items
        table, known = np.zeros((rows, config.width), np.float32), None if maps is None else getattr(maps, f"{by}s")
        if features is not None and known is not None:
            table = np.array(als.features.rows(features, known))
        if config.biases:
            table[:, 1 if by == "user" else 0] = 1
        return table
    side = als.features.side_with_features(histories.side(pairs, by=by), features)
    found = _solve(side, factors, config, item_counts=jnp.asarray(item_counts, jnp.float32), maps=maps, by=by)
    return np.asarray(found)


def by_ranking(key: Key, pairs: Interactions, factors: Factors, config: ranking.Config) -> np.ndarray:
    """Return the rows of users by a ranking loss, float [num_users, dim]; `pairs` have the model's items.

    Raises:
        ValueError: for a value that is not above 0.
    """
    positives = histories.ragged(pairs)
    check_likes("histories", positives)
    return np.asarray(_fold_in(key, positives, factors, replace(config, optimizer=None)))


def by_projection(pairs: Interactions, factors: Factors, config: svd.Config) -> Factors:
    """Return the model of truncated SVD for the users of pairs."""
    return _project(histories.ragged(pairs), factors, missing=config.missing)
