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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfjax.files import atomic_path

MAGIC = b"\x89MFJAX\r\n"
VERSION = 1
_FIXED = struct.Struct("<8sIQ")
_DIGEST_SIZE = hashlib.sha256().digest_size


def write(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Write `arrays` and `header` to `path`: a reader sees the old file or the whole new one, never a part.

    Args:
        path: file to write; missing folders are made.
        arrays: numbers, bools or strings of any shape.
        header: JSON values.

    Raises:
        ValueError: for arrays of objects, or a header that JSON can not hold.
    """
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
        ValueError: if the file is not one of ours, of another version, or damaged.
        OSError: if it can not be read at all.
    """
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
    index = json.loads(bytes(content[_FIXED.size : _FIXED.size + header_size]))
    arrays, position = {}, _FIXED.size + header_size
    for array_name, dtype_name, shape in index["arrays"]:
        dtype = np.dtype(dtype_name)
        # A copy, so that the array is aligned, writable and does not keep the whole file in memory.
        flat = np.frombuffer(content, dtype, math.prod(shape), position) if math.prod(shape) else np.zeros(0, dtype)
        arrays[array_name] = flat.reshape(shape).copy()
        position += flat.nbytes
    return arrays, index["header"]


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
    array = np.asarray(array)
    if array.dtype.kind not in "biufcU" and _dtype_name(array.dtype) != "bfloat16":
        raise ValueError(
            f"{name}: dtype {array.dtype} can not be saved; convert it to numbers or strings (.astype(str))"
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _dtype_name(dtype: np.dtype) -> str:
    # bfloat16 comes from outside numpy, which knows it by name alone.
    return dtype.name if dtype.kind == "V" else dtype.str
