"""The two ingredients of discounted cumulative gain: what an item is worth, and how much its position takes off."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from mfjax.conventions import Gain
from mfjax.types import Array


def gains(relevances: Array, gain: Gain) -> Array:
    r"""Return the gain of each item: 1 where r > 0 (binary), r (linear) or 2^r - 1 (exponential).

    Args:
        relevances: float32 [...], r, not negative; 0 for padding, whose gain is 0 under every choice.
        gain: the choice.

    Returns:
        float32 [...].

    Example:
        >>> gains(jnp.array([0.0, 3.0]), "exponential")
        Array([0., 7.], dtype=float32)
    """
    if gain == "binary":
        return (relevances > 0).astype(jnp.float32)
    return relevances if gain == "linear" else jnp.exp2(relevances) - 1


def discount_sums(k: int) -> np.ndarray:
    r"""Return the DCG of m relevant items on top, sum_{p=1}^{m} 1 / log2(p + 1), for m = 0..k; float64 [k + 1].

    Example:
        >>> discount_sums(2).round(4).tolist()
        [0.0, 1.0, 1.6309]
    """
    return np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])


def mean_discounts(first: Array, sizes: Array, k: int) -> Array:
    r"""Return the mean discount over the positions of a group of equal scores.

    .. math:: \frac{1}{t} \sum_{p=f}^{\min(f + t - 1,\, k)} \frac{1}{\log_2(p + 1)}

    Args:
        first: int32 [...], f, first position of the group, 1-based; any number beyond k gives 0.
        sizes: int32 [...], t.
        k: cutoff.

    Returns:
        float32 [...].

    Example:
        >>> mean_discounts(jnp.array([1, 3]), jnp.array([2, 5]), k=2).tolist()
        [0.8154648542404175, 0.0]

    Source: McSherry and Najork 2008, "Computing information retrieval performance measures efficiently in the presence
    of tied scores".
    """
    sums = discount_sums(k)
    # In two float32 parts: the difference of two long sums would cancel.
    high, low = jnp.asarray(np.float32(sums)), jnp.asarray(np.float32(sums - np.float32(sums)))
    start = jnp.minimum(first, k + 1) - 1
    stop = jnp.minimum(start + sizes, k)
    return ((high[stop] - high[start]) + (low[stop] - low[start])) / sizes
