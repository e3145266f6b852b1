"""The MovieLens-1M study in tables: sizes, models, lists, comparisons; and that nothing seen is recommended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mfjax.data.published.datasets import Dataset
from mfjax.data.splits import Split
from mfjax.reports.sections import Section
from mfjax.studies import ablation, results, study
from mfjax.studies.results import Row
from mfjax.studies.study import Outcome, Values
from mfjax.studies.task import Task

MOVIES = {"ml-1m": 3883}
"""Movies of a release where more are listed than rated; the published coverage is a share of all that are listed."""
FIRST_USERS = 1000
"""Users behind the published coverage."""
FIRST_COVERAGE = f"coverage_first_{FIRST_USERS}@10"
MEASURED = ("recall", "ndcg", "mrr", "hit_rate")


def sizes(dataset: Dataset, split: Split, task: Task) -> str:
    """Return the sizes of the study in words."""
    parts = [len(part) for part in (split.train, split.validation, split.test)]
    train_users, judged = (int((part.user_counts() > 0).sum()) for part in (task.train, task.hidden))
    counts, vocabulary = task.train.item_counts(), dataset.interactions.item_vocabulary
    popular = np.argsort(-counts, kind="stable")[:5]
    raw = popular if vocabulary is None else vocabulary.decode(popular)
    named = ", ".join(f"{name} ({count:,})" for name, count in zip(raw.tolist(), counts[popular].tolist(), strict=True))
    return (
        f"{dataset.name}: {parts[0]:,} train, {parts[1]:,} validation and {parts[2]:,} test ratings; "
        f"{len(task.train):,} train positives of {train_users:,} users and {int(task.candidates.sum()):,} items; "
        f"{judged:,} users with a test positive. Most train positives: items {named}."
    )


def values(outcome: Outcome, dataset: Dataset, *, timings: bool) -> Values:
    """Return the measurements of a model, with the coverage of the lists of the first users."""
    found = study.values(outcome, timings=timings)
    shares = []
    for evaluation in outcome.evaluations:
        lists, mask = evaluation.recommended[:FIRST_USERS, :10], evaluation.recommended_mask[:FIRST_USERS, :10]
        shares.append(len(np.unique(lists[mask])) / MOVIES.get(dataset.name, dataset.interactions.num_items))
    found.pooled[FIRST_COVERAGE] = np.array(shares)
    return found


def models(rows: Sequence[Row], cutoffs: Sequence[int], num_seeds: int) -> list[Section]:
    """Return the main table, the metrics by length of the list, and what the lists look like."""
    seeds = f"Mean over {num_seeds} seeds" if num_seeds > 1 else "One seed"
    lengths = {f"{metric}@{k}": f"{metric}@{k}" for metric in ("recall", "ndcg") for k in cutoffs}
    lists = {
        "mrr@10": "MRR@10",
        "hit_rate@10": "hit rate@10",
        "coverage@10": "coverage@10",
        FIRST_COVERAGE: f"coverage@10, {FIRST_USERS:,} users",
        "mean_popularity@10": "mean popularity",
    }
    return [
        Section("Models", f"{seeds} [95 % interval over users].", results.cells(rows, study.HEADLINE)),
        _means("By length of the list", f"{seeds}.", rows, lengths),
        _means(
            "What is recommended",
            f"{seeds}. Coverage: the share of all rated items that is in some list; for the lists of the first "
            f"{FIRST_USERS:,} users, of all listed items. Mean popularity: train positives of a recommended item.",
            rows,
            lists,
        ),
    ]


def _means(title: str, note: str, rows: Sequence[Row], shown: Mapping[str, str]) -> Section:
    """Return a table of means alone; `shown` maps metrics to heads."""
    by_name = {(row.model, row.metric): row.mean for row in rows}
    lines = [["model", *shown.values()]]
    for model in dict.fromkeys(row.model for row in rows):
        means = [by_name[model, metric] for metric in shown]
        lines.append([model, *(f"{mean:.4f}" if mean < 1 else f"{mean:.1f}" for mean in means)])
    return Section(title, note, lines)


def comparison(measured: Sequence[Values]) -> Section:
    """Return which models differ: paired t tests over users of means over seeds."""
    comparisons = ablation.compare(measured, study.HEADLINE)
    note = f"Paired t tests over users, Holm over {len(comparisons)} pairs and metrics, level .05."
    lines = ablation.cells_of(measured, comparisons, study.HEADLINE)
    return Section("Comparison", note, lines, left=2 + len(study.HEADLINE))
