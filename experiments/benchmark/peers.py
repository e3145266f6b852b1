"""The peers of the benchmark, implicit and irspack (extra `peers`): the same work on the same matrix and start."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sparse

from mfjax.types import Interactions

Table = np.ndarray

ALPHA = 9.0
"""Confidence of a pair is 1 + ALPHA."""

REG = 10.0


class Sweeper(NamedTuple):
    """One way to fit the objective L = sum over all c (p - <u, v>)^2 + REG (|U|^2 + |V|^2), c = 1 + ALPHA p.

    Attributes:
        sweep: solves both sides once.
        tables: returns the factors as they are now.
    """

    sweep: Callable[[], None]
    tables: Callable[[], tuple[Table, Table]]


def matrix_of(pairs: Interactions) -> sparse.csr_matrix:
    """Return the matrix of ones of distinct pairs."""
    ones = np.ones(len(pairs), np.float32)
    return sparse.csr_matrix((ones, (pairs.users, pairs.items)), shape=(pairs.num_users, pairs.num_items))


def available() -> bool:
    """Return whether both peers are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("implicit", "irspack"))


def implicit_als(matrix: sparse.csr_matrix, users: Table, items: Table, *, solver: str, threads: int) -> Sweeper:
    """Return implicit's compiled half-sweeps; "cg" takes three steps, its default."""
    from implicit.cpu import _als

    by_user = (matrix * (1.0 + ALPHA)).astype(np.float32).tocsr()
    by_item = by_user.T.tocsr()
    users, items = users.copy(), items.copy()
    options: dict[str, Any] = {"cg_steps": 3} if solver == "cg" else {}
    solve = _als.least_squares_cg if solver == "cg" else _als.least_squares

    def sweep() -> None:
        solve(by_user, users, items, REG, num_threads=threads, **options)
        solve(by_item, items, users, REG, num_threads=threads, **options)

    return Sweeper(sweep, lambda: (users, items))


def irspack_als(matrix: sparse.csr_matrix, users: Table, items: Table, *, solver: str, threads: int) -> Sweeper:
    """Return irspack's trainer on Hu, Koren and Volinsky's objective: CG (three steps), CHOLESKY or IALSPP."""
    from irspack.recommenders.ials import IALSTrainer, LossType, SolverType

    trainer = IALSTrainer(
        (matrix * ALPHA).tocsr(),
        n_components=users.shape[1],
        alpha0=1.0,
        reg=REG,
        nu=0.0,
        init_std=0.1,
        solver_type=getattr(SolverType, {"cg": "CG", "cholesky": "CHOLESKY", "ials++": "IALSPP"}[solver]),
        max_cg_steps=3,
        ialspp_subspace_dimension=64,
        loss_type=LossType.ORIGINAL,
        random_seed=0,
        n_threads=threads,
        prediction_time_max_cg_steps=3,
        prediction_time_ialspp_iteration=1,
    )
    core = trainer.core_trainer
    core.user, core.item = users.copy(), items.copy()
    return Sweeper(trainer.run_epoch, lambda: (core.user, core.item))


SWEEPERS: dict[str, Callable[..., Sweeper]] = {"implicit": implicit_als, "irspack": irspack_als}


def implicit_bpr(matrix: sparse.csr_matrix, *, dim: int, epochs: int, threads: int) -> Callable[[], None]:
    """Return implicit's BPR training of some epochs, with verified negatives."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors=dim, iterations=epochs, num_threads=threads, verify_negative_samples=True, random_state=0
    )
    return lambda: model.fit(matrix, show_progress=False)


def implicit_top(matrix: sparse.csr_matrix, users: Table, items: Table, *, k: int, threads: int) -> Callable[[], Any]:
    """Return implicit's lists for all users, what they have seen left out."""
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=users.shape[1], num_threads=threads)
    model.user_factors, model.item_factors = users, items
    everybody = np.arange(matrix.shape[0])
    return lambda: model.recommend(everybody, matrix, N=k, filter_already_liked_items=True)


def irspack_evaluation(
    seen: sparse.csr_matrix, targets: sparse.csr_matrix, users: Table, items: Table, *, k: int, threads: int
) -> Callable[[], Any]:
    """Return irspack's measures of all users at cutoff k, what they have seen left out; scores come in blocks."""
    from irspack import Evaluator

    evaluator = Evaluator(targets, cutoff=k, n_threads=threads, masked_interactions=seen)
    starts = range(0, len(users), evaluator.mb_size)
    by_item = np.ascontiguousarray(items.T)
    return lambda: evaluator.get_score_from_score_chunks(
        users[first : first + evaluator.mb_size] @ by_item for first in starts
    )


def loss(matrix: sparse.csr_matrix, users: Table, items: Table) -> float:
    """Return the common objective in float64."""
    users, items = users.astype(np.float64), items.astype(np.float64)
    pairs = matrix.tocoo()
    total = REG * (np.sum(users**2) + np.sum(items**2)) + np.sum((users.T @ users) * (items.T @ items))
    for first in range(0, pairs.nnz, 1 << 18):
        part = slice(first, first + (1 << 18))
        scores = np.einsum("nd,nd->n", users[pairs.row[part]], items[pairs.col[part]])
        total += np.sum((1.0 + ALPHA) * (1.0 - scores) ** 2 - scores**2)
    return float(total)
