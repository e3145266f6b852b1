"""Raw ids of a column -> ids 0..count-1 and their vocabulary.

One rule for every source: a typed column keeps its type; a column of a text file is integers only if writing each of
them back gives the text of its row, so "007" stays text. Memory is in proportion to the text.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mfjax.data.reading.rows import RowError, first, is_text, refuse_missing, value_type
from mfjax.types import Vocabulary
from mfjax.vocabularies import TEXT, kind_of

IdKind = Literal["integers", "text"]
"""What raw ids are."""


class Encoded(NamedTuple):
    """Ids int32 [n] of a column, and the vocabulary that they index."""

    ids: np.ndarray
    vocabulary: Vocabulary


def encode(column: pa.ChunkedArray, *, untyped: bool = False, kind: IdKind | None = None) -> Encoded:
    """Return the ids of a column of raw ids by a vocabulary of those that occur, sorted ascending.

    Args:
        column: integers, text, or a dictionary of either, without nulls.
        untyped: whether text may spell integers, see `Rows`.
        kind: what untyped text must be; None for integers where every one can be written back.

    Raises:
        RowError: for a missing id, empty text, or text that is no integer where `kind` asks for integers.
        ValueError: for a column of another type.
    """
    refuse_missing(column, "id")
    if pa.types.is_integer(value_type(column)) and not pa.types.is_dictionary(column.type):
        return _of_integers(column.to_numpy())
    chunks = _coded(column)
    of_chunks = pa.chunked_array([chunk.dictionary for chunk in chunks]).dictionary_encode().chunks
    distinct = of_chunks[0].dictionary
    places = [each.indices.to_numpy() for each in of_chunks]
    if pa.types.is_integer(distinct.type):
        return _ranked(chunks, places, distinct.to_numpy())
    if pc.any(pc.equal(pc.binary_length(distinct), 0)).as_py():
        raise RowError(_row_of(chunks, ""), "is empty; drop the row or give it an id")
    integers = _spelt_integers(distinct) if untyped and kind != "text" else None
    if integers is not None:
        return _ranked(chunks, places, integers)
    if untyped and kind == "integers":
        texts = distinct.to_pylist()
        odd = (text for text in texts if _spelt_integers(pa.array([text])) is None)
        # Each may be one alone, where some are negative and some 2^63 or more.
        wrong = next(odd, None) or next(text for text in texts if int(text) >= 2**63)
        raise RowError(
            _row_of(chunks, wrong),
            f"holds {wrong!r}, which is not how an integer of 64 bits is written; "
            "mend or drop the row, or pass ids='text'",
        )
    # Arrow sorts by the bytes of UTF-8, which is the order of code points.
    order = pc.sort_indices(distinct).to_numpy()
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    raw = np.array(distinct.take(pa.array(order)).to_pylist(), TEXT)
    return Encoded(_placed(chunks, places, rank), Vocabulary(raw))


def below(column: pa.ChunkedArray, count: int, name: str) -> np.ndarray:
    """Return a column of integers in 0..count-1 as ids int32 [n].

    Raises:
        RowError: for an id outside.
        ValueError: for a column that is not of integers.
    """
    refuse_missing(column, "id")
    if not pa.types.is_integer(column.type):
        raise ValueError(f"ids of the type {column.type}, but ids below {name} are integers; leave {name} out")
    raw = column.to_numpy()
    bad = (raw < 0) | (raw >= count)
    if bad.any():
        raise RowError(
            first(bad),
            f"holds id {raw[first(bad)]}, outside 0..{count - 1}; raise {name}, "
            "or leave it out to have raw ids mapped by a vocabulary",
        )
    return raw.astype(np.int32)


def find(vocabulary: Vocabulary, raw: np.ndarray, *, untyped: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return ids int32 and `known` bool [n] of raw ids, see `Vocabulary.find`.

    Untyped text is looked up among integers as they are written: "7" may be known, "007" and "x" are not.
    """
    if not (untyped and kind_of(raw) == "text" and kind_of(vocabulary.raw) == "integers"):
        return vocabulary.find(raw)
    written = vocabulary.raw.astype(TEXT)
    order = np.argsort(written).astype(np.int32)
    place, known = Vocabulary(written[order]).find(raw)
    return np.where(known, order[place], 0), known


def _coded(column: pa.ChunkedArray) -> list[pa.DictionaryArray]:
    """Return the chunks of a column as places in a dictionary of their own, of the ids that occur in them."""
    kind = value_type(column)
    if pa.types.is_string_view(kind):
        column = column.cast(pa.large_string())
        kind = column.type
    if not (is_text(kind) or pa.types.is_integer(kind)):
        raise ValueError(
            f"ids of the type {kind} are neither integers nor text; convert them, e.g. with .astype(np.int64)"
        )
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    # Arrow's dictionary_encode leaves out chunks without a row.
    chunks = [_used(chunk) for chunk in coded.chunks if len(chunk)]
    return chunks or [pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), [])]


def _used(chunk: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return a chunk without the ids that no row has: categories, or those whose rows a filter dropped."""
    places = chunk.indices.to_numpy()
    used = np.zeros(len(chunk.dictionary), bool)
    used[places] = True
    if used.all():
        return chunk
    places = (np.cumsum(used) - 1).astype(np.int32)[places]
    return pa.DictionaryArray.from_arrays(pa.array(places), chunk.dictionary.filter(pa.array(used)))


def _placed(chunks: list[pa.DictionaryArray], places: list[np.ndarray], ids: np.ndarray) -> np.ndarray:
    """Return the ids int32 [n] of rows: `ids` of the distinct raw ids, `places` of a chunk's raw ids among these."""
    found = np.empty(sum(map(len, chunks)), np.int32)
    start = 0
    for chunk, place in zip(chunks, places, strict=True):
        found[start : start + len(chunk)] = ids[place][chunk.indices.to_numpy()]
        start += len(chunk)
    return found


def _row_of(chunks: list[pa.DictionaryArray], raw_id: str) -> int:
    """Return the first row that holds a raw id."""
    start = 0
    for chunk in chunks:
        place = chunk.dictionary.index(raw_id).as_py()
        if place >= 0:
            return start + first(chunk.indices.to_numpy() == place)
        start += len(chunk)
    raise AssertionError(raw_id)


def _spelt_integers(distinct: pa.Array) -> np.ndarray | None:
    """Return the integers (int64, else uint64) whose decimal text `distinct` is, or None where some are not."""
    for kind in (pa.int64(), pa.uint64()):
        try:
            integers = pc.cast(distinct, kind)
        except pa.ArrowInvalid:
            continue
        if pc.cast(integers, distinct.type).equals(distinct):
            return integers.to_numpy()
    return None


def _of_integers(raw: np.ndarray) -> Encoded:
    raw = raw.astype(np.uint64 if raw.dtype == np.uint64 else np.int64, copy=False)
    if raw.dtype == np.uint64 and raw.max(initial=0) < 2**63:
        raw = raw.astype(np.int64)
    low, high = (int(raw.min()), int(raw.max())) if len(raw) else (0, 0)
    if high < 2**63 and high - low < 4 * len(raw) + 1024:
        # Integers that lie close together need no sort: mark those present and count the marks.
        offsets = raw - low
        present = np.zeros(high - low + 1, bool)
        present[offsets] = True
        rank = (np.cumsum(present) - 1).astype(np.int32)
        return Encoded(rank[offsets], Vocabulary(np.flatnonzero(present) + low))
    distinct, inverse = np.unique(raw, return_inverse=True)
    return Encoded(inverse.astype(np.int32), Vocabulary(distinct))


def _ranked(chunks: list[pa.DictionaryArray], places: list[np.ndarray], integers: np.ndarray) -> Encoded:
    rank = _of_integers(integers)
    return Encoded(_placed(chunks, places, rank.ids), rank.vocabulary)
