"""A titled table of a report, printed as text or set as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mfjax.studies.results import align


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: its heading.
        note: a sentence below the heading, or "".
        lines: cells; the first line is the head.
        left: columns that are set left, the others right.
        best: (line, column) of the cells that are set bold, from 0.
    """

    title: str
    note: str
    lines: Sequence[Sequence[str]]
    left: int = 1
    best: frozenset[tuple[int, int]] = frozenset()

    def text(self) -> str:
        """Return the section for a terminal."""
        return "\n".join([self.title, *([self.note] if self.note else []), "", align(self.lines, left=self.left), ""])
