"""The models of the library by name, for any data: `MODELS`. Their defaults are starting points; tune them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax

from mfjax import als, baselines, compilation, devices, histories, ranking
from mfjax.als import objectives
from mfjax.als.objectives import Objective
from mfjax.histories import Ragged, ragged
from mfjax.ranking import Sampler, sampling
from mfjax.ranking.losses import LOSSES
from mfjax.search import Choice, Uniform
from mfjax.studies.model import Fit, Model, Parameters
from mfjax.studies.task import Task
from mfjax.types import Factors, Key, Scorer

_ADAM = optax.adam(1.0)
"""One object for all models: a transformation is static, and another one would compile again."""

_fold_in = compilation.jit(als.fold_in)


def _random(key: Key, task: Task, parameters: Parameters) -> Scorer:
    return baselines.random(key, task.train.num_items)


def _popularity(key: Key, task: Task, parameters: Parameters) -> Scorer:
    return baselines.popularity(task.item_counts)


def _item_knn(key: Key, task: Task, parameters: Parameters) -> Scorer:
    neighbours = min(parameters["neighbours"], task.train.num_items - 1)
    weights = baselines.cosine_neighbours(baselines.co_occurrence(task.train), neighbours)
    return baselines.linear(weights, ragged(task.history))


def _ease(key: Key, task: Task, parameters: Parameters) -> Scorer:
    weights = baselines.ease_weights(baselines.co_occurrence(task.train), parameters["reg"])
    return baselines.linear(weights, ragged(task.history))


def als_fit(objective: Callable[[Parameters, Task], Objective], *, biases: bool = False, cg_steps: int = 2) -> Fit:
    """Return the fit of an objective that parameters make; reg, reg_exponent, dim and steps are parameters too."""

    def fit(key: Key, task: Task, parameters: Parameters) -> Factors:
        config = als.Config(
            objective=objective(parameters, task),
            biases=biases,
            cg_steps=cg_steps,
            reg=parameters["reg"],
            bias_reg=parameters["reg"],
            reg_exponent=parameters["reg_exponent"],
            dim=parameters["dim"],
        )
        state = devices.fit_on_all(key, task.placed, config, num_steps=parameters["steps"])
        model = als.factors(state, config)
        if task.fold_in is None:
            return model
        counts = jnp.asarray(task.train.item_counts(), jnp.float32)
        rows = _fold_in(histories.side(task.fold_in), model, config, item_counts=counts)
        if not biases:
            return model._replace(users=rows)
        return model._replace(users=rows[:, 2:], user_biases=rows[:, 0])

    return fit


def ranking_fit(loss: str, sampler: Callable[[Ragged], Sampler]) -> Fit:
    """Return the fit of a ranking loss by Adam on whole tables; `sampler` makes the negatives from the positives."""

    def fit(key: Key, task: Task, parameters: Parameters) -> Factors:
        reg = parameters["reg"]
        config = ranking.Config(
            loss=LOSSES[loss],
            optimizer=_ADAM,
            dense_updates=True,
            learning_rate=parameters["learning_rate"],
            reg_user=reg,
            reg_positive=reg,
            reg_negative=reg,
            reg_bias=reg,
            dim=parameters["dim"],
            batch_size=min(parameters["batch"], len(task.train)),
        )
        key_fit, key_fold = jax.random.split(key)
        data = ranking.data(task.seen, sampler(task.seen))
        model = ranking.factors(ranking.fit(key_fit, data, config, num_epochs=parameters["epochs"]))
        if task.fold_in is None:
            return model
        return model._replace(users=ranking.fold_in(key_fold, ragged(task.fold_in), model, config))

    return fit


_LEAST_SQUARES = {"reg_exponent": 1.0, "dim": 64, "steps": 16}
_REG = {"reg": Uniform(1e-4, 1e-1, log=True)}
_RANKED = {"learning_rate": 0.005, "reg": 0.05, "dim": 64, "epochs": 20, "batch": 1024}
_RANKED_SPACE = {"learning_rate": Uniform(1e-3, 3e-2, log=True), "reg": Uniform(3e-3, 0.6, log=True)}


def _ranked(loss: str, num: int, about: str) -> Model:
    sampler = partial(sampling.popularity, num=num, beta=0.5)
    return Model(fit=ranking_fit(loss, sampler), defaults=_RANKED, folds_in=True, space=_RANKED_SPACE, about=about)


MODELS: dict[str, Model] = {
    "random": Model(fit=_random, folds_in=True, about="scores drawn by key"),
    "popularity": Model(fit=_popularity, random=False, folds_in=True, about="number of train interactions"),
    "item-knn": Model(
        fit=_item_knn,
        defaults={"neighbours": 200},
        random=False,
        folds_in=True,
        space={"neighbours": Choice((20, 50, 100, 200, 400))},
        about="cosine of co-occurrence",
    ),
    "ease": Model(
        fit=_ease,
        defaults={"reg": 200.0},
        random=False,
        folds_in=True,
        space={"reg": Uniform(10.0, 3000.0, log=True)},
        about="linear item-item model",
    ),
    "ials": Model(
        fit=als_fit(
            lambda p, task: objectives.ials(
                unobserved_weight=p["unobserved_weight"], popularity_exponent=p["popularity_exponent"]
            )
        ),
        defaults={"reg": 0.003, "unobserved_weight": 0.1, "popularity_exponent": 0.0, **_LEAST_SQUARES},
        folds_in=True,
        space={**_REG, "unobserved_weight": Uniform(0.01, 1.0, log=True)},
        about="iALS: every unobserved pair is 0 with a small weight",
    ),
    "als": Model(
        fit=als_fit(lambda p, task: objectives.implicit(alpha=p["alpha"])),
        defaults={"reg": 0.01, "alpha": 10.0, **_LEAST_SQUARES},
        folds_in=True,
        space={**_REG, "alpha": Uniform(1.0, 80.0, log=True)},
        about="implicit ALS: confidence 1 + alpha r",
    ),
    "explicit": Model(
        fit=als_fit(
            lambda p, task: objectives.explicit(offset=float(task.train.values.mean())), biases=True, cg_steps=8
        ),
        defaults={"reg": 0.05, **_LEAST_SQUARES, "dim": 16},
        folds_in=True,
        predicts_ratings=True,
        space={"reg": Uniform(0.01, 0.3, log=True), "dim": Choice((8, 16, 32, 64))},
        about="factorisation of the ratings, with biases",
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
    "bpr": _ranked("bpr", 1, "pairs of a positive and a negative"),
    "warp": _ranked("warp", 16, "the first negative that ranks above"),
    "softmax": _ranked("softmax", 16, "sampled softmax, 16 negatives"),
    "lambdarank": _ranked("lambdarank", 16, "pairs weighted by what they do to NDCG"),
}
"""Models by name. "explicit" and "item-bias" predict ratings, the others rank."""
