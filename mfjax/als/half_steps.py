r"""Half a step of ALS: the rows of one side, solved against the other side's, for every objective.

.. math::
    A_u = w_0 \sum_i p_i v_i v_i^\top + \sum_{i \in H_u} a_{ui} v_i v_i^\top + \lambda_u I, \qquad
    b_u = \sum_{i \in H_u} q_{ui} v_i, \qquad u \leftarrow A_u^{-1} b_u

and the same for items, whose background is :math:`w_0 p_i \sum_u u u^\top`; `mfjax.als.config` has lambda_u.

With `biases=True` a row of the tables carries two more coordinates, users (b_u, 1, u) and items (1, b_i, v), so that
<row, row> = b_u + b_i + <u, v>: a row's bias is solved jointly with its factors, and the ones stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint
from jax.sharding import Mesh

from mfjax import checks, factorisations
from mfjax.als import features, objectives, solvers
from mfjax.als.config import NUM_BIAS_COORDINATES, By, Config, Role, check, role_of, table_of
from mfjax.als.conjugate_gradient import conjugate_gradient
from mfjax.als.storage import WHOLE_TABLES, Storage, check_storage
from mfjax.histories import Packed, Side
from mfjax.histories.packed import look_up
from mfjax.types import Array


def entry_of(
    block: Packed,
    counts: Array,
    column_counts: Array,
    config: Config,
    by: By,
    dtype: jnp.dtype | type = jnp.float32,
) -> objectives.Entry:
    """Return a, q and c of the entries of one chunk in `dtype`, 0 on padding."""
    if by == "user":
        item_counts = column_counts[block.ids]  # [segments, width]
    else:
        item_counts = jnp.broadcast_to(counts[block.rows[block.owners]][:, None], block.entries.shape)

    def of_entries(numbers: Array) -> Array:
        return jnp.broadcast_to(numbers, block.entries.shape).astype(dtype)

    weights = None if block.weights is None else of_entries(block.weights)
    entry = config.objective.numbers(of_entries(block.values), item_counts.astype(dtype), weights)
    return objectives.Entry(*(jnp.where(block.mask, number, 0.0).astype(dtype) for number in entry))


def _basis(products: Array, config: Config) -> Array:
    """Return an orthogonal basis in which the sum of the outer products of the other side's factors is diagonal.

    Bias coordinates are left alone. The basis is a constant of the derivative: rows do not depend on it.
    """
    if config.solver == "cholesky":
        return jnp.eye(products.shape[0], dtype=products.dtype)
    first = NUM_BIAS_COORDINATES if config.biases else 0
    vectors = factorisations.eigenvectors(products[first:, first:])  # [dim, dim]
    return jax.scipy.linalg.block_diag(jnp.eye(first, dtype=products.dtype), vectors) if config.biases else vectors


def _gathered_dtype(columns: Array, config: Config) -> jnp.dtype:
    # "float32" is what the tables are, so that it stays without effect on tables of float64.
    return columns.dtype if config.gathered_dtype == "float32" else jnp.dtype(config.gathered_dtype)


class Shared(NamedTuple):
    """What all chunks of a half-step read: explicit, so that chunks can be spread over devices.

    Attributes:
        columns: the other side's table, in the basis, of `gathered_dtype`.
        basis: float32 [width, width], orthogonal; the identity where a solver needs none.
        gramian, gramian_diagonal: the background in the basis, and its diagonal.
        outer, spread: the mean outer product of `columns`, float [width, width], and its diagonal.
        background: float scalar, the background as a multiple of `outer`.
        measured: bool scalar, whether residuals are worked out.
        role, counts, column_counts: of the side that is solved.
        config: the model.
    """

    columns: Array
    basis: Array
    gramian: Array
    gramian_diagonal: Array
    outer: Array
    spread: Array
    background: Array
    measured: Array
    role: Role
    counts: Array
    column_counts: Array
    config: Config


class Chunk(NamedTuple):
    """What one chunk reads; with a leading axis, what all of them do.

    Attributes:
        histories: the packed histories.
        route: what the storage of tables needs to find the features, or None.
        start: float32 [slots, width], the rows' starting values.
        scale, strength: float32 [slots], the rows' weight of the background and factor of lambda.
        towards: float32 [slots, width], what the rows shrink towards; None for 0.
    """

    histories: Packed
    route: Any
    start: Array
    scale: Array
    strength: Array
    towards: Array | None


def _chunks(
    side: Side, number: int, table: Array, towards: Array | None, role: Role, by: By, storage: Storage
) -> Chunk:
    """Return the chunks of a block with the numbers of their rows: looked up for all at once, for a lookup a chunk
    costs as much as a pass over its entries."""
    block = side.blocks[number]
    return Chunk(
        histories=block,
        route=storage.routes(by, number),
        start=storage.read(table, side, number),  # [chunks, slots, width]
        scale=look_up(role.row_weights, block.rows),  # [chunks, slots]
        strength=look_up(role.strength, block.rows),
        towards=None if towards is None else storage.read(towards, side, number),
    )


def _by_rows(table: Array) -> Array:
    """Return a table that stays stored row by row, so that a gathered row is one stretch of memory.

    On a GPU the compiler would else store by columns what a single chunk reads: every number of a row elsewhere.
    """
    held = Layout(tuple(range(table.ndim)))
    return jax.lax.platform_dependent(
        table, cpu=lambda table: table, default=lambda table: with_layout_constraint(table, held)
    )


Gather = Callable[[Array, Array, Any], Array]
"""(columns, ids, route) -> the features of one chunk, see `Storage.features`."""


def _solve_chunk(by: By, gather: Gather, shared: Shared, chunk: Chunk) -> tuple[Array, Array]:
    """Return the solved rows of one chunk, [slots, width], in the basis, where `chunk.start` is too, and how far from
    solved they are, [slots]."""
    block, config, dtype = chunk.histories, shared.config, chunk.start.dtype
    columns, start = _by_rows(shared.columns), _by_rows(chunk.start)
    iterative = config.solver == "conjugate_gradient"
    entry = entry_of(block, shared.counts, shared.column_counts, config, by, dtype)
    is_bias = jnp.arange(config.width) < config.width - config.dim
    system = solvers.System(
        features=gather(columns, block.ids, chunk.route).astype(dtype),  # [segments, width, dim]
        owners=block.owners,
        quadratic=entry.quadratic,
        linear=entry.linear,
        gramian=shared.gramian,
        # Cholesky's basis is the identity, and biases are no part of the eigenbasis: there the background is dense.
        gramian_diagonal=shared.gramian_diagonal if iterative and not config.biases else None,
        spread=shared.spread,
        outer=shared.outer,
        background=shared.background,
        rotated=(~is_bias).astype(dtype),
        scale=chunk.scale,
        ridge=chunk.strength[:, None] * shared.role.reg[None],  # [slots, width]
        start=start,
        free=shared.role.free,
        towards=chunk.towards,
    )
    measured = shared.measured
    if iterative:
        solved, left = conjugate_gradient(
            system, measured, steps=config.cg_steps, tolerance=config.cg_tolerance, derivative=config.derivative
        )
    else:
        solved = left = solvers.cholesky(system)
    # A diagnostic: no part of any derivative.
    fixed, at, left = jax.lax.stop_gradient((system, solved, left))

    def relative() -> Array:
        return solvers.relative(fixed, left if iterative else solvers.residual(fixed, at), all_free=not config.biases)

    far = jax.lax.cond(measured, relative, lambda: jnp.full(at.shape[:1], jnp.nan, at.dtype))
    return solved, jnp.where(block.row_mask, far, 0.0)


def _solve(by: By, gather: Gather, shared: Shared, chunks: Chunk) -> tuple[Array, Array]:
    """Return the solved rows of some chunks, one after the other, [chunks * slots, width], and their residuals.

    Rows are rotated here, so that devices which share the chunks share that too.
    """

    def rotate(rows: Array) -> Array:
        return jnp.matmul(rows, shared.basis, precision="highest")  # [chunks, slots, width]

    rotated = chunks._replace(start=rotate(chunks.start))
    if chunks.towards is not None:
        rotated = rotated._replace(towards=rotate(chunks.towards))
    # Reverse mode solves a chunk again on its way back, which is quicker than to keep all that its steps went through.
    solve = jax.checkpoint(partial(_solve_chunk, by, gather, shared), prevent_cse=False)
    solved, left = jax.lax.map(solve, rotated)  # [chunks, slots, width], [chunks, slots]
    return jnp.matmul(solved.reshape(-1, solved.shape[-1]), shared.basis.T, precision="highest"), left.reshape(-1)


MapChunks = Callable[[Callable, Shared, Chunk], tuple[Array, Array]]
"""(solve, shared, chunks) -> `solve(shared, chunks)`, [chunks * slots, width] and [chunks * slots]; it may be called on
any of them."""


def check_map(map_chunks: MapChunks) -> None:
    """Raise ValueError for what is no `map_chunks`."""
    remedy = "pass devices.MapOverDevices(mesh), or leave it out on one device"
    checks.function("map_chunks", map_chunks, remedy)
    if isinstance(map_chunks, Mesh):  # which can be called, as a decorator
        raise ValueError(f"map_chunks: a Mesh is not what is needed; {remedy}")


IN_STORAGE = ", with the storage of by_rows.place where they are stored by rows"
"""The end of a remedy for tables of a wrong number of rows."""


def map_on_one_device(solve: Callable, shared: Shared, chunks: Chunk) -> tuple[Array, Array]:
    """Solve all chunks on one device: return `solve(shared, chunks)`."""
    return solve(shared, chunks)


def half_step(
    rows: Array,
    columns: Array,
    side: Side,
    config: Config,
    *,
    by: By,
    map_chunks: MapChunks = map_on_one_device,
    storage: Storage = WHOLE_TABLES,
) -> Array:
    """Return the rows of one side, solved against the other side's `columns`.

    Conjugate gradient starts from `rows` and works in the eigenbasis of the other side's mean outer product, where
    the part of A that all rows share is diagonal and two steps come close to an exact solve; the answer is rotated
    back, so the solver leaves no trace in the factors. A row without a history becomes 0, or W' f where `side` has
    features, with the W of `rows`; what `columns` without a history are then counts (`als.step` has them 0).

    Args:
        rows: float [num_rows, width], the start.
        columns: float [num_columns, width], held fixed.
        side: the histories of `rows`.
        config: the model.
        by: "user" or "item", whose rows these are.
        map_chunks: `map_on_one_device`, or a replacement that spreads the chunks over devices.
        storage: where the rows of both tables are: `WHOLE_TABLES`, or what `by_rows.place` gives.

    Raises:
        ValueError: for tables that do not fit the histories, the storage or the config, another name of a side,
            numbers out of range.
    """
    check(config)
    checks.choice("by", by, ("user", "item"))
    checks.kind("side", side, Side, "pass a side of histories.build(interactions), or histories.side(interactions)")
    check_map(map_chunks)
    check_storage(storage)
    remedy = f"pass tables that were made for these histories and this config{IN_STORAGE}"
    rows = table_of("rows", rows, (storage.num_places(side, by), config.width), remedy)
    num_columns = storage.for_columns(side.column_counts, by).shape[0]
    columns = table_of("columns", columns, (num_columns, config.width), remedy)
    if columns.dtype != rows.dtype:
        raise ValueError(f"columns: has the dtype {columns.dtype}, and rows {rows.dtype}; {remedy}")
    features.check_stored(storage, side)
    towards = features.towards(rows, side, config, by)
    options: dict[str, Any] = {"by": by, "map_chunks": map_chunks, "storage": storage, "towards": towards}
    return solve_side(rows, columns, side, config, **options, measured=jnp.asarray(False))[0]


def solve_side(
    rows: Array,
    columns: Array,
    side: Side,
    config: Config,
    *,
    by: By,
    map_chunks: MapChunks,
    storage: Storage,
    measured: Array,
    towards: Array | None = None,
) -> tuple[Array, Array]:
    """Return what `half_step` does, and the largest relative residual of a row, NaN unless it is `measured`.

    `towards` is what the rows shrink towards, [num_rows, width], or None for 0.

    Its arguments are those that `half_step` and `als.step` have checked.
    """
    role = role_of(side, config, by, rows.dtype)
    weights = storage.for_columns(role.column_weights, by)  # [stored columns]
    products = jnp.matmul(columns.T, weights[:, None] * columns, precision="highest")  # [width, width]
    basis = _basis(products, config)
    half_rotated = jnp.matmul(products, basis, precision="highest")  # [width, width]
    spread, outer = jnp.sum(basis * half_rotated, axis=0), jnp.matmul(basis.T, half_rotated, precision="highest")
    unobserved_weight = jnp.asarray(config.objective.unobserved_weight, rows.dtype)
    num_columns = jnp.sum(role.column_weights)
    shared = Shared(
        columns=jnp.matmul(columns, basis, precision="highest").astype(_gathered_dtype(columns, config)),
        basis=basis,
        gramian=unobserved_weight * outer,
        gramian_diagonal=unobserved_weight * spread,
        outer=outer / num_columns,
        spread=spread / num_columns,
        background=unobserved_weight * num_columns,
        measured=measured,
        role=role,
        counts=side.counts,
        column_counts=side.column_counts,
        config=config,
    )
    solve = partial(_solve, by, storage.features)
    solved, worst = storage.clear(rows, side, 1.0 - role.free, by), jnp.zeros((), rows.dtype)
    solved = solved if towards is None else solved + towards
    for number in range(len(side.blocks)):
        found, left = map_chunks(solve, shared, _chunks(side, number, rows, towards, role, by, storage))
        solved, worst = storage.write(solved, side, number, found), jnp.maximum(worst, jnp.max(left))
    return solved, worst
