"""One self-contained HTML page of a study: tables and plots inside it, light and dark, readable on a phone."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mfjax.files import atomic_path
from mfjax.reports.figures import DARK, LIGHT, Plot
from mfjax.reports.sections import Section

STYLE = """
:root { color-scheme: light dark; --page: #f6f7f8; --surface: #ffffff; --ink: #1c2024; --muted: #60646c;
  --line: #e3e5e9; --accent: #1d5fd1; --zebra: #fafbfc; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1114; --surface: #16191d; --ink: #e8eaed; --muted: #a3a9b3;
  --line: #30353c; --accent: #6aa5ff; --zebra: #1a1e23; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5; -webkit-text-size-adjust: 100%;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-size: 16px; }
main { max-width: 1120px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .6rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0 0 .2rem; }
p { margin: 0 0 .8rem; max-width: 46rem; }
p.note { color: var(--muted); font-size: .9rem; margin-bottom: .9rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: 1.2rem 0 2rem; font-size: .92rem; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1.5rem 0; }
.tile { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: .9rem 1rem; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--muted); font-size: .85rem; }
section { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 1.2rem 1.25rem;
  margin: 0 0 1.2rem; scroll-margin-top: 1rem; }
.scroll { overflow-x: auto; margin: 0 -1.25rem; padding: 0 1.25rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .42rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
thead th { color: var(--muted); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; }
th.left, td.left { text-align: left; }
.wide thead th { white-space: normal; min-width: 5.2rem; } .wide th, .wide td { padding: .42rem .55rem; }
.wide td small { display: block; margin: 0; }
th:first-child { position: sticky; left: 0; background: inherit; }
thead tr, tbody tr { background: var(--surface); }
td.left, tbody th.left { white-space: normal; min-width: 8.5rem; }
tbody tr:nth-child(even) { background: var(--zebra); } tbody tr:last-child > * { border-bottom: 0; }
td small { color: var(--muted); font-size: .92em; margin-left: .3em; }
tr.best > *, td.best { font-weight: 650; } tr.best small, td.best small { font-weight: 400; }
.scroll:focus-visible { outline: 2px solid var(--accent); }
figure { margin: 0; } figure img { display: block; width: 100%; height: auto; border-radius: 6px; }
.plot { min-width: 44rem; }
figcaption { color: var(--muted); font-size: .9rem; margin-top: .6rem; max-width: 46rem; }
details { color: var(--muted); font-size: .88rem; } summary { cursor: pointer; }
pre { overflow-x: auto; font-size: .78rem; }
@media print { body, section, .tile { background: #fff; } main { max-width: none; padding: 0; } nav { display: none; }
  section { break-inside: avoid; border: 0; padding: 0; } .scroll { overflow: visible; margin: 0; padding: 0; }
  .plot { min-width: 0; } }
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
    best: str,
) -> None:
    """Write the page to `path`, and the light plots as PNG into the folder `plots` beside it.

    Args:
        path: of the page.
        title: its heading.
        about: paragraphs below the heading.
        tiles: what a figure is -> the figure, the few to see first.
        sections: tables.
        plots: figures; each is drawn light and dark, and the page shows the one that suits the reader.
        manifest: what the run can be repeated from; empty for none.
        best: name of the model whose line is set in bold, or "" for none; cells are marked by their section.
    """
    figures = []
    for plot in plots:
        light, dark = plot.png(LIGHT), plot.png(DARK)
        _write_bytes(path.parent / "plots" / f"{plot.name}.png", light)
        figures.append(_figure(plot, light, dark))
    tables = [_table(section, best) for section in sections]
    named = [section.title for section in sections]
    named[1:1] = [plot.title for plot in plots]
    body = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(text)}</p>" for text in about),
        '<div class="tiles">',
        *(f'<div class="tile"><b>{escape(text)}</b><span>{escape(name)}</span></div>' for name, text in tiles.items()),
        "</div>",
        "<nav>" + "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name in named) + "</nav>",
        *tables[:1],
        *figures,
        *tables[1:],
        *([_manifest(manifest)] if manifest else []),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # An empty icon, or a browser would ask for one.
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n'
        "<body>\n<main>\n" + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
    )
    _write_bytes(path, page.encode())


def _manifest(manifest: Mapping[str, Any]) -> str:
    return (
        "<section><details><summary>Manifest: versions, checksums, keys and options of this run</summary>"
        f"<pre>{escape(json.dumps(manifest, indent=1))}</pre></details></section>"
    )


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished:
        unfinished.write_bytes(content)


def _anchor(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title.lower())


def _figure(plot: Plot, light: bytes, dark: bytes) -> str:
    sources = [f"data:image/png;base64,{base64.b64encode(png).decode()}" for png in (light, dark)]
    return (
        f'<section id="{_anchor(plot.title)}"><h2>{escape(plot.title)}</h2><figure>{_scroll(plot.title)}'
        f'<picture><source srcset="{sources[1]}" media="(prefers-color-scheme: dark)">'
        f'<img class="plot" src="{sources[0]}" alt="{escape(f"{plot.title}. {plot.caption}")}"></picture></div>'
        f"<figcaption>{escape(plot.caption)}</figcaption></figure></section>"
    )


def _table(section: Section, best: str) -> str:
    head, *lines = section.lines

    def row(number: int, line: Sequence[str]) -> str:
        found = []
        for column, text in enumerate(line):
            kinds = [
                *(["left"] if column < section.left else []),
                *(["best"] if (number, column) in section.best else []),
            ]
            # The first cell of a line says what the line is of.
            tag = "td" if number and column else f'th scope="{"row" if number else "col"}"'
            told = f' class="{" ".join(kinds)}"' if kinds else ""
            # A hyphen in a head, as of 20-99, is no place to break a line.
            cell = _cell(text) if number else _cell(text).replace("-", "&#8209;")
            found.append(f"<{tag}{told}>{cell}</{tag[:2]}>")
        return "".join(found)

    rows = [
        f"<tr{' class=' + chr(34) + 'best' + chr(34) if line[0] == best else ''}>{row(number, line)}</tr>"
        for number, line in enumerate(lines, 1)
    ]
    note = f'<p class="note">{escape(section.note)}</p>' if section.note else ""
    return (
        f'<section id="{_anchor(section.title)}"><h2>{escape(section.title)}</h2>{note}{_scroll(section.title)}'
        f"<table{' class=wide' if len(head) > 5 else ''}><thead><tr>{row(0, head)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _scroll(title: str) -> str:
    """Return the start of what is scrolled sideways where it is wider than the page, by the keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">'


def _cell(text: str) -> str:
    """Return a cell with its interval, if it has one, set smaller."""
    value, bracket, interval = text.partition(" [")
    return f"{escape(value)}<small>[{escape(interval)}</small>" if bracket else escape(text)
