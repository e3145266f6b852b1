"""The compiled fit: steps from a random start, and the warning for rows that are far from solved."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from mfjax import checks, compilation
from mfjax.als import footprint
from mfjax.als.config import Config, check
from mfjax.als.half_steps import MapChunks, check_map, map_on_one_device
from mfjax.als.steps import Info, State, check_data, checked_state, init, step
from mfjax.als.storage import WHOLE_TABLES, Storage, check_storage
from mfjax.histories import Histories
from mfjax.types import Array, Key

LARGEST_RESIDUAL = 0.01
"""`fit` warns where a row ends further from solved than this, see `Info.residual`."""


def fit(
    key: Key,
    data: Histories,
    config: Config,
    *,
    num_steps: int = 16,
    state: State | None = None,
    on_step: Callable[[State, Info], None] | None = None,
    map_chunks: MapChunks = map_on_one_device,
    storage: Storage = WHOLE_TABLES,
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
        map_chunks, storage: as in `step`.

    Warns:
        UserWarning: when the last step left a row further from solved than `LARGEST_RESIDUAL`, see `Info.residual`.

    Raises:
        ValueError: for arguments of another kind, numbers out of range, a state that does not fit, a model that the
            device's memory can not hold, or when rows came out NaN or infinite; and within a program of the caller's
            for an `on_step`, or a start of tables that are shared out by rows.
    """
    checks.key("key", key)
    check(config)
    check_data(data)
    checks.whole("num_steps", num_steps, least=0)
    check_map(map_chunks)
    check_storage(storage)
    if on_step is not None:
        checks.function("on_step", on_step, "pass a function of a state and an info")
    if state is not None:
        state = checked_state(state, config, data, storage)
    sizes = {"num_users": data.users.num_rows, "num_items": data.items.num_rows}
    if compilation.is_traced(key, data, config, state, storage):
        if on_step is not None:
            raise ValueError("on_step: called on the host, which jit, vmap and grad do not come back to; pass None")
        start = storage.start(lambda: init(key, config, **sizes), data) if state is None else state
        for_all = partial(step, data=data, config=config, map_chunks=map_chunks, storage=storage, measured=False)
        return jax.lax.fori_loop(0, num_steps, lambda _, now: for_all(now)[0], start)
    needed = footprint.of(data, dim=config.dim, storage=storage, solver=config.solver)
    footprint.check(needed, footprint.limit())
    if state is None:
        now = storage.start(lambda: _compiled_init(key, config, **sizes), data)
    else:
        now = jax.tree.map(jnp.copy, state)
    info = None
    last_apart = compilation.platform(data, now) != compilation.CPU
    for size in [num_steps] if on_step is None else [1] * num_steps:
        now, info = _compiled_steps(
            now, data, config, size, map_chunks=map_chunks, storage=storage, last_apart=last_apart
        )
        if on_step is not None:
            on_step(now, info)
    if info is not None:
        _judge(info, config)
    return now


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
    state: State,
    data: Histories,
    config: Config,
    num_steps: int | Array,
    *,
    map_chunks: MapChunks,
    storage: Storage,
    last_apart: bool,
) -> tuple[State, Info]:
    """Return the state after some steps, and the info of the last, the only one whose residuals are measured.

    On a CPU it is one loop: the same bits whether steps are taken one by one, together, or within a sweep. Elsewhere
    the last step stands apart: a condition within every step would wait for the host, and have the gathered rows, which
    may or may not be read once more, written down.
    """
    take = partial(step, data=data, config=config, map_chunks=map_chunks, storage=storage)
    nothing = jnp.zeros((), state.items.dtype)
    start = state, Info(jnp.int32(0), nothing, nothing)
    if not last_apart:
        return jax.lax.fori_loop(
            0, num_steps, lambda number, carry: take(carry[0], measured=number == num_steps - 1), start
        )
    state = jax.lax.fori_loop(0, num_steps - 1, lambda _, state: take(state, measured=False)[0], state)
    return jax.lax.cond(num_steps > 0, lambda state: take(state, measured=True), lambda state: (state, start[1]), state)


_compiled_init = compilation.jit(init, static_argnames=("num_users", "num_items"))
# The state's memory is given to the result: tables are held once, not twice.
_compiled_steps = compilation.jit(
    _steps, frugal=True, static_argnames=("map_chunks", "last_apart"), donate_argnames="state"
)
