"""Lines, dots and steps in panels, with intervals: one function draws every such plot of the project."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from mfjax.reports.figures import Plot, Theme, spread

WIDTH, LEAST = 10.8, 3.0
"""Inches of a page, and of a panel without its labels."""
Drawn = Literal["line", "dots", "steps"]


class Line(NamedTuple):
    """One series.

    Attributes:
        name: of the series; it has the same sign in every panel.
        x, y: its points; NaN for none.
        low, high: interval of every y, or empty.
        drawn: a line through the points, dots alone, or a step at every point.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    drawn: Drawn = "line"


class Panel(NamedTuple):
    """One pair of axes.

    Attributes:
        title: what y is.
        x: what x is.
        lines: what is drawn.
        log: "x", "y", "xy" or "": the axes that are logarithmic.
        ticks: places on the x axis -> label; empty for any.
        goal: a y that is marked by a dotted line, or None.
    """

    title: str
    x: str
    lines: Sequence[Line]
    log: str = ""
    ticks: Mapping[Any, str] = {}
    goal: float | None = None


def line_plot(name: str, title: str, panels: Sequence[Panel], caption: str, *, same_y: bool = False) -> Plot:
    """Return the panels as a plot, its alternative text told from the lines.

    Lines have their names at their ends, and other series a legend.

    Args:
        name, title, caption: of the plot.
        panels: what is drawn.
        same_y: whether all panels have one y axis.
    """
    panels = [one._replace(lines=[line for line in one.lines if np.isfinite(line.y).any()]) for one in panels]
    lines = [line for panel in panels for line in panel.lines]
    names = list(dict.fromkeys(line.name for line in lines))
    ends = len(names) > 1 and all(line.drawn == "line" for line in lines)
    beside = 0.35 + 0.08 * max(map(len, names)) if len(names) > 1 else 0.0
    margin, legend = (beside, 0.0) if ends else (0.0, beside)
    rows = math.ceil(len(panels) / max(1, int((WIDTH - legend) / (LEAST + margin))))
    columns = math.ceil(len(panels) / rows)
    width = min((WIDTH - legend) / columns, 5.4 + margin)
    height = max(3.4, 0.9 + 0.19 * len(names) * ends)

    def draw(figure: Figure, theme: Theme) -> None:
        signs = {name: theme.sign(place) for place, name in enumerate(names)}
        places = figure.subplots(rows, columns, squeeze=False, sharey=same_y).ravel()
        for axis, panel in zip(places, panels, strict=False):
            for place, line in enumerate(panel.lines):
                _series(figure, axis, panel, line, place - (len(panel.lines) - 1) / 2, signs[line.name])
            _axes(axis, panel, theme, width - margin - 0.8)
        for axis in places[len(panels) :]:
            axis.set_axis_off()
        # When the limits of all axes are known.
        for axis, panel in zip(places, panels, strict=False):
            if ends:
                _label_ends(axis, panel.lines, signs, 1 / (6 * (height - 0.9)))
        if legend:
            figure.legend(*places[0].get_legend_handles_labels(), loc="outside right upper")

    alt = " ".join([f"{title}.", *map(_told, panels)])
    return Plot(name, title, caption, alt, (width * columns + legend, height * rows), draw)


def _series(figure: Figure, axis: Axes, panel: Panel, line: Line, place: float, sign: Mapping[str, Any]) -> None:
    """Draw one series, whose place is counted from the middle one: beside the others, so that all intervals show."""
    shapes: dict[str, dict[str, Any]] = {
        "line": {"markevery": math.ceil(len(line.x) / 12)},
        "dots": {"linestyle": ""},
        "steps": {"marker": "", "drawstyle": "steps-post"},
    }
    drawn: list[Artist] = [*axis.plot(line.x, line.y, **{**sign, **shapes[line.drawn]}, label=line.name)]
    if len(line.low) and len(panel.lines) == 1:
        axis.fill_between(line.x, line.low, line.high, color=sign["color"], alpha=0.15, lw=0)
    elif len(line.low):
        drawn.append(axis.vlines(line.x, line.low, line.high, color=sign["color"], lw=1.4, alpha=0.7))
        most, room = (8.0, 180 / len(line.x)) if line.drawn == "dots" else (3.0, 16.0)  # points
        points = place * min(most, room / len(panel.lines)) * (len(line.x) > 1)
        for artist in drawn:
            artist.set_transform(axis.transData + ScaledTranslation(points / 72, 0, figure.dpi_scale_trans))


def _axes(axis: Axes, panel: Panel, theme: Theme, inches: float) -> None:
    """Draw what is around the series in a panel that is `inches` wide."""
    axis.set_title(textwrap.fill(panel.title, round(12 * inches)))
    axis.set_xlabel(panel.x)
    if panel.goal is not None:
        axis.axhline(panel.goal, color=theme.muted, linewidth=1, linestyle=":")
    axis.set(**{f"{name}scale": "log" for name in panel.log})
    if panel.ticks:
        values, labels = list(panel.ticks), [*panel.ticks.values()]
        at = axis.get_xaxis().get_transform().transform(np.array(values, float))
        # A tick whose label would run into the next one has none.
        room, shown = 0.028 * (at[-1] - at[0]) * max(len(label.partition("\n")[0]) for label in labels), [len(at) - 1]
        for place in reversed(range(len(at) - 1)):
            if at[shown[-1]] - at[place] >= room:
                shown.append(place)
        axis.set_xticks([values[place] for place in shown], [labels[place] for place in shown])
        axis.minorticks_off()
        if panel.lines[0].drawn == "dots":
            axis.margins(x=0.5 / max(1, len(at) - 1))
    elif "x" not in panel.log and all(float(x).is_integer() for line in panel.lines for x in line.x):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _label_ends(axis: Axes, lines: Sequence[Line], signs: Mapping[str, dict], gap: float) -> None:
    """Write every line's name at its right, led to in its colour, `gap` of the height apart at least."""
    axis.autoscale_view()
    ends = [np.flatnonzero(np.isfinite(line.y))[-1] for line in lines]
    points = np.array([(line.x[end], line.y[end]) for line, end in zip(lines, ends, strict=True)], float)
    inside = axis.transAxes.inverted().transform(axis.transData.transform(points))
    for line, (across, up), place in zip(lines, inside, spread(inside[:, 1].tolist(), gap), strict=True):
        tint = signs[line.name]["color"]
        axis.plot([across, 1.03], [up, place], color=tint, lw=0.8, zorder=1, clip_on=False, transform=axis.transAxes)
        axis.text(1.04, place, line.name, transform=axis.transAxes, va="center", fontsize=9)


def _told(panel: Panel) -> str:
    """Return a panel in words: the points of every series, or where a long one starts and ends, and its range."""
    said = []
    for line in panel.lines:
        known = [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
        words = [f"{y:.4g} at {panel.ticks.get(x, f'{x:.4g}').partition(chr(10))[0]}" for x, y in known]
        if len(known) > 6:
            values = [y for _, y in known]
            words = [f"from {words[0]} to {words[-1]}", f"between {min(values):.4g} and {max(values):.4g}"]
        said.append(f"{line.name} {', '.join(words)}")
    return f"{panel.title or 'Values'} by {panel.x}: {'; '.join(said)}."
