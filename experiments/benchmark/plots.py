"""The figures of the benchmark: seconds a sweep against interactions and against dim, and loss against seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.benchmark.tasks import Timing
from mfjax.files import atomic_path


def write(folder: Path, lines: Sequence[Timing], sizes: dict[str, int]) -> list[Path]:
    """Write the figures for which there is something to draw, and return their paths.

    Args:
        folder: where to.
        lines: the rows of the benchmark.
        sizes: name of the data -> number of interactions.
    """
    sweeps = [line for line in lines if line.task == "sweep"]
    written = []
    if len({line.data for line in sweeps}) > 1:
        written.append(
            _against(folder / "time_by_interactions.png", sweeps, lambda line: sizes[line.data], "interactions")
        )
    if len({line.dim for line in sweeps}) > 1:
        written.append(_against(folder / "time_by_dim.png", sweeps, lambda line: line.dim, "dim"))
    curves = [line for line in lines if line.curves]
    return written + [_curves(folder / f"loss_{line.data}_{line.dim}.png", line) for line in curves]


def _against(path: Path, lines: Sequence[Timing], x: Callable[[Timing], float], label: str) -> Path:
    """Draw seconds a sweep, one line a contestant and a panel for every value of what else differs."""
    other = (lambda line: f"dim {line.dim}") if label == "interactions" else (lambda line: line.data)
    panels = list(dict.fromkeys(map(other, lines)))
    figure = Figure(figsize=(5.2 * len(panels), 4.2), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        series: dict[str, list[tuple[float, float]]] = {}
        for line in [line for line in lines if other(line) == panel]:
            for name, seconds in {f"mfjax {line.solver}": line.warm_s, **line.peers}.items():
                series.setdefault(name, []).append((x(line), seconds))
        for name, points in series.items():
            _draw(axes, name, sorted(set(points)))
        axes.set(title=panel, xlabel=label, ylabel="seconds a sweep", xscale="log", yscale="log")
        axes.legend(fontsize=8)
    return _save(figure, path)


def _draw(axes: Axes, name: str, points: Sequence[tuple[float, float]]) -> None:
    own = name.startswith("mfjax")
    axes.plot(*zip(*points, strict=True), "o-" if own else "s--", linewidth=2 if own else 1, markersize=4, label=name)


def _curves(path: Path, line: Timing) -> Path:
    """Draw how far each contestant's loss is above the lowest of all, against the seconds spent in sweeps."""
    lowest = min(loss for curve in line.curves.values() for _, loss in curve)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve in line.curves.items():
        _draw(axes, name, [(seconds, max(loss / lowest - 1.0, 1e-6)) for seconds, loss in curve])
    axes.axhline(1e-3, color="grey", linewidth=1, linestyle=":")
    axes.set(title=f"{line.data}, dim {line.dim}", xlabel="seconds of sweeps, after compilation")
    axes.set(ylabel="loss above the lowest, relative", xscale="log", yscale="log")
    axes.legend(fontsize=8)
    return _save(figure, path)


def _save(figure: Figure, path: Path) -> Path:
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=120)
    return path
