"""The recommenders of the experiments by name: each fits a task from a key and returns a scorer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax

from experiments import devices
from experiments.ranking_settings import TUNED
from experiments.task import Task
from mfjax import als, baselines, ranking
from mfjax.als import objectives
from mfjax.histories import Ragged
from mfjax.ranking import Sampler, sampling
from mfjax.recommend import two_stage
from mfjax.types import Factors, Interactions, Key, Scorer

Fit = Callable[[Key, Task, int | None], Scorer | Factors]
"""(key, task, dim) -> scorer or factors; `dim` is None for the model's own number of factors."""


@dataclass(frozen=True)
class Model:
    """A named way to fit.

    Attributes:
        fit: what fits it.
        random: whether the result depends on the key.
        about: one line for `--help` and the table.
        config: the settings, for the record of a saved model.
        repeats: whether it may recommend what the user has rated but not liked, as one published run does.
        slow: whether a fit takes so many seconds that it is left out unless asked for.
        solved: task -> the ALS configuration and the histories that user rows are solved from, for explanations;
            None where they are `config` and the train part.
    """

    fit: Fit
    random: bool
    about: str
    config: Any = None
    repeats: bool = False
    slow: bool = False
    solved: Callable[[Task], tuple[als.Config, Interactions]] | None = None


# Published: 64 factors, reg .001, 20 iterations, alpha 10 on binary counts; there c = alpha r (not 1 + alpha r).
ALS_PUBLISHED = als.Config(
    objective=objectives.implicit(alpha=10.0, confidence="value"), reg=0.001, reg_exponent=0.0, dim=64
)
ALS_PUBLISHED_STEPS = 20

# Chosen on validation by `python -m experiments.search_ml100k`.
ALS_TUNED = als.Config(
    objective=objectives.ials(unobserved_weight=0.0969, popularity_exponent=0.0027),
    reg=0.322,
    reg_exponent=0.31,
    dim=192,
)
ALS_TUNED_STEPS = 12


def fit_als(config: als.Config, num_steps: int) -> Fit:
    """Return the fit of one ALS configuration."""

    def fit(key: Key, task: Task, dim: int | None) -> Factors:
        chosen = config if dim is None else replace(config, dim=dim)
        return als.factors(devices.fit(key, task.placed, chosen, num_steps=num_steps), chosen)

    return fit


def fit_ranking(config: ranking.Config, num_epochs: int, sampler: Callable[[Ragged], Sampler]) -> Fit:
    """Return the fit of one ranking configuration from a random start; `sampler` is made from the positives."""

    def fit(key: Key, task: Task, dim: int | None) -> Factors:
        chosen = config if dim is None else replace(config, dim=dim)
        data = ranking.data(task.seen, sampler(task.seen))
        return ranking.factors(ranking.fit(key, data, chosen, num_epochs=num_epochs))

    return fit


def fit_two_stages(retriever: Fit, reranker: Fit, *, candidates: int = 100) -> Fit:
    """Return the fit of a retriever and of a reranker that orders its `candidates` best items."""

    def fit(key: Key, task: Task, dim: int | None) -> Scorer:
        key_retriever, key_reranker = jax.random.split(key)
        stages = retriever(key_retriever, task, dim), reranker(key_reranker, task, dim)
        return two_stage.scorer(*stages, candidates=candidates, exclude=task.exclude)

    return fit


# Published: 64 factors, learning rate .05, regularisation .01, 50 epochs, negatives verified: the library behind it
# skips an example whose negative turns out to be a positive of the user.
BPR_PUBLISHED = ranking.Config(dim=64, learning_rate=0.05, batch_size=1024)
BPR_PUBLISHED_EPOCHS = 50
BPR_PUBLISHED_SAMPLER = partial(sampling.uniform, false_negatives="skip")

_tuned = "settings chosen on validation"

_als = fit_als(ALS_PUBLISHED, ALS_PUBLISHED_STEPS)
_als_tuned = fit_als(ALS_TUNED, ALS_TUNED_STEPS)
_bpr = fit_ranking(BPR_PUBLISHED, BPR_PUBLISHED_EPOCHS, BPR_PUBLISHED_SAMPLER)
_ranking = {loss: fit_ranking(*setting) for loss, setting in TUNED.items()}

MODELS: dict[str, Model] = {
    "random": Model(lambda key, task, dim: baselines.random(key, task.train.num_items), True, "scores drawn by key"),
    "popularity": Model(
        lambda key, task, dim: baselines.popularity(task.item_counts), False, "number of train positives"
    ),
    "item-knn": Model(
        lambda key, task, dim: baselines.item_knn(task.train, num_neighbours=200), False, "cosine, 200 neighbours"
    ),
    "ease": Model(lambda key, task, dim: baselines.ease(task.train, reg=100.0), False, "linear, L2 100"),
    "als": Model(_als, True, "implicit ALS with the published settings", ALS_PUBLISHED),
    "als-tuned": Model(_als_tuned, True, "iALS, settings chosen on validation", ALS_TUNED),
    "bpr": Model(_bpr, True, "BPR with the published settings", BPR_PUBLISHED),
    "bpr-tuned": Model(_ranking["bpr"], True, f"BPR, {_tuned}", TUNED["bpr"].config),
    "warp": Model(_ranking["warp"], True, f"WARP, {_tuned}", TUNED["warp"].config, slow=True),
    "softmax": Model(_ranking["softmax"], True, f"sampled softmax, {_tuned}", TUNED["softmax"].config, slow=True),
    "lambdarank": Model(_ranking["lambdarank"], True, f"LambdaRank, {_tuned}", TUNED["lambdarank"].config, slow=True),
    "als+lambdarank": Model(
        fit_two_stages(_als, _ranking["lambdarank"]), True, "the 100 best of als in the order of lambdarank", slow=True
    ),
    "als+bpr": Model(fit_two_stages(_als, _bpr), True, "the 100 best of als in the order of bpr, as published"),
}
