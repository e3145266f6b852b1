"""Contributions from raw ids add up to the score of the exact row, for every objective, with biases and weights."""

from dataclasses import replace

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.recommend.test_newcomers import ITEMS, NEW, OBJECTIVES, fitted, ratings


@pytest.mark.parametrize(
    ("name", "biases", "weighted"),
    [*((name, biases, False) for name in OBJECTIVES for biases in (False, True)), ("implicit", False, True),
     ("zeros", True, True)],
)  # fmt: skip
def test_contributions_add_up_to_the_score(name, biases, weighted):
    """Of users who were folded in, whose rows are exact."""
    pairs = ratings(1, NEW, ITEMS, weighted=weighted)
    model = fitted(name, biases, weighted).fold_in(pairs)
    for user in NEW[:2]:
        own = pairs.item_vocabulary.decode(pairs.items[pairs.users == pairs.user_vocabulary.encode([user])[0]])
        found = model.explain(user, pd.Series(ITEMS))
        assert list(found.columns) == ["item", "history", "contribution"]
        assert len(found) == len(ITEMS) * (len(own) + 1)
        for item, rows in found.groupby("item"):
            assert sorted(rows.history.dropna().tolist()) == sorted(own.tolist())
            assert rows.contribution.sum() == pytest.approx(model.predict(user, item), rel=1e-3, abs=2e-4)


def test_the_rest_is_the_offset_and_the_items_bias():
    model = fitted("explicit", True).fold_in({"new": {10: 5.0, 12: 1.0}})
    found = model.explain("new", [30], titles={10: "Ten"}).to_pylist()
    assert [row["history"] for row in found] == [10, 12, None]
    assert [row["title"] for row in found] == ["Ten", None, None]
    bias = model.factors.item_biases[model.item_vocabulary.encode([30])[0]]
    assert found[-1]["contribution"] == pytest.approx(3.0 + float(bias), abs=1e-5)
    one = model.explain("new", 30).to_pylist()
    assert [row["contribution"] for row in one] == [row["contribution"] for row in found]


def test_frames_as_they_came():
    model = fitted().fold_in({"new": [10, 12]})
    for column, kind in ((pl.Series([30, 31]), pl.DataFrame), (pd.Series([30, 31]), pd.DataFrame)):
        found = model.explain("new", column)
        assert isinstance(found, kind) and len(narwhals.from_native(found)) == 6
    assert model.explain("new", np.array([], np.int64)).num_rows == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.explain("zoe", 10), "users: user 'zoe' is unknown"),
        (lambda m: m.explain("u00", 99), "items: item 99 is unknown"),
        (lambda m: replace(m, config=None).explain("u00", 10), "config: by nothing a score is no sum"),
        (lambda m: replace(m, seen=None).explain("u00", 10), "seen: the model has no histories to explain by"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(fitted(steps=1))
