r"""Losses of whole lists with graded labels, and the weight of a pair by what NDCG gains from it.

`pairwise_logistic(scores, labels, mask)`, [..., list] -> [...]. `softplus`, `discount` and `check_cutoff` serve the
losses of an example too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from mfjax import checks
from mfjax.types import Array

Gain = Literal["exponential", "binary"]

LambdaWeight = Callable[[Array, Array, Array], Array]
"""(scores, labels, mask), each [..., list] -> weight of each pair, [..., list, list]."""


def pairwise_logistic(
    scores: Array, labels: Array, mask: Array | None = None, *, lambda_weight: LambdaWeight | None = None
) -> Array:
    r"""Return the pairwise logistic loss of a list, under any lambda weight.

    .. math:: \ell = \sum_{i, j :\ y_i > y_j} \lambda_{ij} \ln\left(1 + e^{-(s_i - s_j)}\right)

    A list without a pair of different labels has loss 0. The lambda weights have no gradient.

    Args:
        scores: float [..., list].
        labels: numbers [..., list], relevances, finite.
        mask: bool [..., list], True = real; None for all.
        lambda_weight: (scores, labels, mask) -> float [..., list, list], such as `ndcg_weight`; None for ones.

    Returns:
        float [...], at least 0.

    Raises:
        ValueError: for labels or a mask of another shape or kind, or a lambda weight that is no function.

    Example:
        >>> print(pairwise_logistic(jnp.array([0.0, 0.0, 5.0]), jnp.array([1, 0, 0]), jnp.array([True, True, False])))
        0.6931472

    Source: Burges et al. (2005), RankNet, equation 3; Burges et al. (2006) for the lambda weight. The published
    gradient of a pair, -lambda_ij / (1 + exp(s_i - s_j)), is the gradient of this loss.
    """
    mask = jnp.ones(jnp.shape(scores), bool) if mask is None else mask
    scores, labels, mask = _checked_lists(scores, labels, mask)
    ordered = (labels[..., :, None] > labels[..., None, :]) & mask[..., :, None] & mask[..., None, :]
    loss = softplus(scores[..., None, :] - scores[..., :, None])
    if lambda_weight is not None:
        checks.function("lambda_weight", lambda_weight, "pass such as losses.ndcg_weight")
        loss = loss * lax.stop_gradient(lambda_weight(scores, labels, mask))
    return jnp.sum(jnp.where(ordered, loss, 0.0), axis=(-2, -1))


def ndcg_weight(
    scores: Array,
    labels: Array,
    mask: Array,
    *,
    k: int | None = None,
    gain: Gain = "exponential",
    normalized: bool = True,
) -> Array:
    r"""Return how much NDCG@k changes when two items of a list swap places.

    .. math:: |\Delta_{ij}| = \frac{|g(y_i) - g(y_j)| \; |D(r_i) - D(r_j)|}{\mathrm{IDCG@}k}, \qquad
        D(r) = \frac{[r \le k]}{\log_2(r + 1)}

    with r the rank by score (1 is best; equal scores: lower index first), g(y) = 2^y - 1, or [y > 0] for binary gain,
    and IDCG the DCG@k of the best order, or 1 when not normalised or when no item is relevant. Pairs with padding
    get 0. Under `stop_gradient` throughout.

    Args:
        scores: float [..., list].
        labels: numbers [..., list], relevances, at least 0; at most 100 for the exponential gain.
        mask: bool [..., list], True = real.
        k: cutoff, None for none.
        gain: "exponential" or "binary".
        normalized: whether to divide by IDCG.

    Returns:
        float [..., list, list], symmetric, at least 0.

    Raises:
        ValueError: for an unknown gain, a cutoff below 1, labels or a mask of another shape or kind, and labels out of
            their range where they can be seen.

    Example:
        >>> print(ndcg_weight(jnp.array([2.0, 1.0]), jnp.array([0.0, 1.0]), jnp.array([True, True])).round(4))
        [[0.     0.3691]
         [0.3691 0.    ]]

    Source: Burges, Ragno, Le (2006), section 4. The library rax multiplies by the length of the list; we do not.
    """
    checks.choice("gain", gain, _GAINS)
    check_cutoff(k)
    scores, labels, mask = _checked_lists(scores, labels, mask)
    most = 100 if gain == "exponential" else None
    checks.number("labels", labels, least=0, most=most, remedy="relevances are never negative; 0 is not relevant")
    scores, labels = lax.stop_gradient((scores, labels))
    gains = _GAINS[gain](labels.astype(scores.dtype))
    gains = jnp.where(mask, gains, 0.0)
    order = jnp.argsort(jnp.where(mask, -scores, jnp.inf), axis=-1, stable=True)
    discounts = discount(jnp.argsort(order, axis=-1) + 1.0, k)  # the inverse of the order: ranks from 0
    if normalized:
        places = discount(jnp.arange(1.0, scores.shape[-1] + 1), k)
        ideal = jnp.matmul(-jnp.sort(-gains, axis=-1), places, precision="highest")[..., None]
        gains = gains / jnp.where(ideal > 0, ideal, 1.0)
    change = jnp.abs(gains[..., :, None] - gains[..., None, :])
    change = change * jnp.abs(discounts[..., :, None] - discounts[..., None, :])
    return jnp.where(mask[..., :, None] & mask[..., None, :], change, 0.0)


_GAINS: dict[Gain, Callable[[Array], Array]] = {
    "exponential": lambda labels: jnp.exp2(labels) - 1,
    "binary": lambda labels: (labels > 0).astype(labels.dtype),
}


def _checked_lists(scores: Array, labels: Array, mask: Array) -> tuple[Array, Array, Array]:
    """Return scores, labels and mask of lists as arrays."""
    scores, labels, mask = jnp.asarray(scores), jnp.asarray(labels), jnp.asarray(mask)
    if scores.ndim == 0:
        raise ValueError("scores: a number is no list; pass the scores of a list of items")
    checks.shape("labels", labels, scores.shape, "pass one label for each score")
    checks.number("labels", labels)
    checks.shape("mask", mask, scores.shape, "pass True or False for each score")
    if mask.dtype != bool:
        raise ValueError(f"mask: has the dtype {mask.dtype}; pass True for a real item and False for padding")
    return scores, labels, mask


def check_cutoff(k: int | None) -> None:
    """Raise ValueError for a cutoff below 1."""
    if k is not None:
        checks.whole("k", k, remedy="pass the length of the list, or None")


@jax.custom_jvp
def softplus(x: Array) -> Array:
    """Return ln(1 + e^x)."""
    # Stable, in a form that XLA's CPU backend vectorises, unlike that of jax.nn.softplus.
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


# The form above has a kink at 0 that its value has not: its derivative is the sigmoid, to any order.
softplus.defjvps(lambda tangent, value, x: tangent * jax.nn.sigmoid(x))


def discount(ranks: Array, k: int | None) -> Array:
    """Return 1 / log2(rank + 1), 0 past the cutoff."""
    discounts = 1 / jnp.log2(ranks + 1)
    return discounts if k is None else jnp.where(ranks <= k, discounts, 0.0)
