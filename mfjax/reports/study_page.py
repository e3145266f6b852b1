"""The page of any study: its tables, intervals by length of the list, sweeps, and which differences are real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mfjax.reports import page, study_tables
from mfjax.reports.figures import Plot
from mfjax.reports.plots_settings import by_length, sweeps
from mfjax.reports.sections import Section
from mfjax.studies.findings import Results
from mfjax.studies.judging import is_error


def write(
    folder: str | Path,
    results: Results,
    *,
    title: str = "Recommenders",
    about: Sequence[str] = (),
    sections: Sequence[Section] | None = None,
    compared: Sequence[str] | None = None,
    plots: Sequence[Plot] = (),
    manifest: Mapping[str, Any] | None = None,
) -> Path:
    """Write `report.html` and its plots into a folder, and return the path of the page.

    Args:
        folder: made where it is not there.
        results: of `studies.run`.
        title: the heading.
        about: paragraphs below it, such as `sentences.about` returns.
        sections: the tables that a terminal shows too; None for `study_tables.every`.
        compared: measures of the table of differences that is added, of one Holm family; None for all, empty for none.
        plots: others than those by length of the list and of sweeps.
        manifest: what the study can be repeated from, or None.
    """
    if sections is None:
        sections = study_tables.every(results)
    if compared is None or compared:
        sections = [*sections, *study_tables.pairs(results, compared)]
    rows = results.rows()
    tiles = {}
    for measure in results.measures[:2]:
        best = str(results.best(measure))
        row = next(row for row in rows if (row.model, row.metric) == (best, measure))
        which = "least" if is_error(measure) else "greatest"
        told = f"{measure} of {best}" + (f", the {which}" if len(results.settings) > 1 else "")
        tiles[f"{told} [95 % interval]"] = f"{row.mean:.4f} [{row.low:.4f}, {row.high:.4f}]"
    tiles |= {
        "users judged": f"{len(results.users):,}",
        "settings": str(len(results.settings)),
        "seeds": str(len(results.seeds)),
    }
    path = Path(folder) / "report.html"
    drawn = [*by_length(results, rows), *sweeps(results, rows), *plots]
    page.write(path, title=title, about=about, tiles=tiles, sections=sections, plots=drawn, manifest=manifest or {})
    return path
