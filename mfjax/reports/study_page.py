"""The page of any study: its table, intervals by length of the list, sweeps, and which differences are real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfjax.data.datasets import Dataset
from mfjax.reports import page
from mfjax.reports.figures import Plot, Theme
from mfjax.reports.sections import Section
from mfjax.studies.findings import Results
from mfjax.studies.protocols import Tasks
from mfjax.studies.results import Row
from mfjax.studies.sentences import sampled_warning

MOST_LINES = 12
"""Settings that a plot shows: the best ones."""


def about(dataset: Dataset, tasks: Tasks, protocol: str) -> str:
    """Return the sizes of a study in words."""
    parts = [f"{len(tasks.test)} tests" if len(tasks.test) > 1 else "one test"]
    train, hidden = (sum(len(part) for part in of) for of in _parts(tasks))
    judged = len(set(np.concatenate([task.hidden.users for task in tasks.test]).tolist()))
    first = tasks.test[0].train
    return (
        f"{dataset.name}: {len(dataset.interactions):,} interactions. {protocol}, {parts[0]}: {train:,} train and "
        f"{hidden:,} hidden rows of {first.num_users:,} users and {first.num_items:,} items; {judged:,} users are "
        "judged."
    )


def _parts(tasks: Tasks) -> tuple[list[Any], list[Any]]:
    return [task.train for task in tasks.test], [task.hidden for task in tasks.test]


def write(folder: Path, results: Results, manifest: Mapping[str, Any], *, told: str, compared: Sequence[str]) -> Path:
    """Write `report.html` and its plots into a folder, and return the path of the page."""
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
    sections = [_models(results, rows), *_pooled(results, rows)]
    if compared:
        sections.append(_differences(compared))
    path = folder / "report.html"
    page.write(
        path,
        title=f"Recommenders on {manifest['data']['name']}",
        about=[told, *([sampled_warning(results)] if results.lists else [])],
        tiles=tiles,
        sections=sections,
        plots=[*_by_length(results, rows), *_sweeps(results, rows)],
        manifest=manifest,
        best=best,
    )
    return path


def _models(results: Results, rows: Sequence[Row]) -> Section:
    by_name = {(row.model, row.metric): row for row in rows}
    lines = [["model", *results.measures]]
    for setting in map(str, results.settings):
        found = [by_name[setting, name] for name in results.measures]
        lines.append([setting, *(f"{row.mean:.4f} [{row.low:.4f}, {row.high:.4f}]" for row in found)])
    seeds = f"Mean over {len(results.seeds)} seeds" if len(results.seeds) > 1 else "One seed"
    return Section("Models", f"{seeds} [95 % interval over users].", lines)


def _pooled(results: Results, rows: Sequence[Row]) -> list[Section]:
    """Return what the lists look like, where items were ranked."""
    if not results.pooled:
        return []
    k = results.cutoffs[0]
    shown = {f"coverage@{k}": "coverage", f"gini@{k}": "Gini", f"mean_popularity@{k}": "mean popularity"}
    shown = {name: head for name, head in shown.items() if name in results.pooled}
    means = {(row.model, row.metric): row.mean for row in rows}
    lines = [["model", *(f"{head}@{k}" for head in shown.values())]]
    for setting in map(str, results.settings):
        cells = [means[setting, name] for name in shown]
        lines.append([setting, *(f"{mean:.4f}" if mean < 1 else f"{mean:,.1f}" for mean in cells)])
    note = (
        "Coverage: the share of the items that is in some list. Gini: 0 where all items are listed alike, 1 where one "
        "is. Mean popularity: train interactions of a listed item."
    )
    return [Section("What is recommended", note, lines)]


def _differences(compared: Sequence[str]) -> Section:
    head, *lines = (line.strip() for line in compared)
    cells = [line.partition(" differs from ")[::2] for line in lines]
    return Section(
        "Differences", f"{head[0].upper()}{head[1:]}.", [["model", "differs from"], *map(list, cells)], left=2
    )


def _by_length(results: Results, rows: Sequence[Row]) -> list[Plot]:
    """Return every metric against the length of the list, k on a logarithmic axis, with intervals."""
    ks = sorted(results.cutoffs)
    metrics = [
        name
        for name in dict.fromkeys(measure.partition("@")[0] for measure in results.measures)
        if all(f"{name}@{k}" in results.measures for k in ks)
    ]
    if len(ks) < 2 or not metrics:
        return []
    by_name = {(row.model, row.metric): row for row in rows}
    order = sorted(map(str, results.settings), key=lambda name: -by_name[name, f"{metrics[0]}@{ks[-1]}"].mean)
    shown = order[:MOST_LINES]

    def draw(figure: Figure, theme: Theme) -> None:
        for axis, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
            for place, name in enumerate(shown):
                found = [by_name[name, f"{metric}@{k}"] for k in ks]
                tint = theme.genres[place % len(theme.genres)]
                style = "-" if place < len(theme.genres) else "--"
                axis.fill_between(
                    ks, [row.low for row in found], [row.high for row in found], color=tint, alpha=0.15, lw=0
                )
                axis.plot(ks, [row.mean for row in found], style, color=tint, marker="o", markersize=4, label=name)
            axis.set_xscale("log")
            axis.set_xticks(ks, [str(k) for k in ks], minor=False)
            axis.minorticks_off()
            axis.set_xlabel("k, length of the list")
            axis.set_title(f"{metric}@k")
        figure.legend(*axis.get_legend_handles_labels(), loc="outside right upper")

    left = f" The {MOST_LINES} best of {len(order)} settings." if len(order) > MOST_LINES else ""
    caption = f"Means over users with 95 % intervals; {shown[0]} has the greatest {metrics[0]}@{ks[-1]}.{left}"
    return [Plot("by_length", "By length of the list", caption, (3.2 + 3.6 * len(metrics), 3.8), draw)]


def _sweeps(results: Results, rows: Sequence[Row]) -> list[Plot]:
    """Return the first measure against each parameter that is swept alone."""
    by_name = {(row.model, row.metric): row for row in rows}
    plots = []
    for model in dict.fromkeys(setting.model for setting in results.settings if len(setting.swept) == 1):
        settings = [setting for setting in results.settings if setting.model == model]
        parameter = settings[0].swept[0]
        points = sorted((dict(one.parameters)[parameter], by_name[str(one), results.measures[0]]) for one in settings)
        plots.append(_sweep(model, parameter, [x for x, _ in points], [row for _, row in points]))
    return plots


def _sweep(model: str, parameter: str, values: Sequence[float], rows: Sequence[Row]) -> Plot:
    best = int(np.argmax([row.mean for row in rows]))

    def draw(figure: Figure, theme: Theme) -> None:
        axis = figure.subplots()
        axis.fill_between(
            values, [row.low for row in rows], [row.high for row in rows], color=theme.genres[0], alpha=0.15
        )
        axis.plot(values, [row.mean for row in rows], "o-", color=theme.genres[0])
        if min(values) > 0 and max(values) / min(values) >= 10:
            axis.set_xscale("log")
        axis.set_xlabel(f"{parameter} of {model}")
        axis.set_title(rows[0].metric)

    name = f"sweep-{model}-{parameter}"
    caption = f"Mean over users with its 95 % interval; the greatest is {rows[best].mean:.4f} at {values[best]:g}."
    return Plot(name, f"{model} by {parameter}", caption, (6.0, 3.6), draw)
