"""Weights by recency, held against loops."""

import jax
import numpy as np
import pytest

from mfjax.data.recency import decayed, places_from_last
from mfjax.types import Interactions


@pytest.fixture
def pairs() -> Interactions:
    rng = np.random.default_rng(0)
    users, times = rng.integers(0, 5, 40).astype(np.int32), rng.integers(0, 6, 40)
    return Interactions(users, np.arange(40, dtype=np.int32), np.full(40, 2.0, np.float32), 6, 40, timestamps=times)


def test_places_count_the_later_rows_of_the_user(pairs):
    places = places_from_last(pairs)
    for row in range(len(pairs)):
        mine = [
            (pairs.timestamps[other], other) > (pairs.timestamps[row], row)
            for other in np.flatnonzero(pairs.users == pairs.users[row])
        ]
        assert places[row] == sum(mine)


def test_values_halve_every_half_life(pairs):
    weighted = decayed(pairs, half_life=3.0)
    np.testing.assert_allclose(weighted.values, 2.0 * 0.5 ** (places_from_last(pairs) / 3.0), rtol=1e-6)
    assert weighted.values.dtype == np.float32
    assert weighted.values.max() == 2.0


def test_ties_follow_the_rule(pairs):
    assert (places_from_last(pairs) != places_from_last(pairs, ties="reverse")).any()
    drawn = [places_from_last(pairs, ties="random", key=jax.random.key(seed)) for seed in range(2)]
    assert (drawn[0] != drawn[1]).any()


@pytest.mark.parametrize("half_life", [0.0, -1.0, float("nan")])
def test_a_half_life_is_positive(pairs, half_life):
    with pytest.raises(ValueError, match=r"half_life: .* is not a finite number above 0"):
        decayed(pairs, half_life=half_life)
