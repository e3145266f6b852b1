"""Full ranking: the relevant items of every user ranked among all items, in blocks of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfjax import agreement, checks, conventions, list_metrics, metrics, recommend
from mfjax import blocks as user_blocks
from mfjax import candidates as candidate_items
from mfjax.blocks import Blocks
from mfjax.candidates import Candidates
from mfjax.conventions import DEFAULT, Convention
from mfjax.groups import Groups
from mfjax.histories import Ragged
from mfjax.named_metrics import DEFAULT_METRICS, METRICS, as_cutoffs, as_names, columns
from mfjax.ranks import rank_block
from mfjax.types import Array, Factors, Scorer

MOST_SHOWN = 12
"""Means that an Evaluation prints."""


class Measured(NamedTuple):
    """The arrays of an evaluation; rows are the users of the blocks, by ascending id.

    Attributes:
        users: int32 [num_users].
        per_user: name ("recall@10") -> float32 [num_users].
        pooled: name ("coverage@10") -> float32 scalar, of all users together.
        recommended: int32 [num_users, max(cutoffs)], best first; padding is 0.
        recommended_mask: bool [num_users, max(cutoffs)].
        num_relevant: int32 [num_users], targets.
        num_unreachable: int32 [num_users], targets that can not be recommended: excluded, or without a finite score.
        num_broken: int32 [num_users], scores that were NaN or +inf, which are never recommended.
    """

    users: Array
    per_user: dict[str, Array]
    pooled: dict[str, Array]
    recommended: Array
    recommended_mask: Array
    num_relevant: Array
    num_unreachable: Array
    num_broken: Array


def measure(
    model: Scorer | Factors,
    blocks: Blocks,
    targets: Ragged,
    exclude: Ragged | None = None,
    candidates: Candidates | None = None,
    item_counts: Array | None = None,
    *,
    cutoffs: Sequence[int] | int = (10,),
    metrics: Sequence[str] | str = DEFAULT_METRICS,
    convention: Convention = DEFAULT,
) -> Measured:
    """Return the metrics of every user of `blocks`: `evaluate` without the host's part, for `jit`, `vmap`, `lax.map`.

    Memory is that of one block's scores, about four times over, and of the results. `cutoffs`, `metrics` and
    `convention` are static. Arguments as in `evaluate`.

    Raises:
        ValueError: as `evaluate`, but for values that can not be seen while they are traced.

    Example:
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> model = Factors(users=jnp.array([[1.0], [-1.0]]), items=jnp.array([[1.0], [3.0], [2.0]]))
        >>> tests = Interactions(np.array([0, 1]), np.array([2, 1]), np.ones(2, np.float32), 2, 3)
        >>> targets = ragged(tests)
        >>> blocks = user_blocks.build(targets)
        >>> run = jax.jit(measure, static_argnames=("cutoffs", "metrics", "convention"))
        >>> run(model, blocks, targets, cutoffs=(2,), metrics=("recall",)).per_user
        {'recall@2': Array([1., 0.], dtype=float32)}
    """
    checks.kind("blocks", blocks, Blocks, "pass what blocks.build makes of the targets")
    conventions.check(convention)
    named, cutoffs = columns(metrics, cutoffs), as_cutoffs(cutoffs)
    longest = max(cutoffs)
    scorer, candidates, item_counts = _fitting(model, targets, exclude, candidates, item_counts)
    user_blocks.check_relevances(targets, convention.gain)

    def one_block(block: tuple[Array, Array]) -> tuple:
        users, mask = block
        ranked = rank_block(scorer, users, targets, exclude, candidates, mask=mask, k=longest, ties=convention.ties)
        values = {
            name: METRICS[metric](ranked, k, convention, targets.num_columns) for name, (metric, k) in named.items()
        }
        hits = {k: METRICS["hits"](ranked, k, convention, targets.num_columns) for k in cutoffs}
        counts = ranked.num_relevant, ranked.num_unreachable, ranked.num_broken
        return values, hits, ranked.recommended, ranked.recommended_mask, *counts

    results = lax.map(one_block, (blocks.users, blocks.mask))
    per_user, hits, ids, mask, *counts = jax.tree.map(blocks.ascending, results)
    pooled = _pooled(hits, ids, mask, counts[0], targets, item_counts)
    return Measured(blocks.ascending(blocks.users), per_user, pooled, ids, mask, *counts)


def _fitting(
    model: Any, targets: Any, exclude: Any, candidates: Any, item_counts: Any
) -> tuple[Scorer, Candidates | None, Array | None]:
    """Return model, candidates and item_counts as arrays that fit the targets, or raise ValueError."""
    agreement.lists("targets", targets)
    num_users, num_items = targets.num_rows, targets.num_columns
    scorer = recommend.scorer(model)
    rows = agreement.num_users(scorer)
    if rows is not None and rows != num_users:
        raise ValueError(f"model: has {rows} users, but targets have {num_users}; pass a model of the same id space")
    if isinstance(model, Factors) and model.items.shape[0] != num_items:
        raise ValueError(
            f"model: has {model.items.shape[0]} items, but targets have {num_items}; pass a model of the same id space"
        )
    if exclude is not None:
        agreement.lists("exclude", exclude, num_users, num_items, "targets have")
    counts = as_item_counts(item_counts, num_items)
    return scorer, candidate_items.prepared(candidates, num_items, num_users), counts


def as_item_counts(item_counts: Any, num_items: int) -> Array | None:
    """Return the counts as an array [num_items], or None; raise ValueError unless they are numbers of at least 0."""
    if item_counts is None:
        return None
    checks.number("item_counts", item_counts, least=0)
    checks.shape("item_counts", item_counts, (num_items,), "pass one number for each item")
    return jnp.asarray(item_counts)


def _pooled(
    hits: Mapping[int, Array], ids: Array, mask: Array, num_relevant: Array, targets: Ragged, item_counts: Array | None
) -> dict[str, Array]:
    values, num_items = {}, targets.num_columns
    for k, found in hits.items():
        lists = ids[:, :k], mask[:, :k]
        values[f"pooled_precision@{k}"] = metrics.pooled_precision(found, num_relevant, k=k)
        values[f"coverage@{k}"] = list_metrics.coverage(*lists, num_items=num_items)
        values[f"gini@{k}"] = list_metrics.gini(*lists, num_items=num_items)
        if item_counts is not None:
            values[f"mean_popularity@{k}"] = list_metrics.mean_popularity(*lists, item_counts)
            values[f"novelty@{k}"] = list_metrics.novelty(*lists, item_counts, num_users=targets.num_rows)
    return values


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


compiled_measure = jax.jit(measure, static_argnames=("cutoffs", "metrics", "convention"))


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
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> model = Factors(users=jnp.array([[1.0], [-1.0]]), items=jnp.array([[1.0], [3.0], [2.0]]))
        >>> tests = Interactions(np.array([0, 1]), np.array([2, 1]), np.ones(2, np.float32), 2, 3)
        >>> evaluate(model, ragged(tests), cutoffs=(2,), metrics=("recall", "mrr@all")).mean()
        {'recall@2': 0.5, 'mrr@all': 0.4166666716337204}
    """
    conventions.check(convention)
    metrics, cutoffs = tuple(as_names(metrics)), as_cutoffs(cutoffs)
    scorer, candidates, item_counts = _fitting(model, targets, exclude, candidates, item_counts)
    group_ids = None if groups is None else _group_ids(groups, targets.num_rows)
    user_blocks.check_relevances(targets, convention.gain)
    blocks = user_blocks.build(targets, exclude=exclude, users=users, empty=convention.empty, block_size=block_size)
    measured = jax.device_get(
        compiled_measure(
            scorer,
            blocks,
            targets,
            exclude,
            candidates,
            item_counts,
            cutoffs=cutoffs,
            metrics=metrics,
            convention=convention,
        )
    )
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
