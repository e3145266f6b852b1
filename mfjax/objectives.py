r"""What ALS minimises: one quadratic, given by three numbers per history entry and a background.

.. math::
    L(U, V) = \sum_{(u,i) \in H} (a_{ui} s_{ui}^2 - 2 q_{ui} s_{ui} + c_{ui})
              + w_0 \sum_u \sum_i p_i s_{ui}^2
              + \sum_u \lambda_u \|U_u\|^2 + \sum_i \lambda_i \|V_i\|^2,
    \qquad s_{ui} = \langle U_u, V_i \rangle

The background runs over all pairs, observed ones included. `a` is the quadratic, `q` the linear and `c` the constant
number of an entry; the constant moves no factor, and makes the loss the sum of squares that the papers print.

========================  ============  ============  ===========  ==========================
objective                 a             q             c            background :math:`w_0`
========================  ============  ============  ===========  ==========================
`explicit`                1             r             r^2          0
`zeros_observed`          0             r             r^2          1
`implicit`                conf - 1      conf          conf         1
`ials`                    1             1             1            `unobserved_weight`
`popularity_weighted`     w_i           w_i r         w_i r^2      0
========================  ============  ============  ===========  ==========================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from mfjax.types import Array


class Entry(NamedTuple):
    """The three numbers of a history entry, each of the shape of its values."""

    quadratic: Array
    linear: Array
    constant: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Objective:
    """A pytree: its numbers are traced, so `vmap` over alpha works and changing it does not recompile.

    Attributes:
        entry: Partial of (values, item_counts) -> Entry, elementwise.
        unobserved_weight: w0, the weight of the background.
        popularity_exponent: the background weight of item i is p_i = max(c_i, 1)^exponent / mean of the same;
            0 weighs all items alike.
        offset: subtracted from every value before `entry` sees it, and added to every score; the mean of the
            ratings for biased models.
    """

    entry: Callable[[Array, Array], Entry]
    unobserved_weight: float | Array = 0.0
    popularity_exponent: float | Array = 0.0
    offset: float | Array = 0.0

    def item_weights(self, item_counts: Array) -> Array:
        """Return p_i, float32 [num_items], with mean 1."""
        weights = jnp.maximum(item_counts, 1.0) ** self.popularity_exponent
        return weights / jnp.mean(weights)


def _square(weight: Array, target: Array) -> Entry:
    """weight * (target - score)^2."""
    return Entry(weight, weight * target, weight * target**2)


def _explicit(values: Array, item_counts: Array) -> Entry:
    return _square(jnp.ones_like(values), values)


def explicit(*, offset: float | Array = 0.0) -> Objective:
    r"""Squared error on the observed ratings.

    .. math:: \sum_{(u,i) \in H} (r_{ui} - s_{ui})^2

    With `reg_exponent=1` this is ALS-WR.

    Source: Zhou, Wilkinson, Schreiber & Pan 2008, Large-scale parallel collaborative filtering, eq. 2.
    """
    return Objective(entry=Partial(_explicit), offset=offset)


def _zeros_observed(values: Array, item_counts: Array) -> Entry:
    return Entry(jnp.zeros_like(values), values, values**2)


def zeros_observed() -> Objective:
    r"""Squared error on the full matrix, an unobserved pair being a rating of 0; never made dense.

    .. math:: \sum_u \sum_i (r_{ui} - s_{ui})^2 = \sum_H (r_{ui}^2 - 2 r_{ui} s_{ui}) + \sum_u \sum_i s_{ui}^2
    """
    return Objective(entry=Partial(_zeros_observed), unobserved_weight=1.0)


def _confidence(values: Array, confidence: Array) -> Entry:
    return Entry(confidence - 1.0, confidence, confidence)


def _implicit_linear(alpha: Array, values: Array, item_counts: Array) -> Entry:
    return _confidence(values, 1.0 + alpha * values)


def _implicit_log(alpha: Array, epsilon: Array, values: Array, item_counts: Array) -> Entry:
    return _confidence(values, 1.0 + alpha * jnp.log1p(values / epsilon))


def _implicit_value(alpha: Array, values: Array, item_counts: Array) -> Entry:
    return _confidence(values, alpha * values)


def implicit(*, alpha: float | Array = 40.0, confidence: str = "linear", epsilon: float | Array = 1.0) -> Objective:
    r"""Confidence-weighted preferences over all pairs.

    .. math:: \sum_u \sum_i c_{ui} (p_{ui} - s_{ui})^2, \quad p_{ui} = 1 \text{ in } H, 0 \text{ elsewhere}

    with c = 1 outside H, and within H

    - `"linear"`: c = 1 + alpha r, the paper's eq. 3;
    - `"log"`: c = 1 + alpha log(1 + r / epsilon), the paper's section 3;
    - `"value"`: c = alpha r, what the library implicit computes when it is given the matrix alpha R.

    Raises:
        ValueError: for another name of a confidence.

    Example:
        >>> entry = implicit(alpha=10.0).entry(jnp.ones(1), jnp.ones(1))
        >>> float(entry.quadratic[0]), float(entry.linear[0])
        (10.0, 11.0)

    Source: Hu, Koren & Volinsky 2008, Collaborative filtering for implicit feedback datasets.
    """
    rules = {
        "linear": lambda: Partial(_implicit_linear, alpha),
        "log": lambda: Partial(_implicit_log, alpha, epsilon),
        "value": lambda: Partial(_implicit_value, alpha),
    }
    if confidence not in rules:
        raise ValueError(f"confidence: {confidence!r} is unknown; pass one of {', '.join(map(repr, rules))}")
    return Objective(entry=rules[confidence](), unobserved_weight=1.0)


def _ials(values: Array, item_counts: Array) -> Entry:
    return _square(jnp.ones_like(values), jnp.ones_like(values))


def ials(*, unobserved_weight: float | Array = 0.1, popularity_exponent: float | Array = 0.0) -> Objective:
    r"""A squared error to 1 on the observed pairs, whatever their value, and a weak one to 0 on all pairs.

    .. math:: \sum_{(u,i) \in H} (1 - s_{ui})^2 + w_0 \sum_u \sum_i p_i s_{ui}^2

    A popularity exponent above 0 gives the background of eALS: a popular item that a user left alone says more.

    Source: Rendle, Krichene, Zhang & Koren 2021, Revisiting the performance of iALS, eq. 2-4;
    He, Zhang, Kan & Chua 2016, Fast matrix factorization for online recommendation, eq. 7-8 (their c_i is w0 p_i here).
    """
    return Objective(entry=Partial(_ials), unobserved_weight=unobserved_weight, popularity_exponent=popularity_exponent)


def _linear_weight(base: Array, scale: Array, values: Array, item_counts: Array) -> Entry:
    return _square(base + scale / jnp.maximum(item_counts, 1.0), values)


def _power_weight(base: Array, exponent: Array, values: Array, item_counts: Array) -> Entry:
    return _square(base + jnp.maximum(item_counts, 1.0) ** -exponent, values)


def popularity_weighted(
    *,
    base: float | Array = 0.1,
    scale: float | Array = 1.0,
    exponent: float | Array | None = None,
    offset: float | Array = 0.0,
) -> Objective:
    r"""Squared error on the observed ratings, an item's rarity raising its weight.

    .. math:: \sum_{(u,i) \in H} w_i (r_{ui} - s_{ui})^2

    with w_i = base + scale / c_i, or w_i = base + c_i^-exponent where an exponent is given; c_i is the number of
    observed ratings of item i, at least 1.
    """
    if exponent is None:
        return Objective(entry=Partial(_linear_weight, base, scale), offset=offset)
    return Objective(entry=Partial(_power_weight, base, exponent), offset=offset)


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "explicit": explicit,
    "zeros_observed": zeros_observed,
    "implicit": implicit,
    "ials": ials,
    "popularity_weighted": popularity_weighted,
}
