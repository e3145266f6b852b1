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

STYLE = """
:root { color-scheme: light dark; --page: #f6f7f8; --surface: #ffffff; --ink: #1c2024; --muted: #60646c;
  --line: #e3e5e9; --accent: #1d5fd1; --zebra: #fafbfc; }
@media screen and (prefers-color-scheme: dark) { :root { --page: #0f1114; --surface: #16191d; --ink: #e8eaed;
  --muted: #a3a9b3; --line: #30353c; --accent: #6aa5ff; --zebra: #1a1e23; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1140px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .6rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0 0 .2rem; }
p { margin: 0 0 .8rem; max-width: 46rem; }
p.note, figcaption, details { color: var(--muted); font-size: .9rem; max-width: 46rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: 1.2rem 0 2rem; font-size: .92rem; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1.5rem 0; }
.tile, section { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 1rem; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile small { display: block; font-size: .85rem; font-weight: 400; }
.tile span { color: var(--muted); font-size: .85rem; overflow-wrap: anywhere; }
section { padding: 1.2rem 1.25rem; margin: 0 0 1.2rem; scroll-margin-top: 1rem; }
.scroll { overflow-x: auto; margin: 0 -1.25rem; padding: 0 1.25rem; }
:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .42rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
thead th { color: var(--muted); font-weight: 600; vertical-align: bottom; } tbody th { font-weight: 400; }
.wide thead th { white-space: normal; min-width: 5.2rem; } .wide th, .wide td { padding: .42rem .55rem; }
.wide td small { display: block; }
th:first-child { position: sticky; left: 0; background: inherit; }
thead tr, tbody tr { background: var(--surface); }
.left { text-align: left; } tbody .left { white-space: normal; min-width: 8.5rem; }
tbody th:has(+ th) { min-width: 0; }
tbody tr:nth-child(even) { background: var(--zebra); } tbody tr:last-child > * { border-bottom: 0; }
td small { color: var(--muted); font-size: .92em; } .best { font-weight: 650; } .best small { font-weight: 400; }
figure { margin: 0; } figure img { display: block; max-width: 100%; height: auto; }
figcaption { margin-top: .6rem; } summary { cursor: pointer; } pre { overflow-x: auto; font-size: .78rem; }
@media print { body { background: #fff; font-size: 12px; } main { max-width: none; padding: 0; } nav { display: none; }
  section { border: 0; padding: 0; } .scroll { overflow: visible; margin: 0; padding: 0; } h2 { break-after: avoid; }
  figure, tr, .tile { break-inside: avoid; } th, td { white-space: normal !important; min-width: 0 !important; }
  figure img { min-width: 0 !important; } th:first-child { position: static; } }
@media (max-width: 640px) { main { padding: 1.5rem .75rem 3rem; } h1 { font-size: 1.5rem; }
  section { padding: 1rem .9rem; } .scroll { margin: 0 -.9rem; padding: 0 .9rem; }
  .tiles { grid-template-columns: 1fr 1fr; } .tile b { font-size: 1.2rem; overflow-wrap: anywhere; } }
"""


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
    parts[1:1] = [(plot.title, _figure(plot, path.parent / "plots")) for plot in plots]
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
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n'
        "<body>\n<main>\n" + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
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
