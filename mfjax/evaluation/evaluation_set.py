"""The evaluation set as one value: users, the items held out of them, and the items among which these are ranked."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from mfjax import checks
from mfjax.evaluation import blocks
from mfjax.histories import Ragged
from mfjax.metrics.conventions import Empty
from mfjax.recommend import Candidates
from mfjax.recommend.candidates import prepared
from mfjax.types import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EvaluationSet:
    """What a model is measured on, as a device pytree.

    Attributes:
        blocks: the users, from `blocks.build`.
        targets: relevant items, a row per user.
        exclude: items never recommended, a row per user, or None.
        candidates: bool [num_items], or a list for each user, or None.
        item_counts: [num_items], or None.
    """

    blocks: blocks.Blocks
    targets: Ragged
    exclude: Ragged | None = None
    candidates: Candidates | None = None
    item_counts: Array | None = None

    def __repr__(self) -> str:
        return f"EvaluationSet({self.targets!r}, {self.blocks.positions.shape[0]} users)"


def evaluation_set(
    targets: Ragged,
    *,
    exclude: Ragged | None = None,
    candidates: Candidates | np.ndarray | None = None,
    item_counts: Array | np.ndarray | None = None,
    users: Array | np.ndarray | None = None,
    empty: Empty = "skip",
    block_size: int | None = None,
) -> EvaluationSet:
    """Return the evaluation set of all users with a target, or of those among `users`.

    Args:
        targets: the relevant items, a row per user.
        exclude, candidates, item_counts, users, block_size: as in `evaluation.evaluate`.
        empty: "skip" leaves out users without a target, "zero" keeps them.

    Raises:
        ValueError: as `blocks.build` and `candidates.prepared`, and for counts that are not one number for each item.

    Example:
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> held_out = Interactions(np.array([0, 1]), np.array([2, 1]), np.ones(2, np.float32), 2, 3)
        >>> evaluation_set(ragged(held_out))
        EvaluationSet(Ragged(offsets int32[3], ids int32[2], 3 columns, longest 1), 2 users)
    """
    of_users = blocks.build(targets, exclude=exclude, users=users, empty=empty, block_size=block_size)
    allowed = prepared(candidates, targets.num_columns, targets.num_rows)
    return EvaluationSet(of_users, targets, exclude, allowed, as_item_counts(item_counts, targets.num_columns))


def as_item_counts(item_counts: ArrayLike | None, num_items: int) -> Array | None:
    """Return the counts as an array [num_items], or None; raise ValueError unless they are numbers of at least 0."""
    if item_counts is None:
        return None
    checks.number("item_counts", item_counts, least=0)
    checks.shape("item_counts", item_counts, (num_items,), "pass one number for each item")
    return jnp.asarray(item_counts)
