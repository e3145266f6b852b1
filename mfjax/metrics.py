r"""Ranking metrics of one user each, from the ranks of the user's relevant items.

Every function takes `ranks` int32 [..., R], the 1-based positions of the relevant items among the items that can be
recommended to the user, in any order, with `UNRANKED` for padding and for a relevant item that can not be recommended.
As `UNRANKED` is beyond any cutoff, `ranks <= k` needs no mask, and a list shorter than k counts misses. `num_relevant`
int32 [...] counts the relevant items, ranked or not. A user without any gets 0 everywhere; whether such users enter a
mean is the evaluation's choice (`Convention.empty`). Every function raises a ValueError for shapes that do not fit, for
a cutoff that is no whole number of at least 1, for what is no Convention, and, where values can be seen, for ranks
below 1 and fewer relevant items than there are ranks.

Under the tie rule "expected" the scores leave an order open: `ranks` is then the first position of the item's group of
equal scores, `tie_sizes` the size of the group, and the value is the mean over the orders of each group.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from mfjax import checks, conventions
from mfjax.conventions import DEFAULT, Convention
from mfjax.discounts import discount_sums, gains, mean_discounts
from mfjax.types import Array

UNRANKED = np.int32(np.iinfo(np.int32).max)
"""Rank of padding, and of a relevant item that can not be recommended."""


def hits(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int = 10,
    convention: Convention = DEFAULT,
    tie_sizes: Array | None = None,
) -> Array:
    r"""The number of relevant items in the top k.

    .. math:: h = \sum_i [r_i \le k]

    Ties "expected": an item counts with the share of its group's positions that is in the top k.

    Args:
        ranks: int32 [..., R], 1-based, UNRANKED where there is none.
        num_relevant: int32 [...]; not used.
        k: cutoff, at least 1.
        convention: `ties` is read.
        tie_sizes: int32 [..., R], under ties "expected" only.

    Returns:
        float32 [...] in [0, k].

    Example:
        >>> hits(jnp.array([1, 3, 12, 40]), jnp.array(4), k=10)
        Array(2., dtype=float32)
    """
    ranks, _ = _checked(ranks, num_relevant, k, convention)
    sizes = _open_groups(convention, tie_sizes, ranks)
    if sizes is None:
        return jnp.sum(ranks <= k, axis=-1, dtype=jnp.float32)
    return jnp.sum(_places_within(ranks, sizes, k) / sizes, axis=-1)


def hit_rate(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int = 10,
    convention: Convention = DEFAULT,
    tie_sizes: Array | None = None,
) -> Array:
    r"""Whether any relevant item is in the top k.

    .. math:: \mathrm{HR@}k = 1 - \prod_{i} [r_i > k]

    Ties "expected": a group of t equal scores that begins at position f and straddles the cutoff has c = k - f + 1
    places in the top k; its m relevant items all miss them with probability prod_{j<m} (t - c - j) / (t - j).

    Args:
        ranks: int32 [..., R], 1-based, UNRANKED where there is none.
        num_relevant: int32 [...]; not used, as no relevant item means no hit.
        k: cutoff, at least 1.
        convention: `ties` is read.
        tie_sizes: int32 [..., R], under ties "expected" only.

    Returns:
        float32 [...], 0 or 1; in [0, 1] under ties "expected".

    Example:
        >>> hit_rate(jnp.array([[12, 3], [11, 40]]), jnp.array([2, 2]), k=10)
        Array([1., 0.], dtype=float32)
    """
    ranks, _ = _checked(ranks, num_relevant, k, convention)
    sizes = _open_groups(convention, tie_sizes, ranks)
    if sizes is None:
        return jnp.any(ranks <= k, axis=-1).astype(jnp.float32)
    places = _places_within(ranks, sizes, k)
    straddles = (places > 0) & (places < sizes)
    before = jnp.cumsum(straddles, axis=-1) - 1  # relevant items of the same group counted so far
    missed = jnp.maximum(sizes - places - before, 0).astype(jnp.float32) / jnp.maximum(sizes - before, 1)
    missed = jnp.prod(jnp.where(straddles, missed, 1.0), axis=-1)
    return jnp.where(jnp.any((places > 0) & ~straddles, axis=-1), 1.0, 1.0 - missed)


def recall(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int = 10,
    convention: Convention = DEFAULT,
    tie_sizes: Array | None = None,
) -> Array:
    r"""The share of the relevant items that is in the top k.

    .. math:: \mathrm{Recall@}k = \frac{\sum_i [r_i \le k]}{n} \quad\text{or}\quad \frac{\sum_i [r_i \le k]}{\min(k, n)}

    Args:
        ranks: int32 [..., R], 1-based, UNRANKED where there is none.
        num_relevant: int32 [...], n.
        k: cutoff, at least 1.
        convention: `recall_denominator` ("relevant": n, "min": min(k, n)) and `ties` are read.
        tie_sizes: int32 [..., R], under ties "expected" only.

    Returns:
        float32 [...] in [0, 1]; 0 without relevant items.

    Example:
        >>> recall(jnp.array([1, 3, 12, 40]), jnp.array(4), k=3)
        Array(0.5, dtype=float32)

    Source: the second form is that of Liang et al. 2018, "Variational autoencoders for collaborative filtering".
    """
    found = hits(ranks, num_relevant, k=k, convention=convention, tie_sizes=tie_sizes)
    return found / _relevant(jnp.asarray(num_relevant), k, convention.recall_denominator)


def precision(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int = 10,
    convention: Convention = DEFAULT,
    tie_sizes: Array | None = None,
    num_items: Array | int | None = None,
) -> Array:
    r"""The share of the top k that is relevant.

    .. math:: \mathrm{Precision@}k = \frac{1}{k} \sum_i [r_i \le k]
        \quad\text{or}\quad \frac{1}{\min(k, N)} \sum_i [r_i \le k]

    Args:
        ranks: int32 [..., R], 1-based, UNRANKED where there is none.
        num_relevant: int32 [...]; not used.
        k: cutoff, at least 1.
        convention: `precision_denominator` ("k", "retrieved": min(k, N)) and `ties` are read.
        tie_sizes: int32 [..., R], under ties "expected" only.
        num_items: int32 [...], N, the items that can be recommended; under "retrieved" only.

    Returns:
        float32 [...] in [0, 1].

    Raises:
        ValueError: precision_denominator is "retrieved" and num_items is missing.

    Example:
        >>> precision(jnp.array([1, 3, 12, 40]), jnp.array(4), k=4)
        Array(0.5, dtype=float32)
    """
    found = hits(ranks, num_relevant, k=k, convention=convention, tie_sizes=tie_sizes)
    if convention.precision_denominator == "k":
        return found / k
    if num_items is None:
        raise ValueError("num_items: None leaves the list's length unknown; pass it, or precision_denominator='k'")
    return found / jnp.clip(_checked_items(num_items, ranks), 1, k)


def ndcg(
    ranks: Array,
    num_relevant: Array,
    *,
    k: int | None = 10,
    convention: Convention = DEFAULT,
    relevances: Array | None = None,
    tie_sizes: Array | None = None,
) -> Array:
    r"""Normalised discounted cumulative gain.

    .. math:: \mathrm{NDCG@}k = \frac{1}{I} \sum_{i:\, r_i \le k} \frac{g_i}{\log_2(r_i + 1)}, \qquad
        I = \sum_{p=1}^{\min(k, n)} \frac{g_{(p)}}{\log_2(p + 1)}
        \quad\text{or}\quad \sum_{p=1}^{k} \frac{g_{(1)}}{\log_2(p + 1)}

    with g_(1) >= g_(2) >= ... the gains of all n relevant items, ranked or not. Ties "expected": the discount of an
    item is the mean over the positions of its group, positions beyond k counting 0.

    Args:
        ranks: int32 [..., R], 1-based, UNRANKED where there is none.
        num_relevant: int32 [...], n.
        k: cutoff, at least 1, or None for none (num_relevant is then at most R).
        convention: `gain`, `ideal` and `ties` are read.
        relevances: float32 [..., R], r of each item, not negative, 0 for padding; under gain "linear" (g = r) and
            "exponential" (g = 2^r - 1) only.
        tie_sizes: int32 [..., R], under ties "expected" only.

    Returns:
        float32 [...] in [0, 1]; 0 without relevant items.

    Raises:
        ValueError: relevances is missing under a graded gain; k is None under ideal "full" or ties "expected".

    Example:
        >>> exponential = Convention(gain="exponential")
        >>> ranks, relevances = jnp.array([1, 2, 3, 5]), jnp.array([3.0, 2.0, 3.0, 1.0])
        >>> print(f"{ndcg(ranks, jnp.array(4), k=5, convention=exponential, relevances=relevances):.5f}")
        0.95748

    Source: Jarvelin and Kekalainen 2002, "Cumulated gain-based evaluation of IR techniques"; the exponential gain is
    that of Burges et al. 2005, "Learning to rank using gradient descent".
    """
    ranks, num_relevant = _checked(ranks, num_relevant, k, convention, optional=True)
    if k is None and (convention.ideal == "full" or convention.ties == "expected"):
        raise ValueError("k: None has no positions to sum over under ideal 'full' or ties 'expected'; pass num_items")
    width = ranks.shape[-1]
    places = width if k is None else k
    sizes = _open_groups(convention, tie_sizes, ranks)
    if sizes is None:
        discounts = jnp.where(
            ranks <= (UNRANKED - 1 if k is None else k), 1 / jnp.log2(ranks.astype(jnp.float32) + 1.0), 0.0
        )
    else:
        discounts = mean_discounts(ranks, sizes, places)
    sums = discount_sums(places)
    if convention.gain == "binary":
        dcg, largest = jnp.sum(discounts, axis=-1), jnp.float32(1.0)
        ideal = jnp.asarray(sums, jnp.float32)[jnp.minimum(num_relevant, len(sums) - 1)]
    else:
        if relevances is None:
            raise ValueError(f"relevances: None under gain {convention.gain!r}; pass them, or gain='binary'")
        checks.shape("relevances", relevances, ranks.shape, "pass one for each rank")
        worth = gains(relevances, convention.gain)
        dcg = jnp.sum(worth * discounts, axis=-1)
        best_first = jnp.sort(worth, axis=-1, descending=True)
        largest = best_first[..., 0]
        steps = jnp.asarray(np.diff(sums)[:width], jnp.float32)
        ideal = jnp.matmul(best_first[..., : len(steps)], steps, precision="highest")
    if convention.ideal == "full":
        ideal = jnp.where(num_relevant > 0, largest * np.float32(sums[-1]), 0.0)
    return jnp.where(ideal > 0, dcg / jnp.where(ideal > 0, ideal, 1.0), 0.0)


def average_precision(
    ranks: Array, num_relevant: Array, *, k: int | None = 10, convention: Convention = DEFAULT
) -> Array:
    r"""Average precision; its mean over users is MAP.

    .. math:: \mathrm{AP@}k = \frac{1}{n} \sum_{i:\, r_i \le k} \frac{|\{j : r_j \le r_i\}|}{r_i}
        \quad\text{or the same sum over}\ \min(k, n)

    Args:
        ranks: int32 [..., R], 1-based, UNRANKED where there is none.
        num_relevant: int32 [...], n.
        k: cutoff, at least 1, or None for none (the denominator is then n).
        convention: `ap_denominator` ("relevant": n, "min": min(k, n)) is read.

    Returns:
        float32 [...] in [0, 1]; 0 without relevant items.

    Raises:
        ValueError: ties is "expected", under which AP is no sum over positions.

    Example:
        >>> average_precision(jnp.array([1, 4, 30]), jnp.array(3), k=10)
        Array(0.5, dtype=float32)
    """
    ranks, num_relevant = _checked(ranks, num_relevant, k, convention, optional=True)
    _refuse_expected(convention, "average_precision")
    if k is None or k >= ranks.shape[-1]:
        places = jnp.sort(ranks, axis=-1)
        hit = places <= (UNRANKED - 1 if k is None else k)
    else:
        # A few places are quicker to go through than the ranks are to sort.
        places = jnp.arange(1, k + 1, dtype=jnp.int32).reshape((1,) * (ranks.ndim - 1) + (-1,))
        hit = jnp.any(ranks[..., None] == places[..., None, :], axis=-2)
    found = jnp.cumsum(hit, axis=-1, dtype=jnp.float32)
    total = jnp.sum(jnp.where(hit, found / places, 0.0), axis=-1)
    return total / _relevant(num_relevant, k, convention.ap_denominator)


def reciprocal_rank(
    ranks: Array, num_relevant: Array, *, k: int | None = None, convention: Convention = DEFAULT
) -> Array:
    r"""The reciprocal of the best relevant item's position; its mean over users is MRR.

    .. math:: \mathrm{RR@}k = \max_{i:\, r_i \le k} \frac{1}{r_i}, \quad 0 \text{ when there is none}

    Args:
        ranks: int32 [..., R], 1-based, UNRANKED where there is none.
        num_relevant: int32 [...]; not used.
        k: cutoff, at least 1, or None for none.
        convention: `ties` is read.

    Returns:
        float32 [...] in [0, 1].

    Raises:
        ValueError: ties is "expected", under which RR is no sum over positions.

    Example:
        >>> reciprocal_rank(jnp.array([8, 4, 30]), jnp.array(3))
        Array(0.25, dtype=float32)
    """
    ranks, _ = _checked(ranks, num_relevant, k, convention, optional=True)
    _refuse_expected(convention, "reciprocal_rank")
    best = jnp.min(ranks, axis=-1, initial=UNRANKED)
    return jnp.where(best <= (UNRANKED - 1 if k is None else k), 1 / best.astype(jnp.float32), 0.0)


def auc(
    ranks: Array,
    num_relevant: Array,
    *,
    num_items: Array | int,
    k: int | None = None,
    tie_sizes: Array | None = None,
) -> Array:
    r"""The probability that a relevant item stands before one that is not.

    .. math:: \mathrm{AUC} = \frac{1}{n} \sum_{i\ \text{ranked}} \frac{N - r_i - (q - 1)/2}{N - q}

    with N items, n relevant, q of them ranked and r_i the mean position of the item's ties ("expected" gives ties one
    half, as usual). A relevant item without a rank loses every comparison. Without any other item (N = q) it is 1/2.

    With a cutoff, the order beyond the top k counts as unknown. With h hits and k - h misses there,

    .. math:: \mathrm{AUC@}k = \frac{1}{n (N - n)} \Big[ \sum_{i:\, r_i \le k} \big(k - r_i - (h - j_i)\big)
        + \tfrac{h + n}{2} (N - n - k + h) \Big]

    where j_i is the position of item i among the hits: the n - h other relevant items are spread evenly.

    Args:
        ranks: int32 [..., R], 1-based, UNRANKED where there is none.
        num_relevant: int32 [...], n.
        num_items: int32 [...], N, the items among which `ranks` counts.
        k: cutoff, or None for the whole ranking.
        tie_sizes: int32 [..., R], under ties "expected" only, and without a cutoff.

    Returns:
        float32 [...] in [0, 1]; 0 without relevant items.

    Raises:
        ValueError: both k and tie_sizes are given.

    Example:
        >>> auc(jnp.array([1, 4]), jnp.array(2), num_items=5)
        Array(0.6666667, dtype=float32)

    Source: the form with a cutoff is `auc` of implicit's `ranking_metrics_at_k`; N is the whole catalogue there.
    """
    ranks, num_relevant = _checked(ranks, num_relevant, k, optional=True)
    num_items = _checked_items(num_items, ranks)
    if tie_sizes is not None:
        tie_sizes = _checked_sizes(tie_sizes, ranks)
    relevant = jnp.maximum(num_relevant, 1)
    if k is None:
        is_ranked = ranks < UNRANKED
        ranked = jnp.sum(is_ranked, axis=-1, dtype=jnp.int32)
        others = num_items - ranked
        position = ranks if tie_sizes is None else ranks + (tie_sizes - 1) / 2
        below = (num_items - (ranked - 1) / 2)[..., None] - position
        share = jnp.where(is_ranked, below / jnp.maximum(others, 1)[..., None], 0.0)
        value = jnp.where(others > 0, jnp.sum(share, axis=-1) / relevant, 0.5)
    else:
        if tie_sizes is not None:
            raise ValueError("k: a cutoff and ties 'expected' can not be combined in auc; pass k=None")
        found = jnp.sum(ranks <= k, axis=-1, dtype=jnp.int32)
        others = num_items - num_relevant
        # sum over hits of (k - r_i) minus sum over j = 1..h of (h - j) = h (h - 1) / 2
        above = jnp.sum(jnp.where(ranks <= k, k - ranks, 0), axis=-1) - found * (found - 1) / 2
        beyond = (found + num_relevant) / 2 * ((others - k + found) / jnp.maximum(others, 1))
        # Within [0, 1] but where k is beyond the negatives and some relevant items have no rank.
        value = jnp.clip((above / jnp.maximum(others, 1) + beyond) / relevant, 0.0, 1.0)
        value = jnp.where(others > 0, value, 0.5)
    return jnp.where(num_relevant > 0, value, 0.0)


def pooled_precision(hits: Array, num_relevant: Array, *, k: int = 10) -> Array:
    r"""The share of the possible hits that were made, all users pooled: no mean over users.

    .. math:: \frac{\sum_u h_u}{\sum_u \min(k, n_u)}

    Args:
        hits: float32 [users], h.
        num_relevant: int32 [users], n.
        k: cutoff, at least 1.

    Returns:
        float32 scalar in [0, 1]; 0 without relevant items.

    Example:
        >>> pooled_precision(jnp.array([1.0, 1.0]), jnp.array([2, 1]), k=3)
        Array(0.6666667, dtype=float32)

    Source: `precision` of implicit's `ranking_metrics_at_k`.
    """
    checks.whole("k", k)
    checks.number("hits", hits, least=0)
    checks.count("num_relevant", num_relevant)
    checks.shape("hits", hits, np.shape(num_relevant), "pass one number for each user, as num_relevant has")
    return jnp.sum(jnp.asarray(hits)) / jnp.maximum(jnp.sum(jnp.minimum(jnp.asarray(num_relevant), k)), 1)


def _checked(
    ranks: Any, num_relevant: Any, k: Any, convention: Convention = DEFAULT, *, optional: bool = False
) -> tuple[Array, Array]:
    """Return ranks and num_relevant as arrays; see the module's docstring for what is refused."""
    conventions.check(convention)
    if k is not None or not optional:
        checks.whole("k", k, remedy="pass None for no cutoff" if optional else "")
    checks.count("ranks", ranks, least=1, remedy="pass positions from 1, UNRANKED where there is none")
    checks.count("num_relevant", num_relevant)
    if np.ndim(ranks) == 0:
        raise ValueError("ranks: one number is no list of ranks; pass an array [..., R]")
    if np.ndim(num_relevant):
        checks.shape("num_relevant", num_relevant, np.shape(ranks)[:-1], "pass one number for each list of ranks")
    seen_ranks, seen_numbers = checks.seen(ranks), checks.seen(num_relevant)
    if seen_ranks is not None and seen_numbers is not None:
        ranked = np.sum(seen_ranks < UNRANKED, axis=-1)
        if (ranked > seen_numbers).any():
            raise ValueError(
                f"num_relevant: {np.min(seen_numbers)} relevant items, but a list has {np.max(ranked)} ranks; "
                "pass the number of relevant items, ranked or not"
            )
    return jnp.asarray(ranks, jnp.int32), jnp.asarray(num_relevant, jnp.int32)


def _checked_items(num_items: Any, ranks: Array) -> Array:
    """Return num_items as an array, not less than the ranks are."""
    checks.count("num_items", num_items)
    if np.ndim(num_items):
        checks.shape("num_items", num_items, ranks.shape[:-1], "pass one number for each list of ranks, or one for all")
    numbers, places = checks.seen(num_items), checks.seen(ranks)
    if numbers is not None and places is not None:
        last = np.where(places < UNRANKED, places, 0).max(axis=-1, initial=0)
        if (last > numbers).any():
            raise ValueError(
                f"num_items: {np.min(numbers)} items, but a rank is {np.max(last)}; pass the items that ranks count"
            )
    return jnp.asarray(num_items, jnp.int32)


def _checked_sizes(tie_sizes: Any, ranks: Array) -> Array:
    checks.count("tie_sizes", tie_sizes, least=1)
    checks.shape("tie_sizes", tie_sizes, ranks.shape, "pass one for each rank")
    return jnp.asarray(tie_sizes, jnp.int32)


def _open_groups(convention: Convention, tie_sizes: Array | None, ranks: Array) -> Array | None:
    """Return the sizes of the groups whose order is open, None where the tie rule settles every order."""
    if convention.ties != "expected":
        return None
    if tie_sizes is None:
        raise ValueError("tie_sizes: None under ties 'expected'; pass the sizes of the groups of equal scores")
    return _checked_sizes(tie_sizes, ranks)


def _refuse_expected(convention: Convention, name: str) -> None:
    if convention.ties == "expected":
        raise ValueError(f"ties: 'expected' has no closed form for {name}; pass ties 'first', 'last' or 'worst'")


def _places_within(ranks: Array, sizes: Array, k: int) -> Array:
    """Return how many positions of each item's group are in the top k, int32 [..., R]."""
    return jnp.clip(k + 1 - ranks, 0, sizes)


def _relevant(num_relevant: Array, k: int | None, denominator: str) -> Array:
    """Return n or min(k, n), at least 1 so that a user without relevant items gets 0."""
    upper = UNRANKED if k is None or denominator == "relevant" else k
    return jnp.clip(num_relevant, 1, upper)
