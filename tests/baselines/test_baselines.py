"""Baselines against slow numpy truth, and the published MovieLens-1M item kNN to the digit."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import baselines, recommend
from mfjax.baselines import weighted_means
from mfjax.histories import Ragged, ragged
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


@pytest.mark.parametrize("shrink", [0.0, 2.5])
@pytest.mark.parametrize("ties", ["lower", "higher"])
@pytest.mark.parametrize("num_neighbours", [3, 200])
def test_item_knn_keeps_the_nearest_and_never_itself(pairs, matrix, num_neighbours, ties, shrink):
    norms = np.linalg.norm(matrix, axis=0)
    cosine = (matrix.T @ matrix) / np.maximum(norms[:, None] * norms[None, :] + shrink, 1e-9)
    # Rounded so that ties, which are exact in the counts, are exact here as well.
    weights = np.zeros_like(cosine)
    for item, row in enumerate(np.round(cosine, 6)):
        order = sorted(
            (other for other in range(NUM_ITEMS) if other != item),
            key=lambda other: (-row[other], other if ties == "lower" else -other),
        )[:num_neighbours]
        weights[item, order] = cosine[item, order]
    scorer = baselines.item_knn(pairs, num_neighbours=num_neighbours, shrink=shrink, ties=ties)
    np.testing.assert_allclose(scorer(jnp.arange(NUM_USERS)), matrix @ weights, atol=1e-5)


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("shrink", [0.0, 2.5])
@pytest.mark.parametrize("num_neighbours", [3, 200])
def test_item_knn_mean_is_the_weighted_mean_of_deviations(monkeypatch, num_neighbours, shrink, lists):
    rng = np.random.default_rng(4)
    values = rng.uniform(0.5, 2, (NUM_USERS, NUM_ITEMS)) * (rng.random((NUM_USERS, NUM_ITEMS)) < 0.5)
    values[:, 4] = 0  # an item that nobody has
    values[:, 7] = 0
    values[3], values[3, 7] = 0, 1  # and one that stands alone, with no neighbour
    users, items = np.nonzero(values)
    pairs = Interactions(users, items, values[users, items].astype(np.float32), NUM_USERS, NUM_ITEMS)
    means, norms = values.mean(axis=0), np.linalg.norm(values, axis=0)
    wanted = np.zeros((NUM_USERS, NUM_ITEMS))
    for item in range(NUM_ITEMS):
        cosines = values.T @ values[:, item] / np.maximum(norms * norms[item] + shrink, 1e-9)
        cosines[item] = -1
        nearest = [other for other in np.argsort(-cosines, kind="stable")[:num_neighbours] if cosines[other] > 0]
        for user in range(NUM_USERS):
            deviations = sum(cosines[other] * (values[user, other] - means[other]) for other in nearest)
            wanted[user, item] = means[item] + deviations / max(cosines[nearest].sum(), 1e-9)
    if lists:
        monkeypatch.setattr(weighted_means, "DENSE", 5)
    scorer = baselines.item_knn_mean(pairs, num_neighbours=num_neighbours, shrink=shrink)
    assert isinstance(scorer.weights, Ragged) == lists
    np.testing.assert_allclose(scorer(jnp.arange(NUM_USERS)), wanted, atol=1e-5)
    assert wanted[0, 4] == 0 and wanted[0, 7] == means[7]


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
    with pytest.raises(ValueError, match=message):
        baselines.item_knn_mean(pairs, **arguments)


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


def test_scores_are_the_same_under_x64(pairs):
    def found():
        users = jnp.arange(4)
        scorers = baselines.random(jax.random.key(1), 9), baselines.popularity(pairs.item_counts())
        return [scorer(users) for scorer in (*scorers, baselines.item_knn_mean(pairs), baselines.ease(pairs, reg=2.0))]

    single = found()
    with jax.enable_x64(True):
        double = found()
    np.testing.assert_array_equal(single[0], double[0])
    for one, other in zip(single, double, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_ease_is_differentiated_as_the_inverse(pairs):
    gramian = baselines.co_occurrence(pairs)
    score = lambda reg: jnp.sum(jnp.cos(baselines.ease_weights(gramian, reg)))  # noqa: E731
    found = jax.vmap(jax.grad(score))(jnp.array([1.0, 2.0]))
    with jax.enable_x64(True):
        gramian = baselines.co_occurrence(pairs)
        for slope, reg in zip(found, (1.0, 2.0), strict=True):
            expected = (score(reg + 1e-5) - score(reg - 1e-5)) / 2e-5
            assert slope == pytest.approx(float(expected), rel=1e-3)


def test_what_is_no_regularised_gramian_is_refused(pairs):
    with pytest.raises(ValueError, match=r"reg: 0\.0 is not a finite number above 0"):
        baselines.ease(pairs, reg=0.0)
    with pytest.raises(ValueError, match=r"reg: with 1\.0 the gramian is not positive definite; raise it"):
        baselines.ease_weights(-10 * jnp.eye(3), 1.0)
    with pytest.raises(ValueError, match=r"users: id 14 is outside 0\.\.13"):
        baselines.ease(pairs, reg=1.0)(jnp.array([NUM_USERS]))


THREADS = """
import threading
import jax, jax.numpy as jnp, numpy as np
from mfjax import baselines, histories
from mfjax.baselines import svd
from mfjax.types import Interactions

size = 128
root = jnp.asarray(np.random.default_rng(0).random((200, size)), jnp.float32)
ease = jax.jit(jax.vmap(baselines.ease_weights, (None, 0)))
users, items = np.nonzero(np.random.default_rng(1).random((60, 50)) < 0.2)
ones = np.ones(len(users), np.float32)
data = histories.build(Interactions(users.astype(np.int32), items.astype(np.int32), ones, 60, 50))
values = jax.jit(jax.vmap(lambda key: svd.decompose(key, data, dim=20, num_iterations=2).singular_values))
calls = {
    "ease": lambda: ease(root.T @ root, jnp.arange(1.0, 9.0)),
    "svd": lambda: values(jax.random.split(jax.random.key(0), 4)),
}
for name, call in calls.items():
    alone, found = np.asarray(call()), []
    work = lambda: found.extend(bool((np.asarray(call()) == alone).all()) for _ in range(6))
    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == [True] * 24, name
print("done")
"""


@pytest.mark.slow
def test_threads_that_solve_at_once_do_not_wait_for_good():
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "done", done.stderr
