"""New users: the minimum that a slow optimiser finds, whatever the other users."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.histories import ragged
from mfjax.ranking import Config, fold_in, losses, sampling
from mfjax.ranking.objective import Lambdas, Rows, objective
from mfjax.types import Factors, Interactions

NUM_ITEMS, DIM, NUM, REG = 15, 4, 5, 0.05
USERS = np.array([0, 0, 0, 2, 2, *[3] * NUM_ITEMS], np.int32)
ITEMS = np.array([1, 4, 5, 0, 14, *range(NUM_ITEMS)], np.int32)
CONFIG = Config(dim=DIM, loss=losses.bpr, reg_user=REG)
solve = jax.jit(fold_in, static_argnames="num_negatives")


@pytest.fixture(scope="module")
def positives():
    return ragged(Interactions(USERS, ITEMS, np.ones(len(USERS), np.float32), 4, NUM_ITEMS))


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    items, biases = rng.normal(size=(NUM_ITEMS, DIM)), rng.normal(size=NUM_ITEMS)
    return Factors(jnp.zeros((1, DIM)), jnp.asarray(items, jnp.float32), item_biases=jnp.asarray(biases, jnp.float32))


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_the_gradient_is_zero_at_what_is_found(key, positives, model, loss):
    users = solve(key, positives, model, replace(CONFIG, loss=losses.LOSSES[loss]), num_negatives=NUM)
    assert not users[1].any() and not users[3].any()  # no history; has seen every item

    @jax.jit
    def slope(x, user):
        ids, _, mask = (part[0] for part in positives.rows(user[None]))
        words = jax.random.bits(jax.random.fold_in(key, user), (1, NUM), jnp.uint32)
        drawn = sampling.uniform(positives, num=NUM)(words, user[None], ids[:1], None)
        drawn = drawn._replace(ids=jnp.broadcast_to(drawn.ids, (len(ids), NUM)))  # its entries share them
        weights = jnp.where(mask[:, None], drawn.weights, 0.0)

        def value(x):
            repeated = jnp.broadcast_to(x[None, :], (len(ids), DIM))
            biases = model.item_biases
            rows = Rows(repeated, model.items[ids], model.items[drawn.ids], biases[ids], biases[drawn.ids])
            return objective(rows, weights, losses.LOSSES[loss], Lambdas(REG, 0.0, 0.0, 0.0))

        return jax.grad(value)(x)

    for user in (0, 2):
        assert jnp.abs(slope(jnp.zeros(DIM), jnp.int32(user))).max() > 0.1
        np.testing.assert_allclose(slope(users[user], jnp.int32(user)), 0, atol=2e-4)


def test_a_row_for_cosines_has_length_one_and_no_way_down_on_the_sphere(key, positives, model):
    config = replace(CONFIG, score="cosine", temperature=0.2, loss=losses.softmax)
    items = model.items / jnp.linalg.norm(model.items, axis=1, keepdims=True) / config.temperature
    users = solve(key, positives, Factors(model.users, items), config, num_negatives=NUM)
    assert not users[1].any() and not users[3].any()
    ids, _, _ = positives.rows(jnp.int32(0)[None])
    words = jax.random.bits(jax.random.fold_in(key, 0), (1, NUM), jnp.uint32)
    drawn = sampling.uniform(positives, num=NUM)(words, jnp.zeros(1, jnp.int32), ids[0, :1], None)

    def value(x):
        x = x / jnp.linalg.norm(x)
        return losses.softmax(
            items[ids[0, :3]] @ x,
            jnp.broadcast_to(items[drawn.ids[0]] @ x, (3, NUM)),
            jnp.repeat(drawn.weights, 3, axis=0),
        ).sum()

    np.testing.assert_allclose(jnp.linalg.norm(users[0]), 1, rtol=1e-5)
    np.testing.assert_allclose(jax.grad(value)(users[0]), 0, atol=1e-2)
    assert value(users[0]) < value(items[ids[0, :3]].sum(axis=0)) - 0.1


def test_a_new_user_is_ranked_by_its_history(key, positives, model):
    users = solve(key, positives, model._replace(item_biases=None), CONFIG, num_negatives=NUM)
    scores = np.asarray(users[0] @ model.items.T)
    assert scores[[1, 4, 5]].mean() > np.delete(scores, [1, 4, 5]).mean() + 0.5


def test_the_same_under_x64(key, positives, model):
    single = solve(jax.random.clone(key), positives, model, CONFIG, num_negatives=NUM)
    with jax.enable_x64(True):
        double = jax.jit(fold_in, static_argnames="num_negatives")(
            jax.random.clone(key), positives, model, CONFIG, num_negatives=NUM
        )
    assert single.dtype == double.dtype == model.items.dtype
    np.testing.assert_allclose(single, double, atol=2e-3)


@pytest.mark.parametrize(("value", "what"), [(-1.0, "negative"), (0.0, "zero"), (np.nan, "not a number")])
def test_what_is_no_like_is_refused(key, positives, model, value, what):
    values = positives.values.at[2].set(value)
    with pytest.raises(ValueError, match=f"positives: a value of {value} is {what}; pass interactions.select"):
        fold_in(key, replace(positives, values=values), model, CONFIG)


def test_items_beyond_the_model_are_refused(key, positives, model):
    with pytest.raises(ValueError, match=r"model: items: shape \(14, 4\) is not \(15, 4\)"):
        fold_in(key, positives, model._replace(items=model.items[:-1]), CONFIG)


def test_users_in_groups_by_length_are_solved_as_all_at_once(key):
    rng = np.random.default_rng(1)
    lengths = [0, 3, 17, 40, 16, 1, 33]
    users = np.repeat(np.arange(len(lengths)), lengths)
    items = np.concatenate([rng.choice(60, length, replace=False) for length in lengths])
    lists = ragged(Interactions(users.astype(np.int32), items.astype(np.int32), np.ones(len(users), np.float32), 7, 60))
    wide = Factors(jnp.zeros((1, DIM)), jnp.asarray(rng.normal(size=(60, DIM)), jnp.float32))
    together = solve(jax.random.clone(key), lists, wide, CONFIG, num_negatives=NUM)
    found = fold_in(key, lists, wide, CONFIG, num_negatives=NUM)
    assert not found[0].any()
    np.testing.assert_allclose(found, together, atol=2e-4)
