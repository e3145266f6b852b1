"""Alternating least squares for every objective: `init`, `step`, `loss`, `fold_in`, and `fit` around them.

A step solves all users against the items, then all items against the users; `mfjax.half_step` has the formulas. One
`regularization` serves step, loss and fold-in, so the loss that is reported is the loss that is minimised.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mfjax import checks, compilation, footprint
from mfjax.als_config import (
    GATHERED_DTYPES,
    NUM_BIAS_COORDINATES,
    SOLVERS,
    Config,
    check,
    regularization,
    role_of,
    table_of,
)
from mfjax.half_step import MapChunks, check_map, entry_of, half_step, map_on_one_device, solve_side
from mfjax.histories import Histories, Packed, Side
from mfjax.transforms import Algorithm
from mfjax.types import Array, Factors, Key

__all__ = [
    "GATHERED_DTYPES",
    "LARGEST_RESIDUAL",
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

RELAXATION_RAMP = 0.15
"""What a step may add to the relaxation: rows that are still far from settled must not overshoot."""

LARGEST_RESIDUAL = 0.01
"""`fit` warns where a row ends further from solved than this, see `Info.residual`."""


class State(NamedTuple):
    """What the next step needs.

    Attributes:
        users: float32 [num_users, width], width = dim, or dim + 2 with biases; float64 under `jax_enable_x64`.
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
        residual: float32 scalar, how far from solved the rows of both half-steps were left, before relaxation: the
            largest norm of b - A x of a row, as a share of its b. About 1e-6 by Cholesky; NaN where `step` was told
            not to measure it.
    """

    num_nonfinite: Array
    change: Array
    residual: Array


def init(key: Key, config: Config, *, num_users: int, num_items: int) -> State:
    """Return a random start: factors N(0, init_scale^2 / dim), biases 0.

    The numbers are drawn in float32 whatever `jax_enable_x64` says.

    Raises:
        ValueError: for sizes below 1, what is no key, or a config out of range.
    """
    checks.key("key", key)
    check(config)
    checks.whole("num_users", num_users, remedy="pass the size of the table")
    checks.whole("num_items", num_items, remedy="pass the size of the table")
    # One draw for both tables: the generator is the larger part of what there is to compile.
    scale = jnp.asarray(config.init_scale, jnp.float32) / jnp.sqrt(jnp.float32(config.dim))
    drawn = (scale * jax.random.normal(key, (num_users + num_items, config.dim), jnp.float32)).astype(float)
    users, items = drawn[:num_users], drawn[num_users:]
    if config.biases:
        users = jnp.concatenate([_columns(num_users, 0.0, 1.0), users], axis=1)
        items = jnp.concatenate([_columns(num_items, 1.0, 0.0), items], axis=1)
    return State(users, items, jnp.int32(0))


def _columns(num_rows: int, first: float, second: float) -> Array:
    return jnp.broadcast_to(jnp.array([[first, second]], float), (num_rows, NUM_BIAS_COORDINATES))


def factors(state: State, config: Config) -> Factors:
    """Return the model of a state: score(u, i) is the value that the objective compares with the data.

    Raises:
        ValueError: for a state that does not fit the config, or numbers out of range.
    """
    check(config)
    state = _checked(state, config)
    offset = jnp.asarray(config.objective.offset, state.items.dtype)
    if not config.biases:
        return Factors(state.users, state.items, offset=offset)
    first = NUM_BIAS_COORDINATES
    return Factors(state.users[:, first:], state.items[:, first:], state.users[:, 0], state.items[:, 1], offset)


def step(
    state: State,
    data: Histories,
    config: Config,
    *,
    map_chunks: MapChunks = map_on_one_device,
    measured: bool | Array = True,
) -> tuple[State, Info]:
    r"""Solve all users, then all items. Deterministic; scans, vmaps over config, and differentiates.

    .. math:: x \leftarrow x^* + (\omega_t - 1)(x^* - x), \qquad \omega_t = \min(1 + 0.15\, t,\ \omega)

    where x* solves a row, t counts the steps taken and omega is `config.relaxation`. Given the other side the loss is a
    quadratic, so a row that goes omega times the way leaves (omega - 1)^2 of what there was to gain: the loss still
    never rises. Alternating least squares crawls in the end, and about 1.7 then takes half the steps or fewer.

    The derivative is that of what was computed: of the steps of conjugate gradient, unless `config.derivative` asks for
    that of an exact solve, or of the solution by Cholesky. A row that started at its solution, up to rounding,
    has the derivative of the solution.

    Args:
        state: where to go on from.
        data: histories by user and by item.
        config: the model.
        map_chunks: `map_on_one_device`, `sharding.MapOverDevices(mesh)`, or what `by_rows.place` gives.
        measured: whether `Info.residual` is worked out, by about one more pass over the entries; a traced bool will
            do.

    Raises:
        ValueError: for a state or data that do not fit the config, or numbers out of range.

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
    check(config)
    _check_data(data)
    state = _checked(state, config, data)
    solve = partial(solve_side, config=config, map_chunks=map_chunks, measured=measured)
    further = jnp.minimum(RELAXATION_RAMP * state.step, config.relaxation - 1.0).astype(state.items.dtype)
    users, left_users = solve(state.users, state.items, data.users, by="user")
    users = users + further * (users - state.users)
    items, left_items = solve(state.items, users, data.items, by="item")
    items = items + further * (items - state.items)
    # A sum is finite when all its terms are: one number a row is quicker to look at.
    nonfinite = sum(jnp.sum(~jnp.isfinite(jnp.sum(table, axis=1)), dtype=jnp.int32) for table in (users, items))
    # Divided by the items that there are: a table that is shared out by rows has places to spare.
    change = jnp.sqrt(jnp.sum((items - state.items) ** 2) / (data.items.num_rows * items.shape[1]))
    info = Info(jnp.asarray(nonfinite), change, jnp.maximum(left_users, left_items))
    return State(users, items, state.step + 1), info


def _check_data(data: Histories) -> None:
    checks.kind("data", data, Histories, "pass histories.build(interactions)")


def _checked(state: State, config: Config, data: Histories | None = None) -> State:
    """Return a state of arrays of JAX; raise ValueError for what is none, or one of another width or of other data."""
    checks.kind("state", state, State, "pass what als.init or als.fit returns")
    checks.kind("config", config, Config, "pass an als.Config")
    num_users = num_items = None
    if data is not None:
        num_users, num_items = data.users.num_places, data.items.num_places
    remedy = "pass a state that was made with this config and for these histories"
    users = table_of("state.users", state.users, (num_users, config.width), remedy)
    items = table_of("state.items", state.items, (num_items, config.width), remedy)
    if items.dtype != users.dtype:
        raise ValueError(f"state.items: has the dtype {items.dtype}, and state.users {users.dtype}; {remedy}")
    checks.count("state.step", state.step, remedy=remedy)
    checks.shape("state.step", state.step, (), remedy)
    return State(users, items, jnp.asarray(state.step))


def algorithm(data: Histories, config: Config) -> Algorithm:
    """Return ALS as an algorithm, for the transforms of `mfjax.transforms`.

    Raises:
        ValueError: for arguments of another kind, or numbers out of range.
    """
    check(config)
    _check_data(data)
    return Algorithm(
        init=partial(init, config=config, num_users=data.users.num_rows, num_items=data.items.num_rows),
        step=lambda key, state: step(state, data, config),
    )


def loss(state: State, data: Histories, config: Config) -> Array:
    """Return L(U, V) of `mfjax.objectives`, a scalar; every half-step of an exact solver lowers it or leaves it."""
    check(config)
    _check_data(data)
    state = _checked(state, config, data)
    dtype = state.users.dtype
    by_user, by_item = role_of(data.users, config, "user", dtype), role_of(data.items, config, "item", dtype)

    def observed(block: Packed) -> Array:
        entry = entry_of(block, data.users.counts, data.users.column_counts, config, "user", dtype)
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

    Raises:
        ValueError: for histories of another number of items than the model's, counts of another number, or a table of
            another width than the config's.
    """
    check(config)
    checks.kind("side", side, Side, "pass histories.side(interactions) of the new users")
    items = table_of("items", items, (None, config.width), "pass the table State.items of the fitted model")
    num_items = items.shape[0]
    if side.column_counts.shape[0] != num_items:
        raise ValueError(
            f"side: its histories are of {side.column_counts.shape[0]} items, the model has {num_items}; build them "
            "with the item ids and num_items of the training data"
        )
    remedy = "pass data.items.counts of the training data"
    checks.shape("item_counts", item_counts, (num_items,), remedy)
    checks.number("item_counts", item_counts, least=0, remedy=remedy)
    counts = jnp.asarray(item_counts, side.column_counts.dtype)
    exact, side = replace(config, solver="cholesky"), replace(side, column_counts=counts)
    free = role_of(side, exact, "user", items.dtype).free
    start = jnp.zeros((side.num_rows, config.width), items.dtype) + (1.0 - free)[None]
    return half_step(start, items, side, exact, by="user")


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

    Within a program of the caller's (`jax.jit`, `jax.vmap`, `jax.grad`) it is a part of that program, and neither the
    error for rows without a finite solution nor the warning can be given.

    Args:
        key: draws the start; unused when there is a `state`.
        data: histories by user and by item.
        config: the model; another value of its numbers does not compile again.
        num_steps: steps to take, each solving all users and all items.
        state: where to go on from.
        on_step: called on the host after every step, for progress, logging and checkpoints. The state it sees lives
            until it returns: the next step reuses its memory, so copy what is to be kept.
        map_chunks: as in `step`.

    Warns:
        UserWarning: when the last step left a row further from solved than `LARGEST_RESIDUAL`, see `Info.residual`.

    Raises:
        ValueError: for arguments of another kind, numbers out of range, a state that does not fit, a model that the
            device's memory can not hold, or when rows came out NaN or infinite; and within a program of the caller's
            for an `on_step`, or a start of tables that are shared out by rows.
    """
    checks.key("key", key)
    check(config)
    _check_data(data)
    checks.whole("num_steps", num_steps, least=0)
    check_map(map_chunks)
    if on_step is not None:
        checks.function("on_step", on_step, "pass a function of a state and an info")
    if state is not None:
        state = _checked(state, config, data)
    if compilation.is_traced(key, data, config, state):
        if on_step is not None:
            raise ValueError("on_step: called on the host, which jit, vmap and grad do not come back to; pass None")
        return _traced_fit(key, data, config, num_steps, state, map_chunks)
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
    if info is not None:
        _judge(info, config)
    return now


def _traced_fit(
    key: Key, data: Histories, config: Config, num_steps: int, state: State | None, map_chunks: MapChunks
) -> State:
    """Return what `fit` does as a part of the caller's program."""
    if state is None:
        if type(data) is not Histories:
            raise ValueError("state: tables that are shared out by rows start outside jit; pass one of data.start")
        state = init(key, config, num_users=data.users.num_rows, num_items=data.items.num_rows)
    for_all = partial(step, data=data, config=config, map_chunks=map_chunks, measured=False)
    return jax.lax.fori_loop(0, num_steps, lambda _, now: for_all(now)[0], state)


def _judge(info: Info, config: Config) -> None:
    """Raise ValueError for rows without a finite solution, and warn of rows that are far from solved."""
    if int(info.num_nonfinite):
        raise ValueError(
            f"reg: {config.reg} leaves {int(info.num_nonfinite)} rows without a finite solution; raise reg, "
            "or check the values for extremes"
        )
    if float(info.residual) > LARGEST_RESIDUAL:
        warnings.warn(
            f"cg_steps: {config.cg_steps} steps leave a row with a residual of {float(info.residual):.2g} of its right "
            f"side, above {LARGEST_RESIDUAL}; pass more cg_steps, solver='cholesky', or a larger reg",
            stacklevel=3,
        )


def _steps(
    state: State, data: Histories, config: Config, num_steps: int | Array, *, map_chunks: MapChunks
) -> tuple[State, Info]:
    # One loop of a traced length: the same bits whether steps are taken one by one, together, or within a sweep.
    def one(number: Array, carry: tuple[State, Info]) -> tuple[State, Info]:
        return step(carry[0], data, config, map_chunks=map_chunks, measured=number == num_steps - 1)

    nothing = jnp.zeros((), state.items.dtype)
    return jax.lax.fori_loop(0, num_steps, one, (state, Info(jnp.int32(0), nothing, nothing)))


_compiled_init = compilation.jit(init, static_argnames=("num_users", "num_items"))
# The state's memory is given to the result: tables are held once, not twice.
_compiled_steps = compilation.jit(_steps, frugal=True, static_argnames="map_chunks", donate_argnames="state")
