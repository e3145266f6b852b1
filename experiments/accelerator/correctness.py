"""Whether what comes out is right: against solves in float64, and against the bits that the CPU gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.accelerator.ledger import Ledger
from mfjax import als, evaluation, histories, ranking, recommend
from mfjax.als import objectives
from mfjax.data import splits, synthetic
from mfjax.metrics import DEFAULT
from mfjax.ranking import complement, streams
from mfjax.types import Factors, Interactions

SECTION = "correct"
FARTHEST = 2e-4
"""What a half-step in float32 may be from one in float64, as a share of the norm of the factors."""


def measure(ledger: Ledger, *, tiny: bool) -> None:
    """Check integers, lists and metrics, training, and least squares."""
    parts: dict[str, Callable[[Ledger], None]] = {
        "integers": _integers,
        "lists and metrics": _lists_and_metrics,
        "training": _training,
        "least squares": partial(_least_squares, num_users=60 if tiny else 300),
    }
    for name, part in parts.items():
        ledger.attempt(SECTION, name, partial(part, ledger), needs=5)


def _compare(ledger: Ledger, name: str, work: Callable[[], Any], *, farthest: float = 0.0) -> None:
    """Write down whether the CPU and the default device agree; in every bit, or floats as near as `farthest`."""
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        expected = jax.device_get(work())
    pairs = list(zip(jax.tree.leaves(expected), jax.tree.leaves(jax.device_get(work())), strict=True))
    floats = [pair for pair in pairs if pair[0].dtype.kind == "f"]
    worst = max((float(np.max(np.abs(one - other), initial=0)) for one, other in floats), default=0.0)
    whole = all(np.array_equal(*pair) for pair in pairs if pair[0].dtype.kind != "f")
    status, same = "ok" if whole and worst <= farthest else "wrong", all(np.array_equal(*pair) for pair in pairs)
    ledger.add(SECTION, f"{name}: as on the CPU", status=status, same_bits=same, **({"worst": worst} if floats else {}))


def _integers(ledger: Ledger) -> None:
    """Random words, draws and permutations are whole numbers: every bit is the CPU's.

    The masses of items that are drawn by weight are rounded shares, whose sum is taken in float32 on the device: here
    both draw from those of the CPU.
    """
    pairs = synthetic.power_law(0, num_users=500, num_items=300, num_interactions=9000)
    words = partial(streams.words, jax.random.key(3), 7, 1000, 3)

    def built(weights: Any) -> Any:
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            seen = histories.ragged(pairs)
            return jax.device_get((complement.build(seen, weights), seen))

    def draws(weights: Any) -> Any:
        outside, seen = jax.tree.map(jnp.asarray, built(weights))
        rows = jnp.arange(500, dtype=jnp.int32)
        words = streams.words(jax.random.key(1), 0, 500, 8)
        found = jax.jit(complement.draw)(outside, words, rows)
        return found, complement.contains(seen, rows, found[0])

    cases: dict[str, Callable[[], Any]] = {
        "words": words,
        "words below bounds": lambda: streams.below(words(), jnp.arange(1, 4) * 12345),
        "a permutation": lambda: streams.permutation(jax.random.key(3), jnp.arange(1000), 1000),
        "draws, uniform": partial(draws, None),
        "draws, by popularity": partial(draws, np.bincount(pairs.items, minlength=300) + 1),
    }
    for name, work in cases.items():
        _compare(ledger, name, work)


def _lists_and_metrics(ledger: Ledger) -> None:
    """Factors of small whole numbers give exact scores with many ties: lists are equal, metrics up to rounding."""
    pairs = synthetic.power_law(1, num_users=400, num_items=700, num_interactions=12_000)
    split = splits.leave_last_out(pairs, k=3)
    rng = np.random.default_rng(0)
    tables = [rng.integers(-2, 3, (rows, 8)).astype(np.float32) for rows in (400, 700)]

    def lists(k: int) -> Any:
        top = jax.jit(recommend.top_k, static_argnames="k")
        return top(Factors(*map(jnp.asarray, tables)), jnp.arange(400), k=k, exclude=histories.ragged(split.train))[0]

    def metrics(ties: Any) -> Any:
        found = evaluation.evaluate(
            Factors(*map(jnp.asarray, tables)),
            histories.ragged(split.test),
            exclude=histories.ragged(split.train),
            cutoffs=(5, 20),
            convention=replace(DEFAULT, ties=ties),
        )
        return found.recommended, found.per_user

    for k in (10, 100):
        _compare(ledger, f"top {k}", partial(lists, k))
    for ties in ("first", "last", "worst"):
        _compare(ledger, f"metrics, ties {ties}", partial(metrics, ties), farthest=1e-6)


def _training(ledger: Ledger) -> None:
    """Epochs of BPR learn; whether a second run has the same bits is told, not asked for."""
    pairs = synthetic.power_law(2, num_users=500, num_items=300, num_interactions=20_000)
    data = ranking.data(histories.ragged(pairs))
    config = ranking.Config(dim=32, batch_size=1024)
    one, other = (ranking.fit(jax.random.key(0), data, config, num_epochs=5) for _ in range(2))
    same = all(bool(jnp.all(x == y)) for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    auc = float(jax.jit(ranking.epoch)(jax.random.key(1), one, data, config)[1].auc)
    ledger.add(SECTION, "BPR, 5 epochs", status="ok" if auc > 0.6 else "wrong", auc=auc, same_bits_again=same)


def _least_squares(ledger: Ledger, *, num_users: int) -> None:
    """One step of ALS, of every kind of objective and by both solvers, beside dense solves in float64."""
    rng, num_items = np.random.default_rng(0), 2 * num_users // 3
    users, items = (ids.astype(np.int32) for ids in np.nonzero(rng.random((num_users, num_items)) < 0.1))
    values = rng.integers(1, 6, len(users)).astype(np.float32)
    pairs = Interactions(users, items, values, num_users, num_items)
    wide, one = values.astype(np.float64), np.ones(len(values))
    cases = {
        "explicit": (objectives.explicit(), one, wide, 0.0),
        "zeros observed": (objectives.zeros_observed(), 0 * wide, wide, 1.0),
        "implicit": (objectives.implicit(alpha=3.0), 3 * wide, 1 + 3 * wide, 1.0),
        "iALS": (objectives.ials(unobserved_weight=0.2), one, one, 0.2),
    }
    for name, (objective, a, q, w0) in cases.items():
        for solver in als.SOLVERS:
            for chunk in (None, 512) if name == "iALS" else (None,):
                config = als.Config(objective=objective, reg=0.1, dim=32, solver=solver, cg_steps=40, init_scale=1.0)
                data = histories.build(pairs, **({} if chunk is None else {"chunk_entries": chunk}))
                start = als.init(jax.random.key(0), config, num_users=num_users, num_items=num_items)
                step = jax.jit(als.step)
                found, info = step(start, data, config)
                again, _ = step(start, data, config)
                solved_users = _solved(users, items, num_users, np.asarray(start.items, np.float64), a, q, w0)
                solved_items = _solved(items, users, num_items, solved_users, a, q, w0)
                error = max(_error(found.users, solved_users), _error(found.items, solved_items))
                same = bool(jnp.all(found.users == again.users) & jnp.all(found.items == again.items))
                good = error < FARTHEST and int(info.num_nonfinite) == 0
                name_ = f"ALS, {name}, {solver}, chunks of {chunk or 'the default'}"
                ledger.add(SECTION, name_, status="ok" if good else "wrong", error=float(error), same_bits_again=same)


def _solved(
    rows: np.ndarray, columns: np.ndarray, num: int, table: np.ndarray, a: np.ndarray, q: np.ndarray, w0: float
) -> np.ndarray:
    """Return the rows that minimise the objective, one dense solve each, for a reg of 0.1 and an exponent of 1."""
    background, solved = w0 * table.T @ table, np.zeros((num, table.shape[1]))
    for row in np.unique(rows):
        mine = np.flatnonzero(rows == row)
        vectors = table[columns[mine]]
        ridge = 0.1 * (len(mine) + w0 * len(table)) * np.eye(table.shape[1])
        solved[row] = np.linalg.solve(background + (vectors.T * a[mine]) @ vectors + ridge, vectors.T @ q[mine])
    return solved


def _error(found: Any, expected: np.ndarray) -> float:
    return float(np.linalg.norm(np.asarray(found, np.float64) - expected) / np.linalg.norm(expected))
