"""mfjax.histories.streaming: the histories of `histories.build`, from batches."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfjax import data, histories
from mfjax.data import synthetic
from mfjax.histories import streaming
from mfjax.types import Interactions

PAIRS = synthetic.power_law(0, num_users=60, num_items=40, num_interactions=900)
OPTIONS = {"chunk_entries": 64, "width": 8, "multiple_of": 2}


def in_batches(pairs: Interactions, size: int) -> streaming.Batches:
    return lambda: (pairs.select(slice(first, first + size)) for first in range(0, len(pairs), size))


def entries(side: histories.Side) -> list[tuple[int, int, float]]:
    """Return (row, column, value) of all entries, sorted."""
    found = []
    for block in jax.device_get(side.blocks):
        rows = np.take_along_axis(block.rows, block.owners, axis=1)[:, :, None]
        parts = np.broadcast_to(rows, block.ids.shape), block.ids, np.broadcast_to(block.values, block.ids.shape)
        found += list(zip(*(part[block.mask].tolist() for part in parts), strict=True))
    return sorted(found)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_batches_in_the_order_of_ids_give_the_same_bits(size):
    built, streamed = histories.build(PAIRS, **OPTIONS), streaming.build(in_batches(PAIRS, size), **OPTIONS)
    for one, other in zip(jax.tree.leaves(built), jax.tree.leaves(streamed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_any_order_gives_the_same_entries():
    pairs = PAIRS.select(np.random.default_rng(0).permutation(len(PAIRS)))
    built, streamed = histories.build(pairs, **OPTIONS), streaming.build(in_batches(pairs, 37), **OPTIONS)
    for one, other in ((built.users, streamed.users), (built.items, streamed.items)):
        assert entries(one) == entries(other)
        np.testing.assert_array_equal(one.counts, other.counts)


def test_id_spaces_may_grow_from_batch_to_batch():
    small = Interactions(np.array([0]), np.array([1]), np.ones(1, np.float32), 1, 2)
    large = Interactions(np.array([4]), np.array([0]), np.ones(1, np.float32), 5, 1)
    found = streaming.build(lambda: iter([small, large]))
    assert found.users.counts.tolist() == [1, 0, 0, 0, 1]
    assert found.items.counts.tolist() == [1, 1]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_files_are_read_in_batches(tmp_path, suffix):
    pairs = PAIRS.with_values(np.arange(len(PAIRS)))
    data.write(pairs, tmp_path / f"pairs.{suffix}")
    batches = data.batches(tmp_path / f"pairs.{suffix}", value="value", rows=100)
    assert entries(streaming.build(batches).users) == entries(histories.build(pairs).users)


def test_a_pair_that_comes_twice_is_two_entries():
    pairs = Interactions(np.array([0, 0]), np.array([1, 1]), np.array([2, 3], np.float32), 1, 2)
    assert entries(streaming.build(lambda: iter([pairs])).users) == [(0, 1, 2.0), (0, 1, 3.0)]
    assert entries(histories.build(pairs).users) == [(0, 1, 2.0), (0, 1, 3.0)]


@pytest.mark.parametrize(
    ("users", "values", "message"),
    [([0, 5], [1, 1], "users: an id in batch 0 is outside 0..1"), ([0, 1], [1, np.nan], "values: one in batch 0")],
)
def test_bad_batches_are_refused(users, values, message):
    batch = Interactions(np.array(users), np.array([0, 0]), np.array(values, np.float32), 2, 1)
    with pytest.raises(ValueError, match=message):
        streaming.build(lambda: iter([batch]))


def test_no_interactions_are_refused():
    with pytest.raises(ValueError, match="there are no interactions"):
        streaming.build(lambda: iter([]))
    with pytest.raises(ValueError, match=r"batches: .*such as data\.batches\(path\)"):
        streaming.build("pairs.csv")
