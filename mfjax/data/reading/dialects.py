"""How the lines of a text file are written, and how one is split into fields."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from mfjax.data.reading.opening import Place

# Stands for a separator of several bytes; it is refused in the text of such a file.
UNIT_SEPARATOR = "\x1f"

WHITESPACE = r"\s+"
"""The separator that is any run of blanks and tabs, written as pandas has it."""


@dataclass(frozen=True)
class Dialect:
    """How a text file is written, all of it known.

    Attributes:
        separator: of fields: one character or several, or WHITESPACE.
        quoting: whether fields may stand in double quotes.
        multiline: whether a quoted field may hold line breaks.
        escape: the character before a quote, within quotes, that is text; None where quotes are doubled.
        comment: lines that begin with it are left out; None for none.
        skip: lines before the first that counts, the header line among them.
        encoding: of the bytes.
    """

    separator: str = ","
    quoting: bool = True
    multiline: bool = False
    escape: str | None = None
    comment: str | None = None
    skip: int = 0
    encoding: str = "utf-8"

    @property
    def delimiter(self) -> str:
        """Return the separator of one byte that Arrow's parser is given."""
        return self.separator if len(self.separator.encode()) == 1 else UNIT_SEPARATOR


def unescaped(text: str, escape: str) -> str:
    r"""Return text whose quotes are doubled where it has them escaped.

    Example:
        >>> unescaped(r'"a \"b\" \\ c"', "\\")
        '"a ""b"" \\ c"'
    """
    pattern = re.escape(escape) + '(["' + re.escape(escape) + "])"
    return re.sub(pattern, lambda found: '""' if found[1] == '"' else escape, text)


def fields(line: bytes, dialect: Dialect) -> list[str]:
    """Return the fields of a record of `numbered`, as the parser splits it."""
    return split(line.decode(errors="replace"), dialect.delimiter, dialect.quoting)


def split(text: str, separator: str, quoting: bool) -> list[str]:
    """Return the fields of a line.

    Example:
        >>> split("1::Toy Story", "::", False), split('1,"a, b"', ",", True), split(" 1  2 ", WHITESPACE, False)
        (['1', 'Toy Story'], ['1', 'a, b'], ['1', '2'])
    """
    if separator == WHITESPACE:
        return re.split(r"[ \t]+", text.strip(" \t"))
    if quoting and '"' in text:
        one = separator if len(separator) == 1 else UNIT_SEPARATOR
        return quoted(text.replace(separator, one), one)
    return text.split(separator)


def quoted(record: str, separator: str, *, strict: bool = False) -> list[str]:
    """Return the fields of a record, some of which may stand in double quotes. Raises csv.Error where `strict` asks."""
    limit = csv.field_size_limit()
    try:
        csv.field_size_limit(max(limit, len(record)))
        return next(csv.reader(io.StringIO(record, newline=""), delimiter=separator, strict=strict), [])
    finally:
        csv.field_size_limit(limit)


def with_one_separator(block: bytes, path: Place, dialect: Dialect) -> bytes:
    if dialect.delimiter == dialect.separator:
        return block
    if UNIT_SEPARATOR.encode() in block:
        raise ValueError(f"separator: {path} holds the byte 0x1f, which a separator of several characters can not have")
    if dialect.separator == WHITESPACE:
        block = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", block)
        return re.sub(rb"[ \t]+", UNIT_SEPARATOR.encode(), block)
    return block.replace(dialect.separator.encode(), UNIT_SEPARATOR.encode())
