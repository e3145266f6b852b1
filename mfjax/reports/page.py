"""One self-contained HTML page of a study: tables and plots inside it, light and dark, readable on a phone."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mfjax.files import atomic_path
from mfjax.reports import figures
from mfjax.reports.figures import DARK, Plot
from mfjax.reports.sections import Section

STYLE = Path(__file__).with_name("page.css")


def write(
    path: Path,
    *,
    title: str,
    about: Sequence[str],
    tiles: Mapping[str, str],
    sections: Sequence[Section],
    plots: Sequence[Plot],
    manifest: Mapping[str, Any],
) -> None:
    """Write the page to `path`, and the light plots as SVG into the folder `plots` beside it.

    Args:
        path: of the page.
        title: its heading.
        about: paragraphs below the heading.
        tiles: what a figure is -> the figure, the few to see first.
        sections: tables.
        plots: figures; each is drawn light and dark, and the page shows the one that suits the reader.
        manifest: what the run can be repeated from; empty for none.
    """
    parts = [(section.title, _table(section)) for section in sections]
    # Plots follow the table that they show, not the searches before it.
    at = next((number for number, section in enumerate(sections, 1) if section.title == "Models"), 1)
    parts[at:at] = [(plot.title, _figure(plot, path.parent / "plots")) for plot in plots]
    body = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(text)}</p>" for text in about),
        '<div class="tiles">',
        *(f'<div class="tile"><b>{_cell(text)}</b><span>{escape(name)}</span></div>' for name, text in tiles.items()),
        '</div>\n<nav aria-label="Contents">',
        *(f'<a href="#part-{number}">{escape(name)}</a>' for number, (name, _) in enumerate(parts, 1)),
        "</nav>",
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
    left = ['class="left"' if column < section.left else "" for column in range(len(head))]
    rows = []
    for number, line in enumerate(lines, 1):
        found = []
        for column, text in enumerate(line):
            kinds = "left " * (column < section.left) + "best" * ((number, column) in section.best)
            tag, scope = ("th", ' scope="row"') if column < section.heads else ("td", "")
            found.append(f'<{tag}{scope} class="{kinds.strip()}">{_cell(text)}</{tag}>')
        rows.append(f"<tr>{''.join(found)}</tr>")
    # A hyphen in a head, as of 20-99, is no place to break a line.
    heads = [
        f'<th scope="col" {kind}>{_cell(text).replace("-", "&#8209;")}</th>' if text else "<td></td>"
        for text, kind in zip(head, left, strict=True)
    ]
    told = " ".join(filter(None, (section.note, section.bold)))
    note = f'<p class="note">{escape(told)}</p>' if told else ""
    return (
        f"{note}{_scroll(section.title)}<table{' class=wide' if len(head) > 5 else ''}>"
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _scroll(title: str) -> str:
    """Return the start of what is scrolled sideways where it is wider than the page, by the keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">'


def _cell(text: str) -> str:
    """Return a cell with its interval, if it has one, set smaller."""
    value, bracket, interval = text.partition(" [")
    return f"{escape(value)} <small>[{escape(interval)}</small>" if bracket else escape(text)
