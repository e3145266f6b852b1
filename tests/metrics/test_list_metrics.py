import jax
import jax.numpy as jnp
import numpy as np

from mfjax.metrics import lists


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
