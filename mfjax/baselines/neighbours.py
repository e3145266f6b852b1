"""Item kNN: every item votes for those most like it by the cosine of co-occurrence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from mfjax import checks
from mfjax.baselines.scorers import DENSE, LARGEST, Linear, linear
from mfjax.histories import Ragged, agreement, ragged
from mfjax.types import Array, Interactions

Ties = Literal["lower", "higher"]


def item_knn(
    interactions: Interactions,
    *,
    num_neighbours: int = 200,
    shrink: float = 0.0,
    ties: Ties = "lower",
    history: Ragged | None = None,
) -> Linear:
    """Return item kNN on the cosine of co-occurrence: `linear` with `cosine_neighbours`, or beyond DENSE items with
    `nearest_items`.

    Args:
        interactions: what co-occurs.
        num_neighbours, shrink, ties: as in `cosine_neighbours`.
        history: the lists of the users to score; None for those of `interactions`.

    Raises:
        ValueError: as `co_occurrence` and `cosine_neighbours`.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> np.asarray(item_knn(pairs)(jnp.array([1]))).round(3)
        array([[0.707, 0.   ]], dtype=float32)
    """
    check_interactions(interactions)
    lists = ragged(interactions) if history is None else history
    if interactions.num_items > DENSE:
        return linear(nearest_items(interactions, num_neighbours, shrink=shrink, ties=ties), lists)
    return linear(cosine_neighbours(co_occurrence(interactions), num_neighbours, shrink=shrink, ties=ties), lists)


def co_occurrence(interactions: Interactions) -> Array:
    r"""Return the item-item gramian X'X of the interaction matrix, on the device.

    .. math:: G_{ij} = \sum_u r_{ui} r_{uj}

    A pair that occurs twice counts with the sum of its values.

    Returns:
        float [num_items, num_items] of JAX's default precision; 4 * num_items^2 bytes in float32, three times that on
        the host while it is built: 55 MB for 3,700 items and 2.9 GB for 27,000.

    Raises:
        ValueError: for what is no `Interactions`, or has weights, ids outside its sizes, values that are not finite, or
            so large that their products are not.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> co_occurrence(pairs).tolist()
        [[1.0, 1.0], [1.0, 2.0]]
    """
    return jnp.asarray(gramian_of(interactions).toarray())


def gramian_of(interactions: Interactions) -> scipy.sparse.csr_array:
    """Return `co_occurrence` as a sparse matrix float64 on the host."""
    matrix = _matrix(interactions)
    gramian = (matrix.T @ matrix).tocsr()
    _check_products(gramian.data)
    return gramian


def check_interactions(interactions: Interactions) -> None:
    """Raise ValueError unless these are `Interactions` of equal lengths, ids inside their sizes, finite, no weights."""
    checks.kind("interactions", interactions, Interactions, "pass what data.from_arrays or another reader returns")
    agreement.no_weights("interactions", interactions)
    pairs = interactions.users, interactions.items
    for name, ids, size in zip(
        ("users", "items"), pairs, (interactions.num_users, interactions.num_items), strict=True
    ):
        checks.ids(name, ids, size, "the interactions")
        checks.shape(name, ids, interactions.values.shape, "pass one id for each value")
    checks.number("values", interactions.values, remedy="drop or repair the row")


def cosine_neighbours(gramian: Array, num_neighbours: int, *, shrink: float = 0.0, ties: Ties = "lower") -> Array:
    r"""Return the cosine similarities of every item to its nearest neighbours, zero elsewhere and on the diagonal.

    .. math:: W_{ij} = \frac{G_{ij}}{\sqrt{G_{ii} G_{jj}} + h} \quad \text{if } j \in N_k(i),
        \quad 0 \text{ otherwise}

    N_k(i) are the k items most similar to i, so an item of the history votes for its own neighbours, and a popular
    item can be neighbour to many. An item without interactions has no neighbours.

    Args:
        gramian: float [num_items, num_items], as `co_occurrence`.
        num_neighbours: k; at most the num_items - 1 other items.
        shrink: h, at least 0. Two items that few have taken are similar by chance: they are less so, the larger h is.
        ties: which of equally similar items stay at the end of the list, by id: "lower" or "higher" (with which the
            published figures on MovieLens-1M are met to the sixth digit).

    Returns:
        float [num_items, num_items], row i the item of the history, column j the one recommended.

    Raises:
        ValueError: for an unknown rule, fewer than one neighbour, a negative h, or a gramian that is no square of
            floats.

    Example:
        >>> gramian = jnp.array([[4.0, 2.0, 1.0], [2.0, 4.0, 0.0], [1.0, 0.0, 4.0]])
        >>> cosine_neighbours(gramian, 1).tolist()
        [[0.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]]

    Source: Sarwar et al. (2001), Item-based collaborative filtering recommendation algorithms; h as in Dacrema et al.
    (2019), Are we really making much progress?
    """
    gramian = square(gramian)
    _check(num_neighbours, shrink, ties)
    num_items = gramian.shape[0]
    squares = jnp.diagonal(gramian)
    scale = jnp.where(squares > 0, 1 / jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
    cosine = gramian * scale[:, None] * scale[None, :]
    if shrink:
        lengths = jnp.sqrt(squares)
        cosine *= _shrunk(lengths[:, None] * lengths[None, :], jnp.asarray(shrink, gramian.dtype))
    others = jnp.where(jnp.eye(num_items, dtype=bool), -jnp.inf, cosine)
    columns = _COLUMNS[ties](num_items)
    ids = columns[jax.lax.top_k(others[:, columns], min(num_neighbours, num_items - 1))[1]]
    nearest = jnp.zeros((num_items, num_items), bool).at[jnp.arange(num_items)[:, None], ids].set(True)
    return jnp.where(nearest, cosine, 0)


def nearest_items(
    interactions: Interactions, num_neighbours: int, *, shrink: float = 0.0, ties: Ties = "lower"
) -> Ragged:
    """Return the rows of `cosine_neighbours` as lists, on the host: of cosines above 0, so that all else is 0 anyway.

    The gramian is made a block of rows at a time: memory is that of the lists and of some BLOCK items' co-occurrences.

    Args:
        interactions: what co-occurs, by values.
        num_neighbours: k.
        shrink, ties: as in `cosine_neighbours`.

    Raises:
        ValueError: as `co_occurrence` and `cosine_neighbours`.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> nearest_items(pairs, 1).ids.tolist()
        [1, 0]
    """
    _check(num_neighbours, shrink, ties)
    matrix = _matrix(interactions)
    by_item, size = matrix.T.tocsr(), interactions.num_items
    squares = np.asarray(matrix.multiply(matrix).sum(axis=0)).reshape(-1).astype(np.float32)
    lengths = np.sqrt(squares)
    scale = np.divide(1, lengths, out=np.zeros_like(squares), where=squares > 0)
    rows, ids, values = [], [], []
    for first in range(0, size, BLOCK):
        products = (by_item[first : first + BLOCK] @ matrix).tocsr()
        products.sort_indices()
        _check_products(products.data)
        for row in range(products.shape[0]):
            here = slice(products.indptr[row], products.indptr[row + 1])
            others = products.indices[here]
            cosines = products.data[here].astype(np.float32) * scale[first + row] * scale[others]
            if shrink:
                cosines *= _shrunk(lengths[first + row] * lengths[others], np.float32(shrink))
            best = _best(np.where(others == first + row, 0, cosines), num_neighbours, ties)
            rows.append(np.full(len(best), first + row, np.int32))
            ids.append(others[best].astype(np.int32))
            values.append(cosines[best])
    made = Interactions(np.concatenate(rows), np.concatenate(ids), np.concatenate(values), size, size)
    return ragged(made)


BLOCK = 1024
"""Items whose co-occurrences are held at once."""


def _shrunk(product: Any, shrink: Any) -> Any:
    """Return what a cosine is multiplied by, given the product of the lengths, which may be 0."""
    return product / (product + shrink + (product == 0))


def _check(num_neighbours: int, shrink: float, ties: str) -> None:
    checks.choice("ties", ties, _COLUMNS)
    checks.whole("num_neighbours", num_neighbours, remedy="pass the number of neighbours of an item")
    checks.number("shrink", shrink, least=0, remedy="pass 0 to leave cosines as they are")


def _best(cosines: np.ndarray, k: int, ties: Ties) -> np.ndarray:
    """Return the places of the k largest of cosines above 0, which are by ascending id."""
    if np.count_nonzero(cosines > 0) <= k:
        return np.flatnonzero(cosines > 0)
    least = np.partition(cosines, -k)[-k]
    equal = np.flatnonzero(cosines == least)
    wanted = k - np.count_nonzero(cosines > least)
    chosen = equal[:wanted] if ties == "lower" else equal[len(equal) - wanted :]
    return np.sort(np.concatenate([np.flatnonzero(cosines > least), chosen]))


def _matrix(interactions: Interactions) -> scipy.sparse.csr_array:
    check_interactions(interactions)
    shape = (interactions.num_users, interactions.num_items)
    values = interactions.values.astype(np.float64)
    return scipy.sparse.csr_array((values, (interactions.users, interactions.items)), shape=shape)


def _check_products(products: np.ndarray) -> None:
    if np.abs(products).max(initial=0) > LARGEST:
        raise ValueError("values: their products are beyond float32; pass smaller ones, such as with_values(1)")


_COLUMNS: dict[str, Callable[[int], Array]] = {
    "lower": lambda size: jnp.arange(size, dtype=jnp.int32),
    "higher": lambda size: jnp.arange(size - 1, -1, -1, dtype=jnp.int32),
}
"""Rule -> the order in which the first of equally similar items is taken."""


def square(gramian: Array) -> Array:
    remedy = "pass what baselines.co_occurrence returns"
    gramian = checks.floats("gramian", gramian, (None, None), remedy)
    checks.shape("gramian", gramian, gramian.shape[:1] * 2, remedy)
    return gramian
