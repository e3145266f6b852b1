r"""The objective of a batch of examples, on the rows of the tables that it touches.

An example is a positive pair (u, i) with negatives j of the user:

.. math::
    \sum_{(u,i,j)} \ell(s_{ui}, s_{uj}, w_j)
    + \frac{\lambda_u}{2} \|x_u\|^2 + \frac{\lambda_+}{2} \|v_i\|^2 + \frac{\lambda_-}{2m} \sum_j \|v_j\|^2
    + \frac{\lambda_b}{2} \left(b_i^2 + \frac{1}{m} \sum_j b_j^2\right),
    \qquad s_{ui} = \frac{\langle x_u, v_i \rangle}{\tau} + b_i

with the sum, not the mean, over examples: a step size is that of one example, as in stochastic gradient descent. With
cosine scores the scalar product is that of the rows divided by their lengths, and the penalty is of the rows as they
are.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax import lax

from mfjax import checks
from mfjax.ranking.losses import Loss
from mfjax.types import Array

Score = Literal["dot", "cosine"]

SCORES: tuple[Score, ...] = get_args(Score)

SHORTEST = 1e-12
"""The squared length below which a row counts as one of this length: the cosine of a row of zeros is 0."""


class Scoring(NamedTuple):
    """How rows become scores.

    Attributes:
        score: "dot", or "cosine", which divides rows by their lengths.
        temperature: tau, a scalar above 0.
    """

    score: Score = "dot"
    temperature: Array | float = 1.0


DOT = Scoring()


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


class Lambdas(NamedTuple):
    """The regularisation of the objective: lambda_u, lambda_+, lambda_- and lambda_b, scalars."""

    user: Array | float
    positive: Array | float
    negative: Array | float
    bias: Array | float


def gather(tables: Tables, users: Array, items: Array, negatives: Array) -> Rows:
    """Return the rows of a batch.

    Raises:
        ValueError: for ids that the tables have not, or item biases of another number than items.
    """
    users = checks.ids("users", users, tables.users.shape[0], "the table of users")
    items = checks.ids("items", items, tables.items.shape[0], "the table of items")
    negatives = checks.ids("negatives", negatives, tables.items.shape[0], "the table of items")
    checks.shape("items", items, users.shape, "pass the positive item of each user")
    if negatives.ndim == 2:
        checks.shape("negatives", negatives, (*users.shape, None), "pass the negatives of each user, or [m] for all")
    if tables.item_biases is not None:
        checks.shape("item_biases", tables.item_biases, tables.items.shape[:1], "pass one bias for each item")
    biases = tables.item_biases
    of_items = (None, None) if biases is None else (biases[items], biases[negatives])
    return Rows(_take(tables.users, users), _take(tables.items, items), _take(tables.items, negatives), *of_items)


def _take(table: Array, ids: Array) -> Array:
    """Return the rows `ids` of a table."""
    # In blocks of eight numbers, which XLA's CPU backend copies twice as fast as one long row.
    num_rows, dim = table.shape
    return table[ids] if dim % 8 else table.reshape(num_rows, -1, 8)[ids].reshape(*ids.shape, dim)


def unit(rows: Array) -> Array:
    """Return rows [..., dim] divided by their lengths.

    Example:
        >>> unit(jnp.array([[0.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    return rows / jnp.sqrt(jnp.maximum(jnp.sum(rows**2, axis=-1, keepdims=True), SHORTEST))


def compared(rows: Rows, score: Score) -> Rows:
    """Return the rows whose scalar products are the scores: as they are, or of length 1."""
    if score == "dot":
        return rows
    return rows._replace(user=unit(rows.user), positive=unit(rows.positive), negative=unit(rows.negative))


def scores(rows: Rows, temperature: Array | float = 1.0) -> tuple[Array, Array]:
    """Return the scores of the positives [batch] and of the negatives [batch, m]; `rows` are those of `compared`."""
    positive = _dot(rows.user, rows.positive) / temperature
    if rows.negative.ndim == 2:
        negative = jnp.matmul(rows.user, rows.negative.T, precision="highest") / temperature
    else:
        negative = _dot(rows.user[:, None, :], rows.negative) / temperature
    if rows.positive_bias is None or rows.negative_bias is None:
        return positive, negative
    bias = rows.negative_bias
    return positive + rows.positive_bias, negative + (bias[None, :] if bias.ndim == 1 else bias)


def _dot(a: Array, b: Array) -> Array:
    # As a product with ones: XLA's CPU backend adds up a row one number at a time, but vectorises a matrix product.
    return jnp.matmul(a * b, jnp.ones((a.shape[-1], 1), a.dtype), precision="highest")[..., 0]


def objective(rows: Rows, weights: Array, loss: Loss, lambdas: Lambdas, scoring: Scoring = DOT) -> Array:
    """Return the objective of a batch, a scalar.

    Args:
        rows: of the batch.
        weights: float32 [batch, m], as in `sampler.Negatives`; an example without a real negative counts nothing.
        loss: from `mfjax.ranking.losses`.
        lambdas: the regularisation.
        scoring: how rows become scores.

    Raises:
        ValueError: for weights of another shape than the negatives, or a loss that is not one number an example.

    Example:
        >>> from mfjax.ranking import losses
        >>> rows = Rows(jnp.ones((1, 2)), jnp.ones((1, 2)), jnp.zeros((1, 1, 2)), None, None)
        >>> f"{objective(rows, jnp.ones((1, 1)), losses.bpr, Lambdas(1.0, 0.0, 0.0, 0.0)):.4f}"
        '1.1269'
    """
    active, shares = _shares(rows, weights)
    penalty = (
        lambdas.user * jnp.sum(active[:, None] * rows.user**2)
        + lambdas.positive * jnp.sum(active[:, None] * rows.positive**2)
        + lambdas.negative * jnp.sum(shares[..., None] * rows.negative**2)
    )
    if rows.positive_bias is not None and rows.negative_bias is not None:
        biases = jnp.sum(active * rows.positive_bias**2) + jnp.sum(shares * rows.negative_bias**2)
        penalty = penalty + lambdas.bias * biases
    found = scores(compared(rows, scoring.score), scoring.temperature)
    return jnp.sum(_losses(loss, *found, weights, active)) + penalty / 2


def _losses(loss: Loss, positive: Array, negative: Array, weights: Array, active: Array) -> Array:
    """Return the loss of each example, 0 for one that does not count."""
    checks.function("loss", loss, "pass such as losses.bpr")
    found = loss(positive, negative, weights)
    # A mean over the batch would be broadcast to all examples, and count as often as there are.
    checks.shape("loss", found, positive.shape, "return one number for each example, not their sum or mean")
    return jnp.where(active > 0, found, 0.0)


def _shares(rows: Rows, weights: Array) -> tuple[Array, Array]:
    """Return which examples count, 0 or 1 [batch], and 1 / m for every real negative, in the shape of their ids."""
    shape = rows.user.shape[0], rows.negative.shape[-2]
    checks.shape("weights", weights, shape, "pass one weight for each negative of each example")
    share = _share(weights)  # [batch, m]
    active = jnp.any(weights > 0, axis=1).astype(weights.dtype)
    return active, share if rows.negative.ndim == 3 else jnp.sum(share, axis=0)


def _share(weights: Array) -> Array:
    """Return 1 / m for each of an example's m real negatives, 0 for the others."""
    real = weights > 0
    return real.astype(weights.dtype) / jnp.maximum(jnp.sum(real, axis=1, keepdims=True), 1).astype(weights.dtype)


def gradients(
    rows: Rows, weights: Array, loss: Loss, lambdas: Lambdas, scoring: Scoring = DOT
) -> tuple[Rows, Array, Array]:
    """Return the gradient of `objective` with respect to the rows, and the loss and AUC of each example.

    The loss is differentiated with respect to the scores; the rest is the chain rule of a scalar product and of a sum
    of squares, written out so that it takes one pass over the rows.

    Args:
        rows, weights, loss, lambdas, scoring: as in `objective`.

    Returns:
        gradients: of the rows, in their shapes.
        losses: float32 [batch], without regularisation; 0 for an example without a real negative.
        auc: float32 [batch], the share of its real negatives with s_ui > s_uj, equal scores counting one half.

    Raises:
        ValueError: as `objective`.
    """
    active, shares = _shares(rows, weights)
    same = compared(rows, scoring.score)
    positive, negative = scores(same, scoring.temperature)
    # [batch], and the way back from it to positive [batch] and negative [batch, m]
    losses, pullback = jax.vjp(lambda s, t: _losses(loss, s, t, weights, active), positive, negative)
    margin = positive[:, None] - negative  # [batch, m]
    auc = jnp.sum(_share(weights) * ((margin > 0) + 0.5 * (margin == 0)), axis=1)
    by_positive, by_negative = pullback(jnp.ones_like(losses))
    of_biases = None
    if rows.positive_bias is not None and rows.negative_bias is not None:
        summed = by_negative if rows.negative.ndim == 3 else jnp.sum(by_negative, axis=0)
        of_biases = (
            by_positive + lambdas.bias * active * rows.positive_bias,
            summed + lambdas.bias * shares * rows.negative_bias,
        )
    by_products = by_positive / scoring.temperature, by_negative / scoring.temperature
    penalties = lambdas.user * active, lambdas.positive * active, lambdas.negative * shares
    found = _of_rows(rows, same, by_products, penalties)
    biases = (None, None) if of_biases is None else of_biases
    return found._replace(positive_bias=biases[0], negative_bias=biases[1]), losses, auc


def _of_rows(rows: Rows, same: Rows, by_products: tuple[Array, Array], penalties: tuple[Array, Array, Array]) -> Rows:
    """Return the gradients of the rows, given those of their scalar products and the penalty of each row."""
    # Held back, because XLA would otherwise work them out anew for every coordinate of the rows.
    (by_positive, by_negative), penalties = lax.optimization_barrier((by_products, penalties))
    of_user, of_positive, of_negative = (each[..., None] for each in penalties)  # [batch, 1], [batch, 1], [.., m, 1]
    if rows.negative.ndim == 2:
        user = jnp.matmul(by_negative, same.negative, precision="highest")  # [batch, dim]
        rivals = jnp.matmul(by_negative.T, same.user, precision="highest")  # [m, dim]
    else:
        user = jnp.sum(by_negative[..., None] * same.negative, axis=1)  # [batch, dim]
        rivals = by_negative[..., None] * same.user[:, None, :]  # [batch, m, dim]
    slopes = by_positive[:, None] * same.positive + user, by_positive[:, None] * same.user, rivals
    if same is not rows:
        lengthwise = zip(slopes, rows[:3], same[:3], strict=True)
        slopes = tuple(_through_unit(*each) for each in lengthwise)  # type: ignore[assignment]
    return Rows(
        user=slopes[0] + of_user * rows.user,
        positive=slopes[1] + of_positive * rows.positive,
        negative=slopes[2] + of_negative * rows.negative,
        positive_bias=None,
        negative_bias=None,
    )


def _through_unit(slope: Array, row: Array, unit_row: Array) -> Array:
    """Return the gradient of rows, given that of `unit` of them: what points along a row changes nothing."""
    squared = jnp.sum(row**2, axis=-1, keepdims=True)
    across = slope - unit_row * jnp.sum(slope * unit_row, axis=-1, keepdims=True)
    return jnp.where(squared > SHORTEST, across, slope) / jnp.sqrt(jnp.maximum(squared, SHORTEST))
