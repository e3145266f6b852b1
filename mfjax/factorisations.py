"""Factorisations of small dense matrices, each by a LAPACK call of its own.

A batched LAPACK call shares its matrices out over the CPU's thread pool and waits for them there. Two such calls at
once, of two threads or of two devices, can each hold the threads that the other waits for: the process then stands
still for good, without a message. So on a CPU one call factorises one matrix, under `jit` and `vmap` too, and takes no
thread but its own. Other platforms factorise batches as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mfjax.types import Array


def _one_at_a_time(factorise: Callable[[Array], Any]) -> Callable[[Array], Any]:
    """Return `factorise` for matrices [..., n, n], which it is given singly on a CPU."""

    def singly(matrices: Array) -> Any:
        flat = matrices.reshape(-1, *matrices.shape[-2:])
        found = jax.lax.map(factorise, flat)
        return jax.tree.map(lambda part: part.reshape(*matrices.shape[:-2], *part.shape[1:]), found)

    @jax.custom_batching.custom_vmap
    def every(matrices: Array) -> Any:
        if matrices.ndim == 2:
            return factorise(matrices)
        return jax.lax.platform_dependent(matrices, cpu=singly, default=factorise)

    @every.def_vmap
    def of_batch(axis_size: int, in_batched: list[bool], matrices: Array) -> Any:
        found = every(matrices)
        return found, jax.tree.map(lambda _: in_batched[0], found)

    return every


_cholesky = _one_at_a_time(lambda matrices: jax.lax.linalg.cholesky(matrices, symmetrize_input=False))
_eigenvectors = _one_at_a_time(lambda matrices: jax.lax.linalg.eigh(matrices, symmetrize_input=False)[0])
_orthonormal = _one_at_a_time(lambda matrices: jnp.linalg.qr(matrices)[0])


def cholesky(matrices: Array) -> Array:
    """Return the lower factors L, A = L L', [..., n, n]; NaN where A is not positive definite. Not differentiable.

    Example:
        >>> cholesky(jnp.array([[4.0, 0.0], [0.0, 9.0]])).tolist()
        [[2.0, 0.0], [0.0, 3.0]]
    """
    return _cholesky(jax.lax.stop_gradient(matrices))


def solve(factors: Array, right: Array) -> Array:
    """Return x of L L' x = b, [..., n], from the lower factors L [..., n, n] and b [..., n].

    Example:
        >>> solve(cholesky(jnp.array([[4.0, 0.0], [0.0, 9.0]])), jnp.array([4.0, 18.0])).tolist()
        [1.0, 2.0]
    """
    half = jax.lax.linalg.triangular_solve(factors, right[..., None], left_side=True, lower=True)
    return jax.lax.linalg.triangular_solve(factors, half, left_side=True, lower=True, transpose_a=True)[..., 0]


def eigenvectors(matrices: Array) -> Array:
    """Return orthonormal eigenvectors of symmetric matrices as columns, by ascending eigenvalue, [..., n, n].

    Not differentiable: single eigenvectors have no derivative where eigenvalues meet.

    Example:
        >>> abs(eigenvectors(jnp.array([[2.0, 0.0], [0.0, 1.0]]))).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    return _eigenvectors(jax.lax.stop_gradient(matrices))


@jax.custom_jvp
def orthonormal(columns: Array) -> Array:
    """Return an orthonormal basis of the columns, Q of the QR factorisation, [..., m, n], m >= n.

    Example:
        >>> abs(orthonormal(jnp.array([[0.0], [2.0]]))).tolist()
        [[0.0], [1.0]]
    """
    return _orthonormal(columns)


@orthonormal.defjvp
def _orthonormal_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Differentiate Q R = A and Q' Q = I: dQ = Q X + (I - Q Q') dA R^-1, X the skew part of Q' dA R^-1."""
    (columns,), (change,) = primals, tangents
    q = orthonormal(columns)
    transposed = jnp.swapaxes(q, -1, -2)
    r = jnp.matmul(transposed, columns, precision="highest")
    whole = jax.lax.linalg.triangular_solve(r, change, left_side=False, lower=False)  # dA R^-1
    within = jnp.matmul(transposed, whole, precision="highest")
    lower = jnp.tril(within, -1)
    turned = lower - jnp.swapaxes(lower, -1, -2)
    return q, whole + jnp.matmul(q, turned - within, precision="highest")
