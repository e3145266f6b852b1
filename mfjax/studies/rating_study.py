"""Fit and judge models of ratings over seeds and splits: the loop of studies of ratings."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import compilation
from mfjax.statistics import bootstrap_means
from mfjax.studies import extras
from mfjax.studies.rating_models import RatingModel, predict
from mfjax.studies.rating_task import RatingTask
from mfjax.studies.results import Row
from mfjax.studies.study import model_key
from mfjax.types import Factors, Interactions, Key

ERROR_METRICS = ("rmse", "mae", "train-rmse")


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of one model under one seed, summed over the splits.

    Attributes:
        squares, magnitudes: test name -> float64 [num_users], sums over a user's test ratings.
        train_rmse: mean over the splits.
    """

    squares: dict[str, np.ndarray]
    magnitudes: dict[str, np.ndarray]
    train_rmse: float


def run(
    models: Sequence[str],
    tasks: Sequence[RatingTask],
    seeds: Sequence[int],
    *,
    catalogue: Mapping[str, RatingModel],
    clip: bool = True,
    resamples: int = 10_000,
    progress: bool = True,
) -> list[Row]:
    """Fit every model on every task under every seed; return one row per model, metric and test.

    The tasks are the splits of one protocol: their tests of one name are pooled. An interval is a bootstrap over
    users, each user's errors being their mean over seeds. The seconds of a fit include the choice of its settings.

    Args:
        models: names in `catalogue`.
        tasks: the splits.
        seeds: one start each; a model that takes no key is fitted once.
        catalogue: models by name.
        clip: whether predictions are moved into the range of the train ratings.
        resamples: of the bootstrap.
        progress: whether to show a bar on stderr.
    """
    rows = []
    with extras.bar(total=len(models) * len(tasks) * len(seeds), unit="fit", disable=not progress, leave=False) as bar:
        for name in models:
            bar.set_description(name)
            model = catalogue[name]
            runs: list[Errors] = []
            seconds: list[float] = []
            for seed in seeds:
                fitted = []
                for task in tasks:
                    if model.random or not runs:
                        fitted.append(_timed_fit(model, model_key(name, seed), task, seconds))
                    bar.update()
                runs.append(_errors(fitted, tasks, clip) if fitted else runs[0])
            rows.extend(_rows(name, tasks, runs, seconds, resamples))
    return rows


def _timed_fit(model: RatingModel, key: Key, task: RatingTask, seconds: list[float]) -> Factors:
    started = time.perf_counter()
    factors = model.fit(key, task)
    jax.block_until_ready(jax.tree.leaves(factors))
    seconds.append(time.perf_counter() - started)
    return factors


def _errors(fitted: Sequence[Factors], tasks: Sequence[RatingTask], clip: bool) -> Errors:
    num_users = tasks[0].train.ratings.num_users
    squares = {name: np.zeros(num_users) for name in tasks[0].tests}
    magnitudes = {name: np.zeros(num_users) for name in tasks[0].tests}
    train = []
    for factors, task in zip(fitted, tasks, strict=True):
        values = task.train.ratings.values
        span = (float(values.min()), float(values.max())) if clip else None
        for name, test in task.tests.items():
            errors = predict(factors, test, clip=span).astype(np.float64) - test.values
            squares[name] += np.bincount(test.users, errors**2, num_users)
            magnitudes[name] += np.bincount(test.users, np.abs(errors), num_users)
        errors = predict(factors, task.train.ratings, clip=span).astype(np.float64) - values
        train.append(float(np.sqrt(np.mean(errors**2))))
    return Errors(squares, magnitudes, float(np.mean(train)))


def _rows(
    model: str, tasks: Sequence[RatingTask], runs: Sequence[Errors], seconds: list[float], resamples: int
) -> list[Row]:
    rows = []
    for name in tasks[0].tests:
        counts = _test_counts(tasks, name)
        tested = counts > 0
        counts = counts[tested]
        squares = np.stack([run.squares[name][tested] for run in runs])
        magnitudes = np.stack([run.magnitudes[name][tested] for run in runs])
        means = np.stack([squares.mean(0), magnitudes.mean(0), counts])
        drawn = np.asarray(_bootstrap(jax.random.key(0), jnp.asarray(means, jnp.float32), num_resamples=resamples))
        train = np.array([run.train_rmse for run in runs])
        total = counts.sum()
        found = {
            "rmse": (np.sqrt(squares.sum(1) / total), np.sqrt(drawn[0] / drawn[2])),
            "mae": (magnitudes.sum(1) / total, drawn[1] / drawn[2]),
            "train-rmse": (train, train),
        }
        for metric in ERROR_METRICS:
            per_seed, resampled = found[metric]
            low, high = np.quantile(resampled, (0.025, 0.975))
            rows.append(
                Row(
                    model=model,
                    metric=f"{metric}@{name}",
                    mean=float(per_seed.mean()),
                    low=float(low),
                    high=float(high),
                    per_seed=tuple(map(float, per_seed)),
                    users=int(tested.sum()),
                    seconds_first=seconds[0],
                    seconds_warm=statistics.median(seconds[1:] or seconds),
                )
            )
    return rows


_bootstrap = compilation.jit(bootstrap_means, static_argnames="num_resamples")


def _test_counts(tasks: Sequence[RatingTask], name: str) -> np.ndarray:
    """Return the number of test ratings of every user, over all splits."""
    tests: list[Interactions] = [task.tests[name] for task in tasks]
    return np.sum([test.user_counts() for test in tests], axis=0)
