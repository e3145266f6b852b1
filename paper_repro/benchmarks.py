"""What the tables of benchmarks share: models of a study, fitted under several seeds, beside published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfjax.metrics.conventions import PRESETS
from mfjax.reports import study_options
from mfjax.studies import running
from paper_repro.verdict import Check

Measured = Mapping[tuple[str, str], np.ndarray]
"""(model, measure) -> a value for every seed."""


@dataclass(frozen=True)
class Figure:
    """What a table says of a model, and what passes.

    Attributes:
        model: its name in the study.
        values: measure -> the printed figure, or the one to reach where nobody has printed one for this model.
        source: who printed it, or whose figure is to be reached.
        tolerance: how far the mean over seeds may be from the printed one; None where it has to be as great at least.
        printed: whether the source printed it for this very model.
    """

    model: str
    values: Mapping[str, float]
    source: str
    tolerance: float | None = None
    printed: bool = True


def measured(study: Any, models: Sequence[str], *, seeds: int, progress: bool) -> Measured:
    """Return the measurements of models of a study, the mean over users of each seed."""
    dataset = study.load()
    tasks = study.tasks(dataset, study.split_key(study.split_seed))
    found = running.run(
        tasks.test,
        {name: study.catalogue_of_models[name] for name in models},
        seeds=seeds,
        metrics=study.metrics,
        cutoffs=study.k,
        convention=PRESETS[study.convention],
        progress=study_options.tell if progress else running.silent,
    )
    return {(row.model, row.metric): np.array(row.per_seed) for row in found.rows(resamples=1)}


def check(table: str, figure: Figure, measure: str, found: Measured) -> Check:
    """Return the check of one figure."""
    per_seed, wanted = found[figure.model, measure], figure.values[measure]
    low, high, note = wanted, 1.0, f"at least: {figure.source}"
    if figure.tolerance is not None:
        low, high, note = wanted - figure.tolerance, wanted + figure.tolerance, figure.source
    return Check(
        table=table,
        quantity=f"{figure.model}, {measure}",
        published=wanted if figure.printed else None,
        measured=float(per_seed.mean()),
        low=low,
        high=high,
        spread=(float(per_seed.min()), float(per_seed.max())) if len(per_seed) > 1 else None,
        note=note,
    )


def table(name: str, figures: Sequence[Figure], study: Any, options: Any) -> list[Check]:
    """Return the checks of all figures of a table."""
    models = list(dict.fromkeys(figure.model for figure in figures))
    found = measured(study, models, seeds=options.seeds, progress=options.progress)
    return [check(name, figure, measure, found) for figure in figures for measure in figure.values]
