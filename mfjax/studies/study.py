"""Fit and evaluate many models over many seeds: the loop that the experiments share."""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import compilation
from mfjax.data.splits import Ties
from mfjax.evaluation import DEFAULT_METRICS, Evaluation
from mfjax.statistics import bootstrap
from mfjax.studies import extras
from mfjax.studies.models import Recommender
from mfjax.studies.results import Row
from mfjax.studies.task import Task
from mfjax.types import Factors, Key, Scorer

HEADLINE = ("recall@10", "ndcg@10")
"""The metrics that a study tells first, and compares models by."""
KEYS = "model: fold_in(key(seed), crc32(name)); split with random ties: fold_in(key(seed), 0)"


@dataclass(frozen=True, eq=False)
class Outcome:
    """One model over all seeds.

    Attributes:
        model: its name.
        fitted, evaluations: one per seed, in the order of the seeds.
        seconds_first: the first fit, compilation included.
        seconds_warm: median of the fits after it.
    """

    model: str
    fitted: tuple[Scorer | Factors, ...]
    evaluations: tuple[Evaluation, ...]
    seconds_first: float
    seconds_warm: float


def model_key(name: str, seed: int) -> Key:
    """Return the key of a model: it does not depend on which other models run."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def split_key(seed: int) -> Key:
    """Return the key that breaks ties at random in the split of a seed."""
    return jax.random.fold_in(jax.random.key(seed), 0)


def tie_rules(count: int) -> list[tuple[Ties, Key | None]]:
    """Return the rules, and keys, of `count` splits for validation: the file's order, then ties broken at random."""
    return [("file-order", None), *(("random", split_key(seed)) for seed in range(1, count))]


def run(
    models: Sequence[str],
    seeds: Sequence[int],
    task_of: Callable[[int], Task],
    *,
    catalogue: Mapping[str, Recommender],
    cutoffs: Sequence[int],
    dim: int | None = None,
    progress: bool = True,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> list[Outcome]:
    """Fit and evaluate every model under every seed.

    Args:
        models: names in `catalogue`.
        seeds: one fit each; a model that takes no key is fitted once per distinct task.
        task_of: seed -> task; the same object for the same split.
        catalogue: models by name.
        cutoffs: the k of the metrics.
        dim: number of factors, or None for each model's own.
        progress: whether to show a bar on stderr.
        metrics: what is measured, as in `evaluate`; fewer compile sooner.
    """
    with extras.bar(total=len(models) * len(seeds), unit="fit", disable=not progress, leave=False) as bar:
        asked: dict[str, Any] = {"cutoffs": cutoffs, "metrics": metrics}
        return [_run_one(name, catalogue[name], seeds, task_of, dim, asked, bar) for name in models]


def _run_one(
    name: str,
    model: Recommender,
    seeds: Sequence[int],
    task_of: Callable[[int], Task],
    dim: int | None,
    asked: Mapping[str, Any],
    bar: Any,
) -> Outcome:
    bar.set_description(name)
    fitted: dict[tuple, tuple[Scorer | Factors, Evaluation]] = {}
    seconds, order = [], []
    for seed in seeds:
        task = task_of(seed)
        # A deterministic model gives the same answer for the same task under every seed.
        same = (id(task), seed if model.random else None)
        if same not in fitted:
            found, taken = _timed_fit(model, model_key(name, seed), task, dim)
            exclude = task.seen if model.repeats else task.exclude
            fitted[same] = found, task.evaluate(found, exclude=exclude, item_counts=task.item_counts, **asked)
            seconds.append(taken)
        order.append(same)
        bar.update()
    if len(seconds) == 1:
        seconds.append(_timed_fit(model, model_key(name, seeds[0]), task_of(seeds[0]), dim)[1])
    models, evaluations = zip(*(fitted[same] for same in order), strict=True)
    return Outcome(name, models, evaluations, seconds[0], statistics.median(seconds[1:]))


def _timed_fit(model: Recommender, key: Key, task: Task, dim: int | None) -> tuple[Scorer | Factors, float]:
    """Return the fitted model and the seconds until its arrays are ready."""
    jax.block_until_ready((task.placed[0], task.seen, task.item_counts))
    started = time.perf_counter()
    fitted = model.fit(key, task, dim)
    jax.block_until_ready(jax.tree.leaves(fitted))
    return fitted, time.perf_counter() - started


_bootstrap = compilation.jit(bootstrap, static_argnames=("level", "num_resamples", "block_size"))


@dataclass(frozen=True, eq=False)
class Values:
    """The measurements of one model over all seeds.

    Attributes:
        model: its name.
        per_user: metric -> float32 [seed, user].
        pooled: metric of all users together -> float [seed].
        users: int32 [user], their ids.
        seconds_first, seconds_warm: as in `Outcome`, or None where they are not taken.
    """

    model: str
    per_user: dict[str, np.ndarray]
    pooled: dict[str, np.ndarray]
    users: np.ndarray
    seconds_first: float | None
    seconds_warm: float | None


def values(outcome: Outcome, *, timings: bool = True) -> Values:
    """Return the measurements of an outcome, its seconds only with `timings`."""
    first, *_ = evaluations = outcome.evaluations
    return Values(
        model=outcome.model,
        per_user={name: np.stack([one.per_user[name] for one in evaluations]) for name in first.per_user},
        pooled={name: np.array([one.pooled[name] for one in evaluations]) for name in first.pooled},
        users=first.users,
        seconds_first=outcome.seconds_first if timings else None,
        seconds_warm=outcome.seconds_warm if timings else None,
    )


def rows(measured: Sequence[Values], *, num_resamples: int = 10_000) -> list[Row]:
    """Return one row per model and metric, with 95 % intervals.

    The interval of a per-user metric is a bootstrap over users, each user's value being its mean over seeds; that of
    a metric of all users together, such as coverage, is the range over seeds.
    """
    return [row for one in measured for row in _rows_of(one, num_resamples)]


def _rows_of(measured: Values, num_resamples: int) -> list[Row]:
    averaged = np.stack([values.mean(axis=0) for values in measured.per_user.values()])
    interval = _bootstrap(jax.random.key(0), jnp.asarray(averaged), num_resamples=num_resamples)
    found = {
        name: (values.mean(axis=1, dtype=np.float64), low, high)
        for (name, values), low, high in zip(measured.per_user.items(), interval.low, interval.high, strict=True)
    }
    found |= {name: (values, values.min(), values.max()) for name, values in measured.pooled.items()}
    return [
        Row(
            model=measured.model,
            metric=name,
            mean=float(per_seed.mean(dtype=np.float64)),
            low=float(low),
            high=float(high),
            per_seed=tuple(map(float, per_seed)),
            users=len(measured.users),
            seconds_first=measured.seconds_first,
            seconds_warm=measured.seconds_warm,
        )
        for name, (per_seed, low, high) in found.items()
    ]
