"""Alternating least squares for every objective: `init`, `step`, `loss`, and the model of a state.

A step solves all users against the items, then all items against the users; `mfjax.als.half_steps` has the formulas.
One `regularization` serves step, loss and fold-in, so the loss that is reported is the loss that is minimised.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.als import features
from mfjax.als.config import NUM_BIAS_COORDINATES, By, Config, Role, check, role_of, table_of
from mfjax.als.half_steps import IN_STORAGE, MapChunks, check_map, entry_of, map_on_one_device, solve_side
from mfjax.als.storage import WHOLE_TABLES, Storage, check_storage
from mfjax.histories import Histories, Packed, Side
from mfjax.histories.packed import look_up
from mfjax.training import Algorithm
from mfjax.types import Array, Factors, Key

RELAXATION_RAMP = 0.15
"""What a step may add to the relaxation: rows that are still far from settled must not overshoot."""


class State(NamedTuple):
    """The state between two steps: the factors of both sides.

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
    state = checked_state(state, config)
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
    storage: Storage = WHOLE_TABLES,
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
        map_chunks: where chunks are solved: `map_on_one_device`, or `devices.MapOverDevices(mesh)`.
        storage: where the rows of the tables are: `WHOLE_TABLES`, or what `by_rows.place` gives.
        measured: whether `Info.residual` is worked out, by about one more pass over the entries; a traced bool will
            do.

    Raises:
        ValueError: for a state or data that do not fit the config or the storage, or numbers out of range.

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
    check_data(data)
    check_map(map_chunks)
    features.check_stored(storage, data.users, data.items)
    state = checked_state(state, config, data, storage)
    measured = checks.mask("measured", measured, ())

    def solve(table: Array, columns: Array, side: Side, by: By) -> tuple[Array, Array]:
        towards = features.towards(table, side, config, by)
        options: dict[str, Any] = {"map_chunks": map_chunks, "storage": storage, "measured": measured}
        return solve_side(table, columns, side, config, by=by, towards=towards, **options)

    further = jnp.minimum(RELAXATION_RAMP * state.step, config.relaxation - 1.0).astype(state.items.dtype)
    users, left_users = solve(state.users, features.seen(state.items, data.items, config, "item"), data.users, "user")
    users = features.completed(users + further * (users - state.users), data.users, config, "user")
    items, left_items = solve(state.items, features.seen(users, data.users, config, "user"), data.items, "item")
    items = features.completed(items + further * (items - state.items), data.items, config, "item")
    # A sum is finite when all its terms are: one number a row is quicker to look at.
    nonfinite = sum(jnp.sum(~jnp.isfinite(jnp.sum(table, axis=1)), dtype=jnp.int32) for table in (users, items))
    # Divided by the items that there are: a table that is shared out by rows has places to spare.
    change = jnp.sqrt(jnp.sum((items - state.items) ** 2) / (data.items.num_rows * items.shape[1]))
    info = Info(jnp.asarray(nonfinite), change, jnp.maximum(left_users, left_items))
    return State(users, items, state.step + 1), info


def check_data(data: Histories) -> None:
    """Raise ValueError for what are no histories of both sides."""
    remedy = "pass histories.build(interactions)"
    checks.kind("data", data, Histories, remedy)
    checks.kind("data.users", data.users, Side, remedy)
    checks.kind("data.items", data.items, Side, remedy)


def checked_state(
    state: State, config: Config, data: Histories | None = None, storage: Storage = WHOLE_TABLES
) -> State:
    """Return a state of arrays of JAX.

    Raises:
        ValueError: for what is no state, or one of another width, of other data or in another storage.
    """
    checks.kind("state", state, State, "pass what als.init or als.fit returns")
    checks.kind("config", config, Config, "pass an als.Config")
    num_users = num_items = None
    check_storage(storage)
    if data is not None:
        num_users, num_items = storage.num_places(data.users, "user"), storage.num_places(data.items, "item")
    remedy = f"pass a state that was made with this config and for these histories{IN_STORAGE}"
    users = table_of("state.users", state.users, (num_users, config.width), remedy)
    items = table_of("state.items", state.items, (num_items, config.width), remedy)
    if items.dtype != users.dtype:
        raise ValueError(f"state.items: has the dtype {items.dtype}, and state.users {users.dtype}; {remedy}")
    checks.count("state.step", state.step, remedy=remedy)
    checks.shape("state.step", state.step, (), remedy)
    return State(users, items, jnp.asarray(state.step))


def algorithm(data: Histories, config: Config) -> Algorithm:
    """Return ALS as an algorithm, for the transforms of `mfjax.training.transforms`.

    Raises:
        ValueError: for arguments of another kind, or numbers out of range.
    """
    check(config)
    check_data(data)
    return Algorithm(
        init=partial(init, config=config, num_users=data.users.num_rows, num_items=data.items.num_rows),
        step=lambda key, state: step(state, data, config),
    )


def loss(state: State, data: Histories, config: Config) -> Array:
    """Return L(U, V) of `mfjax.als.objectives`, a scalar; a half-step of an exact solver never raises it."""
    check(config)
    check_data(data)
    state = checked_state(state, config, data)
    dtype = state.users.dtype
    state = state._replace(
        users=features.seen(state.users, data.users, config, "user"),
        items=features.seen(state.items, data.items, config, "item"),
    )
    by_user, by_item = role_of(data.users, config, "user", dtype), role_of(data.items, config, "item", dtype)

    def observed(block: Packed) -> Array:
        entry = entry_of(block, data.users.counts, data.users.column_counts, config, "user", dtype)
        owner = state.users[block.rows[block.owners]]
        scores = jnp.einsum("swd,sd->sw", look_up(state.items, block.ids), owner, precision="highest")
        return jnp.sum(entry.quadratic * scores**2 - 2.0 * entry.linear * scores + entry.constant)

    fitted = sum(jnp.sum(jax.lax.map(observed, block)) for block in data.users.blocks)
    users_gramian = jnp.matmul(state.users.T, state.users, precision="highest")
    weighted = by_user.column_weights[:, None] * state.items
    items_gramian = jnp.matmul(state.items.T, weighted, precision="highest")
    background = config.objective.unobserved_weight * jnp.sum(users_gramian * items_gramian)

    def penalty(role: Role, table: Array, side: Side, by: By) -> Array:
        if side.features is not None:
            return features.penalty(table, side, config, by)
        return jnp.sum(role.strength * jnp.matmul(table**2, role.reg, precision="highest"))

    of_users = penalty(by_user, state.users, data.users, "user")
    return fitted + background + (of_users + penalty(by_item, state.items, data.items, "item"))


class FeatureMaps(NamedTuple):
    """What the rows of either side shrink towards, as maps of their features; None for a side without features.

    Attributes:
        users: float [num_features, width], W of `mfjax.als.features`.
        items: likewise.
    """

    users: Array | None
    items: Array | None


def feature_maps(state: State, data: Histories, config: Config) -> FeatureMaps:
    """Return the maps of features that follow from a state, for newcomers: `features.rows` and `fold_in` take them.

    Raises:
        ValueError: for a state or data that do not fit the config, or numbers out of range.
    """
    check(config)
    check_data(data)
    state = checked_state(state, config, data)

    def of(table: Array, side: Side, by: By) -> Array | None:
        return None if side.features is None else features.ridge(table, side, config, by)[0]

    return FeatureMaps(of(state.users, data.users, "user"), of(state.items, data.items, "item"))
