"""Draws outside a row: every outcome by enumeration, against a slow walk along the line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.histories import Ragged, ragged
from mfjax.ranking import complement
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


def shares_of(built: complement.Complement) -> np.ndarray:
    masses = np.diff(np.asarray(built.line.ends).astype(np.int64), prepend=0)
    return masses / masses.sum()


def no_rows(num_items: int) -> Ragged:
    nothing = np.zeros(0, np.int32)
    return ragged(Interactions(nothing, nothing, np.zeros(0, np.float32), 1, num_items))


@pytest.mark.parametrize("make", [complement.build, build])
def test_many_small_weights_do_not_add_up_to_more_than_their_share(make):
    # A least unit for each would be a thousandth of all, where their share is 1.7e-5.
    weights = np.full(2**20 + 1, 1.6e-11)
    weights[0] = 1.0
    found = shares_of(make(no_rows(len(weights)), weights))
    assert found[0] == pytest.approx(1 / (1 + 2**20 * 1.6e-11), abs=1e-9 if make is complement.build else 4e-8)


def test_rounding_down_does_not_add_up_to_more_than_the_bound():
    # 2^20 masses of 100.9 units, each rounded down, would leave out a hundredth of the half that they are.
    weights = np.full(2**20 + 1, 100.9)
    weights[0] = 2**30 - weights[1:].sum()
    for make, bound in ((complement.build, 1e-8), (build, 4e-8)):
        np.testing.assert_allclose(shares_of(make(no_rows(len(weights)), weights)), weights / 2**30, rtol=0, atol=bound)


def test_weights_of_popularity_are_rounded_as_they_were():
    """The masses that published figures were drawn with: in float32, each rounded down."""
    counts = np.sort(np.random.default_rng(0).zipf(1.6, 1682) % 300 + 20).astype(np.float32)
    for beta in (0.146, 0.412, 0.75, 1.0):
        weights = jnp.asarray(counts) ** jnp.float32(beta)
        ends = np.cumsum(np.asarray(weights / weights.sum() * 2.0**30).astype(np.uint32), dtype=np.uint32)
        for make in (complement.build, build):
            np.testing.assert_array_equal(make(no_rows(1682), weights).line.ends, ends)


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16, np.float32, np.float64, np.int32, np.uint8, list])
def test_weights_of_every_dtype(dtype):
    weights = [3, 0, 100, 40] if dtype is list else np.array([3, 0, 100, 40], dtype)
    np.testing.assert_allclose(
        shares_of(complement.build(no_rows(4), weights)), np.array([3, 0, 100, 40]) / 143, atol=1e-8
    )


@pytest.mark.parametrize("scale", [1e-42, 1e-310, 1e300, 6e4])
def test_scale_of_weights_is_nothing(scale):
    weights = np.array([1.0, 2.0, 0.0, 3.0]) * scale
    with np.errstate(over="ignore"):
        dtypes = weights, weights.astype(np.float32), weights.astype(np.float16)
    for given in dtypes:
        if np.isfinite(given).all() and given.any():
            exact = np.float64(given) / scale / (np.float64(given) / scale).sum()
            np.testing.assert_allclose(shares_of(complement.build(no_rows(4), given)), exact, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, np.nan, 1], "weights: nan is not a finite number of at least 0"),
        ([1, np.inf, 1], "weights: inf"),
        ([1, -1, 1], "weights: -1.0"),
        ([0, 0, 0], "weights: all are 0"),
    ],
)
def test_what_are_no_weights_is_refused(weights, message, dtype):
    of_numpy = np.array(weights, dtype)
    for given in (of_numpy, jnp.asarray(of_numpy)):
        with pytest.raises(ValueError, match=message):
            complement.build(no_rows(3), given)


def test_weights_of_another_length_are_refused(rows):
    for make in (complement.build, build):
        with pytest.raises(ValueError, match=r"weights: shape \(3,\) is not \(12,\)"):
            make(rows, jnp.ones(3))


def test_rows_and_items_outside_are_refused(rows):
    built, words = complement.build(rows), jnp.zeros((1, 2), jnp.uint32)
    for row in (-1, len(ROWS)):
        with pytest.raises(ValueError, match=f"rows: id {row} is outside 0..7"):
            complement.draw(built, words, jnp.array([row]))
        with pytest.raises(ValueError, match=f"rows: id {row} is outside 0..7"):
            complement.contains(rows, jnp.array([row]), jnp.array([[0]]))
    with pytest.raises(ValueError, match=r"ids: id 12 is outside 0\.\.11"):
        complement.contains(rows, jnp.array([0]), jnp.array([[12]]))
