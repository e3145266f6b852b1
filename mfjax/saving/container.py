"""One file of named arrays and a JSON header: no pickle, written whole or not at all, refused when a bit is wrong.

Layout, all integers little-endian::

    magic   8 bytes   89 4D 46 4A 41 58 0D 0A; shows a transfer that rewrote line ends
    version 4 bytes   1
    size    8 bytes   of the header
    header            JSON: {"header": what the caller gave, "arrays": [[name, dtype, shape], ...]}
    arrays            one after the other, C order, little-endian
    digest  32 bytes  SHA-256 of everything before it
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfjax import checks
from mfjax.files import atomic_path

MAGIC = b"\x89MFJAX\r\n"
VERSION = 1
_FIXED = struct.Struct("<8sIQ")
_DIGEST_SIZE = hashlib.sha256().digest_size
_MOST_AXES = 32


def write(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Write `arrays` and `header` to `path`: a reader sees the old file or the whole new one, never a part.

    Args:
        path: file to write; missing folders are made.
        arrays: numbers, bools or strings of any shape.
        header: JSON values.

    Raises:
        ValueError: for arrays of objects or with a mask, or a header that JSON can not hold.
    """
    checks.kind("path", path, (str, os.PathLike), "pass the name of a file")
    checks.kind("arrays", arrays, Mapping, "pass name -> array")  # type: ignore[type-abstract]
    checks.kind("header", header, Mapping, "pass name -> value")  # type: ignore[type-abstract]
    digest = hashlib.sha256()
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        for chunk in _encode(arrays, header):
            digest.update(chunk)
            file.write(chunk)
        file.write(digest.digest())
        file.flush()
        # Without this a power cut after the rename may leave a whole name on half a file.
        os.fsync(file.fileno())


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the header of a file, the same bits that were written.

    Raises:
        ValueError: if the file is not one of ours, of another version, damaged, or says what can not be.
        OSError: if it can not be read at all.
    """
    checks.kind("path", path, (str, os.PathLike), "pass the name of a file")
    return decode(Path(path).read_bytes(), str(path))


def decode(data: bytes, name: str = "data") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the header of the bytes of a file; `name` is for messages.

    Raises:
        ValueError: as `read`.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError(f"{name}: not a file that mfjax saved, or its beginning is damaged; save it again")
    if len(data) < _FIXED.size + _DIGEST_SIZE:
        raise ValueError(f"{name}: cut off after {len(data)} bytes; save or copy it again")
    _, version, header_size = _FIXED.unpack_from(data)
    if version != VERSION:
        raise ValueError(
            f"{name}: format version {version}, this mfjax reads {VERSION}; load it with the mfjax it is of"
        )
    content = memoryview(data)[:-_DIGEST_SIZE]
    if hashlib.sha256(content).digest() != data[-_DIGEST_SIZE:]:
        raise ValueError(f"{name}: damaged, its checksum does not match; save or copy it again")
    try:
        return _contents(content, header_size)
    except _Wrong as error:
        raise ValueError(f"{name}: damaged inside, {error}; save it again") from None


class _Wrong(Exception):
    """What is wrong in a file whose checksum is right: made by another program, or with ill will."""


def _contents(content: memoryview, header_size: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if header_size > len(content) - _FIXED.size:
        raise _Wrong(f"its header would have {header_size} bytes")
    described, header = _index(bytes(content[_FIXED.size : _FIXED.size + header_size]))
    arrays: dict[str, np.ndarray] = {}
    position = _FIXED.size + header_size
    for one in described:
        name, dtype, shape = _described(one)
        if name in arrays:
            raise _Wrong(f"there are two arrays {name!r:.80}")
        count = math.prod(shape)
        size = count * dtype.itemsize
        if size > len(content) - position:
            raise _Wrong(f"{name!r:.80} would have {size} bytes of {len(content) - position}")
        # A copy, so that the array is aligned, writable and does not keep the whole file in memory.
        flat = np.frombuffer(content, dtype, count, position) if count else np.zeros(0, dtype)
        arrays[name] = flat.reshape(shape).copy()
        _check_bits(name, flat)
        position += size
    if position != len(content):
        raise _Wrong(f"{len(content) - position} bytes are of no array")
    return arrays, header


def _index(text: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Return the descriptions of the arrays, and what the caller gave."""

    def constant(name: str) -> None:
        raise _Wrong(f"its header holds {name}")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise _Wrong("its header says one name twice")
        return dict(pairs)

    try:
        index = json.loads(text, parse_constant=constant, object_pairs_hook=members)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"its header is no JSON ({error})") from None
    if not (isinstance(index, dict) and set(index) == {"header", "arrays"}):
        raise _Wrong("its header does not name header and arrays")
    if not (isinstance(index["header"], dict) and isinstance(index["arrays"], list)):
        raise _Wrong("its header is of another kind")
    return index["arrays"], index["header"]


def _described(one: Any) -> tuple[str, np.dtype, tuple[int, ...]]:
    """Return the name, dtype and shape that an array is described by."""
    if not (isinstance(one, list) and len(one) == 3 and isinstance(one[0], str) and isinstance(one[1], str)):
        raise _Wrong(f"{one!r:.80} describes no array")
    name, dtype_name, shape = one
    try:
        dtype = np.dtype(dtype_name)
        known = dtype.itemsize > 0 and _dtype_name(dtype.newbyteorder("<")) == dtype_name and _is_kept(dtype)
    except (TypeError, ValueError, SyntaxError, OverflowError):
        known = False
    if not known:
        raise _Wrong(f"{name!r:.80} is of the dtype {dtype_name!r:.80}")
    sizes = shape if isinstance(shape, list) and len(shape) <= _MOST_AXES else [None]
    if not all(type(size) is int and 0 <= size < 2**48 for size in sizes) or math.prod(filter(None, sizes)) >= 2**60:
        raise _Wrong(f"{name!r:.80} is of the shape {shape!r:.80}")
    return name, dtype, tuple(sizes)


def _check_bits(name: str, flat: np.ndarray) -> None:
    """Raise for bools and characters that are none, which numpy would only stumble over later."""
    if flat.dtype.kind == "b" and (flat.view(np.uint8) > 1).any():
        raise _Wrong(f"{name!r:.80} holds bools that are neither 0 nor 1")
    if flat.dtype.kind == "U" and (flat.view(np.uint32) > sys.maxunicode).any():
        raise _Wrong(f"{name!r:.80} holds characters that do not exist")


def _encode(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> Iterator[bytes]:
    arrays = {name: _little_endian(name, array) for name, array in arrays.items()}
    described = [[name, _dtype_name(array.dtype), array.shape] for name, array in arrays.items()]
    try:
        index = json.dumps({"header": header, "arrays": described}, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"header: {error}; pass strings, finite numbers, bools, None, lists and dicts") from None
    yield _FIXED.pack(MAGIC, VERSION, len(index))
    yield index
    for array in arrays.values():
        yield array.tobytes()


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    if isinstance(array, np.ma.MaskedArray):
        raise ValueError(f"{name}: a masked array can not be saved; fill it, or save values and mask apart")
    array = np.asarray(array)
    if not _is_kept(array.dtype):
        raise ValueError(
            f"{name}: dtype {array.dtype} can not be saved; convert it to numbers or strings (.astype(str))"
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _is_kept(dtype: np.dtype) -> bool:
    return dtype.kind in "biufcU" or _dtype_name(dtype) == "bfloat16"


def _dtype_name(dtype: np.dtype) -> str:
    # bfloat16 comes from outside numpy, which knows it by name alone.
    return dtype.name if dtype.kind == "V" else dtype.str
