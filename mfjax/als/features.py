r"""Rows that shrink towards a linear map of their features: cold start within the same quadratic.

In place of :math:`\lambda_i \|v_i\|^2`, a side with features has the penalty

.. math::
    \min_W \; \sum_{i : n_i > 0} s_i \|v_i - W^\top f_i\|_\rho^2 + \mu \|W\|_\rho^2, \qquad
    \|x\|_\rho^2 = \textstyle\sum_c \rho_c x_c^2, \quad \lambda_{ic} = s_i \rho_c

with s_i the strength of `config.role_of` and :math:`\rho` reg, bias_reg for a bias. Given W, the row's normal equations
have :math:`\lambda_i W^\top f_i` more in b and nothing else; given the rows, W is a ridge regression whose numbers do
not depend on :math:`\rho`:

.. math:: W = (F^\top S F + \mu' I)^{-1} F^\top S V, \qquad \mu' = \mu + n \epsilon \max_f (F^\top S F)_{ff}

where :math:`\mu'` is :math:`\mu` and a little rounding, so that features that are sums of others do no harm. W follows
from the rows, so no state holds it: a half-step works it out from the rows that it starts from, which is a half-step of
its own, and the loss is that at the best W. A row without a history has no part in the loss, neither in the penalty nor
in the background of the other side, and is W' f.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mfjax import checks, factorisations
from mfjax.als.config import By, Config, role_of
from mfjax.als.storage import Storage, WholeTables
from mfjax.histories import Histories, Ragged, Side
from mfjax.histories.packed import look_up
from mfjax.types import Array, describe

RIGHT = "pass floats [rows, num_features], or the lists of histories.ragged with a row for each row of the side"


def with_features(
    data: Histories, *, users: ArrayLike | Ragged | None = None, items: ArrayLike | Ragged | None = None
) -> Histories:
    """Return histories whose users, items or both have features, which every function of `mfjax.als` then reads.

    Args:
        data: from `histories.build`.
        users: float [num_users, num_features], or a `Ragged` of feature ids with their values, a row per user: what
            `histories.ragged` makes of pairs (user, feature); None leaves users as they are. A column of ones makes
            the map affine.
        items: likewise of items.

    Raises:
        ValueError: for features of another kind, of another number of rows, or not finite.

    Example:
        >>> import numpy as np
        >>> from mfjax import histories
        >>> from mfjax.types import Interactions
        >>> pairs = Interactions(np.array([0, 1]), np.array([0, 1]), np.ones(2, np.float32), 2, 3)
        >>> with_features(histories.build(pairs), items=np.eye(3)).items.features.shape
        (3, 3)
    """
    checks.kind("data", data, Histories, "pass histories.build(interactions)")
    return Histories(_joined("users", data.users, users), _joined("items", data.items, items))


def side_with_features(side: Side, features: ArrayLike | Ragged | None) -> Side:
    """Return one side's histories with features, as `with_features` does; of newcomers, for `als.fold_in`."""
    checks.kind("side", side, Side, "pass histories.side(interactions)")
    return _joined("features", side, features)


def _joined(name: str, side: Side, features: ArrayLike | Ragged | None) -> Side:
    return side if features is None else replace(side, features=checked(name, features, side.num_rows))


def checked(name: str, features: Any, num_rows: int | None) -> Array | Ragged:
    """Return features as arrays of JAX.

    Raises:
        ValueError: for another kind, another number of rows, no feature at all, or numbers that are not finite.
    """
    if isinstance(features, Ragged):
        if num_rows not in (None, features.num_rows):
            raise ValueError(f"{name}: has {features.num_rows} rows, but there are {num_rows}; {RIGHT}")
        checks.floats(f"{name}.values", features.values, (None,), RIGHT)
        checks.number(f"{name}.values", features.values, remedy=RIGHT)
    else:
        features = checks.floats(name, features, (num_rows, None), RIGHT)
        checks.number(name, features, remedy=RIGHT)
    if not num_features(features):
        raise ValueError(f"{name}: {describe(features)} has no feature; {RIGHT}")
    return features


def _of(side: Side) -> Array | Ragged:
    if side.features is None:
        raise ValueError("side: has no features; pass a side of als.features.with_features(data, ...)")
    return side.features


def num_features(features: Array | Ragged) -> int:
    """Return the number of features, of arrays or of lists."""
    return features.num_columns if isinstance(features, Ragged) else features.shape[1]


def rows(features: ArrayLike | Ragged, feature_map: ArrayLike) -> Array:
    """Return W' f of every row, float [num_rows, width]: the rows of newcomers without a history.

    Args:
        features: of the rows, dense or a `Ragged`.
        feature_map: float [num_features, width], W; of `als.feature_maps`. The coordinate that biases hold at 1 is 0.

    Raises:
        ValueError: for features of another kind, or as many as W has not.

    Example:
        >>> import numpy as np
        >>> rows(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 3.0]])).tolist()
        [[1.0, 6.0]]
    """
    features = checked("features", features, None)
    remedy = "pass the W of als.feature_maps for features of these columns"
    return _mapped(features, checks.floats("feature_map", feature_map, (num_features(features), None), remedy))


def _owners(features: Ragged) -> Array:
    """Return the row of every entry, num_rows for the spare one of an empty set."""
    places = jnp.arange(features.ids.shape[0], dtype=features.offsets.dtype)
    return jnp.searchsorted(features.offsets, places, side="right") - 1


def _mapped(features: Array | Ragged, feature_map: Array) -> Array:
    """Return F W, [rows, width]."""
    if not isinstance(features, Ragged):
        return jnp.matmul(features.astype(feature_map.dtype), feature_map, precision="highest")
    parts = features.values.astype(feature_map.dtype)[:, None] * look_up(feature_map, features.ids)
    return jax.ops.segment_sum(parts, _owners(features), features.num_rows, indices_are_sorted=True)


def _summed(features: Array | Ragged, table: Array) -> Array:
    """Return F' table, [num_features, width]."""
    if not isinstance(features, Ragged):
        return jnp.matmul(features.astype(table.dtype).T, table, precision="highest")
    parts = table.at[_owners(features)].get(mode="fill", fill_value=0.0)
    parts = features.values.astype(table.dtype)[:, None] * parts
    return jax.ops.segment_sum(parts, features.ids, features.num_columns)


def _products(features: Array | Ragged, strength: Array) -> Array:
    """Return F' S F, [num_features, num_features]; of lists without a dense F, one place of all lists at a time."""
    if not isinstance(features, Ragged):
        return _summed(features, strength[:, None] * features.astype(strength.dtype))
    ids, values, _ = features.rows(jnp.arange(features.num_rows))  # [rows, longest]
    values = values.astype(strength.dtype)

    def add(place: Array, products: Array) -> Array:
        weights = (strength * values[:, place])[:, None] * values
        return products.at[ids[:, place][:, None], ids].add(weights)

    nothing = jnp.zeros((features.num_columns, features.num_columns), strength.dtype)
    return jax.lax.fori_loop(0, features.longest, add, nothing)


def ridge(table: Array, side: Side, config: Config, by: By) -> tuple[Array, Array, Array]:
    """Return W [num_features, width], mu' and the strength [rows] of a side with features, 0 without a history."""
    role = role_of(side, config, by, table.dtype)
    features, strength = _of(side), jnp.where(side.counts > 0, role.strength, 0.0)
    products = _products(features, strength)
    diagonal = jnp.diagonal(products)
    least = diagonal.shape[0] * jnp.finfo(table.dtype).eps * jnp.max(diagonal)
    mu = jnp.asarray(config.feature_reg, table.dtype) + least
    matrix = products + mu * jnp.eye(diagonal.shape[0], dtype=table.dtype)
    right = _summed(features, strength[:, None] * (role.free[None] * table))
    return factorisations.solve_positive(matrix, right), mu, strength


def check_stored(storage: Storage, *sides: Side) -> None:
    """Raise ValueError for features beside tables that are shared out by rows."""
    if not isinstance(storage, WholeTables) and any(side.features is not None for side in sides):
        raise ValueError("storage: tables that are shared out by rows have no features; pass als.WHOLE_TABLES")


def towards(table: Array, side: Side, config: Config, by: By) -> Array | None:
    """Return what the rows of a side shrink towards, [rows, width]: W' f, or None without features."""
    return None if side.features is None else _mapped(side.features, ridge(table, side, config, by)[0])


def completed(table: Array, side: Side, config: Config, by: By) -> Array:
    """Return a table whose rows without a history are W' f, where the side has features."""
    found = towards(table, side, config, by)
    return table if found is None else _where_cold(found, table, side.counts, config, by)


def seen(table: Array, side: Side, config: Config, by: By) -> Array:
    """Return a table as the other side sees it: rows without a history are 0 where the side has features."""
    return table if side.features is None else warm(table, side.counts, config, by)


def warm(table: Array, counts: Array, config: Config, by: By) -> Array:
    """Return a table whose rows without a history are 0, the coordinates that are held at 1 aside."""
    return _where_cold(jnp.zeros_like(table), table, counts, config, by)


def _where_cold(found: Array, table: Array, counts: Array, config: Config, by: By) -> Array:
    held = jnp.arange(config.width) == (1 if by == "user" else 0) if config.biases else jnp.zeros(config.width, bool)
    return jnp.where((counts > 0)[:, None], table, jnp.where(held[None], 1.0, found).astype(table.dtype))


def penalty(table: Array, side: Side, config: Config, by: By) -> Array:
    """Return the penalty of a side with features at the best W, a scalar."""
    feature_map, mu, strength = ridge(table, side, config, by)
    reg = role_of(side, config, by, table.dtype).reg
    apart = table - _mapped(_of(side), feature_map)
    squares = strength @ apart**2 + mu * jnp.sum(feature_map**2, axis=0)  # [width]
    return jnp.sum(squares * reg)
