"""Negative sampling: items that a user has not taken, drawn exactly. `mfjax.ranking.sampler` says what a sampler is.

A sampler holds the positives, and gives a positive of the user no weight unless it is told to keep them. What counts as
one is that it is listed: the values of the lists are not read, so that they may hold all that a user is known to have
seen.

All makers of samplers raise ValueError for positives that are no `Ragged`, and a sampler for words, users or items that
do not fit it; while a program is traced only their dtypes and shapes are looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
import numpy as np

from mfjax import checks
from mfjax.histories import Ragged
from mfjax.ranking import complement
from mfjax.ranking.combined import Checked, Hard, Mixed, hard, mixed
from mfjax.ranking.complement import check_lists
from mfjax.ranking.of_batch import Everything, InBatch, Shared, everything, in_batch, shared
from mfjax.ranking.sampler import Sampler
from mfjax.ranking.unseen import Unseen, item_counts, keeping
from mfjax.types import Array

__all__ = [
    "SAMPLERS",
    "Checked",
    "Everything",
    "FalseNegatives",
    "Hard",
    "InBatch",
    "Mixed",
    "Shared",
    "Unseen",
    "everything",
    "hard",
    "in_batch",
    "mixed",
    "popularity",
    "shared",
    "uniform",
    "weighted",
]

FalseNegatives = Literal["exclude", "skip", "keep"]


def uniform(positives: Ragged, *, num: int = 1, false_negatives: FalseNegatives = "exclude") -> Sampler:
    """Return a sampler that draws `num` of the user's unseen items, all equally likely.

    Args:
        positives: the items that each user has taken (row = user id).
        num: draws of each example.
        false_negatives: "exclude" draws around the user's positives; "skip" draws from the whole catalogue and gives
            a positive of the user the weight 0, so that active users train less; "keep" does not look.

    Raises:
        ValueError: for positives of another kind, fewer than one draw, or an unknown rule.

    Source: Rendle et al. (2009), section 5. Drawing around the positives is ours; the library implicit skips.
    """
    return _drawn(positives, None, num, false_negatives)


def weighted(
    positives: Ragged, weights: Array, *, num: int = 1, false_negatives: FalseNegatives = "exclude"
) -> Sampler:
    """Return a sampler that draws unseen items with probability proportional to `weights` float [num_items].

    What weights may be, precision and zero weights as in `complement.build`; other arguments and errors as in
    `uniform`.
    """
    checks.shape("weights", weights, (None,), "pass one weight for each item")
    return _drawn(positives, weights, num, false_negatives)


def popularity(
    positives: Ragged, *, beta: Array | float = 0.75, num: int = 1, false_negatives: FalseNegatives = "exclude"
) -> Sampler:
    r"""Return a sampler that draws unseen items by their popularity; arguments as in `uniform`.

    .. math:: q_i \propto c_i^\beta

    where c_i counts the positives of item i; an item without positives is never drawn (unless beta = 0).

    Raises:
        ValueError: as `uniform`; for a beta that is not finite, or under which a weight is not.

    Source: Mikolov et al. (2013), Distributed representations of words, section 2.2, for beta = 3/4. The library
    implicit has beta = 1.
    """
    check_lists("positives", positives)
    checks.number("beta", beta)
    checks.shape("beta", beta, (), "pass one number, or vmap over several")
    weights = item_counts(positives) ** jnp.asarray(beta, jnp.float32)
    seen = checks.seen(weights)
    if seen is not None and not np.isfinite(seen).all():
        item = int(np.flatnonzero(~np.isfinite(seen))[0])
        raise ValueError(f"beta: {beta} makes the weight of item {item} infinite; pass a beta between 0 and 1")
    return _drawn(positives, weights, num, false_negatives)


def _drawn(positives: Ragged, weights: Array | None, num: int, false_negatives: FalseNegatives) -> Sampler:
    check_lists("positives", positives)
    checks.whole("num", num, remedy="pass the number of negatives an example")
    checks.choice("false_negatives", false_negatives, _RULES)
    return _RULES[false_negatives](positives, weights, num)


def _excluded(positives: Ragged, weights: Array | None, num: int) -> Sampler:
    return Unseen(complement.build(positives, weights), num)


def _skipped(positives: Ragged, weights: Array | None, num: int) -> Sampler:
    return Checked(keeping(positives, weights, num), positives)


_RULES: dict[FalseNegatives, Callable[[Ragged, Array | None, int], Sampler]] = {
    "exclude": _excluded,
    "skip": _skipped,
    "keep": keeping,
}


SAMPLERS: dict[str, Callable[[Ragged], Sampler]] = {
    "uniform": uniform,
    "popularity": popularity,
    "in_batch": in_batch,
    "everything": everything,
    "shared": shared,
}
"""Samplers that need the positives alone, by name."""
