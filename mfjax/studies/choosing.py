"""Choosing settings on validation tasks: searches over the space of each model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import als, checks, compilation, recommend
from mfjax.als import hypergradients
from mfjax.evaluation import evaluation_set, measure, smooth
from mfjax.metrics import DEFAULT, Convention
from mfjax.saving import fingerprint, version
from mfjax.search import Trial, Uniform, ascend, best
from mfjax.search.tune import METHODS
from mfjax.studies import fits, running
from mfjax.studies.curves import Score, check_validation, curve_of, fit_key
from mfjax.studies.fitting import unsolved_is_no_news
from mfjax.studies.model import Model, Parameters
from mfjax.studies.settings import settings_of
from mfjax.studies.task import Task

METHOD_NAMES = (*METHODS, "gradient")

NUM_PARTS = 5
"""Times that a search looks at a model while it is trained."""

GRADIENT_CG_STEPS = 8
"""Steps of conjugate gradient, more than a fit needs: derivatives are those of exact solves."""
KEYS = "search: settings by the first seed; fits of validation task N: fold_in(key(seed), crc32('validation N'))"


def tune(
    tasks: Sequence[Task],
    models: Mapping[str, Model] | Sequence[str] | str,
    *,
    parameters: Mapping[str, Parameters] | None = None,
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """Return model -> the parameters with the best validation score; arguments and errors as `search`.

    A model without a space keeps its defaults.

    Example:
        >>> from mfjax.data import synthetic
        >>> from mfjax.studies import protocols
        >>> pairs = synthetic.power_law(0, num_users=40, num_items=30, num_interactions=400)
        >>> sorted(tune(protocols.leave_last(pairs, validation=1).validation, ["ease"], trials=2)["ease"])
        ['reg']
    """
    trials = search(tasks, models, parameters=parameters, **options)
    fixed = parameters or {}
    return {
        name: model.parameters({**fixed.get(name, {}), **(best(trials[name]).values if name in trials else {})})
        for name, model in running.named_models(models).items()
    }


def search(
    tasks: Sequence[Task],
    models: Mapping[str, Model] | Sequence[str] | str,
    *,
    trials: int,
    method: str = "random",
    measure: str = "ndcg@10",
    parameters: Mapping[str, Parameters] | None = None,
    seed: int = 0,
    convention: Convention = DEFAULT,
    folder: str | Path | None = None,
    on_trial: Callable[[str, Trial], Any] | None = None,
) -> dict[str, list[Trial]]:
    """Return model -> the trials of a search over its space.

    A setting is fitted once a task, each task from a start of its own, so that no start is chosen; its score is the
    mean over tasks, NaN where a fit has no finite solution. Models without a space are left out.

    Args:
        tasks: `validation` of what a protocol returns.
        models: as in `running.run`.
        trials: settings to try for each model.
        method: "random"; "halving" and "tpe" look at models on the way and give up early, tpe needs the extra `tune`;
            "gradient" walks through the ranges of a least-squares model, uphill in a smooth NDCG.
        measure: what is best: the least of a rating error, else the greatest.
        parameters: model -> parameter -> value that is not searched.
        seed: draws the settings, and the starts of fits.
        convention: what the metric means.
        folder: where trials are kept, so that a search that was stopped goes on.
        on_trial: called with the model and each trial that got further.

    Raises:
        ValueError: without validation tasks, for a method that does not fit a model, and as `running.run`.
    """
    check_validation(tasks)
    checks.whole("trials", trials)
    checks.choice("method", method, METHOD_NAMES)
    fixed, named = parameters or {}, running.named_models(models)
    settings_of(named, {}, fixed)
    score = Score.of(measure, convention, named)
    kept = None if folder is None else fits.folder(folder)
    checksums = [fits.task_checksum(task) for task in tasks]
    found: dict[str, list[Trial]] = {}
    for name, model in named.items():
        here = dict(fixed.get(name, {}))
        space = {parameter: one for parameter, one in model.space.items() if parameter not in here}
        if not space:
            continue

        def tell(trial: Trial, name: str = name) -> None:
            if on_trial is not None:
                on_trial(name, trial)

        made_of = (name, model.fit, model.parameters(here), seed, measure, convention, checksums, jax.device_count())
        # The file is named after what its scores follow from: no search meets the trials of another.
        rounds = trials if method == "halving" else None
        title = fingerprint((made_of, space, method, rounds, version()))[:32]
        common: dict[str, Any] = {"trials": trials, "made_of": made_of, "on_trial": tell}
        common["path"] = None if kept is None else kept / f"tune-{title}.json"
        if method == "gradient":
            ranges = {axis: one for axis, one in space.items() if isinstance(one, Uniform)}
            found[name] = ascend(_slope(name, model, tasks, seed, here, score), ranges, **common)
        else:
            parts = None if method == "random" else NUM_PARTS
            curve = curve_of(model, tasks, seed, here, score, parts=parts)
            found[name] = METHODS[method](curve, space, seed=seed, **common)
    return found


def choose(
    task: Task, model: Model, settings: Sequence[Parameters], *, measure: str = "rmse", starts: int = 1
) -> Parameters:
    """Return the parameters of `settings` with the best mean over starts on the validation of a task.

    For choices within the train part of every fold; the starts are key(0), key(1), and so on.

    Raises:
        ValueError: for a task without validation, and as `running.run`.
    """
    if task.validation is None:
        raise ValueError("task: nothing of its train part is held out for validation; pass one that has it")
    within, score = task.validation, Score.of(measure, DEFAULT, {"model": model})

    def mean(parameters: Parameters) -> float:
        with unsolved_is_no_news():
            keys = [jax.random.key(start) for start in range(starts)]
            judged = [score(model.fit(key, within, model.parameters(parameters)), within) for key in keys]
        return float(np.mean(judged))

    return max(settings, key=mean)


def _slope(
    name: str, model: Model, tasks: Sequence[Task], seed: int, fixed: Parameters, score: Score
) -> Callable[[Mapping[str, float]], tuple[float, Mapping[str, float]]]:
    """Return the score of a setting of least squares and the gradient of smooth NDCG, means over tasks."""
    check_gradient(name, model, score.name)
    assert model.config is not None
    make, parameters = model.config, model.parameters(fixed)
    num_steps = parameters["steps"]

    def ascent(task: Task, values: Any, start: als.State, data: Any, held_out: Any) -> tuple[Any, Any]:
        def config_of(values: Any) -> als.Config:
            return replace(make({**parameters, **values}, task), cg_steps=GRADIENT_CG_STEPS)

        fitted = hypergradients.factors(start, values, data, config_of=config_of, num_steps=num_steps)
        exact = measure(recommend.scorer(fitted), held_out, **score.asked)
        return smooth.ndcg(fitted, held_out), jnp.mean(exact.per_user[score.name])

    problems: list[tuple[Any, Any]] = []
    configs = [make(parameters, task) for task in tasks]
    for at, task in enumerate(tasks):
        held_out = evaluation_set(task.targets, exclude=task.exclude, candidates=task.candidates)
        sizes = {"num_users": task.train.num_users, "num_items": task.train.num_items}
        start = als.init(fit_key(seed, at), configs[at], **sizes)
        same = [before for before in range(at) if jax.tree.leaves(configs[before]) == jax.tree.leaves(configs[at])]
        # A configuration that does not follow from the task is compiled once for all.
        compiled = (
            problems[same[0]][0] if same else compilation.jit(jax.value_and_grad(partial(ascent, task), has_aux=True))
        )
        problems.append((compiled, (start, task.histories, held_out)))

    def of_setting(values: Mapping[str, float]) -> tuple[float, Mapping[str, float]]:
        traced = {axis: jnp.float32(value) for axis, value in values.items()}
        found = [compiled(traced, *problem) for compiled, problem in problems]
        gradient = jax.tree.map(lambda *slopes: float(np.mean(slopes)), *(slopes for _, slopes in found))
        return float(np.mean([exact for (_, exact), _ in found])), gradient

    return of_setting


def check_gradient(name: str, model: Model, measure: str) -> None:
    """Raise ValueError for a model or a measure that has no gradient."""
    if model.config is None or "steps" not in model.defaults:
        raise ValueError(f"tune: the gradient is that of least squares, and {name} is none; use another method")
    if model.history is not None:
        raise ValueError(f"tune: users of {name} are folded in after the fit, without a gradient; use another method")
    if not measure.startswith("ndcg@"):
        raise ValueError(f"tune: the gradient is that of NDCG, and not of {measure}; use another method, or ndcg")
