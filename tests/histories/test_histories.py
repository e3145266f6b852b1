"""Packing loses nothing, wastes little, and keeps every history in one chunk."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfjax import histories
from mfjax.data import synthetic
from mfjax.histories import packing
from mfjax.types import Interactions


def power_law_pairs(num_users=300, num_items=200, seed=0) -> Interactions:
    rng = np.random.default_rng(seed)
    share = 0.9 / np.arange(1, num_items + 1) ** 0.7
    users, items = np.nonzero(rng.random((num_users, num_items)) < share[None, :])
    order = rng.permutation(len(users))
    values = rng.integers(1, 6, len(users)).astype(np.float32)
    return Interactions(users[order].astype(np.int32), items[order].astype(np.int32), values, num_users, num_items)


def dense(side: histories.Side, num_columns: int) -> np.ndarray:
    """Unpack with loops."""
    matrix = np.zeros((side.num_rows, num_columns))
    for block in side.blocks:
        ids, values, mask, owners, rows, row_mask = map(
            np.asarray, (block.ids, block.values, block.mask, block.owners, block.rows, block.row_mask)
        )
        for chunk, segment in np.ndindex(owners.shape):
            for place in np.flatnonzero(mask[chunk, segment]):
                slot = owners[chunk, segment]
                assert row_mask[chunk, slot]
                matrix[rows[chunk, slot], ids[chunk, segment, place]] += values[chunk, segment, place]
        assert not ids[~mask].any() and not values[~mask].any()
    return matrix


@pytest.mark.parametrize(
    "options", [{}, {"chunk_entries": 256, "width": 8}, {"chunk_entries": 64, "width": 16, "multiple_of": 3}]
)
def test_packing_loses_nothing(options):
    pairs = power_law_pairs()
    matrix = np.zeros((300, 200))
    matrix[pairs.users, pairs.items] = pairs.values
    built = histories.build(pairs, **options)
    np.testing.assert_array_equal(dense(built.users, 200), matrix)
    np.testing.assert_array_equal(dense(built.items, 300), matrix.T)
    np.testing.assert_array_equal(built.users.counts, np.count_nonzero(matrix, axis=1))
    np.testing.assert_array_equal(built.items.column_counts, np.count_nonzero(matrix, axis=1))
    for side in (built.users, built.items):
        rows = np.concatenate([np.asarray(block.rows)[np.asarray(block.row_mask)] for block in side.blocks])
        assert len(rows) == len(set(rows))
        assert all(block.entries.shape[0] % options.get("multiple_of", 1) == 0 for block in side.blocks)


def test_histories_too_long_for_a_chunk_get_a_block_of_their_own():
    side = histories.side(power_law_pairs(), by="item", chunk_entries=128, width=8)
    assert len(side.blocks) == 2
    assert side.blocks[1].ids.shape[1] * 8 >= int(side.counts.max())


def test_chunks_are_nearly_full():
    rng = np.random.default_rng(0)
    segments = np.ceil(rng.pareto(1.2, 20_000) + 1).clip(max=128).astype(int)
    plan = packing.balance(segments, 128, 1)
    chunks, height, slots = plan.shape
    assert segments.sum() / (chunks * height) > 0.98
    assert len(segments) / (chunks * slots) > 0.7
    loads = np.bincount(plan.chunk, weights=segments[plan.rows], minlength=chunks)
    assert loads.max() == height


def test_ragged_rows_are_sorted_and_padded():
    pairs = power_law_pairs(30, 20)
    lists = histories.ragged(pairs)
    ids, _, mask = lists.rows(np.array([3, 7]))
    for row, user in enumerate((3, 7)):
        mine = np.sort(pairs.items[pairs.users == user])
        np.testing.assert_array_equal(np.asarray(ids[row])[np.asarray(mask[row])], mine)
        assert not np.asarray(ids[row])[~np.asarray(mask[row])].any()
    np.testing.assert_array_equal(lists.lengths(), pairs.user_counts())
    by_item = histories.ragged(pairs, by="item")
    np.testing.assert_array_equal(by_item.lengths(), pairs.item_counts())


def test_an_empty_set_makes_empty_lists():
    nothing = Interactions(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), 3, 4)
    assert not np.asarray(histories.ragged(nothing).rows(np.array([0, 2]))[2]).any()


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"users": np.array([0, 9])}, {}, r"users: id 9 in row 1 is outside 0\.\.2; map raw ids with a Vocabulary"),
        ({"items": np.array([-1, 0])}, {}, r"items: id -1 in row 0 is outside 0\.\.3"),
        ({"values": np.array([1, np.nan])}, {}, r"values: nan in row 1 is not finite; drop or repair the row"),
        ({"values": np.array([np.inf, 1])}, {}, r"values: inf in row 0 is not finite"),
        ({}, {"width": 0}, r"width: 0 is not a whole number of at least 1"),
        ({}, {"chunk_entries": 0}, r"chunk_entries: 0 is not a whole number of at least 1"),
        ({}, {"multiple_of": 0}, r"multiple_of: 0 is not a whole number of at least 1"),
        ({}, {"by": "movie"}, r"by: 'movie' is unknown; pass 'user' or 'item'"),
        ({"users": [], "items": [], "values": []}, {}, r"interactions: the set is empty; check the filter or split"),
    ],
)
def test_bad_input_names_the_row_and_the_remedy(changes, options, message):
    good = {"users": np.array([0, 1]), "items": np.array([2, 3]), "values": np.ones(2)}
    columns = {name: np.asarray(column) for name, column in (good | changes).items()}
    with pytest.raises(ValueError, match=message):
        histories.side(Interactions(**columns, num_users=3, num_items=4), **options)


def test_sides_share_the_shape_of_a_chunk_unless_one_would_grow_too_much():
    shared = histories.build(synthetic.power_law(0, num_users=300, num_items=250, num_interactions=20_000))
    users, items = (side.blocks[0] for side in (shared.users, shared.items))
    assert users.ids.shape[1:] == items.ids.shape[1:] and users.rows.shape[1] == items.rows.shape[1]
    apart = histories.build(synthetic.power_law(0, num_users=3000, num_items=20, num_interactions=20_000))
    users, items = (side.blocks[0] for side in (apart.users, apart.items))
    assert users.rows.shape[1] > 2 * items.rows.shape[1]


def test_histories_print_in_a_line():
    built = histories.build(power_law_pairs())
    for shown in (repr(built), repr(built.users), repr(built.users.blocks[0]), repr(power_law_pairs())):
        assert len(shown) < 400 and "\n" not in shown
    assert repr(built).startswith("Histories(users=Side(counts float32[300], Packed(entries int32[")


def test_histories_are_the_same_under_x64():
    pairs = power_law_pairs()
    wanted = histories.build(pairs), histories.ragged(pairs)
    with jax.enable_x64(True):
        found = histories.build(pairs), histories.ragged(pairs)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
