"""Chunks: whose segments are whose, and how many entries there are in each on which platform."""

from __future__ import annotations

import numpy as np
import pytest

from mfjax import compilation, histories
from mfjax.data import synthetic
from mfjax.histories import building

PAIRS = synthetic.power_law(0, num_users=60, num_items=40, num_interactions=700)


@pytest.mark.parametrize("options", [{}, {"chunk_entries": 64, "width": 8}, {"chunk_entries": 16, "width": 2}])
def test_owners_ascend_and_padding_is_the_last_slots(options):
    built = histories.build(PAIRS, **options)
    for block in built.users.blocks + built.items.blocks:
        assert np.all(np.diff(np.asarray(block.owners), axis=1) >= 0)
        padding = ~np.asarray(block.mask).any(axis=2)  # [chunks, segments]
        assert np.all(np.asarray(block.owners)[padding] == block.rows.shape[1] - 1)


@pytest.mark.parametrize("platform", sorted(building.CHUNK_ENTRIES))
def test_a_side_is_as_many_chunks_as_suit_the_platform(monkeypatch, platform):
    monkeypatch.setattr(compilation, "platform", lambda *values: platform)
    monkeypatch.setitem(building.CHUNK_ENTRIES, "cpu", 128)
    (block,) = histories.build(PAIRS).users.blocks
    assert (block.entries.shape[0] > 1) == (platform == "cpu")
    np.testing.assert_array_equal(block.entries, histories.side(PAIRS).blocks[0].entries)
