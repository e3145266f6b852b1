"""The tables of any study, as sections: its models, their lists, and which differences are real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mfjax.reports.sections import Section
from mfjax.statistics import Comparison
from mfjax.studies.findings import Results
from mfjax.studies.judging import is_error

LEVEL = 0.05
MOST_SETTINGS = 6
"""Settings whose pairs are all told; of more, only those with the best."""


def every(results: Results) -> list[Section]:
    """Return the tables that a terminal shows of any study."""
    return [models(results), *lists(results), *differences(results)]


def models(results: Results, *, timings: bool = False) -> Section:
    """Return every measure of every setting with its interval, the best of each column marked, and seconds of a fit."""
    seeds = f"Mean over {len(results.seeds)} seeds" if len(results.seeds) > 1 else "One seed"
    found = Section("Models", f"{seeds} [95 % interval over users].", results.cells(timings=timings))
    if len(results.settings) == 1:
        return found
    best = [results.settings.index(results.best(name)) for name in results.measures]
    errors = [name for name in results.measures if is_error(name)]
    bold = "Bold is the best of each column" + (f", of {' and '.join(errors)} the least." if errors else ".")
    return replace(found, best=frozenset((1 + line, 1 + column) for column, line in enumerate(best)), bold=bold)


def by_length(results: Results) -> list[Section]:
    """Return the means of all measures, every metric by the length of the list, where there are several lengths."""
    if len(set(results.cutoffs)) < 2:
        return []
    metrics = [name.partition("@")[0] for name in results.measures]
    names = sorted(results.measures, key=lambda name: (metrics.index(name.partition("@")[0]), _length(name)))
    means = dict(zip(results.measures, results.means().mean(1).T, strict=True))
    lines = [
        [str(setting), *(f"{means[name][at]:.4f}" for name in names)] for at, setting in enumerate(results.settings)
    ]
    return [Section("By length of the list", "Means over users and seeds.", [["model", *names], *lines])]


def _length(measure: str) -> int:
    cutoff = measure.partition("@")[2]
    return int(cutoff) if cutoff.isdecimal() else 0


POOLED = {
    "coverage": ("coverage", "Coverage: the share of all items that are in at least one list."),
    "gini": ("Gini", "Gini: 0 where all items are listed equally often, 1 where only one is."),
    "mean_popularity": ("mean popularity", "Mean popularity: the number of train rows of a listed item, on average."),
}
"""Measure of all lists together -> its head, and what it is."""


def lists(results: Results) -> list[Section]:
    """Return what is recommended under the first cutoff, where items were ranked."""
    k = results.cutoffs[0]
    found = [name.removesuffix(f"@{k}") for name in results.pooled if name.endswith(f"@{k}")]
    # A study may have a coverage of its own, such as that of some users.
    shown = {name: POOLED.get(name, (name, "")) for name in found if name.startswith(tuple(POOLED))}
    if not shown:
        return []
    lines = [["model", *(f"{head}@{k}" for head, _ in shown.values())]]
    for number, setting in enumerate(results.settings):
        means = [results.pooled[f"{name}@{k}"][number].mean() for name in shown]
        lines.append([str(setting), *(f"{mean:.4f}" if mean <= 1 else f"{mean:,.1f}" for mean in means)])
    return [Section("What is recommended", " ".join(told for _, told in shown.values() if told), lines)]


def differences(results: Results, measures: Sequence[str] | None = None) -> list[Section]:
    """Return a numbered line for each setting, with the numbers of the settings that it differs from.

    Nothing for a single setting, or a single user.
    """
    names, by_pair, told = _compared(results, measures)
    real = {(name, *pair) for pair, of_pair in by_pair.items() for name, row in of_pair.items() if row.p_holm < LEVEL}
    settings = [*enumerate(map(str, results.settings), 1)]
    lines = [["", "model", *(f"{name} differs from" for name in names)]]
    for number, one in settings:
        others = [[at for at, other in settings if {(name, one, other), (name, other, one)} & real] for name in names]
        lines.append([str(number), one, *(" ".join(map(str, of_name)) or "-" for of_name in others)])
    note = f"{told}, level {LEVEL}."
    return [Section("Comparison", note, lines, left=2 + len(names), heads=2)] if by_pair else []


def pairs(results: Results, measures: Sequence[str] | None = None) -> list[Section]:
    """Return the differences of pairs with intervals and p; of many settings, those between the best and the others.

    The best is that of the first measure. Nothing for a single setting, or a single user.
    """
    names, by_pair, told = _compared(results, measures)
    if not by_pair:
        return []
    best, many = str(results.best(names[0])), len(results.settings) > MOST_SETTINGS
    lines, real = [["model", "less", *names]], []
    for (one, other), of_pair in by_pair.items():
        if not many or best in (one, other):
            turned = other == best  # the best first
            real += [(len(lines), 2 + at) for at, name in enumerate(names) if of_pair[name].p_holm < LEVEL]
            cells = [_difference(of_pair[name], -1.0 if turned else 1.0) for name in names]
            lines.append([*((other, one) if turned else (one, other)), *cells])
    note = f"Difference [95 % interval] and p. {told}."
    if any(map(is_error, names)):
        note += " Of rmse and mae each user's mean square or magnitude is compared, of which less is better."
    if many:
        note += f" Shown are the pairs with {best}, the best under {names[0]}."
    bold = f"Bold: p < {LEVEL}."
    return [Section("Differences", note, lines, left=2, heads=2, best=frozenset(real), bold=bold)]


def _compared(
    results: Results, measures: Sequence[str] | None
) -> tuple[list[str], dict[tuple[str, str], dict[str, Comparison]], str]:
    """Return the names of measures, pair -> measure -> comparison, and what was tested in words."""
    found = results.compare(measures) if len(results.settings) > 1 and len(results.users) > 1 else []
    by_pair: dict[tuple[str, str], dict[str, Comparison]] = {}
    for row in found:
        by_pair.setdefault((row.one, row.other), {})[row.metric] = row
    told = f"Paired t tests over users, Holm over {len(found)} {'pairs and measures' if len(found) > 1 else 'pair'}"
    return list(dict.fromkeys(row.metric for row in found)), by_pair, told


def _difference(row: Comparison, sign: float) -> str:
    low, high = sorted((sign * row.low, sign * row.high))
    p = f"p {row.p_holm:.4f}" if row.p_holm >= 0.0001 else "p < 0.0001"
    return f"{sign * row.difference:+.4f} [{low:+.4f}, {high:+.4f}] {p}"
