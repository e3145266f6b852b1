"""EASE: the ridge regression of every item on all others, in closed form."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import checks, factorisations
from mfjax.als import footprint
from mfjax.baselines.neighbours import check_interactions, co_occurrence, gramian_of, square
from mfjax.baselines.scorers import DENSE, Linear, linear
from mfjax.histories import Ragged, ragged
from mfjax.types import Array, Interactions


def ease(interactions: Interactions, *, reg: Array | float, history: Ragged | None = None) -> Linear:
    """Return EASE: `linear` with `ease_weights`. Binary interactions are the usual input (`with_values(1)`).

    Beyond DENSE items the weights are those of `ease_weights_on_host`.

    Args:
        interactions: what co-occurs.
        reg: lambda > 0.
        history: the lists of the users to score; None for those of `interactions`.

    Raises:
        ValueError: as `co_occurrence` and `ease_weights`, and beyond DENSE items where memory would not do.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> np.asarray(ease(pairs, reg=1.0)(jnp.array([1]))).round(3)
        array([[0.333, 0.   ]], dtype=float32)
    """
    check_interactions(interactions)
    lists = ragged(interactions) if history is None else history
    if interactions.num_items > DENSE:
        # `jnp.asarray` would hold a third table for a while.
        return linear(jax.device_put(ease_weights_on_host(interactions, float(reg))), lists)
    return linear(ease_weights(co_occurrence(interactions), reg), lists)


def ease_weights_on_host(interactions: Interactions, reg: float, *, memory: int | None = None) -> np.ndarray:
    """Return `ease_weights` in float32, made in place: one table of num_items^2 and the sparse gramian.

    Args:
        interactions: what co-occurs.
        reg: lambda > 0.
        memory: bytes that there are; None for those of this machine.

    Returns:
        float32 [num_items, num_items]; cost num_items^3.

    Raises:
        ValueError: as `ease_weights`, and where two such tables, of which the device keeps one, do not fit the memory.

    Example:
        >>> pairs = Interactions(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 1]), np.ones(4, np.float32), 2, 3)
        >>> wanted = ease_weights(co_occurrence(pairs), 1.0)
        >>> bool(np.allclose(ease_weights_on_host(pairs, 1.0), wanted, atol=1e-6))
        True
    """
    check_interactions(interactions)
    checks.number("reg", reg, above=0, remedy="pass the L2 penalty")
    size = interactions.num_items
    needed, there = 2 * 4 * size**2, footprint.host_memory() if memory is None else memory
    if there is not None and needed > there:
        raise ValueError(
            f"interactions: EASE of {size:,} items takes {needed / 2**30:.1f} GiB, and there are {there / 2**30:.1f}; "
            "keep the items with more rows (filters.k_core, --items-core), or take item_knn"
        )
    table = gramian_of(interactions).astype(np.float32).toarray()
    table[np.diag_indices(size)] += np.float32(reg)
    try:
        _invert(table)
    except np.linalg.LinAlgError:
        raise ValueError(f"reg: with {reg} the gramian is not positive definite; raise it") from None
    scales = np.diagonal(table).copy()
    table /= -scales[None, :]
    table[np.diag_indices(size)] = 0
    return table


ROWS = 1024
"""Rows of a table that are eliminated at once."""


def _invert(table: np.ndarray) -> None:
    """Put the inverse of a positive definite matrix in its place: symmetric sweeps of ROWS rows at a time.

    A sweep of rows K puts -inv(A_KK) in their corner, A_iK inv(A_KK) in their columns, and takes A_iK inv(A_KK) A_Kj
    from the rest, which stays symmetric: the lower triangle does, with half the work. LAPACK's own, in place by
    Cholesky, does as much, and ends the process on 41,000 rows: its places in a table are numbers of 32 bits.

    Raises:
        LinAlgError: for a matrix that is not positive definite.

    Source: Goodnight (1979), A tutorial on the SWEEP operator.
    """
    size = len(table)
    for first in range(0, size, ROWS):
        here = slice(first, min(first + ROWS, size))
        corner = table[here, here].astype(np.float64)
        np.linalg.cholesky(corner)  # refuses what is not positive definite
        pivot = np.linalg.inv(corner).astype(np.float32)
        columns = np.concatenate([table[here, : here.start].T, np.zeros_like(pivot), table[here.stop :, here]])
        swept = columns @ pivot
        for start in range(0, size, ROWS):
            end = min(start + ROWS, size)
            table[start:end, :end] -= swept[start:end] @ columns[:end].T
        table[here, : here.start], table[here, here] = swept[: here.start].T, -pivot
        table[here.stop :, here] = swept[here.stop :]
    for start in range(0, size, ROWS):
        rows = slice(start, min(start + ROWS, size))
        table[rows, : rows.stop] *= -1
        table[: rows.start, rows] = table[rows, : rows.start].T
    scales = np.diagonal(table)
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise np.linalg.LinAlgError("lost to rounding")


def ease_weights(gramian: Array, reg: Array | float) -> Array:
    r"""Return the EASE weights: the ridge regression of every item on all others, in closed form.

    .. math:: P = (G + \lambda I)^{-1}, \qquad W_{ij} = -\frac{P_{ij}}{P_{jj}} \ (i \ne j), \qquad W_{jj} = 0

    Differentiable and vmappable in `reg`; under vmap one matrix is inverted after the other.

    In float32 the weights carry a relative error of about 1e-7 times the condition number of G + lambda I;
    `jax_enable_x64` gives float64.

    Args:
        gramian: float [num_items, num_items], as `co_occurrence`.
        reg: lambda > 0, in units of the gramian (users).

    Returns:
        float [num_items, num_items]; cost num_items^3, memory a few times that of the gramian.

    Raises:
        ValueError: for a gramian that is no square of floats, for a reg that is not above 0, and where G + lambda I
            turns out not to be positive definite; of numbers, where they can be seen.

    Example:
        >>> np.asarray(ease_weights(jnp.array([[3.0, 1.0], [1.0, 1.0]]), reg=1.0)).round(3)
        array([[0.  , 0.25],
               [0.5 , 0.  ]], dtype=float32)

    Source: Steck (2019), Embarrassingly Shallow Autoencoders for Sparse Data, equation 8.
    """
    gramian = square(gramian)
    checks.number("reg", reg, above=0, remedy="pass the L2 penalty")
    checks.shape("reg", reg, (), "pass one number, or vmap over several")
    identity = jnp.eye(gramian.shape[0], dtype=gramian.dtype)
    precision = factorisations.inverse(gramian + jnp.asarray(reg, gramian.dtype) * identity)
    scales = jnp.diagonal(precision)
    if (found := checks.seen(scales)) is not None and not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"reg: with {reg} the gramian is not positive definite; raise it, or use jax_enable_x64")
    return jnp.where(identity == 1, 0, -precision / scales[None, :])
