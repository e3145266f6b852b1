"""What was measured, written down after every measurement, within a budget of seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax

from experiments.benchmark.timing import median
from mfjax.studies import manifests
from mfjax.studies.tables import align

Status = Literal["measured", "ok", "wrong", "failed", "left out"]


@dataclass(frozen=True)
class Line:
    """One measurement or check.

    Attributes:
        section: of the study.
        name: what was done, at what size.
        status: of a check "ok" or "wrong"; "failed" with the error in `more`, or "left out" for lack of time.
        ms: milliseconds, a median, or None.
        floor_ms: the milliseconds that the device needs at least, by the bytes or the arithmetic, or None.
        more: further figures by name.
    """

    section: str
    name: str
    status: Status = "measured"
    ms: float | None = None
    floor_ms: float | None = None
    more: dict[str, Any] = field(default_factory=dict)


class Ledger:
    """Lines in the making.

    Attributes:
        lines: what there is so far.
        rates: what the device can do, filled in by `limits`: bytes and operations a second.
        sizes: data -> (users, items, interactions).
    """

    def __init__(
        self, budget: float, sizes: Mapping[str, tuple[int, int, int]], path: Path | None, manifest: Mapping[str, Any]
    ) -> None:
        self.lines: list[Line] = []
        self.rates = {"bandwidth": 3.0e12, "arithmetic": 5.0e13}
        self.sizes = dict(sizes)
        self._begin, self._end, self._budget = time.perf_counter(), time.perf_counter() + budget, budget
        self._path, self._manifest = path, manifest

    def until(self, share: float) -> None:
        """Let what follows take until this share of the whole budget has passed."""
        self._end = self._begin + share * self._budget

    def seconds_left(self) -> float:
        return self._end - time.perf_counter()

    def add(self, section: str, name: str, **given: Any) -> None:
        """Write a line down: its fields by name, all else into `more`."""
        known = {key: given.pop(key) for key in ("status", "ms", "floor_ms") if key in given}
        line = Line(section, name, **known, more=given)
        self.lines.append(line)
        print(text_of(line), flush=True)
        if self._path is not None:
            document = {"rows": [asdict(line) for line in self.lines], "manifest": dict(self._manifest)}
            manifests.write(self._path, document)

    def attempt(self, section: str, name: str, work: Callable[[], None], *, needs: float = 3.0) -> None:
        """Do the work if there are as many seconds left as it needs; an error is a line, not the end."""
        if self.seconds_left() < needs:
            self.add(section, name, status="left out")
            return
        try:
            work()
        except Exception as error:
            self.add(section, name, status="failed", error=f"{type(error).__name__}: {error}"[:300])


def text_of(line: Line) -> str:
    """Return a line as text.

    Example:
        >>> text_of(Line("bpr", "an epoch", ms=2.0, floor_ms=0.5, more={"steps": 3}))
        'bpr  an epoch  measured  2.000 ms  4.0 x the floor  steps=3'
    """
    parts = [line.section, line.name, line.status]
    if line.ms is not None:
        parts.append(f"{line.ms:.3f} ms")
    if line.ms is not None and line.floor_ms:
        parts.append(f"{line.ms / line.floor_ms:.1f} x the floor")
    return "  ".join([*parts, *(f"{name}={_short(value)}" for name, value in line.more.items())])


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table."""
    rows = [["section", "what", "status", "ms", "floor, ms", "times", "more"]]
    for line in lines:
        ms, floor = ("-" if number is None else f"{number:.3f}" for number in (line.ms, line.floor_ms))
        times = f"{line.ms / line.floor_ms:.1f}" if line.ms is not None and line.floor_ms else "-"
        more = " ".join(f"{name}={_short(value)}" for name, value in line.more.items())
        rows.append([line.section, line.name, line.status, ms, floor, times, more[:120]])
    return align(rows, left=len(rows[0]))


seconds = partial(median, repeats=5, most=3.0)
"""Median seconds of a warm call; see `benchmark.timing.median`."""


def turn(body: Callable[[Any], Any], carry: Any, *, turns: int) -> float:
    """Return the seconds of one turn of `body` in a loop on the device: what the host does to start it is not in it."""
    program = jax.jit(lambda count, start: jax.lax.fori_loop(0, count, lambda _, now: body(now), start))
    few, many = (seconds(lambda count=count: program(count, carry)) for count in (1, 1 + turns))  # type: ignore[misc]
    return max(many - few, 1e-9) / turns
