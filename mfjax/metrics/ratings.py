r"""Errors of predicted ratings, over the entries of a mask.

The functions share these arguments.

Args:
    predictions, ratings: float32 [...], in rating units.
    mask: bool [...], True for a rating that counts, or None for all.

They return a float32 scalar, 0 without any entry. They raise ValueError for shapes that do not fit, a mask that is not
bool, and, where values can be seen, a rating that counts and is not finite. A prediction that is not finite shows in
the value.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.types import Array

Zero = Literal["positive", "negative", "wrong"]


def rmse(predictions: Array, ratings: Array, mask: Array | None = None) -> Array:
    r"""Root mean squared error.

    .. math:: \sqrt{\frac{\sum m (\hat r - r)^2}{\sum m}}

    Args:
        predictions, ratings, mask: see `mfjax.metrics.ratings`.

    Returns:
        float32 scalar, at least 0.

    Example:
        >>> rmse(jnp.array([3.0, 5.0]), jnp.array([3.0, 1.0]), jnp.array([True, True]))
        Array(2.828427, dtype=float32)
    """
    predictions, ratings, mask = _checked(predictions, "ratings", ratings, mask)
    return jnp.sqrt(_mean(jnp.square(predictions - ratings), mask))


def mae(predictions: Array, ratings: Array, mask: Array | None = None) -> Array:
    r"""Mean absolute error.

    .. math:: \frac{\sum m |\hat r - r|}{\sum m}

    Args:
        predictions, ratings, mask: see `mfjax.metrics.ratings`.

    Returns:
        float32 scalar, at least 0.

    Example:
        >>> mae(jnp.array([3.0, 5.0]), jnp.array([3.0, 1.0]))
        Array(2., dtype=float32)
    """
    predictions, ratings, mask = _checked(predictions, "ratings", ratings, mask)
    return _mean(jnp.abs(predictions - ratings), mask)


def weighted_rmse(predictions: Array, ratings: Array, weights: Array, mask: Array | None = None) -> Array:
    r"""Root mean squared error under a weight per rating.

    .. math:: \sqrt{\frac{\sum m\, w (\hat r - r)^2}{\sum m\, w}}

    Args:
        predictions, ratings, mask: see `mfjax.metrics.ratings`.
        weights: float32 [...], not negative; such as `inverse_popularity(item_counts)[items]`.

    Returns:
        float32 scalar, at least 0.

    Example:
        >>> weighted_rmse(jnp.array([3.0, 5.0]), jnp.array([3.0, 1.0]), jnp.array([3.0, 1.0]))
        Array(2., dtype=float32)
    """
    predictions, ratings, mask = _checked(predictions, "ratings", ratings, mask)
    checks.shape("weights", weights, predictions.shape, "pass one for each rating")
    weights = _floats("weights", weights)
    weights = weights if mask is None else jnp.where(mask, weights, 0.0)
    checks.number("weights", weights, least=0)
    total = jnp.sum(weights)
    squares = jnp.where(weights > 0, jnp.square(predictions - ratings), 0.0)
    return jnp.sqrt(jnp.sum(weights * squares) / jnp.where(total > 0, total, 1.0))


def inverse_popularity(item_counts: Array, *, unrated: float = 0.0) -> Array:
    r"""The weight 1 / c of an item with c train ratings, and `unrated` for an item without any.

    No count says how much an item without a train rating should weigh. By default it weighs nothing: its ratings leave
    the mean, which is then over the items on which a model could learn. `unrated=1` treats it as rated once.
    `unrated=1e8` (1 / (0 + 1e-8), a common guard against division by zero) lets the few such items decide the value,
    whatever the model.

    Args:
        item_counts: int32 or float32 [num_items], c.
        unrated: weight where c = 0, not negative.

    Returns:
        float32 [num_items].

    Example:
        >>> inverse_popularity(jnp.array([4, 0, 1]))
        Array([0.25, 0.  , 1.  ], dtype=float32)
    """
    checks.number("item_counts", item_counts, least=0)
    checks.number("unrated", unrated, least=0)
    counts = jnp.asarray(item_counts)
    return jnp.where(counts > 0, 1 / jnp.maximum(counts, 1).astype(jnp.float32), unrated)


def sign_accuracy(
    predictions: Array,
    signs: Array,
    mask: Array | None = None,
    *,
    zero: Zero = "positive",
) -> Array:
    r"""The share of predictions on the right side of zero.

    .. math:: \frac{\sum m [\operatorname{sign}(\hat r) = \operatorname{sign}(r)]}{\sum m}

    Args:
        predictions: see `mfjax.metrics.ratings`.
        signs: float32 [...], +1 or -1.
        mask: see `mfjax.metrics.ratings`; entries that are no rating (sign 0) are for the mask to leave out.
        zero: what a prediction of exactly 0 says: +1, -1, or neither (wrong).

    Returns:
        float32 scalar in [0, 1].

    Example:
        >>> sign_accuracy(jnp.array([0.3, 0.0, -2.0, 1.0]), jnp.array([1.0, 1.0, -1.0, -1.0]))
        Array(0.75, dtype=float32)
    """
    checks.choice("zero", zero, get_args(Zero))
    predictions, signs, mask = _checked(predictions, "signs", signs, mask)
    says_positive = predictions >= 0 if zero == "positive" else predictions > 0
    right = says_positive == (signs > 0)
    if zero == "wrong":
        right &= predictions != 0
    return _mean(right.astype(jnp.float32), mask)


def _checked(predictions: Any, name: str, ratings: Any, mask: Any) -> tuple[Array, Array, Array | None]:
    """Return the three as arrays of one shape, the first two of floats."""
    predictions, ratings = _floats("predictions", predictions), _floats(name, ratings)
    checks.shape(name, ratings, predictions.shape, "pass one for each prediction")
    mask = None if mask is None else checks.mask("mask", mask, predictions.shape)
    counted = ratings if mask is None else jnp.where(mask, ratings, 0.0)
    checks.number(name, counted, remedy="drop the entry, or leave it out by the mask")
    return predictions, ratings, mask


def _floats(name: str, value: Any) -> Array:
    array: Any = value if isinstance(value, jax.Array) else checks.seen(value)
    dtype = getattr(array, "dtype", None)
    if dtype is not None and jnp.issubdtype(dtype, jnp.floating):
        return jnp.asarray(array)
    if dtype is not None and jnp.issubdtype(dtype, jnp.integer):
        return jnp.asarray(array.astype(jax.dtypes.canonicalize_dtype(float)))
    raise ValueError(f"{name}: {value!r:.80} is no array of numbers; pass floats")


def _mean(values: Array, mask: Array | None) -> Array:
    if mask is None:
        return jnp.sum(values) / max(values.size, 1)
    return jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(jnp.sum(mask), 1)
