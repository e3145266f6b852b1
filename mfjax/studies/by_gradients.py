"""Models that a ranking loss trains, with the defaults of the catalogue: their configurations and their negatives."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import optax

from mfjax import ranking
from mfjax.histories import Ragged
from mfjax.ranking import Sampler, sampling
from mfjax.ranking.losses import LOSSES
from mfjax.ranking.unseen import item_counts
from mfjax.search import Space, Uniform
from mfjax.studies.fitting import ranked
from mfjax.studies.model import Model, Parameters
from mfjax.studies.task import Task

MOST_OWN = 64
"""Draws up to which every example has its own."""

_ADAM = optax.adam(1.0)
"""One object for all models: a transformation is static, and another one would compile again."""


@functools.cache
def _falling_adam(steps: int) -> optax.GradientTransformation:
    """Return Adam whose rate falls along a cosine to a fiftieth at the last of `steps`; one object for a number."""
    return optax.adam(optax.cosine_decay_schedule(1.0, steps, alpha=0.02))


_DEFAULTS = {"learning_rate": 0.005, "reg": 0.05, "dim": 64, "epochs": 20, "batch": 1024}
_SPACE = {"learning_rate": Uniform(1e-3, 3e-2, log=True), "reg": Uniform(3e-3, 0.6, log=True)}


def by_adam(loss: str, parameters: Parameters, batch_size: int) -> ranking.Config:
    """Return the configuration of a ranking loss that Adam lowers, on whole tables.

    It reads the parameters `learning_rate`, `dim`, the penalty `reg`, 0 where there is none, and `reg_negative`, where
    that of negatives is another.
    """
    reg = parameters.get("reg", 0.0)
    return ranking.Config(
        loss=LOSSES[loss],
        optimizer=_ADAM,
        dense_updates=True,
        learning_rate=parameters["learning_rate"],
        reg_user=reg,
        reg_positive=reg,
        reg_negative=parameters.get("reg_negative", reg),
        reg_bias=reg,
        dim=parameters["dim"],
        batch_size=batch_size,
    )


def _batch_size(parameters: Parameters, task: Task) -> int:
    return min(parameters["batch"], len(task.train))


def ranking_loss(loss: str, num: int, about: str) -> Model:
    """Return the model of a ranking loss by Adam on whole tables, with `num` negatives an example."""

    def config(parameters: Parameters, task: Task) -> ranking.Config:
        return by_adam(loss, parameters, _batch_size(parameters, task))

    def sampler(parameters: Parameters, positives: Ragged) -> Sampler:
        return sampling.popularity(positives, num=num, beta=0.5)

    return ranked(config, sampler, _DEFAULTS, space=_SPACE, about=about)


def softmax_cosine() -> Model:
    """Return the model of a softmax of cosines, by Adam with a falling rate, against negatives that a batch shares."""

    def config(parameters: Parameters, task: Task) -> ranking.Config:
        # A cosine does not see the lengths of rows, which are what a penalty is on.
        plain = by_adam("softmax", parameters, _batch_size(parameters, task))
        return replace(
            plain,
            score="cosine",
            temperature=parameters["temperature"],
            **_falling(parameters, task, plain.batch_size),
        )

    def sampler(parameters: Parameters, positives: Ragged) -> Sampler:
        # As in the softmax over the catalogue, an item that the user has taken is an alternative like any other.
        return shared_by_popularity(positives, parameters["negatives"], parameters["beta"])

    defaults = {
        "temperature": 0.1, "learning_rate": 0.003, "beta": 0.5, "dim": 64, "negatives": 1024, "epochs": 25,
        "batch": 1024,
    }  # fmt: skip
    space: Space = {"temperature": Uniform(0.05, 0.3, log=True), "learning_rate": Uniform(3e-4, 1e-2, log=True)}
    return ranked(config, sampler, defaults, space=space, about="softmax of cosines, negatives shared by a batch")


def bpr_hard() -> Model:
    """Return the model of BPR against the hardest of many negatives; see `hard_config` and `hard_sampler`."""
    defaults = {
        "learning_rate": 0.003, "reg": 0.05, "beta": 0.2, "dim": 64, "draws": 0, "kept": 16, "epochs": 20,
        "batch": 1024,
    }  # fmt: skip
    space: Space = {"learning_rate": Uniform(3e-4, 1e-2, log=True), "reg": Uniform(3e-3, 0.3, log=True)}
    return ranked(
        hard_config, hard_sampler, defaults, space=space, about="pairs of a positive and the hardest negatives"
    )


def hard_config(parameters: Parameters, task: Task) -> ranking.Config:
    """Return the configuration of `bpr_hard`: scalar products and biases, by Adam with a falling rate.

    The biases, which say how popular an item is, are free of the penalty.
    """
    plain = by_adam("bpr", parameters, _batch_size(parameters, task))
    return replace(plain, reg_bias=0.0, **_falling(parameters, task, plain.batch_size))


def hard_sampler(parameters: Parameters, positives: Ragged) -> Sampler:
    """Return the negatives of `bpr_hard`: those of the highest score among `draws`, which a batch shares where they are
    more than MOST_OWN.

    With 0 draws there are as many as the density asks for, see `hard_draws`. What the user has taken is among the
    hardest of shared draws: it is found after the choice, when there are few to look up.
    """
    kept = parameters["kept"]
    draws = max(parameters["draws"] or hard_draws(positives, kept), kept)
    if draws <= MOST_OWN:
        return sampling.hard(sampling.popularity(positives, num=draws, beta=parameters["beta"]), num=kept)
    drawn = shared_by_popularity(positives, draws, parameters["beta"])
    return sampling.Checked(sampling.hard(drawn, num=kept), positives)


def hard_draws(positives: Ragged, kept: int) -> int:
    r"""Return among how many draws the hardest `kept` are looked for.

    .. math:: kept \cdot \mathrm{clip}\Big(\frac{1}{20 \, \rho}, 1, 32\Big), \qquad \rho = \frac{n}{|U| \, |I|}

    with U the users that have taken something. The denser the data, the more of what scores highest is what the user
    will yet take, and no negative.
    """
    active = int(jnp.count_nonzero(positives.lengths()))
    density = positives.ids.shape[0] / max(active * positives.num_columns, 1)
    return round(kept * min(max(1 / (20 * density), 1.0), 32.0))


def _falling(parameters: Parameters, task: Task, batch_size: int) -> dict[str, Any]:
    """Return the fields of a config that takes each positive once an epoch, at a rate that falls to the last step."""
    steps = parameters["epochs"] * -(-len(task.train) // batch_size)
    return {"optimizer": _falling_adam(steps), "order": "permutation"}


def shared_by_popularity(positives: Ragged, num: int, beta: float) -> Sampler:
    """Return `num` negatives of a batch, what the user has taken among them, drawn by (counts + 1) ** beta."""
    # An item that nobody has taken has to be drawn too, or its score would stay above those that are pushed down.
    weights = (item_counts(positives) + 1) ** beta
    return sampling.shared(positives, num=num, weights=weights, false_negatives="keep")
