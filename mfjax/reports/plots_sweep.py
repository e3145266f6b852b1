"""One metric over the settings of a sweep: a line with its interval for one parameter, heat maps for more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mfjax.files import atomic_path
from mfjax.search import sweep
from mfjax.studies.ablation import label
from mfjax.studies.results import Row


def draw(model: str, axes: Mapping[str, Sequence[float]], rows: Sequence[Row], metric: str, path: Path) -> None:
    """Write the metric over the settings as a PNG.

    One parameter gives a line, two a heat map, and every further combination a heat map of its own.

    Args:
        model: whose sweep it is.
        axes: parameter -> values.
        rows: with one of `metric` for every setting.
        metric: such as "ndcg@10".
        path: of the PNG.
    """
    by_model = {row.model: row for row in rows if row.metric == metric}
    found = [by_model[label(model, point)] for point in sweep.grid(axes)]
    # Agg draws without a display.
    if len(axes) == 1:
        figure = _line(*next(iter(axes.items())), found)
    else:
        figure = _heat_maps(axes, np.array([row.mean for row in found]))
    figure.suptitle(f"{model}: {metric}")
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=150)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _line(name: str, values: Sequence[float], rows: Sequence[Row]) -> Figure:
    figure = _figure(5.6, 3.8)
    axes, order = figure.subplots(), np.argsort(values)
    x = np.asarray(values)[order]
    mean, low, high = (np.array([getattr(row, field) for row in rows])[order] for field in ("mean", "low", "high"))
    axes.fill_between(x, low, high, alpha=0.2, linewidth=0, label="95 % interval over users")
    axes.plot(x, mean, marker="o", label="mean over seeds and users")
    if _spans_decades(values):
        axes.set_xscale("log")
    axes.set_xlabel(name)
    axes.legend(frameon=False)
    return figure


def _heat_maps(axes: Mapping[str, Sequence[float]], means: np.ndarray) -> Figure:
    names = list(axes)
    *outer, rows, columns = names
    panels = sweep.grid({name: axes[name] for name in outer})
    means = means.reshape(len(panels), len(axes[rows]), len(axes[columns]))
    width = 1.2 + 0.8 * len(axes[columns])
    figure = _figure(max(width * len(panels) + 1.0, 4.0), 1.4 + 0.6 * len(axes[rows]))
    scale = ScalarMappable(Normalize(means.min(), means.max()), "viridis")
    for plot, panel, values in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, means, strict=True):
        plot.imshow(values, norm=scale.norm, cmap=scale.cmap, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            bright = value > (means.min() + means.max()) / 2
            plot.text(column, row, f"{value:.4f}", ha="center", va="center", color="black" if bright else "white")
        plot.set_xticks(range(len(axes[columns])), [f"{value:g}" for value in axes[columns]])
        plot.set_yticks(range(len(axes[rows])), [f"{value:g}" for value in axes[rows]])
        plot.set_xlabel(columns)
        plot.set_ylabel(rows)
        if panel:
            plot.set_title(", ".join(f"{name} = {value:g}" for name, value in panel.items()), fontsize="medium")
    figure.colorbar(scale, ax=figure.axes)
    return figure


def _spans_decades(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) >= 10
