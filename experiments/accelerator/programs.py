"""Epochs of BPR, evaluation and lists, and many models in one program."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.accelerator.ledger import Ledger, seconds
from experiments.accelerator.sweeps import interactions
from mfjax import als, compilation, evaluation, histories, ranking, recommend
from mfjax.als import objectives
from mfjax.data import splits
from mfjax.search import cells, sweep
from mfjax.types import Factors


def epochs(ledger: Ledger, *, tiny: bool) -> None:
    """Time an epoch of BPR at several batch sizes."""
    pairs = interactions(ledger.sizes["ml-1m"])
    data = ranking.data(histories.ragged(pairs))

    def one(batch: int) -> None:
        config = ranking.Config(dim=64, batch_size=batch, learning_rate=0.01)
        state = ranking.init(jax.random.key(0), config, num_users=pairs.num_users, num_items=pairs.num_items)
        program, key = compilation.jit(ranking.epoch), jax.random.key(1)
        taken = seconds(lambda: program(key, state, data, config), repeats=5)
        # Three rows of every example are read and written.
        floor = len(pairs) * 3 * 2 * 64 * 4 / ledger.rates["bandwidth"]
        steps = ranking.steps_per_epoch(data, config)
        more = {"steps": steps, "us_a_step": 1e6 * taken / steps}
        ledger.add("bpr", f"epoch ml-1m d=64 batch={batch}", ms=1e3 * taken, floor_ms=1e3 * floor, **more)

    for batch in (64, 256) if tiny else (65_536, 4_096, 16_384):
        ledger.attempt("bpr", f"batch={batch}", partial(one, batch), needs=5)


def evaluations(ledger: Ledger, *, tiny: bool) -> None:
    """Time all metrics of a full ranking, with several numbers of users at once, and lists of the best items."""
    split = splits.leave_last_out(interactions(ledger.sizes["ml-1m"]))
    seen, hidden = histories.ragged(split.train), histories.ragged(split.test)
    num_users, num_items, dim = seen.num_rows, seen.num_columns, 64
    rng = np.random.default_rng(0)
    model = Factors(*(jnp.asarray(rng.standard_normal((rows, dim), np.float32)) for rows in (num_users, num_items)))
    # Every score is written once and read once.
    floor = 8 * num_users * num_items / ledger.rates["bandwidth"]
    floor = 1e3 * max(floor, 2 * num_users * num_items * dim / ledger.rates["arithmetic"])

    def metrics(size: int | None) -> None:
        held_out = evaluation.evaluation_set(hidden, exclude=seen, block_size=size)
        program = partial(evaluation.compiled_measure, model, held_out, cutoffs=(10,))
        taken, num_blocks = seconds(program), held_out.blocks.users.shape[0]
        name = f"all metrics ml-1m d=64, {size or 'default'} users at once"
        ledger.add("evaluation", name, ms=1e3 * taken, floor_ms=floor, blocks=num_blocks)

    def lists(k: int, size: int) -> None:
        top = compilation.jit(recommend.top_k, static_argnames=("k", "block_size"))
        taken = seconds(lambda: top(model, jnp.arange(num_users), k=k, exclude=seen, block_size=size))
        ledger.add("evaluation", f"top {k} ml-1m d=64, {size} users at once", ms=1e3 * taken, floor_ms=floor)

    for size in (None, 2048, 256):
        ledger.attempt("evaluation", f"{size} users at once", partial(metrics, size), needs=5)
    for k, size in ((10, num_users), (10, 256), (100, num_users)):
        ledger.attempt("evaluation", f"top {k}, {size} users at once", partial(lists, k, size), needs=5)


def models(ledger: Ledger, *, tiny: bool) -> None:
    """Time a sweep over settings: many models in one program beside one, and whole sweeps with their evaluation."""
    split = splits.leave_last_out(interactions(ledger.sizes["ml-100k"]))
    data, count = histories.build(split.train), 4 if tiny else 64
    held_out = evaluation.evaluation_set(histories.ragged(split.test), exclude=histories.ragged(split.train))
    weights, regs = np.geomspace(0.05, 1.0, 8), np.geomspace(1e-3, 1e-1, 8)
    configs = [
        als.Config(objective=objectives.ials(unobserved_weight=float(weight)), reg=float(reg), dim=8 if tiny else 64)
        for weight in weights
        for reg in regs
    ][:count]

    def fits(together: int) -> None:
        program = compilation.jit(sweep.over(cells.als_factors, "vmap"))
        keys = jax.random.split(jax.random.key(0), together)

        def steps(number: int) -> Callable[[], Any]:
            settings = sweep.stack([cells.Training(config, number) for config in configs[:together]])
            return lambda: program(keys, settings, data)

        taken = (seconds(steps(17)) - seconds(steps(1))) / 16
        ledger.add("models", f"a step of {together} models at once, ml-100k", ms=1e3 * taken)

    def sweeps(mode: Any, chunk: int) -> None:
        cell = cells.measured(cells.als_factors)
        settings = [cells.Training(config, 8) for config in configs]
        run = partial(sweep.run, cell, jax.random.split(jax.random.key(0), 1), settings, (data, held_out))
        taken = seconds(lambda: run(mode=mode, chunk=chunk), repeats=2)
        name = f"sweep.run, {count} models, 8 steps, {mode}, {chunk} at once"
        ledger.add("models", name, ms=1e3 * taken, ms_a_model=1e3 * taken / count)

    for together in (1, count):
        ledger.attempt("models", f"{together} at once", partial(fits, together), needs=10)
    for mode, chunk in (("vmap", count), ("vmap", count // 4), ("map", 1)):
        ledger.attempt("models", f"sweep.run {mode} {chunk}", partial(sweeps, mode, chunk), needs=15)
