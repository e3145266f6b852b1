"""Scores, exclusion, lists, similar items and explanations against slow numpy truth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, recommend
from mfjax.histories import ragged
from mfjax.recommend.scores import LANES
from mfjax.types import Factors, Interactions

NUM_USERS, NUM_ITEMS, DIM = 23, 90, 4
top_k = jax.jit(recommend.top_k, static_argnames=("k", "block_size"))
explain_all = jax.jit(jax.vmap(als.contributions, in_axes=(*[None] * 7, 0)))


@pytest.fixture(scope="module")
def factors() -> Factors:
    rng = np.random.default_rng(1)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    return Factors(draw(NUM_USERS, DIM), draw(NUM_ITEMS, DIM), draw(NUM_USERS), draw(NUM_ITEMS), jnp.float32(3.5))


@pytest.fixture(scope="module")
def seen() -> np.ndarray:
    seen = np.random.default_rng(2).random((NUM_USERS, NUM_ITEMS)) < 0.3
    seen[3] = True  # nothing left to recommend
    seen[4] = np.arange(NUM_ITEMS) < NUM_ITEMS - 2  # two items left
    seen[5] = False  # nothing excluded
    return seen


@pytest.fixture(scope="module")
def exclude(seen):
    users, items = np.nonzero(seen)
    ones = np.ones(len(users), np.float32)
    return ragged(Interactions(users.astype(np.int32), items.astype(np.int32), ones, NUM_USERS, NUM_ITEMS))


def dense(factors: Factors) -> np.ndarray:
    users, items, user_biases, item_biases, offset = (np.asarray(table, np.float64) for table in factors)
    return users @ items.T + user_biases[:, None] + item_biases[None, :] + offset


def best(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best of one row by a stable sort; id 0 where the row has run out."""
    ids = np.argsort(-scores, kind="stable")[:k]
    return np.where(np.isneginf(scores[ids]), 0, ids), scores[ids]


def test_pairs_blocks_and_dense_scores_agree(factors):
    users, items = jnp.array([0, 7, 7, 22]), jnp.array([89, 0, 5, 1])
    wanted = dense(factors)[np.asarray(users), np.asarray(items)]
    np.testing.assert_allclose(recommend.score(factors, users, items), wanted, rtol=1e-5)
    np.testing.assert_allclose(recommend.scorer(factors)(users)[jnp.arange(4), items], wanted, rtol=1e-5)


def test_absent_biases_are_zeros(factors):
    zeros = Factors(factors.users, factors.items, jnp.zeros(NUM_USERS), jnp.zeros(NUM_ITEMS), jnp.float32(0))
    bare, users = Factors(factors.users, factors.items), jnp.arange(3)
    np.testing.assert_array_equal(recommend.scorer(bare)(users), recommend.scorer(zeros)(users))
    np.testing.assert_array_equal(recommend.score(bare, users, users), recommend.score(zeros, users, users))


def test_factors_without_dimensions_score_by_biases_alone(factors):
    biases = Factors(factors.users[:, :0], factors.items[:, :0], factors.user_biases, factors.item_biases)
    wanted = np.asarray(factors.user_biases)[:, None] + np.asarray(factors.item_biases)[None, :]
    np.testing.assert_allclose(recommend.scorer(biases)(jnp.arange(NUM_USERS)), wanted, rtol=1e-6)


@pytest.mark.parametrize("block_size", [4, 256])
def test_lists_equal_a_stable_sort_of_what_is_left(factors, seen, exclude, block_size):
    users = jnp.array([5, 3, 4, 0, 0, 22, 10], jnp.int32)
    ids, scores = top_k(factors, users, k=6, exclude=exclude, block_size=block_size)
    left = np.where(seen, -np.inf, dense(factors))
    for row, user in enumerate(users.tolist()):
        wanted_ids, wanted_scores = best(left[user], 6)
        assert ids[row].tolist() == wanted_ids.tolist()
        np.testing.assert_allclose(scores[row], wanted_scores, rtol=1e-5)
    assert ids.dtype == jnp.int32


def test_a_list_that_runs_out_ends_in_id_zero_and_minus_infinity(factors, exclude):
    ids, scores = recommend.top_k(factors, jnp.array([3, 4]), k=4, exclude=exclude)
    assert (scores > -jnp.inf).tolist() == [[False] * 4, [True, True, False, False]]
    assert ids[0].tolist() == [0, 0, 0, 0]
    assert ids[1, 2:].tolist() == [0, 0]


def test_k_beyond_the_catalogue_and_no_users(factors):
    ids, scores = recommend.top_k(factors, jnp.array([1]), k=NUM_ITEMS + 3)
    assert sorted(ids[0, :NUM_ITEMS].tolist()) == list(range(NUM_ITEMS))
    assert scores[0, NUM_ITEMS:].tolist() == [-jnp.inf] * 3
    ids, scores = recommend.top_k(factors, jnp.zeros(0, jnp.int32), k=5)
    assert ids.shape == scores.shape == (0, 5)


def test_only_candidates_are_recommended(factors, seen, exclude):
    candidates = np.arange(NUM_ITEMS) % 3 == 0
    ids, scores = recommend.top_k(factors, jnp.array([5]), k=40, exclude=exclude, candidates=jnp.asarray(candidates))
    assert sorted(ids[0][scores[0] > -jnp.inf].tolist()) == np.flatnonzero(candidates & ~seen[5]).tolist()


def test_exclusion_longer_than_one_step_marks_every_entry(seen, exclude, factors):
    assert exclude.longest > LANES
    scores = recommend.masked_scores(recommend.scorer(factors), jnp.arange(NUM_USERS), exclude)
    np.testing.assert_array_equal(np.isneginf(scores), seen)


def test_permuting_items_permutes_the_lists(factors):
    order = np.random.default_rng(3).permutation(NUM_ITEMS)
    permuted = factors._replace(items=factors.items[order], item_biases=factors.item_biases[order])
    ids = top_k(factors, jnp.arange(8), k=5)[0]
    np.testing.assert_array_equal(order[top_k(permuted, jnp.arange(8), k=5)[0]], ids)


def test_models_vmap_and_the_score_has_a_gradient(factors, exclude):
    both = jax.tree.map(lambda table: jnp.stack([table, -table]), factors)
    users = jnp.arange(8)
    lists = jax.jit(jax.vmap(lambda model: recommend.top_k(model, users, k=3, exclude=exclude)[0]))(both)
    np.testing.assert_array_equal(lists[0], top_k(factors, users, k=3, exclude=exclude)[0])

    def total(model: Factors) -> jax.Array:
        scores = recommend.masked_scores(recommend.scorer(model), jnp.arange(5), exclude)
        return jnp.where(scores > -jnp.inf, scores, 0).sum()

    assert jnp.isfinite(jax.jit(jax.grad(total))(factors).items).all()


@pytest.mark.parametrize("metric", ["dot", "cosine"])
def test_similar_items_equal_the_formula_and_leave_out_the_item(factors, metric):
    table = np.asarray(factors.items, np.float64)
    if metric == "cosine":
        table = table / np.linalg.norm(table, axis=1, keepdims=True)
    similarity = table @ table.T
    np.fill_diagonal(similarity, -np.inf)
    ids, values = recommend.similar_items(factors, jnp.array([0, 8, 89]), k=7, metric=metric)
    for row, item in enumerate((0, 8, 89)):
        assert ids[row].tolist() == best(similarity[item], 7)[0].tolist()
        np.testing.assert_allclose(values[row], best(similarity[item], 7)[1], rtol=1e-5, atol=1e-6)


def test_similar_items_of_a_zero_vector_and_of_an_unknown_metric(factors):
    with_zero = factors._replace(items=factors.items.at[0].set(0))
    ids, values = recommend.similar_items(with_zero, jnp.array([0]), k=3, metric="cosine")
    assert ids[0].tolist() == [1, 2, 3]
    assert values[0].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="metric: 'euclid' is unknown; pass 'dot' or 'cosine'"):
        recommend.similar_items(factors, jnp.array([0]), metric="euclid")


def objectives(rng: np.random.Generator, ratings: np.ndarray, items: np.ndarray) -> dict[str, tuple]:
    """quadratic, linear, background and reg of the objectives, for one history of `ratings`."""
    ones, gramian = np.ones_like(ratings), items.T @ items
    weights = rng.random(ratings.shape)
    return {
        "explicit": (ones, ratings, 0 * gramian, 1.5),
        "zeros observed": (0 * ones, ratings, gramian, 1.5),
        "implicit": (10 * ratings, 1 + 10 * ratings, gramian, 0.1),
        "ials": (ones, ones, 0.3 * gramian, 0.003 * (len(ratings) + 0.3 * NUM_ITEMS)),
        "weighted": (weights, weights * ratings, 0 * gramian, 1.5),
    }


@pytest.mark.parametrize("name", ["explicit", "zeros observed", "implicit", "ials", "weighted"])
def test_contributions_add_up_to_the_score(factors, name):
    rng = np.random.default_rng(4)
    items, ids = np.asarray(factors.items, np.float64), np.array([3, 11, 40, 77])
    quadratic, linear, background, reg = objectives(rng, rng.integers(1, 6, 4).astype(float), items)[name]
    v = items[ids]
    row = np.linalg.solve(background + (v.T * quadratic) @ v + reg * np.eye(DIM), linear @ v)
    # Two entries of padding, whose numbers must not matter.
    padded = [jnp.asarray(np.pad(x, (0, 2), constant_values=9), jnp.float32) for x in (quadratic, linear)]
    mask = jnp.array([True] * 4 + [False] * 2)
    arrays = (*padded, jnp.asarray(background, jnp.float32), jnp.float32(reg))
    parts = explain_all(factors.items, jnp.pad(ids, (0, 2)), mask, *arrays, jnp.arange(NUM_ITEMS))
    np.testing.assert_allclose(parts.sum(axis=1), items @ row, rtol=1e-4, atol=1e-4)
    assert (parts[:, 4:] == 0).all()


def test_contributions_with_a_joint_bias_and_a_regularisation_of_its_own(factors):
    features = np.concatenate([np.ones((NUM_ITEMS, 1)), np.asarray(factors.items, np.float64)], axis=1)
    ids, residual, reg = np.array([1, 2, 50]), np.array([0.5, -1.0, 2.0]), np.array([3.0, 1, 1, 1, 1])
    v = features[ids]
    row = np.linalg.solve(v.T @ v + np.diag(reg), residual @ v)
    ones, background = jnp.ones(3), jnp.zeros((5, 5))
    tables = [jnp.asarray(x, jnp.float32) for x in (features, residual, reg)]
    parts = als.contributions(
        tables[0], jnp.asarray(ids), ones > 0, ones, tables[1], background, tables[2], jnp.array(7)
    )
    np.testing.assert_allclose(parts.sum(), features[7] @ row, rtol=1e-4)


SMALL = Factors(jnp.array([[1.0], [-1.0]]), jnp.arange(5.0)[:, None])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recommend.top_k(SMALL, jnp.array([7]), k=2), r"users: id 7 is outside 0\.\.1"),
        (lambda: recommend.top_k(SMALL, [-1]), r"users: id -1 is outside 0\.\.1"),
        (lambda: recommend.top_k(SMALL, np.array([True, False])), "users: is a mask, where ids .*np.flatnonzero"),
        (lambda: recommend.top_k(SMALL, 0), r"users: shape \(\) is not \(n,\)"),
        (lambda: recommend.similar_items(SMALL, jnp.array([99])), r"items: id 99 is outside 0\.\.4"),
        (lambda: recommend.score(SMALL, jnp.array([0]), jnp.array([99])), r"items: id 99 is outside 0\.\.4"),
        (lambda: recommend.score(SMALL, jnp.array([0]), jnp.array([0, 1])), r"items: shape \(2,\) is not \(1,\)"),
        (
            lambda: recommend.top_k(SMALL, [0], candidates=jnp.array([1, 0, 0, 1, 0])),
            "candidates: id 0 is repeated; pass distinct ids, for a mask pass bool",
        ),
        (lambda: recommend.top_k(SMALL, [0], candidates=[]), "candidates: there are none; pass None for all items"),
        (lambda: recommend.scorer(SMALL._replace(items=jnp.ones((5, 2)))), "model.items: 2 columns, but users have 1"),
        (lambda: recommend.scorer(3), "model: a int is neither Factors nor a function of user ids; pass Factors"),
    ],
)
def test_what_is_outside_a_model_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_inside_jit_sizes_are_looked_at():
    """Values can not be seen there: shapes and dtypes can."""
    users, other = jnp.array([0, 1]), jnp.zeros(1, jnp.int32)
    lists = ragged(Interactions(np.array([0]), np.array([4]), np.ones(1, np.float32), 2, 5))
    run = jax.jit(recommend.top_k, static_argnames="k")
    with pytest.raises(ValueError, match="exclude: has 2 users and 5 items, but the model has 1 and 5"):
        run(Factors(jnp.ones((1, 1)), SMALL.items), other, exclude=lists)
    with pytest.raises(ValueError, match="exclude: has 2 users and 5 items, but the model has 2 and 3"):
        run(SMALL._replace(items=jnp.ones((3, 1))), users, exclude=lists)
    with pytest.raises(ValueError, match=r"candidates: shape \(3,\) is not \(5,\)"):
        run(SMALL, users, candidates=jnp.ones(3, bool))
    with pytest.raises(ValueError, match="candidates: 5 ids for 5 items; for a mask pass bool"):
        run(SMALL, users, candidates=jnp.ones(5, jnp.int32))
    with pytest.raises(ValueError, match="users: has the dtype float32"):
        run(SMALL, jnp.ones(2, jnp.float32))


def test_candidates_are_a_mask_ids_or_lists_and_agree():
    allowed = np.array([[True, False, True, True, False]] * 2)
    rows, columns = np.nonzero(allowed)
    lists = ragged(Interactions(rows, columns, np.ones(len(rows), np.float32), 2, 5))
    run = jax.jit(lambda candidates: recommend.top_k(SMALL, jnp.array([0, 1]), k=4, candidates=candidates))
    forms = jnp.asarray(allowed[0]), jnp.array([3, 0, 2]), lists
    for ids, scores in (run(form) for form in forms):
        assert ids.tolist() == [[3, 2, 0, 0], [0, 2, 3, 0]]
        assert scores.tolist() == [[3, 2, 0, -jnp.inf], [0, -2, -3, -jnp.inf]]


def test_a_plain_function_is_a_scorer_and_is_compiled_once():
    table, traces = jnp.array([[1.0, 3.0, 2.0]]), []

    def plain(users):
        traces.append(users.shape)
        return table[users]

    run = jax.jit(lambda model: recommend.top_k(model, jnp.array([0]), k=2)[0])
    assert [run(recommend.scorer(plain)).tolist() for _ in range(3)] == [[[1, 2]]] * 3
    assert len(traces) == 1

    class Unhashable:
        __hash__ = None

        def __call__(self, users):
            return table[users]

    assert run(recommend.scorer(Unhashable())).tolist() == [[1, 2]]
    assert recommend.top_k(lambda users: table[users], jnp.array([0]), k=1)[0].tolist() == [[1]]


@pytest.mark.parametrize("k", [3, 40])
def test_scores_below_the_normal_numbers_keep_their_order(k):
    """XLA on CPU compares floats below 1.2e-38 as zeros."""
    scores = np.random.default_rng(5).permutation(90).astype(np.float32) * np.float32(1e-40)
    ids = jax.jit(lambda table: recommend.top_k(lambda users: table[users], jnp.array([0]), k=k)[0])(scores[None])
    np.testing.assert_array_equal(ids[0], np.argsort(-scores.astype(np.float64), kind="stable")[:k])


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_cosines_do_not_depend_on_the_length_of_vectors(factors, scale):
    scaled = factors._replace(items=factors.items * scale)
    ids, values = recommend.similar_items(factors, jnp.array([0, 8]), k=5, metric="cosine")
    scaled_ids, scaled_values = recommend.similar_items(scaled, jnp.array([0, 8]), k=5, metric="cosine")
    np.testing.assert_array_equal(scaled_ids, ids)
    np.testing.assert_allclose(scaled_values, values, rtol=1e-5)


def test_lists_are_the_same_under_x64(factors, exclude):
    users = np.array([5, 3, 4])
    wanted = recommend.top_k(factors, users, k=6, exclude=exclude)
    with jax.enable_x64(True):
        found = recommend.top_k(factors, users, k=6, exclude=exclude)
        recommend.similar_items(factors, [0], k=3, metric="cosine")
        assert found[0].dtype == jnp.int32 and found[1].dtype == jnp.float32
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_factors_print_in_a_line(factors):
    assert repr(factors).startswith("Factors(users=float32[23, 4], items=float32[90, 4]")
