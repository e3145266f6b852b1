"""What a recommender of a study is, and how most of them are fitted: least squares, ranking, two stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax

from mfjax import als, devices, ranking
from mfjax.histories import Ragged
from mfjax.ranking import Sampler
from mfjax.recommend import two_stage
from mfjax.studies.task import Task
from mfjax.types import Factors, Interactions, Key, Scorer

Fit = Callable[[Key, Task, int | None], Scorer | Factors]
"""(key, task, dim) -> scorer or factors; `dim` is None for the recommender's own number of factors."""


@dataclass(frozen=True)
class Recommender:
    """A named way to fit.

    Attributes:
        fit: what fits it.
        random: whether the result depends on the key.
        about: one line for `--help` and the table.
        config: the settings, for the record of a saved model.
        repeats: whether it may recommend what the user has rated but not liked, as one published run does.
        slow: whether a fit takes so many seconds that it is left out unless asked for.
        solved: task -> the ALS configuration and the histories that user rows are solved from, for explanations;
            None where they are `config` and the train part.
    """

    fit: Fit
    random: bool
    about: str
    config: Any = None
    repeats: bool = False
    slow: bool = False
    solved: Callable[[Task], tuple[als.Config, Interactions]] | None = None


def fit_als(config: als.Config, num_steps: int) -> Fit:
    """Return the fit of one ALS configuration."""

    def fit(key: Key, task: Task, dim: int | None) -> Factors:
        chosen = config if dim is None else replace(config, dim=dim)
        return als.factors(devices.fit_on_all(key, task.placed, chosen, num_steps=num_steps), chosen)

    return fit


def fit_ranking(config: ranking.Config, num_epochs: int, sampler: Callable[[Ragged], Sampler]) -> Fit:
    """Return the fit of one ranking configuration from a random start; `sampler` is made from the positives."""

    def fit(key: Key, task: Task, dim: int | None) -> Factors:
        chosen = config if dim is None else replace(config, dim=dim)
        data = ranking.data(task.seen, sampler(task.seen))
        return ranking.factors(ranking.fit(key, data, chosen, num_epochs=num_epochs))

    return fit


def fit_two_stages(retriever: Fit, reranker: Fit, *, candidates: int = 100) -> Fit:
    """Return the fit of a retriever and of a reranker that orders its `candidates` best items."""

    def fit(key: Key, task: Task, dim: int | None) -> Scorer:
        key_retriever, key_reranker = jax.random.split(key)
        stages = retriever(key_retriever, task, dim), reranker(key_reranker, task, dim)
        return two_stage.scorer(*stages, candidates=candidates, exclude=task.exclude)

    return fit
