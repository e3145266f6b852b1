"""`--sweep` and `--compare`: every setting of some models over every seed, and which differences are real."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import evaluation, statistics
from mfjax.evaluation import DEFAULT_METRICS, columns
from mfjax.files import atomic_path
from mfjax.search import cells, sweep
from mfjax.statistics import Comparison
from mfjax.studies import extras, study
from mfjax.studies.families import Family, Parameters
from mfjax.studies.results import align
from mfjax.studies.study import Values
from mfjax.studies.task import Task
from mfjax.types import Interactions

Axes = Mapping[str, Mapping[str, Sequence[float]]]
"""Model -> parameter -> values."""


def parse(words: Sequence[str], families: Mapping[str, Family]) -> Axes:
    """Return the axes of words such as "als.reg=0.01,0.1,1".

    Args:
        words: of the command line.
        families: the models that can be swept, by name.

    Raises:
        ValueError: for a word of another form, an unknown model or parameter, a repeated axis or value.

    Example:
        >>> class AnyParameters:
        ...     parameters = staticmethod(dict)
        >>> parse(["als.reg=0.1,1", "als.alpha=5"], {"als": AnyParameters})
        {'als': {'reg': [0.1, 1.0], 'alpha': [5.0]}}
    """
    axes: dict[str, dict[str, list[float]]] = {}
    for word in words:
        where, _, text = word.partition("=")
        model, _, name = where.partition(".")
        try:
            values = [float(value) for value in text.split(",")]
        except ValueError:
            raise ValueError(f"sweep: {word!r} is not of the form MODEL.PARAMETER=VALUE,VALUE") from None
        if model not in families:
            raise ValueError(f"sweep: {model!r} has no parameters to sweep; choose from {', '.join(families)}")
        if name in axes.get(model, {}) or len(set(values)) < len(values):
            raise ValueError(f"sweep: {word!r} repeats a parameter or a value; give each once")
        for value in values:
            try:
                families[model].parameters({name: value})
            except ValueError as error:
                raise ValueError(f"sweep: {word!r}: {error}") from None
        axes.setdefault(model, {})[name] = values
    return axes


def label(model: str, point: Parameters) -> str:
    """Return the name of one setting.

    Example:
        >>> label("als", {"reg": 0.1, "alpha": 10.0})
        'als[reg=0.1,alpha=10]'
    """
    return f"{model}[{','.join(f'{name}={value:g}' for name, value in point.items())}]"


def model_of(name: str) -> str:
    """Return the model that a name of `label`, or a plain one, is a setting of."""
    return name.partition("[")[0]


def run(
    axes: Axes,
    seeds: Sequence[int],
    task_of: Callable[[int], Task],
    *,
    families: Mapping[str, Family],
    cutoffs: Sequence[int],
    dim: int | None = None,
    folder: Path | None = None,
    progress: bool = True,
) -> list[Values]:
    """Return the values of every setting, models in order, each with its parameters' product.

    A setting under a seed has the key, and so the bits, of the model's plain run with these parameters.

    Args:
        axes: what to sweep.
        seeds: as in `study.run`.
        task_of: as in `study.run`.
        families: the models that can be swept, by name.
        cutoffs: the k of the metrics.
        dim: number of factors where it is not swept, or None for the model's own.
        folder: where finished cells are kept, so that a sweep that was stopped goes on; or None.
        progress: whether to show a bar on stderr.
    """
    return [
        values
        for model, of_model in axes.items()
        for values in run_points(
            model,
            families[model],
            sweep.grid(of_model),
            seeds,
            task_of,
            cutoffs=cutoffs,
            dim=dim,
            folder=folder,
            progress=progress,
        )
    ]


def run_points(
    model: str,
    family: Family,
    points: Sequence[Parameters],
    seeds: Sequence[int],
    task_of: Callable[[int], Task],
    *,
    cutoffs: Sequence[int],
    dim: int | None = None,
    folder: Path | None = None,
    progress: bool = True,
) -> list[Values]:
    """Return the values of some settings of one model, a name and its family; other arguments as in `run`."""
    settings = [family.setting(family.parameters({**family.fixed(dim), **point})) for point in points]
    cell = cells.measured(family.fit, metrics=DEFAULT_METRICS, cutoffs=cutoffs)
    tasks = {id(task): task for task in map(task_of, seeds)}
    found, users = {}, np.zeros(0, np.int32)
    with extras.bar(total=len(points) * len(seeds), desc=model, unit="cell", disable=not progress, leave=False) as bar:
        for name, task in tasks.items():
            here = [seed for seed in seeds if id(task_of(seed)) == name]
            held_out = evaluation.evaluation_set(
                task.targets, exclude=task.exclude, candidates=task.candidates, item_counts=task.item_counts
            )
            keys = jnp.stack([study.model_key(model, seed) for seed in here])
            before = bar.n

            def show(done: int, total: int, before: int = before) -> None:
                bar.update(before + done - bar.n)

            data = family.data(task), held_out
            measured = sweep.run(cell, keys, settings, data, mode="map", folder=folder, on_cells=show)
            users = np.asarray(held_out.blocks.ascending(held_out.blocks.users))
            for column, seed in enumerate(here):
                found[seed] = jax.tree.map(lambda leaf, column=column: leaf[:, column], measured)
    ordered = [found[seed] for seed in seeds]
    names = list(columns(DEFAULT_METRICS, cutoffs))
    return [
        Values(
            model=label(model, point),
            per_user={name: np.stack([m.per_user[row, at] for m in ordered]) for at, name in enumerate(names)},
            pooled={name: np.stack([m.pooled[name][row] for m in ordered]) for name in ordered[0].pooled},
            users=users,
            seconds_first=None,
            seconds_warm=None,
        )
        for row, point in enumerate(points)
    ]


def compare(values: Sequence[Values], metrics: Sequence[str]) -> list[Comparison]:
    """Return all pairs of models on all `metrics`: paired t tests over users of means over seeds, one Holm family."""
    means = {one.model: {name: one.per_user[name].mean(axis=0) for name in metrics} for one in values}
    return statistics.compare(jax.random.key(0), means)


def marked(
    comparisons: Sequence[Comparison], models: Sequence[str], metric: str, level: float = 0.05
) -> dict[str, str]:
    """Return model -> the numbers (from 1) of the models that it differs from after Holm, or "-" for none."""
    differs = {(row.one, row.other) for row in comparisons if row.metric == metric and row.p_holm < level}
    marks = {}
    for one in models:
        numbers = [str(i + 1) for i, other in enumerate(models) if {(one, other), (other, one)} & differs]
        marks[one] = " ".join(numbers) or "-"
    return marks


def cells_of(values: Sequence[Values], comparisons: Sequence[Comparison], metrics: Sequence[str]) -> list[list[str]]:
    """Return the comparison in cells, its head first: a numbered line a model, and the lines that it differs from."""
    models = [one.model for one in values]
    marks = [marked(comparisons, models, metric) for metric in metrics]
    lines = [["", "model", *(f"{metric} differs from" for metric in metrics)]]
    return lines + [[str(i + 1), model, *(of_metric[model] for of_metric in marks)] for i, model in enumerate(models)]


def table(values: Sequence[Values], comparisons: Sequence[Comparison], metrics: Sequence[str]) -> str:
    """Return the comparison as text, the lines of `cells_of`."""
    return align(cells_of(values, comparisons, metrics), left=2 + len(metrics))


def write_per_user(path: Path, measured: Sequence[Values], seeds: Sequence[int], interactions: Interactions) -> None:
    """Write every per-user value as `values` float32 [model, seed, metric, user], with the names along its axes."""
    metrics, users = list(measured[0].per_user), measured[0].users
    vocabulary = interactions.user_vocabulary
    stacked = np.stack([np.stack([one.per_user[name] for name in metrics], axis=1) for one in measured])
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(
            file,
            values=stacked.astype(np.float32),
            models=np.array([one.model for one in measured]),
            seeds=np.array(seeds),
            metrics=np.array(metrics),
            # Of fixed width: numpy's own file holds no text of another.
            users=users if vocabulary is None else np.array(vocabulary.decode(users).tolist()),
        )
