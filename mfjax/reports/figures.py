"""Figures in two themes, light and dark, as PNG; and labels that do not run into each other."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 160


@dataclass(frozen=True)
class Theme:
    """Colours of a figure.

    Attributes:
        surface, ink, muted, grid: background, text, secondary text and faint lines.
        colours: sort of models -> colour.
        genres: distinct colours for categories, far apart under protanopia and deuteranopia too.
        sequential: name of a colour map from little to much.
    """

    surface: str
    ink: str
    muted: str
    grid: str
    colours: dict[str, str]
    genres: tuple[str, ...]
    sequential: str


LIGHT = Theme(
    surface="#ffffff",
    ink="#1c2024",
    muted="#60646c",
    grid="#e3e5e9",
    colours={
        "baseline": "#6b7280",
        "ease": "#c2570c",
        "als": "#1d5fd1",
        "ranking": "#0b8a5f",
        "two stages": "#8b3fc7",
    },
    genres=("#1747e0", "#c98300", "#3f9475", "#5c0a47", "#9879db", "#4c2900"),
    sequential="viridis_r",
)
DARK = Theme(
    surface="#16191d",
    ink="#e8eaed",
    muted="#a3a9b3",
    grid="#30353c",
    colours={
        "baseline": "#a3a9b3",
        "ease": "#f59e4c",
        "als": "#6aa5ff",
        "ranking": "#3fcf9b",
        "two stages": "#c793f5",
    },
    genres=("#8cd5ff", "#b05c08", "#66ffa3", "#d8307f", "#9b45ff", "#f5f13a"),
    sequential="viridis",
)
THEMES = {"light": LIGHT, "dark": DARK}

SORTS = {
    "random": "baseline",
    "popularity": "baseline",
    "item-knn": "baseline",
    "item-knn-published": "baseline",
    "ease": "ease",
    "ease-recent": "ease",
    "bpr": "ranking",
    "lambdarank": "ranking",
    "als+bpr": "two stages",
}
"""Model -> what sort it is of; all others are of "als"."""


@dataclass(frozen=True)
class Plot:
    """A figure that can be drawn in any theme.

    Attributes:
        name: of its file.
        title, caption: for people, what it is and what to see.
        size: inches.
        draw: fills a figure.
    """

    name: str
    title: str
    caption: str
    size: tuple[float, float]
    draw: Callable[[Figure, Theme], None]

    def png(self, theme: Theme) -> bytes:
        """Return the figure as the bytes of a PNG."""
        settings: Any = {
            "figure.facecolor": theme.surface,
            "axes.facecolor": theme.surface,
            "savefig.facecolor": theme.surface,
            "text.color": theme.ink,
            "axes.labelcolor": theme.muted,
            "axes.edgecolor": theme.grid,
            "axes.titlecolor": theme.ink,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": theme.grid,
            "grid.linewidth": 0.8,
            "xtick.color": theme.muted,
            "ytick.color": theme.muted,
            "xtick.major.size": 0,
            "ytick.major.size": 0,
            "font.size": 10,
            "legend.frameon": False,
        }
        with rc_context(settings):
            figure = Figure(figsize=self.size, layout="constrained", dpi=DPI)
            self.draw(figure, theme)
            buffer = io.BytesIO()
            FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
        return buffer.getvalue()


def colour(model: str, theme: Theme) -> str:
    """Return the colour of the sort that a model is of."""
    return theme.colours[SORTS.get(model, "als")]


def spread(places: Sequence[float], gap: float) -> np.ndarray:
    """Return places at least `gap` apart, in the same order and as near to the given ones as a few passes bring them.

    Example:
        >>> spread([0.0, 0.0, 5.0], 1.0).round(3).tolist()
        [-0.5, 0.5, 5.0]
    """
    order = np.argsort(places, kind="stable")
    moved = np.asarray(places, float)[order]
    for _ in range(500):
        overlap = gap - np.diff(moved)
        if (overlap <= 1e-9).all():
            break
        push = np.where(overlap > 0, overlap / 2, 0)
        moved[:-1] -= push
        moved[1:] += push
    result = np.empty(len(moved))
    result[order] = moved
    return result


def label_ends(axis: Axes, ends: dict[str, float], theme: Theme, *, gap: float) -> None:
    """Write every model's name at the right of its line, in its colour; `gap` is a share of the axis' height."""
    low, high = axis.get_ylim()
    places = spread([*ends.values()], gap * (high - low))
    for (model, value), place in zip(ends.items(), places, strict=True):
        axis.annotate(
            model,
            (1.0, value),
            (1.05, place),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            color=colour(model, theme),
            fontsize=9,
            va="center",
            arrowprops={"arrowstyle": "-", "color": theme.grid, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
        )
