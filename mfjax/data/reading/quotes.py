"""Double quotes in text files: one that swallows lines is found before Arrow's parser takes it in silence."""

from __future__ import annotations

import csv
from collections.abc import Callable

import numpy as np

from mfjax.data.reading.dialects import Dialect, quoted, with_one_separator
from mfjax.data.reading.opening import Place


def check(block: bytes, before: Callable[[], int], path: Place, dialect: Dialect) -> None:
    """Raise ValueError for a quoted field that does not end in its line, or goes on after its closing quote.

    A block is looked at as a whole: a quote that opens follows a separator or a line's start, and one that closes
    stands before a separator or a line's end. Only lines where some quote does neither are parsed one by one.

    Args:
        block: whole lines.
        before: counts the lines of the file before the block.
        path, dialect: of the file.
    """
    text = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    breaks = np.flatnonzero(text == ord("\n"))
    of_line = np.searchsorted(breaks, quotes) - 1
    first = np.searchsorted(of_line, of_line, side="left")
    opens = (np.arange(len(quotes)) - first) % 2 == 0
    edges = np.zeros(256, bool)
    edges[[ord('"'), ord("\n"), ord("\r"), ord(dialect.delimiter), ord(dialect.separator[-1])]] = True
    fits = edges[np.where(opens, text[quotes - 1], text[quotes + 1])]
    # The last quote of a line must close one.
    last = np.r_[of_line[1:] != of_line[:-1], True] if len(quotes) else np.zeros(0, bool)
    doubtful = np.unique(of_line[~fits | (last & opens)])
    for number in doubtful.tolist():
        found = bytes(text[breaks[number] + 1 : breaks[number + 1]]).removesuffix(b"\r")
        try:
            record = with_one_separator(found, path, dialect).decode(errors="replace")
            quoted(record, dialect.delimiter, strict=True)
        except csv.Error:
            raise ValueError(
                f"source: {path}, line {before() + number + 1}: a double quote opens a field that does not end as one "
                f"({found[:60].decode(errors='replace')!r}); mend the line, or pass quoting=False where quotes are "
                "text, or multiline=True where quoted fields hold line breaks"
            ) from None
