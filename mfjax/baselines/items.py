"""Baselines that any model has to beat, each a `Scorer`: random, popularity, item kNN, EASE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax.tree_util import Partial
from numpy.typing import ArrayLike

from mfjax import checks, factorisations
from mfjax.histories import Ragged, agreement, ragged
from mfjax.ranking.complement import check_lists
from mfjax.types import Array, Interactions, Key, Scorer

Ties = Literal["lower", "higher"]

_LARGEST = float(np.finfo(np.float32).max)


def random(key: Key, num_items: int) -> Scorer:
    """Return a scorer of uniform random scores: a function of (key, user, item) alone, not of the batch.

    Args:
        key: PRNG key.
        num_items: size of the catalogue.

    Returns:
        A scorer with scores float32 in [0, 1), the same under `jax_enable_x64`.

    Raises:
        ValueError: for what is no key, or a catalogue of nothing.

    Example:
        >>> scorer = random(jax.random.key(0), num_items=5)
        >>> bool((scorer(jnp.array([7, 2]))[1] == scorer(jnp.array([2]))[0]).all())
        True
    """
    checks.key("key", key)
    checks.whole("num_items", num_items, remedy="pass the size of the catalogue")
    return Partial(_random, key, jnp.zeros(num_items, jnp.float32))


def _random(key: Key, catalogue: Array, users: Array) -> Array:
    users = _users(users, 2**31 - 1)
    draw = lambda user: jax.random.uniform(jax.random.fold_in(key, user), catalogue.shape, jnp.float32)  # noqa: E731
    return jax.vmap(draw)(users)


def _users(users: Array, num_users: int) -> Array:
    users = checks.ids("users", users, num_users, "the scorer's users")
    checks.shape("users", users, (None,), "pass a list of users")
    return users


def popularity(counts: ArrayLike) -> Popularity:
    """Return a scorer that ranks items by `counts`, the same for every user.

    Args:
        counts: numbers [num_items], such as `interactions.item_counts()`; exact up to 2^24.

    Raises:
        ValueError: for counts of another shape, or that are not finite.

    Example:
        >>> popularity([3, 7])(jnp.array([0, 1])).tolist()
        [[3.0, 7.0], [3.0, 7.0]]
    """
    checks.shape("counts", counts, (None,), "pass one number for each item")
    checks.number("counts", counts, least=-_LARGEST, most=_LARGEST)
    return Popularity(jnp.asarray(counts, jnp.float32))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Popularity:
    """The scorer of `popularity`.

    Attributes:
        counts: float32 [num_items], the score of each item for every user.
    """

    counts: Array

    def __call__(self, users: Array) -> Array:
        users = _users(users, 2**31 - 1)
        return jnp.broadcast_to(self.counts[None, :], (users.shape[0], self.counts.shape[0]))


def linear(weights: Array, history: Ragged) -> Linear:
    r"""Return the scorer of an item-item model: every entry of a user's history votes for the items it is tied to.

    .. math:: s(u, j) = \sum_{i \in H_u} r_{ui} W_{ij}

    Args:
        weights: float [num_items, num_items], W.
        history: the lists of the users to score, which need not be those W was learned from.

    Returns:
        A scorer. Memory: 4 * num_items^2 bytes for W, 4 * batch * (num_items + history.longest) for a block.

    Raises:
        ValueError: for weights that are no square of the history's items, a history of another kind, or one whose
            values have weights; the scorer, for users that the history has not.

    Example:
        >>> pairs = Interactions(np.array([0, 0]), np.array([0, 1]), np.ones(2, np.float32), 1, 3)
        >>> linear(jnp.arange(9.0).reshape(3, 3), ragged(pairs))(jnp.array([0])).tolist()
        [[3.0, 5.0, 7.0]]
    """
    check_lists("history", history)
    agreement.no_weights("history", history)
    size = history.num_columns
    weights = checks.floats("weights", weights, (size, size), "pass one weight for each pair of the history's items")
    return Linear(weights, history)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Linear:
    """The scorer of `linear`.

    Attributes:
        weights: float [num_items, num_items], W.
        history: the lists of the users that it scores.
    """

    weights: Array
    history: Ragged

    @property
    def num_users(self) -> int:
        """The users that have a list."""
        return self.history.num_rows

    def __call__(self, users: Array) -> Array:
        users = _users(users, self.num_users)
        ids, values, _ = self.history.rows(users)  # padding: id 0, value 0
        row = jnp.arange(users.shape[0])[:, None]
        dense = jnp.zeros((users.shape[0], self.history.num_columns), self.weights.dtype).at[row, ids].add(values)
        return jnp.matmul(dense, self.weights, precision="highest")


def item_knn(interactions: Interactions, *, num_neighbours: int = 200, ties: Ties = "lower") -> Linear:
    """Return item kNN on the cosine of co-occurrence: `linear` with `cosine_neighbours`.

    Raises:
        ValueError: as `co_occurrence` and `cosine_neighbours`.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> np.asarray(item_knn(pairs)(jnp.array([1]))).round(3)
        array([[0.707, 0.   ]], dtype=float32)
    """
    return linear(cosine_neighbours(co_occurrence(interactions), num_neighbours, ties=ties), ragged(interactions))


def ease(interactions: Interactions, *, reg: Array | float) -> Linear:
    """Return EASE: `linear` with `ease_weights`. Binary interactions are the usual input (`with_values(1)`).

    Raises:
        ValueError: as `co_occurrence` and `ease_weights`.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> np.asarray(ease(pairs, reg=1.0)(jnp.array([1]))).round(3)
        array([[0.333, 0.   ]], dtype=float32)
    """
    return linear(ease_weights(co_occurrence(interactions), reg), ragged(interactions))


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
    check_interactions(interactions)
    shape = (interactions.num_users, interactions.num_items)
    values = interactions.values.astype(np.float64)
    matrix = scipy.sparse.csr_array((values, (interactions.users, interactions.items)), shape=shape)
    gramian = matrix.T @ matrix
    if np.abs(gramian.data).max(initial=0) > _LARGEST:
        raise ValueError("values: their products are beyond float32; pass smaller ones, such as with_values(1)")
    return jnp.asarray(gramian.toarray())


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


def cosine_neighbours(gramian: Array, num_neighbours: int, *, ties: Ties = "lower") -> Array:
    r"""Return the cosine similarities of every item to its nearest neighbours, zero elsewhere and on the diagonal.

    .. math:: W_{ij} = \frac{G_{ij}}{\sqrt{G_{ii} G_{jj}}} \quad \text{if } j \in N_k(i), \quad 0 \text{ otherwise}

    N_k(i) are the k items most similar to i, so an item of the history votes for its own neighbours, and a popular
    item can be neighbour to many. An item without interactions has no neighbours.

    Args:
        gramian: float [num_items, num_items], as `co_occurrence`.
        num_neighbours: k; at most the num_items - 1 other items.
        ties: which of equally similar items stay at the end of the list, by id: "lower" or "higher" (with which the
            published figures on MovieLens-1M are met to the sixth digit).

    Returns:
        float [num_items, num_items], row i the item of the history, column j the one recommended.

    Raises:
        ValueError: for an unknown rule, fewer than one neighbour, or a gramian that is no square of floats.

    Example:
        >>> gramian = jnp.array([[4.0, 2.0, 1.0], [2.0, 4.0, 0.0], [1.0, 0.0, 4.0]])
        >>> cosine_neighbours(gramian, 1).tolist()
        [[0.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]]
    """
    gramian = _square(gramian)
    checks.choice("ties", ties, _COLUMNS)
    checks.whole("num_neighbours", num_neighbours, remedy="pass the number of neighbours of an item")
    num_items = gramian.shape[0]
    squares = jnp.diagonal(gramian)
    scale = jnp.where(squares > 0, 1 / jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
    cosine = gramian * scale[:, None] * scale[None, :]
    others = jnp.where(jnp.eye(num_items, dtype=bool), -jnp.inf, cosine)
    columns = _COLUMNS[ties](num_items)
    ids = columns[jax.lax.top_k(others[:, columns], min(num_neighbours, num_items - 1))[1]]
    nearest = jnp.zeros((num_items, num_items), bool).at[jnp.arange(num_items)[:, None], ids].set(True)
    return jnp.where(nearest, cosine, 0)


_COLUMNS: dict[str, Callable[[int], Array]] = {
    "lower": lambda size: jnp.arange(size, dtype=jnp.int32),
    "higher": lambda size: jnp.arange(size - 1, -1, -1, dtype=jnp.int32),
}
"""Rule -> the order in which the first of equally similar items is taken."""


def _square(gramian: Array) -> Array:
    remedy = "pass what baselines.co_occurrence returns"
    gramian = checks.floats("gramian", gramian, (None, None), remedy)
    checks.shape("gramian", gramian, gramian.shape[:1] * 2, remedy)
    return gramian


def ease_weights(gramian: Array, reg: Array | float) -> Array:
    r"""Return the EASE weights: the ridge regression of every item on all others, in closed form.

    .. math:: P = (G + \lambda I)^{-1}, \qquad W_{ij} = -\frac{P_{ij}}{P_{jj}} \ (i \ne j), \qquad W_{jj} = 0

    Differentiable and vmappable in `reg`; under vmap one matrix is inverted after the other.

    In float32 the weights carry a relative error of about 1e-7 times the condition number of G + lambda I;
    `jax_enable_x64` gives float64.

    Args:
        gramian: float [num_items, num_items], as `co_occurrence`.
        reg: lambda > 0, in units of the gramian (users).

    Returns:
        float [num_items, num_items]; cost num_items^3, memory a few times that of the gramian.

    Raises:
        ValueError: for a gramian that is no square of floats, for a reg that is not above 0, and where G + lambda I
            turns out not to be positive definite; of numbers, where they can be seen.

    Example:
        >>> np.asarray(ease_weights(jnp.array([[3.0, 1.0], [1.0, 1.0]]), reg=1.0)).round(3)
        array([[0.  , 0.25],
               [0.5 , 0.  ]], dtype=float32)

    Source: Steck (2019), Embarrassingly Shallow Autoencoders for Sparse Data, equation 8.
    """
    gramian = _square(gramian)
    checks.number("reg", reg, above=0, remedy="pass the L2 penalty")
    checks.shape("reg", reg, (), "pass one number, or vmap over several")
    identity = jnp.eye(gramian.shape[0], dtype=gramian.dtype)
    precision = factorisations.inverse(gramian + jnp.asarray(reg, gramian.dtype) * identity)
    scales = jnp.diagonal(precision)
    if (found := checks.seen(scales)) is not None and not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"reg: with {reg} the gramian is not positive definite; raise it, or use jax_enable_x64")
    return jnp.where(identity == 1, 0, -precision / scales[None, :])
