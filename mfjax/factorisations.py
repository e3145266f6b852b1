"""Factorisations of small dense matrices, each by a LAPACK call of its own.

A batched LAPACK call shares its matrices out over the CPU's thread pool and waits for them there. Two such calls at
once, of two threads or of two devices, can each hold the threads that the other waits for: the process then stands
still for good, without a message. So on a CPU one call serves one matrix, under `jit` and `vmap` too, and takes no
thread but its own. Other platforms take batches as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mfjax.types import Array

MOST_IN_TWOS = 128
"""Up to this size cuSOLVER's routine for several matrices takes half as long for two as that for one takes for one."""


def _one_at_a_time(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` of matrices [..., n, m], one or several, which it is given singly on a CPU.

    The function returns one array or a tuple of arrays.
    """

    def singly(*matrices: Array) -> Any:
        flat = tuple(matrix.reshape(-1, *matrix.shape[-2:]) for matrix in matrices)
        found = jax.lax.map(lambda each: function(*each), flat)
        return jax.tree.map(lambda part: part.reshape(*matrices[0].shape[:-2], *part.shape[1:]), found)

    @jax.custom_batching.custom_vmap
    def every(*matrices: Array) -> Any:
        if matrices[0].ndim == 2:
            return function(*matrices)
        return jax.lax.platform_dependent(*matrices, cpu=singly, default=function)

    @every.def_vmap
    def of_batch(axis_size: int, in_batched: list[bool], *matrices: Array) -> tuple[Any, Any]:
        whole = (
            matrix if is_batched else jnp.broadcast_to(matrix, (axis_size, *matrix.shape))
            for matrix, is_batched in zip(matrices, in_batched, strict=True)
        )
        found = every(*whole)
        return found, jax.tree.map(lambda _: True, found)

    return every


def _differentiable(function: Callable[[Array], Any]) -> Callable[[Array], Any]:
    """Return `_one_at_a_time(function)` of one matrix, with the derivative of `function`.

    Derivatives under vmap are batches, on a CPU too: take them one at a time there.
    """
    call = jax.custom_jvp(_one_at_a_time(function))
    call.defjvp(lambda primals, tangents: jax.jvp(function, primals, tangents))
    return call


def _substituted(factors: Array, right: Array) -> Array:
    half = jax.lax.linalg.triangular_solve(factors, right, left_side=True, lower=True)
    return jax.lax.linalg.triangular_solve(factors, half, left_side=True, lower=True, transpose_a=True)


def _of_symmetric(matrices: Array) -> Array:
    def eigenvectors(matrices: Array) -> Array:
        return jax.lax.linalg.eigh(matrices, symmetrize_input=False)[0]

    def of_two(matrix: Array) -> Array:
        return eigenvectors(jnp.stack([matrix, matrix]))[0]

    if matrices.ndim > 2 or matrices.shape[-1] > MOST_IN_TWOS:
        return eigenvectors(matrices)
    return jax.lax.platform_dependent(matrices, cuda=of_two, default=eigenvectors)


def _inverted(matrices: Array) -> Array:
    identity = jnp.broadcast_to(jnp.eye(matrices.shape[-1], dtype=matrices.dtype), matrices.shape)
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(matrices), identity)


_cholesky = _one_at_a_time(lambda matrices: jax.lax.linalg.cholesky(matrices, symmetrize_input=False))
_solve = _one_at_a_time(_substituted)
_eigenvectors = _one_at_a_time(_of_symmetric)
_inverse = _one_at_a_time(_inverted)
_orthonormal = _differentiable(lambda matrices: jnp.linalg.qr(matrices)[0])
_svd = _differentiable(lambda matrices: tuple(jnp.linalg.svd(matrices, full_matrices=False)))


def cholesky(matrices: Array) -> Array:
    """Return the lower factors L, A = L L', [..., n, n]; NaN where A is not positive definite. Not differentiable.

    Example:
        >>> cholesky(jnp.array([[4.0, 0.0], [0.0, 9.0]])).tolist()
        [[2.0, 0.0], [0.0, 3.0]]
    """
    return _cholesky(jax.lax.stop_gradient(matrices))


def solve(factors: Array, right: Array) -> Array:
    """Return x of L L' x = b, [..., n], from the lower factors L [..., n, n] and b [..., n].

    To be differentiated as the `solve` of a `jax.lax.custom_linear_solve`.

    Example:
        >>> solve(cholesky(jnp.array([[4.0, 0.0], [0.0, 9.0]])), jnp.array([4.0, 18.0])).tolist()
        [1.0, 2.0]
    """
    return _solve(factors, right[..., None])[..., 0]


def solve_positive(matrix: Array, right: Array) -> Array:
    """Return A^-1 b for one positive definite A [n, n] and b [n] or [n, k]; differentiable, NaN for another A.

    Example:
        >>> solve_positive(jnp.array([[4.0, 0.0], [0.0, 9.0]]), jnp.array([4.0, 18.0])).tolist()
        [1.0, 2.0]
    """
    dtype = jnp.result_type(matrix, right)
    matrix, right = matrix.astype(dtype), right.astype(dtype)
    factor, substitute = cholesky(matrix), _solve if right.ndim == 2 else solve
    return jax.lax.custom_linear_solve(
        lambda x: jnp.matmul(matrix, x, precision="highest"), right, lambda _, b: substitute(factor, b), symmetric=True
    )


def eigenvectors(matrices: Array) -> Array:
    """Return orthonormal eigenvectors of symmetric matrices as columns, by ascending eigenvalue, [..., n, n].

    Not differentiable: single eigenvectors have no derivative where eigenvalues meet.

    Example:
        >>> abs(eigenvectors(jnp.array([[2.0, 0.0], [0.0, 1.0]]))).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    return _eigenvectors(jax.lax.stop_gradient(matrices))


@jax.custom_jvp
def inverse(matrix: Array) -> Array:
    """Return the inverse of one positive definite matrix [n, n]; differentiable, NaN for another matrix.

    Example:
        >>> inverse(jnp.array([[4.0, 0.0], [0.0, 16.0]])).tolist()
        [[0.25, 0.0], [0.0, 0.0625]]
    """
    return _inverse(matrix)


@inverse.defjvp
def _inverse_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    found = inverse(primals[0])
    left = jnp.matmul(found, tangents[0], precision="highest")
    return found, -jnp.matmul(left, found, precision="highest")


def orthonormal(matrix: Array) -> Array:
    """Return orthonormal columns that span those of one matrix, Q of A = Q R, [n, min(n, m)]; differentiable.

    Example:
        >>> abs(orthonormal(jnp.array([[2.0], [0.0]]))).tolist()
        [[1.0], [0.0]]
    """
    return _orthonormal(matrix)


def svd(matrix: Array) -> tuple[Array, Array, Array]:
    """Return U [n, k], s [k] descending and V' [k, m] of one matrix A = U diag(s) V', k = min(n, m); differentiable.

    Example:
        >>> svd(jnp.array([[3.0, 0.0], [0.0, 4.0]]))[1].round().tolist()
        [4.0, 3.0]
    """
    return _svd(matrix)
