"""Item kNN by lists and EASE on the host: the same as the tables on the device, of any catalogue."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax import baselines, recommend
from mfjax.baselines import item_regression, neighbours, scorers
from mfjax.data import synthetic
from mfjax.histories import ragged
from mfjax.types import Interactions

PAIRS = synthetic.power_law(0, num_users=60, num_items=40, num_interactions=500)


def drawn(seed: int, num_items: int) -> Interactions:
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((12, num_items)) < 0.4)
    values = rng.integers(1, 4, len(users)).astype(np.float32)
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, 12, num_items)


@settings(deadline=None, derandomize=True, database=None, max_examples=25)
@given(
    st.integers(0, 10**6),
    st.sampled_from([3, 7]),
    st.sampled_from([1, 2, 5]),
    st.sampled_from(["lower", "higher"]),
    st.sampled_from([0.0, 3.0]),
)
def test_neighbours_are_those_of_the_table(seed, num_items, k, ties, shrink):
    pairs = drawn(seed, num_items)
    if len(pairs) == 0:
        return
    table = np.asarray(baselines.cosine_neighbours(baselines.co_occurrence(pairs), k, shrink=shrink, ties=ties))
    lists = baselines.linear(baselines.nearest_items(pairs, k, shrink=shrink, ties=ties), ragged(pairs))
    found = lists.rows(np.arange(num_items))
    # Cosines that are equal in one rounding may differ in another: their sum is the same.
    np.testing.assert_allclose(found.sum(axis=1), table.sum(axis=1), rtol=1e-5, atol=1e-6)
    assert ((found > 0).sum(axis=1) == (table > 0).sum(axis=1)).all()


def test_scores_of_lists_and_of_the_table(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    wanted = baselines.item_knn(PAIRS, num_neighbours=40)
    monkeypatch.setattr(neighbours, "DENSE", 10)
    found = baselines.item_knn(PAIRS, num_neighbours=40)
    users = jnp.arange(60)
    np.testing.assert_allclose(found(users), wanted(users), rtol=1e-5, atol=1e-6)
    assert found.num_users == 60
    best = recommend.top_k(found, users, k=5, exclude=ragged(PAIRS))
    assert best[0].shape == (60, 5)


def test_ease_on_the_host(monkeypatch):
    monkeypatch.setattr(item_regression, "ROWS", 7)
    wanted = baselines.ease_weights(baselines.co_occurrence(PAIRS), 20.0)
    found = baselines.ease_weights_on_host(PAIRS, 20.0)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(item_regression, "DENSE", 10)
    np.testing.assert_array_equal(baselines.ease(PAIRS, reg=20.0).weights, found)


def test_rows_of_a_table_are_added_up_where_histories_are_short(monkeypatch):
    weights, users = jax.random.normal(jax.random.key(0), (40, 40)), jnp.arange(60)
    short = ragged(PAIRS.select(np.arange(len(PAIRS)) % 12 == 0))
    scorer, calls, sums = baselines.linear(weights, short), [], scorers._sum_of_rows
    by_product = scorer(users)
    monkeypatch.setattr(scorers, "_sum_of_rows", lambda *given: calls.append(1) or sums(*given))
    monkeypatch.setattr(scorers, "DENSE", 10)
    monkeypatch.setattr(scorers, "SHORT", 40 // short.longest + 1)
    np.testing.assert_array_equal(scorer(users), by_product)
    assert not calls
    monkeypatch.setattr(scorers, "SHORT", 40 // short.longest)
    found = scorer(users)
    np.testing.assert_allclose(found, by_product, rtol=1e-5, atol=1e-6)
    # Whoever else is asked for.
    np.testing.assert_array_equal(found[7], scorer(jnp.array([7]))[0])
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: baselines.ease_weights_on_host(PAIRS, 20.0, memory=2 * 4 * 40**2 - 1),
            "interactions: EASE of 40 item",
        ),
        (lambda: baselines.ease_weights_on_host(PAIRS, 0.0), "reg: "),
        (lambda: baselines.nearest_items(PAIRS, 0), "num_neighbours: "),
        (lambda: baselines.nearest_items(PAIRS, 1, ties="none"), "ties: "),
        (lambda: baselines.nearest_items(PAIRS, 1, shrink=-1.0), "shrink: "),
        (lambda: baselines.item_knn(PAIRS, shrink=np.nan), "shrink: "),
        (lambda: baselines.linear(baselines.nearest_items(drawn(0, 7), 2), ragged(PAIRS)), "weights: has 7 users and"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()
