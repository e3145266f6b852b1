"""Metrics of the order of one user's relevant items, from their ranks.

Arguments, values and errors that they share are described in `mfjax.metrics`.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from mfjax import checks
from mfjax.metrics.conventions import DEFAULT, Convention
from mfjax.metrics.counted import (
    UNRANKED,
    checked,
    checked_items,
    checked_sizes,
    num_counted,
    open_groups,
    refuse_expected,
)
from mfjax.metrics.discounts import discount_sums, gains, mean_discounts
from mfjax.types import Array


def ndcg(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int | None = 10,
    convention: Convention = DEFAULT,
    relevances: Array | None = None,
    tie_sizes: Array | None = None,
) -> Array:
    r"""Normalised discounted cumulative gain.

    .. math:: \mathrm{NDCG@}k = \frac{1}{I} \sum_{i:\, r_i \le k} \frac{g_i}{\log_2(r_i + 1)}, \qquad
        I = \sum_{p=1}^{\min(k, n)} \frac{g_{(p)}}{\log_2(p + 1)}
        \quad\text{or}\quad \sum_{p=1}^{k} \frac{g_{(1)}}{\log_2(p + 1)}

    with g_(1) >= g_(2) >= ... the gains of all n relevant items, ranked or not. Ties "expected": the discount of an
    item is the mean over the positions of its group, positions beyond k counting 0.

    Args:
        ranks, num_relevant, tie_sizes: see `mfjax.metrics`.
        k: cutoff, or None for none (num_relevant is then at most R).
        convention: `gain`, `ideal` and `ties` are read.
        relevances: float32 [..., R], r of each item, not negative, 0 for padding; under gain "linear" (g = r) and
            "exponential" (g = 2^r - 1) only.

    Returns:
        float32 [...] in [0, 1]; 0 without relevant items.

    Raises:
        ValueError: relevances is missing under a graded gain; k is None under ideal "full" or ties "expected".

    Example:
        >>> exponential = Convention(gain="exponential")
        >>> ranks, relevances = jnp.array([1, 2, 3, 5]), jnp.array([3.0, 2.0, 3.0, 1.0])
        >>> print(f"{ndcg(ranks, jnp.array(4), k=5, convention=exponential, relevances=relevances):.5f}")
        0.95748

    Source: Jarvelin and Kekalainen 2002, "Cumulated gain-based evaluation of IR techniques"; the exponential gain is
    that of Burges et al. 2005, "Learning to rank using gradient descent".
    """
    ranks, num_relevant = checked(ranks, num_relevant, k, convention, optional=True)
    if k is None and (convention.ideal == "full" or convention.ties == "expected"):
        raise ValueError("k: None has no positions to sum over under ideal 'full' or ties 'expected'; pass num_items")
    width = ranks.shape[-1]
    places = width if k is None else k
    sizes = open_groups(convention, tie_sizes, ranks)
    if sizes is None:
        discounts = jnp.where(
            ranks <= (UNRANKED - 1 if k is None else k), 1 / jnp.log2(ranks.astype(jnp.float32) + 1.0), 0.0
        )
    else:
        discounts = mean_discounts(ranks, sizes, places)
    sums = discount_sums(places)
    if convention.gain == "binary":
        dcg, largest = jnp.sum(discounts, axis=-1), jnp.float32(1.0)
        ideal = jnp.asarray(sums, jnp.float32)[jnp.minimum(num_relevant, len(sums) - 1)]
    else:
        if relevances is None:
            raise ValueError(f"relevances: None under gain {convention.gain!r}; pass them, or gain='binary'")
        checks.shape("relevances", relevances, ranks.shape, "pass one for each rank")
        worth = gains(relevances, convention.gain)
        dcg = jnp.sum(worth * discounts, axis=-1)
        best_first = jnp.sort(worth, axis=-1, descending=True)
        largest = best_first[..., 0]
        steps = jnp.asarray(np.diff(sums)[:width], jnp.float32)
        ideal = jnp.matmul(best_first[..., : len(steps)], steps, precision="highest")
    if convention.ideal == "full":
        ideal = jnp.where(num_relevant > 0, largest * np.float32(sums[-1]), 0.0)
    return jnp.where(ideal > 0, dcg / jnp.where(ideal > 0, ideal, 1.0), 0.0)


def average_precision(
    ranks: Array, num_relevant: Array, *, k: int | None = 10, convention: Convention = DEFAULT
) -> Array:
    r"""Average precision; its mean over users is MAP.

    .. math:: \mathrm{AP@}k = \frac{1}{n} \sum_{i:\, r_i \le k} \frac{|\{j : r_j \le r_i\}|}{r_i}
        \quad\text{or the same sum over}\ \min(k, n)

    Args:
        ranks, num_relevant: see `mfjax.metrics`.
        k: cutoff, or None for none (the denominator is then n).
        convention: `ap_denominator` ("relevant": n, "min": min(k, n)) is read.

    Returns:
        float32 [...] in [0, 1]; 0 without relevant items.

    Raises:
        ValueError: ties is "expected", under which AP is no sum over positions.

    Example:
        >>> average_precision(jnp.array([1, 4, 30]), jnp.array(3), k=10)
        Array(0.5, dtype=float32)
    """
    ranks, num_relevant = checked(ranks, num_relevant, k, convention, optional=True)
    refuse_expected(convention, "average_precision")
    if k is None or k >= ranks.shape[-1]:
        places = jnp.sort(ranks, axis=-1)
        hit = places <= (UNRANKED - 1 if k is None else k)
    else:
        # A few places are quicker to go through than the ranks are to sort.
        places = jnp.arange(1, k + 1, dtype=jnp.int32).reshape((1,) * (ranks.ndim - 1) + (-1,))
        hit = jnp.any(ranks[..., None] == places[..., None, :], axis=-2)
    found = jnp.cumsum(hit, axis=-1, dtype=jnp.float32)
    total = jnp.sum(jnp.where(hit, found / places, 0.0), axis=-1)
    return total / num_counted(num_relevant, k, convention.ap_denominator)


def reciprocal_rank(
    ranks: Array, num_relevant: Array, *, k: int | None = None, convention: Convention = DEFAULT
) -> Array:
    r"""The reciprocal of the best relevant item's position; its mean over users is MRR.

    .. math:: \mathrm{RR@}k = \max_{i:\, r_i \le k} \frac{1}{r_i}, \quad 0 \text{ when there is none}

    Args:
        ranks: see `mfjax.metrics`.
        num_relevant: checked, but not used.
        k: cutoff, or None for none.
        convention: `ties` is read.

    Returns:
        float32 [...] in [0, 1].

    Raises:
        ValueError: ties is "expected", under which RR is no sum over positions.

    Example:
        >>> reciprocal_rank(jnp.array([8, 4, 30]), jnp.array(3))
        Array(0.25, dtype=float32)
    """
    ranks, _ = checked(ranks, num_relevant, k, convention, optional=True)
    refuse_expected(convention, "reciprocal_rank")
    best = jnp.min(ranks, axis=-1, initial=UNRANKED)
    return jnp.where(best <= (UNRANKED - 1 if k is None else k), 1 / best.astype(jnp.float32), 0.0)


def auc(
    ranks: Array,
    num_relevant: Array,
    *,
    num_items: Array | int,
    k: int | None = None,
    tie_sizes: Array | None = None,
) -> Array:
    r"""The probability that a relevant item stands before one that is not.

    .. math:: \mathrm{AUC} = \frac{1}{n} \sum_{i\ \text{ranked}} \frac{N - r_i - (q - 1)/2}{N - q}

    with N items, n relevant, q of them ranked and r_i the mean position of the item's ties ("expected" gives ties one
    half, as usual). A relevant item without a rank loses every comparison. Without any other item (N = q) it is 1/2.

    With a cutoff, the order beyond the top k counts as unknown. With h hits and k - h misses there,

    .. math:: \mathrm{AUC@}k = \frac{1}{n (N - n)} \Big[ \sum_{i:\, r_i \le k} \big(k - r_i - (h - j_i)\big)
        + \tfrac{h + n}{2} (N - n - k + h) \Big]

    where j_i is the position of item i among the hits: the n - h other relevant items are spread evenly.

    Args:
        ranks, num_relevant: see `mfjax.metrics`.
        num_items: int32 [...], N, the items among which `ranks` counts.
        k: cutoff, or None for the whole ranking.
        tie_sizes: see `mfjax.metrics`; without a cutoff only.

    Returns:
        float32 [...] in [0, 1]; 0 without relevant items.

    Raises:
        ValueError: both k and tie_sizes are given.

    Example:
        >>> auc(jnp.array([1, 4]), jnp.array(2), num_items=5)
        Array(0.6666667, dtype=float32)

    Source: the form with a cutoff is `auc` of implicit's `ranking_metrics_at_k`; N is the whole catalogue there.
    """
    ranks, num_relevant = checked(ranks, num_relevant, k, optional=True)
    num_items = checked_items(num_items, ranks)
    if tie_sizes is not None:
        tie_sizes = checked_sizes(tie_sizes, ranks)
    relevant = jnp.maximum(num_relevant, 1)
    if k is None:
        is_ranked = ranks < UNRANKED
        ranked = jnp.sum(is_ranked, axis=-1, dtype=jnp.int32)
        others = num_items - ranked
        position = ranks if tie_sizes is None else ranks + (tie_sizes - 1) / 2
        below = (num_items - (ranked - 1) / 2)[..., None] - position
        share = jnp.where(is_ranked, below / jnp.maximum(others, 1)[..., None], 0.0)
        value = jnp.where(others > 0, jnp.sum(share, axis=-1) / relevant, 0.5)
    else:
        if tie_sizes is not None:
            raise ValueError("k: a cutoff and ties 'expected' can not be combined in auc; pass k=None")
        found = jnp.sum(ranks <= k, axis=-1, dtype=jnp.int32)
        others = num_items - num_relevant
        # sum over hits of (k - r_i) minus sum over j = 1..h of (h - j) = h (h - 1) / 2
        above = jnp.sum(jnp.where(ranks <= k, k - ranks, 0), axis=-1) - found * (found - 1) / 2
        beyond = (found + num_relevant) / 2 * ((others - k + found) / jnp.maximum(others, 1))
        # Within [0, 1] but where k is beyond the negatives and some relevant items have no rank.
        value = jnp.clip((above / jnp.maximum(others, 1) + beyond) / relevant, 0.0, 1.0)
        value = jnp.where(others > 0, value, 0.5)
    return jnp.where(num_relevant > 0, value, 0.0)
