"""From a model to lists: scores, the k best items of many users, similar items, and why an item was recommended."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial

from mfjax.histories import Ragged
from mfjax.types import Array, Factors, Scorer


def scorer(factors: Factors) -> Scorer:
    r"""Return the scorer of a factor model: user ids -> scores of all items.

    .. math:: s(u, i) = \langle x_u, v_i \rangle + b_u + b_i + \mu

    Example:
        >>> factors = Factors(users=jnp.array([[1.0, 2.0]]), items=jnp.array([[3.0, 0.0], [0.0, 4.0]]))
        >>> scorer(factors)(jnp.array([0])).tolist()
        [[3.0, 8.0]]
    """
    return Partial(_all_items, factors)


def _all_items(factors: Factors, users: Array) -> Array:
    scores = jnp.matmul(factors.users[users], factors.items.T, precision="highest")  # [batch, num_items]
    if factors.user_biases is not None:
        scores = scores + factors.user_biases[users][:, None]
    if factors.item_biases is not None:
        scores = scores + factors.item_biases[None, :]
    return scores if factors.offset is None else scores + factors.offset


def score(factors: Factors, users: Array, items: Array) -> Array:
    r"""Return the score of each pair (users[n], items[n]).

    .. math:: s(u, i) = \langle x_u, v_i \rangle + b_u + b_i + \mu

    Args:
        factors: the model; absent biases and offset count as zero.
        users: int32 [...], user ids.
        items: int32 [...], item ids, of the same shape.

    Returns:
        float [...].

    Example:
        >>> factors = Factors(jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 0.0], [0.0, 4.0]]), offset=jnp.array(0.5))
        >>> score(factors, jnp.array([0, 0]), jnp.array([1, 0])).tolist()
        [8.5, 3.5]
    """
    scores = jnp.einsum("...d,...d->...", factors.users[users], factors.items[items], precision="highest")
    if factors.user_biases is not None:
        scores = scores + factors.user_biases[users]
    if factors.item_biases is not None:
        scores = scores + factors.item_biases[items]
    return scores if factors.offset is None else scores + factors.offset


def masked_scores(
    scorer: Scorer, users: Array, exclude: Ragged | None = None, candidates: Array | None = None
) -> Array:
    """Return the scores of one block of users, -inf where an item can not be recommended.

    Args:
        scorer: user ids -> scores.
        users: int32 [batch].
        exclude: items that are never recommended to a user (row = user id), or None.
        candidates: bool [num_items], the items that can be recommended to anybody, or None for all.

    Returns:
        float [batch, num_items]. Memory: batch * (num_items + exclude.longest) numbers.

    Example:
        >>> factors = Factors(users=jnp.array([[1.0, 2.0]]), items=jnp.array([[3.0, 0.0], [0.0, 4.0]]))
        >>> masked_scores(scorer(factors), jnp.array([0]), candidates=jnp.array([True, False])).tolist()
        [[3.0, -inf]]
    """
    scores = scorer(users)
    if candidates is not None:
        scores = jnp.where(candidates[None, :], scores, -jnp.inf)
    if exclude is None:
        return scores
    ids, _, mask = exclude.rows(users)  # [batch, longest]
    row = jnp.arange(scores.shape[0])[:, None]
    # Padding is sent past the last column, where "drop" ignores it: id 0 may be a real candidate.
    return scores.at[row, jnp.where(mask, ids, scores.shape[1])].set(-jnp.inf, mode="drop")


def top_k_block(scores: Array, k: int) -> tuple[Array, Array]:
    """Return the k best columns of every row, best first; ties go to the lower index.

    A place that no item can fill (score -inf, or k above the number of columns) holds id 0 and score -inf:
    `scores > -jnp.inf` is the mask.

    Args:
        scores: float [batch, num_items], -inf for items that can not be recommended.
        k: length of the lists.

    Returns:
        ids int32 [batch, k] and scores float [batch, k].

    Example:
        >>> ids, scores = top_k_block(jnp.array([[1.0, 3.0, -jnp.inf, 3.0]]), k=4)
        >>> ids.tolist(), scores.tolist()
        ([[1, 3, 0, 0]], [[3.0, 3.0, 1.0, -inf]])
    """
    missing = max(k - scores.shape[1], 0)
    best, ids = lax.top_k(scores, k - missing)
    best = jnp.pad(best, ((0, 0), (0, missing)), constant_values=-jnp.inf)
    ids = jnp.pad(ids, ((0, 0), (0, missing)))
    return jnp.where(best > -jnp.inf, ids, 0), best


def top_k(
    model: Scorer | Factors,
    users: Array,
    *,
    k: int = 10,
    exclude: Ragged | None = None,
    candidates: Array | None = None,
    block_size: int = 256,
) -> tuple[Array, Array]:
    """Return the k best items of every user, best first, in blocks of users of bounded memory.

    Ties go to the lower id. A list shorter than k ends in id 0 with score -inf (`scores > -jnp.inf` is the mask).

    Args:
        model: factors, or any scorer.
        users: int32 [batch], in any order, repeats allowed.
        k: length of the lists.
        exclude: items that are never recommended to a user (row = user id), or None.
        candidates: bool [num_items], the items that can be recommended to anybody, or None for all.
        block_size: users scored at once; memory is block_size * (num_items + exclude.longest) numbers.

    Returns:
        ids int32 [batch, k] and scores float [batch, k].

    Example:
        >>> factors = Factors(users=jnp.array([[1.0, 2.0]]), items=jnp.array([[3.0, 0.0], [0.0, 4.0], [1.0, 1.0]]))
        >>> import jax
        >>> ids, scores = jax.jit(top_k, static_argnames="k")(factors, jnp.array([0]), k=2)
        >>> ids.tolist(), scores.tolist()
        ([[1, 0]], [[8.0, 3.0]])
    """
    score_block = scorer(model) if isinstance(model, Factors) else model
    num_users = users.shape[0]
    size = max(min(block_size, num_users), 1)
    num_blocks = -(-num_users // size)
    blocks = jnp.pad(users, (0, num_blocks * size - num_users)).reshape(num_blocks, size)
    ids, best = lax.map(lambda block: top_k_block(masked_scores(score_block, block, exclude, candidates), k), blocks)
    return ids.reshape(-1, k)[:num_users], best.reshape(-1, k)[:num_users]
