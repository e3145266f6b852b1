"""The two ingredients of discounted cumulative gain: what an item is worth, and how much its position takes off."""

from __future__ import annotations

from typing import get_args

import jax.numpy as jnp
import numpy as np

from mfjax import checks
from mfjax.metrics.conventions import Gain
from mfjax.types import Array

LEAST_GAIN, MOST_GAIN = 1e-30, 1e30
"""Gains of relevant items, so that their discounted sums are neither 0 nor infinite in float32."""


def gains(relevances: Array, gain: Gain) -> Array:
    r"""Return the gain of each item: 1 where r > 0 (binary), r (linear) or 2^r - 1 (exponential).

    Args:
        relevances: float32 [...], r, not negative; 0 for padding, whose gain is 0 under every choice.
        gain: the choice.

    Returns:
        float32 [...].

    Raises:
        ValueError: for an unknown choice, or a relevance that is negative or not finite, where it can be seen.

    Example:
        >>> gains(jnp.array([0.0, 3.0]), "exponential")
        Array([0., 7.], dtype=float32)
    """
    checks.choice("gain", gain, get_args(Gain))
    checks.number("relevances", relevances, least=0, remedy="pass 0 for padding")
    relevances = jnp.asarray(relevances)
    if gain == "binary":
        return (relevances > 0).astype(jnp.float32)
    return relevances if gain == "linear" else jnp.exp2(relevances) - 1


def check_relevances(name: str, relevances: np.ndarray, gain: Gain) -> None:
    """Raise ValueError unless the gain of every one of the relevances lies in LEAST_GAIN .. MOST_GAIN.

    Args:
        name: of the argument, for the message.
        relevances: [n], those of relevant items alone, no padding.
        gain: the choice; under "binary" the relevances do not matter.

    Example:
        >>> check_relevances("targets", np.array([2.0, 0.0]), "linear")
        Traceback (most recent call last):
        ...
        ValueError: targets: the relevance 0.0 has no gain under gain='linear'; relevances must be positive ...
    """
    if gain == "binary":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        worth = np.float32(relevances) if gain == "linear" else np.exp2(np.float32(relevances)) - 1
        bad = ~((worth >= LEAST_GAIN) & (worth <= MOST_GAIN))
    if bad.any():
        raise ValueError(
            f"{name}: the relevance {relevances[bad][0]} has no gain under gain={gain!r}; relevances must be positive "
            f"numbers of gains from {LEAST_GAIN:g} to {MOST_GAIN:g}: drop the pair, or take gain='binary'"
        )


def discount_sums(k: int) -> np.ndarray:
    r"""Return the DCG of m relevant items on top, sum_{p=1}^{m} 1 / log2(p + 1), for m = 0..k; float64 [k + 1].

    Example:
        >>> discount_sums(2).round(4).tolist()
        [0.0, 1.0, 1.6309]
    """
    checks.whole("k", k, least=0)
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
    checks.count("first", first, least=1)
    checks.count("sizes", sizes, least=1)
    sums = discount_sums(k)
    # In two float32 parts: the difference of two long sums would cancel.
    high, low = jnp.asarray(np.float32(sums)), jnp.asarray(np.float32(sums - np.float32(sums)))
    start = jnp.minimum(first, k + 1) - 1
    stop = jnp.minimum(start + sizes, k)
    return ((high[stop] - high[start]) + (low[stop] - low[start])) / sizes
