r"""Ranking losses on scores only.

A loss for training compares one positive with its negatives, for a batch of examples::

    loss(positive [batch], negatives [batch, m], weights [batch, m]) -> [batch]

`weights` says how many unseen items a negative stands for (see `sampler.Negatives`); 0 = not real, None = all ones.
An example without a real negative has loss 0 and gradient 0. Finite scores give finite values and gradients. Other
shapes raise ValueError, and weights that are negative or not finite, where they can be seen.

A listwise loss sees whole lists with graded labels, see `mfjax.ranking.listwise`: `pairwise_logistic(scores, labels,
mask)`, [..., list] -> [...].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import digamma

from mfjax import checks
from mfjax.ranking.listwise import check_cutoff, discount, ndcg_weight, pairwise_logistic, softplus
from mfjax.types import Array

Loss = Callable[[Array, Array, Array | None], Array]
"""(positive [batch], negatives [batch, m], weights [batch, m] or None) -> loss of each example, [batch]."""

Surrogate = Literal["relu", "tanh", "atan"]

_SURROGATES: dict[Surrogate, Callable[[Array], Array]] = {
    "relu": lambda difference: 1 + difference,
    "tanh": lambda difference: 1 + jnp.tanh(difference),
    "atan": lambda difference: 1 + jnp.arctan(difference),
}
"""Name -> sigma of `pairwise_softmax`, which is 0 where this is below."""

__all__ = [
    "LOSSES",
    "Loss",
    "Surrogate",
    "bpr",
    "cosine_contrastive",
    "hinge",
    "lambdarank",
    "logistic",
    "ndcg_weight",
    "pairwise_logistic",
    "pairwise_softmax",
    "softmax",
    "warp",
]


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
    return _mean(softplus(negatives - positive[:, None]), real)


def hinge(positive: Array, negatives: Array, weights: Array | None = None, *, margin: float | Array = 1.0) -> Array:
    r"""Return the hinge of the pairwise order, averaged over the real negatives.

    .. math:: \ell = \frac{1}{m} \sum_{j=1}^{m} \max(0,\ \gamma - s^+ + s_j)

    Only which negatives are real is read from `weights`.

    Args:
        positive, negatives, weights: see `mfjax.ranking.losses`.
        margin: gamma, at least 0.

    Raises:
        ValueError: for a margin below 0.

    Example:
        >>> print(hinge(jnp.array([2.0]), jnp.array([[0.5, 1.5]])))
        [0.25]

    Source: Herbrich, Graepel, Obermayer (2000), Large margin rank boundaries for ordinal regression.
    """
    positive, negatives, weights = _checked(positive, negatives, weights)
    checks.number("margin", margin, least=0, remedy="pass such as 1.0")
    return _mean(jnp.maximum(margin - positive[:, None] + negatives, 0.0), _real(negatives, weights))


def logistic(positive: Array, negatives: Array, weights: Array | None = None) -> Array:
    r"""Return the pointwise logistic loss: cross-entropy of the labels 1 for the positive and 0 for each negative.

    .. math:: \ell = -\ln \sigma(s^+) - \sum_{j=1}^{m} \ln \sigma(-s_j)

    It is summed over the real negatives, each an example of its own; only which are real is read from `weights`. An
    example without a real negative has loss 0.

    Example:
        >>> print(logistic(jnp.array([0.0]), jnp.array([[0.0, 0.0]])))
        [2.0794415]

    Source: He et al. (2017), Neural collaborative filtering, equation 7; Rendle et al. (2020), Neural collaborative
    filtering vs. matrix factorization revisited, section 3.
    """
    positive, negatives, weights = _checked(positive, negatives, weights)
    real = _real(negatives, weights)
    against = jnp.sum(jnp.where(real, softplus(negatives), 0.0), axis=1)
    return jnp.where(jnp.any(real, axis=1), softplus(-positive) + against, 0.0)


def cosine_contrastive(
    positive: Array,
    negatives: Array,
    weights: Array | None = None,
    *,
    margin: float | Array = 0.8,
    negative_weight: float | Array = 150.0,
) -> Array:
    r"""Return the cosine contrastive loss: positives are drawn to 1, negatives above a margin are pushed below it.

    .. math:: \ell = 1 - s^+ + \frac{\omega}{m} \sum_{j=1}^{m} \max(0,\ s_j - \gamma)

    For cosine scores of temperature 1 (`Config(score="cosine")`), without biases. Only which negatives are real is read
    from `weights`; an example without a real negative has loss 0.

    Args:
        positive, negatives, weights: see `mfjax.ranking.losses`.
        margin: gamma, between 0 and 1.
        negative_weight: omega, at least 0.

    Raises:
        ValueError: for numbers out of range.

    Example:
        >>> print(cosine_contrastive(jnp.array([0.5]), jnp.array([[0.9, 0.2]]), negative_weight=10.0).round(4))
        [1.]

    Source: Mao et al. (2021), SimpleX: a simple and strong baseline for collaborative filtering, equation 4.
    """
    positive, negatives, weights = _checked(positive, negatives, weights)
    checks.number("margin", margin, least=0, most=1, remedy="pass such as 0.8")
    checks.number("negative_weight", negative_weight, least=0, remedy="pass such as 150")
    real = _real(negatives, weights)
    pushed = negative_weight * _mean(jnp.maximum(negatives - margin, 0.0), real)
    return jnp.where(jnp.any(real, axis=1), 1 - positive + pushed, 0.0)


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


def pairwise_softmax(
    positive: Array,
    negatives: Array,
    weights: Array | None = None,
    *,
    temperature: float | Array = 0.05,
    surrogate: Surrogate = "relu",
) -> Array:
    r"""Return the softmax cross-entropy with a function that grows more slowly in place of the exponential.

    .. math:: \ell = \ln\Big(1 + \sum_j w_j \, \sigma(s_j - s^+)^{1/\tau}\Big), \qquad
        \sigma(d) = \max(0, 1 + d),\ 1 + \tanh d \ \text{or}\ \max(0, 1 + \arctan d)

    With exp for sigma it is `softmax` of scores divided by tau. A negative far above the positive, which the user may
    yet like, weighs less than there. For differences of scores between -1 and 1: cosines divided by two, as of
    `Config(score="cosine", temperature=2.0)`. An example without a real negative has loss 0.

    Args:
        positive, negatives, weights: see `mfjax.ranking.losses`.
        temperature: tau, above 0.
        surrogate: sigma: "relu", "tanh" or "atan".

    Raises:
        ValueError: for a temperature that is not above 0, or an unknown surrogate.

    Example:
        >>> print(pairwise_softmax(jnp.array([0.5]), jnp.array([[0.5, -0.6]]), temperature=0.5).round(4))
        [0.6931]

    Source: Yang et al. (2024), PSL: rethinking and improving softmax loss from pairwise perspective for recommendation,
    section 3. The 1, which is the positive's own term, is ours: it keeps the loss above 0.
    """
    positive, negatives, weights = _checked(positive, negatives, weights)
    checks.number("temperature", temperature, above=0, remedy="pass such as 0.05")
    checks.choice("surrogate", surrogate, _SURROGATES)
    grown = _SURROGATES[surrogate](negatives - positive[:, None])
    counts = _real(negatives, weights) & (grown > 0)
    log_weights = 0.0 if weights is None else jnp.log(jnp.where(counts, weights, 1.0))
    powers = jnp.log(jnp.where(counts, grown, 1.0)) / temperature + log_weights
    return jax.nn.logsumexp(jnp.pad(jnp.where(counts, powers, -jnp.inf), ((0, 0), (1, 0))), axis=1)


def lambdarank(positive: Array, negatives: Array, weights: Array | None = None, *, k: int | None = None) -> Array:
    r"""Return the pairwise logistic loss of one positive, weighted by the NDCG that a swap would change.

    .. math:: \ell = -\sum_j w_j \, |D(r^+) - D(r_j)| \ln \sigma(s^+ - s_j), \qquad
        D(r) = \frac{[r \le k]}{\log_2(r + 1)}

    Ranks are estimated in the catalogue: the positive's is 1 + sum of w_j over s_j > s^+, a negative's counts the
    weights of the negatives above it, itself as one, and the positive if it is above. Equal scores: the positive
    first, then the order of the negatives. With one relevant item the ideal DCG is 1, so this is the change of NDCG;
    with w = 1 it is `pairwise_logistic` under `ndcg_weight` on the list [positive, negatives]. The lambda weights have
    no gradient. Cost: one sort of the m negatives.

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
    check_cutoff(k)
    weights = real.astype(negatives.dtype) if weights is None else weights
    order = jnp.argsort(jnp.where(real, -negatives, jnp.inf), axis=1, stable=True)
    sorted_weights = jnp.take_along_axis(weights, order, axis=1)
    above = jnp.cumsum(sorted_weights, axis=1) - sorted_weights
    above = jnp.put_along_axis(jnp.zeros_like(weights), order, above, axis=1, inplace=False)
    below_positive = negatives <= positive[:, None]
    positive_rank = 1 + jnp.sum(jnp.where(below_positive, 0.0, weights), axis=1, keepdims=True)
    change = jnp.abs(discount(positive_rank, k) - discount(above + 1 + below_positive, k))
    change = lax.stop_gradient(jnp.where(real, weights * change, 0.0))
    return jnp.sum(change * softplus(negatives - positive[:, None]), axis=1)


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


def _real(negatives: Array, weights: Array | None) -> Array:
    return jnp.ones(negatives.shape, bool) if weights is None else weights > 0


def _mean(values: Array, mask: Array) -> Array:
    return jnp.sum(jnp.where(mask, values, 0.0), axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


LOSSES: dict[str, Loss] = {
    "bpr": bpr,
    "hinge": hinge,
    "logistic": logistic,
    "cosine_contrastive": cosine_contrastive,
    "warp": warp,
    "softmax": softmax,
    "pairwise_softmax": pairwise_softmax,
    "lambdarank": lambdarank,
}
"""Losses for training, by name."""
