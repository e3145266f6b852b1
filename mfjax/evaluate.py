"""Full ranking: the relevant items of every user ranked among all items, in blocks of users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfjax import blocks as user_blocks
from mfjax import list_metrics, metrics, recommend
from mfjax.blocks import Blocks
from mfjax.conventions import DEFAULT, Convention
from mfjax.groups import Groups
from mfjax.histories import Ragged
from mfjax.ranks import Ranked, rank_block
from mfjax.types import Array, Factors, Scorer

Metric = Callable[[Ranked, int | None, Convention, int], Array]
"""Ranked, cutoff (None for none), convention, size of the catalogue -> float32 [batch]."""


def _precision(ranked: Ranked, k: int | None, convention: Convention, num_items: int) -> Array:
    del num_items
    options: dict[str, Any] = {
        "k": k,
        "convention": convention,
        "tie_sizes": ranked.tie_sizes,
        "num_items": ranked.num_items,
    }
    return metrics.precision(ranked.ranks, ranked.num_relevant, **options)


def _ndcg(ranked: Ranked, k: int | None, convention: Convention, num_items: int) -> Array:
    if k is None and (convention.ideal == "full" or convention.ties == "expected"):
        k = num_items
    options: dict[str, Any] = {"convention": convention, "relevances": ranked.relevances, "tie_sizes": ranked.tie_sizes}
    return metrics.ndcg(ranked.ranks, ranked.num_relevant, k=k, **options)


def _auc(ranked: Ranked, k: int | None, convention: Convention, num_items: int) -> Array:
    items = ranked.num_items if convention.auc_items == "recommendable" else num_items
    tie_sizes = ranked.tie_sizes if convention.ties == "expected" else None
    return metrics.auc(ranked.ranks, ranked.num_relevant, num_items=items, k=k, tie_sizes=tie_sizes)


def _of_hits(metric: Callable[..., Array]) -> Metric:
    return lambda ranked, k, convention, num_items: metric(
        ranked.ranks, ranked.num_relevant, k=k, convention=convention, tie_sizes=ranked.tie_sizes
    )


def _of_order(metric: Callable[..., Array]) -> Metric:
    return lambda ranked, k, convention, num_items: metric(
        ranked.ranks, ranked.num_relevant, k=k, convention=convention
    )


METRICS: dict[str, Metric] = {
    "hits": _of_hits(metrics.hits),
    "hit_rate": _of_hits(metrics.hit_rate),
    "recall": _of_hits(metrics.recall),
    "precision": _precision,
    "ndcg": _ndcg,
    "map": _of_order(metrics.average_precision),
    "mrr": _of_order(metrics.reciprocal_rank),
    "auc": _auc,
}
"""Metrics of one user by name. A new entry can be asked for at once."""

WITHOUT_CUTOFF = ("ndcg", "map", "mrr", "auc")
"""Metrics that are defined over the whole ranking too, as "mrr@all"; "auc" is short for "auc@all"."""

DEFAULT_METRICS = ("hits", "hit_rate", "recall", "precision", "ndcg", "map", "mrr", "auc")


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
    scorer: Scorer,
    blocks: Blocks,
    targets: Ragged,
    exclude: Ragged | None = None,
    candidates: Array | None = None,
    item_counts: Array | None = None,
    *,
    cutoffs: Sequence[int] = (10,),
    metrics: Sequence[str] = DEFAULT_METRICS,
    convention: Convention = DEFAULT,
) -> Measured:
    """Return the metrics of every user of `blocks`: `evaluate` without the host's part, for `jit`, `vmap`, `lax.map`.

    Memory is that of one block's scores, about four times over, and of the results. `cutoffs`, `metrics` and
    `convention` are static. Arguments as in `evaluate`.

    Example:
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> model = Factors(users=jnp.array([[1.0], [-1.0]]), items=jnp.array([[1.0], [3.0], [2.0]]))
        >>> tests = Interactions(np.array([0, 1]), np.array([2, 1]), np.ones(2, np.float32), 2, 3)
        >>> targets = ragged(tests)
        >>> blocks = user_blocks.build(targets)
        >>> run = jax.jit(measure, static_argnames=("cutoffs", "metrics", "convention"))
        >>> run(recommend.scorer(model), blocks, targets, cutoffs=(2,), metrics=("recall",)).per_user
        {'recall@2': Array([1., 0.], dtype=float32)}
    """
    named = columns(metrics, cutoffs)
    longest = max(cutoffs)

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


def columns(metrics: Sequence[str], cutoffs: Sequence[int]) -> dict[str, tuple[str, int | None]]:
    """Return the columns asked for: name -> (entry of METRICS, cutoff or None).

    "recall" stands for recall at every one of `cutoffs`, "recall@5" for that one, "mrr@all" for no cutoff.

    Raises:
        ValueError: an unknown metric, a cutoff below 1, or "all" for a metric that needs a cutoff.

    Example:
        >>> columns(("ndcg", "mrr@all", "auc"), (1, 10))
        {'ndcg@1': ('ndcg', 1), 'ndcg@10': ('ndcg', 10), 'mrr@all': ('mrr', None), 'auc': ('auc', None)}
    """
    if len(cutoffs) == 0 or min(cutoffs) < 1:
        raise ValueError(f"cutoffs: {tuple(cutoffs)} has no positive number, or one below 1; pass such as (10,)")
    found: dict[str, tuple[str, int | None]] = {}
    for name in metrics:
        metric, at, cutoff = name.partition("@")
        if metric not in METRICS:
            raise ValueError(f"metrics: {name!r} is unknown; choose from {', '.join(METRICS)}, as such or with @k")
        if name == "auc" or cutoff == "all":
            if metric not in WITHOUT_CUTOFF:
                raise ValueError(f"metrics: {name!r} needs a cutoff; only {', '.join(WITHOUT_CUTOFF)} take '@all'")
            found[name] = metric, None
        elif not at:
            found |= {f"{metric}@{k}": (metric, k) for k in cutoffs}
        elif cutoff.isdigit() and int(cutoff) >= 1:
            found[name] = metric, int(cutoff)
        else:
            raise ValueError(f"metrics: {name!r} has no cutoff after '@'; write such as '{metric}@10'")
    return found


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

    def mean(self, group: str | None = None) -> dict[str, float]:
        """Return the mean of every metric over all users or those of `group`; NaN for an empty group."""
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
    candidates: Array | None = None,
    users: np.ndarray | None = None,
    cutoffs: Sequence[int] = (10,),
    metrics: Sequence[str] = DEFAULT_METRICS,
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
        model: factors, or any scorer.
        targets: the relevant items, a row per user, each item once; their values are the relevances under a graded
            gain, and must then be positive.
        exclude: items that are never recommended to a user, such as those seen in train, a row per user; or None.
        candidates: bool [num_items], the items that can be recommended to anybody, or None for all.
        users: ids of the users to evaluate, or None for all.
        cutoffs: the k of every metric that takes one.
        metrics: names of METRICS; "recall" is taken at every cutoff, "recall@5" at 5, "mrr@all" at none.
        convention: what the metrics mean; `PRESETS` has those of known implementations.
        groups: a partition of all users, such as `groups.activity(counts)`, or None.
        item_counts: [num_items], train interactions of every item, for mean_popularity and novelty; or None.
        block_size: users scored at once, or None for as many as `blocks.BLOCK_BYTES` of scores hold.

    Returns:
        Evaluation.

    Raises:
        ValueError: as `blocks.build` and `columns`; a group, a count or a candidate is missing for some row; ties
            "expected" with "map" or "mrr".

    Example:
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> model = Factors(users=jnp.array([[1.0], [-1.0]]), items=jnp.array([[1.0], [3.0], [2.0]]))
        >>> tests = Interactions(np.array([0, 1]), np.array([2, 1]), np.ones(2, np.float32), 2, 3)
        >>> evaluate(model, ragged(tests), cutoffs=(2,), metrics=("recall", "mrr@all")).mean()
        {'recall@2': 0.5, 'mrr@all': 0.4166666716337204}
    """
    _check_length("candidates", candidates, targets.num_columns)
    _check_length("item_counts", item_counts, targets.num_columns)
    _check_length("groups", None if groups is None else groups.ids, targets.num_rows)
    blocks = user_blocks.build(targets, exclude=exclude, users=users, empty=convention.empty, block_size=block_size)
    measured = jax.device_get(
        compiled_measure(
            recommend.scorer(model),
            blocks,
            targets,
            exclude,
            None if candidates is None else jnp.asarray(candidates),
            None if item_counts is None else jnp.asarray(item_counts),
            cutoffs=tuple(cutoffs),
            metrics=tuple(metrics),
            convention=convention,
        )
    )
    asked = targets.num_rows if users is None else len(users)
    members = {}
    if groups is not None:
        group_of = np.asarray(groups.ids)[measured.users]
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


def _check_length(name: str, values: Array | np.ndarray | None, length: int) -> None:
    if values is not None and np.shape(values) != (length,):
        raise ValueError(
            f"{name}: has shape {np.shape(values)}, targets need ({length},); pass one entry a row of them"
        )


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else float("nan")
