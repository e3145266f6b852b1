"""Rows of a model solved anew, the other side held fixed: by least squares, or by a ranking loss."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from mfjax import als, compilation, histories, ranking
from mfjax.als.config import NUM_BIAS_COORDINATES
from mfjax.ranking.values import check_likes
from mfjax.recommend.parts import Side
from mfjax.types import Array, Factors, Interactions, Key

half_step = compilation.jit(als.half_step, frugal=True, static_argnames="by")
_fold_in = compilation.jit(ranking.fold_in)


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
    pairs: Interactions, columns: np.ndarray, config: als.Config, *, by: Side, item_counts: np.ndarray
) -> np.ndarray:
    r"""Return the table of a side, exact given the other side's, in the rows that have pairs; the others are 0.

    .. math:: x \leftarrow A^{-1} b, \text{ as in a half-step by Cholesky over all data}

    Args:
        pairs: the whole histories of the rows to solve, in the id spaces of the model.
        columns: float [num_columns, width], the other side's table.
        config: what the model was fitted with.
        by: whose rows are solved.
        item_counts: [num_items], by which the objective weighs items; those of all data.
    """
    side = histories.side(pairs, by=by)
    counts = jnp.asarray(item_counts, side.counts.dtype)
    side = replace(side, column_counts=counts) if by == "user" else replace(side, counts=counts)
    start = np.zeros((side.num_rows, columns.shape[1]), columns.dtype)
    if config.biases:
        start[:, 1 if by == "user" else 0] = 1
    exact = replace(config, solver="cholesky")
    return np.asarray(half_step(jnp.asarray(start), jnp.asarray(columns), side, exact, by=by))


def by_ranking(key: Key, pairs: Interactions, factors: Factors, config: ranking.Config) -> np.ndarray:
    """Return the rows of users by a ranking loss, float [num_users, dim]; `pairs` have the model's items.

    Raises:
        ValueError: for a value that is not above 0.
    """
    positives = histories.ragged(pairs)
    check_likes("histories", positives)
    return np.asarray(_fold_in(key, positives, factors, replace(config, optimizer=None)))
