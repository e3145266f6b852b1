"""The models of MovieLens-100K by name: as published, and with settings that validation chose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mfjax import als, ranking
from mfjax.als import objectives
from mfjax.histories import Ragged
from mfjax.ranking import Sampler, sampling
from mfjax.search import Choice, Uniform
from mfjax.studies import MODELS as GENERAL
from mfjax.studies import Model
from mfjax.studies.by_gradients import by_adam
from mfjax.studies.fitting import blended, least_squares, ranked, two_stages
from mfjax.studies.model import Parameters
from mfjax.studies.task import Task

NUM_NEGATIVES = 30
BATCH = 512

LEAST_SQUARES: dict[str, Any] = {"reg_exponent": 0.0, "init_scale": als.Config().init_scale}


def als_config(parameters: Parameters, objective: objectives.Objective) -> als.Config:
    """Return the configuration of an objective, all else by parameters."""
    names = ("reg", "reg_exponent", "init_scale", "dim")
    return als.Config(objective=objective, **{name: parameters[name] for name in names})


def _published(parameters: Parameters, task: Task) -> als.Config:
    # There c = alpha r, not 1 + alpha r.
    return als_config(parameters, objectives.implicit(alpha=parameters["alpha"], confidence="value"))


def _ials(parameters: Parameters, task: Task) -> als.Config:
    weight, exponent = parameters["unobserved_weight"], parameters["popularity_exponent"]
    return als_config(parameters, objectives.ials(unobserved_weight=weight, popularity_exponent=exponent))


def _strength(parameters: Parameters, task: Task) -> als.Config:
    """Return iALS whose regularisation is given as its strength lambda n^nu at the mean history."""
    users = (task.train.user_counts() > 0).sum()
    mean = len(task.train) / users + parameters["unobserved_weight"] * task.train.num_items
    reg = parameters["strength"] / mean ** parameters["reg_exponent"]
    return _ials({**parameters, "reg": reg}, task)


def _bpr(parameters: Parameters, task: Task) -> ranking.Config:
    reg = parameters["reg"]
    return ranking.Config(
        learning_rate=parameters["learning_rate"],
        reg_user=reg,
        reg_positive=reg,
        reg_negative=reg,
        reg_bias=reg,
        init_scale=parameters["init_scale"],
        dim=parameters["dim"],
        batch_size=1024,
    )


def _skipping(parameters: Parameters, positives: Ragged) -> Sampler:
    # The library behind the published run skips an example whose negative turns out to be a positive of the user.
    return sampling.uniform(positives, false_negatives="skip")


def tuned(loss: str, parameters: Parameters) -> Model:
    """Return the model of a loss with settings that `search_ranking` chose.

    Negatives are drawn by popularity^beta; BPR compares with the highest-scored of `draws`, the other losses with all.
    """

    def sampler(parameters: Parameters, positives: Ragged) -> Sampler:
        drawn = sampling.popularity(positives, num=parameters["draws"], beta=parameters["beta"])
        return sampling.hard(drawn) if loss == "bpr" else drawn

    return ranked(
        lambda parameters, task: by_adam(loss, parameters, BATCH),
        sampler,
        {"draws": NUM_NEGATIVES, "dim": 64, **parameters},
        space={
            "learning_rate": Uniform(0.002, 0.03, log=True),
            "reg": Uniform(0.003, 0.6, log=True),
            "reg_negative": Uniform(0.001, 0.6, log=True),
            "beta": Uniform(0.0, 0.7),
            **({"draws": Choice((1, 4, 16))} if loss == "bpr" else {}),
        },
        about=f"{loss}, settings chosen on validation",
    )


TUNED: dict[str, Model] = {
    "bpr": tuned(
        "bpr",
        {"epochs": 12, "learning_rate": 0.00504, "reg": 0.0345, "reg_negative": 0.108, "beta": 0.146, "draws": 4},
    ),
    "warp": tuned("warp", {"epochs": 20, "learning_rate": 0.00232, "reg": 0.562, "reg_negative": 0.463, "beta": 0.412}),
    "softmax": tuned(
        "softmax", {"epochs": 12, "learning_rate": 0.00675, "reg": 0.0816, "reg_negative": 0.202, "beta": 0.647}
    ),
    "lambdarank": tuned(
        "lambdarank", {"epochs": 20, "learning_rate": 0.00232, "reg": 0.00371, "reg_negative": 0.473, "beta": 0.637}
    ),
}
"""Loss -> its model, with settings chosen by `python -m experiments.ml100k.search_ranking`."""

# Published: 64 factors, reg .001, 20 iterations, alpha 10 on binary counts.
ALS = least_squares(
    _published,
    {"reg": 0.001, "alpha": 10.0, **LEAST_SQUARES, "dim": 64, "steps": 20},
    space={
        "reg": Uniform(0.1, 300.0, log=True),
        "alpha": Uniform(1.0, 80.0, log=True),
        "dim": Choice((32, 64, 128)),
        "steps": Choice((10, 20, 30)),
    },
    about="implicit ALS with the published settings",
)

# Chosen on validation by `python -m experiments.ml100k.search_als`.
_IALS: dict[str, Any] = {"unobserved_weight": 0.0969, "popularity_exponent": 0.0027, "reg_exponent": 0.31}
ALS_TUNED = least_squares(
    _ials,
    {**LEAST_SQUARES, "reg": 0.322, **_IALS, "dim": 192, "steps": 12},
    space={
        "reg": Uniform(0.03, 3.0, log=True),
        "unobserved_weight": Uniform(0.05, 1.5, log=True),
        "popularity_exponent": Uniform(0.0, 0.8),
        "dim": Choice((64, 128, 192)),
    },
    about="iALS, settings chosen on validation",
)

ALS_SEARCHED = least_squares(
    _strength,
    {**LEAST_SQUARES, "strength": 2.5, **_IALS, "dim": 192, "steps": 12},
    space={
        "unobserved_weight": Uniform(0.05, 1.5, log=True),
        "strength": Uniform(0.5, 20.0, log=True),
        "reg_exponent": Uniform(0.0, 1.0),
        "popularity_exponent": Uniform(0.0, 0.8),
        "dim": Choice((64, 128, 192)),
        "steps": Choice(tuple(range(6, 21))),
    },
    about="iALS by the strength of its regularisation, which means the same for every exponent",
)

# Published: 64 factors, learning rate .05, regularisation .01, 50 epochs.
_PUBLISHED_BPR: dict[str, Any] = {
    "learning_rate": 0.05,
    "reg": ranking.Config().reg_user,
    "init_scale": ranking.Config().init_scale,
    "dim": 64,
    "epochs": 50,
}
BPR = ranked(
    _bpr,
    _skipping,
    _PUBLISHED_BPR,
    space={
        "learning_rate": Uniform(0.01, 0.3, log=True),
        "reg": Uniform(1e-4, 0.1, log=True),
        "dim": Choice((32, 64, 128)),
        "epochs": Choice((25, 50, 100)),
    },
    about="BPR with the published settings",
)

# Chosen on validation among the losses too: of those that are trained by gradients it is the best there.
SOFTMAX_COSINE = GENERAL["softmax-cosine"].with_defaults(
    "softmax of cosines, settings chosen on validation",
    temperature=0.169,
    learning_rate=0.008,
    beta=0.141,
    negatives=512,
    epochs=12,
    batch=512,
)

# Validation prefers the sum of the three to each of them, and to softmax-cosine with either of the others.
BLEND = blended(
    {"warp": TUNED["warp"], "softmax": TUNED["softmax"], "cosine": SOFTMAX_COSINE},
    about="scores of warp, softmax and softmax-cosine, added up",
)

MODELS: dict[str, Model] = {
    "random": GENERAL["random"],
    "popularity": GENERAL["popularity"],
    "item-knn": GENERAL["item-knn"],
    "ease": replace(GENERAL["ease"], defaults={"reg": 100.0}),
    "als": ALS,
    "als-tuned": ALS_TUNED,
    "bpr": BPR,
    "bpr-tuned": TUNED["bpr"],
    "warp": TUNED["warp"],
    "softmax": TUNED["softmax"],
    "lambdarank": TUNED["lambdarank"],
    "softmax-cosine": SOFTMAX_COSINE,
    "blend": BLEND,
    "als+lambdarank": two_stages(ALS, TUNED["lambdarank"], about="the 100 best of als in the order of lambdarank"),
    "als+bpr": two_stages(ALS, BPR, about="the 100 best of als in the order of bpr, as published"),
}
SLOW = ("warp", "softmax", "lambdarank", "softmax-cosine", "blend", "als+lambdarank")
"""Models whose fit takes so many seconds that they are left out unless asked for."""
