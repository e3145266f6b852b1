"""The searches of the MovieLens-1M study: tree-structured Parzen estimators on validation NDCG@10 (extra `tune`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.ml1m.models import SEARCHED, Settings
from mfjax import search as tune
from mfjax.reports.sections import Section
from mfjax.search import Trial
from mfjax.studies import extras, searches, study, unsolved
from mfjax.studies.task import Task

KEYS = "search: settings by first_seed, fits as those of the model under that seed"


def search(
    name: str, task: Task, *, trials: int, seed: int, dim: int | None, folder: Path | None, progress: bool
) -> list[Trial]:
    """Return the trials of a model of SEARCHED.

    Args:
        name: of the model.
        task: validation; every trial is fitted on its train part under the same key.
        trials: settings to try.
        seed: draws the settings.
        dim: number of factors, or None for the setting's own.
        folder: where `study-NAME.json` is kept, so that a search that was stopped goes on; or None.
        progress: whether to show a bar on stderr.
    """
    searched = SEARCHED[name]

    def curve(values: Settings) -> Iterator[float]:
        try:
            with unsolved.no_news():
                model = searched.model(values).fit(study.model_key(name, seed), task, dim)
        except ValueError as error:
            if "finite solution" not in str(error):
                raise
            yield math.nan
            return
        yield task.evaluate(model, metrics=("ndcg",)).mean()[searches.METRIC]

    path = None if folder is None else folder / f"study-{name}.json"
    with extras.bar(desc=f"search {name}", total=trials, unit="trial", disable=not progress, leave=False) as bar:
        common: dict[str, Any] = {"trials": trials, "seed": seed, "path": path, "made_of": curve}
        return tune.tpe(curve, searched.space, on_trial=lambda _: bar.update(), **common)


def section(name: str, found: Sequence[Trial]) -> Section:
    """Return the best trials as a table."""
    lines = searches.cells(found, f"validation {searches.METRIC}", digits=5)
    return Section(f"Search of {name}", f"The best of {len(found)} settings on validation.", lines, left=0)
