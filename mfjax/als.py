r"""Alternating least squares for every objective: `init`, `step`, `loss`, `fold_in`, and `fit` around them.

.. math::
    A_u = w_0 \sum_i p_i v_i v_i^\top + \sum_{i \in H_u} a_{ui} v_i v_i^\top + \lambda_u I, \qquad
    b_u = \sum_{i \in H_u} q_{ui} v_i, \qquad u \leftarrow A_u^{-1} b_u

.. math:: \lambda_u = \lambda \, (n_u + w_0 \textstyle\sum_i p_i)^\nu

and the same for items, whose background is :math:`w_0 p_i \sum_u u u^\top`. One `regularization` serves step, loss
and fold-in, so the loss that is reported is the loss that is minimised.

With `biases=True` a row of the tables carries two more coordinates, users (b_u, 1, u) and items (1, b_i, v), so that
<row, row> = b_u + b_i + <u, v>: a row's bias is solved jointly with its factors, and the ones stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mfjax import objectives, solvers
from mfjax.histories import Histories, Packed, Side
from mfjax.objectives import Objective
from mfjax.types import Array, Factors, Key

SOLVERS = ("conjugate_gradient", "cholesky")
NUM_BIAS_COORDINATES = 2


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Config:
    """What a model is. Numbers are traced data; what changes shapes or code is static.

    Attributes:
        objective: the quadratic to minimise, from `mfjax.objectives`.
        reg: lambda.
        reg_exponent: nu; 0 regularises every row alike, 1 in proportion to its entries (ALS-WR, iALS).
        bias_reg: lambda of the biases; only used with `biases`.
        init_scale: the initial factors are N(0, init_scale^2 / dim).
        dim: the number of factors (static).
        biases: whether rows have biases (static).
        solver: "conjugate_gradient" or "cholesky" (static).
        cg_steps: steps of conjugate gradient a half-step (static).
        cg_tolerance: see `solvers.conjugate_gradient` (static).
    """

    objective: Objective = field(default_factory=objectives.ials)
    reg: float | Array = 0.003
    reg_exponent: float | Array = 1.0
    bias_reg: float | Array = 0.003
    init_scale: float | Array = 0.1
    dim: int = field(default=64, metadata={"static": True})
    biases: bool = field(default=False, metadata={"static": True})
    solver: str = field(default="conjugate_gradient", metadata={"static": True})
    cg_steps: int = field(default=2, metadata={"static": True})
    cg_tolerance: float | None = field(default=None, metadata={"static": True})


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
        ValueError: for sizes below 1 or an unknown solver.
    """
    for name, number in (("num_users", num_users), ("num_items", num_items), ("dim", config.dim)):
        if number < 1:
            raise ValueError(f"{name}: {number} is below 1; pass the size of the table")
    if config.solver not in SOLVERS:
        raise ValueError(f"solver: {config.solver!r} is unknown; pass one of {', '.join(map(repr, SOLVERS))}")
    key_users, key_items = jax.random.split(key)
    scale = config.init_scale / jnp.sqrt(config.dim)
    users = scale * jax.random.normal(key_users, (num_users, config.dim))
    items = scale * jax.random.normal(key_items, (num_items, config.dim))
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


class _Role(NamedTuple):
    """What distinguishes solving users from solving items.

    Attributes:
        row_weights, column_weights: float32 [num_rows], [num_columns], the background weight p of either side.
        ridge: float32 [num_rows, width], lambda of every coordinate.
        free: float32 [width], 0 for the coordinate that is held at 1.
    """

    row_weights: Array
    column_weights: Array
    ridge: Array
    free: Array


def _role(side: Side, config: Config, by: str) -> _Role:
    ones_rows, ones_columns = jnp.ones_like(side.counts), jnp.ones_like(side.column_counts)
    if by == "user":
        row_weights, column_weights = ones_rows, config.objective.item_weights(side.column_counts)
    else:
        row_weights, column_weights = config.objective.item_weights(side.counts), ones_columns
    strength = regularization(side.counts, row_weights * jnp.sum(column_weights), config)
    ridge = jnp.broadcast_to((strength * config.reg)[:, None], (side.num_rows, config.dim))
    free = jnp.ones(config.dim)
    if config.biases:
        own, held = (0, 1) if by == "user" else (1, 0)
        columns = jnp.zeros((side.num_rows, NUM_BIAS_COORDINATES)).at[:, own].set(strength * config.bias_reg)
        ridge = jnp.concatenate([columns, ridge], axis=1)
        free = jnp.concatenate([jnp.ones(NUM_BIAS_COORDINATES).at[held].set(0.0), free])
    return _Role(row_weights, column_weights, ridge, free)


def regularization(counts: Array, background: Array, config: Config) -> Array:
    """Return (n + w0 background)^nu for every row, the factor of `reg`; 0^0 is 1, and 0 to any other power is 0."""
    base = counts + config.objective.unobserved_weight * background
    power = jnp.where(base > 0, base, 1.0) ** config.reg_exponent
    return jnp.where(base > 0, power, jnp.where(jnp.equal(config.reg_exponent, 0.0), 1.0, 0.0))


def _entry(block: Packed, counts: Array, column_counts: Array, config: Config, by: str) -> objectives.Entry:
    """Return a, q and c of the entries of one chunk, 0 on padding."""
    if by == "user":
        item_counts = column_counts[block.ids]
    else:
        item_counts = jnp.broadcast_to(counts[block.rows[block.owners]][:, None], block.ids.shape)
    entry = config.objective.entry(block.values - config.objective.offset, item_counts)
    return objectives.Entry(*(jnp.where(block.mask, number, 0.0) for number in entry))


def _basis(spread: Array, config: Config) -> Array:
    """Return an orthogonal basis in which the mean outer product of the other side's factors is diagonal.

    Bias coordinates are left alone. The basis is a constant of the derivative: rows do not depend on it.
    """
    first = NUM_BIAS_COORDINATES if config.biases else 0
    _, vectors = jnp.linalg.eigh(jax.lax.stop_gradient(spread[first:, first:]))
    return jnp.eye(spread.shape[0]).at[first:, first:].set(vectors)


class _Shared(NamedTuple):
    """What all chunks of a half-step read: explicit, so that chunks can be spread over devices.

    Attributes:
        columns, start: the other side's table and the rows' starting values, in the basis.
        gramian, spread: the background and the mean outer product of `columns`, in the basis.
        role, counts, column_counts: of the side that is solved.
        config: the model.
    """

    columns: Array
    start: Array
    gramian: Array
    spread: Array
    role: _Role
    counts: Array
    column_counts: Array
    config: Config


def _solve_chunk(by: str, shared: _Shared, block: Packed) -> Array:
    """Return the solved rows of one chunk, [slots, width], in the basis."""
    entry = _entry(block, shared.counts, shared.column_counts, shared.config, by)
    system = solvers.System(
        features=shared.columns[block.ids],
        owners=block.owners,
        quadratic=entry.quadratic,
        linear=entry.linear,
        gramian=shared.gramian,
        spread=jnp.diagonal(shared.spread),
        scale=shared.role.row_weights[block.rows],
        ridge=shared.role.ridge[block.rows],
        start=shared.start[block.rows],
        free=shared.role.free,
    )
    config = shared.config
    if config.solver == "conjugate_gradient":
        return solvers.conjugate_gradient(system, steps=config.cg_steps, tolerance=config.cg_tolerance)
    return solvers.cholesky(system)


def map_on_one_device(solve: Callable, shared: _Shared, block: Packed) -> Array:
    """Return `solve(shared, chunk)` of every chunk in turn, [chunks, slots, width]."""
    return jax.lax.map(partial(solve, shared), block)


def half_step(
    rows: Array,
    columns: Array,
    side: Side,
    config: Config,
    *,
    by: str,
    map_chunks: Callable[[Callable, _Shared, Packed], Array] = map_on_one_device,
) -> Array:
    """Return the rows of one side, solved against the other side's `columns`.

    Conjugate gradient starts from `rows` and works in the eigenbasis of the other side's mean outer product, where
    the part of A that all rows share is diagonal and two steps do the work of an exact solve; the answer is rotated
    back, so the solver leaves no trace in the factors. A row without a history becomes 0.

    Args:
        rows: float32 [num_rows, width], the start.
        columns: float32 [num_columns, width], held fixed.
        side: the histories of `rows`.
        config: the model.
        by: "user" or "item", whose rows these are.
        map_chunks: `map_on_one_device`, or a replacement that spreads the chunks over devices.
    """
    role = _role(side, config, by)
    total = jnp.sum(role.column_weights)
    spread = jnp.matmul(columns.T, role.column_weights[:, None] * columns, precision="highest") / total
    basis = _basis(spread, config) if config.solver == "conjugate_gradient" else jnp.eye(spread.shape[0])
    spread = jnp.matmul(basis.T, jnp.matmul(spread, basis, precision="highest"), precision="highest")
    shared = _Shared(
        columns=jnp.matmul(columns, basis, precision="highest"),
        start=jnp.matmul(rows, basis, precision="highest"),
        gramian=config.objective.unobserved_weight * total * spread,
        spread=spread,
        role=role,
        counts=side.counts,
        column_counts=side.column_counts,
        config=config,
    )
    solved = jnp.zeros_like(rows) + (1.0 - role.free)[None]
    for block in side.blocks:
        found = map_chunks(partial(_solve_chunk, by), shared, block).reshape(-1, rows.shape[1])
        # Padding slots point past the table, where the scatter drops them.
        target = jnp.where(block.row_mask, block.rows, side.num_rows).reshape(-1)
        solved = solved.at[target].set(jnp.matmul(found, basis.T, precision="highest"), mode="drop")
    return solved


def step(state: State, data: Histories, config: Config) -> tuple[State, Info]:
    """Solve all users, then all items. Deterministic; scans, vmaps over config, and differentiates.

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
    """
    users = half_step(state.users, state.items, data.users, config, by="user")
    items = half_step(state.items, users, data.items, config, by="item")
    nonfinite = sum(jnp.sum(~jnp.all(jnp.isfinite(table), axis=1)) for table in (users, items))
    change = jnp.sqrt(jnp.mean((items - state.items) ** 2))
    return State(users, items, state.step + 1), Info(jnp.asarray(nonfinite, jnp.int32), change)


def loss(state: State, data: Histories, config: Config) -> Array:
    """Return L(U, V) of `mfjax.objectives`, a scalar; every half-step of an exact solver lowers it or leaves it."""
    by_user, by_item = _role(data.users, config, "user"), _role(data.items, config, "item")

    def observed(block: Packed) -> Array:
        entry = _entry(block, data.users.counts, data.users.column_counts, config, "user")
        owner = state.users[block.rows[block.owners]]
        scores = jnp.einsum("swd,sd->sw", state.items[block.ids], owner, precision="highest")
        return jnp.sum(entry.quadratic * scores**2 - 2.0 * entry.linear * scores + entry.constant)

    fitted = sum(jnp.sum(jax.lax.map(observed, block)) for block in data.users.blocks)
    users_gramian = jnp.matmul(state.users.T, state.users, precision="highest")
    weighted = by_user.column_weights[:, None] * state.items
    items_gramian = jnp.matmul(state.items.T, weighted, precision="highest")
    background = config.objective.unobserved_weight * jnp.sum(users_gramian * items_gramian)
    penalty = jnp.sum(by_user.ridge * state.users**2) + jnp.sum(by_item.ridge * state.items**2)
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
    return half_step(start + (1.0 - _role(side, exact, "user").free)[None], items, side, exact, by="user")


def fit(
    key: Key,
    data: Histories,
    config: Config,
    *,
    num_steps: int = 16,
    state: State | None = None,
    on_step: Callable[[State, Info], None] | None = None,
) -> State:
    """Return the state after `num_steps` compiled steps from a random start, or from `state`.

    Args:
        key: draws the start; unused when there is a `state`.
        data: histories by user and by item.
        config: the model; another value of its numbers does not compile again.
        num_steps: steps to take, each solving all users and all items.
        state: where to go on from.
        on_step: called on the host after every step, for progress, logging and checkpoints.

    Raises:
        ValueError: for numbers out of range, or when rows came out NaN or infinite.
    """
    _check(config)
    if state is None:
        state = _compiled_init(key, config, num_users=data.users.num_rows, num_items=data.items.num_rows)
    info = None
    for _ in range(num_steps):
        state, info = _compiled_step(state, data, config)
        if on_step is not None:
            on_step(state, info)
    if info is not None and int(info.num_nonfinite):
        raise ValueError(
            f"reg: {config.reg} leaves {int(info.num_nonfinite)} rows without a finite solution; raise reg, "
            "or check the values for extremes"
        )
    return state


_compiled_init = jax.jit(init, static_argnames=("num_users", "num_items"))
_compiled_step = jax.jit(step)


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
    if config.cg_steps < 1:
        raise ValueError(f"cg_steps: {config.cg_steps} is below 1; pass 1 or more, or solver='cholesky'")
