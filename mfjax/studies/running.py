"""Run a study: every model, setting and seed on every task, each fit written down when it ends."""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from mfjax import checks
from mfjax.evaluation.blocks import check_relevances
from mfjax.evaluation.named import as_cutoffs, as_names
from mfjax.metrics import DEFAULT, Convention
from mfjax.saving import fingerprint, version
from mfjax.studies import fits, judging
from mfjax.studies.catalogue import MODELS
from mfjax.studies.findings import Results
from mfjax.studies.fits import Fitted
from mfjax.studies.judging import RATING_MEASURES, judge, names_of
from mfjax.studies.model import Model, check_models
from mfjax.studies.settings import Chosen, Setting, Sweep, settings_of
from mfjax.studies.task import Task
from mfjax.types import Factors, Key, Scorer

LONG = 60.0
"""Seconds of a fit that is not repeated to be timed without compilation."""


class Progress(NamedTuple):
    """A fit that has ended.

    Attributes:
        setting: the model and its parameters.
        seed: of the fit.
        task: its number.
        done, total: fits so far and in all; a model that is not random is fitted under the first seed alone.
        seconds: of the fit, without its evaluation; those of the fit itself where it was found on disk.
        found: whether it was found on disk.
        fitted: the scorer or factors; None where the fit was found on disk.
    """

    setting: Setting
    seed: int
    task: int
    done: int
    total: int
    seconds: float
    found: bool
    fitted: Scorer | Factors | None


def silent(progress: Progress) -> None:
    """Report nothing."""


def run(
    tasks: Sequence[Task] | Callable[[int], Sequence[Task]],
    models: Mapping[str, Model] | Sequence[str] | str,
    *,
    sweep: Sweep | None = None,
    parameters: Chosen | None = None,
    seeds: Sequence[int] | int = 1,
    metrics: Sequence[str] | str = ("recall", "ndcg"),
    cutoffs: Sequence[int] | int = (10,),
    convention: Convention = DEFAULT,
    clip: bool = True,
    folder: str | Path | None = None,
    warm: bool = False,
    progress: Callable[[Progress], Any] = silent,
) -> Results:
    """Fit every setting of every model under every seed on every task, and measure it.

    Nothing is printed. A fit has the key `fold_in(key(seed), crc32(name of the model))`, so that it does not depend on
    what else runs, or `key(seed)` where its model says so; a model that is not random is fitted once.

    Args:
        tasks: such as `protocols.leave_last(interactions).test`; the tests of several are pooled. Or a function of the
            seed, for splits that are drawn by it.
        models: by name, or names of `catalogue.MODELS`.
        sweep: model -> parameter -> values: the model runs with every combination.
        parameters: model -> parameter -> value in place of its default; or a list of such, each a setting.
        seeds: their number, counted from 0, or the seeds.
        metrics: names of `evaluation.METRICS` and of `judging.RATING_MEASURES`, as in `evaluate`.
        cutoffs: the k of the metrics.
        convention: what the metrics mean.
        clip: whether predicted ratings are moved into the range of the train ratings.
        folder: where finished fits are kept, so that a study that was stopped goes on; None keeps none.
        warm: fit a setting that is fitted once a second time, so that there are seconds without compilation; but not
            one that takes more than LONG seconds, of which compilation is a small part.
        progress: called when a fit has ended.

    Raises:
        ValueError: for an unknown model, parameter or metric, a number out of range, a model that can not score users
            who are not trained on where a task has such, rating measures of a model whose scores are no ratings, a
            folder that can not be written to, a damaged file in it, or nothing to run.

    Example:
        >>> from mfjax.data import synthetic
        >>> from mfjax.studies import protocols
        >>> tasks = protocols.leave_last(synthetic.power_law(0, num_users=40, num_items=30, num_interactions=400))
        >>> results = run(tasks.test, ["popularity", "ease"], sweep={"ease": {"reg": [10, 100]}})
        >>> [str(setting) for setting in results.settings]
        ['popularity', 'ease[reg=10]', 'ease[reg=100]']
    """
    named, seeds = named_models(models), _seeds(seeds)
    tasks_of = {seed: _tasks(tasks(seed) if callable(tasks) else tasks, named) for seed in seeds}
    settings = settings_of(named, sweep or {}, parameters or {})
    metrics, cutoffs = tuple(dict.fromkeys(as_names(metrics))), as_cutoffs(cutoffs)
    check_measures(named, metrics)
    judging.check(metrics, cutoffs, convention)
    distinct = {id(task): task for tasks in tasks_of.values() for task in tasks}
    for task in distinct.values():
        _check_values(task, metrics, convention)
    checks.function("progress", progress, "pass a function of a Progress")
    how: dict[str, Any] = {"metrics": metrics, "cutoffs": cutoffs, "convention": convention, "clip": clip}
    kept = _Kept.of(folder, distinct, how)
    num_every = sum(map(len, tasks_of.values()))
    num_fits = {setting: num_every if named[setting.model].random else len(distinct) for setting in settings}
    done = 0
    judged: dict[tuple[Setting, int, int], Fitted] = {}
    known: dict[tuple[Setting, int], Fitted] = {}
    for setting, seed in itertools.product(settings, seeds):
        model = named[setting.model]
        for number, task in enumerate(tasks_of[seed]):
            if not model.random and (setting, id(task)) in known:
                judged[setting, seed, number] = known[setting, id(task)]._replace(seconds=())
                continue
            done, fitted, answer = done + 1, None, kept.find(model, setting, seed, task)
            found = answer is not None
            if answer is None:
                answer, fitted = _fit(model, setting, seed, task, how, again=warm and num_fits[setting] == 1)
                kept.save(model, setting, seed, task, answer)
            judged[setting, seed, number] = known[setting, id(task)] = answer
            progress(Progress(setting, seed, number, done, sum(num_fits.values()), answer.seconds[0], found, fitted))
    return Results.of(settings, seeds, names_of(metrics, cutoffs), cutoffs, tasks_of[seeds[0]], judged)


class _Kept(NamedTuple):
    """The finished fits in a folder; none where there is no folder."""

    folder: Path | None
    checksums: Mapping[int, str]
    how: Mapping[str, Any]

    @classmethod
    def of(cls, folder: str | Path | None, tasks: Mapping[int, Task], how: Mapping[str, Any]) -> _Kept:
        if folder is None:
            return cls(None, {}, how)
        return cls(fits.folder(folder), {name: fits.task_checksum(task) for name, task in tasks.items()}, how)

    def find(self, *which: Any) -> Fitted | None:
        path = self._path(*which)
        return fits.load(path) if path is not None and path.is_file() else None

    def save(self, model: Model, setting: Setting, seed: int, task: Task, fitted: Fitted) -> None:
        path = self._path(model, setting, seed, task)
        if path is not None:
            fits.save(path, fitted)

    def _path(self, model: Model, setting: Setting, seed: int, task: Task) -> Path | None:
        """Return the file of a fit, named after all that its measurements follow from."""
        if self.folder is None:
            return None
        made_of = (setting.model, model.fit, dict(setting.parameters), seed if model.random else None, model.shares_key)
        judged_by = (self.checksums[id(task)], self.how, model.repeats)
        # Sums over histories follow the number of devices in their last bits.
        return self.folder / f"{fingerprint((made_of, judged_by, jax.device_count(), version()))[:32]}.npz"


def _check_values(task: Task, metrics: Sequence[str], convention: Convention) -> None:
    """Raise ValueError for values that the measures have no use for."""
    if any(name not in RATING_MEASURES for name in metrics):
        check_relevances(task.targets, convention.gain)
    if any(name in RATING_MEASURES for name in metrics) and np.ptp(task.train.values) == 0:
        raise ValueError(
            f"metrics: errors are of predicted ratings, and all values are {task.train.values[0]:g}; read the column "
            "of ratings, or ask for ranking metrics"
        )


def _fit(
    model: Model, setting: Setting, seed: int, task: Task, how: Mapping[str, Any], *, again: bool
) -> tuple[Fitted, Scorer | Factors]:
    jax.block_until_ready((task.placed[0], task.seen))
    fitted, first = _timed(model, setting, seed, task)
    seconds = [first]
    if again and first <= LONG:
        del fitted  # a model may take most of the memory
        fitted, later = _timed(model, setting, seed, task)
        seconds.append(later)
    try:
        return Fitted(judge(fitted, task, **how, repeats=model.repeats), tuple(seconds)), fitted
    except RuntimeError as error:
        raise RuntimeError(f"{setting}: {error}") from None


def _timed(model: Model, setting: Setting, seed: int, task: Task) -> tuple[Scorer | Factors, float]:
    started = time.perf_counter()
    return fit(model, setting, seed, task), time.perf_counter() - started


def fit(model: Model, setting: Setting, seed: int, task: Task) -> Scorer | Factors:
    """Return what a setting of a model is fitted to under a seed, as `run` does."""
    key = jax.random.key(seed) if model.shares_key else model_key(setting.model, seed)
    fitted = model.fit(key, task, dict(setting.parameters))
    jax.block_until_ready(jax.tree.leaves(fitted))
    return fitted


def model_key(name: str, seed: int) -> Key:
    """Return the key of a model: it does not depend on which other models run."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def named_models(models: Any) -> dict[str, Model]:
    """Return models by name, as `run` takes them. Raises ValueError for another kind, or an unknown name."""
    if isinstance(models, str):
        models = [models]
    if not isinstance(models, Mapping):
        checks.kind("models", models, (list, tuple), 'pass names such as ["ease", "ials"], or {"mine": Model(...)}')
        for name in models:
            checks.choice("models", name, MODELS)
        models = {name: MODELS[name] for name in models}
    check_models(models)
    return dict(models)


def check_measures(models: Mapping[str, Model], metrics: Sequence[str]) -> None:
    """Raise ValueError where rating errors are asked of a model whose scores are no ratings."""
    errors = [name for name in metrics if name in RATING_MEASURES]
    others = [name for name, model in models.items() if not model.predicts_ratings]
    if errors and others:
        raise ValueError(
            f"metrics: {errors[0]} is of predicted ratings, and the scores of {others[0]!r} are none; leave one of the "
            "two out, or say Model(predicts_ratings=True)"
        )


def _tasks(tasks: Any, models: Mapping[str, Model]) -> list[Task]:
    checks.kind("tasks", tasks, (list, tuple), "pass such as protocols.leave_last(interactions).test")
    if not tasks:
        raise ValueError("tasks: there are none; pass the test part of what a protocol returns")
    for task in tasks:
        checks.kind("tasks", task, Task, "pass such as protocols.leave_last(interactions).test")
        if not len(task.hidden) or not len(task.train):
            raise ValueError(
                f"tasks: {len(task.train)} rows to train on and {len(task.hidden)} hidden; pass some of both"
            )
        unable = [name for name, model in models.items() if not model.folds_in]
        if task.fold_in is not None and unable:
            raise ValueError(
                f"models: {unable[0]!r} has no score for users who are not trained on; leave it out of a protocol that "
                "holds out users, or score them by task.history and say Model(folds_in=True)"
            )
    return list(tasks)


def _seeds(seeds: Any) -> tuple[int, ...]:
    if isinstance(seeds, int | np.integer):
        checks.whole("seeds", seeds)
        return tuple(range(int(seeds)))
    checks.kind("seeds", seeds, (list, tuple, range), "pass their number, or a list of them")
    for seed in seeds:
        checks.whole("seeds", seed, least=0)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds: {list(seeds)!r:.60}; pass at least one, each once")
    return tuple(map(int, seeds))
