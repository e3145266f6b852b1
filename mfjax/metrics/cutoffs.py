"""Metrics of what is among the k first: hits, hit rate, recall, precision.

Arguments, values and errors that they share are described in `mfjax.metrics`.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from mfjax import checks
from mfjax.metrics.conventions import DEFAULT, Convention
from mfjax.metrics.counted import checked, checked_items, num_counted, open_groups, places_within
from mfjax.types import Array


def hits(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int = 10,
    convention: Convention = DEFAULT,
    tie_sizes: Array | None = None,
) -> Array:
    r"""The number of relevant items in the top k.

    .. math:: h = \sum_i [r_i \le k]

    Ties "expected": an item counts with the share of its group's positions that is in the top k.

    Args:
        ranks, k, tie_sizes: see `mfjax.metrics`.
        num_relevant: checked, but not used.
        convention: `ties` is read.

    Returns:
        float32 [...] in [0, k].

    Example:
        >>> hits(jnp.array([1, 3, 12, 40]), jnp.array(4), k=10)
        Array(2., dtype=float32)
    """
    ranks, _ = checked(ranks, num_relevant, k, convention)
    sizes = open_groups(convention, tie_sizes, ranks)
    if sizes is None:
        return jnp.sum(ranks <= k, axis=-1, dtype=jnp.float32)
    return jnp.sum(places_within(ranks, sizes, k) / sizes, axis=-1)


def hit_rate(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int = 10,
    convention: Convention = DEFAULT,
    tie_sizes: Array | None = None,
) -> Array:
    r"""Whether any relevant item is in the top k.

    .. math:: \mathrm{HR@}k = 1 - \prod_{i} [r_i > k]

    Ties "expected": a group of t equal scores that begins at position f and straddles the cutoff has c = k - f + 1
    places in the top k; its m relevant items all miss them with probability prod_{j<m} (t - c - j) / (t - j).

    Args:
        ranks, k, tie_sizes: see `mfjax.metrics`.
        num_relevant: checked, but not used: no relevant item means no hit.
        convention: `ties` is read.

    Returns:
        float32 [...], 0 or 1; in [0, 1] under ties "expected".

    Example:
        >>> hit_rate(jnp.array([[12, 3], [11, 40]]), jnp.array([2, 2]), k=10)
        Array([1., 0.], dtype=float32)
    """
    ranks, _ = checked(ranks, num_relevant, k, convention)
    sizes = open_groups(convention, tie_sizes, ranks)
    if sizes is None:
        return jnp.any(ranks <= k, axis=-1).astype(jnp.float32)
    places = places_within(ranks, sizes, k)
    straddles = (places > 0) & (places < sizes)
    before = jnp.cumsum(straddles, axis=-1) - 1  # relevant items of the same group counted so far
    missed = jnp.maximum(sizes - places - before, 0).astype(jnp.float32) / jnp.maximum(sizes - before, 1)
    missed = jnp.prod(jnp.where(straddles, missed, 1.0), axis=-1)
    return jnp.where(jnp.any((places > 0) & ~straddles, axis=-1), 1.0, 1.0 - missed)


def recall(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int = 10,
    convention: Convention = DEFAULT,
    tie_sizes: Array | None = None,
) -> Array:
    r"""The share of the relevant items that is in the top k.

    .. math:: \mathrm{Recall@}k = \frac{\sum_i [r_i \le k]}{n} \quad\text{or}\quad \frac{\sum_i [r_i \le k]}{\min(k, n)}

    Args:
        ranks, num_relevant, k, tie_sizes: see `mfjax.metrics`.
        convention: `recall_denominator` ("relevant": n, "min": min(k, n)) and `ties` are read.

    Returns:
        float32 [...] in [0, 1]; 0 without relevant items.

    Example:
        >>> recall(jnp.array([1, 3, 12, 40]), jnp.array(4), k=3)
        Array(0.5, dtype=float32)

    Source: the second form is that of Liang et al. 2018, "Variational autoencoders for collaborative filtering".
    """
    found = hits(ranks, num_relevant, k=k, convention=convention, tie_sizes=tie_sizes)
    return found / num_counted(jnp.asarray(num_relevant), k, convention.recall_denominator)


def precision(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int = 10,
    convention: Convention = DEFAULT,
    tie_sizes: Array | None = None,
    num_items: Array | int | None = None,
) -> Array:
    r"""The share of the top k that is relevant.

    .. math:: \mathrm{Precision@}k = \frac{1}{k} \sum_i [r_i \le k]
        \quad\text{or}\quad \frac{1}{\min(k, N)} \sum_i [r_i \le k]

    Args:
        ranks, k, tie_sizes: see `mfjax.metrics`.
        num_relevant: checked, but not used.
        convention: `precision_denominator` ("k", "retrieved": min(k, N)) and `ties` are read.
        num_items: int32 [...], N, the items that can be recommended; under "retrieved" only.

    Returns:
        float32 [...] in [0, 1].

    Raises:
        ValueError: precision_denominator is "retrieved" and num_items is missing.

    Example:
        >>> precision(jnp.array([1, 3, 12, 40]), jnp.array(4), k=4)
        Array(0.5, dtype=float32)
    """
    found = hits(ranks, num_relevant, k=k, convention=convention, tie_sizes=tie_sizes)
    if convention.precision_denominator == "k":
        return found / k
    if num_items is None:
        raise ValueError("num_items: None leaves the list's length unknown; pass it, or precision_denominator='k'")
    return found / jnp.clip(checked_items(num_items, ranks), 1, k)


def pooled_precision(hits: Array, num_relevant: Array, *, k: int = 10) -> Array:
    r"""The share of the possible hits that were made, all users pooled: no mean over users.

    .. math:: \frac{\sum_u h_u}{\sum_u \min(k, n_u)}

    Args:
        hits: float32 [users], h.
        num_relevant: int32 [users], n.
        k: cutoff, at least 1.

    Returns:
        float32 scalar in [0, 1]; 0 without relevant items.

    Example:
        >>> pooled_precision(jnp.array([1.0, 1.0]), jnp.array([2, 1]), k=3)
        Array(0.6666667, dtype=float32)

    Source: `precision` of implicit's `ranking_metrics_at_k`.
    """
    checks.whole("k", k)
    checks.number("hits", hits, least=0)
    checks.count("num_relevant", num_relevant)
    checks.shape("hits", hits, np.shape(num_relevant), "pass one number for each user, as num_relevant has")
    return jnp.sum(jnp.asarray(hits)) / jnp.maximum(jnp.sum(jnp.minimum(jnp.asarray(num_relevant), k)), 1)
