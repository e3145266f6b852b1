"""The models of the MovieLens-1M study by name; two of them are searched by the study itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from experiments.ml100k.models import LEAST_SQUARES, als_config
from experiments.ml100k.models import MODELS as SHARED
from mfjax import als, baselines, ranking
from mfjax.als import objectives
from mfjax.data.recency import decayed
from mfjax.histories import ragged
from mfjax.ranking import sampling
from mfjax.search import Choice, Space, Uniform
from mfjax.studies import Model
from mfjax.studies.by_gradients import by_adam
from mfjax.studies.fitting import least_squares, ranked, two_stages
from mfjax.studies.model import Parameters
from mfjax.studies.task import Task
from mfjax.types import Interactions, Key, Scorer


def _item_knn(key: Key, task: Task, parameters: Parameters) -> Scorer:
    similar = baselines.cosine_neighbours(
        baselines.co_occurrence(task.train), parameters["neighbours"], shrink=parameters["shrink"], ties="higher"
    )
    return baselines.linear(similar, ragged(task.history))


def _recent(parameters: Parameters, task: Task) -> Interactions:
    """Return the history of every user, each entry the more sure the later it is."""
    weights = decayed(task.history, half_life=parameters["half_life"]).values
    return replace(task.history, weights=weights)


def _recent_ease(key: Key, task: Task, parameters: Parameters) -> Scorer:
    similar = baselines.ease_weights(baselines.co_occurrence(task.train), parameters["reg"])
    return baselines.linear(similar, ragged(decayed(task.history, half_life=parameters["half_life"])))


def _ials(parameters: Parameters, task: Task) -> als.Config:
    return als_config(parameters, objectives.ials(unobserved_weight=parameters["unobserved_weight"]))


def _bpr(parameters: Parameters, task: Task) -> ranking.Config:
    reg = parameters["reg"]
    return ranking.Config(
        dim=parameters["dim"],
        learning_rate=parameters["learning_rate"],
        reg_user=reg,
        reg_positive=reg,
        reg_negative=reg,
        batch_size=1024,
    )


# The space of the published study.
_ALS_SPACE: Space = {
    "dim": Choice((32, 64, 96, 128, 192, 256)),
    "reg": Uniform(1e-4, 1e-1, log=True),
    "alpha": Choice((5, 10, 20, 40, 80)),
    "steps": Choice((10, 20, 30)),
}
_IALS_SPACE: Space = {
    "dim": Choice((64, 128, 256)),
    "unobserved_weight": Uniform(0.05, 1.0, log=True),
    "reg": Uniform(1e-3, 3e-2, log=True),
}
_HALF_LIFE: Space = {"half_life": Uniform(1.0, 8.0, log=True)}

# Published: 64 factors, reg .01, 20 iterations on the binary matrix, which the library implicit takes as the
# confidence itself, so that c = 1 for every pair.
_ALS = replace(
    SHARED["als"],
    defaults={**SHARED["als"].defaults, "reg": 0.01, "alpha": 1.0, "dim": 64, "steps": 20},
    space=_ALS_SPACE,
    about="ALS with the published settings, every pair of weight 1",
)
_IALS: dict[str, Any] = {
    **LEAST_SQUARES, "reg_exponent": 1.0, "unobserved_weight": 0.5, "reg": 0.005, "dim": 256, "steps": 12,
}  # fmt: skip
_BPR = ranked(
    _bpr,
    lambda parameters, positives: sampling.uniform(positives),
    {"learning_rate": 0.05, "reg": 0.005, "dim": 128, "epochs": 60},
    space={"learning_rate": Uniform(0.01, 0.3, log=True), "reg": Uniform(1e-4, 0.1, log=True)},
    about="BPR, 128 factors",
)
_LAMBDARANK = ranked(
    lambda parameters, task: by_adam("lambdarank", parameters, 4096),
    lambda parameters, positives: sampling.popularity(positives, num=30, beta=parameters["beta"]),
    {"learning_rate": 0.005, "reg": 0.1, "reg_negative": 0.02, "beta": 0.3, "dim": 64, "epochs": 10},
    space=SHARED["lambdarank"].space,
    about="LambdaRank, 64 factors, 30 negatives",
)
_KNN = replace(SHARED["item-knn"], fit=_item_knn)

MODELS: dict[str, Model] = {
    "random": SHARED["random"],
    "popularity": SHARED["popularity"],
    "item-knn": _KNN,
    "item-knn-published": replace(_KNN, repeats=True, about="the same; recommends what the user rated below 4"),
    "ease": replace(SHARED["ease"], defaults={"reg": 300.0}),
    "als": _ALS,
    # What the search chose on MovieLens-1M, and so of als-recent.
    "als-tuned": replace(
        _ALS,
        defaults={**_ALS.defaults, "dim": 32, "reg": 0.0404, "alpha": 5.0, "steps": 30},
        about="implicit ALS, searched in the published space",
    ),
    "ials": least_squares(_ials, _IALS, space=_IALS_SPACE, about="iALS, 256 factors"),
    "bpr": _BPR,
    "lambdarank": _LAMBDARANK,
    "als+bpr": two_stages(_ALS, _BPR, about="the 100 best of als in the order of bpr"),
    "ease-recent": Model(
        fit=_recent_ease,
        defaults={"reg": 1000.0, "half_life": 3.0},
        random=False,
        folds_in=True,
        space={**SHARED["ease"].space, **_HALF_LIFE},
        about="EASE, old history counts less",
    ),
    "als-recent": least_squares(
        _ials,
        {**_IALS, "dim": 128, "unobserved_weight": 0.283, "reg": 0.00614, "half_life": 2.75},
        space={**_IALS_SPACE, **_HALF_LIFE},
        history=_recent,
        about="iALS, users folded in from recent history; settings searched",
    ),
}
SEARCHED = ("als-tuned", "als-recent")
