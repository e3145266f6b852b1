"""Every compiled boundary lowers for CUDA and TPU, on a machine that has neither.

Lowering runs JAX's rules for a platform, so it fails where a program uses something that only the CPU has. It does not
compile. A new program of the library gets its line in PROGRAMS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

from mfjax import als, baselines, devices, evaluation, histories, ranking, recommend, statistics
from mfjax.als import fitting, hypergradients, objectives
from mfjax.baselines import svd
from mfjax.data import synthetic
from mfjax.devices import by_rows, sharding
from mfjax.evaluation import smooth
from mfjax.metrics import DEFAULT
from mfjax.ranking import losses, sampling
from mfjax.recommend import two_stage
from mfjax.search import cells, sweep
from mfjax.types import Factors

PLATFORMS = ("cuda", "tpu")
CPU_ONLY = re.compile(r"lapack_|callback|xla_ffi_python|tensor<[0-9x]*f64|xla_cpu")

PAIRS = synthetic.power_law(0, num_users=50, num_items=40, num_interactions=400)
DATA = histories.build(PAIRS)
SEEN = histories.ragged(PAIRS)
HELD_OUT = evaluation.evaluation_set(SEEN)
DIM = 8
MODEL = Factors(jnp.ones((50, DIM)), jnp.ones((40, DIM)))


def key() -> jax.Array:
    return jax.random.key(0)


Program = tuple[Callable[..., Any], tuple, dict[str, Any]]
"""A function, its arguments, and those by name, which are static."""


def als_steps(**settings: Any) -> Program:
    config = als.Config(dim=DIM, **settings)
    state = als.init(key(), config, num_users=50, num_items=40)
    how = {"map_chunks": als.map_on_one_device, "storage": als.WHOLE_TABLES, "last_apart": True}
    return fitting._steps, (state, DATA, config, 3), how


def als_loss(**settings: Any) -> Program:
    config = als.Config(dim=DIM, **settings)
    return als.loss, (als.init(key(), config, num_users=50, num_items=40), DATA, config), {}


def als_fold_in() -> Program:
    return partial(als.fold_in, item_counts=DATA.items.counts), (histories.side(PAIRS), MODEL, als.Config(dim=DIM)), {}


def als_fold_in_items() -> Program:
    side, config = histories.side(PAIRS, by="item", rounded=True), als.Config(dim=DIM, feature_reg=1.0)
    side = als.features.side_with_features(side, jnp.ones((40, 3)))
    maps = als.FeatureMaps(None, jnp.ones((3, DIM)))
    function = partial(als.fold_in, item_counts=DATA.items.counts, maps=maps)
    return function, (side, MODEL, config), {"by": "item"}


def als_explain() -> Program:
    asked = {"user": jnp.int32(3), "items": jnp.arange(4), "item_counts": DATA.items.counts}
    return partial(als.explain, **asked), (MODEL, SEEN, als.Config(dim=DIM)), {}


def als_half_step() -> Program:
    return als.half_step, (MODEL.users, MODEL.items, DATA.users, als.Config(dim=DIM)), {"by": "user"}


def epoch(sampler: Callable[..., Any] = sampling.uniform, **settings: Any) -> Program:
    config = ranking.Config(dim=DIM, batch_size=64, **settings)
    state = ranking.init(key(), config, num_users=50, num_items=40)
    return ranking.epoch, (key(), state, ranking.data(SEEN, sampler(SEEN)), config), {}


def measure(ties: Any) -> Program:
    metrics = ("recall", "ndcg") if ties == "expected" else evaluation.DEFAULT_METRICS
    how = {"cutoffs": (10,), "metrics": metrics, "convention": replace(DEFAULT, ties=ties)}
    return evaluation.measure, (MODEL, evaluation.evaluation_set(SEEN, exclude=SEEN)), how


def swept(fit: Any, data: Any, configs: list[Any]) -> Program:
    settings = sweep.stack([cells.Training(config, 3) for config in configs])
    cell = cells.measured(fit)
    return sweep.over(cell, "vmap"), (jax.random.split(key(), len(configs)), settings, (data, HELD_OUT)), {}


def hypergradient(through: Any, solver: Any = "conjugate_gradient") -> Program:
    start = als.init(key(), als.Config(dim=DIM), num_users=50, num_items=40)

    def value(log_reg: jax.Array) -> jax.Array:
        def config_of(x: jax.Array) -> als.Config:
            return als.Config(reg=jnp.exp(x), dim=DIM, solver=solver, cg_steps=8)

        model = hypergradients.factors(start, log_reg, DATA, config_of=config_of, num_steps=3, through=through)
        return smooth.ndcg(model, HELD_OUT)

    return jax.grad(value), (jnp.float32(-3.0),), {}


def on_devices(rows: bool) -> Program:
    mesh, config = sharding.mesh(1), als.Config(dim=DIM)
    state, storage = als.init(key(), config, num_users=50, num_items=40), als.WHOLE_TABLES
    if rows:
        data, storage = by_rows.place(DATA, mesh)
        state = by_rows.scatter(state, storage)
    else:
        data, state = sharding.place(DATA, mesh), sharding.replicate(state, mesh)
    how = {"map_chunks": devices.MapOverDevices(mesh), "last_apart": True}
    return partial(fitting._steps, storage=storage), (state, data, config, 3), how


OBJECTIVES = {
    "explicit": objectives.explicit(offset=3.0),
    "zeros_observed": objectives.zeros_observed(),
    "implicit": objectives.implicit(),
    "log": objectives.implicit(confidence="log"),
    "ials": objectives.ials(),
    "eals": objectives.ials(popularity_exponent=0.5),
    "popularity": objectives.popularity_weighted(),
}
RANKING = ranking.Config(dim=DIM, batch_size=64)
REGS = (0.1, 1.0)

PROGRAMS: dict[str, Callable[[], Program]] = {
    "als steps": als_steps,
    "als steps, Cholesky, biases, explicit": partial(
        als_steps, solver="cholesky", biases=True, objective=OBJECTIVES["explicit"]
    ),
    "als.init": lambda: (als.init, (key(), als.Config(dim=DIM)), {"num_users": 5, "num_items": 4}),
    "als.fold_in": als_fold_in,
    "ranking.epoch": epoch,
    "evaluation.measure, ties first": partial(measure, "first"),
    "recommend.top_k": lambda: (partial(recommend.top_k, exclude=SEEN), (MODEL, jnp.arange(50)), {"k": 10}),
    "statistics.bootstrap": lambda: (statistics.resampling.bootstrap, (key(), jnp.ones((3, 50))), {}),
    "statistics.sign_flip": lambda: (statistics.resampling.sign_flip, (key(), jnp.ones((3, 50))), {}),
    "baselines.svd": lambda: (partial(svd.decompose, dim=4, missing="mean"), (key(), DATA), {}),
}
"""One of every boundary; the others are slow."""

SLOW: dict[str, Callable[[], Program]] = {
    **{
        f"als steps, {solver}, biases {biases}": partial(als_steps, solver=solver, biases=biases)
        for solver in als.SOLVERS
        for biases in (False, True)
    },
    "als.fold_in, items with features": als_fold_in_items,
    "als.explain": als_explain,
    "als.half_step": als_half_step,
    "ranking.fold_in": lambda: (ranking.fold_in, (key(), SEEN, MODEL, RANKING), {}),
    "baselines.linear, lists": lambda: (
        lambda lists, history, users: baselines.linear(lists, history)(users),
        (baselines.nearest_items(PAIRS, 5), SEEN, jnp.arange(5)),
        {},
    ),
    "baselines.svd.fold_in": lambda: (svd.fold_in, (SEEN, MODEL), {"missing": "zero"}),
    "recommend.masked_scores": lambda: (partial(recommend.masked_scores, exclude=SEEN), (MODEL, jnp.arange(5)), {}),
    # What an objective adds to a step does not depend on who solves it.
    **{f"als steps, {name}": partial(als_steps, objective=objective) for name, objective in OBJECTIVES.items()},
    "als steps, tolerance": partial(als_steps, cg_tolerance=1e-3),
    "als steps, bfloat16": partial(als_steps, gathered_dtype="bfloat16"),
    **{f"als.loss, {name}": partial(als_loss, objective=objective) for name, objective in OBJECTIVES.items()},
    **{f"ranking.epoch, {name}": partial(epoch, loss=loss) for name, loss in losses.LOSSES.items()},
    **{f"ranking.epoch, {name}": partial(epoch, sampler) for name, sampler in sampling.SAMPLERS.items()},
    "ranking.epoch, hard": partial(epoch, lambda seen: sampling.hard(sampling.uniform(seen, num=8))),
    "ranking.epoch, permutation": partial(epoch, order="permutation"),
    "ranking.epoch, Adam by rows": partial(epoch, optimizer=optax.adam(1.0)),
    "ranking.epoch, Adam": partial(epoch, optimizer=optax.adam(1.0), dense_updates=True),
    **{f"evaluation.measure, ties {ties}": partial(measure, ties) for ties in ("last", "worst", "expected")},
    "recommend.top_k, long": lambda: (partial(recommend.top_k, exclude=SEEN), (MODEL, jnp.arange(50)), {"k": 40}),
    "recommend.similar_items": lambda: (recommend.similar_items, (MODEL, jnp.arange(5)), {"metric": "cosine"}),
    "sweep, als": lambda: swept(cells.als_factors, DATA, [als.Config(dim=DIM, reg=reg) for reg in REGS]),
    "sweep, als, Cholesky": lambda: swept(
        cells.als_factors, DATA, [als.Config(dim=DIM, reg=reg, solver="cholesky") for reg in REGS]
    ),
    "sweep, ranking": lambda: swept(
        cells.ranking_factors, ranking.data(SEEN), [replace(RANKING, reg_user=reg) for reg in REGS]
    ),
    "hypergradients, steps": partial(hypergradient, "steps"),
    "hypergradients, fixed point": partial(hypergradient, "fixed_point"),
    "hypergradients, Cholesky": partial(hypergradient, "steps", "cholesky"),
    "baselines.svd, zeros": lambda: (partial(svd.decompose, dim=4, missing="zero"), (key(), DATA), {}),
    "baselines.ease": lambda: (baselines.ease_weights, (jnp.eye(40), 1.0), {}),
    "two stages": lambda: (
        lambda model, users: two_stage.scorer(model, model, candidates=10)(users),
        (MODEL, jnp.arange(8)),
        {},
    ),
    "devices": partial(on_devices, False),
    "devices, by rows": partial(on_devices, True),
}


def lowered(name: str) -> dict[str, str]:
    """Return the text of a program by platform; what is traced knows no platform, and is traced once."""
    function, args, static = (PROGRAMS | SLOW)[name]()
    traced = jax.jit(function, static_argnames=tuple(static)).trace(*args, **static)
    return {platform: traced.lower(lowering_platforms=(platform,)).as_text() for platform in PLATFORMS}


@pytest.mark.parametrize("name", [*PROGRAMS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_program_lowers(name):
    for platform, text in lowered(name).items():
        found = CPU_ONLY.findall(text)
        assert not found, f"{name} needs {set(found)}, which {platform} has not"


def test_evaluation_has_no_loop_whose_length_the_host_would_have_to_ask_for():
    """A loop of known length compares its counter with a constant."""
    for text in lowered("evaluation.measure, ties first").values():
        conditions = re.findall(r"cond \{(.*?)\} do \{", text, re.DOTALL)
        assert all("stablehlo.constant" in condition for condition in conditions), conditions


def test_products_are_float32_on_every_platform():
    for text in lowered("als steps").values():
        products = re.findall(r"stablehlo.dot_general.*", text)
        assert products and all("HIGHEST" in product for product in products)
