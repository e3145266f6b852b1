"""Training of factors by ranking losses: gradients, draws, compilation, optimisers, edges."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mfjax import ranking, recommend
from mfjax.histories import Ragged, ragged
from mfjax.ranking import losses, sampling, training
from mfjax.types import Factors, Interactions

NUM_USERS, NUM_ITEMS, DIM, BATCH = 12, 20, 3, 16
ALL_SEEN = 5
CONFIG = ranking.Config(
    learning_rate=0.1, reg_user=0.1, reg_positive=0.2, reg_negative=0.3, reg_bias=0.4, dim=DIM, batch_size=BATCH
)
SAMPLERS = {
    "uniform": sampling.uniform,
    "several": partial(sampling.popularity, num=3),
    "everything": sampling.everything,
    "in_batch": sampling.in_batch,
    "shared": partial(sampling.shared, num=6),
}
NUMBERS = ("learning_rate", "reg_user", "reg_positive", "reg_negative", "reg_bias", "init_scale", "temperature")
epoch = jax.jit(ranking.epoch)
examples = jax.jit(ranking.examples)


def checker_board() -> np.ndarray:
    """Users like the items of their own parity."""
    return (np.arange(NUM_USERS)[:, None] + np.arange(NUM_ITEMS)[None, :]) % 2 == 0


def as_ragged(taken: np.ndarray) -> Ragged:
    users, items = np.nonzero(taken)
    ones = np.ones(len(users), np.float32)
    return ragged(Interactions(users.astype(np.int32), items.astype(np.int32), ones, *taken.shape))


@pytest.fixture(scope="module")
def positives() -> Ragged:
    taken = np.random.default_rng(0).random((NUM_USERS, NUM_ITEMS)) < 0.3
    taken[ALL_SEEN] = True
    return as_ragged(taken)


def start(key, config, scale=1.0):
    config = replace(config, init_scale=scale)
    state = ranking.init(key, config, num_users=NUM_USERS, num_items=NUM_ITEMS)
    if state.tables.item_biases is None:
        return state
    biases = jnp.linspace(-1.0, 1.0, NUM_ITEMS)
    return state._replace(tables=state.tables._replace(item_biases=biases))


def plain_objective(tables, users, items, negatives, config):
    """The objective as a formula over whole tables, one example at a time."""

    def example(user, item, ids, weights):
        x, v, rivals = tables.users[user], tables.items[item], tables.items[ids]
        of_lengths = {"dot": 1.0, "cosine": jnp.linalg.norm(x) * jnp.linalg.norm(jnp.vstack([v, rivals]), axis=1)}
        scores = jnp.vstack([v, rivals]) @ x / of_lengths[config.score] / config.temperature
        b, rival_biases = tables.item_biases[item], tables.item_biases[ids]
        loss = config.loss((scores[0] + b)[None], (scores[1:] + rival_biases)[None], weights[None])[0]
        real = weights > 0
        m = jnp.maximum(real.sum(), 1)
        penalty = config.reg_user * (x @ x) + config.reg_positive * (v @ v) + config.reg_bias * b**2
        penalty += config.reg_negative * jnp.sum(jnp.where(real[:, None], rivals**2, 0)) / m
        penalty += config.reg_bias * jnp.sum(jnp.where(real, rival_biases**2, 0)) / m
        return jnp.where(real.any(), loss + penalty / 2, 0.0)

    ids = jnp.broadcast_to(negatives.ids, negatives.weights.shape)
    return jnp.sum(jax.vmap(example)(users, items, ids, negatives.weights))


COSINE = {"score": "cosine", "temperature": 0.5}


@pytest.mark.parametrize(
    ("sampler", "loss", "options"),
    [
        ("uniform", "bpr", {}),
        ("several", "softmax", {"temperature": 2.0}),
        ("everything", "bpr", {}),
        ("in_batch", "softmax", {}),
        ("shared", "logistic", {}),
        ("several", "cosine_contrastive", {"score": "cosine"}),
        ("shared", "softmax", COSINE),
    ],
)
def test_a_step_is_gradient_descent_on_the_objective(key, positives, sampler, loss, options):
    config = replace(CONFIG, loss=losses.LOSSES[loss], **options)
    key_init, key_steps = jax.random.split(key)
    data, state = ranking.data(positives, SAMPLERS[sampler](positives)), start(key_init, config)

    @jax.jit
    def both(key, state):
        gradient = jax.grad(plain_objective)(state.tables, *ranking.examples(key, state, data, config), config)
        expected = jax.tree.map(lambda table, slope: table - config.learning_rate * slope, state.tables, gradient)
        return ranking.step(key, state, data, config)[0].tables, expected

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), *both(key_steps, state))


@pytest.mark.parametrize("options", [{}, {"temperature": 0.5}, COSINE])
def test_the_model_scores_as_training_does(key, positives, options):
    config, ids = replace(CONFIG, **options), jnp.arange(NUM_ITEMS)
    state, users = start(key, config), jnp.arange(NUM_USERS)
    found = recommend.scorer(ranking.factors(state, config))(users)
    np.testing.assert_allclose(training._score(state.tables, config, users, ids), found, rtol=1e-5, atol=1e-6)
    again = ranking.init(
        jax.random.key(1), config, num_users=NUM_USERS, num_items=NUM_ITEMS, factors=ranking.factors(state, config)
    )
    np.testing.assert_allclose(recommend.scorer(ranking.factors(again, config))(users), found, rtol=1e-5, atol=1e-6)


def test_what_trains_on_cosines_has_rows_of_length_one(key, positives):
    config = replace(CONFIG, loss=losses.softmax, learning_rate=0.05, **COSINE)
    data = ranking.data(positives, sampling.shared(positives, num=32))
    model = ranking.factors(ranking.fit(key, data, config, num_epochs=20), config)
    np.testing.assert_allclose(jnp.linalg.norm(model.users, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(jnp.linalg.norm(model.items, axis=1) * config.temperature, 1, rtol=1e-5)


def test_draws_depend_on_key_and_position_alone(key, positives):
    data, whole = ranking.data(positives), []
    for batch in (8, 16):
        config = replace(CONFIG, batch_size=batch)
        state = start(jax.random.key(0), config)
        steps = range(ranking.steps_per_epoch(data, config))
        parts = [examples(key, state._replace(step=jnp.int32(step)), data, config) for step in steps]
        stacked = jax.tree.map(lambda *parts: np.concatenate(parts)[: len(data.users)], *parts)
        whole.append((stacked[0], stacked[1], stacked[2].ids, stacked[2].weights))
    jax.tree.map(np.testing.assert_array_equal, *whole)
    later = start(jax.random.key(0), CONFIG)._replace(step=jnp.int32(ranking.steps_per_epoch(data, CONFIG)))
    assert (examples(key, later, data, CONFIG)[1] != whole[1][1][:BATCH]).any()


def test_permutation_takes_each_positive_once_an_epoch(key, positives):
    config, data = replace(CONFIG, order="permutation"), ranking.data(positives)
    state, pairs = start(jax.random.key(0), config), []
    for number in range(ranking.steps_per_epoch(data, config)):
        users, items, _ = examples(key, state._replace(step=jnp.int32(number)), data, config)
        pairs += zip(users.tolist(), items.tolist(), strict=True)
    expected = sorted(zip(data.users.tolist(), data.items.tolist(), strict=True))
    assert sorted(pairs[: len(expected)]) == expected


def test_info_counts_and_a_user_who_has_seen_everything_does_not_move(key, positives):
    data, state = ranking.data(positives), start(jax.random.key(0), CONFIG)
    after, info = epoch(key, state, data, replace(CONFIG, order="permutation"))
    assert int(info.num_skipped) == NUM_ITEMS
    assert int(info.num_examples) == len(data.users) - NUM_ITEMS
    assert 0 < info.auc < 1 and 0 < info.rejected < 1 and info.loss > 0
    moved = (after.tables.users != state.tables.users).any(axis=1)
    assert moved.tolist() == [user != ALL_SEEN for user in range(NUM_USERS)]


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        *((name, {}) for name in losses.LOSSES),
        ("bpr", {"optimizer": optax.adam(1.0), "biases": False}),
        ("bpr", {"optimizer": optax.adam(1.0), "dense_updates": True}),
    ],
)
def test_checker_board_is_learned(key, loss, options):
    config = replace(CONFIG, loss=losses.LOSSES[loss], learning_rate=0.05, **options)
    config = replace(config, reg_user=0.01, reg_positive=0.01, reg_negative=0.01)
    positives = as_ragged(checker_board())
    sampler = sampling.hard(sampling.uniform(positives, num=4), num=3)
    state = ranking.fit(key, ranking.data(positives, sampler), config, num_epochs=30)
    model = ranking.factors(state, config)
    scores = np.asarray(model.users @ model.items.T)
    likes = checker_board()
    assert min(scores[likes]) > max(scores[~likes])


def test_one_trace_while_numbers_and_data_change_and_vmap_over_them(key, positives):
    traces = []

    @jax.jit
    def counted(state, data, config):
        traces.append(config)
        return ranking.step(key, state, data, config)[0].tables.users

    state = start(jax.random.key(0), CONFIG)
    other = ranking.data(positives, jax.tree.map(lambda leaf: leaf + 0, sampling.uniform(positives)))
    rates, regs = (0.1, 0.2), (0.0, 0.5)
    single = [
        counted(state, data, replace(CONFIG, learning_rate=rate, reg_user=reg))
        for data, rate, reg in zip((ranking.data(positives), other), rates, regs, strict=True)
    ]
    assert len(traces) == 1
    assert (single[0] != single[1]).any()
    axes = replace(CONFIG, **dict.fromkeys(NUMBERS) | {"learning_rate": 0, "reg_user": 0})
    many = replace(CONFIG, learning_rate=jnp.array(rates), reg_user=jnp.array(regs))
    mapped = jax.jit(jax.vmap(ranking.step, (None, None, None, axes)))(key, state, ranking.data(positives), many)
    np.testing.assert_allclose(mapped[0].tables.users[0], single[0], rtol=1e-5)


def test_going_on_is_one_longer_run_and_leaves_what_it_was_given(positives):
    data = ranking.data(positives)
    seen = []
    whole = ranking.fit(
        jax.random.key(1), data, CONFIG, num_epochs=4, on_epoch=lambda state, info: seen.append(int(state.step))
    )
    assert seen == [ranking.steps_per_epoch(data, CONFIG) * number for number in (1, 2, 3, 4)]
    half = ranking.fit(jax.random.key(1), data, CONFIG, num_epochs=2)
    rest = ranking.fit(jax.random.key(1), data, CONFIG, num_epochs=2, state=half)
    jax.tree.map(np.testing.assert_array_equal, rest, whole)
    assert jnp.isfinite(half.tables.users).all()


def test_warm_start_begins_at_the_factors_and_keeps_them(positives):
    model = Factors(jnp.ones((NUM_USERS, DIM)), jnp.ones((NUM_ITEMS, DIM)), item_biases=jnp.ones(NUM_ITEMS))
    data = ranking.data(positives)
    state = ranking.fit(jax.random.key(1), data, CONFIG, num_epochs=0, factors=model)
    jax.tree.map(np.testing.assert_array_equal, ranking.factors(state, CONFIG), model)
    ranking.fit(jax.random.key(1), data, CONFIG, num_epochs=1, factors=model)
    assert (model.users == 1).all()


def test_algorithm_trains_like_fit(positives):
    data = ranking.data(positives)
    key_init, key_epochs = jax.random.split(jax.random.key(1))
    algorithm = ranking.algorithm(data, CONFIG)
    state, _ = jax.jit(algorithm.step)(key_epochs, algorithm.init(key_init))
    expected = ranking.fit(jax.random.key(1), data, CONFIG, num_epochs=1)
    np.testing.assert_allclose(state.tables.items, expected.tables.items, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", [None, optax.adagrad(1.0)])
def test_a_step_needs_no_memory_of_the_size_of_the_table(key, optimizer):
    config = replace(CONFIG, optimizer=optimizer, dim=16)

    def temporary_bytes(num_items):
        taken = Interactions(np.arange(64, dtype=np.int32), np.arange(64, dtype=np.int32), np.ones(64), 64, num_items)
        data = ranking.data(ragged(taken))
        make = partial(ranking.init, config=config, num_users=64, num_items=num_items)
        state = jax.eval_shape(make, key)
        compiled = jax.jit(ranking.epoch, donate_argnums=1).lower(key, state, data, config).compile()
        memory = compiled.memory_analysis()
        assert memory.alias_size_in_bytes >= 4 * 17 * num_items  # the tables are updated where they are
        return memory.temp_size_in_bytes

    assert temporary_bytes(200_000) < temporary_bytes(2_000) + 10_000


@pytest.mark.parametrize("order", ranking.ORDERS)
def test_training_is_the_same_under_x64(positives, order):
    config = replace(CONFIG, order=order, optimizer=optax.adam(1.0), learning_rate=0.01)
    data = ranking.data(positives, sampling.popularity(positives, num=2))
    single = ranking.fit(jax.random.key(1), data, config, num_epochs=2)
    draws = examples(jax.random.key(2), single, data, config)
    with jax.enable_x64(True):
        data = ranking.data(positives, sampling.popularity(positives, num=2))
        double = ranking.fit(jax.random.key(1), data, config, num_epochs=2)
        again = jax.jit(ranking.examples)(jax.random.key(2), double, data, config)
        assert double.tables.users.dtype == jnp.float64
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), single.tables, double.tables)
        jax.tree.map(np.testing.assert_array_equal, draws, again)


@pytest.mark.parametrize("optimizer", [None, optax.adam(1.0)])
def test_numbers_of_any_dtype_leave_the_tables_as_they_are(positives, optimizer):
    config = replace(CONFIG, optimizer=optimizer, dense_updates=True)
    with jax.enable_x64(False):
        state = ranking.fit(jax.random.key(1), ranking.data(positives), config, num_epochs=0)
    with jax.enable_x64(True):
        double = replace(config, **{name: np.float64(getattr(config, name)) for name in NUMBERS})
        after = ranking.fit(jax.random.key(1), ranking.data(positives), double, num_epochs=1, state=state)
        assert after.tables.items.dtype == jnp.float32


def test_data_is_made_outside_jit(positives):
    with pytest.raises(ValueError, match="positives: they are traced"):
        jax.jit(lambda positives: ranking.data(positives).users)(positives)


def test_a_disliked_item_is_no_like():
    users, items = np.repeat(np.arange(30, dtype=np.int32), 2), np.tile(np.array([0, 1], np.int32), 30)
    signed = Interactions(users, items, np.tile(np.float32([1, -1]), 30), 30, 4)
    with pytest.raises(ValueError, match=r"positives: a value of -1.0 is negative; pass interactions.select"):
        ranking.data(ragged(signed))
    stored = signed.with_values(np.tile(np.float32([1, 0]), 30))
    with pytest.raises(ValueError, match=r"positives: a value of 0.0 is zero; pass interactions.select"):
        ranking.data(ragged(stored))
    likes = ragged(signed.select(signed.values > 0))
    # Told of the dislikes, the sampler leaves them alone: they are compared with nothing.
    data = ranking.data(likes, sampling.uniform(ragged(signed)))
    config = replace(CONFIG, biases=False)
    model = ranking.factors(ranking.fit(jax.random.key(0), data, config, num_epochs=20), config)
    scores = np.asarray(model.users @ model.items.T)
    assert (scores[:, 1] < 0.5 * scores[:, 0]).all()


def test_config_is_checked_when_it_is_made_and_its_numbers_wherever_they_are_used(positives):
    for order in ("shuffle", "Replacement", None):
        with pytest.raises(ValueError, match=f"order: {order!r} is unknown; pass 'replacement' or 'permutation'"):
            replace(CONFIG, order=order)
    data, state = ranking.data(positives), start(jax.random.key(0), CONFIG)
    for number in (-1.0, np.float32(-1), jnp.float32(-1), np.array(-1.0), np.nan, np.inf, "1", None):
        config = replace(CONFIG, reg_user=number)
        for call in (
            lambda config: ranking.fit(jax.random.key(0), data, config, num_epochs=0),
            lambda config: ranking.fit(jax.random.key(0), data, config, num_epochs=0, state=state),
            lambda config: ranking.step(jax.random.key(0), state, data, config),
            lambda config: ranking.epoch(jax.random.key(0), state, data, config),
            lambda config: ranking.init(jax.random.key(0), config, num_users=3, num_items=3),
        ):
            with pytest.raises(ValueError, match=r"reg_user: .*; pass 0 to switch it off"):
                call(config)


def test_fit_under_jit_is_fit(positives):
    data = ranking.data(positives)
    alone = ranking.fit(jax.random.key(1), data, CONFIG, num_epochs=1)
    within = jax.jit(lambda key: ranking.fit(key, data, CONFIG, num_epochs=1))(jax.random.key(1))
    np.testing.assert_allclose(within.tables.items, alone.tables.items, rtol=1e-5, atol=1e-6)


def test_a_plain_function_is_a_loss(positives):
    def hinge(positive, negatives, weights=None):
        return jnp.sum(jnp.where(weights > 0, jax.nn.relu(1 - positive[:, None] + negatives), 0.0), axis=1)

    state = ranking.fit(jax.random.key(1), ranking.data(positives), replace(CONFIG, loss=hinge), num_epochs=1)
    assert jnp.isfinite(state.tables.users).all()
    mean = replace(CONFIG, loss=lambda *scores: hinge(*scores).mean())
    with pytest.raises(ValueError, match=r"loss: shape .* return one number for each example, not their sum or mean"):
        ranking.fit(jax.random.key(1), ranking.data(positives), mean)


BAD = [
    (lambda data: ranking.fit(jax.random.key(0), data, replace(CONFIG, reg_user=-1.0)), "reg_user: -1.0"),
    (lambda data: ranking.fit(jax.random.key(0), data, replace(CONFIG, batch_size=0)), "batch_size: 0"),
    (
        lambda data: ranking.fit(
            jax.random.key(0), data, CONFIG, factors=Factors(jnp.ones((2, DIM)), jnp.ones((NUM_ITEMS, DIM)))
        ),
        r"factors.users: shape \(2, 3\) is not \(12, 3\)",
    ),
    (lambda data: ranking.fit(jax.random.key(0), data, replace(CONFIG, learning_rate=1e9)), "learning_rate: 1"),
    (lambda data: ranking.data(as_ragged(np.zeros((2, 2), bool))), "positives: there are no pairs"),
    (lambda data: ranking.fit(0, data, CONFIG), r"key: 0 is not a PRNG key; pass such as jax.random.key"),
    (lambda data: ranking.fit(jax.random.key(0), as_ragged(checker_board()), CONFIG), "data: a Ragged .* ranking.data"),
    (lambda data: ranking.fit(jax.random.key(0), data, CONFIG, num_epochs=-1), "num_epochs: -1"),
    (
        lambda data: ranking.fit(
            jax.random.key(0), data, CONFIG, state=start(jax.random.key(1), replace(CONFIG, dim=2))
        ),
        r"state: users: shape \(12, 2\) is not \(12, 3\)",
    ),
    (
        lambda data: ranking.fit(
            jax.random.key(0), data, CONFIG, state=start(jax.random.key(1), replace(CONFIG, biases=False))
        ),
        "state: it has no item biases, where the config has biases=True",
    ),
    (lambda data: ranking.data(as_ragged(checker_board()), sampling.uniform), "sampler: .* is no sampler"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_refused(positives, call, message):
    with pytest.raises(ValueError, match=message):
        call(ranking.data(positives))
