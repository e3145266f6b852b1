"""The recommenders of the MovieLens-1M study by name, and the spaces in which two of them are searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import optax
from jax.tree_util import Partial

from experiments.ml100k.models import MODELS as SHARED
from mfjax import als, baselines, compilation, devices, histories, ranking
from mfjax.als import objectives
from mfjax.als.objectives import Entry, Objective
from mfjax.data.recency import decayed
from mfjax.ranking import losses, sampling
from mfjax.search import Choice, Space, Uniform
from mfjax.studies.models import Fit, Recommender, fit_als, fit_ranking, fit_two_stages
from mfjax.studies.task import Task
from mfjax.types import Array, Factors, Interactions, Key, Scorer

Settings = Mapping[str, Any]
"""Name of a parameter -> its value."""


@dataclass(frozen=True)
class Searched:
    """A model whose settings are searched on validation.

    Attributes:
        space: what may be tried.
        recorded: what the search chose on MovieLens-1M, for runs without one.
        model: settings -> model.
    """

    space: Space
    recorded: Settings
    model: Callable[[Settings], Recommender]


# Published: 64 factors, reg .01, 20 iterations on the binary matrix, which the library implicit takes as the
# confidence itself, so that c = 1 for every pair.
ALS = als.Config(objective=objectives.implicit(alpha=1.0, confidence="value"), reg=0.01, reg_exponent=0.0, dim=64)
ALS_STEPS = 20
IALS = als.Config(objective=objectives.ials(unobserved_weight=0.5), reg=0.005, reg_exponent=1.0, dim=256)
IALS_STEPS = 12
BPR = ranking.Config(
    dim=128, learning_rate=0.05, reg_user=0.005, reg_positive=0.005, reg_negative=0.005, batch_size=1024
)
BPR_EPOCHS = 60
LAMBDARANK = ranking.Config(
    loss=losses.lambdarank,
    optimizer=optax.adam(1.0),
    dense_updates=True,
    learning_rate=0.005,
    reg_user=0.1,
    reg_positive=0.1,
    reg_negative=0.02,
    reg_bias=0.1,
    dim=64,
    batch_size=4096,
)
LAMBDARANK_EPOCHS = 10
EASE_REG = 300.0
RECENT_EASE_REG, RECENT_EASE_HALF_LIFE = 1000.0, 3.0


def weighted_ials(*, unobserved_weight: float | Array) -> Objective:
    r"""Return iALS with observed pairs that weigh as much as their values.

    .. math:: \sum_{(u,i) \in H} r_{ui} (1 - s_{ui})^2 + w_0 \sum_u \sum_i s_{ui}^2
    """
    return Objective(entry=Partial(_weighted), unobserved_weight=unobserved_weight)


def _weighted(values: Array, item_counts: Array) -> Entry:
    return Entry(values, values, values)


def recent_history(config: als.Config, half_life: float, task: Task) -> tuple[als.Config, Interactions]:
    """Return what the user rows of `fit_recent_als` are solved from: a configuration, and weighted histories."""
    objective = weighted_ials(unobserved_weight=config.objective.unobserved_weight)
    return replace(config, objective=objective), decayed(task.train, half_life=half_life)


def recent_users(config: als.Config, half_life: float, items: Array, task: Task) -> Array:
    """Return user rows folded in from histories whose older entries weigh less, float32 [num_users, dim]."""
    recent, weighted = recent_history(config, half_life, task)
    model = Factors(items[:0], items)  # a fold-in reads no users
    return _fold_in(histories.side(weighted), model, recent, item_counts=task.histories.items.counts)


_fold_in = compilation.jit(als.fold_in)


def fit_recent_als(config: als.Config, num_steps: int, half_life: float) -> Fit:
    """Return the fit of iALS whose users are, in the end, folded in from their recent histories."""

    def fit(key: Key, task: Task, dim: int | None) -> Factors:
        chosen = config if dim is None else replace(config, dim=dim)
        items = devices.fit_on_all(key, task.placed, chosen, num_steps=num_steps).items
        return Factors(recent_users(chosen, half_life, items, task), items)

    return fit


def _fit_recent_ease(key: Key, task: Task, dim: int | None) -> Scorer:
    weights = baselines.ease_weights(baselines.co_occurrence(task.train), RECENT_EASE_REG)
    return baselines.linear(weights, histories.ragged(decayed(task.train, half_life=RECENT_EASE_HALF_LIFE)))


def _tuned_als(settings: Settings) -> Recommender:
    config = als.Config(
        objective=objectives.implicit(alpha=settings["alpha"], confidence="value"),
        reg=settings["reg"],
        reg_exponent=0.0,
        dim=settings["dim"],
    )
    return Recommender(
        fit_als(config, settings["steps"]), True, "implicit ALS, searched in the published space", config
    )


def _recent_als(settings: Settings) -> Recommender:
    config = replace(
        IALS,
        objective=objectives.ials(unobserved_weight=settings["unobserved_weight"]),
        reg=settings["reg"],
        dim=settings["dim"],
    )
    half_life = settings["half_life"]
    return Recommender(
        fit_recent_als(config, IALS_STEPS, half_life),
        True,
        "iALS, users folded in from recent history; settings searched",
        config,
        solved=partial(recent_history, config, half_life),
    )


SEARCHED: dict[str, Searched] = {
    # The space of the published study.
    "als-tuned": Searched(
        {
            "dim": Choice((32, 64, 96, 128, 192, 256)),
            "reg": Uniform(1e-4, 1e-1, log=True),
            "alpha": Choice((5, 10, 20, 40, 80)),
            "steps": Choice((10, 20, 30)),
        },
        {"dim": 32, "reg": 0.0404, "alpha": 5, "steps": 30},
        _tuned_als,
    ),
    "als-recent": Searched(
        {
            "dim": Choice((64, 128, 256)),
            "unobserved_weight": Uniform(0.05, 1.0, log=True),
            "reg": Uniform(1e-3, 3e-2, log=True),
            "half_life": Uniform(1.0, 8.0, log=True),
        },
        {"dim": 128, "unobserved_weight": 0.283, "reg": 0.00614, "half_life": 2.75},
        _recent_als,
    ),
}

_als = fit_als(ALS, ALS_STEPS)
_bpr = fit_ranking(BPR, BPR_EPOCHS, sampling.uniform)


def _item_knn(key: Key, task: Task, dim: int | None) -> Scorer:
    return baselines.item_knn(task.train, num_neighbours=200, ties="higher")


_FIXED: dict[str, Recommender] = {
    "random": SHARED["random"],
    "popularity": SHARED["popularity"],
    "item-knn": Recommender(_item_knn, False, "cosine, 200 neighbours"),
    "item-knn-published": Recommender(
        _item_knn, False, "the same; recommends what the user rated below 4", repeats=True
    ),
    "ease": Recommender(lambda key, task, dim: baselines.ease(task.train, reg=EASE_REG), False, "linear, L2 300"),
    "als": Recommender(_als, True, "ALS with the published settings, every pair of weight 1", ALS),
    "ials": Recommender(fit_als(IALS, IALS_STEPS), True, "iALS, 256 factors", IALS),
    "bpr": Recommender(_bpr, True, "BPR, 128 factors", BPR),
    "lambdarank": Recommender(
        fit_ranking(LAMBDARANK, LAMBDARANK_EPOCHS, partial(sampling.popularity, num=30, beta=0.3)),
        True,
        "LambdaRank, 64 factors, 30 negatives",
        LAMBDARANK,
    ),
    "als+bpr": Recommender(fit_two_stages(_als, _bpr), True, "two stages: the 100 best of als in the order of bpr"),
    "ease-recent": Recommender(_fit_recent_ease, False, "EASE, L2 1000, old history counts less"),
}

NAMES = (
    "random",
    "popularity",
    "item-knn",
    "item-knn-published",
    "ease",
    "als",
    "als-tuned",
    "ials",
    "bpr",
    "lambdarank",
    "als+bpr",
    "ease-recent",
    "als-recent",
)


def catalogue(chosen: Mapping[str, Settings]) -> dict[str, Recommender]:
    """Return all models by name; those of SEARCHED with the settings chosen, or recorded."""
    searched = {name: one.model(chosen.get(name, one.recorded)) for name, one in SEARCHED.items()}
    return {name: (_FIXED | searched)[name] for name in NAMES}
