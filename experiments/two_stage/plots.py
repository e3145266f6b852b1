"""Plots of ranking models: item factors by popularity, and training curves. Written as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from experiments.two_stage.published_runs import TrainingCurve
from mfjax.files import atomic_path
from mfjax.reports.item_space import ItemSpace
from mfjax.studies.task import Task


def item_spaces(path: Path, task: Task, spaces: dict[str, ItemSpace]) -> Path:
    """Draw the item factors of several models side by side, coloured by popularity."""
    counts = np.asarray(task.item_counts)[np.asarray(task.candidates)]
    figure = Figure(figsize=(5.4 * len(spaces), 4.8), layout="constrained")
    axes = figure.subplots(1, len(spaces), squeeze=False)[0]
    order = np.argsort(counts)  # popular items on top
    colours: dict[str, Any] = {"vmin": 0.0, "vmax": float(np.log10(counts.max()))}
    for axis, (name, space) in zip(axes, spaces.items(), strict=True):
        axis.scatter(*space.coordinates[order].T, c=np.log10(counts[order]), s=9, linewidths=0, **colours)
        axis.set_title(f"{name}: |r| of PC1 with log popularity {space.popularity_correlation:.2f}")
        axis.set_xlabel(f"PC1, {100 * space.explained[0]:.0f} % of the variance")
        axis.set_ylabel(f"PC2, {100 * space.explained[1]:.0f} %")
    figure.colorbar(ScalarMappable(Normalize(**colours)), ax=axes, label="train positives, log10")
    return _save(figure, path)


def training(path: Path, curve: TrainingCurve) -> Path:
    """Draw loss and train AUC, and NDCG@10 of the hidden items, by epoch."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, len(curve.loss) + 1)
    left.plot(epochs, curve.loss, color="tab:blue", label="loss of an example")
    left.plot(epochs, curve.auc, color="tab:orange", label="sampled train AUC")
    left.set_ylim(0, 1.02)
    left.set_xlabel("epoch")
    left.legend(frameon=False)
    right.plot(*zip(*curve.ndcg, strict=True), color="tab:green", marker="o", markersize=3)
    right.set_ylim(bottom=0)
    right.set_xlabel("epoch")
    right.set_ylabel("NDCG@10 of the hidden items")
    figure.suptitle("BPR with the published settings, MovieLens-100K")
    return _save(figure, path)


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished:
        FigureCanvasAgg(figure).print_png(str(unfinished))
    return path
