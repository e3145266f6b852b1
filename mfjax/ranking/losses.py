r"""Ranking losses on scores only.

A loss for training compares one positive with its negatives, for a batch of examples:

    loss(positive [batch], negatives [batch, m], weights [batch, m]) -> [batch]

`weights` says how many unseen items a negative stands for (see `sampler.Negatives`); 0 = not real, None = all ones.
An example without a real negative has loss 0 and gradient 0. Finite scores give finite values and gradients. Other
shapes raise ValueError, and weights that are negative or not finite, where they can be seen.

A listwise loss sees whole lists with graded labels: `pairwise_logistic(scores, labels, mask)`, [..., list] -> [...].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import digamma

from mfjax import checks
from mfjax.types import Array

Gain = Literal["exponential", "binary"]

Loss = Callable[[Array, Array, Array | None], Array]
"""(positive [batch], negatives [batch, m], weights [batch, m] or None) -> loss of each example, [batch]."""

LambdaWeight = Callable[[Array, Array, Array], Array]
"""(scores, labels, mask), each [..., list] -> weight of each pair, [..., list, list]."""


def bpr(positive: Array, negatives: Array, weights: Array | None = None) -> Array:
    r"""Return the negative log-likelihood of the pairwise order, averaged over the real negatives.

    .. math:: \ell = -\frac{1}{m} \sum_{j=1}^{m} \ln \sigma(s^+ - s_j)

    Only which negatives are real is read from `weights`.

    Example:
        >>> print(bpr(jnp.array([2.0]), jnp.array([[2.0, 2.0]])))
        [0.6931472]

    Source: Rendle et al. (2009), equation of BPR-Opt in section 4.1; its regularisation belongs to the model.
    """
    positive, negatives, weights = _checked(positive, negatives, weights)
    real = _real(negatives, weights)
    return _mean(_softplus(negatives - positive[:, None]), real)


def warp(positive: Array, negatives: Array, weights: Array | None = None) -> Array:
    r"""Return the weighted approximate-rank pairwise loss: a hinge on the first violator, by the rank it suggests.

    .. math:: \ell = \Phi\left(\left\lfloor \frac{N}{t} \right\rfloor\right) \max(0,\ 1 - s^+ + s_t), \qquad
        \Phi(r) = \sum_{l=1}^{r} \frac{1}{l}

    where t is the first of the negatives, in the order they were drawn, with 1 + s_t > s^+, and N = sum of the
    weights, which estimates the number of unseen items. No violator among the m drawn: loss 0. The weight Phi has no
    gradient.

    Example:
        >>> print(warp(jnp.array([0.0]), jnp.array([[-2.0, 0.5]]), jnp.array([[2.0, 2.0]])).round(4))
        [2.25]

    Source: Weston, Bengio, Usunier (2011), WSABIE, section 4. Draws stop after m instead of N - 1 trials.
    """
    positive, negatives, weights = _checked(positive, negatives, weights)
    real = _real(negatives, weights)
    hinge = jnp.where(real, 1 - positive[:, None] + negatives, 0.0)
    violates = hinge > 0
    first = jnp.argmax(violates, axis=1)
    trials = jnp.take_along_axis(jnp.cumsum(real, axis=1), first[:, None], axis=1)[:, 0]
    unseen = jnp.sum(real if weights is None else weights, axis=1)
    # Sums of weights such as 3 * (10 / 3) may fall just short of the integer they stand for.
    rank = jnp.floor(unseen / jnp.maximum(trials, 1) + 1e-3)
    rank_weight = lax.stop_gradient(digamma(rank + 1) - digamma(1.0))
    at_first = jnp.take_along_axis(hinge, first[:, None], axis=1)[:, 0]
    return jnp.where(violates.any(axis=1), rank_weight * at_first, 0.0)


def softmax(positive: Array, negatives: Array, weights: Array | None = None) -> Array:
    r"""Return the sampled softmax cross-entropy with the log-q correction.

    .. math:: \ell = -s^+ + \ln\left(e^{s^+} + \sum_j e^{s_j + \ln w_j}\right)

    With w_j = 1 / (m q_j) this estimates the softmax over all unseen items; with every unseen item as a negative and
    w = 1 it is that softmax. An example without a real negative has loss 0.

    Example:
        >>> print(softmax(jnp.array([1.0]), jnp.array([[1.0]]), jnp.array([[3.0]])).round(4))
        [1.3863]

    Source: Jean et al. (2015), section 3; Yi et al. (2019), equation 3.
    """
    positive, negatives, weights = _checked(positive, negatives, weights)
    real = _real(negatives, weights)
    log_weights = 0.0 if weights is None else jnp.log(jnp.where(real, weights, 1.0))
    margins = jnp.where(real, negatives - positive[:, None] + log_weights, -jnp.inf)
    return jax.nn.logsumexp(jnp.pad(margins, ((0, 0), (1, 0))), axis=1)


def lambdarank(positive: Array, negatives: Array, weights: Array | None = None, *, k: int | None = None) -> Array:
    r"""Return the pairwise logistic loss of one positive, weighted by the NDCG that a swap would change.

    .. math:: \ell = -\sum_j w_j \, |D(r^+) - D(r_j)| \ln \sigma(s^+ - s_j), \qquad
        D(r) = \frac{[r \le k]}{\log_2(r + 1)}

    Ranks are estimated in the catalogue: the positive's is 1 + sum of w_j over s_j > s^+, a negative's counts the
    weights of the negatives above it, itself as one, and the positive if it is above. Equal scores: the positive
    first, then the order of the negatives. With one relevant item the ideal DCG is 1, so this is |delta NDCG|; with
    w = 1 it is `pairwise_logistic` under `ndcg_weight` on the list [positive, negatives]. The lambda weights have no
    gradient. Cost: one sort of the m negatives.

    Args:
        positive, negatives, weights: see `mfjax.ranking.losses`.
        k: cutoff of the metric, None for none.

    Raises:
        ValueError: for a cutoff below 1.

    Example:
        >>> f"{lambdarank(jnp.array([1.0]), jnp.array([[1.0]]))[0]:.4f}"
        '0.2558'

    Source: Burges, Ragno, Le (2006), section 4; see `ndcg_weight`.
    """
    positive, negatives, weights = _checked(positive, negatives, weights)
    real = _real(negatives, weights)
    _check_cutoff(k)
    weights = real.astype(negatives.dtype) if weights is None else weights
    order = jnp.argsort(jnp.where(real, -negatives, jnp.inf), axis=1, stable=True)
    sorted_weights = jnp.take_along_axis(weights, order, axis=1)
    above = jnp.cumsum(sorted_weights, axis=1) - sorted_weights
    above = jnp.put_along_axis(jnp.zeros_like(weights), order, above, axis=1, inplace=False)
    below_positive = negatives <= positive[:, None]
    positive_rank = 1 + jnp.sum(jnp.where(below_positive, 0.0, weights), axis=1, keepdims=True)
    change = jnp.abs(_discount(positive_rank, k) - _discount(above + 1 + below_positive, k))
    change = lax.stop_gradient(jnp.where(real, weights * change, 0.0))
    return jnp.sum(change * _softplus(negatives - positive[:, None]), axis=1)


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
    loss = _softplus(scores[..., None, :] - scores[..., :, None])
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
    _check_cutoff(k)
    scores, labels, mask = _checked_lists(scores, labels, mask)
    most = 100 if gain == "exponential" else None
    checks.number("labels", labels, least=0, most=most, remedy="relevances are never negative; 0 is not relevant")
    scores, labels = lax.stop_gradient((scores, labels))
    gains = _GAINS[gain](labels.astype(scores.dtype))
    gains = jnp.where(mask, gains, 0.0)
    order = jnp.argsort(jnp.where(mask, -scores, jnp.inf), axis=-1, stable=True)
    discounts = _discount(jnp.argsort(order, axis=-1) + 1.0, k)  # the inverse of the order: ranks from 0
    if normalized:
        places = _discount(jnp.arange(1.0, scores.shape[-1] + 1), k)
        ideal = jnp.matmul(-jnp.sort(-gains, axis=-1), places, precision="highest")[..., None]
        gains = gains / jnp.where(ideal > 0, ideal, 1.0)
    change = jnp.abs(gains[..., :, None] - gains[..., None, :])
    change = change * jnp.abs(discounts[..., :, None] - discounts[..., None, :])
    return jnp.where(mask[..., :, None] & mask[..., None, :], change, 0.0)


_GAINS: dict[Gain, Callable[[Array], Array]] = {
    "exponential": lambda labels: jnp.exp2(labels) - 1,
    "binary": lambda labels: (labels > 0).astype(labels.dtype),
}


def _checked(positive: Array, negatives: Array, weights: Array | None) -> tuple[Array, Array, Array | None]:
    """Return the scores and weights of a batch as arrays."""
    positive, negatives = jnp.asarray(positive), jnp.asarray(negatives)
    checks.shape("positive", positive, (None,), "pass one score for each example")
    checks.shape("negatives", negatives, (*positive.shape, None), "pass the scores of each example's negatives")
    if weights is None:
        return positive, negatives, None
    checks.shape("weights", weights, negatives.shape, "pass one weight for each negative")
    checks.number("weights", weights, least=0, remedy="0 is for a negative that is not real")
    return positive, negatives, jnp.asarray(weights)


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


def _check_cutoff(k: int | None) -> None:
    if k is not None:
        checks.whole("k", k, remedy="pass the length of the list, or None")


@jax.custom_jvp
def _softplus(x: Array) -> Array:
    # ln(1 + e^x), stable, in a form that XLA's CPU backend vectorises, unlike that of jax.nn.softplus.
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


# The form above has a kink at 0 that its value has not: its derivative is the sigmoid, to any order.
_softplus.defjvps(lambda tangent, value, x: tangent * jax.nn.sigmoid(x))


def _discount(ranks: Array, k: int | None) -> Array:
    discounts = 1 / jnp.log2(ranks + 1)
    return discounts if k is None else jnp.where(ranks <= k, discounts, 0.0)


def _real(negatives: Array, weights: Array | None) -> Array:
    return jnp.ones(negatives.shape, bool) if weights is None else weights > 0


def _mean(values: Array, mask: Array) -> Array:
    return jnp.sum(jnp.where(mask, values, 0.0), axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


LOSSES: dict[str, Loss] = {"bpr": bpr, "warp": warp, "softmax": softmax, "lambdarank": lambdarank}
"""Losses for training, by name."""
