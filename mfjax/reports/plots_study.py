"""Plots of what a study measured beside its table: groups of users, popularity, factors, losses and searches.

Captions and alternative texts are computed from what is drawn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mfjax.reports.buckets import Bucket
from mfjax.reports.figures import MOST_VECTOR_DOTS, Plot, Theme
from mfjax.reports.item_space import ItemSpace
from mfjax.reports.line_plots import Line, Panel, line_plot
from mfjax.reports.plots_settings import MOST_LINES, leading, line_of
from mfjax.search import Trial
from mfjax.studies.findings import Results
from mfjax.studies.judging import is_error
from mfjax.studies.tables import Row


def activity(buckets: Sequence[Bucket]) -> Plot:
    """Return a measure by groups of users, with intervals: a panel for every partition."""
    metric, overall = buckets[0].metric, dict[str, float]()
    word, best, sign = ("least", min, -1.0) if is_error(metric) else ("greatest", max, 1.0)
    for one in buckets:
        overall[one.model] = overall.get(one.model, 0.0) + sign * one.mean * one.users
    shown = sorted(overall, key=lambda model: -overall[model])[:MOST_LINES]
    models = [model for model in overall if model in shown]  # in the order of the study
    panels, said = [], []
    for by in dict.fromkeys(one.by for one in buckets):
        inside = [one for one in buckets if one.by == by and one.model in models]
        sizes = {one.label: one.users for one in inside}
        lines = []
        for model in models:
            own = [one for one in inside if one.model == model]
            lines.append(line_of(model, range(len(own)), own, "dots"))
        ticks = {place: f"{label}\n{users:,} users" for place, (label, users) in enumerate(sizes.items())}
        panels.append(Panel(f"{metric} by {by}", by, lines, ticks=ticks))
        for label in sizes:
            first = best((one for one in inside if one.label == label), key=lambda one: one.mean)
            said.append(f"{first.model} for {by} {label}")
    left_out = f" Shown are the {MOST_LINES} best of {len(overall)} settings." if len(models) < len(overall) else ""
    caption = f"Mean {metric} of each group of users with its 95 % interval. The {word}: {'; '.join(said)}.{left_out}"
    return line_plot("by_activity", f"{metric} by activity", panels, caption, same_y=True)


POPULARITY = {
    "mean_popularity": "train rows of a listed item, on average",
    "coverage": "share of all items that are listed",
}
"""Measure of lists -> what it is in words."""


def popularity_bias(results: Results, rows: Sequence[Row]) -> list[Plot]:
    """Return accuracy against the popularity of what is listed, and against coverage; nothing for ratings alone."""
    measure = next((name for name in results.measures if not is_error(name)), None)
    shown = {f"{name}@{results.cutoffs[0]}": words for name, words in POPULARITY.items()}
    shown = {name: words for name, words in shown.items() if name in results.pooled}
    if measure is None or not shown:
        return []
    by_name = {(row.model, row.metric): row for row in rows}
    names, left_out = leading(results, measure)
    up = [by_name[name, measure] for name in names]
    panels = []
    for metric, words in shown.items():
        dots = [line_of(row.model, [by_name[row.model, metric].mean], [row]) for row in up]
        panels.append(Panel(measure, f"{metric}: {words}", dots))
    greatest = max(up, key=lambda row: row.mean)
    others = " and ".join(f"{by_name[greatest.model, metric].mean:,.4g} {metric}" for metric in shown)
    caption = (
        f"Up is greater {measure}, with its 95 % interval over users; across: {' and '.join(shown)}. {greatest.model} "
        f"has the greatest {measure}, {greatest.mean:.4f}, and {others}.{left_out}"
    )
    return [line_plot("popularity_bias", "Accuracy against popularity and coverage", panels, caption, same_y=True)]


NUM_CATEGORIES = 6


def item_space(
    spaces: Mapping[str, ItemSpace], counts: np.ndarray, categories: Sequence[Sequence[str]] | None = None
) -> Plot:
    """Return the two principal components of item factors, coloured by popularity, and by category.

    Args:
        spaces: model -> components of its items.
        counts: int [items], their train rows.
        categories: of every item, the first one of which is shown, for the first model; None for no such panel.
    """
    order, logs = np.argsort(counts, kind="stable"), np.log10(np.maximum(counts, 1))  # popular items on top
    first = [next(iter(each), "") for each in categories or ()]
    common = [name for name, _ in Counter(filter(None, first)).most_common(NUM_CATEGORIES)]
    panels = [(f"{name}: r of PC1 with log popularity {space[-1]:.2f}", space) for name, space in spaces.items()]
    if common:
        panels.append((f"{next(iter(spaces))}: first category", next(iter(spaces.values()))))
    columns = min(len(panels), 2)
    lines = math.ceil(len(panels) / columns)

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        scale = ScalarMappable(Normalize(0.0, max(float(logs.max()), 1e-3)), theme.sequential)
        tints = dict(zip(common, theme.palette, strict=False))
        for place, (axis, (heading, space)) in enumerate(zip(axes, panels, strict=False)):
            by_category = [tints.get(first[item], theme.grid) for item in order] if place == len(spaces) else None
            axis.scatter(
                *space.coordinates[order].T, c=by_category or scale.to_rgba(logs[order]), s=11, linewidths=0,
                antialiaseds=False, rasterized=len(panels) * len(order) > MOST_VECTOR_DOTS,
            )  # fmt: skip
            axis.set(title=heading, xlabel=f"PC1, {100 * space.explained[0]:.0f} % of the variance")
            axis.set(ylabel=f"PC2, {100 * space.explained[1]:.0f} %")
        below = list(axes[: len(spaces)])
        bar = figure.colorbar(scale, ax=below, label="train rows, log10", location="bottom", shrink=0.8, aspect=32)
        bar.outline.set_visible(False)
        if common:
            dots = [Line2D([], [], marker="o", ls="", color=tint) for tint in tints.values()]
            legend = axes[len(spaces)].legend(dots, common, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.13))
            legend.set_in_layout(False)  # it has the room that the colour bar takes
        for axis in axes[len(panels) :]:
            axis.set_axis_off()

    told = [
        f"{name}: the two have {100 * space.explained.sum():.0f} % of the variance, and the first correlates "
        f"{space.popularity_correlation:.2f} with the logarithm of train rows"
        for name, space in spaces.items()
    ]
    caption = f"Item factors in their two principal components. {'; '.join(told)}."
    by = f", and by first category: {', '.join(common)}" if common else ""
    alt = f"Scatter plots of {len(counts):,} items, coloured by train rows{by}. {'; '.join(told)}."
    return Plot("item_space", "Item factors", caption, alt, (5.4 * columns, 5.2 * lines), draw)


def convergence(
    losses: Mapping[str, Mapping[str, Sequence[float]]],
    measured: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    *,
    measure: str = "",
) -> Plot:
    """Return how far the loss is above its least by step, and a measure of every step where there is one.

    Args:
        losses: objective -> solver -> loss after every step. Losses of one objective share the least and the scale.
        measured: the same, of a measure that is the better the greater.
        measure: its name.
    """
    excess, values, said = [], [], []
    for objective, by_solver in losses.items():
        least = min(min(loss) for loss in by_solver.values())
        scale = max(loss[0] for loss in by_solver.values()) - least or 1.0
        for solver, loss in by_solver.items():
            name, steps = f"{objective}, {solver}", range(1, len(loss) + 1)
            above = (np.array(loss, float) - least) / scale
            # The least itself has no place on a logarithmic axis.
            excess.append(Line(name, steps, np.where(above > 1e-6, above, np.nan).tolist()))
            # The step from which on the loss stays near the least.
            near = int(np.flatnonzero(above > 0.01)[-1]) + 2 if (above > 0.01).any() else 1
            told = f"from step {near} of {len(loss)} on" if near <= len(loss) else "at no step"
            said.append(f"{name} is below 1 % {told}")
            if measured is not None:
                found = measured[objective][solver]
                values.append(Line(name, steps, found))
                said[-1] += f", and its {measure} is greatest, {max(found):.4f}, at step {np.argmax(found) + 1}"
    log = "x" if max(len(line.y) for line in excess) > 30 else ""
    panels = [Panel("loss above its least, as a share of the first step's", "step", excess, log=f"{log}y")]
    if values:
        panels.append(Panel(measure, "step", values, log=log))
    caption = f"Loss above the least of its objective, as a share of that of the first step. {'; '.join(said)}."
    return line_plot("convergence", "Convergence", panels, caption)


def tuning(searches: Mapping[str, Sequence[Trial]], measure: str) -> Plot:
    """Return the validation score of every trial and the best so far, one panel a search.

    Args:
        searches: name -> trials, whose scores are less the measure where that is an error.
        measure: what validation measured.
    """
    sign, better = (-1.0, np.fmin) if is_error(measure) else (1.0, np.fmax)
    panels, said = [], []
    for name, trials in searches.items():
        found, numbers = np.array([sign * trial.score() for trial in trials]), range(1, len(trials) + 1)
        found[~np.isfinite(found)] = np.nan
        best = better.accumulate(found).tolist()
        lines = [Line("a setting", numbers, found.tolist(), drawn="dots")]
        lines.append(Line("best so far", numbers, best, drawn="steps"))
        panels.append(Panel(name, "trial", lines))
        at = int(np.flatnonzero(found == best[-1])[0]) + 1
        said.append(f"{name} {best[-1]:.4f} at trial {at} of {len(found)}")
    caption = f"Validation {measure} of every setting that was tried, and the best so far. Best: {'; '.join(said)}."
    return line_plot("tuning", "Tuning history", panels, caption, same_y=True)
