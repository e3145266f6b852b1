"""Solvers against dense systems, written out entry by entry."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.als import solvers
from mfjax.als.conjugate_gradient import conjugate_gradient

SEGMENTS, WIDTH, DIM, SLOTS = 5, 3, 4, 4


@pytest.fixture(scope="module")
def system() -> solvers.System:
    """Slot 1 owns two segments, slot 3 owns none; the last entry is padding."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(SEGMENTS, WIDTH, DIM))
    quadratic, linear = rng.uniform(0.5, 2.0, (2, SEGMENTS, WIDTH))
    quadratic[-1, -1] = linear[-1, -1] = 0.0
    other = rng.normal(size=(20, DIM))
    numbers = {
        "features": features,
        "quadratic": quadratic,
        "linear": linear,
        "gramian": 0.1 * other.T @ other,
        "spread": (other**2).mean(0),
        "outer": other.T @ other / 20,
        "background": np.float64(2.0),
        "rotated": np.ones(DIM),
        "scale": rng.uniform(0.5, 2.0, SLOTS),
        "ridge": rng.uniform(0.5, 1.0, (SLOTS, DIM)),
        "start": rng.normal(size=(SLOTS, DIM)),
        "free": np.ones(DIM),
    }
    owners = jnp.array([0, 1, 1, 2, 2], jnp.int32)
    return solvers.System(
        owners=owners, gramian_diagonal=None, **{name: jnp.asarray(x, jnp.float32) for name, x in numbers.items()}
    )


def dense(system: solvers.System) -> tuple[np.ndarray, np.ndarray]:
    """Return A [slots, dim, dim] and b [slots, dim]."""
    numbers = jax.tree.map(lambda x: np.asarray(x, np.float64), system)
    matrices = np.stack([s * numbers.gramian + np.diag(r) for s, r in zip(numbers.scale, numbers.ridge, strict=True)])
    right = np.zeros((SLOTS, DIM))
    for segment, slot in enumerate(np.asarray(system.owners)):
        for entry in range(WIDTH):
            v = numbers.features[segment, entry]
            matrices[slot] += numbers.quadratic[segment, entry] * np.outer(v, v)
            right[slot] += numbers.linear[segment, entry] * v
    return matrices, right


def test_residual_is_what_is_left_of_the_dense_system(system):
    matrices, right = dense(system)
    expected = right - np.einsum("sde,se->sd", matrices, np.asarray(system.start))
    np.testing.assert_allclose(jax.jit(solvers.residual)(system, system.start), expected, atol=1e-4)


def test_both_solvers_solve_the_dense_system(system):
    matrices, right = dense(system)
    expected = np.linalg.solve(matrices, right[:, :, None])[:, :, 0]
    iterative = jax.jit(conjugate_gradient, static_argnames=("steps", "tolerance"))
    np.testing.assert_allclose(jax.jit(solvers.cholesky)(system), expected, atol=1e-4)
    np.testing.assert_allclose(iterative(system, steps=2 * DIM)[0], expected, atol=1e-4)
    np.testing.assert_allclose(iterative(system, steps=20, tolerance=1e-6)[0], expected, atol=1e-4)


def test_a_coordinate_that_is_not_free_stays_and_the_others_are_solved_given_it(system):
    held = system._replace(free=jnp.array([1.0, 0.0, 1.0, 1.0], jnp.float32))
    matrices, right = dense(system)
    free, kept = [0, 2, 3], np.asarray(system.start)[:, 1]
    given = right[:, free] - matrices[:, free, 1] * kept[:, None]
    expected = np.linalg.solve(matrices[:, free][:, :, free], given[:, :, None])[:, :, 0]
    for solved in (jax.jit(solvers.cholesky)(held), jax.jit(lambda s: conjugate_gradient(s, steps=8)[0])(held)):
        np.testing.assert_array_equal(solved[:, 1], system.start[:, 1])
        # Cholesky leaves the free coordinates of a slot without a history at 0.
        np.testing.assert_allclose(solved[:3][:, np.array(free)], expected[:3], atol=1e-4)


def test_a_background_known_to_be_diagonal_gives_the_same_though_its_change_is_not_diagonal(system):
    numbers, times = jnp.diag(system.gramian), system.background
    diagonal = system._replace(
        gramian=jnp.diag(numbers), gramian_diagonal=numbers, outer=jnp.diag(numbers) / times, spread=numbers / times
    )

    def both(solve):
        return jax.jvp(
            lambda gramian: solve(diagonal._replace(gramian=gramian, outer=gramian / times)),
            (diagonal.gramian,),
            (system.gramian,),
        )

    expected = jax.jit(lambda: both(lambda s: solvers.cholesky(s._replace(gramian_diagonal=None))))()
    found = jax.jit(lambda: both(lambda s: conjugate_gradient(s, steps=2 * DIM)[0]))()
    np.testing.assert_allclose(found, expected, atol=1e-4)
