"""Rows of results, and cells set in columns for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One setting under one measure.

    Attributes:
        model: name of the setting.
        metric: name with its cutoff, such as "recall@10".
        mean: over seeds and users.
        low, high: 95 % bootstrap interval of the mean over users, each user's value being its mean over seeds.
        per_seed: the mean over users for every seed.
        users: number of users behind the mean.
        seconds_first: first fit, compilation included; None where it is not taken.
        seconds_warm: median of the later fits, or the first where there is none; None where it is not taken.
    """

    model: str
    metric: str
    mean: float
    low: float
    high: float
    per_seed: tuple[float, ...]
    users: int
    seconds_first: float | None
    seconds_warm: float | None


def cells(rows: Sequence[Row], metrics: Sequence[str], *, timings: bool = True) -> list[list[str]]:
    """Return a table of rows, its head first: a line per model, mean and interval of each metric, seconds of a fit."""
    by_name = {(row.model, row.metric): row for row in rows}
    lines = [["model", *metrics, *(["first fit, s", "warm fit, s"] if timings else [])]]
    for model in dict.fromkeys(row.model for row in rows):
        shown = [by_name[model, metric] for metric in metrics]
        measured = [f"{row.mean:.4f} [{row.low:.4f}, {row.high:.4f}]" for row in shown]
        seconds = (shown[0].seconds_first, shown[0].seconds_warm) if timings else ()
        lines.append([model, *measured, *("-" if taken is None else f"{taken:.3f}" for taken in seconds)])
    return lines


def align(lines: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return cells in columns: the first `left` aligned left, the others right, a rule below the head."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = []
    for line in lines:
        cells = zip(line, widths, strict=True)
        padded = [cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(cells)]
        text.append("  ".join(padded).rstrip())
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)
