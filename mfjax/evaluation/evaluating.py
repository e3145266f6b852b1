"""Full ranking: the relevant items of every user ranked among all items, with names, means and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from mfjax import checks
from mfjax.devices import sharding
from mfjax.evaluation import side_by_side
from mfjax.evaluation.evaluation_set import evaluation_set
from mfjax.evaluation.groups import Groups
from mfjax.evaluation.measuring import compiled_measure, fitting, measure_by_blocks
from mfjax.evaluation.named import DEFAULT_METRICS, as_cutoffs, as_names, columns
from mfjax.histories import Ragged
from mfjax.metrics import DEFAULT, Convention, conventions
from mfjax.recommend import Candidates
from mfjax.types import Array, Factors, Scorer

MOST_SHOWN = 12
"""Means that an Evaluation prints."""


MOST_BLOCKS = 64
"""Blocks of users that are measured one by one; more are measured by one program."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """An evaluation on the host: per-user values first, means from them.

    Attributes:
        users: int32 [num_users], the users evaluated, ascending.
        per_user: name ("recall@10") -> float32 [num_users].
        pooled: name -> float, of all users together: pooled_precision, coverage and gini at every cutoff;
            mean_popularity and novelty where the items' counts are given.
        recommended: int32 [num_users, max(cutoffs)], best first; padding is 0.
        recommended_mask: bool [num_users, max(cutoffs)].
        num_relevant: int32 [num_users], targets of every user.
        num_skipped: users left out for want of a target.
        num_unreachable: targets that can not be recommended (excluded, or without a finite score); they are misses.
        num_broken: scores that were NaN or +inf; such items are never recommended.
        members: label -> bool [num_users], the users of each group.
        convention: what the metrics mean.
    """

    users: np.ndarray
    per_user: dict[str, np.ndarray]
    pooled: dict[str, float]
    recommended: np.ndarray
    recommended_mask: np.ndarray
    num_relevant: np.ndarray
    num_skipped: int
    num_unreachable: int
    num_broken: int
    members: dict[str, np.ndarray]
    convention: Convention

    def __repr__(self) -> str:
        means = [f"{name}={value:.4g}" for name, value in self.mean().items()]
        shown = ", ".join(means[:MOST_SHOWN] + ["..."] * (len(means) > MOST_SHOWN))
        return f"Evaluation({len(self.users)} users: {shown})"

    def mean(self, group: str | None = None) -> dict[str, float]:
        """Return the mean of every metric over all users or those of `group`; NaN for an empty group."""
        if group is not None:
            checks.choice("group", group, self.members or ("None, as there are no groups",))
        chosen = slice(None) if group is None else self.members[group]
        return {name: _mean(values[chosen]) for name, values in self.per_user.items()}

    def groups(self) -> dict[str, tuple[int, dict[str, float]]]:
        """Return label -> (number of users, mean of every metric)."""
        return {label: (int(mask.sum()), self.mean(label)) for label, mask in self.members.items()}


def evaluate(
    model: Scorer | Factors,
    targets: Ragged,
    *,
    exclude: Ragged | None = None,
    candidates: Candidates | None = None,
    users: Array | np.ndarray | None = None,
    cutoffs: Sequence[int] | int = (10,),
    metrics: Sequence[str] | str = DEFAULT_METRICS,
    convention: Convention = DEFAULT,
    groups: Groups | None = None,
    item_counts: Array | np.ndarray | None = None,
    block_size: int | None = None,
) -> Evaluation:
    """Rank all items for every user with a target and return the metrics, compiled once per shape of the data.

    The rank of a target is its position among the items that can be recommended: those not in the user's row of
    `exclude`, in `candidates`, with a finite score. A target that can not be recommended is a miss. Given the scores,
    the block size changes no bit of the per-user values.

    Args:
        model: factors, or any scorer (see `recommend.scorer`).
        targets: the relevant items, a row per user, each item once; their values are the relevances under a graded
            gain, and must then be positive, with gains within `discounts.LEAST_GAIN` and `MOST_GAIN`.
        exclude: items that are never recommended to a user, such as those seen in train, a row per user; or None.
        candidates: the items that can be recommended: a mask bool [num_items] or distinct ids int [n] for everybody,
            or a list for each user (a `Ragged`, row = user id); None for all.
        users: ids of the users to evaluate, or None for all.
        cutoffs: the k of every metric that takes one, or one number.
        metrics: names of METRICS; "recall" is taken at every cutoff, "recall@5" at 5, "mrr@all" at none.
        convention: what the metrics mean; `PRESETS` has those of known implementations.
        groups: a partition of all users, such as `groups.activity(counts)`, or None.
        item_counts: [num_items], train interactions of every item, for mean_popularity and novelty; or None.
        block_size: users scored at once, or None for as many as `blocks.BLOCK_BYTES` of scores hold.

    Returns:
        Evaluation.

    Raises:
        ValueError: as `recommend.scorer`, `candidates.prepared`, `blocks.build` and `columns`; the model, exclude or
            candidates have other users or items than targets; a group or a count is missing for some row; a relevance
            that is not positive under a graded gain; ties "expected" with "map" or "mrr".

    Example:
        >>> import jax.numpy as jnp
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> model = Factors(users=jnp.array([[1.0], [-1.0]]), items=jnp.array([[1.0], [3.0], [2.0]]))
        >>> tests = Interactions(np.array([0, 1]), np.array([2, 1]), np.ones(2, np.float32), 2, 3)
        >>> evaluate(model, ragged(tests), cutoffs=(2,), metrics=("recall", "mrr@all")).mean()
        {'recall@2': 0.5, 'mrr@all': 0.4166666716337204}
    """
    conventions.check(convention)
    metrics, cutoffs = tuple(as_names(metrics)), as_cutoffs(cutoffs)
    held_out = evaluation_set(
        targets,
        exclude=exclude,
        candidates=candidates,
        item_counts=item_counts,
        users=users,
        empty=convention.empty,
        block_size=block_size,
    )
    scorer, held_out = fitting(model, held_out, convention)
    group_ids = None if groups is None else _group_ids(groups, targets.num_rows)
    how: dict[str, Any] = {"cutoffs": cutoffs, "metrics": metrics, "convention": convention}
    # A program that all models share compiles once; where there is much to compute, one program alone runs sooner.
    mesh = sharding.mesh_of_all(scorer, held_out)
    measured: Any  # arrays on the host
    if len(held_out.blocks.users) <= MOST_BLOCKS:
        measured = measure_by_blocks(scorer, held_out, **how)
    elif mesh is not None:
        measured = side_by_side.measure_on_all(scorer, held_out, mesh, **how)
    else:
        measured = jax.device_get(compiled_measure(scorer, held_out, **how))
    asked = targets.num_rows if users is None else len(users)
    members = {}
    if groups is not None and group_ids is not None:
        group_of = group_ids[measured.users]
        members = {label: group_of == index for index, label in enumerate(groups.labels)}
    return Evaluation(
        users=measured.users,
        per_user={name: measured.per_user[name] for name in columns(metrics, cutoffs)},
        pooled={name: float(value) for name, value in measured.pooled.items()},
        recommended=measured.recommended,
        recommended_mask=measured.recommended_mask,
        num_relevant=measured.num_relevant,
        num_skipped=asked - len(measured.users),
        num_unreachable=int(measured.num_unreachable.sum()),
        num_broken=int(measured.num_broken.sum(dtype=np.int64)),
        members=members,
        convention=convention,
    )


def _group_ids(groups: Any, num_users: int) -> np.ndarray:
    checks.kind("groups", groups, Groups, "pass such as groups.activity(counts)")
    ids = checks.ids("groups", groups.ids, len(groups.labels), "the labels")
    checks.shape("groups", ids, (num_users,), "pass the group of every user of targets")
    return np.asarray(ids)


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else float("nan")
