"""The train part of "neural collaborative filtering" on MovieLens-1M, from the ratings that it was made of.

Its repository has the tests and their lists; train is every other rating. There users are numbered from 0, and an
item's number is the place of its first row among the first rows of `ratings.dat`.

Source: He et al., Neural Collaborative Filtering (2017), section 4.1, and its published files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mfjax.data.reading.opening import Place
from mfjax.data.reading.reader import read
from mfjax.types import Interactions

_STEM = "ml-1m."


def ratings_beside(tests: Place) -> Place | None:
    """Return the `ratings.dat` of MovieLens-1M in the folder of the tests or in `ml-1m` beside it, or None."""
    if not tests.name.startswith(_STEM):
        return None
    folder: Any = tests.parent
    places = (folder / "ratings.dat", folder / "ml-1m" / "ratings.dat", folder.parent / "ml-1m" / "ratings.dat")
    return next((place for place in places if place.is_file()), None)


def parts(ratings: Place, tests: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Return the parts "train", all ratings but the tests, and "test" as columns "0" to "3": user, item, rating, time.

    Args:
        ratings: `ratings.dat`.
        tests: options of `data.read` with which the tests are read, their file as "source".

    Raises:
        ValueError: where a test is not among the ratings: they are of another set.
    """
    found = read(ratings, user=0, item=1, value=2, timestamp=3, separator="::", header=False)
    tested: Interactions = read(**tests)
    assert found.user_vocabulary is not None and found.timestamps is not None
    users, items = found.user_vocabulary.raw[found.users] - 1, found.items
    first_rows = np.unique(items, return_index=True)[1]
    place = np.empty(found.num_items, np.int64)
    place[np.argsort(first_rows, kind="stable")] = np.arange(found.num_items)
    pairs = users * found.num_items + place[items]
    assert tested.user_vocabulary is not None and tested.item_vocabulary is not None
    tested_users, tested_items = tested.user_vocabulary.raw[tested.users], tested.item_vocabulary.raw[tested.items]
    hidden = tested_users * found.num_items + tested_items
    if not np.isin(hidden, pairs).all():
        raise ValueError(f"source: {ratings} lacks a test of {tests['source']}; it is not the set that they are of")
    kept = ~np.isin(pairs, hidden)
    everything = users, place[items], found.values, found.timestamps
    columns = tested_users, tested_items, tested.values, tested.timestamps
    return {
        "train": {str(number): column[kept] for number, column in enumerate(everything)},
        "test": {str(number): column for number, column in enumerate(columns) if column is not None},
    }
