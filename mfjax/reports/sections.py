"""A titled table of a report, printed as text or set as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mfjax.studies.tables import align


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: its heading.
        note: a sentence below the heading, or "".
        lines: cells; the first line is the head.
        left: columns that are set left, the others right.
        heads: the first columns, which say what a line is of.
        best: (line, column) of the cells that are set bold on a page, from 0.
        bold: a sentence that says what those are.
    """

    title: str
    note: str
    lines: Sequence[Sequence[str]]
    left: int = 1
    heads: int = 1
    best: frozenset[tuple[int, int]] = frozenset()
    bold: str = ""

    def text(self) -> str:
        """Return the section for a terminal."""
        return "\n".join([self.title, *([self.note] if self.note else []), "", align(self.lines, left=self.left), ""])
