"""Rows that shrink towards a map of their features: against loops, the loss's own gradient, and what is cold."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, devices, histories
from mfjax.als import objectives
from mfjax.devices import by_rows, sharding
from mfjax.types import Interactions
from tests import reference
from tests.borders import REFUSED, answer

jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False})

NUM_USERS, NUM_ITEMS, DIM = 17, 11, 4
CHUNKS = {"chunk_entries": 16, "width": 2}
RNG = np.random.default_rng(0)
KINDS = ("dense", "lists")

OBJECTIVES = {
    "explicit": objectives.explicit(),
    "implicit": objectives.implicit(alpha=3.0),
    "ials": objectives.ials(unobserved_weight=0.2, popularity_exponent=0.5),
}


def drawn_pairs() -> Interactions:
    """Pairs of all users but the last two and all items but the last three."""
    users, items = np.nonzero(RNG.random((NUM_USERS - 2, NUM_ITEMS - 3)) < 0.5)
    values = RNG.integers(1, 6, len(users)).astype(np.float32)
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, NUM_USERS, NUM_ITEMS)


def drawn_features(num_rows: int, size: int) -> np.ndarray:
    return (RNG.normal(size=(num_rows, size)) * (RNG.random((num_rows, size)) < 0.6)).astype(np.float32)


PAIRS = drawn_pairs()
HISTORIES = histories.build(PAIRS, **CHUNKS)
OF_USERS, OF_ITEMS = drawn_features(NUM_USERS, 3), drawn_features(NUM_ITEMS, 5)


def lists_of(features: np.ndarray) -> histories.Ragged:
    rows, ids = (found.astype(np.int32) for found in np.nonzero(features))
    return histories.ragged(Interactions(rows, ids, features[rows, ids], *features.shape))


def data_of(kind: str = "dense", users: bool = True, items: bool = True) -> histories.Histories:
    made = {"dense": jnp.asarray, "lists": lists_of}[kind]
    given = made(OF_USERS) if users else None, made(OF_ITEMS) if items else None
    return als.features.with_features(HISTORIES, users=given[0], items=given[1])


def config_of(name: str = "implicit", **options) -> als.Config:
    options = {"solver": "cholesky", "reg": 0.4, "reg_exponent": 0.5, "init_scale": 1.0, "dim": DIM} | options
    return als.Config(objective=OBJECTIVES[name], **({"feature_reg": 0.7} | options))


def start(config: als.Config) -> als.State:
    return als.init(jax.random.key(0), config, num_users=NUM_USERS, num_items=NUM_ITEMS)


step, loss = jit(als.step), jit(als.loss)
fold_in, feature_maps = jit(als.fold_in), jit(als.feature_maps)

# Against loops


def step_by_loops(name: str, before: als.State, mu: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return users and items after a step with reg .4 and reg_exponent .5, and the loss there."""
    options = {"explicit": {}, "implicit": {"alpha": 3.0}, "ials": {"unobserved_weight": 0.2}}[name]
    counts = np.bincount(PAIRS.items, minlength=NUM_ITEMS)
    a, q, c, w0 = reference.quadratic_entry(name, PAIRS.values.astype(float), counts[PAIRS.items], **options)
    of_users = np.ones(NUM_USERS)
    of_items = np.asarray(OBJECTIVES[name].item_weights(jnp.asarray(counts, jnp.float32)), float)
    seen_users, seen_items = np.bincount(PAIRS.users, minlength=NUM_USERS) > 0, counts > 0
    by_user = np.sqrt(np.bincount(PAIRS.users, minlength=NUM_USERS) + w0 * of_items.sum()) * seen_users
    by_item = np.sqrt(counts + w0 * of_items * NUM_USERS) * seen_items
    ids, mapped = (PAIRS.users, PAIRS.items), reference.feature_map

    users, items = (np.asarray(table, float) for table in before[:2])
    towards = OF_USERS @ mapped(users, OF_USERS, by_user, mu)
    known = items * seen_items[:, None]
    users = reference.als_half_step(*ids, None, known, a, q, w0, of_items, of_users, 0.4, 0.5, towards)
    users = np.where(seen_users[:, None], users, OF_USERS @ mapped(users, OF_USERS, by_user, mu))
    towards = OF_ITEMS @ mapped(items, OF_ITEMS, by_item, mu)
    known = users * seen_users[:, None]
    items = reference.als_half_step(*ids[::-1], None, known, a, q, w0, of_users, of_items, 0.4, 0.5, towards)
    items = np.where(seen_items[:, None], items, OF_ITEMS @ mapped(items, OF_ITEMS, by_item, mu))
    warm = users * seen_users[:, None], items * seen_items[:, None]
    total = reference.als_loss(*ids, None, *warm, a, q, c, w0, of_items, 0.0, 0.0)
    total += reference.feature_penalty(users, OF_USERS, by_user, mu, 0.4)
    return users, items, total + reference.feature_penalty(items, OF_ITEMS, by_item, mu, 0.4)


LOOPS = [
    ("explicit", "cholesky", "lists"),
    ("implicit", "conjugate_gradient", "dense"),
    ("implicit", "cholesky", "dense"),
    ("ials", "conjugate_gradient", "lists"),
    ("ials", "cholesky", "lists"),
]


@pytest.mark.parametrize(("name", "solver", "kind"), LOOPS)
def test_step_and_loss_equal_the_loops(name, solver, kind):
    config = config_of(name, solver=solver, cg_steps=40, cg_tolerance=1e-6)
    data, before = data_of(kind), start(config)
    users, items, expected = step_by_loops(name, before, 0.7)
    after, _ = step(before, data, config)
    np.testing.assert_allclose(after.users, users, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(after.items, items, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(loss(after, data, config), expected, rtol=1e-4)


# Its own gradient, and monotone


@pytest.mark.parametrize(("name", "biases"), [("explicit", True), ("implicit", False), ("ials", True)])
def test_each_half_step_leaves_no_gradient_in_rows_and_maps(name, biases):
    config = config_of(name, biases=biases, bias_reg=0.2)
    with jax.enable_x64(True):
        data, before = data_of("lists"), start(config)
        config = replace(config, reg=jnp.float64(0.4))
        slope = jit(jax.grad(spelt_out, argnums=(0, 1)), static_argnames="by")
        for by, rows in (("user", before.users), ("item", before.items)):
            side = getattr(data, f"{by}s")
            fitted = als.features.ridge(rows, side, config, by)[0]
            columns = before.items if by == "user" else before.users
            other = data.items if by == "user" else data.users
            columns = als.features.seen(columns, other, config, "item" if by == "user" else "user")
            solved = als.half_step(rows, columns, side, config, by=by)
            of_rows, _ = slope(solved, fitted, columns, data, config, by=by)
            warm = np.asarray(side.counts > 0)[:, None] * np.asarray(als.config.role_of(side, config, by).free)
            assert np.abs(of_rows * warm).max() < 1e-8
            again = als.features.ridge(solved, side, config, by)[0]
            _, of_map = slope(solved, again, columns, data, config, by=by)
            assert np.abs(of_map).max() < 1e-8
            np.testing.assert_allclose(
                solved[-1], (side_of(by) @ fitted)[-1] + np.asarray(1 - als.config.role_of(side, config, by).free)
            )


def side_of(by):
    return OF_USERS.astype(float) if by == "user" else OF_ITEMS.astype(float)


def spelt_out(rows, fitted, columns, data, config, by):
    """The loss of one side with its map as a variable: that without a penalty, and the penalty as it is written."""
    side = getattr(data, f"{by}s")
    role = als.config.role_of(side, config, by, rows.dtype)
    seen = (side.counts > 0)[:, None]
    # With reg 0 the penalty of the other functions is nothing.
    plain = als.features.with_features(HISTORIES)
    warm = jnp.where(seen, rows, 1 - role.free)
    tables = (warm, columns) if by == "user" else (columns, warm)
    free_of_charge = replace(config, reg=0.0, bias_reg=0.0)
    fit = als.loss(als.State(*tables, jnp.int32(0)), plain, free_of_charge)
    apart = seen * role.strength[:, None] * (rows - side_of(by) @ fitted) ** 2
    return fit + jnp.sum((jnp.sum(apart, axis=0) + 0.7 * jnp.sum(fitted**2, axis=0)) * role.reg)


MONOTONE = [
    ("explicit", {"biases": True}),
    ("implicit", {"relaxation": 1.7}),
    ("ials", {}),
    ("ials", {"solver": "conjugate_gradient"}),
]


@pytest.mark.parametrize(("name", "options"), MONOTONE)
def test_the_loss_never_rises(name, options):
    config, data = config_of(name, **options), data_of()
    state = start(config)
    losses = [float(loss(state, data, config))]
    for _ in range(12):
        state, info = step(state, data, config)
        losses.append(float(loss(state, data, config)))
    assert int(info.num_nonfinite) == 0
    assert np.all(np.diff(losses) <= 1e-5 * losses[0])
    assert losses[-1] < losses[1]


# What is cold


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_a_history_are_the_map_of_their_features(kind):
    config, data = config_of(biases=True), data_of(kind)
    state = als.fit(jax.random.key(0), data, config, num_steps=4)
    maps = feature_maps(state, data, config)
    np.testing.assert_allclose(
        state.users[-2:, [0, 2, 3, 4, 5]], (OF_USERS @ maps.users)[-2:, [0, 2, 3, 4, 5]], rtol=1e-4
    )
    np.testing.assert_allclose(state.items[-3:, 1:], (OF_ITEMS @ maps.items)[-3:, 1:], rtol=1e-4, atol=1e-6)
    assert np.all(state.items[:, 0] == 1) and np.all(state.users[:, 1] == 1)
    found = als.features.rows(OF_ITEMS[-3:], maps.items)
    np.testing.assert_allclose(found[:, 1:], state.items[-3:, 1:], rtol=1e-4, atol=1e-6)


def test_what_cold_rows_are_is_nothing_to_the_others():
    config, data = config_of("ials"), data_of()
    state = start(config)
    other = state._replace(items=state.items.at[-3:].set(9.0), users=state.users.at[-2:].set(-9.0))
    for one, two in zip(step(state, data, config)[0][:2], step(other, data, config)[0][:2], strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(loss(state, data, config), loss(other, data, config))


def test_features_of_one_kind_only():
    """Features of items leave users to shrink to 0, and a map without features gives the model without them."""
    config = config_of()
    of_items = data_of(users=False)
    after, _ = step(start(config), of_items, config)
    assert feature_maps(after, of_items, config).users is None
    assert np.all(after.users[-2:] == 0) and np.all(after.items[-3:] != 0)
    strong = replace(config, feature_reg=1e12)
    before = start(config)
    before = before._replace(items=before.items.at[-3:].set(0.0))  # without features the first step sees them
    one, two = (step(before, data, strong)[0] for data in (of_items, HISTORIES))
    np.testing.assert_allclose(one.items, two.items, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(loss(one, of_items, strong), loss(two, HISTORIES, strong), rtol=1e-4)


def test_features_that_are_sums_of_others_do_no_harm():
    config = config_of(feature_reg=0.0)
    twice = np.concatenate([OF_ITEMS, OF_ITEMS, 1e3 * OF_ITEMS, np.zeros((NUM_ITEMS, 2), np.float32)], axis=1)
    data = als.features.with_features(HISTORIES, items=twice)
    state, _ = step(start(config), data, config)
    assert np.all(np.isfinite(state.items))


# New users


@pytest.mark.parametrize(("kind", "biases"), [("dense", True), ("lists", False)])
def test_users_folded_in_are_those_of_a_half_step(kind, biases):
    config, data = config_of("ials", biases=biases), data_of(kind)
    state = als.fit(jax.random.key(0), data, config, num_steps=3)
    maps, model = feature_maps(state, data, config), als.factors(state, config)
    found = fold_in(data.users, model, config, item_counts=data.items.counts, maps=maps)
    columns = als.features.seen(state.items, data.items, config, "item")
    np.testing.assert_allclose(
        found, als.half_step(state.users, columns, data.users, config, by="user"), rtol=1e-3, atol=1e-4
    )


def test_users_folded_in_of_a_model_with_features_of_items():
    config, data = config_of("ials"), data_of(users=False)
    state = als.fit(jax.random.key(0), data, config, num_steps=3)
    options = {"item_counts": data.items.counts, "maps": feature_maps(state, data, config)}
    found = fold_in(HISTORIES.users, als.factors(state, config), config, **options)
    columns = als.features.seen(state.items, data.items, config, "item")
    expected = als.half_step(state.users, columns, HISTORIES.users, config, by="user")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


# Refusals


def refused(call) -> bool:
    return answer(call) is REFUSED


def test_what_are_no_features_is_refused():
    join = partial(als.features.with_features, HISTORIES)
    for wrong in (OF_ITEMS[:-1], OF_ITEMS[:, :0], OF_ITEMS * np.nan, OF_ITEMS.astype(int), "text", lists_of(OF_USERS)):
        assert refused(lambda wrong=wrong: join(items=wrong))
    assert refused(lambda: als.features.with_features(HISTORIES.users, items=OF_ITEMS))
    assert refused(lambda: als.features.side_with_features(HISTORIES, OF_ITEMS))
    assert refused(lambda: als.features.rows(OF_ITEMS, np.ones((2, 3), np.float32)))
    assert refused(lambda: als.step(start(config_of()), data_of(), config_of(feature_reg=-1.0)))


def test_maps_and_features_of_new_users_go_together():
    config, data = config_of(), data_of()
    state, _ = step(start(config), data, config)
    maps, model = als.feature_maps(state, data, config), als.factors(state, config)
    call = partial(als.fold_in, model=model, config=config, item_counts=data.items.counts)
    assert refused(lambda: call(data.users))
    assert refused(lambda: call(HISTORIES.users, maps=maps))
    assert refused(lambda: call(data.users, maps=maps._replace(users=None)))
    assert refused(lambda: call(data.users, maps=maps._replace(users=maps.users[1:])))
    assert refused(lambda: call(data.users, maps=maps.users))


def test_tables_by_rows_are_refused_and_chunks_shared_out_are_not():
    config, mesh = config_of(), devices.mesh(1)
    data, storage = by_rows.place(data_of(), mesh)
    stored = by_rows.scatter(start(config), storage)
    spread = devices.MapOverDevices(mesh)
    assert refused(lambda: als.step(stored, data, config, map_chunks=spread, storage=storage))
    placed = sharding.place(data_of("lists"), mesh)
    found, _ = als.step(start(config), placed, config, map_chunks=spread)
    np.testing.assert_allclose(
        found.items, step(start(config), data_of("lists"), config)[0].items, rtol=1e-4, atol=1e-5
    )
