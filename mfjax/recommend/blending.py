"""Blends: the scores of several models, each on the scale of its own user, added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mfjax import checks
from mfjax.histories import agreement
from mfjax.recommend.scores import scorer as scorer_of
from mfjax.types import Array, Factors, Scorer


def scorer(models: Sequence[Scorer | Factors], weights: ArrayLike | None = None) -> Blend:
    r"""Return the scorer that adds up the standardised scores of several models.

    .. math:: s(u, i) = \sum_m w_m \frac{s_m(u, i) - \mu_m(u)}{\sigma_m(u)}

    with the mean and the standard deviation of the user's scores over the catalogue, so that models of any scale can be
    blended. A model that scores all items alike adds 0.

    Args:
        models: two or more, each factors or any scorer, of the same users and items.
        weights: float [number of models], finite; None for equal ones, 1 / number of models.

    Returns:
        A scorer. An item that a model does not recommend (-inf) is not recommended; it is no part of the mean.

    Raises:
        ValueError: for fewer than two models, weights that do not fit, models as `recommend.scorer` refuses them, and
            models of different users; different items are refused when it scores.

    Example:
        >>> one = Factors(jnp.ones((1, 1)), jnp.array([[3.0], [2.0], [1.0]]))
        >>> other = Factors(jnp.ones((1, 1)), jnp.array([[10.0], [30.0], [20.0]]))
        >>> blended = scorer([one, other], [2.0, 1.0])(jnp.array([0]))
        >>> [f"{score:.3f}" for score in blended[0]]
        ['1.225', '1.225', '-2.449']

    Source: a plain case of stacking, Jahrer, Töscher, Legenstein (2010), Combining predictions for accurate
    recommender systems; standardised, as scores of rankings have no common scale.
    """
    checks.kind("models", models, (list, tuple), "pass a list of factors or scorers")
    if isinstance(models, Factors) or len(models) < 2:
        raise ValueError("models: a blend is of two models or more; pass a list of them")
    sizes = [agreement.num_users(model) for model in models]
    known = sorted({size for size in sizes if size is not None})
    if len(known) > 1:
        raise ValueError(f"models: have {known} users; pass models of one id space")
    weights = jnp.full(len(models), 1 / len(models)) if weights is None else jnp.asarray(weights, float)
    checks.shape("weights", weights, (len(models),), "pass one for each model")
    checks.number("weights", weights)
    kept = [agreement.factors("models", model) if isinstance(model, Factors) else scorer_of(model) for model in models]
    return Blend(tuple(kept), weights)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Blend:
    """The scorer of a blend; see `scorer`.

    Attributes:
        models: what is blended, factors or scorers that are pytrees.
        weights: float [number of models].
    """

    models: tuple[Scorer | Factors, ...]
    weights: Array

    @property
    def num_users(self) -> int | None:
        """The users of the models, None where nobody knows."""
        sizes = [agreement.num_users(model) for model in self.models]
        return min((size for size in sizes if size is not None), default=None)

    def __call__(self, users: Array) -> Array:
        found = [standardised(scorer_of(model)(users)) for model in self.models]
        items = sorted({scores.shape[1] for scores in found})
        if len(items) > 1:
            raise ValueError(f"models: have {items} items; pass models of one id space")
        listed = jnp.all(jnp.stack([scores > -jnp.inf for scores in found]), axis=0)
        total = jnp.zeros_like(found[0])
        for weight, scores in zip(self.weights, found, strict=True):
            total += weight.astype(scores.dtype) * jnp.where(listed, scores, 0.0)
        return jnp.where(listed, total, -jnp.inf)


def standardised(scores: Array) -> Array:
    """Return scores, float [batch, num_items], less their mean, over their standard deviation, of each row.

    Scores of -inf stay, and are no part of the mean; a row of one value becomes 0.
    """
    real = scores > -jnp.inf
    count = jnp.maximum(jnp.sum(real, axis=1, keepdims=True), 1)
    centred = jnp.where(real, scores, 0.0) - jnp.sum(jnp.where(real, scores, 0.0), axis=1, keepdims=True) / count
    deviation = jnp.sqrt(jnp.sum(jnp.where(real, centred, 0.0) ** 2, axis=1, keepdims=True) / count)
    return jnp.where(real, jnp.where(deviation > 0, centred / jnp.where(deviation > 0, deviation, 1.0), 0.0), -jnp.inf)
