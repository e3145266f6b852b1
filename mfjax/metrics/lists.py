r"""Metrics of the recommended lists of many users together: what is shown, rather than what is found.

Arguments that they share:

    ids: int32 [users, k], recommended items; a list shorter than k ends in padding, which is never counted.
    mask: bool [users, k], True for a recommended item, False for padding (id 0). For a smaller cutoff pass
        `ids[:, :k], mask[:, :k]`.
    num_items: N, size of the catalogue.
    item_counts: int32 or float32 [num_items], c, train interactions of every item.

They raise ValueError for a mask of another shape or dtype, counts that are negative or not finite, and, where ids can
be seen, an id outside the catalogue.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mfjax import checks
from mfjax.types import Array


def exposures(ids: Array, mask: Array, *, num_items: int) -> Array:
    """Return how often each item is recommended, int32 [num_items].

    Example:
        >>> exposures(jnp.array([[2, 0], [2, 0]]), jnp.array([[True, True], [True, False]]), num_items=3)
        Array([1, 0, 2], dtype=int32)
    """
    ids, mask = _checked(ids, mask, num_items)
    return jnp.zeros(num_items, jnp.int32).at[ids.reshape(-1)].add(mask.reshape(-1).astype(jnp.int32))


def coverage(ids: Array, mask: Array, *, num_items: int) -> Array:
    r"""The share of the catalogue that is recommended to anyone.

    .. math:: \frac{|\{i : e_i > 0\}|}{N}, \qquad e_i \text{ the number of lists that hold } i

    Args:
        ids, mask, num_items: see `mfjax.metrics.lists`.

    Returns:
        float32 scalar in [0, 1].

    Example:
        >>> coverage(jnp.array([[2, 0], [2, 0]]), jnp.ones((2, 2), bool), num_items=4)
        Array(0.5, dtype=float32)
    """
    return jnp.mean(exposures(ids, mask, num_items=num_items) > 0, dtype=jnp.float32)


def gini(ids: Array, mask: Array, *, num_items: int) -> Array:
    r"""Gini coefficient of the exposure of the whole catalogue.

    .. math:: G = \sum_{i=1}^{N} \frac{2 i - N - 1}{N} \cdot \frac{e_{(i)}}{\sum_j e_j}, \qquad e_{(1)} \le e_{(2)} \le
        \dots \text{ the exposures in order}

    Args:
        ids, mask: see `mfjax.metrics.lists`.
        num_items: N, size of the catalogue; items never recommended count with exposure 0.

    Returns:
        float32 scalar: 0 when every item is recommended equally often, (N - 1) / N when only one is; 0 without lists.

    Example:
        >>> gini(jnp.array([[2], [2]]), jnp.ones((2, 1), bool), num_items=4)
        Array(0.75, dtype=float32)
    """
    exposure = jnp.sort(exposures(ids, mask, num_items=num_items)).astype(jnp.float32)
    weights = (2 * jnp.arange(1, num_items + 1) - num_items - 1) / num_items
    return jnp.sum(weights * (exposure / jnp.maximum(jnp.sum(exposure), 1)))


def mean_popularity(ids: Array, mask: Array, item_counts: Array) -> Array:
    r"""The mean number of train interactions of a recommended item.

    .. math:: \frac{\sum_{u,p} c_{i_{up}}}{\sum_{u,p} 1}

    Args:
        ids, mask, item_counts: see `mfjax.metrics.lists`.

    Returns:
        float32 scalar, at least 0; 0 without lists.

    Example:
        >>> mean_popularity(jnp.array([[2, 0]]), jnp.ones((1, 2), bool), jnp.array([10, 1, 30]))
        Array(20., dtype=float32)
    """
    counts = _checked_counts(item_counts)
    ids, mask = _checked(ids, mask, counts.shape[0])
    return _mean(counts[ids].astype(jnp.float32), mask)


def novelty(ids: Array, mask: Array, item_counts: Array, *, num_users: int) -> Array:
    r"""The mean self-information of a recommended item, in bits.

    .. math:: \frac{\sum_{u,p} \log_2 (U / \max(c_{i_{up}}, 1))}{\sum_{u,p} 1}

    Args:
        ids, mask: see `mfjax.metrics.lists`.
        item_counts: c, users of every item in train; an item nobody used counts as 1.
        num_users: U, users in train.

    Returns:
        float32 scalar; 0 without lists.

    Example:
        >>> novelty(jnp.array([[2, 0]]), jnp.ones((1, 2), bool), jnp.array([8, 1, 2]), num_users=16)
        Array(2., dtype=float32)

    Source: Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma of recommender systems".
    """
    checks.whole("num_users", num_users)
    item_counts = _checked_counts(item_counts)
    ids, mask = _checked(ids, mask, item_counts.shape[0])
    counts = jnp.maximum(item_counts, 1).astype(jnp.float32)
    return _mean((jnp.log2(jnp.float32(num_users)) - jnp.log2(counts))[ids], mask)


def _checked(ids: Any, mask: Any, num_items: int) -> tuple[Array, Array]:
    checks.whole("num_items", num_items)
    ids = checks.ids("ids", ids, num_items, "the items")
    checks.shape("ids", ids, (None, None), "pass lists [users, k]")
    return ids, checks.mask("mask", mask, ids.shape)


def _checked_counts(item_counts: Any) -> Array:
    checks.number("item_counts", item_counts, least=0)
    checks.shape("item_counts", item_counts, (None,), "pass one number for each item")
    return jnp.asarray(item_counts)


def _mean(values: Array, mask: Array) -> Array:
    # Lists first, then users: float32 sums stay short.
    lengths = jnp.sum(mask, axis=-1)
    sums = jnp.sum(jnp.where(mask, values, 0.0), axis=-1)
    return jnp.sum(sums / jnp.maximum(jnp.sum(lengths), 1))
