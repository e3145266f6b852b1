"""The bytes of a text file on their way to Arrow's parser: decoded, without comments, with one separator.

Arrow's parser is given whole lines of UTF-8 with a separator of one byte, and no quote that swallows lines.
"""

from __future__ import annotations

import codecs
import functools
import itertools
import re
from collections.abc import Generator, Iterator
from typing import BinaryIO

from mfjax.data.reading import quotes
from mfjax.data.reading.dialects import Dialect, unescaped, with_one_separator
from mfjax.data.reading.opening import DAMAGED, Place, damaged, opened

BLOCK = 1 << 25
"""Bytes of a file that are read at once, up to the end of a line."""

Blocks = Generator[bytes, None, None]


def blocks(path: Place, dialect: Dialect) -> Blocks:
    """Yield a file in blocks of whole records that are not all blank, as the parser is to have them.

    Raises:
        ValueError: for a damaged file, one in another encoding, or a quote that swallows lines, by its line.
    """
    rest = b""
    for read, block in enumerate(_skipped(_decoded(path, dialect), dialect.skip)):
        if dialect.comment is not None and dialect.comment.encode() in block:
            pattern = rb"(?m)^" + re.escape(dialect.comment.encode()) + rb"[^\n]*\n?"
            # An empty line in its place keeps the count of lines; Arrow's parser skips it.
            block = re.sub(pattern, b"\n", block)
        if dialect.quoting and not dialect.multiline and b'"' in block:
            quotes.check(block, functools.partial(_lines_before, path, dialect, read), path, dialect)
        block = rest + with_one_separator(block, path, dialect)
        rest = b""
        if dialect.quoting and dialect.multiline and block.count(b'"') % 2:
            rest = block  # a record goes on in the next block
        elif not block.isspace():
            # The parser would take text that begins with a mark for the mark of a file; it skips a blank line.
            yield b"\n" * block.startswith(codecs.BOM_UTF8) + block
    if rest:
        yield rest


def _lines_before(path: Place, dialect: Dialect, count: int) -> int:
    """Return how many lines there are before a block: counted where an error asks for it, and not before."""
    before = itertools.islice(_skipped(_decoded(path, dialect), dialect.skip), count)
    return dialect.skip + sum(block.count(b"\n") for block in before)


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
            is_utf8 = codecs.lookup(dialect.encoding).name == "utf-8"
            for block in _of_utf8(file) if is_utf8 else _of_another(file, path, dialect.encoding):
                yield block if dialect.escape is None else _unescaped(block, dialect.escape)
        except DAMAGED as error:
            raise damaged(path, error) from None


def _unescaped(block: bytes, escape: str) -> bytes:
    # Bytes that are no UTF-8 stay as they are, to be told by the parser.
    return unescaped(block.decode(errors="surrogateescape"), escape).encode(errors="surrogateescape")


def _of_utf8(file: BinaryIO) -> Blocks:
    block = file.read(BLOCK).removeprefix(codecs.BOM_UTF8)
    mac = b"\r" in block and b"\n" not in block
    rest = b""
    while block:
        if mac:
            whole, end, rest = (rest + block.replace(b"\r", b"\n")).rpartition(b"\n")
            yield whole + end
        else:
            yield block if block.endswith(b"\n") else block + file.readline(BLOCK)
        block = file.read(BLOCK)
    if rest:
        yield rest


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
