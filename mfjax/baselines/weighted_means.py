"""Item kNN by weighted means: an item scores what its own nearest items have, by the cosine of co-occurrence."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from mfjax.baselines.neighbours import (
    Ties,
    check_interactions,
    co_occurrence,
    cosine_neighbours,
    nearest_items,
)
from mfjax.baselines.scorers import DENSE, Linear, linear
from mfjax.histories import Ragged, ragged
from mfjax.types import Array, Interactions


def item_knn_mean(
    interactions: Interactions,
    *,
    num_neighbours: int = 100,
    shrink: float = 0.0,
    ties: Ties = "lower",
    history: Ragged | None = None,
) -> Linear:
    r"""Return item kNN whose scores are weighted means over the nearest items of the item that is scored.

    .. math:: s(u, j) = \mu_j + \frac{\sum_{i \in N_k(j)} C_{ij} (r_{ui} - \mu_i)}{\sum_{i \in N_k(j)} C_{ij}}, \qquad
        \mu_i = \frac{1}{|U|} \sum_u r_{ui}

    with r = 0 where a user has not taken an item, and C and N_k as in `cosine_neighbours`. In `item_knn` the items of a
    history vote for their own neighbours, and popular items, which are neighbours of many, get many votes; here all
    items have as many voters. An item without neighbours has the score mu_j = 0.

    Args:
        interactions: what co-occurs.
        num_neighbours, shrink, ties: as in `cosine_neighbours`.
        history: the lists of the users to score; None for those of `interactions`.

    Raises:
        ValueError: as `item_knn`.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> np.asarray(item_knn_mean(pairs)(jnp.array([0, 1]))).round(3)
        array([[0.5, 1.5],
               [0.5, 0.5]], dtype=float32)

    Source: Sarwar et al. (2001), Item-based collaborative filtering recommendation algorithms, section 3.2.1, weighted
    sum, of deviations from the mean; so it is in the benchmark of Zhu et al. (2022), BARS.
    """
    check_interactions(interactions)
    lists = ragged(interactions) if history is None else history
    sums = np.bincount(interactions.items, interactions.values, minlength=interactions.num_items)
    means = sums / interactions.num_users
    asked: dict[str, Any] = {"shrink": shrink, "ties": ties}
    weights, expected = (
        _of_lists(nearest_items(interactions, num_neighbours, **asked), means)
        if interactions.num_items > DENSE
        else _of_table(cosine_neighbours(co_occurrence(interactions), num_neighbours, **asked), means)
    )
    return linear(weights, lists, item_biases=jnp.asarray(means - expected, jnp.result_type(float)))


def _of_table(nearest: Array, means: np.ndarray) -> tuple[Array | Ragged, Array | np.ndarray]:
    """Return the weights of weighted means, and what they make of the means; a row of `nearest` is of a scored item."""
    total = jnp.sum(jnp.abs(nearest), axis=1, keepdims=True)
    weights = jnp.where(total > 0, nearest / jnp.where(total > 0, total, 1), 0).T
    return weights, jnp.matmul(jnp.asarray(means, weights.dtype), weights, precision="highest")


def _of_lists(nearest: Ragged, means: np.ndarray) -> tuple[Array | Ragged, Array | np.ndarray]:
    """Return the same of lists, which hold cosines above 0."""
    size, neighbours = nearest.num_columns, np.asarray(nearest.ids)
    scored = np.repeat(np.arange(size, dtype=np.int32), np.asarray(nearest.lengths()))
    cosines = np.asarray(nearest.values, np.float64)
    total = np.bincount(scored, np.abs(cosines), minlength=size)
    shares = cosines / total[scored]
    expected = np.bincount(scored, shares * means[neighbours], minlength=size)
    return ragged(Interactions(neighbours, scored, shares.astype(np.float32), size, size)), expected
