"""Alternating least squares for every objective: `init`, `step`, `loss`, `fold_in`, and `fit` around them.

A step solves all users against the items, then all items against the users; `mfjax.half_step` has the formulas. One
`regularization` serves step, loss and fold-in, so the loss that is reported is the loss that is minimised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mfjax import compilation, footprint
from mfjax.half_step import (
    NUM_BIAS_COORDINATES,
    Config,
    MapChunks,
    entry_of,
    half_step,
    map_on_one_device,
    regularization,
    role_of,
)
from mfjax.histories import Histories, Packed, Side
from mfjax.transforms import Algorithm
from mfjax.types import Array, Factors, Key

__all__ = [
    "GATHERED_DTYPES",
    "SOLVERS",
    "Config",
    "Info",
    "State",
    "algorithm",
    "factors",
    "fit",
    "fold_in",
    "half_step",
    "init",
    "loss",
    "map_on_one_device",
    "regularization",
    "step",
]

SOLVERS = ("conjugate_gradient", "cholesky")

GATHERED_DTYPES = ("float32", "bfloat16")

RELAXATION_RAMP = 0.15
"""What a step may add to the relaxation: rows that are still far from settled must not overshoot."""


class State(NamedTuple):
    """What the next step needs.

    Attributes:
        users: float32 [num_users, width], width = dim, or dim + 2 with biases.
        items: float32 [num_items, width].
        step: int32 scalar, the number of steps taken.
    """

    users: Array
    items: Array
    step: Array


class Info(NamedTuple):
    """Diagnostics of one step.

    Attributes:
        num_nonfinite: int32 scalar, rows with a NaN or an infinity; above 0, raise `reg`.
        change: float32 scalar, the root mean square change of an item factor.
    """

    num_nonfinite: Array
    change: Array


def init(key: Key, config: Config, *, num_users: int, num_items: int) -> State:
    """Return a random start: factors N(0, init_scale^2 / dim), biases 0.

    Raises:
        ValueError: for sizes below 1, an unknown solver or an unknown dtype.
    """
    for name, number in (("num_users", num_users), ("num_items", num_items), ("dim", config.dim)):
        if number < 1:
            raise ValueError(f"{name}: {number} is below 1; pass the size of the table")
    for name, choices in (("solver", SOLVERS), ("gathered_dtype", GATHERED_DTYPES)):
        if getattr(config, name) not in choices:
            raise ValueError(
                f"{name}: {getattr(config, name)!r} is unknown; pass one of {', '.join(map(repr, choices))}"
            )
    # One draw for both tables: the generator is the larger part of what there is to compile.
    scale = config.init_scale / jnp.sqrt(config.dim)
    drawn = scale * jax.random.normal(key, (num_users + num_items, config.dim))
    users, items = drawn[:num_users], drawn[num_users:]
    if config.biases:
        users = jnp.concatenate([_columns(num_users, 0.0, 1.0), users], axis=1)
        items = jnp.concatenate([_columns(num_items, 1.0, 0.0), items], axis=1)
    return State(users, items, jnp.int32(0))


def _columns(num_rows: int, first: float, second: float) -> Array:
    return jnp.broadcast_to(jnp.array([[first, second]], jnp.float32), (num_rows, NUM_BIAS_COORDINATES))


def factors(state: State, config: Config) -> Factors:
    """Return the model of a state: score(u, i) is the value that the objective compares with the data."""
    offset = jnp.asarray(config.objective.offset, jnp.float32)
    if not config.biases:
        return Factors(state.users, state.items, offset=offset)
    first = NUM_BIAS_COORDINATES
    return Factors(state.users[:, first:], state.items[:, first:], state.users[:, 0], state.items[:, 1], offset)


def step(
    state: State, data: Histories, config: Config, *, map_chunks: MapChunks = map_on_one_device
) -> tuple[State, Info]:
    r"""Solve all users, then all items. Deterministic; scans, vmaps over config, and differentiates.

    .. math:: x \leftarrow x^* + (\omega_t - 1)(x^* - x), \qquad \omega_t = \min(1 + 0.15\, t,\ \omega)

    where x* solves a row, t counts the steps taken and omega is `config.relaxation`. Given the other side the loss is a
    quadratic, so a row that goes omega times the way leaves (omega - 1)^2 of what there was to gain: the loss still
    never rises. Alternating least squares crawls in the end, and about 1.7 then takes half the steps or fewer.

    `map_chunks` is `map_on_one_device`, `sharding.MapOverDevices(mesh)`, or what `by_rows.place` gives.

    Example:
        >>> import numpy as np
        >>> from mfjax import histories
        >>> from mfjax.types import Interactions
        >>> pairs = Interactions(np.array([0, 1]), np.array([0, 1]), np.ones(2, np.float32), 2, 2)
        >>> config = Config(dim=2)
        >>> state = init(jax.random.key(0), config, num_users=2, num_items=2)
        >>> state, info = jax.jit(step)(state, histories.build(pairs), config)
        >>> int(state.step), int(info.num_nonfinite)
        (1, 0)

    Source: over-relaxation is Young's (1954), Iterative methods for solving partial difference equations of elliptic
    type, with the two sides as blocks.
    """
    further = jnp.minimum(RELAXATION_RAMP * state.step, config.relaxation - 1.0)
    users = half_step(state.users, state.items, data.users, config, by="user", map_chunks=map_chunks)
    users = users + further * (users - state.users)
    items = half_step(state.items, users, data.items, config, by="item", map_chunks=map_chunks)
    items = items + further * (items - state.items)
    # A sum is finite when all its terms are: one number a row is quicker to look at.
    nonfinite = sum(jnp.sum(~jnp.isfinite(jnp.sum(table, axis=1)), dtype=jnp.int32) for table in (users, items))
    # Divided by the items that there are: a table that is shared out by rows has places to spare.
    change = jnp.sqrt(jnp.sum((items - state.items) ** 2) / (data.items.num_rows * items.shape[1]))
    return State(users, items, state.step + 1), Info(jnp.asarray(nonfinite), change)


def algorithm(data: Histories, config: Config) -> Algorithm:
    """Return ALS as an algorithm, for the transforms of `mfjax.transforms`."""
    return Algorithm(
        init=partial(init, config=config, num_users=data.users.num_rows, num_items=data.items.num_rows),
        step=lambda key, state: step(state, data, config),
    )


def loss(state: State, data: Histories, config: Config) -> Array:
    """Return L(U, V) of `mfjax.objectives`, a scalar; every half-step of an exact solver lowers it or leaves it."""
    by_user, by_item = role_of(data.users, config, "user"), role_of(data.items, config, "item")

    def observed(block: Packed) -> Array:
        entry = entry_of(block, data.users.counts, data.users.column_counts, config, "user")
        owner = state.users[block.rows[block.owners]]
        scores = jnp.einsum("swd,sd->sw", block.features(state.items), owner, precision="highest")
        return jnp.sum(entry.quadratic * scores**2 - 2.0 * entry.linear * scores + entry.constant)

    fitted = sum(jnp.sum(jax.lax.map(observed, block)) for block in data.users.blocks)
    users_gramian = jnp.matmul(state.users.T, state.users, precision="highest")
    weighted = by_user.column_weights[:, None] * state.items
    items_gramian = jnp.matmul(state.items.T, weighted, precision="highest")
    background = config.objective.unobserved_weight * jnp.sum(users_gramian * items_gramian)
    penalty = sum(
        jnp.sum(role.strength * jnp.matmul(table**2, role.reg, precision="highest"))
        for role, table in ((by_user, state.users), (by_item, state.items))
    )
    return fitted + background + penalty


def fold_in(side: Side, items: Array, config: Config, *, item_counts: Array) -> Array:
    """Return rows for users never seen, float32 [num_rows, width]: the exact minimum given their histories.

    Args:
        side: `histories.side(interactions)` of the new users, with the item ids of the model.
        items: the table `State.items` of the fitted model.
        config: the model; its solver is replaced by Cholesky.
        item_counts: float32 [num_items], `data.items.counts` of the training data, which weigh the items.
    """
    exact, side = replace(config, solver="cholesky"), replace(side, column_counts=item_counts)
    start = jnp.zeros((side.num_rows, items.shape[1]), items.dtype)
    return half_step(start + (1.0 - role_of(side, exact, "user").free)[None], items, side, exact, by="user")


def fit(
    key: Key,
    data: Histories,
    config: Config,
    *,
    num_steps: int = 16,
    state: State | None = None,
    on_step: Callable[[State, Info], None] | None = None,
    map_chunks: MapChunks = map_on_one_device,
) -> State:
    """Return the state after `num_steps` compiled steps from a random start, or from `state`.

    Args:
        key: draws the start; unused when there is a `state`.
        data: histories by user and by item.
        config: the model; another value of its numbers does not compile again.
        num_steps: steps to take, each solving all users and all items.
        state: where to go on from.
        on_step: called on the host after every step, for progress, logging and checkpoints. The state it sees lives
            until it returns: the next step reuses its memory, so copy what is to be kept.
        map_chunks: as in `step`.

    Raises:
        ValueError: for numbers out of range, a model that the device's memory can not hold, or when rows came out NaN
            or infinite.
    """
    _check(config)
    footprint.check(footprint.of(data, dim=config.dim), footprint.limit())
    if state is None:
        sizes = {"num_users": data.users.num_rows, "num_items": data.items.num_rows}
        now = data.start(lambda: _compiled_init(key, config, **sizes))
    else:
        now = jax.tree.map(jnp.copy, state)
    info = None
    for size in [num_steps] if on_step is None else [1] * num_steps:
        now, info = _compiled_steps(now, data, config, size, map_chunks=map_chunks)
        if on_step is not None:
            on_step(now, info)
    if info is not None and int(info.num_nonfinite):
        raise ValueError(
            f"reg: {config.reg} leaves {int(info.num_nonfinite)} rows without a finite solution; raise reg, "
            "or check the values for extremes"
        )
    return now


def _steps(
    state: State, data: Histories, config: Config, num_steps: int | Array, *, map_chunks: MapChunks
) -> tuple[State, Info]:
    # One loop of a traced length: the same bits whether steps are taken one by one, together, or within a sweep.
    start = state, Info(jnp.int32(0), jnp.float32(0.0))
    return jax.lax.fori_loop(0, num_steps, lambda _, carry: step(carry[0], data, config, map_chunks=map_chunks), start)


_compiled_init = compilation.jit(init, static_argnames=("num_users", "num_items"))
# The state's memory is given to the result: tables are held once, not twice.
_compiled_steps = compilation.jit(_steps, frugal=True, static_argnames="map_chunks", donate_argnames="state")


def _check(config: Config) -> None:
    """Raise ValueError for plain numbers that are out of range; traced ones can not be looked at."""
    objective = config.objective
    for name, number in (
        ("reg", config.reg),
        ("bias_reg", config.bias_reg),
        ("unobserved_weight", objective.unobserved_weight),
        ("init_scale", config.init_scale),
    ):
        if isinstance(number, (int, float)) and not 0 <= number < float("inf"):
            raise ValueError(f"{name}: {number} is not a number of at least 0; pass 0 to switch it off")
    if isinstance(config.relaxation, (int, float)) and not 0 < config.relaxation < 2:
        raise ValueError(
            f"relaxation: {config.relaxation} is outside (0, 2), where steps converge; pass 1 for plain ALS"
        )
    if config.cg_steps < 1:
        raise ValueError(f"cg_steps: {config.cg_steps} is below 1; pass 1 or more, or solver='cholesky'")
