"""Metrics by name ("recall", "recall@5", "mrr@all"), as functions of the ranks of a block of users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from mfjax import checks, metrics
from mfjax.evaluation.ranks import Ranked
from mfjax.metrics import Convention
from mfjax.types import Array

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


def as_cutoffs(cutoffs: Sequence[int] | int) -> tuple[int, ...]:
    """Return the cutoffs as a tuple; a number alone is one. Raises ValueError for none, or one below 1.

    Example:
        >>> as_cutoffs(10)
        (10,)
    """
    listed: Any = cutoffs.tolist() if isinstance(cutoffs, np.ndarray | jax.Array) else cutoffs
    several: Sequence[Any] = listed if isinstance(listed, list | tuple | range) else [listed]
    if not several:
        raise ValueError("cutoffs: there are none; pass such as (10,)")
    for cutoff in several:
        checks.whole("cutoffs", cutoff, remedy="pass such as (10,)")
    return tuple(int(cutoff) for cutoff in several)


def as_names(metrics: Sequence[str] | str) -> tuple[str, ...]:
    """Return the names of metrics as a tuple; a name alone is one. Raises ValueError for what are no names.

    Example:
        >>> as_names("ndcg")
        ('ndcg',)
    """
    names = (metrics,) if isinstance(metrics, str) else metrics
    checks.kind("metrics", names, (list, tuple), "pass such as ('recall', 'ndcg@5')")
    for name in names:
        checks.kind("metrics", name, str, "pass such as ('recall', 'ndcg@5')")
    return tuple(names)


def columns(metrics: Sequence[str] | str, cutoffs: Sequence[int] | int) -> dict[str, tuple[str, int | None]]:
    """Return the columns asked for: name -> (entry of METRICS, cutoff or None).

    "recall" stands for recall at every one of `cutoffs`, "recall@5" for that one, "mrr@all" for no cutoff. A name or a
    cutoff alone is one of each.

    Raises:
        ValueError: an unknown metric, a cutoff below 1, or "all" for a metric that needs a cutoff.

    Example:
        >>> columns(("ndcg", "mrr@all", "auc"), (1, 10))
        {'ndcg@1': ('ndcg', 1), 'ndcg@10': ('ndcg', 10), 'mrr@all': ('mrr', None), 'auc': ('auc', None)}
    """
    cutoffs = as_cutoffs(cutoffs)
    found: dict[str, tuple[str, int | None]] = {}
    for name in as_names(metrics):
        metric, at, cutoff = name.partition("@")
        if metric not in METRICS:
            raise ValueError(f"metrics: {name!r} is unknown; choose from {', '.join(METRICS)}, as such or with @k")
        if name == "auc" or cutoff == "all":
            if metric not in WITHOUT_CUTOFF:
                raise ValueError(f"metrics: {name!r} needs a cutoff; only {', '.join(WITHOUT_CUTOFF)} take '@all'")
            found[name] = metric, None
        elif not at:
            found |= {f"{metric}@{k}": (metric, k) for k in cutoffs}
        elif cutoff.isascii() and cutoff.isdigit() and 1 <= int(cutoff) < 2**31:
            found[name] = metric, int(cutoff)
        else:
            raise ValueError(f"metrics: {name!r} has no cutoff after '@'; write such as '{metric}@10'")
    return found
