"""A published figure beside the measured one, and whether they agree."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from mfjax.files import atomic_path
from mfjax.studies import command_line
from mfjax.studies.options import MOST, Checked, Place, Within
from mfjax.studies.tables import align

Verdict = Literal["agrees", "published is wrong", "ours only", "MISS"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One figure of a table.

    Attributes:
        table: "T1", ...
        quantity: what it is, in words.
        published: the printed figure, or None where the source prints none.
        measured: ours; the mean where it is random.
        low, high: what passes, both included.
        spread: (smallest, largest) over seeds or splits, or None where nothing is random.
        note: why the bounds are what they are, or why the published figure is wrong.
    """

    table: str
    quantity: str
    published: float | None
    measured: float
    low: float
    high: float
    spread: tuple[float, float] | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.low <= self.measured <= self.high

    @property
    def verdict(self) -> Verdict:
        """What is to be said of the figure: a published one that does not pass where ours does is wrong."""
        if not self.passed:
            return "MISS"
        if self.published is None:
            return "ours only"
        return "agrees" if self.low <= self.published <= self.high else "published is wrong"


def near(table: str, quantity: str, published: float, measured: float, *, tolerance: float, note: str = "") -> Check:
    """Return the check that a deterministic figure is within `tolerance` of the published one."""
    return Check(
        table=table,
        quantity=quantity,
        published=published,
        measured=measured,
        low=published - tolerance,
        high=published + tolerance,
        note=note,
    )


@dataclass(frozen=True)
class Options(Checked):
    """Measure a published table and judge every figure; exits with 1 on a miss."""

    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with the MovieLens files; None looks in the cache, then fetches them."""
    seeds: Annotated[int, Within(1, MOST)] = 10
    """Seeds of every random figure."""
    out: Annotated[Path | None, Place("output", ("paper_repro.json",))] = None
    """Folder for paper_repro.json; None writes no file."""
    progress: bool = True
    """Show a progress bar."""
    compilation_cache: bool = True
    """Keep compiled programs on disk, so that the next run starts sooner."""


def report(checks: Sequence[Check]) -> str:
    """Return the checks as a text table, with the notes below it."""
    lines = [["table", "quantity", "published", "measured", "spread", "passes within", "verdict"]]
    for check in checks:
        spread = "" if check.spread is None else f"{_number(check.spread[0])} .. {_number(check.spread[1])}"
        lines.append(
            [
                check.table,
                check.quantity,
                "" if check.published is None else _number(check.published),
                _number(check.measured),
                spread,
                f"{_number(check.low)} .. {_number(check.high)}",
                check.verdict,
            ]
        )
    notes = [f"- {check.quantity}: {check.note}" for check in checks if check.note]
    return "\n".join([align(lines, left=2), "", *notes, "", counted(checks)])


def counted(checks: Sequence[Check]) -> str:
    """Return how many figures there are of each verdict."""
    counts = Counter(check.verdict for check in checks)
    return (
        f"{len(checks)} figures: {counts['agrees']} agree with the published ones, {counts['published is wrong']} are "
        f"published wrongly, {counts['ours only']} are ours only, {counts['MISS']} miss"
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() and abs(value) >= 10 else f"{value:.5f}"


def finish(checks: Sequence[Check], options: Options) -> None:
    """Print the report, write it where asked, and exit with 1 on a miss."""
    print(report(checks))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        with atomic_path(options.out / "paper_repro.json") as path:
            path.write_text(
                json.dumps(
                    [asdict(check) | {"passed": check.passed, "verdict": check.verdict} for check in checks], indent=1
                )
                + "\n"
            )
    if not all(check.passed for check in checks):
        raise SystemExit(1)


def main(program: str, measure: Callable[[Options], list[Check]]) -> NoReturn:
    """Run one table, or all, from the command line."""

    class Table(Options):
        __doc__ = Options.__doc__

        def run(self) -> None:
            command_line.begin(self, *(["tqdm"] if self.progress else []))
            finish(measure(self), self)

    sys.exit(command_line.main(Table, program=program))
