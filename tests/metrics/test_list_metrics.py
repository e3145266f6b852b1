import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.metrics import lists
from tests import reference


def test_against_counting():
    rng = np.random.default_rng(3)
    num_items, num_users = 30, 40
    ids = np.stack([rng.permutation(num_items)[:6] for _ in range(num_users)]).astype(np.int32) // 2
    mask = np.arange(6)[None, :] < rng.integers(0, 7, num_users)[:, None]
    counts = rng.integers(0, 50, num_items)

    def run(ids, mask, counts):
        return {
            "coverage": lists.coverage(ids, mask, num_items=num_items),
            "gini": lists.gini(ids, mask, num_items=num_items),
            "mean_popularity": lists.mean_popularity(ids, mask, counts),
            "novelty": lists.novelty(ids, mask, counts, num_users=num_users),
        }

    shown = ids[mask]
    exposure = np.bincount(shown, minlength=num_items)
    expected = {
        "coverage": len(set(shown.tolist())) / num_items,
        # Half the mean absolute difference between two items, over the mean.
        "gini": np.abs(exposure[:, None] - exposure[None, :]).mean() / 2 / exposure.mean(),
        "mean_popularity": counts[shown].mean(),
        "novelty": np.log2(num_users / np.maximum(counts[shown], 1)).mean(),
    }
    arguments = jnp.asarray(ids), jnp.asarray(mask), jnp.asarray(counts)
    values = jax.jit(run)(*arguments)
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-6, err_msg=name)
    empty = jax.jit(run)(arguments[0], jnp.zeros_like(arguments[1]), arguments[2])
    assert all(float(value) == 0 for value in empty.values())


def test_within_lists_against_loops():
    rng = np.random.default_rng(4)
    num_items, num_users = 30, 40
    ids = np.stack([rng.permutation(num_items)[:6] for _ in range(num_users)]).astype(np.int32)
    mask = rng.random((num_users, 6)) < np.linspace(0, 1, num_users)[:, None]
    items = rng.normal(size=(num_items, 3)).astype(np.float32)
    categories = (rng.integers(0, 3, (num_items, 5)) * (rng.random((num_items, 5)) < 0.4)).astype(np.float32)
    items[::7], categories[1::4] = 0, 0
    for scale in (1.0, 1e30, 1e-30):
        found = jax.jit(lists.intra_list_similarity)(ids, mask, items * np.float32(scale))
        wanted = [reference.intra_list_similarity(ids[u][mask[u]], items.astype(np.float64)) for u in range(num_users)]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
        found = jax.jit(lists.category_entropy)(ids, mask, categories * np.float32(scale))
        weights = categories.astype(np.float64)
        wanted = [reference.category_entropy(ids[u][mask[u]], weights) for u in range(num_users)]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert np.isnan(wanted).any() and np.nanmax(wanted) > 1
    as_bools = lists.category_entropy(ids, mask, categories > 0)
    np.testing.assert_array_equal(as_bools, lists.category_entropy(ids, mask, (categories > 0).astype(np.float32)))
    tables = jnp.stack([items, items[::-1]])
    many = jax.vmap(lists.intra_list_similarity, in_axes=(None, None, 0))(jnp.asarray(ids), jnp.asarray(mask), tables)
    assert many.shape == (2, num_users)


@pytest.mark.parametrize(
    ("metric", "table", "told"),
    [
        ("intra_list_similarity", np.ones((3, 2), int), "items: has the dtype int64, where floats are needed"),
        ("intra_list_similarity", np.ones(3), r"items: shape \(3,\) is not \(n, n\); pass a vector for each item"),
        ("intra_list_similarity", np.full((3, 2), np.nan), "items: nan is not a finite number"),
        ("intra_list_similarity", np.ones((2, 2)), r"ids: id 2 is outside 0\.\.1"),
        ("category_entropy", [[True]], "categories: a list is not what is needed; pass bools or floats"),
        ("category_entropy", np.full((3, 2), -1.0), "categories: -1.0 is not a finite number of at least 0"),
        ("category_entropy", np.ones((2, 2), bool), r"ids: id 2 is outside 0\.\.1"),
    ],
)
def test_tables_that_are_refused_within_lists(metric, table, told):
    with pytest.raises(ValueError, match=told):
        getattr(lists, metric)(np.array([[2, 0]]), np.ones((1, 2), bool), table)
