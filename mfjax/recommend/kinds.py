"""What is asked of a model and answered in another way by each kind: pairs, users for an item, neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax.tree_util import Partial

from mfjax import compilation
from mfjax.baselines import Linear, Popularity
from mfjax.histories import Ragged
from mfjax.recommend import lists, scores
from mfjax.recommend.chosen import filled_up, has_rows, rows_of, users_of
from mfjax.recommend.lists import Similarity
from mfjax.recommend.parts import Side, pairs_of
from mfjax.recommend.side_by_side import Found, top_k_on_all
from mfjax.recommend.two_stage import TwoStages
from mfjax.types import Array, Factors, Scorer

BLOCK = 256
"""Users that are scored at once."""
MOST_TABLE = 2**26
"""Numbers of a table of scores, users x items asked for, that is held at once."""

_similar_items = compilation.jit(lists.similar_items, static_argnames=("k", "metric"))
_masked_scores = compilation.jit(scores.masked_scores)


def block_of_scores(learned: Factors | Scorer, users: np.ndarray, size: int) -> np.ndarray:
    """Return the scores of all items for at most `size` users, [users, num_items], by one program for every block."""
    rows = np.resize(users, size).astype(np.int32)
    if has_rows(learned):
        learned, rows = users_of(learned, rows), np.arange(size, dtype=np.int32)
    return np.asarray(_masked_scores(_ready(learned), jnp.asarray(rows)))[: len(users)]


def best(learned: Factors | Scorer, users: np.ndarray, k: int, exclude: Ragged | None, mask: Any) -> Found:
    """Return the k best items of users; `exclude` has a row per user, `mask` is of items."""
    if len(users) == 0:
        return np.zeros((0, k), np.int32), np.zeros((0, k), np.float32)
    rows = filled_up(users, BLOCK)
    # Few sizes: by the number of users asked for, and not by that of the model's.
    lists = None if exclude is None else rows_of(exclude, rows)
    alone = users_of(learned, rows) if has_rows(learned) else _OfRows(scores.scorer(learned), jnp.asarray(rows))
    found = top_k_on_all(alone, np.arange(len(rows), dtype=np.int32), k=k, exclude=lists, candidates=mask)
    return found[0][: len(users)], found[1][: len(users)]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class _OfRows:
    """A scorer of users 0, 1, ..., who are some users of another."""

    scorer: Scorer
    rows: Array

    @property
    def num_users(self) -> int:
        return len(self.rows)

    def __call__(self, users: Array) -> Array:
        return self.scorer(self.rows[users])


def _ready(learned: Factors | Scorer) -> Factors | Scorer:
    """Return factors, or a scorer that crosses a compiled boundary."""
    return learned if isinstance(learned, Factors) else scores.scorer(learned)


def pairs(learned: Factors | Scorer, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return the score of each pair of ids, [n]."""
    if isinstance(learned, Factors):
        alone, asked = users_of(learned, users), jnp.arange(len(users), dtype=jnp.int32)
        assert isinstance(alone, Factors)
        return np.asarray(scores.score(alone, asked, jnp.asarray(items)))
    distinct, place = np.unique(users, return_inverse=True)
    order = np.argsort(place, kind="stable")
    found = np.zeros(len(users), np.float32)
    for first in range(0, len(distinct), BLOCK):
        here = order[np.searchsorted(place[order], first) : np.searchsorted(place[order], first + BLOCK)]
        table = block_of_scores(learned, distinct[first : first + BLOCK], min(BLOCK, len(distinct)))
        found[here] = table[place[here] - first, items[here]]
    return found


def nobody(learned: Factors | Scorer) -> Factors | Scorer:
    """Return the model of one user of whom nothing is known: the items' biases, their counts, or all equal.

    Raises:
        ValueError: for a scorer that says nothing about its users.
    """
    if isinstance(learned, Factors):
        return Factors(jnp.zeros((1, 0)), learned.items[:, :0], None, learned.item_biases, learned.offset)
    if isinstance(learned, TwoStages):
        return TwoStages(nobody(learned.retriever), nobody(learned.reranker), None, learned.candidates)
    if isinstance(learned, Popularity):
        return learned
    if isinstance(learned, Linear):
        biases = learned.item_biases
        return Popularity(jnp.zeros(learned.history.num_columns) if biases is None else biases)
    raise ValueError(f"unknown: a {type(learned).__name__} has no scores for an unknown user; pass unknown='error'")


def users_for(
    learned: Factors | Scorer, items: np.ndarray, num_users: int, k: int, exclude: Ragged | None, mask: Any
) -> Found:
    """Return the k users with the highest scores of each item; `exclude` has a row per item, `mask` is of users."""
    if isinstance(learned, Factors):
        turned = Factors(learned.items, learned.users, learned.item_biases, learned.user_biases, learned.offset)
        return best(turned, items, k, exclude, mask)
    if len(items) == 0:
        return np.zeros((0, k), np.int32), np.zeros((0, k), np.float32)
    size, parts = max(MOST_TABLE // max(num_users, 1), 1), []
    for first in range(0, len(items), size):
        some = items[first : first + size]
        table, block = np.zeros((len(some), num_users), np.float32), min(BLOCK, num_users)
        for start in range(0, num_users, block):
            users = np.arange(start, min(start + block, num_users))
            table[:, users] = block_of_scores(learned, users, block)[:, some].T
        seen, rows = None if exclude is None else rows_of(exclude, some), np.arange(len(some), dtype=np.int32)
        parts.append(best(Partial(_looked_up, jnp.asarray(table)), rows, k, seen, mask))
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([found for _, found in parts])


def _looked_up(table: Array, rows: Array) -> Array:
    return table[rows]


def neighbours(learned: Factors | Scorer, side: Side, ids: np.ndarray, k: int, metric: Similarity | None) -> Found:
    """Return the k rows of a side most similar to each of `ids`, never the row itself.

    Raises:
        ValueError: for a kind without vectors, and a metric where the kind has one of its own.
    """
    if isinstance(learned, TwoStages):
        return neighbours(learned.reranker, side, ids, k, metric)
    if isinstance(learned, Factors) and learned.items.shape[1] == 0:
        raise ValueError(f"learned: factors of dim 0 have no vectors of {side}s; ask factors or item weights")
    if isinstance(learned, Factors):
        turned = learned if side == "item" else Factors(learned.items, learned.users)
        found = _similar_items(turned, jnp.asarray(ids), k=k, metric="cosine" if metric is None else metric)
        return np.asarray(found[0]), np.asarray(found[1])
    if not isinstance(learned, Linear):
        raise ValueError(f"learned: a {type(learned).__name__} has no vectors of {side}s; ask factors or item weights")
    if metric is not None:
        raise ValueError(f"metric: {metric!r}, but item weights are a similarity of their own; pass None")
    table = jnp.asarray(learned.rows(ids) if side == "item" else _cosines(learned.history, ids))
    own = table.at[jnp.arange(len(ids)), jnp.asarray(ids)].set(-jnp.inf)
    found = lists.top_k_block(own, k)
    return np.asarray(found[0]), np.asarray(found[1])


def _cosines(history: Ragged, users: np.ndarray) -> np.ndarray:
    """Return the cosines of some users' histories with those of all, float32 [users, num_users]."""
    held = pairs_of(history)
    size = held.num_users, held.num_items
    matrix = scipy.sparse.csr_array((held.values.astype(np.float64), (held.users, held.items)), shape=size)
    norms = np.sqrt(np.asarray((matrix * matrix).sum(axis=1)).reshape(-1))
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    products = (matrix[users] @ matrix.T).toarray()
    return (products * scale[users][:, None] * scale[None, :]).astype(np.float32)
