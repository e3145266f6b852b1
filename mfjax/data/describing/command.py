"""`mfjax data PATH`: what is in a file or folder, and the call that reads it, printed."""

from __future__ import annotations

from dataclasses import dataclass

from mfjax.data.describing.description import Description, describe
from mfjax.data.describing.source import Source

_SHOWN = 24


@dataclass(frozen=True)
class Data(Source):
    """Say what is in a file, a folder or a zip archive of interactions, and how data.read reads it.

    Columns are given by name, or by position from 0. What you do not give is found in the file; a guess is reported as
    such.

    Example: mfjax data ratings.csv
    """

    def run(self) -> None:
        """Print what is in the file."""
        print(report(describe(self.path, name=self.name, **self.said())))


def report(found: Description) -> str:
    """Return a description as text for a terminal.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mine.csv"
        ...     _ = path.write_text("user,item,rating\\n7,9,5\\n8,9,3\\n")
        ...     print(report(describe(path)).replace(folder, "data"))
        data/mine.csv
          format      text, separator ',', a header line, utf-8
          column      user: user, such as '7', '8'
          column      item: item, such as '9', '9'
          column      rating: value, such as '5', '3'
          rows        2
          users       2
          items       1
          values      3 to 5, 2 different
          times       none
          repeats     0
        <BLANKLINE>
        from mfjax import data
        <BLANKLINE>
        pairs = data.read(
            'data/mine.csv',
            user='user',
            item='item',
            value='rating',
            separator=',',
            header=True,
        )
    """
    lines = [("format", _format(found))]
    for part, files in found.files.items():
        if len(found.files) > 1 or len(files) > 1:
            lines.append(("file" if part == "all" else part, ", ".join(files)))
    if found.sets:
        lines.append(("set", f"laid out as {', '.join(found.sets)}: {found.load} reads it too"))
    for column in found.columns:
        shown = ", ".join(repr(cell if len(cell) <= _SHOWN else cell[:_SHOWN] + "...") for cell in column.sample[:2])
        lines.append(("column", f"{column.name}: {column.part or 'not read'}, such as {shown}"))
    lines += _counts(found)
    lines += [("refused", told) for told in found.dropped] + [("guessed", told) for told in found.notes]
    return "\n".join([found.path, *(f"  {name:<11} {told}" for name, told in lines), "", found.call])


def _format(found: Description) -> str:
    if found.format != "text":
        return "lists of a user and its items" if found.format == "lists" else found.format
    return f"text, separator {found.separator!r}, {'a' if found.header else 'no'} header line, {found.encoding}"


def _counts(found: Description) -> list[tuple[str, str]]:
    counts = found.counts
    if counts is None:
        return [("rows", "can not be read")]
    parts = (
        f" ({', '.join(f'{part} {rows:,}' for part, rows in counts.parts.items())})" if len(counts.parts) > 1 else ""
    )
    lines = [("rows", f"{counts.rows:,}{parts}")]
    for name, number in (("users", counts.users), ("items", counts.items)):
        lines.append((name, "can not be read" if number is None else f"{number:,}"))
    values, times = counts.values, counts.times
    shown = "none" if values is None else f"{values.least:g} to {values.most:g}, {values.different:,} different"
    lines.append(("values", shown))
    lines.append(("times", "none" if times is None else f"{times.first} to {times.last}, in {times.unit}"))
    lines.append(("repeats", f"{counts.repeats:,}"))
    return lines
