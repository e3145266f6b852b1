"""Settings of the ranking models, chosen on validation by `python -m experiments.ml100k.search_ranking`."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import optax

from mfjax import ranking
from mfjax.histories import Ragged
from mfjax.ranking import Sampler, sampling
from mfjax.ranking.losses import LOSSES

ADAM = optax.adam(1.0)
"""One object for all settings: a transformation is a static field, and another one would compile again."""

NUM_NEGATIVES = 30


class RankingSetting(NamedTuple):
    """How to train a model.

    Attributes:
        config: its configuration.
        num_epochs: epochs to train.
        sampler: makes the sampler from the positives; its keywords hold beta.
    """

    config: ranking.Config
    num_epochs: int
    sampler: partial[Sampler]


def setting(
    loss: str,
    *,
    num_epochs: int,
    learning_rate: float,
    reg: float,
    reg_negative: float,
    beta: float,
    draws: int = NUM_NEGATIVES,
) -> RankingSetting:
    """Return the setting of a loss, by Adam on whole tables, which are small here.

    Args:
        loss: a name of `ranking.losses.LOSSES`; "bpr" compares with the highest-scored of `draws`, the others with all.
        num_epochs: epochs to train.
        learning_rate: of Adam.
        reg, reg_negative: lambda of users, positives and biases, and of negatives.
        beta: negatives are drawn by popularity^beta.
        draws: negatives drawn for an example.
    """
    config = ranking.Config(
        loss=LOSSES[loss],
        optimizer=ADAM,
        dense_updates=True,
        dim=64,
        batch_size=512,
        learning_rate=learning_rate,
        reg_user=reg,
        reg_positive=reg,
        reg_negative=reg_negative,
        reg_bias=reg,
    )
    sampler = partial(_hardest if loss == "bpr" else sampling.popularity, num=draws, beta=beta)
    return RankingSetting(config, num_epochs, sampler)


def _hardest(positives: Ragged, *, num: int, beta: float) -> Sampler:
    return sampling.hard(sampling.popularity(positives, num=num, beta=beta))


TUNED: dict[str, RankingSetting] = {
    "bpr": setting("bpr", num_epochs=12, learning_rate=0.00504, reg=0.0345, reg_negative=0.108, beta=0.146, draws=4),
    "warp": setting("warp", num_epochs=20, learning_rate=0.00232, reg=0.562, reg_negative=0.463, beta=0.412),
    "softmax": setting("softmax", num_epochs=12, learning_rate=0.00675, reg=0.0816, reg_negative=0.202, beta=0.647),
    "lambdarank": setting(
        "lambdarank", num_epochs=20, learning_rate=0.00232, reg=0.00371, reg_negative=0.473, beta=0.637
    ),
}
