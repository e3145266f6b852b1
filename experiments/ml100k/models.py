"""The recommenders of MovieLens-100K by name, and those of them whose numbers `--sweep` and `--tune` know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from experiments.ml100k.settings import TUNED
from mfjax import als, baselines, ranking
from mfjax.als import objectives
from mfjax.ranking import sampling
from mfjax.search import Choice, Uniform, cells
from mfjax.studies.families import Family, Parameters, als_path, ranking_path
from mfjax.studies.models import Recommender, fit_als, fit_ranking, fit_two_stages
from mfjax.types import Key, Scorer

# Published: 64 factors, reg .001, 20 iterations, alpha 10 on binary counts; there c = alpha r (not 1 + alpha r).
ALS_PUBLISHED = als.Config(
    objective=objectives.implicit(alpha=10.0, confidence="value"), reg=0.001, reg_exponent=0.0, dim=64
)
ALS_PUBLISHED_STEPS = 20

# Chosen on validation by `python -m experiments.ml100k.search_als`.
ALS_TUNED = als.Config(
    objective=objectives.ials(unobserved_weight=0.0969, popularity_exponent=0.0027),
    reg=0.322,
    reg_exponent=0.31,
    dim=192,
)
ALS_TUNED_STEPS = 12


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

MODELS: dict[str, Recommender] = {
    "random": Recommender(
        lambda key, task, dim: baselines.random(key, task.train.num_items), True, "scores drawn by key"
    ),
    "popularity": Recommender(
        lambda key, task, dim: baselines.popularity(task.item_counts), False, "number of train positives"
    ),
    "item-knn": Recommender(
        lambda key, task, dim: baselines.item_knn(task.train, num_neighbours=200), False, "cosine, 200 neighbours"
    ),
    "ease": Recommender(lambda key, task, dim: baselines.ease(task.train, reg=100.0), False, "linear, L2 100"),
    "als": Recommender(_als, True, "implicit ALS with the published settings", ALS_PUBLISHED),
    "als-tuned": Recommender(_als_tuned, True, "iALS, settings chosen on validation", ALS_TUNED),
    "bpr": Recommender(_bpr, True, "BPR with the published settings", BPR_PUBLISHED),
    "bpr-tuned": Recommender(_ranking["bpr"], True, f"BPR, {_tuned}", TUNED["bpr"].config),
    "warp": Recommender(_ranking["warp"], True, f"WARP, {_tuned}", TUNED["warp"].config, slow=True),
    "softmax": Recommender(_ranking["softmax"], True, f"sampled softmax, {_tuned}", TUNED["softmax"].config, slow=True),
    "lambdarank": Recommender(
        _ranking["lambdarank"], True, f"LambdaRank, {_tuned}", TUNED["lambdarank"].config, slow=True
    ),
    "als+lambdarank": Recommender(
        fit_two_stages(_als, _ranking["lambdarank"]), True, "the 100 best of als in the order of lambdarank", slow=True
    ),
    "als+bpr": Recommender(fit_two_stages(_als, _bpr), True, "the 100 best of als in the order of bpr, as published"),
}


def _als_setting(parameters: Parameters) -> cells.Training:
    objective = objectives.implicit(alpha=parameters["alpha"], confidence="value")
    return _least_squares(parameters, objective)


def _als_tuned_setting(parameters: Parameters) -> cells.Training:
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


def _bpr_setting(parameters: Parameters) -> cells.Training:
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


def _fit_ease(key: Key, setting: Any, data: Any) -> Scorer:
    del key
    gramian, seen = data
    return baselines.linear(baselines.ease_weights(gramian, setting["reg"]), seen)


def _ease_path(key: Key, setting: Any, data: Any) -> Iterator[Scorer]:
    yield _fit_ease(key, setting, data)


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
        setting=_als_setting,
        fit=cells.als_factors,
        data=lambda task: task.histories,
        path=als_path,
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
        setting=_als_tuned_setting,
        fit=cells.als_factors,
        data=lambda task: task.histories,
        path=als_path,
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
        setting=_bpr_setting,
        fit=cells.ranking_factors,
        data=lambda task: ranking.data(task.seen, BPR_PUBLISHED_SAMPLER(task.seen)),
        path=ranking_path,
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
        fit=_fit_ease,
        data=lambda task: (baselines.co_occurrence(task.train), task.seen),
        path=_ease_path,
        space={"reg": Uniform(10.0, 3000.0, log=True)},
    ),
}
"""The models that `--sweep` and `--tune` know."""
