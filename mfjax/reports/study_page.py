"""One self-contained HTML page of any study: tables and plots inside it, light and dark, readable on a phone."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mfjax.files import atomic_path
from mfjax.reports import figures, study_tables
from mfjax.reports.figures import DARK, Plot
from mfjax.reports.plots_settings import by_length, sweeps
from mfjax.reports.sections import Section
from mfjax.studies.findings import Results
from mfjax.studies.judging import is_error

STYLE = Path(__file__).with_name("page.css")


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
    """Write `report.html`, and its light plots as SVG beside it, into a folder; return the path of the page.

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
    path, rows = Path(folder) / "report.html", results.rows()
    sections = [*(study_tables.every(results) if sections is None else sections)]
    if compared is None or compared:
        sections += study_tables.pairs(results, compared)
    drawn = [*by_length(results, rows), *sweeps(results, rows), *plots]
    parts = [(section.title, _table(section)) for section in sections]
    # Plots follow the table that they show, not the searches before it.
    at = next((number for number, section in enumerate(sections, 1) if section.title == "Models"), 1)
    parts[at:at] = [(plot.title, _figure(plot, path.parent / "plots")) for plot in drawn]
    links = [f'<a href="#part-{number}">{escape(name)}</a>' for number, (name, _) in enumerate(parts, 1)]
    body = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(text)}</p>" for text in about),
        _tiles(results),
        f'<nav aria-label="Contents">{"".join(links)}</nav>',
        *(
            f'<section id="part-{number}"><h2>{escape(name)}</h2>{content}</section>'
            for number, (name, content) in enumerate(parts, 1)
        ),
    ]
    if manifest:
        told = "Manifest: versions, checksums, keys and options of this run"
        text = escape(json.dumps(manifest, indent=1))
        body.append(f"<section><details><summary>{told}</summary><pre>{text}</pre></details></section>")
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # An empty icon, or a browser would ask for one.
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>\n{STYLE.read_text()}</style>\n'
        "</head>\n<body>\n<main>\n" + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
    )
    with atomic_path(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return path


def _tiles(results: Results) -> str:
    """Return the few figures to see first: the best of the first two measures, and the sizes."""
    by_name, tiles = {(row.model, row.metric): row for row in results.rows()}, {}
    for measure in results.measures[:2]:
        row = by_name[str(results.best(measure)), measure]
        which = f", the {'least' if is_error(measure) else 'greatest'}" if len(results.settings) > 1 else ""
        tiles[f"{measure} of {row.model}{which} [95 % interval]"] = f"{row.mean:.4f} [{row.low:.4f}, {row.high:.4f}]"
    sizes = {"users judged": len(results.users), "settings": len(results.settings), "seeds": len(results.seeds)}
    tiles |= {name: f"{size:,}" for name, size in sizes.items()}
    shown = [f'<div class="tile"><b>{_cell(text)}</b><span>{escape(name)}</span></div>' for name, text in tiles.items()]
    return f'<div class="tiles">{"".join(shown)}</div>'


def _figure(plot: Plot, folder: Path) -> str:
    """Return a plot, light and dark, and write it into the folder."""
    light = figures.write(plot, folder).read_bytes()
    sources = [f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for svg in (light, plot.svg(DARK))]
    width, height = (round(96 * inches) for inches in plot.size)
    return (
        f'<figure>{_scroll(plot.title)}<picture><source srcset="{sources[1]}" '
        f'media="screen and (prefers-color-scheme: dark)"><img src="{sources[0]}" width="{width}" height="{height}" '
        # On a phone letters stay as large as they can be read, and the plot is scrolled.
        f'style="min-width: min({width}px, 42rem)" alt="{escape(plot.alt)}"></picture></div>'
        f"<figcaption>{escape(plot.caption)}</figcaption></figure>"
    )


def _table(section: Section) -> str:
    head, *lines = section.lines
    rows = []
    for number, line in enumerate(lines, 1):
        found = []
        for column, text in enumerate(line):
            kind = "left " * (column < section.left) + "best" * ((number, column) in section.best)
            tag, scope = ("th", ' scope="row"') if column < section.heads else ("td", "")
            found.append(f'<{tag}{scope} class="{kind.strip()}">{_cell(text)}</{tag}>')
        rows.append(f"<tr>{''.join(found)}</tr>")
    heads = [
        # A hyphen in a head, as of 20-99, is no place to break a line.
        f'<th scope="col" class="{"left" * (column < section.left)}">{_cell(text).replace("-", "&#8209;")}</th>'
        if text
        else "<td></td>"
        for column, text in enumerate(head)
    ]
    told = " ".join(filter(None, (section.note, section.bold)))
    return (
        f'<p class="note">{escape(told)}</p>{_scroll(section.title)}<table{" class=wide" if len(head) > 5 else ""}>'
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _scroll(title: str) -> str:
    """Return the start of what is scrolled sideways where it is wider than the page, by the keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">'


def _cell(text: str) -> str:
    """Return a cell with its interval, if it has one, set smaller."""
    value, bracket, interval = text.partition(" [")
    return f"{escape(value)} <small>[{escape(interval)}</small>" if bracket else escape(text)
