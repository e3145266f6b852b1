"""Makes the model that a file keeps, from what was fitted and the interactions that it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mfjax import checks, ranking
from mfjax.recommend.model import Model as Kept
from mfjax.recommend.model import of
from mfjax.studies.model import Model
from mfjax.studies.task import Task
from mfjax.types import Factors, Scorer

REFUSED = {"random": "learns nothing, so that there is nothing to keep; pass another model, such as ials"}
"""Model of a study -> why no file keeps it."""


def check(name: str, models: Mapping[str, Model]) -> None:
    """Raise ValueError for the name of no model, or of one that no file keeps."""
    checks.choice("model", name, models)
    if name in REFUSED:
        raise ValueError(f"model: {name} {REFUSED[name]}")


def kept(
    learned: Factors | Scorer, task: Task, *, name: str, config: Any, ratings: bool, manifest: Mapping[str, Any]
) -> Kept:
    """Return the model of raw ids of what was fitted on all of `task.train`.

    Args:
        learned: what the fit returned.
        task: what it was fitted on; its interactions have both vocabularies.
        name: of the model, for `objective`.
        config: the `als.Config` or `ranking.Config` that was fitted, or None. Of a ranking loss the optimiser is left
            out, which no file holds, and which folds in alike.
        ratings: whether scores are ratings; their range is then that of the values.
        manifest: where the model comes from.
    """
    if isinstance(config, ranking.Config):
        config = replace(config, optimizer=None)
    model = of(task.train, learned, seen=task.seen, objective=name, config=config, manifest=manifest)
    return model if ratings else replace(model, rating_range=None)
