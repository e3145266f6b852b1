"""The models of the library by name, for any data: `MODELS`. Their defaults are starting points; tune them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mfjax import als, baselines
from mfjax.als import objectives
from mfjax.als.objectives import Objective
from mfjax.histories import ragged
from mfjax.search import Choice, Space, Uniform
from mfjax.studies import by_gradients
from mfjax.studies.fitting import least_squares
from mfjax.studies.model import Model, Parameters
from mfjax.studies.task import Task
from mfjax.types import Key, Scorer


def _random(key: Key, task: Task, parameters: Parameters) -> Scorer:
    return baselines.random(key, task.train.num_items)


def _popularity(key: Key, task: Task, parameters: Parameters) -> Scorer:
    return baselines.popularity(task.item_counts)


def _item_knn(scorer: Callable[..., Scorer], neighbours: int, about: str) -> Model:
    """Return the model of items' nearest items, with a number of neighbours where nothing is said."""

    def fit(key: Key, task: Task, parameters: Parameters) -> Scorer:
        most = task.train.num_items - 1
        asked = {"num_neighbours": min(parameters["neighbours"], most), "shrink": parameters["shrink"]}
        return scorer(task.train, **asked, history=ragged(task.history))

    return Model(
        fit=fit,
        defaults={"neighbours": neighbours, "shrink": 0.0},
        random=False,
        folds_in=True,
        space={"neighbours": Choice((20, 50, 100, 200, 400)), "shrink": Choice((0.0, 5.0, 20.0, 100.0))},
        about=about,
    )


def _ease(key: Key, task: Task, parameters: Parameters) -> Scorer:
    return baselines.ease(task.train, reg=parameters["reg"], history=ragged(task.history))


def _als(
    objective: Callable[[Parameters, Task], Objective],
    defaults: Parameters,
    space: Space,
    about: str,
    *,
    biases: bool = False,
    cg_steps: int = 2,
) -> Model:
    """Return the model of an objective that parameters make."""

    def config(parameters: Parameters, task: Task) -> als.Config:
        return als.Config(
            objective=objective(parameters, task),
            biases=biases,
            cg_steps=cg_steps,
            reg=parameters["reg"],
            bias_reg=parameters["reg"],
            reg_exponent=parameters["reg_exponent"],
            dim=parameters["dim"],
        )

    return least_squares(config, defaults, space=space, predicts_ratings=biases, about=about)


def _unobserved_weight(parameters: Parameters, task: Task) -> Any:
    """Return the weight of an unobserved pair; 0 asks for one that makes the background of a user about as heavy in
    catalogues of any size, between .01 and .3."""
    given = parameters["unobserved_weight"]
    if isinstance(given, int | float) and given == 0:
        return min(max(BACKGROUND / task.train.num_items, 0.01), 0.3)
    return given


BACKGROUND = 300.0
"""Weight of all items that a user has not taken, together, where `unobserved_weight` of iALS is 0."""

_LEAST_SQUARES = {"reg_exponent": 1.0, "dim": 64, "steps": 16}
_REG = {"reg": Uniform(1e-4, 1e-1, log=True)}

MODELS: dict[str, Model] = {
    "random": Model(fit=_random, folds_in=True, about="scores drawn by key"),
    "popularity": Model(fit=_popularity, random=False, folds_in=True, about="number of train interactions"),
    "item-knn": _item_knn(baselines.item_knn, 200, "cosine of co-occurrence"),
    "item-knn-mean": _item_knn(baselines.item_knn_mean, 100, "weighted mean over the nearest items"),
    "ease": Model(
        fit=_ease,
        defaults={"reg": 200.0},
        random=False,
        folds_in=True,
        space={"reg": Uniform(10.0, 3000.0, log=True)},
        about="linear item-item model",
    ),
    "ials": _als(
        lambda p, task: objectives.ials(
            unobserved_weight=_unobserved_weight(p, task), popularity_exponent=p["popularity_exponent"]
        ),
        {"reg": 0.01, "unobserved_weight": 0.0, "popularity_exponent": 0.0, **_LEAST_SQUARES},
        {**_REG, "unobserved_weight": Uniform(0.01, 1.0, log=True)},
        "iALS: every unobserved pair is 0 with a small weight",
    ),
    "als": _als(
        lambda p, task: objectives.implicit(alpha=p["alpha"]),
        {"reg": 0.01, "alpha": 10.0, **_LEAST_SQUARES},
        {**_REG, "alpha": Uniform(1.0, 80.0, log=True)},
        "implicit ALS: confidence 1 + alpha r",
    ),
    "explicit": _als(
        lambda p, task: objectives.explicit(offset=float(task.train.values.mean())),
        {"reg": 0.05, **_LEAST_SQUARES, "dim": 16},
        {"reg": Uniform(0.01, 0.3, log=True), "dim": Choice((8, 16, 32, 64))},
        "factorisation of the ratings, with biases",
        biases=True,
        cg_steps=8,
    ),
    "item-bias": Model(
        fit=lambda key, task, p: baselines.ratings.item_bias(task.train, reg=p["reg"]),
        defaults={"reg": 5.0},
        random=False,
        folds_in=True,
        predicts_ratings=True,
        space={"reg": Uniform(0.5, 50.0, log=True)},
        about="mean rating of the item",
    ),
    "bpr": by_gradients.ranking_loss("bpr", 1, "pairs of a positive and a negative"),
    "warp": by_gradients.ranking_loss("warp", 16, "the first negative that ranks above"),
    "softmax": by_gradients.ranking_loss("softmax", 16, "sampled softmax, 16 negatives"),
    "softmax-cosine": by_gradients.softmax_cosine(),
    "bpr-hard": by_gradients.bpr_hard(),
    "lambdarank": by_gradients.ranking_loss("lambdarank", 16, "pairs weighted by what they do to NDCG"),
}
"""Models by name. "explicit" and "item-bias" predict ratings, the others rank."""
