"""The page of any study: its table, intervals by length of the list, sweeps, and which differences are real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mfjax.reports import page
from mfjax.reports.plots_settings import by_length, sweeps
from mfjax.reports.sections import Section
from mfjax.studies.findings import Results
from mfjax.studies.judging import RATING_MEASURES
from mfjax.studies.results import Row
from mfjax.studies.sentences import comparisons, sampled_warning


def write(
    folder: str | Path,
    results: Results,
    *,
    title: str = "Recommenders",
    told: str = "",
    compared: Sequence[str] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> Path:
    """Write `report.html` and its plots into a folder, and return the path of the page.

    Args:
        folder: made where it is not there.
        results: of `studies.run`.
        title: the heading.
        told: a paragraph below it, such as `sentences.about` returns.
        compared: lines of `sentences.comparisons`; None for those of the first measure, empty for none.
        manifest: what the study can be repeated from, or None.
    """
    rows = results.rows()
    measure = results.measures[0]
    best = str(results.best(measure))
    row = next(row for row in rows if (row.model, row.metric) == (best, measure))
    tiles = {
        f"{measure} of {best} [95 % interval]": f"{row.mean:.4f} [{row.low:.4f}, {row.high:.4f}]",
        "users judged": f"{len(results.users):,}",
        "settings": str(len(results.settings)),
        "seeds": str(len(results.seeds)),
    }
    if compared is None:
        compared = comparisons(results) if len(results.settings) > 1 and len(results.users) > 1 else []
    path = Path(folder) / "report.html"
    page.write(
        path,
        title=title,
        about=[*([told] if told else []), *([sampled_warning(results)] if results.lists else [])],
        tiles=tiles,
        sections=[_models(results, rows), *_pooled(results, rows), *([_differences(compared)] if compared else [])],
        plots=[*by_length(results, rows), *sweeps(results, rows)],
        manifest=manifest or {},
        best="",
    )
    return path


def _models(results: Results, rows: Sequence[Row]) -> Section:
    by_name = {(row.model, row.metric): row for row in rows}
    lines = [["model", *results.measures]]
    for setting in map(str, results.settings):
        found = [by_name[setting, name] for name in results.measures]
        lines.append([setting, *(f"{row.mean:.4f} [{row.low:.4f}, {row.high:.4f}]" for row in found)])
    marked = [
        (1 + results.settings.index(results.best(name)), 1 + column) for column, name in enumerate(results.measures)
    ]
    seeds = f"Mean over {len(results.seeds)} seeds" if len(results.seeds) > 1 else "One seed"
    errors = [name for name in results.measures if name in RATING_MEASURES]
    best = "The best of each column is bold" + (f", of {' and '.join(errors)} the least" if errors else "")
    several = len(results.settings) > 1
    note = f"{seeds} [95 % interval over users].{f' {best}.' if several else ''}"
    return Section("Models", note, lines, best=frozenset(marked if several else ()))


def _pooled(results: Results, rows: Sequence[Row]) -> list[Section]:
    """Return what the lists look like, where items were ranked."""
    k = results.cutoffs[0]
    shown = {f"coverage@{k}": "coverage", f"gini@{k}": "Gini", f"mean_popularity@{k}": "mean popularity"}
    shown = {name: head for name, head in shown.items() if name in results.pooled}
    if not shown:
        return []
    means = {(row.model, row.metric): row.mean for row in rows}
    lines = [["model", *(f"{head}@{k}" for head in shown.values())]]
    for setting in map(str, results.settings):
        cells = [means[setting, name] for name in shown]
        lines.append([setting, *(f"{mean:.4f}" if mean < 1 else f"{mean:,.1f}" for mean in cells)])
    note = (
        "Coverage: the share of all items that are in at least one list. Gini: 0 where all items are listed equally "
        "often, 1 where only one is. Mean popularity: the number of train interactions of a listed item, on average."
    )
    return [Section("What is recommended", note, lines)]


def _differences(compared: Sequence[str]) -> Section:
    head, *lines = (line.strip() for line in compared)
    cells = [line.partition(" differs from ")[::2] for line in lines]
    return Section("Differences", f"{head}.", [["model", "differs from"], *map(list, cells)], left=2)
