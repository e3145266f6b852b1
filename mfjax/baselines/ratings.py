"""Rating predictors without factors, as `Factors` of dim 0: whatever takes factors takes these too."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfjax import checks
from mfjax.baselines.neighbours import check_interactions
from mfjax.types import Array, Factors, Interactions


def global_mean(interactions: Interactions) -> Factors:
    r"""Predict the mean of all ratings for every pair.

    .. math:: \hat r_{ui} = \mu = \frac{1}{n} \sum r

    Args:
        interactions: the training ratings, at least one.

    Returns:
        Factors with users [num_users, 0], items [num_items, 0] and the offset.

    Raises:
        ValueError: for what is no `Interactions`, holds no ratings or weights beside them, ids outside its sizes or
            values not finite.

    Example:
        >>> ratings = Interactions(np.array([0, 0]), np.array([0, 1]), np.array([2, 5], np.float32), 1, 2)
        >>> float(global_mean(ratings).offset)
        3.5
    """
    return _biases_only(interactions, _mean(interactions))


def item_bias(interactions: Interactions, *, reg: Array | float = 0.0) -> Factors:
    r"""Predict the (shrunken) mean of the item; an item without ratings gets the mean of all ratings.

    .. math:: \hat r_{ui} = \mu + b_i, \qquad b_i = \frac{\sum_{u} (r_{ui} - \mu)}{n_i + \lambda}

    Args:
        interactions: the training ratings, at least one.
        reg: lambda >= 0, in ratings; 0 is the plain item mean.

    Returns:
        Factors with users [num_users, 0], items [num_items, 0], item_biases and the offset.

    Raises:
        ValueError: as `global_mean`, and for a negative reg.

    Example:
        >>> ratings = Interactions(np.array([0, 0]), np.array([0, 1]), np.array([2, 5], np.float32), 1, 3)
        >>> item_bias(ratings).item_biases.tolist()
        [-1.5, 1.5, 0.0]
    """
    checks.number("reg", reg, least=0, remedy="pass 0 for the plain mean")
    checks.shape("reg", reg, (), "pass one number, or vmap over several")
    mean = _mean(interactions)
    items, residuals = jnp.asarray(interactions.items), jnp.asarray(interactions.values) - mean
    biases = _shrunken_means(residuals, items, interactions.num_items, reg, 0.0)
    return _biases_only(interactions, mean)._replace(item_biases=biases)


def user_item_bias(
    interactions: Interactions,
    *,
    reg: Array | float = 1.0,
    reg_exponent: Array | float = 0.5,
    num_iterations: int = 15,
) -> Factors:
    r"""Predict mean plus user bias plus item bias, fitted by alternating exact half-steps from zero, items first.

    .. math:: \min_b \sum_{u, i} (r_{ui} - \mu - b_u - b_i)^2
        + \lambda \sum_u n_u^\nu b_u^2 + \lambda \sum_i n_i^\nu b_i^2, \qquad
        b_i = \frac{\sum_{u} (r_{ui} - \mu - b_u)}{n_i + \lambda n_i^\nu}

    A user or item without ratings has bias 0. `reg` and `reg_exponent` may be traced: jit, vmap and differentiate a
    function of them that closes over the interactions.

    Args:
        interactions: the training ratings, at least one.
        reg: lambda >= 0.
        reg_exponent: nu; 0 is plain ridge, 1 shrinks every bias by the same share.
        num_iterations: sweeps of both sides.

    Returns:
        Factors with users [num_users, 0], items [num_items, 0], both biases and the offset.

    Raises:
        ValueError: as `item_bias`, for a reg_exponent that is not finite, and for fewer than one sweep.

    Example:
        >>> ratings = Interactions(np.array([0, 0]), np.array([0, 1]), np.array([2, 5], np.float32), 1, 2)
        >>> user_item_bias(ratings, reg=1.0).item_biases.tolist()
        [-0.75, 0.75]
    """
    checks.number("reg", reg, least=0, remedy="pass 0 for the plain means")
    checks.number("reg_exponent", reg_exponent)
    for name, number in (("reg", reg), ("reg_exponent", reg_exponent)):
        checks.shape(name, number, (), "pass one number, or vmap over several")
    checks.whole("num_iterations", num_iterations, remedy="pass the number of sweeps of both sides")
    mean = _mean(interactions)
    users, items = jnp.asarray(interactions.users), jnp.asarray(interactions.items)
    residuals = jnp.asarray(interactions.values) - mean

    def sweep(user_biases, _):
        left = residuals - user_biases[users]
        item_biases = _shrunken_means(left, items, interactions.num_items, reg, reg_exponent)
        left = residuals - item_biases[items]
        return _shrunken_means(left, users, interactions.num_users, reg, reg_exponent), item_biases

    user_biases, item_biases = lax.scan(sweep, jnp.zeros(interactions.num_users), length=num_iterations)
    return _biases_only(interactions, mean)._replace(user_biases=user_biases, item_biases=item_biases[-1])


def _mean(interactions: Interactions) -> Array:
    check_interactions(interactions)
    if len(interactions) == 0:
        raise ValueError("interactions: there are none, so they have no mean; pass at least one rating")
    # Summed in float64 on the host: a running float32 sum of millions of ratings loses digits.
    return jnp.asarray(interactions.values.mean(dtype=np.float64))


def _biases_only(interactions: Interactions, mean: Array) -> Factors:
    return Factors(jnp.zeros((interactions.num_users, 0)), jnp.zeros((interactions.num_items, 0)), offset=mean)


def _shrunken_means(
    values: Array, groups: Array, num_groups: int, reg: Array | float, reg_exponent: Array | float
) -> Array:
    counts = jax.ops.segment_sum(jnp.ones_like(values), groups, num_groups)
    sums = jax.ops.segment_sum(values, groups, num_groups)
    present = jnp.maximum(counts, 1)  # an empty group has the sum 0, and so the mean 0
    return sums / (present + reg * present**reg_exponent)
