"""Some users of a model alone, in arrays of few sizes: whoever asks about another user meets the same programs."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from mfjax.baselines import Linear
from mfjax.histories import Ragged, rounded_up
from mfjax.recommend.parts import STAGES
from mfjax.recommend.two_stage import TwoStages
from mfjax.types import Factors, Scorer


def users_of(learned: Factors | Scorer, users: np.ndarray) -> Factors | Scorer:
    """Return what was learned with the rows of some users alone, in their order; one may come twice.

    A scorer that is not of mfjax, or has no rows of users, is returned as it is: see `has_rows`.

    Example:
        >>> users_of(Factors(jnp.array([[1.0], [2.0]]), jnp.ones((3, 1))), np.array([1, 1])).users.tolist()
        [[2.0], [2.0]]
    """
    if isinstance(learned, TwoStages):
        stages = {name: users_of(getattr(learned, name), users) for name in STAGES}
        exclude = None if learned.exclude is None else rows_of(learned.exclude, users)
        return replace(learned, **stages, exclude=exclude)  # type: ignore[arg-type]
    if isinstance(learned, Linear):
        return replace(learned, history=rows_of(learned.history, users))
    if not isinstance(learned, Factors):
        return learned
    biases = None if learned.user_biases is None else learned.user_biases[users]
    return learned._replace(users=learned.users[users], user_biases=biases)


def has_rows(learned: Factors | Scorer) -> bool:
    """Return whether all that a model knows of its users are rows, which `users_of` can take alone."""
    if isinstance(learned, TwoStages):
        return has_rows(learned.retriever) and has_rows(learned.reranker)
    return isinstance(learned, Factors | Linear)


LEAST = 64
"""The smallest number of entries, and of the longest row, that lists are rounded up to."""


def rows_of(lists: Ragged, rows: np.ndarray) -> Ragged:
    """Return some rows of lists, in their order; entries and the longest row are rounded up to few sizes.

    Example:
        >>> lists = Ragged(jnp.array([0, 2, 3]), jnp.array([5, 7, 6]), jnp.ones(3), num_columns=9, longest=2)
        >>> rows_of(lists, np.array([1, 0, 1])).offsets.tolist()
        [0, 1, 3, 4]
    """
    offsets = np.asarray(lists.offsets).astype(np.int64)
    lengths = np.diff(offsets)[rows]
    ends = np.cumsum(lengths)
    size, total = rounded_up(int(lengths.sum()), least=LEAST), int(lengths.sum())
    # The place of every entry: those of a row follow one another.
    places = np.repeat(offsets[rows] - (ends - lengths), lengths) + np.arange(total)

    def taken(column: np.ndarray) -> np.ndarray:
        held = np.zeros(size, column.dtype)
        held[:total] = column[places]
        return held

    weights = None if lists.weights is None else jnp.asarray(taken(np.asarray(lists.weights)))
    return Ragged(
        jnp.asarray(np.concatenate([[0], ends]), jnp.int32),
        jnp.asarray(taken(np.asarray(lists.ids))),
        jnp.asarray(taken(np.asarray(lists.values))),
        lists.num_columns,
        rounded_up(int(lengths.max(initial=0)), least=LEAST),
        weights,
    )


def filled_up(users: np.ndarray, block: int) -> np.ndarray:
    """Return ids with the first of them again at the end, so that there are few numbers of them.

    Args:
        users: [n], at least one.
        block: numbers above this are multiples of it, others rounded up.
    """
    size = min(rounded_up(len(users)), block) if len(users) <= block else -(-len(users) // block) * block
    return np.concatenate([users, np.full(size - len(users), users[0], users.dtype)])
