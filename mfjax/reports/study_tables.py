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


POOLED = {
    "coverage": ("coverage", "Coverage: the share of all items that are in at least one list."),
    "gini": ("Gini", "Gini: 0 where all items are listed equally often, 1 where only one is."),
    "mean_popularity": ("mean popularity", "Mean popularity: the number of train rows of a listed item, on average."),
}
"""Measure of all lists together -> its head, and what it is."""


def lists(results: Results) -> list[Section]:
    """Return what is recommended under the first cutoff, where items were ranked."""
    k = results.cutoffs[0]
    shown = {name: words for name, words in POOLED.items() if f"{name}@{k}" in results.pooled}
    if not shown:
        return []
    lines = [["model", *(f"{head}@{k}" for head, _ in shown.values())]]
    for number, setting in enumerate(results.settings):
        means = [results.pooled[f"{name}@{k}"][number].mean() for name in shown]
        lines.append([str(setting), *(f"{mean:.4f}" if mean <= 1 else f"{mean:,.1f}" for mean in means)])
    return [Section("What is recommended", " ".join(told for _, told in shown.values()), lines)]


def differences(results: Results, measures: Sequence[str] | None = None) -> list[Section]:
    """Return a numbered line a setting, and the numbers that it differs from, all measures in one Holm family.

    Nothing for a single setting, or a single user.
    """
    found = _compared(results, measures)
    if not found:
        return []
    differs = {(row.metric, *pair) for row in found if row.p_holm < LEVEL for pair in _both(row)}
    names, settings = _names(found), list(map(str, results.settings))
    lines = [["", "model", *(f"{name} differs from" for name in names)]]
    for number, one in enumerate(settings, 1):
        others = [[str(at) for at, other in enumerate(settings, 1) if (name, one, other) in differs] for name in names]
        lines.append([str(number), one, *(" ".join(of_name) or "-" for of_name in others)])
    return [Section("Comparison", f"{_told(found)}, level {LEVEL}.", lines, left=2 + len(names), heads=2)]


def pairs(results: Results, measures: Sequence[str] | None = None) -> list[Section]:
    """Return the differences of pairs with intervals and p; of many settings, those between the best and the others.

    The best is that of the first measure. Nothing for a single setting, or a single user.
    """
    found = _compared(results, measures)
    if not found:
        return []
    names, best = _names(found), str(results.best(_names(found)[0]))
    many = len(results.settings) > MOST_SETTINGS
    by_pair: dict[tuple[str, str], dict[str, Comparison]] = {}
    for row in found:
        if not many or best in (row.one, row.other):
            by_pair.setdefault((row.one, row.other), {})[row.metric] = row
    lines, real = [["model", "less", *names]], []
    for (one, other), rows in by_pair.items():
        turned = -1.0 if other == best else 1.0  # the best first
        real += [(len(lines), 2 + at) for at, name in enumerate(names) if rows[name].p_holm < LEVEL]
        lines.append([*((one, other) if turned > 0 else (other, one)), *(_cell(rows[name], turned) for name in names)])
    note = f"Difference [95 % interval] and p. {_told(found)}."
    if any(is_error(name) for name in names):
        note += " Of rmse and mae each user's mean square or magnitude is compared, of which less is better."
    if many:
        note += f" Shown are the pairs with {best}, the best under {names[0]}."
    return [Section("Differences", note, lines, left=2, heads=2, best=frozenset(real), bold=f"Bold: p < {LEVEL}.")]


def _compared(results: Results, measures: Sequence[str] | None) -> list[Comparison]:
    return results.compare(measures) if len(results.settings) > 1 and len(results.users) > 1 else []


def _names(found: Sequence[Comparison]) -> list[str]:
    return list(dict.fromkeys(row.metric for row in found))


def _both(row: Comparison) -> tuple[tuple[str, str], tuple[str, str]]:
    return (row.one, row.other), (row.other, row.one)


def _told(found: Sequence[Comparison]) -> str:
    return f"Paired t tests over users, Holm over {len(found)} {'pairs and measures' if len(found) > 1 else 'pair'}"


def _cell(row: Comparison, turned: float) -> str:
    low, high = sorted((turned * row.low, turned * row.high))
    p = f"p {row.p_holm:.4f}" if row.p_holm >= 0.0001 else "p < 0.0001"
    return f"{turned * row.difference:+.4f} [{low:+.4f}, {high:+.4f}] {p}"
