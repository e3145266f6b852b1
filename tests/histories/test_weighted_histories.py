"""Weights beside values: packed, ragged and streamed alike, refused where wrong, and nothing where there are none."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax import data, histories
from mfjax.data import synthetic
from mfjax.histories import agreement, streaming
from mfjax.types import Interactions
from tests.borders import REFUSED, answer
from tests.histories.test_streaming import in_batches

OPTIONS = {"chunk_entries": 32, "width": 8, "multiple_of": 2}

PLAIN = synthetic.power_law(0, num_users=60, num_items=40, num_interactions=900)
PAIRS = replace(PLAIN, weights=np.random.default_rng(0).uniform(0, 3, len(PLAIN)).astype(np.float32))


def entries(side: histories.Side) -> list[tuple[int, int, float, float]]:
    """Return (row, column, value, weight) of all entries, sorted."""
    found = []
    for block in jax.device_get(side.blocks):
        rows = np.take_along_axis(block.rows, block.owners, axis=1)[:, :, None]
        parts = (np.broadcast_to(part, block.ids.shape) for part in (rows, block.ids, block.values, block.weights))
        found += list(zip(*(part[block.mask].tolist() for part in parts), strict=True))
    return sorted(found)


def rows_of(pairs: Interactions) -> list[tuple[int, int, float, float]]:
    weights = np.asarray(pairs.weights, np.float32)
    return sorted(zip(*(x.tolist() for x in (pairs.users, pairs.items, pairs.values, weights)), strict=True))


@pytest.mark.parametrize("weights", [PAIRS.weights, np.full(len(PAIRS), 0.25), np.arange(len(PAIRS))])
def test_every_entry_keeps_its_weight(weights):
    pairs = replace(PAIRS, weights=weights)
    built = histories.build(pairs, **OPTIONS)
    assert len(built.items.blocks) == 2  # a history is longer than a chunk
    turned = replace(pairs, users=pairs.items, items=pairs.users)
    assert entries(built.users) == rows_of(pairs)
    assert entries(built.items) == entries(histories.side(pairs, by="item", **OPTIONS)) == rows_of(turned)
    streamed = streaming.build(in_batches(pairs, 100), **OPTIONS)
    for one, other in zip(jax.tree.leaves(built), jax.tree.leaves(streamed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_weight_that_all_have_is_one_number_a_chunk():
    built = histories.build(replace(PAIRS, weights=np.full(len(PAIRS), 0.25)), **OPTIONS)
    for block in built.users.blocks + built.items.blocks:
        assert block.weights.shape == (len(block.entries), 1, 1)


def test_without_weights_nothing_is_carried():
    with_them, without = histories.build(PAIRS, **OPTIONS), histories.build(PLAIN, **OPTIONS)
    assert all(block.weights is None for block in without.users.blocks + without.items.blocks)
    stripped = jax.tree.leaves(
        [replace(block, weights=None) for side in (with_them.users, with_them.items) for block in side.blocks]
    )
    for one, other in zip(stripped, jax.tree.leaves([without.users.blocks, without.items.blocks]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert histories.ragged(PLAIN).weights is None
    assert histories.ragged(PLAIN).weights_of(np.array([0])) is None
    assert "weights" not in repr(without) + repr(histories.ragged(PLAIN))
    assert "weights float32[" in repr(with_them) and "with weights" in repr(histories.ragged(PAIRS))


@pytest.mark.parametrize("by", ["user", "item"])
def test_ragged_lists_keep_weights_in_the_order_of_ids(by):
    lists = histories.ragged(PAIRS, by=by)
    of_rows, of_columns = (PAIRS.users, PAIRS.items) if by == "user" else (PAIRS.items, PAIRS.users)
    asked = np.array([3, 0])
    ids, values, mask = lists.rows(asked)
    weights = lists.weights_of(asked)
    for place, row in enumerate(asked):
        mine = np.flatnonzero(of_rows == row)
        mine = mine[np.argsort(of_columns[mine], kind="stable")]
        real = np.asarray(mask[place])
        for found, column in ((ids, of_columns), (values, PAIRS.values), (weights, PAIRS.weights)):
            np.testing.assert_array_equal(np.asarray(found[place])[real], column[mine])
        assert not np.asarray(weights[place])[~real].any()
    agreement.lists("lists", lists)
    with pytest.raises(ValueError, match=r"lists\.weights: int32\[900\] is no list of numbers"):
        agreement.lists("lists", replace(lists, weights=lists.weights.astype(np.int32)))


CALLS = (
    histories.build,
    histories.side,
    histories.ragged,
    lambda pairs: streaming.build(lambda: iter([pairs])),
)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-0.5, r"weights: (-0.5 in row 1|one in batch 0) is negative; pass 0 or more, and let the value say"),
        (np.nan, r"weights: (nan in row 1|one in batch 0) is not finite; drop or repair the row"),
        (np.inf, r"weights: (inf in row 1|one in batch 0) is not finite"),
        (1e300, r"weights: (1e\+300 in row 1|one in batch 0) is not finite"),
    ],
)
def test_a_wrong_weight_is_refused_with_its_row(weight, message):
    pairs = Interactions(np.array([0, 1]), np.array([0, 1]), np.ones(2), 2, 2, weights=np.array([1.0, weight]))
    for call in CALLS:
        with pytest.raises(ValueError, match=message):
            call(pairs)


COLUMNS = st.one_of(
    st.lists(st.floats(0, 9, width=32), min_size=3, max_size=3).map(np.array),
    st.lists(st.floats(width=32), min_size=3, max_size=3).map(np.array),
    st.lists(st.integers(-1, 2), min_size=3, max_size=3).map(np.array),
    st.sampled_from(
        [None, np.ones(2), np.ones((3, 1)), [1.0] * 3, np.ones(3, bool), np.array(["1"] * 3), np.ones(3, complex), 1.0]
    ),
)


@settings(deadline=None, derandomize=True, database=None, max_examples=80)
@given(weights=COLUMNS)
def test_a_column_of_weights_is_taken_or_refused(weights):
    pairs = Interactions(np.array([0, 1, 1]), np.array([1, 0, 1]), np.array([1.0, -2, 0]), 2, 2, weights=weights)
    array = isinstance(weights, np.ndarray) and weights.dtype.kind in "iuf" and weights.shape == (3,)
    good = weights is None or (array and bool(np.isfinite(weights).all() and (weights >= 0).all()))
    found = [answer(lambda call=call: call(pairs)) for call in CALLS]
    assert {each is REFUSED for each in found} == {not good}
    if array and good:
        assert entries(found[0].users) == entries(found[1]) == entries(found[3].users) == rows_of(pairs)


def test_either_all_batches_have_weights_or_none_has():
    parts = [PAIRS.select(slice(0, 400)), PLAIN.select(slice(400, 900))]
    with pytest.raises(ValueError, match="weights: batch 1 has none, and the first has some; give every batch"):
        streaming.build(lambda: iter(parts))
    with pytest.raises(ValueError, match="weights: batch 1 has some, and the first has none; give every batch"):
        streaming.build(lambda: iter(parts[::-1]))
    for first, second in ((PAIRS, PLAIN), (PLAIN, PAIRS)):
        passes = iter([[first], [second]])
        with pytest.raises(ValueError, match="batches: batch 0 of the second pass was not in the first"):
            streaming.build(lambda passes=passes: iter(next(passes)))


def test_weights_of_files_are_read_in_batches(tmp_path):
    data.write(PAIRS, tmp_path / "pairs.csv")
    batches = data.batches(tmp_path / "pairs.csv", value="value", weight="weight", rows=100)
    assert entries(streaming.build(batches).users) == rows_of(PAIRS)
