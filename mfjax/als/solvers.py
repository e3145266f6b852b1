r"""The normal equations of one chunk, and their exact solution.

.. math::
    A_o x_o = b_o, \qquad
    A_o = \sigma_o G + \sum_{e \in H_o} a_e v_e v_e^\top + \mathrm{diag}(\rho_o), \qquad
    b_o = \sum_{e \in H_o} q_e v_e + \mathrm{diag}(\rho_o) \, t_o

The rows x_o of all slots o are solved for at once; `mfjax.als.conjugate_gradient` does so without the matrices.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mfjax import factorisations
from mfjax.histories.packed import look_up
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
        outer: float [dim, dim], the mean of v v' over the other side, whose diagonal `spread` is.
        background: float scalar, G as a multiple of `outer`. Only the preconditioner's derivative reads these two.
        rotated: float [dim], 1 for a coordinate of the eigenbasis, where `outer` and G are diagonal up to rounding.
        scale: float [slots], sigma, the weight of the background in a slot.
        ridge: float [slots, dim], rho, the regularisation.
        start: float [slots, dim], where an iterative solver starts; a coordinate that is not free stays at it.
        free: float [dim], 1 for a coordinate that is solved for, 0 for one that is kept.
        towards: float [slots, dim], t, what the regularisation draws a slot to; None for 0.
    """

    features: Array
    owners: Array
    quadratic: Array
    linear: Array
    gramian: Array
    gramian_diagonal: Array | None
    spread: Array
    outer: Array
    background: Array
    rotated: Array
    scale: Array
    ridge: Array
    start: Array
    free: Array
    towards: Array | None = None


def scores(system: System, x: Array) -> Array:
    """Return <v_e, x_owner(e)>, [segments, width]."""
    return jnp.einsum("swd,sd->sw", system.features, look_up(x, system.owners), precision="highest")


def combine(system: System, weights: Array) -> Array:
    """Return sum_e weights_e v_e per slot, [slots, dim]."""
    by_segment = jnp.einsum("sw,swd->sd", weights, system.features, precision="highest")
    return jax.ops.segment_sum(by_segment, system.owners, system.start.shape[0])


def shared(system: System, x: Array) -> Array:
    """Return the part of A x that needs no history: background and regularisation."""
    if system.gramian_diagonal is not None:
        return (system.scale[:, None] * system.gramian_diagonal[None] + system.ridge) * x
    background = jnp.matmul(x, system.gramian, precision="highest")
    return system.scale[:, None] * background + system.ridge * x


def residual(system: System, x: Array) -> Array:
    """Return b - A x on the free coordinates, [slots, dim]; the loss's gradient is -2 times this."""
    history = combine(system, system.linear - system.quadratic * scores(system, x))
    if system.towards is not None:
        history = history + system.ridge * system.towards
    return system.free[None] * (history - shared(system, x))


def right_side(system: System) -> Array:
    """Return b where no coordinate is held, [slots, dim]."""
    history = combine(system, system.linear)
    return history if system.towards is None else history + system.ridge * system.towards


def product(system: System, x: Array) -> Array:
    """Return A x on the free coordinates."""
    return system.free[None] * (combine(system, system.quadratic * scores(system, x)) + shared(system, x))


def relative(system: System, left: Array, *, all_free: bool) -> Array:
    r"""Return how far from solved each slot is, [slots]; 0 where there is nothing to solve.

    .. math:: \|b_o - A_o x_o\| \, / \, \|b_o\|

    over the free coordinates, those that are held counting for b.

    Args:
        system: the equations.
        left: b - A x, as `residual` returns it.
        all_free: whether no coordinate is held, so that b needs no scores, for half the work.
    """
    right = right_side(system) if all_free else residual(system, system.start * (1.0 - system.free[None]))
    above, below = jnp.sum(left**2, axis=-1), jnp.sum(right**2, axis=-1)
    return jnp.sqrt(above / jnp.where(below > 0, below, 1.0)) * (below > 0)


def empty(system: System) -> Array:
    """Return which slots have no history, nor are drawn to anything, bool [slots]."""
    used = jnp.abs(system.quadratic) + jnp.abs(system.linear)
    nothing = jax.ops.segment_sum(used.sum(-1), system.owners, system.start.shape[0]) == 0
    if system.towards is None:
        return nothing
    return nothing & ~jnp.all((system.ridge > 0) | (system.free == 0)[None], axis=-1)


def cholesky(system: System) -> Array:
    """Solve by factorising every normal matrix: exact, O(entries dim^2 + slots dim^3).

    The derivative, forward or reverse, is that of the solution and not of the factorisation: one more solve with the
    same factor, O(entries dim + slots dim^2).

    A matrix that is not positive definite (no regularisation, and fewer entries than dim) gives NaN rows, which
    `als.Info` counts.
    """
    # Slots without a history would be singular where nothing regularises them.
    idle = empty(system)[:, None]
    held = 1.0 - system.free[None]
    factor = factorisations.cholesky(_matrices(system, idle))

    def apply(x: Array) -> Array:
        return jnp.where(idle, x, product(system, system.free[None] * x) + held * x)

    kept = system.start * held
    solved = jax.lax.custom_linear_solve(
        apply, residual(system, kept), lambda _, right: factorisations.solve(factor, right), symmetric=True
    )
    return kept + jnp.where(idle, 0.0, solved)


def _matrices(system: System, idle: Array) -> Array:
    """Return A of every slot, [slots, dim, dim], the identity on coordinates that are held and on idle slots."""
    slots, dim = system.start.shape
    weighted = system.quadratic[:, :, None] * system.features
    by_segment = jnp.einsum("swd,swe->sde", weighted, system.features, precision="highest")
    matrices = jax.ops.segment_sum(by_segment, system.owners, slots)
    matrices = matrices + system.scale[:, None, None] * system.gramian[None]
    identity = jnp.eye(dim, dtype=matrices.dtype)[None]
    matrices = matrices + system.ridge[:, :, None] * identity
    free = system.free[:, None] * system.free[None, :]
    matrices = matrices * free[None] + jnp.diag(1.0 - system.free)[None]
    return jnp.where(idle[:, :, None], identity, matrices)
