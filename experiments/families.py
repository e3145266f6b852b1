"""Models whose numbers can be swept and tuned: parameters by name, and the pure fit behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax

from experiments import unsolved
from experiments.models import (
    ALS_PUBLISHED,
    ALS_PUBLISHED_STEPS,
    ALS_TUNED,
    ALS_TUNED_STEPS,
    BPR_PUBLISHED,
    BPR_PUBLISHED_EPOCHS,
    BPR_PUBLISHED_SAMPLER,
)
from experiments.options import MOST, MOST_DIM
from experiments.task import Task
from mfjax import als, baselines, checks, ranking
from mfjax.als import objectives
from mfjax.search import Choice, Space, Uniform, cells
from mfjax.types import Factors, Key, Scorer

Parameters = Mapping[str, Any]
"""Name -> number."""

PARTS = 5
"""Times that a model is looked at while it is trained in a search."""


@dataclass(frozen=True)
class Family:
    """A model of `experiments.models` with its parameters left open.

    Attributes:
        defaults: name -> value; an integer default takes integers.
        setting: parameters -> setting of a sweep.
        fit: (key, setting, data) -> factors or scorer, pure.
        data: task -> what `fit` takes.
        path: (key, setting, data) -> the models on the way to that of `fit`, in PARTS parts, each going on from the
            last; one for a model that is not trained step by step.
        space: what a search draws from.
    """

    defaults: Parameters
    setting: Callable[[Parameters], Any]
    fit: Callable[[Key, Any, Any], Factors | Scorer]
    data: Callable[[Task], Any]
    path: Callable[[Key, Any, Any], Iterator[Factors | Scorer]]
    space: Space

    def fixed(self, dim: int | None) -> dict[str, Any]:
        """Return {"dim": dim}, or {} where there is none or the model has no factors."""
        return {} if dim is None or "dim" not in self.defaults else {"dim": dim}

    def parameters(self, chosen: Parameters) -> Parameters:
        """Return the defaults with those chosen. Raises ValueError for an unknown name, or a number out of range."""
        if unknown := sorted(chosen.keys() - self.defaults.keys()):
            raise ValueError(f"{unknown[0]!r} is no parameter; choose from {', '.join(self.defaults)}")
        for name, value in chosen.items():
            # An exponent may be below 0; nothing else may.
            checks.number(name, value, least=None if name.endswith("_exponent") else 0.0)
            if isinstance(self.defaults[name], int):
                if int(value) != value:
                    raise ValueError(f"{name}: {value} is not a whole number")
                checks.whole(name, int(value), most=MOST_DIM if name == "dim" else MOST)
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


def _parts(num_steps: int) -> Iterator[int]:
    """Yield the steps of every part: equal but for rounding, none of them empty."""
    parts = min(PARTS, num_steps)
    yield from (num_steps * (part + 1) // parts - num_steps * part // parts for part in range(parts))


def _als_path(key: Key, setting: cells.Training, data: Any) -> Iterator[Factors]:
    state = None
    for size in _parts(int(setting.num_steps)):
        with unsolved.no_news():
            state = als.fit(key, data, setting.config, num_steps=size, state=state)
        yield als.factors(state, setting.config)


def _ranking_path(key: Key, setting: cells.Training, data: ranking.Data) -> Iterator[Factors]:
    state = None
    for size in _parts(int(setting.num_steps)):
        # Each part goes on with the key of the whole.
        state = ranking.fit(jax.random.clone(key), data, setting.config, num_epochs=size, state=state)
        yield ranking.factors(state)


def _ease_path(key: Key, setting: Any, data: Any) -> Iterator[Scorer]:
    yield _ease(key, setting, data)


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
        path=_als_path,
        space={
            "reg": Uniform(0.1, 300.0, log=True),
            "alpha": Uniform(1.0, 80.0, log=True),
            "dim": Choice((32, 64, 128)),
            "steps": Choice((10, 20, 30)),
        },
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
        path=_als_path,
        space={
            "reg": Uniform(0.03, 3.0, log=True),
            "unobserved_weight": Uniform(0.05, 1.5, log=True),
            "popularity_exponent": Uniform(0.0, 0.8),
            "dim": Choice((64, 128, 192)),
        },
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
        path=_ranking_path,
        space={
            "learning_rate": Uniform(0.01, 0.3, log=True),
            "reg": Uniform(1e-4, 0.1, log=True),
            "dim": Choice((32, 64, 128)),
            "epochs": Choice((25, 50, 100)),
        },
    ),
    "ease": Family(
        defaults={"reg": 100.0},
        setting=dict,
        fit=_ease,
        data=lambda task: (baselines.co_occurrence(task.train), task.seen),
        path=_ease_path,
        space={"reg": Uniform(10.0, 3000.0, log=True)},
    ),
}
"""The models that `--sweep` and `--tune` know."""
