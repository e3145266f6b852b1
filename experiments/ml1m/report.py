"""The report of the MovieLens-1M study: which tables, plots and figures to see first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.ml1m import learning_curves
from experiments.ml1m.findings import Findings
from mfjax.reports import inspection, page, plots_study
from mfjax.reports.figures import Plot
from mfjax.reports.sections import Section
from mfjax.types import Factors

TITLES = {"ml-1m": "MovieLens-1M", "ml-100k": "MovieLens-100K"}


def write(folder: Path, found: Findings, manifest: Mapping[str, Any]) -> Path:
    """Write `report.html` and the plots into a folder, and return the path of the page."""
    options = manifest["options"]
    ndcg = {row.model: row for row in found.rows if row.metric == "ndcg@10"}
    best = max(ndcg.values(), key=lambda row: row.mean)
    recall = next(row for row in found.rows if (row.model, row.metric) == (best.model, "recall@10"))
    tiles = {
        f"NDCG@10 of {best.model}, the best model": f"{best.mean:.4f}",
        f"Recall@10 of {best.model}": f"{recall.mean:.4f}",
        "users judged": f"{best.users:,}",
        "models compared": str(len(ndcg)),
        "seeds of every random model": str(options["seeds"]),
    }
    if "popularity" in ndcg and best.model != "popularity":
        tiles["times the NDCG@10 of popularity"] = f"{best.mean / ndcg['popularity'].mean:.2f}"
    path = folder / "report.html"
    page.write(
        path,
        title=f"Recommenders on {TITLES.get(found.dataset.name, found.dataset.name)}",
        about=[
            "Each user's last five ratings by time are hidden, the one before is for validation. Models are fitted on "
            "the positives of the rest, rank all items that have one except what the user rated in train, and are "
            "judged by the ranks of the hidden positives.",
            found.sizes,
        ],
        tiles=tiles,
        sections=[*found.sections, *_examples(found, options)],
        plots=plots(found, options),
        manifest=manifest,
        best=best.model,
    )
    return path


def plots(found: Findings, options: Mapping[str, Any]) -> list[Plot]:
    """Return the plots of the study."""
    drawn = [
        plots_study.cutoffs(found.rows, options["k"]),
        plots_study.activity(found.buckets),
        plots_study.popularity_bias(found.rows),
    ]
    factors = {o.model: o.fitted[0] for o in found.outcomes if isinstance(o.fitted[0], Factors)}
    if factors:
        name = options["inspect"] if options["inspect"] in factors else next(iter(factors))
        known = np.flatnonzero(np.asarray(found.task.candidates))
        genres = None if found.dataset.genres is None else [found.dataset.genres[item] for item in known]
        items = np.asarray(factors[name].items)[known]
        drawn.append(plots_study.item_space(name, items, found.task.train.item_counts()[known], genres))
    drawn.append(plots_study.convergence(learning_curves.measure(found.validation, dim=options["dim"])))
    if found.searches:
        drawn.append(plots_study.tuning(found.searches))
    return drawn


def _examples(found: Findings, options: Mapping[str, Any]) -> list[Section]:
    """Return a user and an item to look at, where the command line named none."""
    outcome = next((one for one in found.outcomes if one.model == options["inspect"]), None)
    if outcome is None or not isinstance(outcome.fitted[0], Factors):
        return []
    model, vocabulary = found.catalogue[outcome.model], found.dataset.interactions.user_vocabulary
    assert vocabulary is not None
    titles = inspection.Titles(found.dataset, found.task.train.item_counts())
    popular = titles.title(int(found.task.train.item_counts().argmax()))
    asked: dict[str, Any] = {
        "user": None if options["user"] else str(vocabulary.decode(outcome.evaluations[0].users[0])),
        "similar": None if options["similar"] else popular,
        "explain": model.config is not None and outcome.model.startswith("als"),
    }
    return inspection.sections(found.dataset, found.task, model, outcome, **asked)
