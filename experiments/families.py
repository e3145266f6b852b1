"""Models whose numbers can be swept and tuned: parameters by name, and the pure fit behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from experiments.models import (
    ALS_PUBLISHED,
    ALS_PUBLISHED_STEPS,
    ALS_TUNED,
    ALS_TUNED_STEPS,
    BPR_PUBLISHED,
    BPR_PUBLISHED_EPOCHS,
    BPR_PUBLISHED_SAMPLER,
)
from experiments.task import Task
from mfjax import baselines, cells, objectives, ranking
from mfjax.types import Factors, Key, Scorer

Parameters = Mapping[str, Any]
"""Name -> number."""


@dataclass(frozen=True)
class Family:
    """A model of `experiments.models` with its parameters left open.

    Attributes:
        defaults: name -> value; an integer default takes integers.
        setting: parameters -> setting of a sweep.
        fit: (key, setting, data) -> factors or scorer, pure.
        data: task -> what `fit` takes.
    """

    defaults: Parameters
    setting: Callable[[Parameters], Any]
    fit: Callable[[Key, Any, Any], Factors | Scorer]
    data: Callable[[Task], Any]

    def parameters(self, chosen: Parameters) -> Parameters:
        """Return the defaults with those chosen. Raises ValueError for an unknown name or a fraction for an integer."""
        if unknown := sorted(chosen.keys() - self.defaults.keys()):
            raise ValueError(f"{unknown[0]!r} is no parameter; choose from {', '.join(self.defaults)}")
        for name, value in chosen.items():
            if isinstance(self.defaults[name], int) and int(value) != value:
                raise ValueError(f"{name}: {value} is not a whole number")
        kinds = {name: int if isinstance(default, int) else float for name, default in self.defaults.items()}
        return {name: kinds[name](chosen.get(name, default)) for name, default in self.defaults.items()}


def _als(parameters: Parameters) -> cells.Training:
    objective = objectives.implicit(alpha=parameters["alpha"], confidence="value")
    return _least_squares(parameters, objective)


def _als_tuned(parameters: Parameters) -> cells.Training:
    weight, exponent = parameters["unobserved_weight"], parameters["popularity_exponent"]
    return _least_squares(parameters, objectives.ials(unobserved_weight=weight, popularity_exponent=exponent))


def _least_squares(parameters: Parameters, objective: objectives.Objective) -> cells.Training:
    config = replace(
        ALS_PUBLISHED,
        objective=objective,
        reg=parameters["reg"],
        reg_exponent=parameters["reg_exponent"],
        init_scale=parameters["init_scale"],
        dim=int(parameters["dim"]),
    )
    return cells.Training(config, int(parameters["steps"]))


def _bpr(parameters: Parameters) -> cells.Training:
    reg = parameters["reg"]
    config = replace(
        BPR_PUBLISHED,
        learning_rate=parameters["learning_rate"],
        reg_user=reg,
        reg_positive=reg,
        reg_negative=reg,
        reg_bias=reg,
        init_scale=parameters["init_scale"],
        dim=int(parameters["dim"]),
    )
    return cells.Training(config, int(parameters["epochs"]))


def _ease(key: Key, setting: Any, data: Any) -> Scorer:
    del key
    gramian, seen = data
    return baselines.linear(baselines.ease_weights(gramian, setting["reg"]), seen)


FAMILIES: dict[str, Family] = {
    "als": Family(
        defaults={
            "reg": ALS_PUBLISHED.reg,
            "alpha": 10.0,
            "reg_exponent": ALS_PUBLISHED.reg_exponent,
            "init_scale": ALS_PUBLISHED.init_scale,
            "dim": ALS_PUBLISHED.dim,
            "steps": ALS_PUBLISHED_STEPS,
        },
        setting=_als,
        fit=cells.als_factors,
        data=lambda task: task.histories,
    ),
    "als-tuned": Family(
        defaults={
            "reg": ALS_TUNED.reg,
            "unobserved_weight": ALS_TUNED.objective.unobserved_weight,
            "popularity_exponent": ALS_TUNED.objective.popularity_exponent,
            "reg_exponent": ALS_TUNED.reg_exponent,
            "init_scale": ALS_TUNED.init_scale,
            "dim": ALS_TUNED.dim,
            "steps": ALS_TUNED_STEPS,
        },
        setting=_als_tuned,
        fit=cells.als_factors,
        data=lambda task: task.histories,
    ),
    "bpr": Family(
        defaults={
            "learning_rate": BPR_PUBLISHED.learning_rate,
            "reg": BPR_PUBLISHED.reg_user,
            "init_scale": BPR_PUBLISHED.init_scale,
            "dim": BPR_PUBLISHED.dim,
            "epochs": BPR_PUBLISHED_EPOCHS,
        },
        setting=_bpr,
        fit=cells.ranking_factors,
        data=lambda task: ranking.data(task.seen, BPR_PUBLISHED_SAMPLER(task.seen)),
    ),
    "ease": Family(
        defaults={"reg": 100.0},
        setting=dict,
        fit=_ease,
        data=lambda task: (baselines.co_occurrence(task.train), task.seen),
    ),
}
"""The models that `--sweep` and `--tune` know."""
