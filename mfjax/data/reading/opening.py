"""Where bytes are: files, folders and zip archives. What is compressed is told by its first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa

from mfjax import checks

Place = Path | zipfile.Path
"""A file or folder, on the disk or in a zip archive: both have `name`, `open`, `is_dir` and `/`."""

# What the modules that decompress raise for bytes that are damaged or end too early.
DAMAGED = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    pa.ArrowInvalid,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
)

# Files with these suffixes (before that of a compression) are taken for tables in a folder.
TABLES = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".parquet", ".pq", ".json", ".jsonl", ".ndjson")


Form = Literal["parquet", "json", "text"]
"""What a file is."""


def place(source: Any) -> Place:
    """Return a file or folder that is there; the name of a zip archive becomes the folder in it.

    Raises:
        FileNotFoundError: for what is not there.
        ValueError: for what is no path, and for a damaged archive.
    """
    if isinstance(source, zipfile.Path):
        if not source.exists():
            raise FileNotFoundError(f"source: {source} is not in the archive; look at its names (zipfile.ZipFile)")
        return source
    checks.kind("source", source, (str, os.PathLike), "pass a file, a folder or a frame")
    path = Path(source)
    try:
        is_there = path.exists()
    except OSError:  # a name that is too long
        is_there = False
    if not is_there:
        raise FileNotFoundError(f"source: {str(path)[:300]} is not there; pass the name of a file or a folder")
    if path.is_file() and _starts(path).startswith(b"PK\x03\x04"):
        try:
            return zipfile.Path(path)
        except (*DAMAGED, UnicodeDecodeError) as error:
            raise damaged(path, error) from None
    return path


def files_of(source: Any) -> list[Place]:
    """Return the files of a path or of several, those of a folder by name.

    Raises:
        FileNotFoundError: for what is not there.
        ValueError: for what is no path, and for a folder without a table.
    """
    places = [place(each) for each in (source if isinstance(source, (list, tuple)) else [source])]
    files = [file for one in places for file in (files_in(one) if one.is_dir() else [one])]
    if not files:
        raise ValueError(f"source: {source} holds no table ({', '.join(TABLES)}); pass a file")
    return files


def files_in(folder: Place) -> list[Place]:
    """Return the tables of a folder and the folders in it, by name. Hidden ones and "_SUCCESS" are left out."""
    found: list[Place] = []
    entries = cast(Iterable[Place], folder.iterdir())
    for entry in sorted(entries, key=lambda entry: entry.name):
        if entry.name.startswith((".", "_")) or str(entry) == str(folder):  # a file without a name in an archive
            continue
        if isinstance(entry, Path) and entry.is_symlink() and folder.resolve().is_relative_to(entry.resolve()):  # type: ignore[union-attr]
            continue  # a link to a folder that it lies in
        if entry.is_dir():
            found.extend(files_in(entry))
        elif suffix(entry) in TABLES:
            found.append(entry)
    return found


def suffix(path: Place) -> str:
    """Return the last suffix in lower case, or the one before it where the last names a compression.

    Example:
        >>> suffix(Path("ratings.CSV.gz"))
        '.csv'
    """
    suffixes = [each.lower() for each in Path(path.name).suffixes]
    while suffixes and suffixes[-1] in (".gz", ".bz2", ".xz", ".zst", ".lz4"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def opened(path: Place) -> BinaryIO:
    """Return the decompressed bytes of a file: gzip, bzip2, xz, zstandard and lz4 are told by their first bytes."""
    first = _starts(path)
    if first.startswith(b"PK\x03\x04"):
        raise ValueError(f"source: {path} is a zip archive in another; unpack it")
    for magic, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\x00", lzma)):
        if first.startswith(magic):
            # By its name, where it has one: these modules close what they opened, and nothing else.
            return cast(BinaryIO, module.open(path if isinstance(path, Path) else cast(Any, path.open("rb"))))
    file = cast(BinaryIO, path.open("rb"))
    for magic, codec in ((b"\x28\xb5\x2f\xfd", "zstd"), (b"\x04\x22\x4d\x18", "lz4")):
        if first.startswith(magic):
            return cast(BinaryIO, io.BufferedReader(cast(Any, pa.CompressedInputStream(pa.PythonFile(file), codec))))
    return file


def form(path: Place) -> Form:
    """Return what a file is: Parquet by its suffix or its first bytes, JSON lines by their suffix, else text."""
    if suffix(path) in (".parquet", ".pq") or _starts(path).startswith(b"PAR1"):
        return "parquet"
    return "json" if suffix(path) in (".json", ".jsonl", ".ndjson") else "text"


def owned(content: bytes) -> pa.NativeFile:
    """Return bytes as a file in memory of Arrow's own.

    A thread of Arrow's may let go of what it has read a little after the call that had it read. Were it memory of
    Python's, and Python at its end, the process would be ended by an abort.
    """
    sink = pa.BufferOutputStream()
    sink.write(content)
    return pa.BufferReader(sink.getvalue())


def native(path: Place) -> pa.NativeFile:
    """Return a file that Arrow reads by itself, for the reason of `owned`; a member of an archive is read whole."""
    return pa.OSFile(str(path)) if isinstance(path, Path) else owned(cast(bytes, path.read_bytes()))


def damaged(path: Place, error: Exception) -> ValueError:
    """Return the error of a file whose bytes can not be had."""
    return ValueError(f"source: {path} is damaged or locked ({error!s:.100}); fetch it again")


def _starts(path: Place) -> bytes:
    try:
        with cast(BinaryIO, path.open("rb")) as file:
            return file.read(6)
    except DAMAGED as error:
        raise damaged(path, error) from None
