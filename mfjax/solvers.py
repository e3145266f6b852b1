r"""Normal equations -> rows. Every solver answers the same question for the histories of one chunk.

.. math::
    A_o x_o = b_o, \qquad
    A_o = \sigma_o G + \sum_{e \in H_o} a_e v_e v_e^\top + \mathrm{diag}(\rho_o), \qquad
    b_o = \sum_{e \in H_o} q_e v_e
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mfjax.histories import look_up
from mfjax.types import Array


class System(NamedTuple):
    """The normal equations of one chunk, without the normal matrices.

    Attributes:
        features: float [segments, width, dim], the gathered rows v of the other side.
        owners: int32 [segments], the slot of each segment.
        quadratic: float [segments, width], a; 0 on padding.
        linear: float [segments, width], q; 0 on padding.
        gramian: float [dim, dim], G, the background.
        gramian_diagonal: float [dim], the diagonal of G where G is diagonal up to rounding, or None: given, steps of
            conjugate gradient read no more of G. Their derivative does, for a change of G need not be diagonal.
        spread: float [dim], the mean of v^2 over the other side, for the preconditioner.
        scale: float [slots], sigma, the weight of the background in a slot.
        ridge: float [slots, dim], rho, the regularisation.
        start: float [slots, dim], where an iterative solver starts; a coordinate that is not free stays at it.
        free: float [dim], 1 for a coordinate that is solved for, 0 for one that is kept.
    """

    features: Array
    owners: Array
    quadratic: Array
    linear: Array
    gramian: Array
    gramian_diagonal: Array | None
    spread: Array
    scale: Array
    ridge: Array
    start: Array
    free: Array


def _scores(system: System, x: Array) -> Array:
    """Return <v_e, x_owner(e)>, [segments, width]."""
    return jnp.einsum("swd,sd->sw", system.features, look_up(x, system.owners), precision="highest")


def _combine(system: System, weights: Array) -> Array:
    """Return sum_e weights_e v_e per slot, [slots, dim]."""
    by_segment = jnp.einsum("sw,swd->sd", weights, system.features, precision="highest")
    return jax.ops.segment_sum(by_segment, system.owners, system.start.shape[0])


def _shared(system: System, x: Array) -> Array:
    """Return the part of A x that needs no history: background and regularisation."""
    if system.gramian_diagonal is not None:
        return (system.scale[:, None] * system.gramian_diagonal[None] + system.ridge) * x
    background = jnp.matmul(x, system.gramian, precision="highest")
    return system.scale[:, None] * background + system.ridge * x


def residual(system: System, x: Array) -> Array:
    """Return b - A x on the free coordinates, [slots, dim]; the loss's gradient is -2 times this."""
    history = _combine(system, system.linear - system.quadratic * _scores(system, x))
    return system.free[None] * (history - _shared(system, x))


def _product(system: System, x: Array) -> Array:
    """Return A x on the free coordinates."""
    return system.free[None] * (_combine(system, system.quadratic * _scores(system, x)) + _shared(system, x))


def _curvature(system: System, p: Array) -> Array:
    """Return p' A p per slot: half the cost of A p, since no row has to be combined."""
    history = jnp.sum(system.quadratic * _scores(system, p) ** 2, axis=-1)
    return jax.ops.segment_sum(history, system.owners, p.shape[0]) + jnp.sum(p * _shared(system, p), axis=-1)


def cholesky(system: System) -> Array:
    """Solve by factorising every normal matrix: exact, O(entries dim^2 + slots dim^3).

    The derivative, forward or reverse, is that of the solution and not of the factorisation: one more solve with the
    same factor, O(entries dim + slots dim^2).

    A matrix that is not positive definite (no regularisation, and fewer entries than dim) gives NaN rows, which
    `als.Info` counts. On CPU, run one such solve at a time: several batched LAPACK calls at once can deadlock there.
    """
    # Slots without a history would be singular where nothing regularises them.
    used = jnp.abs(system.quadratic) + jnp.abs(system.linear)
    empty = (jax.ops.segment_sum(used.sum(-1), system.owners, system.start.shape[0]) == 0)[:, None]
    held = 1.0 - system.free[None]
    factor = jax.lax.linalg.cholesky(jax.lax.stop_gradient(_matrices(system, empty)), symmetrize_input=False)

    def product(x: Array) -> Array:
        return jnp.where(empty, x, _product(system, system.free[None] * x) + held * x)

    def solve(_, right: Array) -> Array:
        half = jax.lax.linalg.triangular_solve(factor, right[:, :, None], left_side=True, lower=True)
        whole = jax.lax.linalg.triangular_solve(factor, half, left_side=True, lower=True, transpose_a=True)
        return whole[:, :, 0]

    kept = system.start * held
    solved = jax.lax.custom_linear_solve(product, residual(system, kept), solve, symmetric=True)
    return kept + jnp.where(empty, 0.0, solved)


def _matrices(system: System, empty: Array) -> Array:
    """Return A of every slot, [slots, dim, dim], the identity on coordinates that are held and on empty slots."""
    slots, dim = system.start.shape
    weighted = system.quadratic[:, :, None] * system.features
    by_segment = jnp.einsum("swd,swe->sde", weighted, system.features, precision="highest")
    matrices = jax.ops.segment_sum(by_segment, system.owners, slots)
    matrices = matrices + system.scale[:, None, None] * system.gramian[None]
    identity = jnp.eye(dim, dtype=matrices.dtype)[None]
    matrices = matrices + system.ridge[:, :, None] * identity
    free = system.free[:, None] * system.free[None, :]
    matrices = matrices * free[None] + jnp.diag(1.0 - system.free)[None]
    return jnp.where(empty[:, :, None], identity, matrices)


def diagonal(system: System) -> Array:
    """Return the estimate of diag(A) that preconditions, without a pass over the entries, [slots, dim].

    sigma diag(G) + (sum_e a_e) spread + rho: the history's part is replaced by that of average rows.
    """
    weight = jax.ops.segment_sum(system.quadratic.sum(-1), system.owners, system.start.shape[0])
    background = jnp.einsum("ii->i", system.gramian) if system.gramian_diagonal is None else system.gramian_diagonal
    history = jnp.maximum(weight, 0.0)[:, None] * system.spread[None]
    return history + system.scale[:, None] * background[None] + system.ridge


def conjugate_gradient(system: System, *, steps: int = 2, tolerance: float | None = None) -> Array:
    """Solve by preconditioned conjugate gradient from `system.start`: O(entries dim) a step, no normal matrices.

    The preconditioner is `diagonal`; it is good where `gramian` is diagonal, that is, in the eigenbasis. The
    derivative, forward or reverse, is that of the solution and not of the steps, solved for by as many steps from 0.

    Args:
        system: the equations.
        steps: the number of steps, or the most if there is a tolerance.
        tolerance: None runs all steps. A number stops a slot once its residual is below that share of |b|, and the
            chunk once all its slots have stopped.
    """

    @jax.custom_jvp
    def solved(system: System) -> Array:
        start = system.start
        if tolerance is None:
            return _all_steps(system, start, residual(system, start), steps)
        goal = tolerance**2 * jnp.sum(_combine(system, system.linear) ** 2, axis=-1)
        return _until(system, start, residual(system, start), steps, goal)

    @solved.defjvp
    def derivative(primals: tuple[System], tangents: tuple[System]) -> tuple[Array, Array]:
        (system,) = primals
        x = solved(system)
        _, right = jax.jvp(lambda system: residual(system._replace(gramian_diagonal=None), x), primals, tangents)
        solution = jax.lax.custom_linear_solve(
            lambda x: _product(system, system.free[None] * x) + (1.0 - system.free)[None] * x,
            right,
            lambda _, right: _all_steps(system, jnp.zeros_like(right), right, steps),
            symmetric=True,
        )
        return x, solution

    return solved(system)


def _advance(
    system: System, inverse: Array, x: Array, r: Array, p: Array, rho: Array
) -> tuple[Array, Array, Array, Array]:
    """Take one step: x, residual, direction, and the residual's square in the norm of the preconditioner."""
    product = _product(system, p)
    # A slot that has converged has p = 0: it must stay where it is, not become 0 / 0.
    alpha = rho / jnp.maximum(jnp.sum(p * product, axis=-1), 1e-30)
    x, r = x + alpha[:, None] * p, r - alpha[:, None] * product
    z = inverse * r
    rho_next = jnp.sum(r * z, axis=-1)
    p = z + (rho_next / jnp.maximum(rho, 1e-30))[:, None] * p
    return x, r, p, rho_next


def _preconditioner(system: System) -> Array:
    return system.free[None] / jnp.maximum(diagonal(system), 1e-30)


def _all_steps(system: System, x: Array, r: Array, steps: int) -> Array:
    """Return x after `steps` steps; r is the residual at x."""
    inverse = _preconditioner(system)
    p = inverse * r
    carry = (x, r, p, jnp.sum(r * p, axis=-1))
    x, _, p, rho = jax.lax.fori_loop(0, steps - 1, lambda _, carry: _advance(system, inverse, *carry), carry)
    # The last step needs its length only, not the residual after it.
    return x + (rho / jnp.maximum(_curvature(system, p), 1e-30))[:, None] * p


def _until(system: System, x: Array, r: Array, steps: int, goal: Array) -> Array:
    """Return x after at most `steps` steps, a slot's last one that which took its |r|^2 to its goal."""
    inverse = _preconditioner(system)
    p = inverse * r
    carry = (x, r, p, jnp.sum(r * p, axis=-1))

    def unfinished(carry: tuple) -> Array:
        step, (_, r, _, _) = carry
        return (step < steps) & jnp.any(jnp.sum(r**2, axis=-1) > goal)

    def one(carry: tuple) -> tuple:
        step, (x, r, p, rho) = carry
        running = (jnp.sum(r**2, axis=-1) > goal)[:, None]
        x_next, r_next, p_next, rho_next = _advance(system, inverse, x, r, p, rho)
        kept = tuple(jnp.where(running, new, old) for new, old in ((x_next, x), (r_next, r), (p_next, p)))
        return step + 1, (*kept, jnp.where(running[:, 0], rho_next, rho))

    return jax.lax.while_loop(unfinished, one, (0, carry))[1][0]
