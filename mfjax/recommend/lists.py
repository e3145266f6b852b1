"""From scores to lists: the k best items of many users, and similar items."""

from __future__ import annotations

from typing import Literal, get_args

import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial

from mfjax import checks
from mfjax.histories import Ragged, agreement
from mfjax.metrics.lists import unit_rows
from mfjax.recommend.candidates import Candidates, prepared
from mfjax.recommend.scores import masked_scores, scorer, user_ids
from mfjax.recommend.selection import largest
from mfjax.types import Array, Factors, Scorer

Similarity = Literal["dot", "cosine"]


def top_k_block(scores: Array, k: int) -> tuple[Array, Array]:
    """Return the k best columns of every row, best first; ties go to the lower index.

    A place that no item can fill (score -inf, or k above the number of columns) holds id 0 and score -inf:
    `scores > -jnp.inf` is the mask. A NaN score is not hidden: it fills the list, as NaN with id 0.

    Args:
        scores: float [batch, num_items], -inf for items that can not be recommended.
        k: length of the lists.

    Returns:
        ids int32 [batch, k] and scores float [batch, k].

    Raises:
        ValueError: for a k below 1, or scores that are no floats [batch, num_items] with an item.

    Example:
        >>> ids, scores = top_k_block(jnp.array([[1.0, 3.0, -jnp.inf, 3.0]]), k=4)
        >>> ids.tolist(), scores.tolist()
        ([[1, 3, 0, 0]], [[3.0, 3.0, 1.0, -inf]])
    """
    checks.whole("k", k)
    scores = checks.floats("scores", scores, (None, None), "pass floats [batch, num_items]")
    missing = max(k - scores.shape[1], 0)
    best, ids = largest(scores, k - missing)
    best = jnp.pad(best, ((0, 0), (0, missing)), constant_values=-jnp.inf)
    ids = jnp.pad(ids, ((0, 0), (0, missing)))
    return jnp.where(best > -jnp.inf, ids, 0), best


def top_k(
    model: Scorer | Factors,
    users: Array,
    *,
    k: int = 10,
    exclude: Ragged | None = None,
    candidates: Candidates | None = None,
    block_size: int = 256,
) -> tuple[Array, Array]:
    """Return the k best items of every user, best first, in blocks of users of bounded memory.

    Ties go to the lower id. A list shorter than k ends in id 0 with score -inf (`scores > -jnp.inf` is the mask).

    Args:
        model: factors, or any scorer.
        users: int32 [batch], in any order, repeats allowed.
        k: length of the lists.
        exclude: items that are never recommended to a user (row = user id), or None.
        candidates: the items that can be recommended, in any form of `masked_scores`, or None for all.
        block_size: users scored at once; memory is about 3 * block_size * num_items numbers.

    Returns:
        ids int32 [batch, k] and scores float [batch, k].

    Raises:
        ValueError: as `scorer` and `masked_scores`, and for a k or block_size below 1.

    Example:
        >>> import jax
        >>> factors = Factors(users=jnp.array([[1.0, 2.0]]), items=jnp.array([[3.0, 0.0], [0.0, 4.0], [1.0, 1.0]]))
        >>> ids, scores = jax.jit(top_k, static_argnames="k")(factors, jnp.array([0]), k=2)
        >>> ids.tolist(), scores.tolist()
        ([[1, 0]], [[8.0, 3.0]])
    """
    checks.whole("k", k)
    checks.whole("block_size", block_size)
    score_block = scorer(model)
    users = user_ids(score_block, users, exclude, candidates)
    if candidates is not None:
        candidates = prepared(candidates, agreement.num_items(score_block))
    num_users = users.shape[0]
    size = max(min(block_size, num_users), 1)
    num_blocks = -(-num_users // size)
    blocks = jnp.pad(users, (0, num_blocks * size - num_users)).reshape(num_blocks, size)
    ids, best = lax.map(lambda block: top_k_block(masked_scores(score_block, block, exclude, candidates), k), blocks)
    return ids.reshape(-1, k)[:num_users], best.reshape(-1, k)[:num_users]


def similar_items(
    factors: Factors, items: Array, *, k: int = 10, metric: Similarity = "dot", block_size: int = 256
) -> tuple[Array, Array]:
    r"""Return the k items most similar to each of `items`, never the item itself; biases play no part.

    .. math:: \mathrm{dot}(i, j) = \langle v_i, v_j \rangle \qquad
        \mathrm{cosine}(i, j) = \frac{\langle v_i, v_j \rangle}{\|v_i\| \, \|v_j\|}

    An item with a zero vector has cosine 0 to all. Ties go to the lower id. A list shorter than k ends in id 0 with
    score -inf.

    Args:
        factors: the model.
        items: int32 [batch].
        k: length of the lists.
        metric: "dot" or "cosine".
        block_size: items compared at once.

    Returns:
        ids int32 [batch, k] and similarities float [batch, k], best first.

    Raises:
        ValueError: for an unknown metric, an item outside the model, or a k or block_size below 1.

    Example:
        >>> items = jnp.array([[1.0, 0.0], [9.0, 9.0], [1.0, 0.1]])
        >>> factors = Factors(users=jnp.zeros((1, 2)), items=items)
        >>> similar_items(factors, jnp.array([0]), k=1)[0].tolist()
        [[1]]
        >>> similar_items(factors, jnp.array([0]), k=1, metric="cosine")[0].tolist()
        [[2]]
    """
    checks.choice("metric", metric, get_args(Similarity))
    table = agreement.factors("factors", factors).items
    items = checks.ids("items", items, table.shape[0], "the model's items")
    if metric == "cosine":
        table = unit_rows(table)
    return top_k(Partial(_other_items, table), items, k=k, block_size=block_size)


def _other_items(table: Array, items: Array) -> Array:
    similarity = jnp.matmul(table[items], table.T, precision="highest")  # [batch, num_items]
    return similarity.at[jnp.arange(items.shape[0]), items].set(-jnp.inf)
