"""The models of ratings of MovieLens-100K by name: each fits a task from a key and returns factors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax

from experiments.explicit_ml100k.peers import surprise_svd
from mfjax import als
from mfjax.als import objectives
from mfjax.als.objectives import Objective
from mfjax.baselines import svd
from mfjax.baselines.ratings import global_mean, item_bias, user_item_bias
from mfjax.studies.rating_models import RatingModel, choose
from mfjax.studies.rating_task import Cut, RatingTask
from mfjax.types import Factors, Key

# Published: rank 10, 100 iterations, factors drawn from N(0, 1), reg 1.5 whatever the number of ratings.
PUBLISHED: dict[str, Any] = {"dim": 10, "reg": 1.5, "reg_exponent": 0.0, "init_scale": 10**0.5}
PUBLISHED_STEPS = 100
PUBLISHED_GRID = tuple(itertools.product((0.5, 1.0, 1.5), (0.05, 0.1, 0.2)))


def fit_published(key: Key, cut: Cut, objective: Objective) -> Factors:
    """Fit ALS as published under one objective."""
    config = als.Config(objective=objective, **PUBLISHED)
    return als.factors(als.fit(key, cut.histories, config, num_steps=PUBLISHED_STEPS), config)


def _published(objective: Objective) -> Callable[[Key, RatingTask], Factors]:
    return lambda key, task: fit_published(key, task.train, objective)


def _weighted_grid(key: Key, task: RatingTask) -> Factors:
    base, scale = chosen_weights(task)
    return fit_published(key, task.train, objectives.popularity_weighted(base=base, scale=scale))


@cache
def chosen_weights(task: RatingTask) -> tuple[float, float]:
    """Return the base and scale of the published grid that validation prefers."""

    def fit(key: Key, cut: Cut, weights: tuple[float, float]) -> Factors:
        base, scale = weights
        return fit_published(key, cut, objectives.popularity_weighted(base=base, scale=scale))

    return choose(task, PUBLISHED_GRID, fit)


@dataclass(frozen=True)
class BiasedSetting:
    """Settings of biased ALS: rows are regularised by reg sqrt(n), their biases by `bias_share` of that."""

    dim: int
    reg: float
    bias_share: float

    def __str__(self) -> str:
        return f"dim {self.dim}, reg {self.reg}, bias share {self.bias_share}"

    def config(self, mean: float) -> als.Config:
        return als.Config(
            objective=objectives.explicit(offset=mean),
            reg=self.reg,
            bias_reg=self.reg * self.bias_share,
            reg_exponent=0.5,
            init_scale=1.0,
            dim=self.dim,
            biases=True,
        )


BIASED_GRID = tuple(itertools.starmap(BiasedSetting, itertools.product((5, 40), (0.7, 1.0, 1.3), (0.3, 1.0))))
BIASED_STEPS = 15


def fit_biased(key: Key, cut: Cut, setting: BiasedSetting) -> Factors:
    """Fit biased ALS."""
    config = setting.config(cut.mean)
    return als.factors(als.fit(key, cut.histories, config, num_steps=BIASED_STEPS), config)


@cache
def chosen_biased(task: RatingTask) -> BiasedSetting:
    """Return the setting of the grid that validation prefers."""
    # Near the optimum two starts differ more than two settings.
    return choose(task, BIASED_GRID, fit_biased, starts=3)


SVD_DIMS = (2, 5, 10, 20)


@cache
def chosen_svd_dim(task: RatingTask) -> int:
    """Return the number of singular triplets that validation prefers."""
    return choose(task, SVD_DIMS, lambda key, cut, dim: svd.factors(_decompose(key, cut), dim=dim))


def _decompose(key: Key, cut: Cut) -> svd.Decomposition:
    return _compiled_decompose(key, cut.histories, dim=max(SVD_DIMS))


_compiled_decompose = jax.jit(svd.decompose, static_argnames="dim")


RATING_MODELS: dict[str, RatingModel] = {
    "global-mean": RatingModel(lambda key, task: global_mean(task.train.ratings), False, "mean of all ratings"),
    "item-bias": RatingModel(lambda key, task: item_bias(task.train.ratings), False, "mean of the item"),
    "user-item-bias": RatingModel(
        lambda key, task: user_item_bias(task.train.ratings),
        False,
        "mean and both biases, reg sqrt(n)",
    ),
    "als": RatingModel(_published(objectives.zeros_observed()), True, "ALS on the full matrix, zeros observed"),
    "weighted-linear": RatingModel(
        _published(objectives.popularity_weighted(base=0.1, scale=1.0)), True, "observed entries, w = .1 + 1 / c"
    ),
    "weighted-exponential": RatingModel(
        _published(objectives.popularity_weighted(base=1.0, exponent=0.1)), True, "observed entries, w = 1 + c^-.1"
    ),
    "weighted-grid": RatingModel(
        _weighted_grid,
        True,
        "w = w0 + wk / c, the published grid",
        lambda task: "w0 {}, wk {}".format(*chosen_weights(task)),
    ),
    "svd": RatingModel(
        lambda key, task: svd.factors(_decompose(key, task.train), dim=chosen_svd_dim(task)),
        True,
        "user-centred truncated SVD",
        lambda task: f"rank {chosen_svd_dim(task)}",
    ),
    "biased-als": RatingModel(
        lambda key, task: fit_biased(key, task.train, chosen_biased(task)),
        True,
        "ALS with user and item biases",
        lambda task: str(chosen_biased(task)),
    ),
    "surprise-svd": RatingModel(surprise_svd, True, "biased matrix factorisation of the library Surprise, defaults"),
}
PEERS = ("surprise-svd",)
OWN = tuple(name for name in RATING_MODELS if name not in PEERS)
