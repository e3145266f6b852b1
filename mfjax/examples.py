r"""The objective of a batch of examples, on the rows of the tables that it touches.

An example is a positive pair (u, i) with negatives j of the user:

.. math::
    \sum_{(u,i,j)} \ell(s_{ui}, s_{uj}, w_j)
    + \frac{\lambda_u}{2} \|x_u\|^2 + \frac{\lambda_+}{2} \|v_i\|^2 + \frac{\lambda_-}{2m} \sum_j \|v_j\|^2
    + \frac{\lambda_b}{2} \left(b_i^2 + \frac{1}{m} \sum_j b_j^2\right),
    \qquad s_{ui} = \langle x_u, v_i \rangle + b_i

with the sum, not the mean, over examples: a step size is that of one example, as in stochastic gradient descent.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mfjax.losses import Loss
from mfjax.types import Array


class Tables(NamedTuple):
    """What is learned: users float32 [num_users, dim], items [num_items, dim], item_biases [num_items] or None."""

    users: Array
    items: Array
    item_biases: Array | None


class Rows(NamedTuple):
    """The rows of the tables that a batch touches; biases are None when there are none.

    Attributes:
        user, positive: float32 [batch, dim].
        negative: float32 [batch, m, dim], or [m, dim] when all examples share their negatives.
        positive_bias, negative_bias: float32 [batch] and [batch, m], or [m].
    """

    user: Array
    positive: Array
    negative: Array
    positive_bias: Array | None
    negative_bias: Array | None


def gather(tables: Tables, users: Array, items: Array, negatives: Array) -> Rows:
    """Return the rows of a batch."""
    biases = tables.item_biases
    of_items = (None, None) if biases is None else (biases[items], biases[negatives])
    return Rows(tables.users[users], tables.items[items], tables.items[negatives], *of_items)


def scores(rows: Rows) -> tuple[Array, Array]:
    """Return the scores of the positives [batch] and of the negatives [batch, m]."""
    positive = _dot(rows.user, rows.positive)
    if rows.negative.ndim == 2:
        negative = jnp.matmul(rows.user, rows.negative.T, precision="highest")
    else:
        negative = _dot(rows.user[:, None, :], rows.negative)
    if rows.positive_bias is None or rows.negative_bias is None:
        return positive, negative
    bias = rows.negative_bias
    return positive + rows.positive_bias, negative + (bias[None, :] if bias.ndim == 1 else bias)


def _dot(a: Array, b: Array) -> Array:
    # As a product with ones: XLA's CPU backend adds up a row one number at a time, but vectorises a matrix product.
    return jnp.matmul(a * b, jnp.ones((a.shape[-1], 1), a.dtype), precision="highest")[..., 0]


def objective(
    rows: Rows,
    weights: Array,
    loss: Loss,
    *,
    reg_user: Array | float,
    reg_positive: Array | float,
    reg_negative: Array | float,
    reg_bias: Array | float,
) -> tuple[Array, tuple[Array, Array]]:
    """Return the objective of a batch, and beside it the loss [batch] and the AUC [batch] of each example.

    The AUC of an example is the share of its real negatives with s_ui > s_uj, equal scores counting one half.

    Args:
        rows: of the batch.
        weights: float32 [batch, m], as in `sampling.Negatives`; an example without a real negative counts nothing.
        loss: from `mfjax.losses`.
        reg_user, reg_positive, reg_negative, reg_bias: the lambdas.

    Example:
        >>> from mfjax import losses
        >>> rows = Rows(jnp.ones((1, 2)), jnp.ones((1, 2)), jnp.zeros((1, 1, 2)), None, None)
        >>> lambdas = {"reg_user": 1.0, "reg_positive": 0.0, "reg_negative": 0.0, "reg_bias": 0.0}
        >>> total, (loss, auc) = objective(rows, jnp.ones((1, 1)), losses.bpr, **lambdas)
        >>> f"{total:.4f} {loss[0]:.4f} {auc[0]}"
        '1.1269 0.1269 1.0'
    """
    positive, negative = scores(rows)
    real = weights > 0
    share = real / jnp.maximum(jnp.sum(real, axis=1, keepdims=True), 1)  # [batch, m], 1 / m where real
    active = jnp.any(real, axis=1)
    of_negatives = share if rows.negative.ndim == 3 else jnp.sum(share, axis=0)
    penalty = (
        reg_user * jnp.sum(active[:, None] * rows.user**2)
        + reg_positive * jnp.sum(active[:, None] * rows.positive**2)
        + reg_negative * jnp.sum(of_negatives[..., None] * rows.negative**2)
    )
    if rows.positive_bias is not None and rows.negative_bias is not None:
        of_biases = jnp.sum(active * rows.positive_bias**2) + jnp.sum(of_negatives * rows.negative_bias**2)
        penalty = penalty + reg_bias * of_biases
    each = jnp.where(active, loss(positive, negative, weights), 0.0)
    margin = positive[:, None] - negative
    auc = jnp.sum(share * ((margin > 0) + 0.5 * (margin == 0)), axis=1)
    return jnp.sum(each) + penalty / 2, (each, auc)
