"""`python -m experiments.benchmark --against COMMIT`: the benchmark at a commit and in this checkout, in turns."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mfjax.studies.tables import align

HERE = Path(__file__).resolve().parents[2]
ROUNDS = 3
SLOWER = 1.1
"""A row that takes more than this many times as long as at the commit has become slower."""


class Change(NamedTuple):
    """Seconds of one row of the benchmark: medians over the rounds, and the median of the rounds' quotients."""

    row: tuple[str, str, int, str]
    then_s: float
    now_s: float
    ratio: float


def compare(commit: str, arguments: Sequence[str], *, rounds: int = ROUNDS) -> list[Change]:
    """Run the benchmark there and here, one after the other, `rounds` times, each in a process of its own.

    Args:
        commit: of this checkout's history.
        arguments: of the benchmark, without `--against` and `--out`; the commit must know them.
        rounds: how often.

    Raises:
        ValueError: for a commit that git does not find, a checkout without git, or a benchmark that fails.
    """
    seconds: dict[tuple[str, str, int, str], list[tuple[float, float]]] = {}
    with _checked_out(commit) as there:
        for _ in range(rounds):
            then, now = _rows(there, arguments), _rows(HERE, arguments)
            for row in then.keys() & now.keys():
                seconds.setdefault(row, []).append((then[row], now[row]))
    return [
        Change(
            row,
            statistics.median(then for then, _ in both),
            statistics.median(now for _, now in both),
            statistics.median(now / then for then, now in both),
        )
        for row, both in sorted(seconds.items())
    ]


def table(commit: str, changes: Sequence[Change]) -> str:
    """Return the changes as text."""
    rows = [["task", "data", "dim", "solver", f"{commit}, s", "here, s", "ratio"]]
    for row, then, now, ratio in changes:
        rows.append([*map(str, row), f"{then:.4f}", f"{now:.4f}", f"{ratio:.2f}"])
    return align(rows, left=4)


def check(commit: str, changes: Sequence[Change]) -> None:
    """Raise ValueError where something has become slower.

    Example:
        >>> check("HEAD", [Change(("sweep", "ml-1m", 64, "2 steps"), 1.0, 1.3, 1.3)])
        Traceback (most recent call last):
        ...
        ValueError: against: sweep ml-1m 64 2 steps takes 1.30 times as long as at HEAD; profile it, or run it again
    """
    slower = [change for change in changes if change.ratio > SLOWER]
    if slower:
        worst = max(slower, key=lambda change: change.ratio)
        raise ValueError(
            f"against: {' '.join(map(str, worst.row))} takes {worst.ratio:.2f} times as long as at {commit}; "
            "profile it, or run it again"
        )


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder) / "there"
        added = _git("worktree", "add", "--detach", str(there), commit)
        if added.returncode:
            raise ValueError(f"against: git has no {commit!r} here; pass a commit ({added.stderr.strip()})")
        try:
            yield there
        finally:
            _git("worktree", "remove", "--force", str(there))


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", "-C", str(HERE), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ValueError("against: there is no git on this machine; install it, or leave the option out") from None


def _rows(tree: Path, arguments: Sequence[str]) -> dict[tuple[str, str, int, str], float]:
    """Return the warm seconds of the rows that the benchmark of a tree finds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "experiments.benchmark", *arguments, "--out", folder]
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"against: the benchmark of {tree} failed: {done.stderr.strip()[-500:]}")
        rows = json.loads((Path(folder) / "benchmark.json").read_text())["rows"]
    return {(row["task"], row["data"], row["dim"], row["solver"]): row["warm_s"] for row in rows}
