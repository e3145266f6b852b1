"""How a text file is laid out: what is said of it, and what is found from its first lines where that is safe."""

from __future__ import annotations

import codecs
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mfjax import checks
from mfjax.data.reading import lines
from mfjax.data.reading.columns import Columns, is_usual
from mfjax.data.reading.dialects import WHITESPACE, Dialect, split, unescaped
from mfjax.data.reading.opening import DAMAGED, Place, damaged, opened, suffix

_logger = logging.getLogger(__name__)

# In the order in which they are tried.
SEPARATORS = ("\t", "::", ";", "|", ",", " ")

_HEAD = 1 << 18
_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Text:
    """What may be said of a text file; None for what is found from its first lines.

    Attributes:
        separator: of fields: one character or several, or "whitespace" (or r"\\s+") for runs of blanks and tabs.
        header: whether the first line names the columns.
        encoding: such as "latin-1"; None for UTF-8, or what a byte order mark says.
        quoting: whether fields may stand in double quotes; None for yes, but no where the separator is a tab or several
            characters.
        multiline: whether a quoted field may hold line breaks.
        escape: the character before a quote, within quotes, that is text, such as a backslash; None where such quotes
            are doubled.
        comment: lines that begin with it are left out.
        skip_lines: lines to leave out before the header.
    """

    separator: str | None = None
    header: bool | None = None
    encoding: str | None = None
    quoting: bool | None = None
    multiline: bool = False
    escape: str | None = None
    comment: str | None = None
    skip_lines: int = 0

    def __post_init__(self) -> None:
        separator = self.separator
        if separator is not None and not (
            isinstance(separator, str) and separator and not set(separator) & set('\r\n\0"')
        ):
            raise ValueError(f"separator: {separator!r} is no separator; pass such as ',', '\\t', '::' or 'whitespace'")
        for name in ("header", "quoting"):
            checks.choice(name, getattr(self, name), (None, True, False))
        checks.choice("multiline", self.multiline, (True, False))
        checks.whole("skip_lines", self.skip_lines, least=0)
        if self.escape is not None and not (
            isinstance(self.escape, str)
            and len(self.escape) == 1
            and self.escape.isascii()
            and self.escape not in '"\r\n'
        ):
            raise ValueError(f"escape: {self.escape!r:.40} is no escape; pass one character, such as a backslash")
        if self.comment is not None:
            checks.kind("comment", self.comment, str, "pass such as '#'")
            if not self.comment or "\n" in self.comment:
                raise ValueError(f"comment: {self.comment!r} begins no line; pass such as '#'")
        if self.encoding is not None:
            try:
                io.TextIOWrapper(io.BytesIO(), encoding=self.encoding)  # takes encodings of text alone
            except (LookupError, TypeError, ValueError):
                raise ValueError(f"encoding: {self.encoding!r} is unknown; pass such as 'latin-1'") from None


def judgements(columns: Columns, text: Text) -> tuple[Columns, Text]:
    """Return where the columns of TREC's judgements are, and how their lines are written: `user 0 item relevance`."""
    return replace(columns, user=0, item=2, value=3), replace(text, separator="whitespace", header=False)


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out: the dialect of its lines, the names of its columns, and what was found of it."""

    dialect: Dialect
    names: tuple[str, ...]
    header: bool
    sample: tuple[tuple[str, ...], ...]


def look(path: Place, columns: Columns, text: Text) -> Layout:
    """Return the layout of a file from its first lines and what was said of it.

    Raises:
        ValueError: for an empty file, and where a separator or a header line can not be told.
    """
    head, encoding = _head(path, text)
    if not head:
        raise ValueError(f"source: {path} holds no line; pass another file")
    separator = text.separator or _separator(head, text, path)
    separator = WHITESPACE if separator == "whitespace" else separator
    quoting = text.quoting
    if quoting is None:
        quoting = len(separator) == 1 and separator != "\t"
    dialect = Dialect(separator, quoting, text.multiline, text.escape, text.comment, text.skip_lines, encoding)
    sample = [tuple(split(line, separator, quoting)) for line in head[:_SHOWN]]
    if text.multiline and quoting:
        sample = [tuple(split(line, separator, quoting)) for line in _whole(head)[:_SHOWN]]
    header = text.header
    if header is None:
        header = _has_header(sample, columns, path)
    names = tuple(name.strip() for name in sample[0]) if header else tuple(map(str, range(len(sample[0]))))
    # Blank lines and comments may stand before the header.
    dialect = replace(dialect, skip=_skip(path, dialect) if header else text.skip_lines)
    _logger.info("%s: separator %r, %s header line, encoding %s", path, separator, "a" if header else "no", encoding)
    return Layout(dialect, names, header, tuple(sample[1:] if header else sample))


def _skip(path: Place, dialect: Dialect) -> int:
    """Return the number of lines up to the header and with it."""
    return next(lines.numbered(path, dialect))[0]


def _head(path: Place, text: Text) -> tuple[list[str], str]:
    """Return the first lines that count, and the encoding."""
    with opened(path) as file:
        try:
            raw = file.read(_HEAD)
        except DAMAGED as error:
            raise damaged(path, error) from None
    encoding = text.encoding
    if encoding is None:
        encoding = "utf-16" if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
    if encoding == "utf-8" and raw.count(b"\0") > len(raw) // 4:
        raise ValueError(f"encoding: {path} looks like UTF-16 without a mark; pass encoding='utf-16-le' or 'utf-16-be'")
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)("replace")
    try:
        decoded = decoder.decode(raw, final=len(raw) < _HEAD)
    except UnicodeError as error:
        raise ValueError(f"encoding: {path} is not {encoding} ({error!s:.80}); pass the file's encoding") from None
    decoded = decoded if text.escape is None else unescaped(decoded, text.escape)
    found = decoded.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(raw) == _HEAD and len(found) > 1:
        found.pop()  # the line that was cut
    found = found[text.skip_lines :]
    return [line for line in found if line and not (text.comment and line.startswith(text.comment))], encoding


def _whole(head: Sequence[str]) -> list[str]:
    """Return records of one or more lines: a record goes on while a quote is open."""
    records, open_ = [], ""
    for line in head:
        open_ = f"{open_}\n{line}" if open_ else line
        if open_.count('"') % 2 == 0:
            records.append(open_)
            open_ = ""
    return records


def _separator(head: Sequence[str], text: Text, path: Place) -> str:
    """Return the one separator by which all of the first lines have the same number of fields, at least two."""
    shown = (_whole(head) if text.multiline and text.quoting is not False else head)[:_SHOWN]
    for separator in (*SEPARATORS, WHITESPACE):
        quoting = text.quoting is not False and len(separator) == 1 and separator != "\t"
        fields = [split(line, separator, quoting) for line in shown]
        if separator == " " and any("" in row for row in fields):
            continue  # runs of blanks
        if len({len(row) for row in fields}) == 1 < len(fields[0]):
            return separator
    if (usual := {".csv": ",", ".tsv": "\t"}.get(suffix(path))) is not None:
        return usual  # some line is broken, which the parser tells
    raise ValueError(
        f"separator: no one of {', '.join(map(repr, SEPARATORS))} splits the first lines of {path} into the same "
        f"number of fields (the first is {head[0]!r:.60}); pass the file's separator, or layout='lists' where a line "
        "is a user and its items"
    )


def _has_header(sample: Sequence[Sequence[str]], columns: Columns, path: Place) -> bool:
    """Return whether the first line names the columns, by the columns that are asked for.

    A name asks for a header. By position, no header holds a number; words over a column of numbers are a header where
    the column is a value, a time or a weight, or where they are usual names; words over text alone are a row, unless
    both are usual names. What remains is asked for.
    """
    selectors = columns.selectors
    if any(isinstance(selector, str) for selector in selectors.values()):
        return True
    first, others = sample[0], sample[1:]
    if not selectors:
        if any(is_usual("user", name) for name in first) and any(is_usual("item", name) for name in first):
            return True
        raise ValueError(
            f"user, item: the first line of {path} has no usual names of columns ({', '.join(first)!s:.80}); pass "
            "their names or positions, such as user=0, item=1"
        )
    asked = {part: at for part, at in selectors.items() if isinstance(at, int) and at < len(first)}
    if any(_is_number(first[at]) for at in asked.values()):
        return False
    numbers = {
        part
        for part, at in asked.items()
        if (below := [fields[at] for fields in others if at < len(fields)]) and all(map(_is_number, below))
    }
    usual = sum(is_usual(part, first[asked[part]]) for part in ("user", "item") if part in asked)
    if any(first[asked[part]].strip().lower() not in _MISSING for part in numbers - {"user", "item"}) or usual == 2:
        return True
    if not numbers and not usual:
        return False
    raise ValueError(
        f"header: the first line of {path} ({', '.join(first[at] for at in asked.values())}) may name the columns or "
        "be a row; pass header=True or header=False"
    )


# What stands in files for a number that is not there.
_MISSING = ("", "-", "?", "n/a", "na", "nan", "none", "null")


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and "_" not in text and np.isfinite(float(text))
    except ValueError:
        return False
