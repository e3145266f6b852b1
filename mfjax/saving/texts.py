"""Texts as two arrays, in bytes in proportion to the text: the UTF-8 of all in a row, and where each begins."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from mfjax.vocabularies import TEXT


def packed(name: str, texts: np.ndarray) -> dict[str, np.ndarray]:
    """Return texts [n] as `name.utf8` uint8 [bytes] and `name.offsets` int64 [n + 1], from 0 to the number of bytes.

    Example:
        >>> {part: array.tolist() for part, array in packed("x", np.array(["a", "é"], TEXT)).items()}
        {'x.utf8': [97, 195, 169], 'x.offsets': [0, 1, 3]}
    """
    encoded = [text.encode() for text in texts.tolist()]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(one) for one in encoded], out=offsets[1:])
    return {f"{name}.utf8": np.frombuffer(b"".join(encoded), np.uint8), f"{name}.offsets": offsets}


def parts(name: str) -> set[str]:
    """Return the names of the arrays that `packed` returns."""
    return {f"{name}.utf8", f"{name}.offsets"}


def unpacked(name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the texts [n] that `packed` was given.

    Raises:
        ValueError: for arrays that `packed` does not return.
    """
    utf8, offsets = arrays[f"{name}.utf8"], arrays[f"{name}.offsets"]
    for part, array, dtype in (("utf8", utf8, np.uint8), ("offsets", offsets, np.int64)):
        if array.ndim != 1 or array.dtype != dtype:
            raise ValueError(f"{name}.{part}: {array.dtype}{list(array.shape)} is no list of {np.dtype(dtype)}")
    rises = offsets.size and offsets[0] == 0 and offsets[-1] == utf8.size and (offsets[1:] >= offsets[:-1]).all()
    if not rises:
        raise ValueError(f"{name}.offsets: do not rise from 0 to {utf8.size}")
    data = utf8.tobytes()
    try:
        found = [data[start:end].decode() for start, end in itertools.pairwise(offsets.tolist())]
    except UnicodeDecodeError:
        raise ValueError(f"{name}.utf8: is no UTF-8") from None
    return np.array(found, object).astype(TEXT)
