r"""Lists that are relevant and diverse: maximal marginal relevance as a second stage, behind any model.

From the C best items of a user under the model, C(u), best first, items are picked one after the other:

.. math:: i_t = \arg\max_{i \in C(u) \setminus S} \; \lambda \, \tilde s_i
    - (1 - \lambda) \max_{j \in S} \cos(v_i, v_j), \qquad S = \{i_1, \dots, i_{t-1}\}, \qquad
    \tilde s_i = \frac{s_i - \min_{C(u)} s}{\max_{C(u)} s - \min_{C(u)} s}

The scores s of the model are brought to [0, 1] over the candidates of the user, so that lambda, the `tradeoff`, means
the same whatever the scale of a model; where all are equal they count as 0. An item with a zero vector has cosine 0 to
all. The maximum over nothing is -1: with lambda > 0 the first pick is the best item of the model. Ties go to the lower
position among the candidates, so that lambda = 1 keeps their order.

Source: Carbonell & Goldstein 1998, "The use of MMR, diversity-based reranking for reordering documents and producing
summaries", equation 1; the normalisation is ours.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial

from mfjax import checks
from mfjax.histories import Ragged, agreement
from mfjax.metrics.lists import checked_vectors, unit_rows
from mfjax.recommend.lists import top_k_block
from mfjax.recommend.scores import masked_scores
from mfjax.recommend.scores import scorer as scorer_of
from mfjax.types import Array, Factors, Scorer


def rerank(
    ids: Array, scores: Array, items: Array, *, tradeoff: Array | float, k: int = 10, block_size: int = 256
) -> tuple[Array, Array]:
    """Return k of the candidates of every list in the order in which maximal marginal relevance picks them.

    Args:
        ids: int32 [batch, C], candidates, as `recommend.top_k` gives them.
        scores: float [batch, C], their scores, s; -inf for a place without a candidate.
        items: float [num_items, dim], the vectors v that say how alike items are.
        tradeoff: lambda in [0, 1]; 1 is relevance alone.
        k: length of the lists (static).
        block_size: lists reranked at once; memory is about block_size * C * dim numbers (static).

    Returns:
        ids int32 [batch, k] and the scores that they came with, float [batch, k]: no longer in falling order. A list
        shorter than k ends in id 0 with score -inf. A list with a score that is NaN or +inf is NaN with id 0.

    Raises:
        ValueError: for an id that is no row of `items`, scores of another shape, vectors that are no finite floats
            [num_items, dim], a tradeoff outside [0, 1], or a k or block_size below 1.

    Example:
        >>> items = jnp.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
        >>> found, kept = rerank(jnp.array([[0, 1, 2]]), jnp.array([[5.0, 4.0, 1.0]]), items, tradeoff=0.5, k=2)
        >>> found.tolist(), kept.tolist()
        ([[0, 2]], [[5.0, 1.0]])
    """
    units = unit_rows(checked_vectors(items))
    ids = checks.ids("ids", ids, units.shape[0], "the rows of items")
    checks.shape("ids", ids, (None, None), "pass a list of candidates for each user")
    scores = checks.floats("scores", scores, ids.shape, "pass a score for each candidate")
    _check_tradeoff(tradeoff)
    checks.whole("k", k)
    checks.whole("block_size", block_size)
    if 0 in ids.shape:
        return jnp.zeros((len(ids), k), jnp.int32), jnp.full((len(ids), k), -jnp.inf, scores.dtype)
    missing = max(k - ids.shape[1], 0)

    def pick(pair: tuple[Array, Array]) -> Array:
        return _picks(pair[1], units[pair[0]], tradeoff, k - missing)

    order = lax.map(pick, (ids, scores), batch_size=min(block_size, len(ids)))  # [batch, k - missing]
    kept = jnp.take_along_axis(scores, order, axis=1)
    real = jnp.arange(k - missing)[None, :] < jnp.sum(scores > -jnp.inf, axis=1)[:, None]
    kept = jnp.where(real, kept, -jnp.inf)
    kept = jnp.pad(kept, ((0, 0), (0, missing)), constant_values=-jnp.inf)
    kept = jnp.where(jnp.any(~(scores < jnp.inf), axis=1)[:, None], jnp.nan, kept)
    found = jnp.pad(jnp.take_along_axis(ids, order, axis=1), ((0, 0), (0, missing)))
    return jnp.where(kept > -jnp.inf, found, 0), kept


def scorer(
    model: Scorer | Factors,
    items: Array | None = None,
    *,
    candidates: int,
    tradeoff: Array | float,
    exclude: Ragged | None = None,
) -> Scorer:
    """Return the scorer whose lists are those that maximal marginal relevance makes of the model's.

    The scores say in which place an item is picked: C for the first of C candidates, 1 for the last, -inf (not
    recommended) for all others, so that a list can be no longer than C. An item that the model scores NaN or +inf is no
    candidate and keeps that score, which evaluation counts.

    Args:
        model: factors, or any scorer.
        items: float [num_items, dim], the vectors v that say how alike items are; None for the items of the factors.
        candidates: C, how many items can be picked (static); memory is about batch * C * dim numbers.
        tradeoff: lambda in [0, 1], which may be traced; 1 is relevance alone.
        exclude: items that are never candidates (row = user id), such as the user's history: what the evaluation
            excludes, or it takes up places.

    Raises:
        ValueError: for fewer than one candidate, a tradeoff outside [0, 1], vectors that are no finite floats
            [num_items, dim] or that a scorer has not, a model as `recommend.scorer` refuses it, and lists of other
            users; vectors of other items than a scorer's are refused when it scores.

    Example:
        >>> items = jnp.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
        >>> model = Factors(jnp.array([[5.0, 1.0]]), items)
        >>> scorer(model, candidates=3, tradeoff=0.5)(jnp.array([0])).tolist()
        [[2.0, 3.0, 1.0]]
    """
    checks.whole("candidates", candidates, remedy="pass how many items can be picked")
    _check_tradeoff(tradeoff)
    if items is None:
        if not isinstance(model, Factors):
            raise ValueError("items: a scorer has no vectors of items; pass those that say how alike items are")
        items = agreement.factors("model", model).items
    units, model = unit_rows(checked_vectors(items)), scorer_of(model)
    if exclude is not None:
        agreement.lists("exclude", exclude, agreement.num_users(model), None, "the model has")
    # The number travels as a shape, which is static wherever the scorer goes.
    return Partial(_scores, model, units, exclude, jnp.asarray(tradeoff, units.dtype), jnp.zeros(candidates))


def _check_tradeoff(tradeoff: Any) -> None:
    checks.number("tradeoff", tradeoff, least=0, most=1, remedy="pass 1 for relevance alone")
    checks.shape("tradeoff", tradeoff, (), "pass one number, or vmap over several")


def _scores(model: Scorer, units: Array, exclude: Ragged | None, tradeoff: Array, slots: Array, users: Array) -> Array:
    scores = masked_scores(model, users, exclude)
    num_items = scores.shape[1]
    if units.shape[0] != num_items:
        raise ValueError(f"items: has {units.shape[0]} vectors, the model {num_items} items; pass one for each")
    broken = ~(scores < jnp.inf)
    size = min(slots.shape[0], num_items)
    ids, best = top_k_block(jnp.where(broken, -jnp.inf, scores), size)
    order = jax.vmap(_picks, in_axes=(0, 0, None, None))(best, units[ids], tradeoff, size)
    place = jnp.arange(size)[None, :]
    # Padding is sent past the last item, where "drop" ignores it: id 0 may be picked too.
    real = place < jnp.sum(best > -jnp.inf, axis=1)[:, None]
    target = jnp.where(real, jnp.take_along_axis(ids, order, axis=1), num_items)
    row, value = jnp.arange(users.shape[0])[:, None], (slots.shape[0] - place).astype(scores.dtype)
    value = jnp.broadcast_to(value, target.shape)
    return jnp.where(broken, scores, jnp.full_like(scores, -jnp.inf).at[row, target].set(value, mode="drop"))


def _picks(scores: Array, units: Array, tradeoff: Array | float, size: int) -> Array:
    """Return the positions of the first `size` picks, int32 [size], arbitrary ones once no candidate is left.

    Args:
        scores: float [C], -inf where there is no candidate.
        units: float [C, dim], vectors of length 1 or 0.
        tradeoff: lambda.
        size: at most C.
    """
    real = scores > -jnp.inf
    relevance = _relevance(scores, real)

    def pick(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        nearest, left = carry  # [C], [C]
        value = tradeoff * relevance - (1 - tradeoff) * nearest
        position = jnp.argmax(jnp.where(left, value, -jnp.inf)).astype(jnp.int32)
        near = jnp.matmul(units, units[position], precision="highest")
        return (jnp.maximum(nearest, near), left.at[position].set(False)), position

    start = jnp.full(scores.shape, -1, units.dtype), real
    return lax.scan(pick, start, length=size)[1]


def _relevance(scores: Array, real: Array) -> Array:
    """Return scores float [C] brought to [0, 1] over those that are real, 0 elsewhere."""
    low = jnp.min(jnp.where(real, scores, jnp.inf))
    # Of halves, lest the range of finite scores be infinite.
    above = jnp.where(real, scores / 2 - low / 2, 0)
    most = jnp.max(above)
    return above / jnp.where(most > 0, most, 1)
