"""Plots of the settings of any study: measures by the length of the list, and over the parameters of a sweep.

Captions and alternative texts are computed from what is drawn.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mfjax.reports.figures import Plot, Theme
from mfjax.reports.line_plots import Drawn, Line, Panel, line_plot
from mfjax.studies.findings import Results
from mfjax.studies.judging import is_error
from mfjax.studies.settings import shown
from mfjax.studies.tables import Row

MOST_LINES = 12
"""Settings that a plot shows: the best ones."""


def leading(results: Results, measure: str) -> tuple[list[str], str]:
    """Return the settings with the greatest means, in the order of the study, and a sentence where some are left out.

    The order is that of the study so that a setting has the same colour in every plot.
    """
    means = results.means()[:, :, results.measures.index(measure)].mean(1)
    best = sorted(np.argsort(-means, kind="stable")[:MOST_LINES].tolist())
    left_out = f" Shown are the {MOST_LINES} settings of the greatest {measure} of {len(means)}."
    return [str(results.settings[place]) for place in best], left_out if len(best) < len(means) else ""


def by_length(results: Results, rows: Sequence[Row]) -> list[Plot]:
    """Return every metric against the length of the list, k on a logarithmic axis, with intervals."""
    ks = sorted(set(results.cutoffs))
    asked = dict.fromkeys(measure.partition("@")[0] for measure in results.measures)
    metrics = [name for name in asked if all(f"{name}@{k}" in results.measures for k in ks)]
    if len(ks) < 2 or not metrics:
        return []
    by_name = {(row.model, row.metric): row for row in rows}
    first, last = (f"{metrics[0]}@{k}" for k in (ks[0], ks[-1]))
    names, left_out = leading(results, last)
    panels = []
    for metric in metrics:
        lines = [line_of(name, ks, [by_name[name, f"{metric}@{k}"] for k in ks]) for name in names]
        panels.append(Panel(f"{metric}@k", "k, length of the list", lines, log="x", ticks={k: str(k) for k in ks}))
    greatest = max(names, key=lambda name: by_name[name, last].mean)
    caption = (
        f"{', '.join(metrics)} by the length of the list, means over users with 95 % intervals as vertical lines. No "
        f"setting has a greater {last} than {greatest}, {by_name[greatest, last].mean:.4f}; its {first} is "
        f"{by_name[greatest, first].mean:.4f}.{left_out}"
    )
    return [line_plot("by_length", "By length of the list", panels, caption)]


def line_of(name: str, x: Sequence[float], rows: Sequence[Any], drawn: Drawn = "line") -> Line:
    """Return a series of means with their intervals, of rows or buckets."""
    return Line(name, x, [row.mean for row in rows], [row.low for row in rows], [row.high for row in rows], drawn)


def sweeps(results: Results, rows: Sequence[Row]) -> list[Plot]:
    """Return the first measure over the settings of every sweep: a line for one parameter, heat maps for more.

    Settings of several parameters that make no grid, such as the default and the best of a search, have no plot here.
    """
    by_name = {row.model: row for row in rows if row.metric == results.measures[0]}
    plots = []
    for model in dict.fromkeys(setting.model for setting in results.settings if setting.swept):
        found = [(setting, by_name[str(setting)]) for setting in results.settings if setting.model == model]
        names = found[0][0].swept
        points = {tuple(dict(setting.parameters)[name] for name in names): row for setting, row in found}
        values = [set(of_name) for of_name in zip(*points, strict=True)]
        if 1 < len(points) == math.prod(map(len, values)):
            plots.append((_line if len(names) == 1 else _heat_maps)(model, names, points))
    return plots


Points = Mapping[tuple[float, ...], Row]
"""Values of the parameters of a sweep -> what was measured there."""


def _best(names: Sequence[str], points: Points) -> tuple[Row, str]:
    """Return the best, and where it is in words."""
    least = is_error(next(iter(points.values())).metric)
    best = (min if least else max)(points, key=lambda point: points[point].mean)
    where = " and ".join(f"{name} {shown(value)}" for name, value in zip(names, best, strict=True))
    return points[best], f"The {'least' if least else 'greatest'} is {points[best].mean:.4f} at {where}"


def _line(model: str, names: Sequence[str], points: Points) -> Plot:
    x, rows = [float(value) for (value,) in sorted(points)], [points[point] for point in sorted(points)]
    metric, wide = rows[0].metric, x[0] > 0 and x[-1] / x[0] >= 10
    best, said = _best(names, points)
    inside = sum(row.low <= best.mean <= row.high for row in rows) - 1
    caption = (
        f"{metric} of {model} over {len(x)} values of {names[0]} from {shown(x[0])} to {shown(x[-1])}, mean over users "
        f"with its 95 % interval. {said}; "
        f"{inside or 'no'} other {'value has' if inside == 1 else 'values have'} an interval that holds it."
    )
    ticks = {value: shown(value) for value in x} if wide else {}
    panel = Panel(metric, f"{names[0]} of {model}", [line_of(model, x, rows)], log="x" if wide else "", ticks=ticks)
    return line_plot(f"sweep-{model}-{names[0]}", f"{model} by {names[0]}", [panel], caption)


def _heat_maps(model: str, names: Sequence[str], points: Points) -> Plot:
    """Return a heat map of the last two parameters, one for every combination of the others."""
    *outer, up, across = (sorted(set(values)) for values in zip(*points, strict=True))
    panels, means = list(itertools.product(*outer)), [row.mean for row in points.values()]
    columns = min(len(panels), 3)
    lines = math.ceil(len(panels) / columns)
    best, said = _best(names, points)

    def draw(figure: Figure, theme: Theme) -> None:
        scale = ScalarMappable(Normalize(min(means), max(means)), theme.sequential)
        places = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis, fixed in zip(places, panels, strict=False):
            grid = np.array([[points[*fixed, y, x].mean for x in across] for y in up])
            axis.imshow(grid, norm=scale.norm, cmap=scale.cmap, aspect="auto")
            for (row, column), value in np.ndenumerate(grid):
                light = np.array([0.299, 0.587, 0.114]) @ scale.to_rgba(value)[:3] > 0.5
                ink = "black" if light else "white"
                axis.text(column, row, f"{value:.4f}", ha="center", va="center", color=ink, fontsize=9)
            axis.set_xticks(range(len(across)), map(shown, across))
            axis.set_yticks(range(len(up)), map(shown, up))
            axis.set(xlabel=names[-1], ylabel=names[-2])
            title = ", ".join(f"{name} {shown(value)}" for name, value in zip(names, fixed, strict=False))
            axis.set_title(title, fontsize=10)
            axis.grid(False)
        for axis in places[len(panels) :]:
            axis.set_axis_off()
        figure.colorbar(scale, ax=list(places), label=best.metric).outline.set_visible(False)

    axes = zip(names, (*outer, up, across), strict=True)
    over = " and ".join(f"{name} ({', '.join(map(shown, values))})" for name, values in axes)
    caption = f"{best.metric} of {model} over {over}, mean over users. {said}."
    alt = f"Heat map: {best.metric} of {model} by {' and '.join(names)}, {min(means):.4f} to {max(means):.4f}. {said}."
    size = (2.0 + columns * (0.8 + 0.75 * len(across)), 0.8 + lines * (1.0 + 0.5 * len(up)))
    return Plot(f"sweep-{model}-{'-'.join(names)}", f"{model} by {' and '.join(names)}", caption, alt, size, draw)
