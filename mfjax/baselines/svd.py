r"""Truncated SVD of the user-centred rating matrix, randomised and never dense.

.. math::
    X \approx P \Sigma Q^\top, \qquad \hat r_{ui} = m_u + \sum_{f} P_{uf} \, \sigma_f \, Q_{if}, \qquad
    m_u = \frac{1}{n_u} \sum_{i \in H_u} r_{ui}

What X holds where a user has no rating decides the model:

- `missing="mean"`: 0, so that an unrated item is predicted like the user's mean; X is sparse.
- `missing="zero"`: -m_u, an unrated item being a rating of 0; X is sparse plus the rank one matrix -m 1'.

Source: Sarwar, Karypis, Konstan & Riedl 2000, Application of dimensionality reduction in recommender systems; Halko,
Martinsson & Tropp 2011, Finding structure with randomness, algorithms 4.4 and 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp

from mfjax import checks, compilation, factorisations
from mfjax.histories import Histories, Packed, Ragged, Side, agreement
from mfjax.types import Array, Factors, Key

Missing = Literal["mean", "zero"]

MISSING: tuple[Missing, ...] = get_args(Missing)


@dataclass(frozen=True)
class Config:
    """What a model of `fit` was made with, by which a `recommend.Model` folds newcomers in.

    Attributes:
        dim: number of triplets.
        missing: "mean" or "zero", what an unrated item counts as.
    """

    dim: int
    missing: Missing = "mean"

    def __post_init__(self) -> None:
        checks.whole("dim", self.dim, remedy="pass the number of triplets")
        checks.choice("missing", self.missing, MISSING)


class Decomposition(NamedTuple):
    """The leading singular triplets of X.

    Attributes:
        users: float32 [num_users, dim], P, orthonormal columns.
        singular_values: float32 [dim], descending.
        items: float32 [num_items, dim], Q, orthonormal columns.
        user_means: float32 [num_users], m; the mean of all ratings for a user without any.
    """

    users: Array
    singular_values: Array
    items: Array
    user_means: Array


def decompose(
    key: Key, data: Histories, *, dim: int, missing: Missing = "mean", oversampling: int = 10, num_iterations: int = 8
) -> Decomposition:
    """Return the `dim` leading singular triplets by subspace iteration from a random start.

    More iterations bring small gaps between singular values apart: on ratings 8 give values to about 1e-3, 30 to 1e-5.

    Args:
        key: draws the start.
        data: ratings by user and by item.
        dim: number of triplets.
        missing: "mean" or "zero", what an unrated item counts as.
        oversampling: further dimensions that are iterated and then dropped.
        num_iterations: passes over both sides of the data.

    Raises:
        ValueError: for data of another kind or with weights, a dim that the matrix does not have, another word for
            `missing`, or a count of nothing.

    Example:
        >>> import numpy as np
        >>> from mfjax import histories
        >>> from mfjax.types import Interactions
        >>> ratings = Interactions(np.array([0, 0]), np.array([0, 1]), np.array([1, 5], np.float32), 1, 2)
        >>> found = decompose(jax.random.key(0), histories.build(ratings), dim=1)
        >>> float(found.user_means[0]), round(float(found.singular_values[0]), 4)
        (3.0, 2.8284)
    """
    _check(key, data, dim, missing, oversampling, num_iterations)
    num_users, num_items = data.users.num_rows, data.items.num_rows
    means = _user_means(data.users)
    width = min(dim + oversampling, num_users, num_items)

    def times(items: Array) -> Array:  # X Q
        if missing == "mean":
            return _product(data.users, items, means)
        return _product(data.users, items) - means[:, None] * jnp.sum(items, axis=0)[None]

    def transposed_times(users: Array) -> Array:  # X' P
        if missing == "mean":
            return _product(data.items, users, column_means=means)
        return _product(data.items, users) - jnp.sum(means[:, None] * users, axis=0)[None]

    def iterate(_, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        # Orthonormal after every product: without it the small directions drown in rounding.
        users = factorisations.orthonormal(times(factorisations.orthonormal(carry[1])))
        return users, transposed_times(users)

    # Drawn in float32 whatever the default is, so that all start alike.
    drawn = jax.random.normal(key, (num_items, width), jnp.float32).astype(means.dtype)
    start = jnp.zeros((num_users, width), means.dtype), drawn
    users, projected = jax.lax.fori_loop(0, num_iterations, iterate, start)
    items, values, rotation = factorisations.svd(projected)
    users = jnp.matmul(users, rotation.T, precision="highest")
    return Decomposition(users[:, :dim], values[:dim], items[:, :dim], means)


def factors(decomposition: Decomposition, *, dim: int | None = None) -> Factors:
    """Return the model of the first `dim` triplets (None: of all), the singular values shared by both tables.

    Raises:
        ValueError: for what is no decomposition, or more triplets than it has.
    """
    checks.kind("decomposition", decomposition, Decomposition, "pass what svd.decompose returns")
    most = decomposition.singular_values.shape[-1]
    if dim is not None:
        checks.whole("dim", dim, most=most, remedy="decompose with a larger dim")
    root = jnp.sqrt(decomposition.singular_values[:dim])[None]
    users, items = decomposition.users[:, :dim] * root, decomposition.items[:, :dim] * root
    return Factors(users, items, user_biases=decomposition.user_means)


def fit(
    key: Key, data: Histories, *, dim: int, missing: Missing = "mean", oversampling: int = 10, num_iterations: int = 8
) -> Factors:
    """Return the model of `decompose`, compiled; arguments and errors as there."""
    _check(key, data, dim, missing, oversampling, num_iterations)
    options = {"missing": missing, "oversampling": oversampling, "num_iterations": num_iterations}
    return factors(_decompose(key, data, dim=dim, **options))


def fold_in(history: Ragged, model: Factors, *, missing: Missing = "mean") -> Factors:
    r"""Return the model for users never seen: their rows of X projected on the items.

    .. math:: x_u = \Sigma^{-1} V' (r_u - m_u), \qquad \Sigma_{ff} = \|V_f\|^2

    with V the items of `factors`, whose columns have the singular values as squares. It is the row of a fitted user
    once the subspace iteration has converged. A triplet of singular value 0 gets 0, a user without ratings all 0.

    Args:
        history: the ratings of the new users, by the item ids of the model.
        model: `factors(decomposition)`; its users are not read.
        missing: what the model was fitted with.

    Raises:
        ValueError: for histories of other items, or with weights, and another word for `missing`.

    Example:
        >>> import numpy as np
        >>> from mfjax import histories
        >>> from mfjax.types import Interactions
        >>> ratings = Interactions(np.array([0, 0]), np.array([0, 1]), np.array([1, 5], np.float32), 1, 2)
        >>> model = fit(jax.random.key(0), histories.build(ratings), dim=1)
        >>> found = fold_in(histories.ragged(ratings), model)
        >>> bool(jnp.allclose(found.users, model.users, atol=1e-6))
        True

    Source: Sarwar et al. (2000), section 4.2.
    """
    model = agreement.factors("model", model)
    agreement.lists("history", history, None, model.items.shape[0], "the model has")
    agreement.no_weights("history", history)
    checks.choice("missing", missing, MISSING)
    lengths = history.lengths()
    owners = jnp.searchsorted(history.offsets, jnp.arange(history.ids.shape[0]), side="right") - 1
    sums = jax.ops.segment_sum(history.values, owners, history.num_rows)
    means = sums / jnp.maximum(lengths, 1)
    values = history.values - (means[owners] if missing == "mean" else 0.0)
    found = jax.ops.segment_sum(values[:, None] * model.items[history.ids], owners, history.num_rows)
    if missing == "zero":
        found = found - means[:, None] * jnp.sum(model.items, axis=0)[None]
    return model._replace(users=found * inverse_values(model.items)[None], user_biases=means)


def inverse_values(items: Array) -> Array:
    """Return 1 over the singular values of the items of a model, [dim], 0 where a value is 0."""
    squares = jnp.sum(items**2, axis=0)
    return jnp.where(squares > 0, 1 / jnp.where(squares > 0, squares, 1), 0)


def _check(key: Key, data: Histories, dim: int, missing: str, oversampling: int, num_iterations: int) -> None:
    checks.key("key", key)
    checks.kind("data", data, Histories, "pass histories.build(interactions)")
    agreement.no_weights("data", data)
    most = min(data.users.num_rows, data.items.num_rows)
    checks.whole("dim", dim, most=most, remedy="pass the number of triplets to keep")
    checks.choice("missing", missing, MISSING)
    checks.whole("oversampling", oversampling, least=0, remedy="pass the number of further dimensions")
    checks.whole("num_iterations", num_iterations, remedy="pass the number of passes over the data")


def _user_means(side: Side) -> Array:
    sums = _product(side, jnp.ones((side.column_counts.shape[0], 1)))[:, 0]
    overall = jnp.sum(sums) / jnp.maximum(jnp.sum(side.counts), 1.0)
    return jnp.where(side.counts > 0, sums / jnp.maximum(side.counts, 1.0), overall)


def _product(side: Side, columns: Array, row_means: Array | None = None, column_means: Array | None = None) -> Array:
    """Return the matrix of one side's histories, less the means at its entries, times `columns`."""

    def one(chunk: Packed) -> Array:
        values = chunk.values
        if row_means is not None:
            values = values - row_means[chunk.rows[chunk.owners]][:, None]
        if column_means is not None:
            values = values - column_means[chunk.ids]
        values = jnp.where(chunk.mask, values, 0.0)
        by_segment = jnp.einsum("sw,swd->sd", values, columns[chunk.ids], precision="highest")
        return jax.ops.segment_sum(by_segment, chunk.owners, chunk.rows.shape[0])

    result = jnp.zeros((side.num_rows, columns.shape[1]), columns.dtype)
    for block in side.blocks:
        found = jax.lax.map(one, block).reshape(-1, columns.shape[1])
        target = jnp.where(block.row_mask, block.rows, side.num_rows).reshape(-1)
        result = result.at[target].set(found, mode="drop")
    return result


_decompose = compilation.jit(decompose, static_argnames=("dim", "missing", "oversampling", "num_iterations"))
