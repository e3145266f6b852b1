"""Scores of a block of users -> the ranks of the items asked for, under a tie rule."""

from __future__ import annotations

import operator
from typing import NamedTuple, get_args

import jax.numpy as jnp
from jax import lax

from mfjax import checks, recommend
from mfjax.histories import Ragged, agreement
from mfjax.metrics import UNRANKED
from mfjax.metrics.conventions import Ties
from mfjax.recommend import Candidates
from mfjax.recommend.selection import in_order
from mfjax.types import Array, Factors, Scorer

TARGETS_AT_ONCE = 4
"""Columns of targets that the scores are compared with in one pass."""


class Ranks(NamedTuple):
    """Ranks of some items of every user.

    Attributes:
        ranks: int32 [batch, R], 1-based; the first rank of the item's group of equal scores under ties "expected";
            UNRANKED for padding and for items that can not be recommended.
        tie_sizes: int32 [batch, R], size of that group (1 under the other rules).
    """

    ranks: Array
    tie_sizes: Array


class Ranked(NamedTuple):
    """All that the metrics of a block of users are computed from; R is the length of the longest list of targets.

    Attributes:
        ranks: int32 [batch, R], ranks of the targets.
        tie_sizes: int32 [batch, R], sizes of their groups of equal scores under ties "expected", else 1.
        relevances: float32 [batch, R], values of the targets; 0 for padding.
        num_relevant: int32 [batch], number of targets.
        num_unreachable: int32 [batch], number of targets that can not be recommended.
        num_items: int32 [batch], number of items that can be recommended.
        num_broken: int32 [batch], number of scores that were NaN or +inf.
        recommended: int32 [batch, k], the top k, best first; padding is 0.
        recommended_mask: bool [batch, k], False for the places that no item can fill.
    """

    ranks: Array
    tie_sizes: Array
    relevances: Array
    num_relevant: Array
    num_unreachable: Array
    num_items: Array
    num_broken: Array
    recommended: Array
    recommended_mask: Array


def rank_block(
    model: Scorer | Factors,
    users: Array,
    targets: Ragged,
    exclude: Ragged | None = None,
    candidates: Candidates | None = None,
    *,
    mask: Array | None = None,
    k: int = 10,
    ties: Ties = "first",
) -> Ranked:
    """Rank the targets of one block of users among all items they can be recommended; pure, for any transform.

    Args:
        model: factors, or any scorer.
        users: int32 [batch].
        targets: relevant items, a row per user.
        exclude: items that are never recommended to a user, a row per user, or None.
        candidates: the items that can be recommended, in any form of `recommend.masked_scores`, or None for all.
        mask: bool [batch], False for padded users, who get no targets and an empty list; None for all real.
        k: length of the recommended lists, whose ties go to the lower index under every tie rule.
        ties: tie rule of the ranks.

    Returns:
        Ranked.

    Raises:
        ValueError: as `recommend.masked_scores`, for a model and targets of other id spaces, and an unknown tie rule.

    Example:
        >>> model = Factors(users=jnp.array([[1.0]]), items=jnp.array([[1.0], [3.0], [2.0]]))
        >>> targets = Ragged(jnp.array([0, 1]), jnp.array([2]), jnp.ones(1), num_columns=3, longest=1)
        >>> rank_block(model, jnp.array([0]), targets, k=2).ranks.tolist()
        [[2]]
    """
    checks.choice("ties", ties, get_args(Ties))
    score_block = recommend.scorer(model)
    agreement.lists("targets", targets, agreement.num_users(score_block), None, "the model has")
    users = agreement.user_ids("users", users, targets.num_rows)
    mask = jnp.ones(users.shape, bool) if mask is None else checks.mask("mask", mask, users.shape)
    scores = recommend.masked_scores(score_block, users, exclude, candidates)
    agreement.lists("targets", targets, None, scores.shape[1], "the model has")
    scores, num_items, num_broken = recommendable(scores)  # [batch, num_items], [batch], [batch]
    recommended, best = recommend.top_k_block(scores, k)  # [batch, k]
    ids, relevances, real = targets.rows(users)  # [batch, R]
    real &= mask[:, None]
    num_relevant = jnp.sum(real, axis=-1, dtype=jnp.int32)
    found = of(scores, ids, real, ties=ties, longest=jnp.max(num_relevant))
    num_ranked = jnp.sum(found.ranks < UNRANKED, axis=-1, dtype=jnp.int32)
    return Ranked(
        ranks=found.ranks,
        tie_sizes=found.tie_sizes,
        relevances=jnp.where(real, relevances, 0),
        num_relevant=num_relevant,
        num_unreachable=num_relevant - num_ranked,
        num_items=num_items,
        num_broken=jnp.where(mask, num_broken, 0),
        recommended=recommended,
        recommended_mask=(best > -jnp.inf) & mask[:, None],
    )


def recommendable(scores: Array) -> tuple[Array, Array, Array]:
    """Return scores in which only finite ones can be recommended, how many can be, and how many were broken.

    NaN and +inf, which only a broken model gives, become -inf and are counted; -inf, which is how a model or a mask
    says "not this item", stays.

    Args:
        scores: float [batch, num_items].

    Returns:
        scores: float [batch, num_items], finite or -inf.
        num_items: int32 [batch], the number of finite ones.
        num_broken: int32 [batch], the number of NaN and +inf.

    Example:
        >>> scores, num_items, num_broken = recommendable(jnp.array([[1.0, jnp.nan, -0.0]]))
        >>> scores.tolist(), num_items.tolist(), num_broken.tolist()
        ([[1.0, -inf, -0.0]], [2], [1])
    """
    broken = ~(scores < jnp.inf)
    finite = ~broken & (scores > -jnp.inf)
    counts = _counts([finite, broken])
    return jnp.where(finite, scores, -jnp.inf), counts[:, 0], counts[:, 1]


def of(scores: Array, ids: Array, mask: Array, *, ties: Ties = "first", longest: Array | None = None) -> Ranks:
    r"""Return the rank of each of the items `ids` among all the items of its user.

    .. math:: r_i = 1 + |\{j : s_j > s_i\}| + |\{j : s_j = s_i,\ j \text{ stands before } i \text{ by the tie rule}\}|

    Ties: "first", lower index first; "last", higher index first; "worst", the items of `ids` behind every other item of
    equal score; "expected", r_i without the last term, and the size of the group besides.

    The scores are compared with `TARGETS_AT_ONCE` columns of `ids` at a time: time num_items * columns a user, memory
    that of scores. One comparison settles score and tie: scores are taken as integers, and s_j counts where it is at
    least s_i, or s_i + 1 where a tie puts j behind i.

    Args:
        scores: float [batch, num_items], -inf for items that can not be recommended, never NaN (see `recommendable`).
        ids: int32 [batch, R], distinct within a user.
        mask: bool [batch, R], True for a real item.
        ties: tie rule.
        longest: int32 scalar, columns of `ids` from there on are all padding and are skipped; None for R.

    Returns:
        Ranks of `ids`. An item whose score is -inf is UNRANKED.

    Raises:
        ValueError: for an unknown tie rule, an id outside the items, a mask that is no bool, or shapes that do not fit.

    Example:
        >>> of(jnp.array([[3.0, 5.0, 3.0, 1.0]]), jnp.array([[2, 3]]), jnp.array([[True, True]])).ranks
        Array([[3, 4]], dtype=int32)
    """
    checks.choice("ties", ties, get_args(Ties))
    scores = checks.floats("scores", scores, (None, None), "pass floats [batch, num_items]")
    ids = checks.ids("ids", ids, scores.shape[1], "the items")
    checks.shape("ids", ids, (scores.shape[0], None), "pass items for each row of scores")
    mask = checks.mask("mask", mask, ids.shape)
    num_columns = ids.shape[-1]
    padding = ((0, 0), (0, -num_columns % TARGETS_AT_ONCE))
    ids, mask = jnp.pad(ids, padding), jnp.pad(mask, padding)  # [batch, R'], R' a multiple of TARGETS_AT_ONCE
    item_scores = jnp.where(mask, jnp.take_along_axis(scores, ids, axis=-1), -jnp.inf)
    numbers, item_numbers = in_order(scores), in_order(item_scores)  # [batch, num_items], [batch, R']
    everything = jnp.arange(scores.shape[-1], dtype=jnp.int32)[None, :]  # [1, num_items]
    slots = jnp.arange(ids.shape[-1], dtype=jnp.int32)[None, :]  # [1, R']

    def least(item: Array, number: Array) -> Array:
        """Return the number from which on an item of the catalogue stands before `item`, [batch, 1 or num_items]."""
        if ties == "worst":
            return number
        if ties == "expected":
            return number + 1
        return jnp.where(everything < item if ties == "first" else everything > item, number, number + 1)

    def count(first: Array) -> Ranks:
        """Return rank and size of the tie of TARGETS_AT_ONCE columns, [batch, TARGETS_AT_ONCE]."""
        columns = [
            [lax.dynamic_slice_in_dim(x, first + column, 1, axis=1) for x in (ids, item_numbers)]  # [batch, 1]
            for column in range(TARGETS_AT_ONCE)
        ]
        rank = 1 + _counts([numbers >= least(*column) for column in columns])
        if ties == "worst":
            # Counted itself and the asked-for items of equal score that follow it: take them off again.
            alike = [(item_numbers == number) & (slots >= first + at) for at, (_, number) in enumerate(columns)]
            rank -= _counts(alike)
        alone = jnp.ones_like(rank)
        return Ranks(rank, _counts([numbers == number for _, number in columns]) if ties == "expected" else alone)

    def body(turn: Array, found: Ranks) -> Ranks:
        first = turn * TARGETS_AT_ONCE
        return Ranks(
            *(lax.dynamic_update_slice_in_dim(x, c, first, 1) for x, c in zip(found, count(first), strict=True))
        )

    def turned(longest: int | Array) -> Ranks:
        start = Ranks(jnp.full(ids.shape, UNRANKED, jnp.int32), jnp.ones(ids.shape, jnp.int32))
        return lax.fori_loop(0, -(-longest // TARGETS_AT_ONCE), body, start)

    # Other devices would wait for the host in every turn to hear whether it is the last: theirs are of a known number.
    columns = num_columns if longest is None else longest
    found = lax.platform_dependent(columns, cpu=turned, default=lambda _: turned(num_columns))
    real = item_scores > -jnp.inf
    ranks, tie_sizes = jnp.where(real, found.ranks, UNRANKED), jnp.where(real, found.tie_sizes, 1)
    return Ranks(ranks[:, :num_columns], tie_sizes[:, :num_columns])


def _counts(masks: list[Array]) -> Array:
    """Return how many entries of each row of each mask are True, int32 [batch, masks], in one pass over all masks.

    One reduction of several operands: a plain sum over long rows is cut in two passes on CPU, and several times slower.
    """
    zeros = [jnp.int32(0)] * len(masks)
    operands = [mask.astype(jnp.int32) for mask in masks]
    return jnp.stack(lax.reduce(operands, zeros, lambda some, more: list(map(operator.add, some, more)), (1,)), axis=1)
