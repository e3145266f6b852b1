"""The bytes of a text file on their way to Arrow's parser: decoded, without comments, with one separator.

Arrow's parser is given whole lines of UTF-8 with a separator of one byte. What it would take in silence is looked for
here: a quote that swallows lines, and text in another encoding.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from mfjax.data.opening import DAMAGED, Place, damaged, opened

BLOCK = 1 << 24

# Stands for a separator of several bytes; it is refused in the text of such a file.
UNIT_SEPARATOR = "\x1f"

WHITESPACE = r"\s+"
"""The separator that is any run of blanks and tabs, written as pandas has it."""


Blocks = Generator[bytes, None, None]


@dataclass(frozen=True)
class Dialect:
    """How a text file is written, all of it known.

    Attributes:
        separator: of fields: one character or several, or WHITESPACE.
        quoting: whether fields may stand in double quotes.
        multiline: whether a quoted field may hold line breaks.
        comment: lines that begin with it are left out; None for none.
        skip: lines before the first that counts, the header line among them.
        encoding: of the bytes.
    """

    separator: str = ","
    quoting: bool = True
    multiline: bool = False
    comment: str | None = None
    skip: int = 0
    encoding: str = "utf-8"

    @property
    def delimiter(self) -> str:
        """Return the separator of one byte that Arrow's parser is given."""
        return self.separator if len(self.separator.encode()) == 1 else UNIT_SEPARATOR


class Lines:
    """A file of whole lines of UTF-8, for `pyarrow.csv.read_csv`; closes with the file that it reads."""

    def __init__(self, path: Place, dialect: Dialect) -> None:
        self._path, self._dialect = path, dialect
        self._blocks = _skipped(_decoded(path, dialect), dialect.skip)
        self._ready = b""
        self._line = dialect.skip
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, none at the end."""
        if not self._ready:
            block = next(self._blocks, b"")
            self._ready = self._prepared(block)
            while block and not self._ready:  # only comments
                block = next(self._blocks, b"")
                self._ready = self._prepared(block)
        size = len(self._ready) if size < 0 else size
        found, self._ready = self._ready[:size], self._ready[size:]
        return found

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self._blocks.close()
        self.closed = True

    def _prepared(self, block: bytes) -> bytes:
        dialect = self._dialect
        if dialect.comment is not None and dialect.comment.encode() in block:
            pattern = rb"(?m)^" + re.escape(dialect.comment.encode()) + rb"[^\n]*\n?"
            # An empty line in its place keeps the count of lines; Arrow's parser skips it.
            block = re.sub(pattern, b"\n", block)
        if dialect.quoting and not dialect.multiline and b'"' in block:
            check_quotes(block, self._line + 1, self._path, dialect)
        self._line += block.count(b"\n") if dialect.quoting else 0
        return _with_one_separator(block, self._path, dialect)


def numbered(path: Place, dialect: Dialect) -> Iterator[tuple[int, bytes]]:
    """Return the records of a file as the parser sees them: (line from 1, bytes), without blank lines and comments."""
    number = dialect.skip
    comment = None if dialect.comment is None else dialect.comment.encode()
    for block in _skipped(_decoded(path, dialect), dialect.skip):
        for line in block.split(b"\n")[: None if not block.endswith(b"\n") else -1]:
            number += 1
            line = line.removesuffix(b"\r")
            if line and not (comment is not None and line.startswith(comment)):
                yield number, _with_one_separator(line, path, dialect)


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
        try:
            return next(csv.reader(io.StringIO(text.replace(separator, one), newline=""), delimiter=one), [])
        except csv.Error:
            pass  # a field of more than 131,072 characters
    return text.split(separator)


def check_quotes(block: bytes, line: int, path: Place, dialect: Dialect) -> None:
    """Raise ValueError for a quoted field that does not end in its line, or goes on after its closing quote.

    A block is looked at as a whole: a quote that opens follows a separator or a line's start, and one that closes
    stands before a separator or a line's end. Only lines where some quote does neither are parsed one by one.
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
            record = _with_one_separator(found, path, dialect).decode(errors="replace")
            next(csv.reader([record], delimiter=dialect.delimiter, strict=True), None)
        except csv.Error as error:
            if "field larger" in str(error):
                continue
            raise ValueError(
                f"source: {path}, line {line + number}: a double quote opens a field that does not end as one "
                f"({found[:60].decode(errors='replace')!r}); mend the line, or pass quoting=False where quotes are "
                "text, or multiline=True where quoted fields hold line breaks"
            ) from None


def _decoded(path: Place, dialect: Dialect) -> Blocks:
    """Return a file as blocks of whole lines in UTF-8, line breaks as "\\n" (or "\\r\\n")."""
    utf8 = codecs.lookup(dialect.encoding).name == "utf-8"
    decoder = None if utf8 else codecs.getincrementaldecoder(dialect.encoding)()
    rest, is_first, number, mac = b"", True, 1, False
    with opened(path) as file:
        while True:
            try:
                raw = file.read(BLOCK)
            except DAMAGED as error:
                raise damaged(path, error) from None
            block = raw if decoder is None else _converted(decoder, raw, path, number, dialect.encoding)
            if is_first:
                block = block.removeprefix(codecs.BOM_UTF8)
                mac = b"\r" in block and b"\n" not in block
                is_first = False
            if mac:
                block = block.replace(b"\r", b"\n")
            number += block.count(b"\n") if decoder is not None else 0
            end = block.rfind(b"\n") + 1 if raw else len(block)
            if end or not raw:
                if whole := rest + block[:end]:
                    yield whole
                rest = block[end:]
            else:
                rest += block
            if not raw:
                return


def _converted(decoder: codecs.IncrementalDecoder, raw: bytes, path: Place, number: int, encoding: str) -> bytes:
    try:
        return decoder.decode(raw, final=not raw).encode()
    except UnicodeError as error:
        line = number + (raw[: error.start].count(b"\n") if isinstance(error, UnicodeDecodeError) else 0)
        raise ValueError(
            f"encoding: {path}, line {line}, is not {encoding} ({error!s:.100}); pass the file's encoding"
        ) from None


def _skipped(blocks: Blocks, lines: int) -> Blocks:
    for block in blocks:
        start = 0
        while lines and start < len(block):
            start = block.find(b"\n", start) + 1 or len(block)
            lines -= 1
        if start < len(block):
            yield block[start:] if start else block


def _with_one_separator(block: bytes, path: Place, dialect: Dialect) -> bytes:
    if dialect.delimiter == dialect.separator:
        return block
    if UNIT_SEPARATOR.encode() in block:
        raise ValueError(f"separator: {path} holds the byte 0x1f, which a separator of several characters can not have")
    if dialect.separator == WHITESPACE:
        block = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", block)
        return re.sub(rb"[ \t]+", UNIT_SEPARATOR.encode(), block)
    return block.replace(dialect.separator.encode(), UNIT_SEPARATOR.encode())
