"""Row-sparse optimiser steps against the same optimiser on a table of the touched rows alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mfjax.ranking import sparse_updates

OPTIMIZERS = {
    "sgd": optax.sgd(1.0),
    "momentum": optax.sgd(1.0, momentum=0.9),
    "adagrad": optax.adagrad(1.0),
    "adam": optax.adam(1.0),
    "adamw": optax.adamw(1.0, weight_decay=0.1),
    "clipped": optax.chain(optax.clip(0.5), optax.adam(1.0)),
}
IDS = jnp.array([4, 1, 4, 9, 1, 4])
sparse = jax.jit(sparse_updates.sparse, static_argnums=0)
dense = jax.jit(sparse_updates.dense, static_argnums=0)


@pytest.fixture(scope="module")
def table():
    return jnp.asarray(np.random.default_rng(0).normal(size=(10, 3)), jnp.float32)


@pytest.fixture(scope="module")
def gradients():
    return jnp.asarray(np.random.default_rng(1).normal(size=(3, 6, 3)), jnp.float32)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_touched_rows_move_as_if_alone_and_the_others_stay(table, gradients, name):
    optimizer = OPTIMIZERS[name]
    distinct = np.array([1, 4, 9])
    alone = table[distinct]
    sparse_state, alone_state = optimizer.init(table), optimizer.init(alone)
    moved = table
    for step in gradients:
        moved, sparse_state = sparse(optimizer, moved, sparse_state, IDS, step, 0.1)
        summed = jnp.stack([step[np.asarray(IDS) == row].sum(axis=0) for row in distinct])
        updates, alone_state = optimizer.update(summed, alone_state, alone)
        alone = alone + 0.1 * jnp.asarray(updates)
    np.testing.assert_allclose(moved[distinct], alone, rtol=1e-5, atol=1e-6)
    others = np.setdiff1d(np.arange(10), distinct)
    np.testing.assert_array_equal(moved[others], table[others])
    for leaf, expected in zip(jax.tree.leaves(sparse_state), jax.tree.leaves(alone_state), strict=True):
        np.testing.assert_allclose(leaf[distinct] if leaf.ndim else leaf, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adagrad"])
def test_dense_equals_sparse_where_a_zero_gradient_moves_nothing(table, gradients, name):
    optimizer = OPTIMIZERS[name]
    state = optimizer.init(table)
    expected = sparse(optimizer, table, state, IDS, gradients[0], 0.1)
    found = dense(optimizer, table, state, IDS, gradients[0], 0.1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


def test_plain_is_gradient_descent_with_repeats_summed(table, gradients):
    expected = np.asarray(table).copy()
    for row, gradient in zip(IDS, gradients[0], strict=True):
        expected[row] -= 0.1 * gradient
    np.testing.assert_allclose(sparse_updates.plain(table, IDS, gradients[0], 0.1), expected, rtol=1e-5)


def test_tables_of_scalars(gradients):
    biases, optimizer = jnp.zeros(10), optax.adagrad(1.0)
    moved, _ = sparse(optimizer, biases, optimizer.init(biases), IDS, gradients[0, :, 0], 0.1)
    assert (moved != 0).tolist() == [row in (1, 4, 9) for row in range(10)]
    assert jnp.isfinite(moved).all()
