"""Baselines against slow numpy truth, and the published MovieLens-1M item kNN to the digit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import baselines, recommend
from mfjax.histories import ragged
from mfjax.types import Interactions

NUM_USERS, NUM_ITEMS = 14, 11


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    matrix = (np.random.default_rng(0).random((NUM_USERS, NUM_ITEMS)) < 0.4).astype(np.float64)
    matrix[:, 4] = 0  # an item that nobody has
    matrix[6] = 0  # a user who has nothing
    return matrix


@pytest.fixture(scope="module")
def pairs(matrix) -> Interactions:
    users, items = np.nonzero(matrix)
    return Interactions(
        users.astype(np.int32), items.astype(np.int32), np.ones(len(users), np.float32), NUM_USERS, NUM_ITEMS
    )


def test_random_depends_on_key_user_and_item_only():
    scorer = baselines.random(jax.random.key(1), 50)
    alone, together = scorer(jnp.array([9])), jax.jit(lambda scorer, users: scorer(users))(scorer, jnp.array([3, 9, 9]))
    np.testing.assert_array_equal(together[1:], jnp.repeat(alone, 2, axis=0))
    assert (together[0] != together[1]).all()
    np.testing.assert_array_equal(baselines.random(jax.random.key(1), 20)(jnp.array([9])), alone[:, :20])
    assert (baselines.random(jax.random.key(2), 50)(jnp.array([9])) != alone).all()


def test_random_is_uniform():
    scores = np.asarray(baselines.random(jax.random.key(0), 1000)(jnp.arange(20))).ravel()
    observed = np.histogram(scores, bins=20, range=(0, 1))[0]
    assert ((observed - 1000.0) ** 2 / 1000).sum() < 36.2  # 1 % point of chi-square with 19 degrees of freedom


def test_popularity_ranks_by_count(pairs):
    counts = pairs.item_counts()
    ids, scores = recommend.top_k(baselines.popularity(counts), jnp.array([0, 6]), k=NUM_ITEMS)
    wanted = np.argsort(-counts, kind="stable")
    np.testing.assert_array_equal(ids, np.stack([wanted, wanted]))
    np.testing.assert_array_equal(scores[0], counts[wanted])


def test_co_occurrence_sums_repeated_pairs(pairs, matrix):
    np.testing.assert_array_equal(baselines.co_occurrence(pairs), matrix.T @ matrix)
    twice = pairs.select(np.r_[np.arange(len(pairs)), np.arange(len(pairs))])
    np.testing.assert_array_equal(baselines.co_occurrence(twice), 4 * matrix.T @ matrix)


@pytest.mark.parametrize("ties", ["lower", "higher"])
@pytest.mark.parametrize("num_neighbours", [3, 200])
def test_item_knn_keeps_the_nearest_and_never_itself(pairs, matrix, num_neighbours, ties):
    norms = np.linalg.norm(matrix, axis=0)
    cosine = (matrix.T @ matrix) / np.maximum(norms[:, None] * norms[None, :], 1e-9)
    # Rounded so that ties, which are exact in the counts, are exact here as well.
    weights = np.zeros_like(cosine)
    for item, row in enumerate(np.round(cosine, 6)):
        order = sorted(
            (other for other in range(NUM_ITEMS) if other != item),
            key=lambda other: (-row[other], other if ties == "lower" else -other),
        )[:num_neighbours]
        weights[item, order] = cosine[item, order]
    scorer = baselines.item_knn(pairs, num_neighbours=num_neighbours, ties=ties)
    np.testing.assert_allclose(scorer(jnp.arange(NUM_USERS)), matrix @ weights, atol=1e-5)


def test_ease_is_the_regression_of_each_item_on_the_others(pairs, matrix):
    weights = np.zeros((NUM_ITEMS, NUM_ITEMS))
    for item in range(NUM_ITEMS):
        others = np.delete(np.arange(NUM_ITEMS), item)
        design = matrix[:, others]
        normal = design.T @ design + 2.0 * np.eye(NUM_ITEMS - 1)
        weights[others, item] = np.linalg.solve(normal, design.T @ matrix[:, item])
    scores = baselines.ease(pairs, reg=2.0)(jnp.arange(NUM_USERS))
    np.testing.assert_allclose(scores, matrix @ weights, atol=1e-5)


def test_ease_vmaps_over_reg_and_scores_users_it_was_not_fitted_on(pairs, matrix):
    gramian = baselines.co_occurrence(pairs)
    weights = jax.vmap(baselines.ease_weights, in_axes=(None, 0))(gramian, jnp.array([1.0, 2.0]))
    held_out = Interactions(np.array([0]), np.array([2]), np.full(1, 3, np.float32), 1, NUM_ITEMS)
    scores = baselines.linear(weights[1], ragged(held_out))(jnp.array([0]))
    np.testing.assert_allclose(scores[0], 3 * baselines.ease_weights(gramian, 2.0)[2], rtol=1e-4, atol=1e-6)


def test_scorers_cross_jit_as_arguments_and_retrace_for_nothing(pairs):
    traces = []

    @jax.jit
    def lists(scorer, users):
        traces.append(None)
        return recommend.top_k(scorer, users, k=2)[0]

    for reg in (1.0, 2.0):
        lists(baselines.ease(pairs, reg=reg), jnp.arange(4))
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_neighbours": 0}, "num_neighbours: 0 is not a whole number of at least 1"),
        ({"ties": "random"}, "ties: 'random' is unknown; pass 'lower' or 'higher'"),
    ],
)
def test_bad_input(pairs, arguments, message):
    with pytest.raises(ValueError, match=message):
        baselines.item_knn(pairs, **arguments)


def test_published_popularity_and_ease_of_movielens_100k(data_dir):
    rows = np.loadtxt(data_dir / "ml-100k" / "u.data", dtype=np.int64)
    rows = rows[rows[:, 2] >= 4]
    rows = rows[np.lexsort((rows[:, 3], rows[:, 0]))]
    last = np.r_[rows[1:, 0] != rows[:-1, 0], True]  # of equal times the last in the file
    users = np.unique(rows[:, 0], return_inverse=True)[1].astype(np.int32)
    items = np.unique(rows[:, 1], return_inverse=True)[1].astype(np.int32)
    positives = Interactions(users, items, np.ones(len(rows), np.float32), 942, 1447)
    train, test = positives.select(~last), positives.select(last)
    exclude, candidates = ragged(train), jnp.asarray(train.item_counts() > 0)

    def hits(scorer) -> int:
        ids, _ = jax.jit(recommend.top_k)(scorer, jnp.asarray(test.users), exclude=exclude, candidates=candidates)
        return int((np.asarray(ids) == test.items[:, None]).sum())

    assert hits(baselines.popularity(train.item_counts())) == 74
    assert hits(baselines.ease(train, reg=100.0)) == 138
