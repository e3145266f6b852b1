"""The bytes of a text file on their way to Arrow's parser: decoded, without comments, with one separator.

Arrow's parser is given whole lines of UTF-8 with a separator of one byte, and no quote that swallows lines.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Generator, Iterator
from typing import BinaryIO

from mfjax.data import quotes
from mfjax.data.dialects import Dialect, with_one_separator
from mfjax.data.opening import DAMAGED, Place, damaged, opened

BLOCK = 1 << 24
_LINE = 1 << 16

Blocks = Generator[bytes, None, None]


class Lines:
    """A file of whole lines of UTF-8, for `pyarrow.csv.read_csv`; closes with the file that it reads."""

    def __init__(self, path: Place, dialect: Dialect) -> None:
        self._path, self._dialect = path, dialect
        self._blocks = _skipped(_decoded(path, dialect), dialect.skip)
        self._ready = b""
        self._read = 0
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, none at the end."""
        if not self._ready and (block := next(self._blocks, b"")):
            self._ready = self._prepared(block)
            if self._read == 0 and self._ready.startswith(codecs.BOM_UTF8):
                self._ready = b"\n" + self._ready  # text: the mark of the file is gone, and the parser would take it
            self._read += 1
        if not 0 <= size < len(self._ready):
            size = len(self._ready)
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
            quotes.check(block, self._lines_before, self._path, dialect)
        return with_one_separator(block, self._path, dialect)

    def _lines_before(self) -> int:
        """Return how many lines the blocks had that were read: counted where an error asks for it, and not before."""
        before = itertools.islice(_skipped(_decoded(self._path, self._dialect), self._dialect.skip), self._read)
        return self._dialect.skip + sum(block.count(b"\n") for block in before)


def numbered(path: Place, dialect: Dialect) -> Iterator[tuple[int, bytes]]:
    """Return the records of a file as the parser sees them: (line from 1, bytes), without blank lines and comments."""
    number = dialect.skip
    comment = None if dialect.comment is None else dialect.comment.encode()
    for block in _skipped(_decoded(path, dialect), dialect.skip):
        for line in block.split(b"\n")[: None if not block.endswith(b"\n") else -1]:
            number += 1
            line = line.removesuffix(b"\r")
            if line and not (comment is not None and line.startswith(comment)):
                yield number, with_one_separator(line, path, dialect)


def _decoded(path: Place, dialect: Dialect) -> Blocks:
    """Return a file as blocks of whole lines in UTF-8, line breaks as "\\n" (or "\\r\\n")."""
    with opened(path) as file:
        try:
            if codecs.lookup(dialect.encoding).name == "utf-8":
                yield from _of_utf8(file)
            else:
                yield from _of_another(file, path, dialect.encoding)
        except DAMAGED as error:
            raise damaged(path, error) from None


def _of_utf8(file: BinaryIO) -> Blocks:
    # A little less than a block of the parser, so that the rest of the last line fits too.
    block = file.read(BLOCK - _LINE).removeprefix(codecs.BOM_UTF8)
    mac = b"\r" in block and b"\n" not in block
    while block:
        if mac:
            yield block.replace(b"\r", b"\n")
        else:
            yield block if block.endswith(b"\n") else block + file.readline(BLOCK)
        block = file.read(BLOCK - _LINE)


def _of_another(file: BinaryIO, path: Place, encoding: str) -> Blocks:
    decoder = codecs.getincrementaldecoder(encoding)()
    rest, number, mac, is_first = b"", 1, False, True
    while True:
        raw = file.read(BLOCK)
        block = rest + _converted(decoder, raw, path, number, encoding)
        if is_first:
            block, is_first = block.removeprefix(codecs.BOM_UTF8), False
        mac = mac or (number == 1 and b"\r" in block and b"\n" not in block)
        block = block.replace(b"\r", b"\n") if mac else block
        end = block.rfind(b"\n") + 1 if raw else len(block)
        number += block.count(b"\n", 0, end)
        if end:
            yield block[:end]
        rest = block[end:]
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
