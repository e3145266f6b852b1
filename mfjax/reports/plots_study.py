"""The plots of the MovieLens-1M study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mfjax.reports.buckets import Bucket
from mfjax.reports.figures import Plot, Theme, colour, label_ends, spread
from mfjax.reports.item_space import principal_components
from mfjax.search import Trial
from mfjax.studies.results import Row

APART = ("random", "item-knn-published")
"""Models that only the tables show: chance, and a variant of another line."""
NUM_GENRES = 6


def cutoffs(rows: Sequence[Row], ks: Sequence[int]) -> Plot:
    """Return recall and NDCG against the length of the list."""
    means = {(row.model, row.metric): row.mean for row in rows}
    models = [model for model in dict.fromkeys(row.model for row in rows) if model not in APART]

    def draw(figure: Figure, theme: Theme) -> None:
        for axis, metric in zip(figure.subplots(1, 2), ("recall", "ndcg"), strict=True):
            for model in models:
                values = [means[model, f"{metric}@{k}"] for k in ks]
                axis.plot(range(len(ks)), values, color=colour(model, theme), marker="o", markersize=4, linewidth=1.8)
            axis.set_xticks(range(len(ks)), [str(k) for k in ks])
            axis.set_xlabel("k, length of the list")
            axis.set_title(f"{metric}@k" if metric == "recall" else "NDCG@k")
            axis.set_ylim(bottom=0)
            label_ends(axis, {model: means[model, f"{metric}@{ks[-1]}"] for model in models}, theme, gap=0.052)

    caption = "Recall and NDCG by the length of the list. Models of one family share a colour."
    return Plot("metric_against_k", "Metric against k", caption, (10.5, 4.6), draw)


def activity(buckets: Sequence[Bucket]) -> Plot:
    """Return the metric by activity, with intervals."""
    models = [model for model in dict.fromkeys(one.model for one in buckets) if model not in APART]
    partitions = list(dict.fromkeys(one.by for one in buckets))

    def draw(figure: Figure, theme: Theme) -> None:
        for axis, by in zip(figure.subplots(1, len(partitions), sharey=True), partitions, strict=True):
            labels = {one.label: one.users for one in buckets if one.by == by}
            for place, model in enumerate(models):
                offset = (place - (len(models) - 1) / 2) * 0.8 / len(models)
                own = [one for one in buckets if one.by == by and one.model == model]
                x = np.arange(len(own)) + offset
                axis.vlines(x, [one.low for one in own], [one.high for one in own], color=colour(model, theme), lw=2.2)
                axis.plot(x, [one.mean for one in own], "o", color=colour(model, theme), markersize=4.5)
                if by == partitions[0]:
                    # The name stands on the first bucket's dot, so that the order of the dots explains itself.
                    axis.annotate(
                        model, (x[0], own[0].high), (0, 4), textcoords="offset points", rotation=90,
                        ha="center", va="bottom", fontsize=7.5, color=colour(model, theme),
                    )  # fmt: skip
            axis.set_xticks(range(len(labels)), [f"{label}\n{users:,} users" for label, users in labels.items()])
            axis.set_title(f"by {by}")
            axis.grid(axis="x", visible=False)
            axis.set_ylim(0, max(one.high for one in buckets) * 1.3)
        figure.axes[0].set_ylabel(buckets[0].metric)

    caption = (
        "Mean and 95 % interval over the users of each bucket. Within a bucket models stand in the order that the "
        "labels of the first bucket give."
    )
    return Plot("recall_by_activity", "Recall by activity", caption, (10.5, 4.8), draw)


def popularity_bias(rows: Sequence[Row]) -> Plot:
    """Return accuracy against the mean popularity of what is recommended, and against coverage."""
    means = {(row.model, row.metric): row.mean for row in rows}
    models = [model for model in dict.fromkeys(row.model for row in rows) if model not in APART]
    panels = {"mean_popularity@10": "mean popularity of a recommended item", "coverage@10": "coverage@10"}

    def draw(figure: Figure, theme: Theme) -> None:
        for axis, (metric, words) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
            x, y = ([means[model, name] for model in models] for name in (metric, "ndcg@10"))
            axis.set_xlim(0, max(x) * 1.35)
            axis.set_ylim(0, max(y) * 1.12)
            for model, left, place, up in zip(models, x, spread(y, max(y) * 0.048), y, strict=True):
                axis.plot(left, up, "o", color=colour(model, theme), markersize=7, zorder=4)
                # Right of every dot that would stand under the label.
                near = [
                    other
                    for other, level in zip(x, y, strict=True)
                    if abs(level - place) < max(y) / 20 and left <= other < left + max(x) / 5
                ]
                beside = max([left, *near])
                axis.annotate(
                    model, (left, up), (beside + max(x) * 0.04, place), fontsize=9, va="center",
                    color=colour(model, theme),
                    arrowprops={"arrowstyle": "-", "color": theme.grid, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 3},
                )  # fmt: skip
            axis.set_xlabel(words)
        figure.axes[0].set_ylabel("NDCG@10")

    caption = "Up is more accurate. Left: further left recommends rarer items. Right: further right reaches more items."
    return Plot("popularity_bias", "Accuracy against popularity bias and coverage", caption, (10.5, 4.4), draw)


def item_space(name: str, items: np.ndarray, counts: np.ndarray, genres: Sequence[Sequence[str]] | None) -> Plot:
    """Return the two principal components of item factors, coloured by popularity and by genre.

    Args:
        name: of the model.
        items: float [items, dim], of the items with a train positive.
        counts: their train positives.
        genres: their genres, or None.
    """
    space = principal_components(items, counts)
    order = np.argsort(counts)  # popular items on top

    def draw(figure: Figure, theme: Theme) -> None:
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        scale = Normalize(0.0, float(np.log10(counts.max())))
        shown = {"s": 11, "linewidths": 0, "alpha": 0.9}
        x, y = space.coordinates[order].T
        left.scatter(x, y, c=np.log10(counts[order]), norm=scale, cmap=theme.sequential, **shown)
        figure.colorbar(
            ScalarMappable(scale, theme.sequential), ax=left, label="train positives, log10", location="bottom",
            shrink=0.8, aspect=32,
        ).outline.set_visible(False)  # fmt: skip
        left.set_title(f"by popularity: |r| of PC1 with its logarithm {space.popularity_correlation:.2f}")
        right.scatter(x, y, color=theme.grid, **shown)
        right.set_title("by first genre" if genres is not None else "genres: the source has none")
        if genres is not None:
            first = np.array([each[0] if each else "" for each in genres])
            common = [genre for genre, _ in Counter(first.tolist()).most_common() if genre][:NUM_GENRES]
            for genre, tint in zip(common, theme.genres, strict=False):
                right.scatter(*space.coordinates[first == genre].T, color=tint, **shown)
            dots = [Line2D([], [], marker="o", ls="", markersize=5, color=tint) for tint in theme.genres[: len(common)]]
            right.legend(dots, common, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.13), handletextpad=0.1)
            right.get_legend().set_in_layout(False)  # it has the room that the colour bar takes
        for axis in (left, right):
            axis.set_xlabel(f"PC1, {100 * space.explained[0]:.0f} % of the variance")
        left.set_ylabel(f"PC2, {100 * space.explained[1]:.0f} %")

    caption = f"Item factors of {name} in their two principal components; popular items stand to the right."
    return Plot("item_space", "Item factors", caption, (10.5, 5.4), draw)


@dataclass(frozen=True)
class Convergence:
    """One fit, step by step.

    Attributes:
        loss: after every step.
        ndcg: validation NDCG@10 after every step.
        lowest: loss of its objective, over all curves.
        scale: loss after the first step above the lowest, over all curves.
    """

    loss: list[float]
    ndcg: list[float]
    lowest: float
    scale: float


def convergence(curves: Mapping[str, Convergence]) -> Plot:
    """Return how far the loss is above that of the last step, and validation NDCG@10, by step."""

    def draw(figure: Figure, theme: Theme) -> None:
        left, right = figure.subplots(1, 2)
        tints = dict(zip(curves, theme.genres, strict=False))
        for name, curve in curves.items():
            steps = np.arange(1, len(curve.loss) + 1)
            style = {"color": tints[name], "linewidth": 1.8, "ls": "--" if "Cholesky" in name else "-", "label": name}
            # Without the last step: it is what the others are compared with.
            excess = np.array(curve.loss[:-1]) - curve.lowest
            left.semilogy(steps[:-1], excess / curve.scale, **style)
            right.plot(steps, curve.ndcg, **style)
        left.set_title("loss above that of the last step, as a share of the first's")
        right.set_title("validation NDCG@10")
        right.set_ylim(bottom=0)
        right.legend(loc="lower right")
        for axis in (left, right):
            axis.set_xlabel("step: all users, then all items")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))

    caption = (
        "Alternating least squares step by step: two steps of conjugate gradient in the eigenbasis beside the exact "
        "solution by Cholesky. The loss of a model goes on falling after its lists have stopped getting better."
    )
    return Plot("convergence", "Convergence", caption, (10.5, 4.0), draw)


def tuning(searches: Mapping[str, Sequence[Trial]]) -> Plot:
    """Return the validation score of every trial and the best so far, one panel a search."""

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.subplots(1, len(searches), squeeze=False, sharey=True)[0]
        for axis, (name, trials) in zip(axes, searches.items(), strict=True):
            scores = np.array([trial.score() for trial in trials])
            number = np.arange(1, len(scores) + 1)
            finite = np.isfinite(scores)
            axis.plot(number[finite], scores[finite], "o", color=theme.muted, markersize=4.5, label="a setting")
            axis.step(
                number, np.maximum.accumulate(scores), where="post", color=colour(name, theme), label="best so far"
            )
            axis.set_title(name)
            axis.set_xlabel("trial")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0].set_ylim(0, 1.06 * max(trial.score() for trials in searches.values() for trial in trials))
        axes[0].set_ylabel("validation NDCG@10")
        axes[0].legend(loc="lower right")

    caption = "Tree-structured Parzen estimators: the first ten settings are drawn at random."
    return Plot("tuning", "Tuning history", caption, (10.5, 3.8), draw)
