"""How most models of a study are made: from an ALS configuration, a ranking configuration, or from other models.

Each model can be swept and tuned by its parameters, looked at while it is trained, and fitted for users who are folded
in.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import als, compilation, devices, histories, ranking
from mfjax.histories import Ragged, ragged
from mfjax.ranking import Sampler
from mfjax.recommend import blending, diversity, two_stage
from mfjax.search import Space, Uniform
from mfjax.studies.model import Model, Parameters, check_models
from mfjax.studies.task import Task
from mfjax.types import Array, Factors, Interactions, Key, Scorer

_fold_in = compilation.jit(als.fold_in)


def least_squares(
    config: Callable[[Parameters, Task], als.Config],
    defaults: Parameters,
    *,
    space: Space | None = None,
    predicts_ratings: bool = False,
    history: Callable[[Parameters, Task], Interactions] | None = None,
    about: str = "",
) -> Model:
    """Return the model that ALS fits; one of its parameters is `steps`.

    Args:
        config: (parameters, task) -> configuration.
        defaults, space, predicts_ratings, history, about: as in `Model`; users are folded in from a history of their
            own in the end.
    """

    def finished(state: als.State, task: Task, parameters: Parameters, chosen: als.Config) -> Factors:
        rows = task.fold_in if history is None else history(parameters, task)
        return _folded(als.factors(state, chosen), rows, task, chosen)

    def fit(key: Key, task: Task, parameters: Parameters) -> Factors:
        chosen = config(parameters, task)
        state = devices.fit_on_all(key, task.placed, chosen, num_steps=parameters["steps"])
        return finished(state, task, parameters, chosen)

    def path(key: Key, task: Task, parameters: Parameters, parts: int) -> Iterator[Factors]:
        chosen, state = config(parameters, task), None
        for size in _sizes(parameters["steps"], parts):
            state = als.fit(jax.random.clone(key), task.histories, chosen, num_steps=size, state=state)
            yield finished(state, task, parameters, chosen)

    return Model(
        fit=fit,
        defaults=defaults,
        folds_in=True,
        predicts_ratings=predicts_ratings,
        space=space or {},
        about=about,
        path=path,
        length="steps",
        config=config,
        history=history,
    )


def _folded(model: Factors, fold_in: Interactions | None, task: Task, config: als.Config) -> Factors:
    """Return the model with a row for every user who is folded in, where there are such."""
    if fold_in is None:
        return model
    counts = jnp.asarray(task.train.item_counts(), jnp.float32)
    rows = _fold_in(histories.side(fold_in), model, config, item_counts=counts)
    if not config.biases:
        return model._replace(users=rows)
    return model._replace(users=rows[:, 2:], user_biases=rows[:, 0])


def ranked(
    config: Callable[[Parameters, Task], ranking.Config],
    sampler: Callable[[Parameters, Ragged], Sampler],
    defaults: Parameters,
    *,
    space: Space | None = None,
    about: str = "",
) -> Model:
    """Return the model that a ranking loss trains; one of its parameters is `epochs`.

    Args:
        config: (parameters, task) -> configuration.
        sampler: (parameters, positives) -> how negatives are drawn.
        defaults, space, about: as in `Model`.
    """

    def fit(key: Key, task: Task, parameters: Parameters) -> Factors:
        chosen, data = config(parameters, task), ranking.data(task.seen, sampler(parameters, task.seen))
        model = ranking.factors(ranking.fit(key, data, chosen, num_epochs=parameters["epochs"]), chosen)
        return _folded_ranked(key, model, task, chosen)

    def path(key: Key, task: Task, parameters: Parameters, parts: int) -> Iterator[Factors]:
        chosen, data = config(parameters, task), ranking.data(task.seen, sampler(parameters, task.seen))
        state = None
        for size in _sizes(parameters["epochs"], parts):
            # Each part goes on with the key of the whole.
            state = ranking.fit(jax.random.clone(key), data, chosen, num_epochs=size, state=state)
            yield _folded_ranked(key, ranking.factors(state, chosen), task, chosen)

    return Model(
        fit=fit,
        defaults=defaults,
        folds_in=True,
        space=space or {},
        about=about,
        path=path,
        length="epochs",
        config=config,
    )


def _folded_ranked(key: Key, model: Factors, task: Task, config: ranking.Config) -> Factors:
    if task.fold_in is None:
        return model
    key_fold = jax.random.fold_in(jax.random.clone(key), 1)
    return model._replace(users=ranking.fold_in(key_fold, ragged(task.fold_in), model, config))


def two_stages(retriever: Model, reranker: Model, *, candidates: int = 100, about: str = "") -> Model:
    """Return the model that takes the best `candidates` items of one model in the order of another.

    Its parameters are `candidates`, and those of both models as `retriever_NAME` and `reranker_NAME`.
    """

    def fit(key: Key, task: Task, parameters: Parameters) -> Scorer:
        keys, stages = jax.random.split(key), ("retriever", "reranker")
        fitted = [
            model.fit(key, task, _of_stage(stage, parameters))
            for stage, model, key in zip(stages, (retriever, reranker), keys, strict=True)
        ]
        return two_stage.scorer(*fitted, candidates=parameters["candidates"], exclude=task.exclude)

    return Model(
        fit=fit,
        defaults={"candidates": candidates} | _named("retriever", retriever) | _named("reranker", reranker),
        random=retriever.random or reranker.random,
        folds_in=retriever.folds_in and reranker.folds_in,
        about=about,
    )


def blended(models: Mapping[str, Model], *, weights: Mapping[str, float] | None = None, about: str = "") -> Model:
    """Return the model that adds up the standardised scores of several models; see `recommend.blending`.

    Its parameters are `weight_NAME` for each model, and those of each model as `NAME_PARAMETER`.

    Args:
        models: name -> model, two or more.
        weights: name -> the default of its weight; None for equal ones.
        about: as in `Model`.

    Raises:
        ValueError: for fewer than two models, and for weights of other names.

    Example:
        >>> from mfjax.studies import MODELS
        >>> both = blended({"ease": MODELS["ease"], "ials": MODELS["ials"]}, weights={"ease": 0.4, "ials": 0.6})
        >>> both.parameters({"weight_ease": 0.5})["ials_dim"], both.parameters({})["weight_ials"]
        (64, 0.6)
    """
    check_models(models)
    if len(models) < 2:
        raise ValueError(f"models: {len(models)} can not be blended; pass two or more")
    shares = dict.fromkeys(models, 1 / len(models)) if weights is None else dict(weights)
    if set(shares) != set(models):
        raise ValueError(f"weights: are for {', '.join(shares)}, not for {', '.join(models)}; name each model once")

    def fit(key: Key, task: Task, parameters: Parameters) -> Scorer:
        keys = jax.random.split(key, len(models))
        found = [
            model.fit(one, task, _of_stage(name, parameters))
            for (name, model), one in zip(models.items(), keys, strict=True)
        ]
        return blending.scorer(found, np.array([parameters[f"weight_{name}"] for name in models]))

    return Model(
        fit=fit,
        defaults={f"weight_{name}": float(shares[name]) for name in models}
        | {named: value for name, model in models.items() for named, value in _named(name, model).items()},
        random=any(model.random for model in models.values()),
        folds_in=all(model.folds_in for model in models.values()),
        space={f"weight_{name}": Uniform(0.0, 1.0) for name in models},
        about=about,
    )


def diversified(
    model: Model,
    items: Callable[[Task], Array] | None = None,
    *,
    candidates: int = 100,
    tradeoff: float = 0.7,
    about: str = "",
) -> Model:
    """Return the model whose lists are picked from the best of another by maximal marginal relevance.

    Its parameters are `candidates` and `tradeoff`, as in `recommend.diversity.scorer`, and those of the model as
    `model_NAME`.

    Args:
        model: any; where `items` is None, one that is fitted to Factors.
        items: task -> the vectors that say how alike items are, float [num_items, dim]; None for the items of the
            fitted factors.
        candidates, tradeoff: the defaults of the parameters.
        about: as in `Model`.
    """

    def fit(key: Key, task: Task, parameters: Parameters) -> Scorer:
        return diversity.scorer(
            model.fit(key, task, _of_stage("model", parameters)),
            None if items is None else items(task),
            candidates=parameters["candidates"],
            tradeoff=parameters["tradeoff"],
            exclude=task.seen if model.repeats else task.exclude,
        )

    return Model(
        fit=fit,
        defaults={"candidates": candidates, "tradeoff": tradeoff} | _named("model", model),
        random=model.random,
        folds_in=model.folds_in,
        space={f"model_{name}": drawn for name, drawn in model.space.items()},
        about=about,
        shares_key=model.shares_key,
        repeats=model.repeats,
    )


def _named(stage: str, model: Model) -> dict[str, Any]:
    return {f"{stage}_{name}": value for name, value in model.defaults.items()}


def _of_stage(stage: str, parameters: Parameters) -> Mapping[str, Any]:
    return {name[len(stage) + 1 :]: value for name, value in parameters.items() if name.startswith(f"{stage}_")}


def _sizes(num_steps: int, parts: int) -> Iterator[int]:
    """Yield the steps of every part: equal but for rounding, none of them empty."""
    parts = min(parts, num_steps)
    yield from (num_steps * (part + 1) // parts - num_steps * part // parts for part in range(parts))


@contextmanager
def unsolved_is_no_news() -> Iterator[None]:
    """Leave out the warning of `als.fit` that its steps do not solve the rows: a search judges a setting by scores."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="cg_steps: ")
        yield
