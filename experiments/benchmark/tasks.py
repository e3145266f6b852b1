"""The tasks of the benchmark: what each times, for mfjax and for its peers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sparse

from experiments.benchmark import peers, timing
from mfjax import als, devices, evaluation, histories, ranking, recommend
from mfjax.als import Config, MapChunks, objectives
from mfjax.data.splits import Split
from mfjax.histories import Histories, ragged
from mfjax.ranking import sampling
from mfjax.search import cells, sweep
from mfjax.types import Factors, Interactions

GOAL = 1.001
"""Time to objective is that to a loss of at most this much times the lowest that a peer ends at."""


@dataclass(frozen=True)
class Timing:
    """One row of `benchmark.json`: one task, timed.

    Attributes:
        task, data, dim, solver: what was timed.
        first_s: the first call, compilation included.
        warm_s: median of the later calls.
        peak_mb: peak memory of a process that does this alone, where it was measured.
        peers: peer -> median seconds of the same work; its solver is part of the name where it is not ours.
        ratio_best_peer: warm_s over the least of the peers' seconds.
        curves: contestant -> (seconds so far, loss) after every sweep, for time to objective.
    """

    task: str
    data: str
    dim: int
    solver: str
    first_s: float
    warm_s: float
    peak_mb: float | None = None
    peers: dict[str, float] = field(default_factory=dict)
    ratio_best_peer: float | None = None
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """The matrix of a benchmark and how often to time it."""

    name: str
    interactions: Interactions
    dim: int
    repeats: int
    memory: bool
    k: int = 10
    beside_peers: bool = True
    test: Interactions | None = None
    """What evaluation looks for, where the data comes with it; else a tenth of the interactions is held out."""

    @property
    def has_peers(self) -> bool:
        """Whether peers are timed."""
        return self.beside_peers and peers.available()

    @cached_property
    def split(self) -> Split:
        """What lists and evaluation leave out and look for."""
        if self.test is None:
            return held_out(self.interactions)
        return Split(self.interactions, self.test.select(np.zeros(len(self.test), bool)), self.test)

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        return peers.matrix_of(self.interactions)

    @cached_property
    def threads(self) -> int:
        return jax.device_count() if jax.default_backend() == "cpu" else os.cpu_count() or 1

    def config(self, **options: Any) -> Config:
        """Return the common objective of all contestants."""
        implicit = objectives.implicit(alpha=peers.ALPHA)
        return als.Config(objective=implicit, reg=peers.REG, reg_exponent=0.0, dim=self.dim, **options)


class Ours(NamedTuple):
    """mfjax on a case: its data, its start and a compiled sweep that goes on from any state."""

    data: Histories
    map_chunks: MapChunks
    state: als.State
    sweep: Callable[[als.State], als.State]


def ours(case: Case, config: Config) -> Ours:
    data, map_chunks = devices.build_on_all(
        replace(case.interactions, values=np.ones(len(case.interactions), np.float32))
    )
    state = devices.start_on_all(jax.random.key(0), config, data)
    program = partial(als.fit, jax.random.key(0), num_steps=1, map_chunks=map_chunks)
    return Ours(data, map_chunks, state, lambda state: program(data, config, state=state))


def _tables(state: als.State) -> tuple[np.ndarray, np.ndarray]:
    return np.array(state.users), np.array(state.items)


def _as_sweeper(model: Ours) -> peers.Sweeper:
    """Return ours as a contestant that goes on from where it is, as the peers do."""
    state = model.state

    def sweep() -> None:
        nonlocal state
        state = jax.block_until_ready(model.sweep(state))

    return peers.Sweeper(sweep, lambda: _tables(state))


RELAXATION = 1.7

SETUPS = {
    "cg, 3 steps": (3, ("cg",)),
    "exact, 3 steps": (3, ("cholesky", "ials++")),
    "default, 2 steps": (2, ("cg", "cholesky", "ials++")),
}
"""Ours -> its steps of conjugate gradient in the eigenbasis, and the peers' solvers that it stands beside."""


def _sweepers(case: Case, tables: tuple[np.ndarray, np.ndarray], solvers: tuple[str, ...]) -> dict[str, peers.Sweeper]:
    if not case.has_peers:
        return {}
    offered = {"implicit": ("cg", "cholesky"), "irspack": ("cg", "cholesky", "ials++")}
    return {
        f"{name} {solver}": peers.SWEEPERS[name](case.matrix, *tables, solver=solver, threads=case.threads)
        for name, known in offered.items()
        for solver in solvers
        if solver in known
    }


def sweeps(case: Case) -> list[Timing]:
    """Time one sweep of both sides, from the same start."""
    steps = {count: ours(case, case.config(cg_steps=count)) for count, _ in SETUPS.values()}
    contestants = _sweepers(case, _tables(steps[2].state), ("cg", "cholesky", "ials++"))
    peaks = {count: timing.peak_mb(_one_sweep, case, count, jax.device_count()) for count in steps if case.memory}
    calls: dict[str, Callable[[], Any]] = {f"{count}": partial(one.sweep, one.state) for count, one in steps.items()}
    seconds = timing.in_turns(calls | {name: one.sweep for name, one in contestants.items()}, case.repeats)
    lines = []
    for name, (count, beside) in SETUPS.items():
        others = {peer: seconds[peer].warm for peer in contestants if peer.split(" ", 1)[1] in beside}
        lines.append(_line("sweep", case, name, seconds[f"{count}"], others, peak_mb=peaks.get(count)))
    return lines


def _one_sweep(case: Case, cg_steps: int, cores: int) -> None:
    devices.use_cores(cores)
    model = ours(case, case.config(cg_steps=cg_steps))
    jax.block_until_ready(model.sweep(model.state))


def _line(task: str, case: Case, solver: str, seconds: timing.Seconds, others: dict[str, float], **more: Any) -> Timing:
    ratio = seconds.warm / min(others.values()) if others else None
    return Timing(task, case.name, case.dim, solver, *seconds, peers=others, ratio_best_peer=ratio, **more)


def time_to_objective(case: Case, num_sweeps: int = 40) -> list[Timing]:
    """Time every contestant, with every solver, to a loss within .1 % of the lowest that a peer ends at.

    Without peers it is the lowest of our own. implicit's Cholesky is left out above 64 factors: it takes minutes there.
    """
    begin = time.perf_counter()
    model = ours(case, case.config(cg_steps=2, relaxation=RELAXATION))
    jax.block_until_ready(model.sweep(model.state))
    first = time.perf_counter() - begin
    others = _sweepers(case, _tables(model.state), ("cg", "cholesky", "ials++"))
    if case.dim > 64:
        others.pop("implicit cholesky", None)
    contestants = {"mfjax": _as_sweeper(model)} | others
    spent = dict.fromkeys(contestants, 0.0)
    curves: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(num_sweeps):
        for name, contestant in contestants.items():
            spent[name] += timing.once(contestant.sweep)
            curves[name].append((spent[name], peers.loss(case.matrix, *contestant.tables())))
    goal = GOAL * min(curves[name][-1][1] for name in others or contestants)
    reached = {name: _reached(curve, goal) for name, curve in curves.items()}
    own = timing.Seconds(first + reached["mfjax"], reached.pop("mfjax"))
    found = {name: seconds for name, seconds in reached.items() if np.isfinite(seconds)}
    return [_line("time-to-objective", case, f"2 steps, relaxation {RELAXATION}", own, found, curves=curves)]


def _reached(curve: list[tuple[float, float]], goal: float) -> float:
    return next((seconds for seconds, loss in curve if loss <= goal), float("inf"))


def bpr_epoch(case: Case, epochs: int = 5) -> list[Timing]:
    """Time epochs of BPR with verified negatives, ours in batches of the default size.

    The preparation of a fit is spread over five epochs.
    """
    positives = ragged(case.interactions)
    data = ranking.data(positives, sampling.uniform(positives, false_negatives="skip"))
    config = ranking.Config(dim=case.dim)
    calls: dict[str, Callable[[], Any]] = {
        "mfjax": lambda: ranking.fit(jax.random.key(0), data, config, num_epochs=epochs)
    }
    if case.has_peers:
        calls["implicit"] = peers.implicit_bpr(case.matrix, dim=case.dim, epochs=epochs, threads=case.threads)
    seconds = timing.in_turns(calls, case.repeats)
    own = timing.Seconds(seconds["mfjax"].first, seconds["mfjax"].warm / epochs)
    return [
        _line("bpr-epoch", case, "sgd", own, {"implicit": seconds["implicit"].warm / epochs} if len(calls) > 1 else {})
    ]


def held_out(interactions: Interactions) -> Split:
    """Return the split with about a tenth of the pairs in test, drawn by numpy from seed 0."""
    held = np.random.default_rng(0).random(len(interactions)) < 0.1
    return Split(interactions.select(~held), interactions.select(np.zeros_like(held)), interactions.select(held))


def top_and_evaluation(case: Case) -> list[Timing]:
    """Time the k best unseen items of all users, and a full ranking measured by all metrics, and by two of them."""
    seen, targets = ragged(case.split.train), ragged(case.split.test)
    rng, k = np.random.default_rng(0), case.k
    tables = [rng.normal(size=(rows, case.dim)).astype(np.float32) for rows in (seen.num_rows, seen.num_columns)]
    factors = Factors(*map(jnp.asarray, tables))
    users = np.arange(seen.num_rows, dtype=np.int32)
    two: dict[str, Any] = {"cutoffs": (k,), "metrics": ("recall", "ndcg")}
    calls: dict[str, Callable[[], Any]] = {
        "top": lambda: recommend.top_k_on_all(factors, users, k=k, exclude=seen),
        "all": lambda: evaluation.evaluate(factors, targets, exclude=seen).per_user,
        "two": lambda: evaluation.evaluate(factors, targets, exclude=seen, **two).per_user,
    }
    if case.has_peers:
        matrices = peers.matrix_of(case.split.train), peers.matrix_of(case.split.test)
        calls["implicit"] = peers.implicit_top(matrices[0], *tables, k=k, threads=case.threads)
        calls["irspack"] = peers.irspack_evaluation(*matrices, *tables, k=k, threads=case.threads)
    seconds = timing.in_turns(calls, case.repeats)
    others: dict[str, dict[str, float]] = {
        name: {name: seconds[name].warm} if name in seconds else {} for name in ("implicit", "irspack")
    }
    of_top = {f"mfjax top-{k}": seconds["top"].warm}
    return [
        _line(f"top-{k}", case, "exact", seconds["top"], others["implicit"]),
        _line("evaluation", case, "all metrics", seconds["all"], of_top),
        _line("evaluation", case, f"recall, ndcg @{k}", seconds["two"], others["irspack"]),
    ]


def sixteen_models(case: Case, num_steps: int = 16) -> list[Timing]:
    """Time sixteen fits of different regularisation: one sweep, and a loop over the quicker peer's sweeps."""
    data = histories.build(replace(case.interactions, values=np.ones(len(case.interactions), np.float32)))
    regs = np.geomspace(1.0, 100.0, 16)
    settings = [cells.Training(replace(case.config(), reg=float(reg)), num_steps) for reg in regs]
    keys = jax.random.split(jax.random.key(0), 1)
    calls: dict[str, Callable[[], Any]] = {"mfjax": lambda: sweep.run(_item_norm, keys, settings, data)}
    state = als.init(keys[0], case.config(), num_users=data.users.num_rows, num_items=data.items.num_rows)
    for name, one in _sweepers(case, _tables(state), ("cg",)).items():
        calls[name] = partial(_repeat, one.sweep, 16 * num_steps)
    seconds = timing.in_turns(calls, max(1, case.repeats // 3))
    others = {name: taken.warm for name, taken in seconds.items() if name != "mfjax"}
    return [_line("sweep-16", case, "default, 2 steps", seconds["mfjax"], others)]


def _repeat(call: Callable[[], None], times: int) -> None:
    for _ in range(times):
        call()


def _item_norm(key: Any, setting: cells.Training, data: Histories) -> Any:
    return jnp.linalg.norm(cells.als_factors(key, setting, data).items)


TASKS: dict[str, Callable[[Case], list[Timing]]] = {
    "sweep": sweeps,
    "time-to-objective": time_to_objective,
    "bpr-epoch": bpr_epoch,
    "top-k": top_and_evaluation,
    "sweep-16": sixteen_models,
}
