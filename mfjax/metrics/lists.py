r"""Metrics of the recommended lists of many users: what is shown, rather than what is found.

The functions share these arguments.

Args:
    ids: int32 [users, k], recommended items; a list shorter than k ends in padding, which is never counted.
    mask: bool [users, k], True for a recommended item, False for padding (id 0). For a smaller cutoff pass
        `ids[:, :k], mask[:, :k]`.
    num_items: N, size of the catalogue.
    item_counts: int32 or float32 [num_items], c, train interactions of every item.

They raise ValueError for a mask of another shape or dtype, counts that are negative or not finite, and, where ids can
be seen, an id outside the catalogue.

All but two are of all lists together. `intra_list_similarity` and `category_entropy` say how alike the items of one
list are, and return a value for every list, NaN for one too short to have any: `jnp.nanmean` is the mean of the others.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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


def intra_list_similarity(ids: Array, mask: Array, items: Array) -> Array:
    r"""Return how alike the items of each list are: the mean cosine of the pairs of its items.

    .. math:: \frac{2}{n (n - 1)} \sum_{p < q} \langle \hat v_{i_p}, \hat v_{i_q} \rangle
        = \frac{\| \sum_p \hat v_{i_p} \|^2 - \sum_p \| \hat v_{i_p} \|^2}{n (n - 1)}, \qquad
        \hat v = v / \| v \|

    for a list of n items, computed as on the right. An item with a zero vector has cosine 0 to all.

    Args:
        ids, mask: see `mfjax.metrics.lists`.
        items: float [num_items, dim], the vectors v, such as the items of a model or what is known of them.

    Returns:
        float [users] in [-1, 1] but for rounding, of the dtype of `items`; NaN for a list of fewer than two items.

    Raises:
        ValueError: as all here, and for vectors that are no floats [num_items, dim], or not finite.

    Example:
        >>> items = jnp.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
        >>> intra_list_similarity(jnp.array([[0, 1], [0, 2]]), jnp.ones((2, 2), bool), items).tolist()
        [1.0, 0.0]

    Source: Ziegler, McNee, Konstan & Lausen 2005, "Improving recommendation lists through topic diversification",
    equation 5, where a list has the sum of its pairs; here their mean.
    """
    units = unit_rows(checked_vectors(items))
    ids, mask = _checked(ids, mask, units.shape[0])
    listed = jnp.where(mask[:, :, None], units[ids], 0)  # [users, k, dim]
    squares = jnp.sum(jnp.square(jnp.sum(listed, axis=1)), axis=1) - jnp.sum(jnp.square(listed), axis=(1, 2))
    length = jnp.sum(mask, axis=1)
    return jnp.where(length > 1, squares / jnp.maximum(length * (length - 1), 1), jnp.nan)


def category_entropy(ids: Array, mask: Array, categories: Array) -> Array:
    r"""Return how evenly each list is spread over categories: the entropy of their shares, in bits.

    .. math:: H = - \sum_c p_c \log_2 p_c, \qquad
        p_c = \frac{1}{n} \sum_p \frac{w_{i_p c}}{\sum_{c'} w_{i_p c'}}

    over the n items of the list that have a category. An item of several categories is shared out over them.

    Args:
        ids, mask: see `mfjax.metrics.lists`.
        categories: w, bool or float [num_items, num_categories], at least 0: True or 1 for a category of the item.

    Returns:
        float [users], from 0, where all are of one category, to log2(num_categories); NaN for a list that has no item
        with a category. Of the dtype of `categories`, float32 for bools.

    Raises:
        ValueError: as all here, and for categories of another kind or shape, negative or not finite.

    Example:
        >>> genres = jnp.array([[True, False], [False, True], [True, True]])
        >>> category_entropy(jnp.array([[0, 1], [0, 0]]), jnp.ones((2, 2), bool), genres).tolist()
        [1.0, 0.0]
    """
    shares = _shares(categories)
    ids, mask = _checked(ids, mask, shares.shape[0])
    listed = jnp.where(mask[:, :, None], shares[ids], 0)  # [users, k, num_categories]
    sums = jnp.sum(listed, axis=1)
    number = jnp.sum(jnp.any(listed > 0, axis=2), axis=1)[:, None]
    p = sums / jnp.maximum(number, 1)
    entropy = jnp.sum(jnp.where(p > 0, -p * jnp.log2(jnp.where(p > 0, p, 1)), 0), axis=1)
    return jnp.where(number[:, 0] > 0, entropy, jnp.nan)


def _shares(categories: Any) -> Array:
    """Return what share of an item each category has, float [num_items, num_categories]; zeros where it has none."""
    remedy = "pass bools or floats, a row for each item and a column for each category"
    if isinstance(categories, np.ndarray | jax.Array) and categories.dtype == jnp.bool_:
        categories = categories.astype(jnp.float32)
    categories = checks.floats("categories", categories, (None, None), remedy)
    checks.number("categories", categories, least=0, remedy="pass 0 for a category that an item has not")
    # Scaled by a power of two, which changes no bit of a share, lest the sum of large weights be infinite.
    scaled = _scaled(categories)
    sums = jnp.sum(scaled, axis=1, keepdims=True)
    return scaled / jnp.where(sums > 0, sums, 1)


def checked_vectors(items: Any) -> Array:
    """Return vectors of items, or raise ValueError unless they are finite floats [num_items, dim]."""
    items = checks.floats("items", items, (None, None), "pass a vector for each item, such as factors.items")
    checks.number("items", items, remedy="pass finite numbers")
    return items


def unit_rows(table: Array) -> Array:
    """Return the rows of a table of floats [n, dim] at length 1; a zero row stays zero.

    Example:
        >>> unit_rows(jnp.array([[3e20, 0.0], [0.0, 0.0]])).tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    # Scaled by a power of two, which changes no bit of a cosine: squares of 1e-20 and 1e20 are no float32.
    table = _scaled(table)
    norm = jnp.linalg.norm(table, axis=1, keepdims=True)
    return table / jnp.where(norm > 0, norm, 1)


def _scaled(table: Array) -> Array:
    exponent = jnp.frexp(jnp.max(jnp.abs(table), axis=1, keepdims=True, initial=0))[1]
    return jnp.ldexp(table, -exponent)


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
