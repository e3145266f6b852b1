"""Plots of the settings of any study: measures by the length of the list, and over the parameters of a sweep.

Captions, which are the alternative texts too, are computed from what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mfjax.reports.figures import Plot, Theme
from mfjax.studies.findings import Results
from mfjax.studies.judging import RATING_MEASURES
from mfjax.studies.results import Row
from mfjax.studies.settings import Setting, shown

MOST_LINES = 12
"""Settings that a plot of lines shows: the best ones."""
MARKERS = "os^Dv*"
"""A second sign of a line besides its colour."""


def by_length(results: Results, rows: Sequence[Row]) -> list[Plot]:
    """Return every metric against the length of the list, k on a logarithmic axis, with intervals."""
    ks = sorted(set(results.cutoffs))
    asked = dict.fromkeys(measure.partition("@")[0] for measure in results.measures)
    metrics = [name for name in asked if all(f"{name}@{k}" in results.measures for k in ks)]
    if len(ks) < 2 or not metrics:
        return []
    by_name = {(row.model, row.metric): row for row in rows}
    order = sorted(map(str, results.settings), key=lambda name: -by_name[name, f"{metrics[0]}@{ks[-1]}"].mean)
    best = order[:MOST_LINES]

    def draw(figure: Figure, theme: Theme) -> None:
        for axis, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
            for place, name in enumerate(best):
                found = [by_name[name, f"{metric}@{k}"] for k in ks]
                tint, second = theme.genres[place % len(theme.genres)], place >= len(theme.genres)
                means = np.array([row.mean for row in found])
                # Beside each other, so that every interval can be seen.
                x = np.array(ks) * 1.025 ** (place - (len(best) - 1) / 2)
                axis.vlines(x, [row.low for row in found], [row.high for row in found], color=tint, lw=1.2, alpha=0.6)
                marker = MARKERS[place % len(MARKERS)]
                axis.plot(x, means, "--" if second else "-", color=tint, marker=marker, markersize=4, label=name)
            axis.set_xscale("log")
            axis.set_xticks(ks, [str(k) for k in ks], minor=False)
            axis.minorticks_off()
            axis.set_xlabel("k, length of the list")
            axis.set_title(f"{metric}@k")
        figure.legend(*axis.get_legend_handles_labels(), loc="outside right upper")

    first, last = (f"{metrics[0]}@{k}" for k in (ks[0], ks[-1]))
    greatest = best[0]
    caption = (
        f"Lines: {', '.join(metrics)} by the length of the list from {ks[0]} to {ks[-1]}, means over users with 95 % "
        f"intervals as vertical lines. No setting has a greater {last} than {greatest}, "
        f"{by_name[greatest, last].mean:.4f}; its {first} is {by_name[greatest, first].mean:.4f}."
    )
    if len(order) > len(best):
        caption += f" Shown are the {MOST_LINES} settings of the greatest {last} of {len(order)}."
    width = 1.2 + 0.09 * max(map(len, best)) + 3.4 * len(metrics)
    return [Plot("by_length", "By length of the list", caption, (width, max(3.8, 0.6 + 0.22 * len(best))), draw)]


def sweeps(results: Results, rows: Sequence[Row]) -> list[Plot]:
    """Return the first measure over the settings of every sweep: a line for one parameter, heat maps for more."""
    measure = results.measures[0]
    by_name = {row.model: row for row in rows if row.metric == measure}
    plots = []
    for model in dict.fromkeys(setting.model for setting in results.settings if setting.swept):
        settings = [setting for setting in results.settings if setting.model == model]
        found = [by_name[str(setting)] for setting in settings]
        draw = _line if len(settings[0].swept) == 1 else _heat_maps
        if len(settings) > 1:
            plots.append(draw(model, settings, found))
    return plots


def _best(settings: Sequence[Setting], rows: Sequence[Row]) -> tuple[int, str]:
    """Return the place of the best setting, and which it is in words."""
    least = rows[0].metric in RATING_MEASURES
    means = [row.mean for row in rows]
    best = int(np.argmin(means) if least else np.argmax(means))
    values = dict(settings[best].parameters)
    where = " and ".join(f"{name} {shown(values[name])}" for name in settings[best].swept)
    return best, f"The {'least' if least else 'greatest'} is {means[best]:.4f} at {where}"


def _line(model: str, settings: Sequence[Setting], rows: Sequence[Row]) -> Plot:
    parameter = settings[0].swept[0]
    values = np.array([dict(setting.parameters)[parameter] for setting in settings], float)
    order = np.argsort(values)
    x, found = values[order], [rows[place] for place in order]
    best, said = _best(settings, rows)
    inside = sum(row.low <= rows[best].mean <= row.high for row in rows) - 1

    def draw(figure: Figure, theme: Theme) -> None:
        axis = figure.subplots()
        axis.fill_between(
            x, [row.low for row in found], [row.high for row in found], color=theme.genres[0], alpha=0.15, lw=0
        )
        axis.plot(x, [row.mean for row in found], "o-", color=theme.genres[0])
        if x[0] > 0 and x[-1] / x[0] >= 10:
            axis.set_xscale("log")
            axis.minorticks_off()
            axis.set_xticks(x, [shown(value) for value in x], minor=False)
        axis.set_xlabel(f"{parameter} of {model}")
        axis.set_title(found[0].metric)

    caption = (
        f"{found[0].metric} of {model} over {len(x)} values of {parameter} from {shown(x[0])} to {shown(x[-1])}, mean "
        f"over users with its 95 % interval. {said}; "
        f"{inside or 'no'} other {'value has' if inside == 1 else 'values have'} an interval that holds it."
    )
    return Plot(_file(f"sweep-{model}-{parameter}"), f"{model} by {parameter}", caption, (6.4, 3.6), draw)


def _heat_maps(model: str, settings: Sequence[Setting], rows: Sequence[Row]) -> Plot:
    """Return a heat map of the last two parameters, one for every combination of the others."""
    names = settings[0].swept
    axes = [sorted({dict(setting.parameters)[name] for setting in settings}) for name in names]
    grid = np.full([len(axis) for axis in axes], np.nan)
    for setting, row in zip(settings, rows, strict=True):
        values = dict(setting.parameters)
        grid[tuple(axis.index(values[name]) for name, axis in zip(names, axes, strict=True))] = row.mean
    panels = grid.reshape(-1, *grid.shape[-2:])
    outer = [np.unravel_index(panel, grid.shape[:-2]) for panel in range(len(panels))]
    _, said = _best(settings, rows)

    def draw(figure: Figure, theme: Theme) -> None:
        scale = ScalarMappable(Normalize(grid.min(), grid.max()), theme.sequential)
        columns = min(len(panels), 3)
        places = figure.subplots(math.ceil(len(panels) / columns), columns, squeeze=False).ravel()
        for axis, values, at in zip(places, panels, outer, strict=False):
            axis.grid(False)
            axis.imshow(values, norm=scale.norm, cmap=scale.cmap, aspect="auto")
            for (row, column), value in np.ndenumerate(values):
                red, green, blue, _ = scale.to_rgba(value)
                ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
                axis.text(column, row, f"{value:.4f}", ha="center", va="center", color=ink, fontsize=9)
            axis.set_xticks(range(len(axes[-1])), [shown(value) for value in axes[-1]])
            axis.set_yticks(range(len(axes[-2])), [shown(value) for value in axes[-2]])
            axis.set_xlabel(names[-1])
            axis.set_ylabel(names[-2])
            fixed = zip(names, axes, at, strict=False)
            axis.set_title(", ".join(f"{name} {shown(axis_[place])}" for name, axis_, place in fixed), fontsize=10)
        for axis in places[len(panels) :]:
            axis.set_axis_off()
        figure.colorbar(scale, ax=list(places), label=rows[0].metric)

    over = " and ".join(f"{name} ({', '.join(map(shown, axis))})" for name, axis in zip(names, axes, strict=True))
    caption = f"Heat map: {rows[0].metric} of {model} over {over}, from {grid.min():.4f} to {grid.max():.4f}. {said}."
    columns = min(len(panels), 3)
    size = (
        2.0 + columns * (0.8 + 0.75 * len(axes[-1])),
        0.8 + math.ceil(len(panels) / columns) * (1.0 + 0.5 * len(axes[-2])),
    )
    return Plot(_file(f"sweep-{model}-{'-'.join(names)}"), f"{model} by {' and '.join(names)}", caption, size, draw)


def _file(name: str) -> str:
    """Return a name of a file: of any model's name."""
    return "".join(letter if letter.isalnum() or letter in "-_.+" else "_" for letter in name)
