"""The plots of the benchmark: seconds a sweep against interactions and against dim, and loss against seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.benchmark.tasks import GOAL, Timing
from mfjax.reports import figures
from mfjax.reports.figures import Plot
from mfjax.reports.line_plots import Line, Panel, line_plot


def write(folder: Path, lines: Sequence[Timing], sizes: dict[str, int]) -> list[Path]:
    """Write the plots for which there is something to draw, and return their paths.

    Args:
        folder: where to.
        lines: the rows of the benchmark.
        sizes: name of the data -> number of interactions.
    """
    sweeps = [line for line in lines if line.task == "sweep"]
    drawn = []
    if len({line.data for line in sweeps}) > 1:
        drawn.append(
            _against("interactions", sweeps, lambda line: sizes[line.data], panel_of=lambda line: f"dim {line.dim}")
        )
    if len({line.dim for line in sweeps}) > 1:
        drawn.append(_against("dim", sweeps, lambda line: line.dim, panel_of=lambda line: line.data))
    return [figures.write(plot, folder) for plot in [*drawn, *(_curves(line) for line in lines if line.curves)]]


def _against(
    what: str, lines: Sequence[Timing], x: Callable[[Timing], float], *, panel_of: Callable[[Timing], str]
) -> Plot:
    """Draw seconds a sweep, one line a contestant and a panel for every value of what else differs."""
    panels = []
    for title in dict.fromkeys(map(panel_of, lines)):
        series: dict[str, dict[float, float]] = {}
        for line in [line for line in lines if panel_of(line) == title]:
            for name, seconds in {f"mfjax {line.solver}": line.warm_s, **line.peers}.items():
                series.setdefault(name, {})[x(line)] = seconds
        found = [Line(name, sorted(points), [points[at] for at in sorted(points)]) for name, points in series.items()]
        ticks = {at: f"{at:,}" for at in sorted({at for points in series.values() for at in points})}
        panels.append(Panel(f"seconds a sweep, {title}", what, found, log="xy", ticks=ticks))
    caption = f"Median seconds of a sweep of mfjax and its peers by {what}."
    return line_plot(f"time_by_{what}", f"Seconds a sweep by {what}", panels, caption)


def _curves(line: Timing) -> Plot:
    """Draw how far each contestant's loss is above the lowest of all, against the seconds spent in sweeps."""
    lowest = min(loss for curve in line.curves.values() for _, loss in curve)
    found = []
    for name, curve in line.curves.items():
        seconds, losses = zip(*curve, strict=True)
        # The lowest itself has no place on a logarithmic axis.
        found.append(Line(name, seconds, [max(loss / lowest - 1.0, 1e-6) for loss in losses]))
    panel = Panel("loss above the lowest, relative", "seconds of sweeps, after compilation", found, "xy", goal=GOAL - 1)
    caption = (
        f"{line.data}, dim {line.dim}: loss after every sweep; the dotted line is the objective, {GOAL:g} x lowest."
    )
    return line_plot(f"loss_{line.data}_{line.dim}", f"Loss by seconds, {line.data}, dim {line.dim}", [panel], caption)
