"""The models of ratings of MovieLens-100K by name: as published, and with settings that validation chooses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import jax

from experiments.explicit_ml100k.peers import surprise_svd
from mfjax import als
from mfjax.als import objectives
from mfjax.als.objectives import Objective
from mfjax.baselines import ratings, svd
from mfjax.studies import Model, choosing
from mfjax.studies.fitting import least_squares
from mfjax.studies.model import Parameters
from mfjax.studies.task import Task
from mfjax.types import Factors, Key

# Published: rank 10, 100 iterations, factors drawn from N(0, 1), reg 1.5 whatever the number of ratings.
PUBLISHED: dict[str, Any] = {"dim": 10, "reg": 1.5, "steps": 100}
SVD_DIMS = (2, 5, 10, 20)


def as_published(objective: Callable[[Parameters], Objective], about: str = "", **weights: float) -> Model:
    """Return the ALS as published under an objective that parameters make."""

    def config(parameters: Parameters, task: Task) -> als.Config:
        own = {name: parameters[name] for name in ("dim", "reg")}
        return als.Config(objective=objective(parameters), reg_exponent=0.0, init_scale=10**0.5, **own)

    return least_squares(config, {**PUBLISHED, **weights}, predicts_ratings=True, about=about)


def _weighted(parameters: Parameters) -> Objective:
    return objectives.popularity_weighted(
        **{name: parameters[name] for name in ("base", "scale", "exponent") if name in parameters}
    )


def _biased(parameters: Parameters, task: Task) -> als.Config:
    """Return ALS with biases: rows are regularised by reg sqrt(n), their biases by `bias_share` of that."""
    return als.Config(
        objective=objectives.explicit(offset=float(task.train.values.mean(dtype=float))),
        reg=parameters["reg"],
        bias_reg=parameters["reg"] * parameters["bias_share"],
        reg_exponent=0.5,
        init_scale=1.0,
        dim=parameters["dim"],
        biases=True,
    )


_decompose = jax.jit(svd.decompose, static_argnames="dim")


def _svd(key: Key, task: Task, parameters: Parameters) -> Factors:
    found = _decompose(key, task.histories, dim=max(*SVD_DIMS, parameters["dim"]))
    return svd.factors(found, dim=parameters["dim"])


class Grid(NamedTuple):
    """What validation chooses from: a model, parameter -> values, a setting in words, and the fits of every setting."""

    model: Model
    values: Mapping[str, Sequence[Any]]
    words: str
    starts: int = 1


GRIDS = {
    "weighted-grid": Grid(
        as_published(_weighted, "w = w0 + wk / c, the published grid", base=0.1, scale=1.0),
        {"base": (0.5, 1.0, 1.5), "scale": (0.05, 0.1, 0.2)},
        "w0 {base}, wk {scale}",
    ),
    "svd": Grid(
        Model(fit=_svd, defaults={"dim": 10}, predicts_ratings=True, about="user-centred truncated SVD"),
        {"dim": SVD_DIMS},
        "rank {dim}",
    ),
    "biased-als": Grid(
        least_squares(_biased, {"steps": 15}, predicts_ratings=True, about="ALS with user and item biases"),
        {"dim": (5, 40), "reg": (0.7, 1.0, 1.3), "bias_share": (0.3, 1.0)},
        "dim {dim}, reg {reg}, bias share {bias_share}",
        starts=3,  # near the optimum two starts differ more than two settings
    ),
}
"""Model -> its grid."""


def chosen(name: str, task: Task, parameters: Parameters) -> Parameters:
    """Return the parameters, those of the grid that are 0 as the validation of the task prefers them."""
    return _chosen(name, task, tuple(parameters.items()))


@cache
def _chosen(name: str, task: Task, parameters: tuple[tuple[str, Any], ...]) -> Parameters:
    grid, fixed = GRIDS[name], dict(parameters)
    free = {axis: values for axis, values in grid.values.items() if not fixed[axis]}
    points = [{**fixed, **dict(zip(free, point, strict=True))} for point in itertools.product(*free.values())]
    return choosing.choose(task, by_validation(name), points, starts=grid.starts) if free else fixed


def by_validation(name: str) -> Model:
    """Return the model of a grid: its parameters are 0 by default, and then validation chooses them."""
    model, values, *_ = GRIDS[name]
    make = model.config
    return replace(
        model,
        fit=lambda key, task, parameters: model.fit(key, task, chosen(name, task, parameters)),
        defaults={**model.defaults, **{axis: type(options[0])(0) for axis, options in values.items()}},
        path=None,
        config=make and (lambda parameters, task: make(chosen(name, task, parameters), task)),
    )


def _of_train(fit: Callable[..., Factors], about: str, **defaults: float) -> Model:
    """Return a model of biases, which draws nothing."""
    own: dict[str, Any] = {"random": False, "predicts_ratings": True, "about": about}
    return Model(fit=lambda key, task, parameters: fit(task.train, **parameters), defaults=defaults, **own)


MODELS: dict[str, Model] = {
    "global-mean": _of_train(ratings.global_mean, "mean of all ratings"),
    "item-bias": _of_train(ratings.item_bias, "mean of the item", reg=0.0),
    "user-item-bias": _of_train(ratings.user_item_bias, "mean and both biases, reg sqrt(n)", reg=1.0),
    "als": as_published(lambda parameters: objectives.zeros_observed(), "ALS on the full matrix, zeros observed"),
    "weighted-linear": as_published(_weighted, "observed entries, w = .1 + 1 / c", base=0.1, scale=1.0),
    "weighted-exponential": as_published(_weighted, "observed entries, w = 1 + c^-.1", base=1.0, exponent=0.1),
    **{name: by_validation(name) for name in GRIDS},
    "surprise-svd": Model(fit=surprise_svd, predicts_ratings=True, about="that of the library Surprise, its defaults"),
}
PEERS = ("surprise-svd",)
