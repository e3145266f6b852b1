r"""Normal equations solved by conjugate gradient, preconditioned in the eigenbasis, and the derivative of its steps.

The preconditioner is the diagonal of

.. math:: B_o = \sigma_o G + \big(\textstyle\sum_{e \in H_o} a_e\big)_+ \, \overline{v v^\top} + \mathrm{diag}(\rho_o)

which is A with the history's part replaced by that of average rows. In the eigenbasis B is diagonal; when its numbers
change, the basis turns, and the derivative accounts for that by the change of B as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.als.config import DERIVATIVES, Derivative
from mfjax.als.solvers import System, combine, empty, product, residual, right_side, scores, shared
from mfjax.types import Array

ROUNDING = 8.0
"""A residual below this many units of rounding of A x is rounding alone: the slot has converged."""


def conjugate_gradient(
    system: System,
    measured: bool | Array = False,
    *,
    steps: int = 2,
    tolerance: float | None = None,
    derivative: Derivative = "steps",
) -> tuple[Array, Array]:
    """Solve by preconditioned conjugate gradient from `system.start`: O(entries dim) a step, no normal matrices.

    Returns the solution and its residual b - A x on the free coordinates as the steps' recursion has it, both
    [slots, dim]; the residual is no part of any derivative.

    Args:
        system: the equations.
        measured: whether the residual after the last step is worked out, by half a pass over the entries; else it is
            NaN, unless there is a tolerance.
        steps: the number of steps, or the most if there is a tolerance.
        tolerance: None runs all steps. A number stops a slot once its residual is below that share of |b|, and the
            chunk once all its slots have stopped.
        derivative: "steps" differentiates the steps that were taken; a slot that started at its solution, up to
            rounding, has the derivative of the solution. "solution" differentiates every slot as if it had converged,
            by as many steps from 0.

    Raises:
        ValueError: for another name of a derivative.
    """
    checks.choice("derivative", derivative, DERIVATIVES)

    @jax.custom_jvp
    def solved(system: System, measured: Array) -> tuple[Array, Array]:
        x, r = system.start, residual(system, system.start)
        if tolerance is None:
            return _all_steps(system, x, r, steps, measured)
        return _until(system, x, r, steps, tolerance)

    @solved.defjvp
    def derivative_of(primals: tuple[System, Array], tangents: tuple[System, Array]) -> tuple:
        (system, measured), (change, _) = primals, tangents
        if derivative == "steps":
            x, moved = jax.jvp(lambda system: _followed(system, steps, tolerance), (system,), (change,))
            r = jax.lax.cond(measured, lambda: residual(system, x), lambda: _unknown(x))
        else:
            x, r = solved(*primals)
            _, right = jax.jvp(lambda system: residual(system._replace(gramian_diagonal=None), x), (system,), (change,))
            moved = _solution(system, right, steps)
        return (x, r), (moved, jnp.zeros_like(r))

    return solved(system, jnp.asarray(measured))


def _unknown(x: Array) -> Array:
    return jnp.full_like(x, jnp.nan)


def diagonal(system: System) -> Array:
    """Return the diagonal of B, without a pass over the entries, [slots, dim]."""
    background = jnp.einsum("ii->i", system.gramian) if system.gramian_diagonal is None else system.gramian_diagonal
    return _weight(system)[:, None] * system.spread[None] + system.scale[:, None] * background[None] + system.ridge


def _weight(system: System) -> Array:
    """Return the sum of a over the history of every slot, 0 where it is negative."""
    weight = jax.ops.segment_sum(system.quadratic.sum(-1), system.owners, system.start.shape[0])
    return jnp.maximum(weight, 0.0)


def _preconditioner(system: System) -> Array:
    return system.free[None] / jnp.maximum(diagonal(system), 1e-30)


def _advance(
    system: System, inverse: Array, x: Array, r: Array, p: Array, rho: Array
) -> tuple[Array, Array, Array, Array]:
    """Take one step: x, residual, direction, and the residual's square in the norm of the preconditioner."""
    applied = product(system, p)
    # A slot that has converged has p = 0: it must stay where it is, not become 0 / 0.
    alpha = rho / jnp.maximum(jnp.sum(p * applied, axis=-1), 1e-30)
    x, r = x + alpha[:, None] * p, r - alpha[:, None] * applied
    z = inverse * r
    rho_next = jnp.sum(r * z, axis=-1)
    p = z + (rho_next / jnp.maximum(rho, 1e-30))[:, None] * p
    return x, r, p, rho_next


def _all_steps(system: System, x: Array, r: Array, steps: int, measured: bool | Array = False) -> tuple[Array, Array]:
    """Return x after `steps` steps, and its residual where it is `measured`; r is the residual at x."""
    inverse = _preconditioner(system)
    p = inverse * r
    carry = (x, r, p, jnp.sum(r * p, axis=-1))
    x, r, p, rho = jax.lax.fori_loop(0, steps - 1, lambda _, carry: _advance(system, inverse, *carry), carry)
    # The last step needs its length only, and the residual after it only where that is asked for.
    found = scores(system, p)
    alpha = (rho / jnp.maximum(_curvature(system, p, found), 1e-30))[:, None]

    def after() -> Array:
        return r - alpha * system.free[None] * (combine(system, system.quadratic * found) + shared(system, p))

    return x + alpha * p, jax.lax.cond(measured, after, lambda: _unknown(x))


def _curvature(system: System, p: Array, found: Array) -> Array:
    """Return p' A p per slot given the scores of p: half the cost of A p, since no row has to be combined."""
    history = jnp.sum(system.quadratic * found**2, axis=-1)
    return jax.ops.segment_sum(history, system.owners, p.shape[0]) + jnp.sum(p * shared(system, p), axis=-1)


def _until(system: System, x: Array, r: Array, steps: int, tolerance: float) -> tuple[Array, Array]:
    """Return x after at most `steps` steps, a slot's last one that which took its |r|^2 to its goal, and r there."""
    inverse, goal = _preconditioner(system), _goal(system, tolerance)
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

    return jax.lax.while_loop(unfinished, one, (jnp.int32(0), carry))[1][:2]


def _goal(system: System, tolerance: float) -> Array:
    return tolerance**2 * jnp.sum(right_side(system) ** 2, axis=-1)


def _followed(system: System, steps: int, tolerance: float | None) -> Array:
    """Return what the steps find, in operations that have a derivative wherever the steps have one.

    A slot stops where `_until` would stop it, or where its residual is rounding alone: the quotients of further steps
    are noise, and so would their derivatives be. Where the start was the solution already no step says how the
    solution moves, so that the equations have to.
    """
    precondition, size = _preconditioned(system), jax.lax.stop_gradient(diagonal(system))
    dense = system._replace(gramian_diagonal=None)
    goal = None if tolerance is None else jax.lax.stop_gradient(_goal(system, tolerance))
    least = (ROUNDING * jnp.finfo(system.start.dtype).eps) ** 2

    x, r = system.start, residual(dense, system.start)
    p = precondition(r)
    rho = jnp.sum(r * p, axis=-1)
    first = jax.lax.stop_gradient(rho)

    def energy(x: Array) -> Array:
        return jnp.sum(size * x**2, axis=-1)

    def is_running(x: Array, r: Array, rho: Array) -> Array:
        running = rho > least * jnp.maximum(energy(x), first)
        return running if goal is None else running & (jnp.sum(r**2, axis=-1) > goal)

    def one(carry: tuple, _: None) -> tuple[tuple, None]:
        x, r, p, rho = carry
        running = is_running(x, r, rho)
        applied = product(dense, p)
        alpha = _quotient(running, rho, jnp.sum(p * applied, axis=-1))
        x, r = x + alpha[:, None] * p, r - alpha[:, None] * applied
        z = precondition(r)
        rho_next = jnp.sum(r * z, axis=-1)
        further = z + _quotient(running, rho_next, rho)[:, None] * p
        return (x, r, jnp.where(running[:, None], further, p), jnp.where(running, rho_next, rho)), None

    solved = (rho <= least * energy(x)) & ~empty(system)
    moved = _moved(dense, r, solved, steps)
    (x, r, p, rho), _ = jax.lax.scan(one, (x, r, p, rho), length=steps - 1)
    return x + _quotient(is_running(x, r, rho), rho, _curvature(dense, p, scores(dense, p)))[:, None] * p + moved


@jax.custom_jvp
def _quotient(real: Array, above: Array, below: Array) -> Array:
    """Return above / below where it is real and below > 0, else 0."""
    real = real & (below > 0)
    return jnp.where(real, above / jnp.where(real, below, 1.0), 0.0)


@_quotient.defjvp
def _quotient_derivative(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """Without the square of the divisor, which underflows long before the divisor does."""
    real, _, below = primals
    _, change_above, change_below = tangents
    found = _quotient(*primals)
    return found, _quotient(real, change_above - found * change_below, below)


def _preconditioned(system: System) -> Callable[[Array], Array]:
    """Return r -> diag(B)^-1 r, which changes as B^-1 r does: B is diagonal, but a change of it need not be."""
    inverse = jax.lax.stop_gradient(_preconditioner(system))
    weight = (_weight(system) + system.background * system.scale)[:, None]
    outer = system.outer * (jnp.diag(1.0 - system.rotated) + jnp.outer(system.rotated, system.rotated))

    def apply(z: Array) -> Array:
        return system.free[None] * (weight * jnp.matmul(z, outer, precision="highest") + system.ridge * z)

    def precondition(r: Array) -> Array:
        return jax.lax.custom_linear_solve(apply, r, lambda _, right: inverse * right, symmetric=True)

    return precondition


def _moved(system: System, r: Array, solved: Array, steps: int) -> Array:
    """Return zeros whose derivative is A^-1 times that of the residual r, in the slots that are solved."""
    fixed = jax.lax.stop_gradient(system)

    def solve(_: Callable, right: Array) -> Array:
        # The condition stands within, for what a condition hands to its derivative it copies.
        right = jnp.where(solved[:, None], right, 0.0)
        nothing = jnp.zeros_like(right)
        return jax.lax.cond(jnp.any(solved), lambda: _all_steps(fixed, nothing, right, steps)[0], lambda: nothing)

    return jax.lax.custom_linear_solve(partial(_apply, fixed), r - jax.lax.stop_gradient(r), solve, symmetric=True)


def _apply(system: System, x: Array) -> Array:
    """Return A x on the free coordinates, and x on those that are held."""
    return product(system, system.free[None] * x) + (1.0 - system.free)[None] * x


def _solution(system: System, right: Array, steps: int) -> Array:
    """Return A^-1 right by `steps` steps from 0, linear in `right` for the purpose of derivatives."""
    return jax.lax.custom_linear_solve(
        partial(_apply, system),
        right,
        lambda _, right: _all_steps(system, jnp.zeros_like(right), right, steps)[0],
        symmetric=True,
    )
