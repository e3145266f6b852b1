"""One optimiser step on a table of which a batch touches a few rows: plain, row-sparse or dense.

A batch names its rows by `ids`, with repeats, and has one gradient row for each. An Optax optimiser of elementwise
state (every leaf has the shape of the table, or is shared by all rows) works on the touched rows alone: the time of a
step does not depend on the size of the table.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from mfjax import checks
from mfjax.types import Array


def plain(table: Array, ids: Array, gradients: Array, learning_rate: Array | float) -> Array:
    """Return the table after stochastic gradient descent: table[id] - learning_rate * (sum of its gradients).

    Arguments and errors as in `sparse`.
    """
    ids = _checked(table, ids, gradients, learning_rate)
    return table.at[ids].add(-learning_rate * gradients)


def sparse(
    optimizer: optax.GradientTransformation,
    table: Array,
    state: optax.OptState,
    ids: Array,
    gradients: Array,
    learning_rate: Array | float,
) -> tuple[Array, optax.OptState]:
    """Return the table and the optimiser's state after a step on the rows `ids`; all other rows stay as they are.

    The gradients of a repeated row are summed before the optimiser sees them. Rows of the state are read and written
    with the rows of the table; leaves of another shape, such as a step count, are shared.

    Args:
        optimizer: any transformation of elementwise state, such as `optax.adam(1.0)`.
        table: float [num_rows, ...].
        state: `optimizer.init(table)`, or what the step before returned.
        ids: int32 [n].
        gradients: float [n, ...], one for each id.
        learning_rate: scales the optimiser's updates.

    Raises:
        ValueError: for ids that the table has not, gradients of another shape, an optimiser of another kind, or a
            state that is not elementwise or of another table.

    Example:
        >>> optimizer, table = optax.adagrad(1.0), jnp.ones((4, 2))
        >>> ids, gradients = jnp.array([2, 2]), jnp.ones((2, 2))
        >>> table, state = sparse(optimizer, table, optimizer.init(table), ids, gradients, 1.0)
        >>> table.round(1)[:, 0].tolist()
        [1.0, 1.0, 0.0, 1.0]

    Deviation: a dense optimiser moves every row at every step (momentum, decay); here an untouched row waits, as in
    "lazy" Adam.
    """
    ids = _checked(table, ids, gradients, learning_rate)
    _check_optimizer(optimizer, table, state, elementwise=True)
    rows, summed = sum_repeats(ids, gradients, table.shape[0])
    of_rows = lambda leaf: leaf.shape == table.shape  # noqa: E731
    row_state = jax.tree.map(lambda leaf: leaf.at[rows].get(mode="clip") if of_rows(leaf) else leaf, state)
    updates, row_state = optimizer.update(summed, row_state, table.at[rows].get(mode="clip"))
    table = table.at[rows].add(learning_rate * jnp.asarray(updates), mode="drop")
    state = jax.tree.map(
        lambda leaf, new: leaf.at[rows].set(new, mode="drop") if of_rows(leaf) else new, state, row_state
    )
    return table, state


def dense(
    optimizer: optax.GradientTransformation,
    table: Array,
    state: optax.OptState,
    ids: Array,
    gradients: Array,
    learning_rate: Array | float,
) -> tuple[Array, optax.OptState]:
    """Return the table and the optimiser's state after a step on the whole table; arguments as in `sparse`."""
    ids = _checked(table, ids, gradients, learning_rate)
    _check_optimizer(optimizer, table, state, elementwise=False)
    updates, state = optimizer.update(jnp.zeros_like(table).at[ids].add(gradients), state, table)
    return table + learning_rate * jnp.asarray(updates), state


def same_shapes(one: Any, other: Any) -> bool:
    """Return whether two pytrees have the same structure and leaves of the same shapes."""
    structures: list[Any] = [jax.tree.structure(tree) for tree in (one, other)]
    shapes = [[jnp.shape(leaf) for leaf in jax.tree.leaves(tree)] for tree in (one, other)]
    return structures[0] == structures[1] and shapes[0] == shapes[1]


def sum_repeats(ids: Array, gradients: Array, num_rows: int) -> tuple[Array, Array]:
    """Return distinct ids, ascending, and the sum of the gradients of each.

    Both keep the length n; the places that are left over hold the id `num_rows` and the gradient 0.

    Raises:
        ValueError: for ids outside 0 .. num_rows - 1, or gradients of another number.

    Example:
        >>> ids, summed = sum_repeats(jnp.array([3, 1, 3]), jnp.array([1.0, 2.0, 4.0]), 5)
        >>> ids.tolist(), summed.tolist()
        ([1, 3, 5], [2.0, 5.0, 0.0])
    """
    checks.whole("num_rows", num_rows, least=0)
    ids = checks.ids("ids", ids, num_rows, "the table")
    checks.shape("gradients", gradients, (*ids.shape, *jnp.shape(gradients)[1:]), "pass one gradient for each id")
    order = jnp.argsort(ids)
    ascending = ids[order]
    is_first = jnp.concatenate([jnp.ones(1, bool), ascending[1:] != ascending[:-1]])
    slot = jnp.cumsum(is_first, dtype=jnp.int32) - 1
    slots_of_entries = jnp.zeros_like(slot).at[order].set(slot)
    summed = jnp.zeros_like(gradients).at[slots_of_entries].add(gradients)
    return jnp.full_like(ids, num_rows).at[slot].set(ascending), summed


def _checked(table: Array, ids: Array, gradients: Array, learning_rate: Array | float) -> Array:
    """Return the ids of a step that fits the table."""
    ids = checks.ids("ids", ids, table.shape[0], "the table")
    checks.shape("ids", ids, (None,), "pass a list of ids")
    checks.shape("gradients", gradients, (*ids.shape, *table.shape[1:]), "pass one gradient for each id")
    checks.number("learning_rate", learning_rate, least=0)
    return ids


def _check_optimizer(
    optimizer: optax.GradientTransformation, table: Array, state: optax.OptState, *, elementwise: bool
) -> None:
    checks.kind("optimizer", optimizer, optax.GradientTransformation, "pass such as optax.adam(1.0)")
    wanted = jax.eval_shape(optimizer.init, table)
    if not same_shapes(wanted, state):
        raise ValueError(
            "state: not that of this optimizer and table; pass optimizer.init(table) or the state after it"
        )
    for leaf in jax.tree.leaves(wanted):
        if elementwise and jnp.issubdtype(leaf.dtype, jnp.inexact) and leaf.shape not in ((), table.shape):
            raise ValueError(
                f"optimizer: its state holds an array {leaf.shape} for a table {table.shape}, so it is not "
                "elementwise; step on the whole table (`dense`, or dense_updates=True)"
            )
