"""Plots of the settings of any study: measures by the length of the list, and over the parameters of a sweep.

Captions and alternative texts are computed from what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mfjax.reports.figures import Plot, Theme
from mfjax.reports.line_plots import Drawn, Line, Panel, line_plot
from mfjax.studies.findings import Results
from mfjax.studies.judging import is_error
from mfjax.studies.settings import Setting, shown
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
    least = is_error(rows[0].metric)
    means = [row.mean for row in rows]
    best = int(np.argmin(means) if least else np.argmax(means))
    values = dict(settings[best].parameters)
    where = " and ".join(f"{name} {shown(values[name])}" for name in settings[best].swept)
    return best, f"The {'least' if least else 'greatest'} is {means[best]:.4f} at {where}"


def _line(model: str, settings: Sequence[Setting], rows: Sequence[Row]) -> Plot:
    parameter, metric = settings[0].swept[0], rows[0].metric
    found = sorted(
        zip([dict(one.parameters)[parameter] for one in settings], rows, strict=True), key=lambda one: one[0]
    )
    x, ordered = [float(value) for value, _ in found], [row for _, row in found]
    wide = x[0] > 0 and x[-1] / x[0] >= 10
    best, said = _best(settings, rows)
    inside = sum(row.low <= rows[best].mean <= row.high for row in rows) - 1
    caption = (
        f"{metric} of {model} over {len(x)} values of {parameter} from {shown(x[0])} to {shown(x[-1])}, mean over "
        f"users with its 95 % interval. {said}; "
        f"{inside or 'no'} other {'value has' if inside == 1 else 'values have'} an interval that holds it."
    )
    ticks = {value: shown(value) for value in x} if wide else {}
    panel = Panel(metric, f"{parameter} of {model}", [line_of(model, x, ordered)], log="x" if wide else "", ticks=ticks)
    return line_plot(f"sweep-{model}-{parameter}", f"{model} by {parameter}", [panel], caption)


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
    columns = min(len(panels), 3)
    lines = math.ceil(len(panels) / columns)

    def draw(figure: Figure, theme: Theme) -> None:
        scale = ScalarMappable(Normalize(grid.min(), grid.max()), theme.sequential)
        places = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis, values, at in zip(places, panels, outer, strict=False):
            axis.grid(False)
            axis.imshow(values, norm=scale.norm, cmap=scale.cmap, aspect="auto")
            for (row, column), value in np.ndenumerate(values):
                light = np.array([0.299, 0.587, 0.114]) @ scale.to_rgba(value)[:3] > 0.5
                ink = "black" if light else "white"
                axis.text(column, row, f"{value:.4f}", ha="center", va="center", color=ink, fontsize=9)
            axis.set_xticks(range(len(axes[-1])), [shown(value) for value in axes[-1]])
            axis.set_yticks(range(len(axes[-2])), [shown(value) for value in axes[-2]])
            axis.set(xlabel=names[-1], ylabel=names[-2])
            fixed = zip(names, axes, at, strict=False)
            axis.set_title(", ".join(f"{name} {shown(axis_[place])}" for name, axis_, place in fixed), fontsize=10)
        for axis in places[len(panels) :]:
            axis.set_axis_off()
        figure.colorbar(scale, ax=list(places), label=rows[0].metric).outline.set_visible(False)

    over = " and ".join(f"{name} ({', '.join(map(shown, axis))})" for name, axis in zip(names, axes, strict=True))
    best, said = _best(settings, rows)
    caption = f"{rows[0].metric} of {model} over {over}, mean over users. {said}."
    worst = max(range(len(rows)), key=lambda place: abs(rows[place].mean - rows[best].mean))
    alt = (
        f"Heat map of {rows[0].metric}, from {grid.min():.4f} to {grid.max():.4f}: best {settings[best]}, "
        f"worst {settings[worst]}."
    )
    size = (2.0 + columns * (0.8 + 0.75 * len(axes[-1])), 0.8 + lines * (1.0 + 0.5 * len(axes[-2])))
    return Plot(f"sweep-{model}-{'-'.join(names)}", f"{model} by {' and '.join(names)}", caption, alt, size, draw)
