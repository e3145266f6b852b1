"""What baselines return, each a `Scorer`: random numbers, counts, and weights of items for items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.tree_util import Partial
from numpy.typing import ArrayLike

from mfjax import checks
from mfjax.histories import Ragged, agreement
from mfjax.ranking.complement import check_lists
from mfjax.types import Array, Key, Scorer

LARGEST = float(np.finfo(np.float32).max)


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
    checks.number("counts", counts, least=-LARGEST, most=LARGEST)
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


def linear(weights: Array | Ragged, history: Ragged, *, item_biases: Array | None = None) -> Linear:
    r"""Return the scorer of an item-item model: every entry of a user's history votes for the items it is tied to.

    .. math:: s(u, j) = b_j + \sum_{i \in H_u} r_{ui} W_{ij}

    Args:
        weights: float [num_items, num_items], W; or its rows as lists, of which most items are not part.
        history: the lists of the users to score, which need not be those W was learned from.
        item_biases: float [num_items], b; None for zeros.

    Returns:
        A scorer. Memory: 4 * num_items^2 bytes for a dense W and 8 a number for lists, and 4 * batch * num_items for a
        block.

    Raises:
        ValueError: for weights that are no square of the history's items, biases that are not one for each, a history
            of another kind, or one whose values have weights; the scorer, for users that the history has not.

    Example:
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> pairs = Interactions(np.array([0, 0]), np.array([0, 1]), np.ones(2, np.float32), 1, 3)
        >>> linear(jnp.arange(9.0).reshape(3, 3), ragged(pairs))(jnp.array([0])).tolist()
        [[3.0, 5.0, 7.0]]
    """
    check_lists("history", history)
    agreement.no_weights("history", history)
    size = history.num_columns
    if isinstance(weights, Ragged):
        agreement.lists("weights", weights, size, size, "the history has items for")
    else:
        remedy = "pass one weight for each pair of the history's items"
        weights = checks.floats("weights", weights, (size, size), remedy)
    if item_biases is not None:
        item_biases = checks.floats(
            "item_biases", item_biases, (size,), "pass one bias for each of the history's items"
        )
    return Linear(weights, history, item_biases)


DENSE = 12_000
"""Up to this number of items weights are a table that the device makes; beyond, they are lists, or made on the host."""

LANES = 16
"""Entries of every history whose lists of weights are added in one step."""

SHORT = 16
"""Items for each entry of the longest history, from which adding up rows of a table is quicker than a product."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Linear:
    """The scorer of `linear`.

    Attributes:
        weights: float [num_items, num_items], W, or its rows as lists.
        history: the lists of the users that it scores.
        item_biases: float [num_items], what is added to the score of each item for every user; None for nothing.
    """

    weights: Array | Ragged
    history: Ragged
    item_biases: Array | None = None

    @property
    def num_users(self) -> int:
        """The users that have a list."""
        return self.history.num_rows

    def __call__(self, users: Array) -> Array:
        scores = self._votes(_users(users, self.num_users))
        return scores if self.item_biases is None else scores + self.item_biases[None, :]

    def _votes(self, users: Array) -> Array:
        ids, values, mask = self.history.rows(users)  # padding: id 0, value 0
        if isinstance(self.weights, Ragged):
            return _sum_of_lists(self.weights, ids, values, mask)
        num_items = self.history.num_columns
        # By the longest of all histories and not of the batch: scores must not depend on who else is asked for.
        if num_items > DENSE and SHORT * self.history.longest <= num_items:
            return _sum_of_rows(self.weights, ids, values, mask)
        row = jnp.arange(users.shape[0])[:, None]
        dense = jnp.zeros((users.shape[0], num_items), self.weights.dtype).at[row, ids].add(values)
        return jnp.matmul(dense, self.weights, precision="highest")

    def rows(self, items: np.ndarray) -> np.ndarray:
        """Return rows of W, float [n, num_items], on the host."""
        if not isinstance(self.weights, Ragged):
            return np.asarray(self.weights[jnp.asarray(items)])
        found = np.zeros((len(items), self.weights.num_columns), np.float32)
        ids, values, mask = (np.asarray(part) for part in self.weights.rows(jnp.asarray(items)))
        places = np.nonzero(mask)
        found[places[0], ids[mask]] = values[mask]
        return found


def _sum_of_rows(weights: Array, ids: Array, values: Array, mask: Array) -> Array:
    """Return the sums of the rows of histories, float [batch, num_items], an entry of each at a time."""

    def add(step: Array, scores: Array) -> Array:
        return scores + values[:, step, None] * weights[ids[:, step]]

    return _until_the_longest(add, jnp.zeros((len(ids), weights.shape[1]), weights.dtype), mask)


def _sum_of_lists(weights: Ragged, ids: Array, values: Array, mask: Array) -> Array:
    """Return the sums of the lists of histories, float [batch, num_items], LANES entries of each at a time."""
    batch, longest = ids.shape
    pad = ((0, 0), (0, -longest % LANES))
    ids, values = jnp.pad(ids, pad), jnp.pad(jnp.where(mask, values, 0), pad)
    row = jnp.arange(batch)[:, None, None]

    def add(step: Array, scores: Array) -> Array:
        here, votes = (lax.dynamic_slice_in_dim(part, step * LANES, LANES, axis=1) for part in (ids, values))
        others, tied, real = (part.reshape(batch, LANES, -1) for part in weights.rows(here.reshape(-1)))
        # Padding is sent past the last item, where "drop" ignores it.
        others = jnp.where(real, others, weights.num_columns)
        return scores.at[row, others].add(votes[:, :, None] * tied, mode="drop")

    scores = jnp.zeros((batch, weights.num_columns), weights.values.dtype)
    return _until_the_longest(add, scores, mask, lanes=LANES)


def _until_the_longest(add: Callable[[Array, Array], Array], scores: Array, mask: Array, *, lanes: int = 1) -> Array:
    """Return scores after `add` of all steps of `lanes` entries, on CPU of as many as the longest history here has."""
    steps = -(-mask.shape[1] // lanes)
    needed = -(-jnp.sum(mask, axis=1).max(initial=0) // lanes)

    def as_needed(scores: Array) -> Array:
        return lax.while_loop(
            lambda carry: carry[0] < needed, lambda carry: (carry[0] + 1, add(*carry)), (jnp.int32(0), scores)
        )[1]

    # Other devices would wait for the host in every turn of a loop of unknown length.
    return lax.platform_dependent(scores, cpu=as_needed, default=lambda scores: lax.fori_loop(0, steps, add, scores))
