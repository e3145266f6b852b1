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
`implicit`                conf - 1      p conf        p conf       1
`ials`                    1             p             p            `unobserved_weight`
`popularity_weighted`     w_i           w_i r         w_i r^2      0
========================  ============  ============  ===========  ==========================

`explicit`, `zeros_observed` and `popularity_weighted` take values as ratings, of either sign. `implicit` and `ials`
take their sign as a preference and their size as confidence: p = 1 for r > 0 and p = 0 for r <= 0, so that a negative
value is a dislike and a stored zero no like; conf is made from abs(r).

`mfjax.als.objective` has what weights do to the three numbers, where interactions have any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from mfjax import checks
from mfjax.als.objective import Entry as Entry
from mfjax.als.objective import Objective as Objective
from mfjax.als.objective import check_fits
from mfjax.types import Array


def _check_options(*, least: float | None = None, above: float | None = None, **options: float | Array) -> None:
    """Raise ValueError for what are no numbers in range; arrays of them are for `jax.vmap` over objectives."""
    for name, value in options.items():
        checks.kind(name, value, (int, float, np.number, np.ndarray, jax.Array), "pass a number")
        checks.number(name, value, least=least, above=above, remedy="pass a number")
        check_fits(name, value, jnp.result_type(float))


def _check_used(values: Array, **options: float | Array) -> None:
    """Raise ValueError for an array where one number is used, which would be laid along the values, or one too large.

    Numbers are looked at where they are used because `jax.vmap` takes arrays of them, and the dtype is known here.
    """
    for name, value in options.items():
        checks.shape(name, value, (), "pass one number; jax.vmap over configs takes many")
        check_fits(name, value, jnp.result_type(values, float))


def _square(weight: Array, target: Array) -> Entry:
    """weight * (target - score)^2."""
    return Entry(weight, weight * target, weight * target**2)


def _explicit(values: Array, item_counts: Array) -> Entry:
    return _square(jnp.ones_like(values), values)


def explicit(*, offset: float | Array = 0.0) -> Objective:
    r"""Squared error on the observed ratings.

    .. math:: \sum_{(u,i) \in H} (r_{ui} - s_{ui})^2

    With `reg_exponent=1` this is ALS-WR.

    Raises:
        ValueError: for what is no finite number.

    Source: Zhou, Wilkinson, Schreiber & Pan 2008, Large-scale parallel collaborative filtering, eq. 2.
    """
    _check_options(offset=offset)
    return Objective(entry=Partial(_explicit), offset=offset)


def _zeros_observed(values: Array, item_counts: Array) -> Entry:
    return Entry(jnp.zeros_like(values), values, values**2)


def zeros_observed() -> Objective:
    r"""Squared error on the full matrix, an unobserved pair being a rating of 0; never made dense.

    .. math:: \sum_u \sum_i (r_{ui} - s_{ui})^2 = \sum_H (r_{ui}^2 - 2 r_{ui} s_{ui}) + \sum_u \sum_i s_{ui}^2
    """
    return Objective(entry=Partial(_zeros_observed), unobserved_weight=1.0, weighing="pair")


def _confidence(values: Array, confidence: Array) -> Entry:
    preferred = jnp.where(values > 0, confidence, 0.0)
    return Entry(confidence - 1.0, preferred, preferred)


def _implicit_linear(alpha: Array, epsilon: Array, values: Array, item_counts: Array) -> Entry:
    _check_used(values, alpha=alpha)
    return _confidence(values, 1.0 + alpha * jnp.abs(values))


def _implicit_log(alpha: Array, epsilon: Array, values: Array, item_counts: Array) -> Entry:
    _check_used(values, alpha=alpha, epsilon=epsilon)
    return _confidence(values, 1.0 + alpha * jnp.log1p(jnp.abs(values) / epsilon))


def _implicit_value(alpha: Array, epsilon: Array, values: Array, item_counts: Array) -> Entry:
    _check_used(values, alpha=alpha)
    return _confidence(values, alpha * jnp.abs(values))


Confidence = Literal["linear", "log", "value"]

CONFIDENCES: dict[Confidence, Callable[..., Entry]] = {
    "linear": _implicit_linear,
    "log": _implicit_log,
    "value": _implicit_value,
}


def implicit(
    *,
    alpha: float | Array = 40.0,
    confidence: Confidence = "linear",
    epsilon: float | Array = 1.0,
) -> Objective:
    r"""Confidence-weighted preferences over all pairs.

    .. math:: \sum_u \sum_i c_{ui} (p_{ui} - s_{ui})^2, \quad
        p_{ui} = 1 \text{ where } r_{ui} > 0, \; 0 \text{ where } r_{ui} \le 0 \text{ and outside } H

    with c = 1 outside H, and within H

    - `"linear"`: c = 1 + alpha abs(r), the paper's eq. 3, and what Spark computes, for values of either sign;
    - `"log"`: c = 1 + alpha log(1 + abs(r) / epsilon), the paper's section 3;
    - `"value"`: c = alpha abs(r), what the library implicit computes when it is given the matrix alpha R: a stored
      zero then weighs nothing at all.

    Where interactions have weights w, w takes the place of abs(r): c = 1 + alpha w, and r only says which p.

    Args:
        alpha: at least 0.
        confidence: the rule of c.
        epsilon: above 0; only used with "log".

    Raises:
        ValueError: for another name of a confidence, or numbers out of range.

    Example:
        >>> entry = implicit(alpha=10.0).entry(jnp.array([1.0, -1.0]), jnp.ones(2))
        >>> entry.quadratic.tolist(), entry.linear.tolist()
        ([10.0, 10.0], [11.0, 0.0])

    Source: Hu, Koren & Volinsky 2008, Collaborative filtering for implicit feedback datasets, eq. 2-3. There values
    are not negative; that a negative one is a dislike of its size is the rule of the two libraries.
    """
    checks.choice("confidence", confidence, CONFIDENCES)
    _check_options(alpha=alpha, least=0)
    _check_options(epsilon=epsilon, above=0)
    return Objective(entry=Partial(CONFIDENCES[confidence], alpha, epsilon), unobserved_weight=1.0, weighing="size")


def as_in_spark(*, alpha: float | Array = 1.0) -> Objective:
    """Return what Spark's ALS minimises with `implicitPrefs`: c = 1 + alpha abs(r), p = 1 for r > 0 alone.

    Spark regularises a row in proportion to its entries above 0, which no `reg_exponent` does where some are not.

    Raises:
        ValueError: for an alpha below 0, or what is no number.

    Source: org.apache.spark.ml.recommendation.ALS, `computeFactors`; old releases left values of 0 and below out.
    """
    return implicit(alpha=alpha, confidence="linear")


def as_in_implicit(*, alpha: float | Array = 1.0) -> Objective:
    """Return what the library implicit minimises: c = alpha abs(r) within H, p = 1 for r > 0 alone.

    Its regularisation is that of `reg_exponent=0`.

    Raises:
        ValueError: for an alpha below 0, or what is no number.

    Source: implicit.als.AlternatingLeastSquares, `least_squares`.
    """
    return implicit(alpha=alpha, confidence="value")


def _ials(values: Array, item_counts: Array) -> Entry:
    return _square(jnp.ones_like(values), (values > 0).astype(values.dtype))


def ials(*, unobserved_weight: float | Array = 0.1, popularity_exponent: float | Array = 0.0) -> Objective:
    r"""A squared error to 1 on the observed pairs of a positive value, whatever its size, and a weak one to 0 on all
    pairs.

    .. math:: \sum_{(u,i) \in H} ([r_{ui} > 0] - s_{ui})^2 + w_0 \sum_u \sum_i p_i s_{ui}^2

    An observed pair of a value of 0 or below is a dislike: its error is to 0, with the weight of an observed one.
    A popularity exponent above 0 gives the background of eALS: a popular item that a user left alone says more.

    Source: Rendle, Krichene, Zhang & Koren 2021, Revisiting the performance of iALS, eq. 2-4;
    He, Zhang, Kan & Chua 2016, Fast matrix factorization for online recommendation, eq. 7-8 (their c_i is w0 p_i here).

    Raises:
        ValueError: for numbers out of range.
    """
    _check_options(unobserved_weight=unobserved_weight, least=0)
    _check_options(popularity_exponent=popularity_exponent)
    return Objective(entry=Partial(_ials), unobserved_weight=unobserved_weight, popularity_exponent=popularity_exponent)


def _linear_weight(base: Array, scale: Array, values: Array, item_counts: Array) -> Entry:
    _check_used(values, base=base, scale=scale)
    return _square(base + scale / jnp.maximum(item_counts, 1.0), values)


def _power_weight(base: Array, exponent: Array, values: Array, item_counts: Array) -> Entry:
    _check_used(values, base=base, exponent=exponent)
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

    Raises:
        ValueError: for numbers out of range.
    """
    _check_options(base=base, scale=scale, least=0)
    _check_options(offset=offset)
    if exponent is None:
        return Objective(entry=Partial(_linear_weight, base, scale), offset=offset)
    _check_options(exponent=exponent)
    return Objective(entry=Partial(_power_weight, base, exponent), offset=offset)


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "explicit": explicit,
    "zeros_observed": zeros_observed,
    "implicit": implicit,
    "ials": ials,
    "popularity_weighted": popularity_weighted,
}
"""Makers of objectives, by name."""

ENTRIES: dict[str, Callable[..., Entry]] = {
    "explicit": _explicit,
    "zeros_observed": _zeros_observed,
    "implicit_linear": _implicit_linear,
    "implicit_log": _implicit_log,
    "implicit_value": _implicit_value,
    "ials": _ials,
    "popularity_weighted_linear": _linear_weight,
    "popularity_weighted_power": _power_weight,
}
"""What the makers give `Objective.entry`, by the names under which files of models keep them."""
