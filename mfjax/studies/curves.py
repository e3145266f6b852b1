"""Validation curves: the score of a setting on what is held out, on the way through its training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfjax import checks
from mfjax.evaluation.named import as_cutoffs
from mfjax.metrics import Convention
from mfjax.studies import judging, running
from mfjax.studies.fitting import unsolved_is_no_news
from mfjax.studies.judging import RATING_MEASURES, judge
from mfjax.studies.model import Model, Parameters
from mfjax.studies.task import Task
from mfjax.types import Key


@dataclass(frozen=True)
class Score:
    """A measure as a score, higher is better."""

    name: str
    asked: dict[str, Any]

    @classmethod
    def of(cls, measure: str, convention: Convention, models: Mapping[str, Model]) -> Score:
        """Return the score of a measure. Raises ValueError for what is not one, or says nothing of the models."""
        checks.kind("measure", measure, str, "pass one measure, such as 'ndcg@10'")
        metric, _, cutoff = measure.partition("@")
        metrics = (metric if cutoff.isdecimal() else measure,)
        cutoffs = as_cutoffs(int(cutoff) if cutoff.isdecimal() else 10)
        running.check_measures(models, metrics)
        judging.check(metrics, cutoffs, convention)
        if len(judging.names_of(metrics, cutoffs)) != 1:
            raise ValueError(f"measure: {measure!r} is not one; pass such as 'ndcg@10'")
        return cls(measure, {"metrics": metrics, "cutoffs": cutoffs, "convention": convention})

    def __call__(self, fitted: Any, task: Task) -> float:
        judged = judge(fitted, task, **self.asked)
        value = float(judged.sums.sum() / judged.counts.sum())
        return -value if self.name in RATING_MEASURES else value


def check_validation(tasks: Any) -> None:
    """Raise ValueError unless there are tasks to choose by."""
    checks.kind("tasks", tasks, (list, tuple), "pass the validation part of what a protocol returns")
    if not tasks:
        raise ValueError("tasks: nothing is held out for validation; ask the protocol for it, such as validation=1")


def fit_key(seed: int, number: int) -> Key:
    """Return the key of the fit on a validation task."""
    return running.model_key(f"validation {number}", seed)


def curve_of(
    model: Model, tasks: Sequence[Task], seed: int, fixed: Parameters, score: Score, *, parts: int | None
) -> Callable[[Parameters], Iterator[float]]:
    """Return the validation curve of a setting: the mean over tasks after every part of its training.

    There is one score, of the end, where `parts` is None or the model has no path.
    """

    def on_the_way(key: Key, task: Task, parameters: Parameters) -> Iterator[Any]:
        if model.path is None or parts is None:
            return iter([model.fit(key, task, parameters)])
        return model.path(key, task, parameters, parts)

    def of_setting(values: Parameters) -> Iterator[float]:
        parameters = model.parameters({**fixed, **values})
        try:
            with unsolved_is_no_news():
                paths = [on_the_way(fit_key(seed, at), task, parameters) for at, task in enumerate(tasks)]
                for fitted in zip(*paths, strict=True):
                    yield float(np.mean([score(one, task) for one, task in zip(fitted, tasks, strict=True)]))
        except ValueError as error:
            if "finite solution" not in str(error):
                raise
            yield math.nan

    return of_setting
