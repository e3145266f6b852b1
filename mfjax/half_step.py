r"""Half a step of ALS: the rows of one side, solved against the other side's, for every objective.

.. math::
    A_u = w_0 \sum_i p_i v_i v_i^\top + \sum_{i \in H_u} a_{ui} v_i v_i^\top + \lambda_u I, \qquad
    b_u = \sum_{i \in H_u} q_{ui} v_i, \qquad u \leftarrow A_u^{-1} b_u

.. math:: \lambda_u = \lambda \, (n_u + w_0 \textstyle\sum_i p_i)^\nu

and the same for items, whose background is :math:`w_0 p_i \sum_u u u^\top`.

With `biases=True` a row of the tables carries two more coordinates, users (b_u, 1, u) and items (1, b_i, v), so that
<row, row> = b_u + b_i + <u, v>: a row's bias is solved jointly with its factors, and the ones stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mfjax import objectives, solvers
from mfjax.histories import Packed, Side, look_up
from mfjax.objectives import Objective
from mfjax.types import Array

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
        relaxation: omega in (0, 2), see `als.step`; 1 is plain alternating least squares.
        init_scale: the initial factors are N(0, init_scale^2 / dim).
        dim: the number of factors (static).
        biases: whether rows have biases (static).
        solver: "conjugate_gradient" or "cholesky" (static).
        cg_steps: steps of conjugate gradient a half-step (static).
        cg_tolerance: see `solvers.conjugate_gradient` (static).
        gathered_dtype: dtype in which chunks read the other side's factors: "float32", or "bfloat16", which moves half
            the bytes, is rounded to 8 bits, and pays where memory is what limits; solves are in float32 all the same
            (static).
    """

    objective: Objective = field(default_factory=objectives.ials)
    reg: float | Array = 0.003
    reg_exponent: float | Array = 1.0
    bias_reg: float | Array = 0.003
    relaxation: float | Array = 1.0
    init_scale: float | Array = 0.1
    dim: int = field(default=64, metadata={"static": True})
    biases: bool = field(default=False, metadata={"static": True})
    solver: str = field(default="conjugate_gradient", metadata={"static": True})
    cg_steps: int = field(default=2, metadata={"static": True})
    cg_tolerance: float | None = field(default=None, metadata={"static": True})
    gathered_dtype: str = field(default="float32", metadata={"static": True})


class Role(NamedTuple):
    """What distinguishes solving users from solving items.

    Attributes:
        row_weights, column_weights: float32 [num_rows], [num_columns], the background weight p of either side.
        strength: float32 [num_rows], the factor of lambda.
        reg: float32 [width], lambda of every coordinate.
        free: float32 [width], 0 for the coordinate that is held at 1.
    """

    row_weights: Array
    column_weights: Array
    strength: Array
    reg: Array
    free: Array


def role_of(side: Side, config: Config, by: str) -> Role:
    ones_rows, ones_columns = jnp.ones_like(side.counts), jnp.ones_like(side.column_counts)
    if by == "user":
        row_weights, column_weights = ones_rows, config.objective.item_weights(side.column_counts)
    else:
        row_weights, column_weights = config.objective.item_weights(side.counts), ones_columns
    strength = regularization(side.counts, row_weights * jnp.sum(column_weights), config)
    reg, free = jnp.broadcast_to(jnp.asarray(config.reg, float), config.dim), jnp.ones(config.dim)
    if config.biases:
        own, held = (0, 1) if by == "user" else (1, 0)
        reg = jnp.concatenate([jnp.zeros(NUM_BIAS_COORDINATES).at[own].set(config.bias_reg), reg])
        free = jnp.concatenate([jnp.ones(NUM_BIAS_COORDINATES).at[held].set(0.0), free])
    return Role(row_weights, column_weights, strength, reg, free)


def regularization(counts: Array, background: Array, config: Config) -> Array:
    """Return (n + w0 background)^nu for every row, the factor of `reg`; 0^0 is 1, and 0 to any other power is 0."""
    base = counts + config.objective.unobserved_weight * background
    power = jnp.where(base > 0, base, 1.0) ** config.reg_exponent
    return jnp.where(base > 0, power, jnp.where(jnp.equal(config.reg_exponent, 0.0), 1.0, 0.0))


def entry_of(block: Packed, counts: Array, column_counts: Array, config: Config, by: str) -> objectives.Entry:
    """Return a, q and c of the entries of one chunk, 0 on padding."""
    if by == "user":
        item_counts = column_counts[block.ids]
    else:
        item_counts = jnp.broadcast_to(counts[block.rows[block.owners]][:, None], block.entries.shape)
    values = jnp.broadcast_to(block.values, block.entries.shape)
    entry = config.objective.entry(values - config.objective.offset, item_counts)
    return objectives.Entry(*(jnp.where(block.mask, number, 0.0) for number in entry))


def _basis(products: Array, config: Config) -> Array:
    """Return an orthogonal basis in which the sum of the outer products of the other side's factors is diagonal.

    Bias coordinates are left alone. The basis is a constant of the derivative: rows do not depend on it.
    """
    first = NUM_BIAS_COORDINATES if config.biases else 0
    vectors, _ = jax.lax.linalg.eigh(jax.lax.stop_gradient(products[first:, first:]), symmetrize_input=False)
    return jax.scipy.linalg.block_diag(jnp.eye(first), vectors) if config.biases else vectors


def _gathered_dtype(columns: Array, config: Config) -> jnp.dtype:
    # "float32" is what the tables are, so that it stays without effect on tables of float64.
    return columns.dtype if config.gathered_dtype == "float32" else jnp.dtype(config.gathered_dtype)


class Shared(NamedTuple):
    """What all chunks of a half-step read: explicit, so that chunks can be spread over devices.

    Attributes:
        columns: the other side's table, in the basis, of `gathered_dtype`.
        basis: float32 [width, width], orthogonal; the identity where a solver needs none.
        gramian, gramian_diagonal: the background in the basis, and its diagonal.
        spread: float32 [width], the mean of the squares of `columns`.
        role, counts, column_counts: of the side that is solved.
        config: the model.
    """

    columns: Array
    basis: Array
    gramian: Array
    gramian_diagonal: Array
    spread: Array
    role: Role
    counts: Array
    column_counts: Array
    config: Config


class Chunk(NamedTuple):
    """What one chunk reads; with a leading axis, what all of them do.

    Attributes:
        histories: the packed histories.
        start: float32 [slots, width], the rows' starting values.
        scale, strength: float32 [slots], the rows' weight of the background and factor of lambda.
    """

    histories: Packed
    start: Array
    scale: Array
    strength: Array


def _chunks(side: Side, number: int, table: Array, role: Role) -> Chunk:
    """Return the chunks of a block with the numbers of their rows: looked up for all at once, for a lookup a chunk
    costs as much as a pass over its entries."""
    block = side.blocks[number]
    return Chunk(
        block, side.read(table, number), look_up(role.row_weights, block.rows), look_up(role.strength, block.rows)
    )


def _solve_chunk(by: str, shared: Shared, chunk: Chunk) -> Array:
    """Return the solved rows of one chunk, [slots, width], in the basis, where `chunk.start` is too."""
    block, config = chunk.histories, shared.config
    iterative = config.solver == "conjugate_gradient"
    entry = entry_of(block, shared.counts, shared.column_counts, config, by)
    system = solvers.System(
        features=block.features(shared.columns).astype(chunk.start.dtype),
        owners=block.owners,
        quadratic=entry.quadratic,
        linear=entry.linear,
        gramian=shared.gramian,
        # Cholesky's basis is the identity, and biases are no part of the eigenbasis: there the background is dense.
        gramian_diagonal=shared.gramian_diagonal if iterative and not config.biases else None,
        spread=shared.spread,
        scale=chunk.scale,
        ridge=chunk.strength[:, None] * shared.role.reg[None],
        start=chunk.start,
        free=shared.role.free,
    )
    if iterative:
        return solvers.conjugate_gradient(system, steps=config.cg_steps, tolerance=config.cg_tolerance)
    return solvers.cholesky(system)


def _solve(by: str, shared: Shared, chunks: Chunk) -> Array:
    """Return the solved rows of some chunks, one after the other, [chunks * slots, width].

    Rows are rotated here, so that devices which share the chunks share that too.
    """
    rotated = chunks._replace(start=jnp.matmul(chunks.start, shared.basis, precision="highest"))
    solved = jax.lax.map(partial(_solve_chunk, by, shared), rotated)
    return jnp.matmul(solved.reshape(-1, solved.shape[-1]), shared.basis.T, precision="highest")


MapChunks = Callable[[Callable, Shared, Chunk], Array]
"""(solve, shared, chunks) -> `solve(shared, chunks)`, [chunks * slots, width]; it may be called on any of them."""


def map_on_one_device(solve: Callable, shared: Shared, chunks: Chunk) -> Array:
    """Return `solve(shared, chunks)`."""
    return solve(shared, chunks)


def half_step(
    rows: Array,
    columns: Array,
    side: Side,
    config: Config,
    *,
    by: str,
    map_chunks: MapChunks = map_on_one_device,
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
    role = role_of(side, config, by)
    weights = side.for_columns(role.column_weights)
    products = jnp.matmul(columns.T, weights[:, None] * columns, precision="highest")
    basis = _basis(products, config) if config.solver == "conjugate_gradient" else jnp.eye(products.shape[0])
    half_rotated = jnp.matmul(products, basis, precision="highest")
    spread = jnp.sum(basis * half_rotated, axis=0)
    unobserved_weight = config.objective.unobserved_weight
    shared = Shared(
        columns=jnp.matmul(columns, basis, precision="highest").astype(_gathered_dtype(columns, config)),
        basis=basis,
        gramian=unobserved_weight * jnp.matmul(basis.T, half_rotated, precision="highest"),
        gramian_diagonal=unobserved_weight * spread,
        spread=spread / jnp.sum(role.column_weights),
        role=role,
        counts=side.counts,
        column_counts=side.column_counts,
        config=config,
    )
    solved = side.cleared(rows, 1.0 - role.free)
    for number in range(len(side.blocks)):
        found = map_chunks(partial(_solve, by), shared, _chunks(side, number, rows, role))
        solved = side.write(solved, number, found)
    return solved
