"""Factors trained on ranking losses: any loss of `losses`, any sampler of `sampling`, any Optax optimiser::

    data = ranking.data(histories.ragged(interactions))
    config = ranking.Config(loss=ranking.losses.bpr)
    state = ranking.fit(key, data, config, num_epochs=30)
    model = ranking.factors(state, config)

`step` takes one step, for programs of your own; `fold_in` gives rows to users who were not trained on.
"""

from mfjax.ranking import losses, sampling
from mfjax.ranking.folding import fold_in
from mfjax.ranking.sampler import Sampler
from mfjax.ranking.training import algorithm, epoch, examples, factors, fit, init, step, steps_per_epoch
from mfjax.ranking.values import ORDERS, Config, Data, Info, Order, State, data

__all__ = [
    "ORDERS",
    "Config",
    "Data",
    "Info",
    "Order",
    "Sampler",
    "State",
    "algorithm",
    "data",
    "epoch",
    "examples",
    "factors",
    "fit",
    "fold_in",
    "init",
    "losses",
    "sampling",
    "step",
    "steps_per_epoch",
]
