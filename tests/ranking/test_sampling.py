"""Samplers: never a positive, the stated distribution, weights that estimate sums, the same draws in every mode."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mfjax.histories import Ragged, ragged
from mfjax.ranking import sampling, streams
from mfjax.ranking.sampler import draw as draw_negatives
from mfjax.ranking.sampler import no_scores
from mfjax.types import Interactions

NUM_USERS, NUM_ITEMS, BATCH = 40, 60, 64
ALL_SEEN = 7
draw, make_uniform, make_popularity = map(jax.jit, (draw_negatives, sampling.uniform, sampling.popularity))
random_words = jax.jit(streams.words, static_argnums=(2, 3))
SAMPLERS = {name: jax.jit(make) for name, make in sampling.SAMPLERS.items()}
SAMPLERS["skip"] = jax.jit(partial(sampling.popularity, num=3, false_negatives="skip"))
SAMPLERS["hard"] = jax.jit(lambda positives: sampling.hard(sampling.uniform(positives, num=8), num=2))


def _hard_of_shared(positives: Ragged) -> sampling.Checked:
    drawn = sampling.shared(positives, num=12, false_negatives="keep")
    return sampling.Checked(sampling.hard(drawn, num=4), positives)


SAMPLERS["hard of shared"] = jax.jit(_hard_of_shared)


@pytest.fixture(scope="module")
def taken() -> np.ndarray:
    rng = np.random.default_rng(0)
    taken = rng.random((NUM_USERS, NUM_ITEMS)) < rng.beta(0.5, 2, NUM_ITEMS)
    taken[ALL_SEEN] = True
    taken[8] = False
    return taken


@pytest.fixture(scope="module")
def positives(taken) -> Ragged:
    users, items = np.nonzero(taken)
    ones = np.ones(len(users), np.float32)
    return ragged(Interactions(users.astype(np.int32), items.astype(np.int32), ones, NUM_USERS, NUM_ITEMS))


def score(users, ids):
    table = jnp.sin(jnp.arange(NUM_ITEMS) * 12.9)
    return jnp.broadcast_to(table[ids], (users.shape[0], ids.shape[-1]))


def call(sampler, words, users, items):
    return sampler(words, users, items, score)


@pytest.fixture(scope="module")
def batch(taken):
    pairs = np.argwhere(taken)
    chosen = pairs[np.random.default_rng(1).integers(0, len(pairs), BATCH)]
    chosen[0] = ALL_SEEN, 0
    return jnp.asarray(chosen[:, 0], jnp.int32), jnp.asarray(chosen[:, 1], jnp.int32)


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_positive_has_weight_in_any_mode(key, positives, taken, batch, name):
    sampler = SAMPLERS[name](positives)
    users, items = batch
    words = random_words(key, 0, BATCH, sampler.width)

    @jax.jit
    def modes(words, users, items):
        mapped = jax.vmap(call, (None, 0, 0, 0))(sampler, words, users, items)
        scanned = jax.lax.scan(lambda _, batch: (0, call(sampler, *batch)), 0, (words, users, items))[1]
        return call(sampler, words[0], users[0], items[0]), mapped, scanned

    found, *others = modes(words[None], users[None], items[None])
    others = jax.tree.map(lambda leaf: leaf[0], others)
    if name == "uniform":
        others.append(call(sampler, words, users, items))
    for other in others:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, other)
    ids = np.broadcast_to(found.ids, found.weights.shape)
    assert not (taken[np.asarray(users)[:, None], ids] & (np.asarray(found.weights) > 0)).any()
    assert (found.weights[1:] > 0).any()
    assert not (found.weights[np.asarray(users) == ALL_SEEN] > 0).any()
    assert ((found.ids >= 0) & (found.ids < NUM_ITEMS)).all()
    assert ((found.rejected >= 0) & (found.rejected <= 1)).all()


def test_a_million_draws_without_a_false_negative(key, positives, taken):
    users = np.tile(np.arange(NUM_USERS, dtype=np.int32), 12_500)
    for sampler in (make_uniform(positives), make_popularity(positives)):
        found = draw(key, sampler, users)
        assert found.ids.size == 500_000
        real = np.asarray(found.weights)[:, 0] > 0
        assert not (taken[users, np.asarray(found.ids)[:, 0]] & real).any()
        np.testing.assert_array_equal(real, users != ALL_SEEN)


@pytest.mark.parametrize("beta", [0.0, 0.75, 1.0])
def test_distribution(key, positives, taken, beta):
    users = np.repeat(np.array([0, 3, 8], np.int32), 20_000)
    sampler = make_popularity(positives, beta=beta) if beta else make_uniform(positives)
    ids = np.asarray(draw(key, sampler, users).ids).reshape(3, -1)
    for user, drawn in zip((0, 3, 8), ids, strict=True):
        expected = np.where(taken[user], 0.0, taken.sum(axis=0) ** beta)
        frequent = expected > 0
        counts = np.bincount(drawn, minlength=NUM_ITEMS)[frequent]
        expected = expected[frequent] / expected.sum()
        assert counts.sum() == drawn.size
        assert stats.chisquare(counts, expected * drawn.size).pvalue > 0.01


@pytest.mark.parametrize("name", ["uniform", "popularity", "everything", "in_batch", "shared", "mixed"])
def test_weights_estimate_the_sum_over_unseen_items(key, positives, taken, name):
    values = jnp.cos(jnp.arange(NUM_ITEMS) * 0.7) + 2
    if name == "in_batch":
        # A batch of positives drawn with replacement; the first example asks for user 3.
        pairs = jnp.asarray(np.argwhere(taken), jnp.int32)
        chosen = pairs[streams.below(random_words(key, 0, 1000, 1)[:, 0], len(pairs))]
        users, items = chosen[:, 0].at[0].set(3), chosen[:, 1]
        found = jax.jit(call)(SAMPLERS[name](positives), jnp.zeros((1000, 0), jnp.uint32), users, items)
        reachable = taken.any(axis=0)
    else:
        some = jnp.arange(1.0, NUM_ITEMS + 1)
        sampler = {
            "everything": sampling.everything(positives),
            "shared": sampling.shared(positives, num=4000, weights=some),
            "mixed": sampling.mixed(
                sampling.shared(positives, num=3000, weights=some), sampling.shared(positives, num=1000)
            ),
        }.get(name)
        if sampler is None:
            sampler = sampling.Unseen(SAMPLERS[name](positives).complement, 4000)
        found = draw(key, sampler, jnp.array([3]))
        reachable = taken.any(axis=0) | (name != "popularity")
    estimate = jnp.sum(found.weights[0] * values[found.ids if found.ids.ndim == 1 else found.ids[0]])
    truth = np.asarray(values)[~taken[3] & reachable].sum()
    assert estimate == pytest.approx(truth, rel=1e-5 if name == "everything" else 0.15)


def test_rejected_is_the_share_of_false_negatives(key, positives, taken):
    uniform = draw(key, make_uniform(positives), jnp.arange(NUM_USERS))
    np.testing.assert_allclose(uniform.rejected, taken.mean(axis=1), atol=1e-6)
    counts = taken.sum(axis=0)
    by_popularity = draw(key, make_popularity(positives, beta=1.0), jnp.arange(NUM_USERS))
    np.testing.assert_allclose(by_popularity.rejected, (taken @ counts) / counts.sum(), atol=1e-6)


def test_hard_keeps_the_best_of_what_was_drawn(key, positives):
    users = jnp.array([0, 3, 8])
    base = sampling.uniform(positives, num=16)
    words = random_words(key, 0, 3, 16)
    drawn = base(words, users, users, score)
    kept = sampling.hard(base, num=3)(words, users, users, score)
    truth = -np.sort(-np.asarray(score(users, drawn.ids)), axis=1)[:, :3]
    np.testing.assert_allclose(score(users, kept.ids), truth)


def test_hard_of_shared_chooses_for_every_example_and_then_drops_what_was_taken(key, positives, taken, batch):
    users, items = batch
    drawn = sampling.shared(positives, num=12, false_negatives="keep")
    words = random_words(key, 0, BATCH, 12)
    table = np.random.default_rng(0).normal(size=(NUM_USERS, NUM_ITEMS)).astype(np.float32)
    by_user = lambda users, ids: jnp.asarray(table)[users[:, None], jnp.broadcast_to(ids, (len(users), 12))]  # noqa: E731
    shared = np.asarray(drawn(words, users, items, by_user).ids)
    found = _hard_of_shared(positives)(words, users, items, by_user)
    for row, user in enumerate(np.asarray(users)):
        hardest = shared[np.argsort(-table[user, shared], kind="stable")[:4]]
        np.testing.assert_array_equal(found.ids[row], hardest)
        np.testing.assert_array_equal(found.weights[row] > 0, ~taken[user, hardest])
        assert found.rejected[row] == pytest.approx(taken[user, hardest].mean())


def test_draws_do_not_depend_on_the_batch_size(key, positives):
    sampler = sampling.popularity(positives, num=3)
    users = jnp.arange(NUM_USERS)
    whole = draw(key, sampler, users, step=jnp.int32(0))
    halves = [draw(key, sampler, users[20 * step :][:20], step=jnp.int32(step)) for step in range(2)]
    np.testing.assert_array_equal(whole.ids, jnp.concatenate([half.ids for half in halves]))


def test_beta_is_swept_without_tracing_again(key, positives):
    traces = []

    @jax.jit
    def drawn(beta):
        traces.append(beta)
        return draw_negatives(key, sampling.popularity(positives, beta=beta), jnp.arange(NUM_USERS)).ids

    assert (drawn(0.1) != drawn(2.0)).any()
    assert len(traces) == 1


def test_keep_and_skip_draw_from_the_whole_catalogue(key, positives, taken):
    users = jnp.arange(NUM_USERS)
    kept, skipped = (
        draw(key, jax.jit(partial(sampling.uniform, num=100, false_negatives=rule))(positives), users)
        for rule in ("keep", "skip")
    )
    np.testing.assert_array_equal(kept.ids, skipped.ids)
    false = taken[np.arange(NUM_USERS)[:, None], np.asarray(kept.ids)]
    np.testing.assert_allclose(kept.weights, NUM_ITEMS / 100)
    np.testing.assert_allclose(skipped.weights, np.where(false, 0, NUM_ITEMS / 100))
    np.testing.assert_allclose(skipped.rejected, false.mean(axis=1), rtol=1e-6)
    assert not kept.rejected.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"num": 0}, "num: 0 is not a whole"), ({"false_negatives": "drop"}, "false_negatives: 'drop' is unknown")],
)
def test_bad_options_are_refused(positives, options, message):
    for make in (sampling.uniform, sampling.popularity):
        with pytest.raises(ValueError, match=message):
            make(positives, **options)


@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_are_the_same_under_x64(key, positives, batch, name):
    users, items = batch

    def found():
        sampler = SAMPLERS[name](positives)
        words = random_words(jax.random.clone(key), 0, BATCH, sampler.width)
        return jax.jit(call)(sampler, words, users, items)

    single = found()
    with jax.enable_x64(True):
        double = found()
    for one, other in zip(single, double, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda positives: sampling.popularity(positives, beta=np.nan), "beta: nan is not a finite number"),
        (
            lambda positives: sampling.popularity(positives, beta=30.0),
            "beta: 30.0 makes the weight of item",
        ),
        (lambda positives: sampling.weighted(positives, jnp.zeros(NUM_ITEMS)), "weights: all are 0"),
        (lambda positives: sampling.weighted(positives, jnp.ones(3)), r"weights: shape \(3,\)"),
        (lambda positives: sampling.uniform(np.eye(3)), "positives: a ndarray .* histories.ragged"),
        (lambda positives: sampling.hard(sampling.uniform), "sampler: .* is no sampler"),
        (lambda positives: sampling.shared(positives, num=0), "num: 0 is not a whole number"),
        (lambda positives: sampling.shared(positives, false_negatives="exclude"), "false_negatives: 'exclude'"),
        (
            lambda positives: draw_negatives(
                jax.random.key(0),
                sampling.mixed(sampling.shared(positives, num=2), sampling.uniform(positives)),
                jnp.array([0]),
            ),
            "second: one sampler shares its negatives",
        ),
        (
            lambda positives: draw_negatives(jax.random.key(0), sampling.uniform(positives), jnp.array([NUM_USERS])),
            "users: id 40 is outside 0..39",
        ),
    ],
)
def test_what_does_not_fit_is_refused(positives, call, message):
    with pytest.raises(ValueError, match=message):
        call(positives)


def test_items_that_are_no_positives_of_the_sampler_weigh_nothing(positives):
    few = sampling.in_batch(ragged(Interactions(np.array([0]), np.array([3]), np.ones(1, np.float32), 2, 5)))
    found = few(jnp.zeros((2, 0), jnp.uint32), jnp.array([0, 1]), jnp.array([3, 4]), no_scores)
    assert found.weights.tolist() == [[0, 0], [1, 0]]


def test_popularity_under_vmap(positives):
    betas = jnp.array([0.3, 0.75])
    together = jax.jit(jax.vmap(lambda beta: sampling.popularity(positives, beta=beta).complement.line.ends))(betas)
    for beta, ends in zip(betas, together, strict=True):
        np.testing.assert_array_equal(ends, sampling.popularity(positives, beta=beta).complement.line.ends)
