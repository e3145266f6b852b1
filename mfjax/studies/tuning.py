"""`--tune`: settings chosen by NDCG@10 on positives held out of the train part; no test positive has a say.

Every user's last train positive is to be found. Many positives share one second, so a setting is judged on three
splits that break those ties differently, each from a start of its own; its score is their mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import als, compilation, evaluation, search
from mfjax.als import hypergradients
from mfjax.data.splits import leave_last_out
from mfjax.evaluation import EvaluationSet, measure
from mfjax.evaluation.smooth import ndcg
from mfjax.recommend import scorer
from mfjax.search import Trial, Uniform, ascent, best, cells, tune
from mfjax.studies import extras, searches, study
from mfjax.studies.families import Family, Parameters
from mfjax.studies.results import align
from mfjax.studies.task import Task
from mfjax.types import Interactions, Key

METHOD_NAMES = (*tune.METHODS, "gradient")
NUM_SPLITS = 3
KEYS = (
    "search: settings by first_seed; fits of validation split N: fold_in(key(first_seed), crc32('validation N')); "
    "ties of the second and third split: fold_in(key(1), 0), fold_in(key(2), 0)"
)
GRADIENT_CG_STEPS = 8
"""Steps of conjugate gradient, more than a fit needs: derivatives are those of exact solves."""


def tasks(train: Interactions) -> list[Task]:
    """Return the validation tasks, all within the train part."""
    splits = [leave_last_out(train, ties=ties, key=key) for ties, key in study.tie_rules(NUM_SPLITS)]
    return [Task(train=split.train, hidden=split.test, excluded=split.train) for split in splits]


def run(
    model: str,
    family: Family,
    train: Interactions,
    *,
    trials: int,
    method: str,
    seed: int = 0,
    fixed: Parameters | None = None,
    folder: Path | None = None,
    progress: bool = True,
) -> Parameters:
    """Return the best setting of a model, and print the best few.

    Args:
        model: its name.
        family: its parameters, their ranges and its fit.
        train: positives that no model is judged by in the end.
        trials: settings to try.
        method: one of METHOD_NAMES; "gradient" walks through the ranges and leaves choices at their defaults.
        seed: draws settings and starts.
        fixed: parameters that are not searched.
        folder: where `study-MODEL.json` is kept, so that a search that was stopped goes on; or None.
        progress: whether to show a bar on stderr.

    Raises:
        ValueError: a method that does not fit the model, or a study of another search.
    """
    fixed = dict(fixed or {})
    space = {name: one for name, one in family.space.items() if name not in fixed}
    judged = tasks(train)
    common: dict[str, Any] = {"trials": trials, "path": None if folder is None else folder / f"study-{model}.json"}
    with extras.bar(desc=f"tune {model}", unit="trial", disable=not progress, leave=False) as bar:
        common["on_trial"] = lambda trial: _show(bar, trial)
        if method == "gradient":
            check_gradient(model, family)
            ranges = {name: one for name, one in space.items() if isinstance(one, Uniform)}
            uphill = slope(family, judged, seed, fixed)
            found = search.ascend(uphill, ranges, made_of=uphill, **common)
        else:
            judge = curve(family, judged, seed, fixed)
            found = tune.METHODS[method](judge, space, seed=seed, made_of=judge, **common)
    best_by = f"the best by {searches.METRIC} on {NUM_SPLITS} validation splits"
    print(f"{model}: {len(found)} settings by {method}, {best_by}\n")
    finished = [trial for trial in found if trial.status == "finished"]
    print(f"{align(searches.cells(finished, searches.METRIC, digits=4))}\n")
    return fixed | best(found).values


def check_gradient(model: str, family: Family) -> None:
    """Raise ValueError for a model that has no gradient: one that is not fitted by least squares."""
    if family.fit is not cells.als_factors:
        raise ValueError(f"tune: the gradient is that of least squares, and {model} is none; use another method")


def _show(bar: Any, trial: Trial) -> None:
    bar.set_postfix_str(f"{searches.METRIC} {trial.score():.4f}", refresh=False)
    bar.update()


def _key(seed: int, number: int) -> Key:
    """Return the key of the model of one task: a start of its own for each, so that no start is chosen."""
    return study.model_key(f"validation {number}", seed)


def curve(family: Family, judged: Sequence[Task], seed: int, fixed: Parameters) -> tune.Curve:
    """Return the validation curve of a setting: the mean over tasks after every part of its training."""

    def of_setting(values: Mapping[str, Any]) -> Iterator[float]:
        setting = family.setting(family.parameters({**fixed, **values}))
        paths = [family.path(_key(seed, at), setting, family.data(task)) for at, task in enumerate(judged)]
        try:
            for models in zip(*paths, strict=True):
                yield float(np.mean([_score(model, task) for model, task in zip(models, judged, strict=True)]))
        except ValueError as error:
            if "finite solution" not in str(error):
                raise
            yield math.nan

    return of_setting


def _score(model: Any, task: Task) -> float:
    return task.evaluate(model, metrics=("ndcg",)).mean()[searches.METRIC]


def slope(family: Family, judged: Sequence[Task], seed: int, fixed: Parameters) -> ascent.Slope:
    """Return the score of a setting of least squares and the gradient of smooth NDCG, means over tasks."""
    chosen = family.parameters(fixed)
    training = family.setting(chosen)

    def config_of(values: Mapping[str, Any]) -> als.Config:
        return replace(family.setting({**chosen, **values}).config, cg_steps=GRADIENT_CG_STEPS)

    def smooth(values: Mapping[str, Any], start: als.State, data: tuple[Any, EvaluationSet]) -> tuple[Any, Any]:
        histories, held_out = data
        model = hypergradients.factors(start, values, histories, config_of=config_of, num_steps=training.num_steps)
        exact = measure(scorer(model), held_out, cutoffs=(10,), metrics=("ndcg",))
        return ndcg(model, held_out), jnp.mean(exact.per_user[searches.METRIC])

    compiled = compilation.jit(jax.value_and_grad(smooth, has_aux=True))
    problems = []
    for at, task in enumerate(judged):
        data = (
            family.data(task),
            evaluation.evaluation_set(task.targets, exclude=task.exclude, candidates=task.candidates),
        )
        sizes = {"num_users": task.train.num_users, "num_items": task.train.num_items}
        problems.append((als.init(_key(seed, at), training.config, **sizes), data))

    def of_setting(values: Mapping[str, float]) -> tuple[float, Mapping[str, float]]:
        traced = {name: jnp.float32(value) for name, value in values.items()}
        found = [compiled(traced, *problem) for problem in problems]
        gradient = jax.tree.map(lambda *slopes: float(np.mean(slopes)), *(slopes for _, slopes in found))
        return float(np.mean([exact for (_, exact), _ in found])), gradient

    return of_setting
