"""Made-up interactions: exact sizes, the laws they claim, the same seed the same rows."""

import numpy as np
import pytest

from mfjax.data import from_arrays, synthetic

SIZES = {"num_users": 400, "num_items": 300, "num_interactions": 20_000}


@pytest.mark.parametrize("make", [synthetic.power_law, lambda seed, **n: synthetic.low_rank(seed, dim=3, **n)[0]])
def test_exactly_as_many_distinct_pairs_as_asked(make):
    pairs = make(0, **SIZES)
    assert (len(pairs), pairs.num_users, pairs.num_items) == (20_000, 400, 300)
    # from_arrays refuses repeats and ids out of range.
    from_arrays(pairs.users, pairs.items, num_users=400, num_items=300)
    same = make(np.random.default_rng(0), **SIZES)
    np.testing.assert_array_equal(pairs.items, same.items)
    assert (make(1, **SIZES).items != pairs.items).any()


def test_power_law_has_a_head_and_a_tail():
    pairs = synthetic.power_law(0, num_users=5000, num_items=2000, num_interactions=50_000, item_exponent=1.0)
    counts = np.sort(pairs.item_counts())[::-1]
    expected = 1 / (np.arange(2000) + 10.0)
    ranks = np.array([5, 20, 100, 500])
    np.testing.assert_allclose(counts[ranks] / 50_000, (expected / expected.sum())[ranks], rtol=0.25)
    # Popular items are spread over the ids.
    assert abs(np.corrcoef(np.arange(2000), pairs.item_counts())[0, 1]) < 0.1


def test_low_rank_noise():
    planted = synthetic.low_rank(0, **SIZES, dim=8, noise=0.5)
    pairs = planted.interactions
    clean = np.einsum("nd,nd->n", planted.users[pairs.users], planted.items[pairs.items])
    np.testing.assert_allclose([clean.std(), (pairs.values - clean).std()], [1, 0.5], rtol=0.1)


def test_too_many_pairs():
    with pytest.raises(ValueError, match=r"num_interactions: 51; pass 1\.\.50, half of the 10 x 10 pairs"):
        synthetic.power_law(0, num_users=10, num_items=10, num_interactions=51)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "seed: -1 is not a whole number"),
        ({"seed": 0.5}, r"seed: 0\.5 is not a whole number"),
        ({"num_users": 0}, "num_users: 0 is not a whole number"),
        ({"num_items": 2.0}, r"num_items: 2\.0 is not a whole number"),
        ({"num_interactions": True}, "num_interactions: True is not a whole number"),
        ({"user_exponent": float("nan")}, "user_exponent: nan is not a finite number"),
        ({"item_exponent": 1000.0}, r"item_exponent: 1000\.0 is not a finite number"),
    ],
)
def test_bad_arguments_of_power_laws(changes, message):
    with pytest.raises(ValueError, match=message):
        synthetic.power_law(**{"seed": 0} | SIZES | changes)


def test_too_steep_a_law_ends_with_a_message(monkeypatch):
    monkeypatch.setattr(synthetic, "_MOST_ROUNDS", 20)
    with pytest.raises(ValueError, match=r"num_interactions: only \d+ of 20000 distinct pairs came up in 20 rounds"):
        synthetic.power_law(0, **SIZES, user_exponent=10.0, item_exponent=10.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"dim": 0}, "dim: 0 is not"), ({"noise": -1.0}, r"noise: -1\.0 is not a finite")],
)
def test_bad_arguments_of_low_rank(changes, message):
    with pytest.raises(ValueError, match=message):
        synthetic.low_rank(**{"seed": 0, "dim": 2} | SIZES | changes)
