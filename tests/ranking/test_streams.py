"""Streams: the same numbers under every batch size, fair integers, and permutations that are permutations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mfjax.ranking import streams

words = jax.jit(streams.words, static_argnames=("count", "width"))
permutation = jax.jit(streams.permutation, static_argnames="size")


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_words_do_not_depend_on_the_batch_size(impl):
    key = jax.random.key(1, impl=impl)
    whole = words(key, 0, count=6144, width=2)
    for count in (1000, 2048):
        parts = [words(key, step, count=count, width=2) for step in range(6144 // count)]
        np.testing.assert_array_equal(jnp.concatenate(parts), whole[: len(parts) * count])


def test_words_under_jit_and_scan_are_the_eager_ones(key):
    steps = jnp.arange(3)
    scanned = jax.jit(lambda key: jax.lax.scan(lambda _, step: (0, streams.words(key, step, 700)), 0, steps)[1])(key)
    np.testing.assert_array_equal(scanned.reshape(-1, 1), streams.words(key, 0, 2100))


def test_below_is_uniform(key):
    values = streams.below(streams.words(key, 0, 70_000)[:, 0], 7)
    assert stats.chisquare(np.bincount(values, minlength=7)).pvalue > 0.01


def test_below_reaches_both_ends_and_survives_zero():
    ends = jnp.array([0, 2**32 - 1], jnp.uint32)
    for bound in (1, 3, 2**31 - 1):
        assert streams.below(ends, bound).tolist() == [0, bound - 1]
    assert streams.below(ends, jnp.zeros(2, jnp.int32)).tolist() == [0, 0]


@pytest.mark.parametrize("size", [1, 5, 64, 4097])
def test_permutation_is_one(key, size):
    found = permutation(key, jnp.arange(size), size=size)
    np.testing.assert_array_equal(np.sort(found), np.arange(size))


def test_permutation_spreads(key):
    size = 10_007
    found = np.asarray(permutation(key, jnp.arange(size), size=size))
    # A tenth of the positions lands evenly in ten tenths, and neighbours are not correlated.
    counts = np.bincount(found[:1000] * 10 // size, minlength=10)
    assert stats.chisquare(counts).pvalue > 0.01
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.05
    other = np.asarray(permutation(jax.random.key(3), jnp.arange(size), size=size))
    assert abs(np.corrcoef(found, other)[0, 1]) < 0.05


def test_draws_are_the_same_under_x64(key):
    def found():
        return streams.words(jax.random.clone(key), jnp.int32(3), 50, 2), streams.permutation(
            jax.random.clone(key), jnp.arange(100), 100
        )

    single = found()
    with jax.enable_x64(True):
        double = found()
    for one, other in zip(single, double, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: streams.words(0, 0, 3), "key: 0 is not a PRNG key"),
        (lambda: streams.words(jax.random.key(0), -1, 3), "step: -1 is not a whole number from 0"),
        (lambda: streams.words(jax.random.key(0), 2**30, 8), "step: 1073741824 .* positions are below"),
        (lambda: streams.below(jnp.zeros(3), 4), "words: float.. is not uint32"),
        (lambda: streams.below(jnp.zeros(1, jnp.uint32), -1), "bound: -1"),
        (lambda: streams.permutation(jax.random.key(0), jnp.array([5]), 5), "positions: id 5 is outside 0..4"),
        (lambda: streams.permutation(jax.random.key(0), jnp.array([0]), 0), "size: 0"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
