"""The one drawing style of the project: figures in two themes, light and dark, as SVG of the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, style
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text

from mfjax.files import atomic_path

MARKERS, DASHES = "os^Dv*", ("-", "--", ":")
"""The signs of a series besides its colour."""
MOST_VECTOR_DOTS = 1000
"""Dots of a scatter plot that are drawn one by one, 120 bytes each; more are set as one image inside the SVG."""


@dataclass(frozen=True)
class Theme:
    """Colours of a figure.

    Attributes:
        surface, ink, muted, grid: background, text, secondary text and faint lines.
        palette: colours of series, far apart under protanopia and deuteranopia too, and far from the surface.
        sequential: colours from little to much, the least one seen too.
    """

    surface: str
    ink: str
    muted: str
    grid: str
    palette: tuple[str, ...]
    sequential: Colormap

    def sign(self, place: int) -> dict[str, Any]:
        """Return colour, marker and dash of a series by its place; no two of the first 18 are the same."""
        turn, at = divmod(place, len(self.palette))
        colour, turn = self.palette[at], turn % len(DASHES)
        filled = (colour, self.surface, self.grid)[turn]  # dots have no dash
        return {"color": colour, "marker": MARKERS[at], "linestyle": DASHES[turn], "markerfacecolor": filled}


def _seen(name: str) -> Colormap:
    """Return a colour map without the end that is near the surface."""
    return ListedColormap(colormaps[name](np.linspace(0.15, 1, 256)))


LIGHT = Theme(
    surface="#ffffff", ink="#1c2024", muted="#60646c", grid="#e3e5e9", sequential=_seen("viridis_r"),
    palette=("#1747e0", "#c98300", "#3f9475", "#5c0a47", "#9879db", "#4c2900"),
)  # fmt: skip
DARK = Theme(
    surface="#16191d", ink="#e8eaed", muted="#a3a9b3", grid="#30353c", sequential=_seen("viridis"),
    palette=("#8cd5ff", "#b05c08", "#66ffa3", "#d8307f", "#9b45ff", "#f5f13a"),
)  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """A figure that can be drawn in any theme.

    Attributes:
        name: of its file.
        title, caption: for people, what it is and what to see.
        alt: what is seen, for people who do not see it.
        size: inches.
        draw: fills a figure.
    """

    name: str
    title: str
    caption: str
    alt: str
    size: tuple[float, float]
    draw: Callable[[Figure, Theme], None]

    def svg(self, theme: Theme = LIGHT) -> bytes:
        """Return the figure as the bytes of an SVG, the same ones every time.

        Letters are paths: a reader's own font would be wider or narrower than the one that labels were placed with, and
        they would run into each other. What a screen reader says is `alt`.
        """
        settings: Any = {
            "figure.facecolor": theme.surface, "axes.facecolor": theme.surface, "text.color": theme.ink,
            "axes.titlecolor": theme.ink, "axes.labelcolor": theme.muted, "xtick.color": theme.muted,
            "ytick.color": theme.muted, "axes.edgecolor": theme.grid, "grid.color": theme.grid, "axes.grid": True,
            "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11,
            "axes.titlelocation": "left", "font.size": 10, "grid.linewidth": 0.8, "legend.frameon": False,
            "lines.linewidth": 1.6, "lines.markersize": 4.5, "svg.fonttype": "path", "svg.hashsalt": "mfjax",
        } | {f"{axis}tick.{kind}.size": 0 for axis in "xy" for kind in ("major", "minor")}  # fmt: skip
        buffer = io.BytesIO()
        with style.context(["default", settings]):  # whatever the user's own style is
            figure = Figure(figsize=self.size, layout="constrained")
            self.draw(figure, theme)
            for text in figure.findobj(Text):  # names of any kind, and no formulas; ticks have no text yet
                text.set_text(text.get_text().replace("$", r"\$"))
            figure.savefig(buffer, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
        return buffer.getvalue()


def write(plot: Plot, folder: Path) -> Path:
    """Write the plot, light, as `folder/NAME.svg`, whole or not at all, and return its path."""
    name = "".join(letter if letter.isalnum() or letter in "-_.+" else "_" for letter in plot.name)  # of any model
    path = folder / f"{name}.svg"
    with atomic_path(path) as unfinished:
        unfinished.write_bytes(plot.svg())
    return path


def spread(places: Sequence[float], gap: float) -> np.ndarray:
    """Return places at least `gap` apart, in the same order and as near to the given ones as a few passes bring them.

    Example:
        >>> spread([0.0, 0.0, 5.0], 1.0).round(3).tolist()
        [-0.5, 0.5, 5.0]
    """
    order = np.argsort(places, kind="stable")
    moved = np.asarray(places, float)[order]
    for _ in range(500):
        push = np.maximum(gap - np.diff(moved), 0) / 2
        if (push <= 1e-9).all():
            break
        moved[:-1] -= push
        moved[1:] += push
    return moved[np.argsort(order)]
