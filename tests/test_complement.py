"""Draws outside a row: every outcome by enumeration, against a slow walk along the line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import complement
from mfjax.histories import Ragged, ragged
from mfjax.types import Interactions

NUM_ITEMS = 12
build, draw = jax.jit(complement.build), jax.jit(complement.draw)
ROWS = [[], [0], [11], [3, 4, 5], [0, 2, 2, 2, 7, 11], list(range(12)), list(range(1, 12)), [0, 1, 2, 9, 10, 11]]


@pytest.fixture(scope="module")
def rows() -> Ragged:
    users = np.repeat(np.arange(len(ROWS)), [len(row) for row in ROWS]).astype(np.int32)
    items = np.concatenate([np.array(row, np.int32) for row in ROWS])
    return ragged(Interactions(users, items, np.ones(len(items), np.float32), len(ROWS), NUM_ITEMS))


def test_uniform_draws_hit_every_unseen_item_once_over_all_x(rows):
    unseen = [sorted(set(range(NUM_ITEMS)) - set(row)) for row in ROWS]
    words = np.zeros((len(ROWS), NUM_ITEMS), np.uint32)
    for row, items in enumerate(unseen):
        # The middle of each of as many equal slices of the words.
        words[row, : len(items)] = (np.arange(len(items)) + 0.5) / max(len(items), 1) * 2**32
    ids, mass, left = draw(build(rows), jnp.asarray(words), jnp.arange(len(ROWS)))
    assert [row[: len(items)].tolist() for row, items in zip(ids, unseen, strict=True)] == unseen
    assert int(mass) == 1
    assert left.tolist() == [len(items) for items in unseen]


@pytest.mark.parametrize("weights", [np.arange(1, 13), 2.0 ** -np.arange(12), [0, 1, 0, 0, 5, 1, 2, 0, 9, 1e-12, 0, 3]])
def test_weighted_draws_follow_the_line(rows, weights):
    weights = jnp.asarray(weights, jnp.float32)
    built = build(rows, weights)
    words = np.random.default_rng(0).integers(0, 2**32, (len(ROWS), 2000), dtype=np.uint32)
    ids, mass, left = draw(built, jnp.asarray(words), jnp.arange(len(ROWS)))
    masses = np.diff(np.asarray(built.line.ends).astype(np.int64), prepend=0)
    np.testing.assert_allclose(masses / masses.sum(), weights / weights.sum(), atol=2e-9)
    assert ((masses > 0) == (np.asarray(weights) > 0)).all()
    for row, taken in enumerate(ROWS):
        outside = masses.copy()
        outside[taken] = 0
        assert int(left[row]) == outside.sum()
        if outside.sum():
            x = (words[row].astype(object) * int(outside.sum())) >> 32
            np.testing.assert_array_equal(ids[row], np.searchsorted(np.cumsum(outside), x.astype(np.int64), "right"))
            np.testing.assert_array_equal(mass[row], outside[ids[row]])
        else:
            assert not ids[row].any()


def test_sums_over_all_rows_may_wrap_around():
    # Fifty rows of nine tenths of a mass of 2^30 each: the running sum passes 2^32 a dozen times.
    users, items = np.repeat(np.arange(50), 9).astype(np.int32), np.tile(np.arange(9), 50).astype(np.int32)
    rows = ragged(Interactions(users, items, np.ones(450, np.float32), 50, 10))
    words = np.random.default_rng(0).integers(0, 2**32, (50, 20), dtype=np.uint32)
    ids, _, _ = draw(build(rows, jnp.ones(10)), jnp.asarray(words), jnp.arange(50))
    assert (ids == 9).all()


def test_no_rows_at_all():
    empty = Interactions(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), 2, 3)
    for weights in (None, jnp.ones(3)):
        words = jnp.asarray([[0, 2**31, 2**32 - 1]], jnp.uint32)
        assert draw(build(ragged(empty), weights), words, jnp.array([1]))[0].tolist() == [[0, 1, 2]]


def test_contains(rows):
    found = complement.contains(rows, jnp.arange(len(ROWS)), jnp.tile(jnp.arange(NUM_ITEMS), (len(ROWS), 1)))
    assert [np.flatnonzero(row).tolist() for row in found] == [sorted(set(row)) for row in ROWS]


def test_weights_of_another_length_are_refused(rows):
    with pytest.raises(ValueError, match=r"weights: shape \(3,\) is not \(12,\)"):
        build(rows, jnp.ones(3))
