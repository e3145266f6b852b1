"""Lists of sampled items, one for each test, as the paper on neural collaborative filtering publishes them.

A line is `(user,item)` and the items among which the test's own item is ranked, separated by tabs.

Source: He et al., Neural Collaborative Filtering (2017), its data.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mfjax.data.reading import lists
from mfjax.data.reading.dialects import UNIT_SEPARATOR, Dialect
from mfjax.data.reading.opening import Place
from mfjax.types import Interactions, Vocabulary
from mfjax.vocabularies import kind_of

_logger = logging.getLogger(__name__)


class Candidates(NamedTuple):
    """The items among which the item of each test is ranked, itself left out.

    Attributes:
        ids: int32 [tests, most], row by row those of the tests; padding is id 0.
        mask: bool [tests, most], False for padding. A test whose own item was listed has one item less.
    """

    ids: np.ndarray
    mask: np.ndarray


def read(path: Place, parts: dict[str, Interactions]) -> tuple[dict[str, Interactions], Candidates, int]:
    """Return parts whose vocabulary of items holds the listed items too, the lists of the part "test", and how many of
    them list the test's own item.

    Raises:
        ValueError: for a line that is not of the next test, or lists what is no raw id; naming the line and the remedy.
    """
    split = lists.fields(path, Dialect(UNIT_SEPARATOR, False), "\t")
    lengths = pc.list_value_length(split).to_numpy(zero_copy_only=False).astype(np.int64)
    cells = split.flatten()
    starts = np.r_[0, np.cumsum(lengths)[:-1]]
    _check_tests(path, cells.take(pa.array(starts)), parts["test"])
    is_listed = np.ones(len(cells), bool)
    is_listed[starts] = False
    vocabulary = parts["test"].item_vocabulary
    assert vocabulary is not None
    raw = _raw(path, cells.filter(pa.array(is_listed)), vocabulary)
    wider = Vocabulary.of(np.concatenate([raw, vocabulary.raw]))
    places = wider.encode(vocabulary.raw)
    parts = {
        name: replace(part, items=places[part.items], num_items=len(wider), item_vocabulary=wider)
        for name, part in parts.items()
    }
    mask = np.arange(lengths.max() - 1) < (lengths - 1)[:, None]  # [tests, most]
    ids = np.zeros(mask.shape, np.int32)
    ids[mask] = wider.encode(raw)
    is_own = mask & (ids == parts["test"].items[:, None])
    own = int(is_own.any(axis=1).sum())
    mask &= ~is_own
    listed = Candidates(np.where(mask, ids, 0), mask)
    for sentence in told(listed, own):
        _logger.warning("%s: %s", path, sentence)
    return parts, listed, own


def told(candidates: Candidates, own: int) -> tuple[str, ...]:
    """Return a sentence about the tests that list their own item, none where no test does."""
    return (f"{own:,} of {len(candidates.ids):,} tests list their own item, which is left out",) if own else ()


def _check_tests(path: Place, named: pa.Array, test: Interactions) -> None:
    """Raise ValueError for the first line that does not name the user and item of its test."""
    if len(named) != len(test):
        raise ValueError(
            f"{path}: {len(named)} lists for {len(test)} tests; leave out the options that drop or merge tests (where, "
            "duplicates), or mend the file"
        )
    assert test.user_vocabulary is not None and test.item_vocabulary is not None
    users, items = test.user_vocabulary.decode(test.users), test.item_vocabulary.decode(test.items)
    for row, (text, user, item) in enumerate(zip(named.to_pylist(), users.tolist(), items.tolist(), strict=True)):
        if text.replace(" ", "") != f"({user},{item})":
            raise ValueError(
                f"{path}, line {row + 1}: begins with {text!r:.60}, but the test in its place is ({user},{item}); "
                "write both files in one order"
            )


def _raw(path: Place, listed: pa.Array, vocabulary: Vocabulary) -> np.ndarray:
    """Return the listed raw ids, of the kind of the vocabulary's."""
    if kind_of(vocabulary.raw) == "text":
        return np.array(listed.to_pylist(), vocabulary.raw.dtype)
    try:
        return pc.cast(listed, pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {error!s:.100}, but the tests' items are integers; mend the file") from None
