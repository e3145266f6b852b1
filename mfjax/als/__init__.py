"""Alternating least squares for every objective with this quadratic, and biases solved jointly::

    state = als.init(key, config, num_users=..., num_items=...)
    state, info = als.step(state, data, config)
    state = als.fit(key, data, config, num_steps=16)

`objectives` has the functions that can be minimised, and `features` fits rows that shrink towards a linear map of their
features. `hypergradients` gives derivatives with respect to hyperparameters. `footprint` estimates the memory of a fit.
"""

from mfjax.als import features, footprint, hypergradients, objectives
from mfjax.als.config import GATHERED_DTYPES, SOLVERS, By, Config, regularization
from mfjax.als.explanation import contributions, explain
from mfjax.als.fitting import LARGEST_RESIDUAL, fit
from mfjax.als.folding import fold_in
from mfjax.als.half_steps import MapChunks, half_step, map_on_one_device
from mfjax.als.steps import FeatureMaps, Info, State, algorithm, factors, feature_maps, init, loss, step
from mfjax.als.storage import WHOLE_TABLES, Storage

__all__ = [
    "GATHERED_DTYPES",
    "LARGEST_RESIDUAL",
    "SOLVERS",
    "WHOLE_TABLES",
    "By",
    "Config",
    "FeatureMaps",
    "Info",
    "MapChunks",
    "State",
    "Storage",
    "algorithm",
    "contributions",
    "explain",
    "factors",
    "feature_maps",
    "features",
    "fit",
    "fold_in",
    "footprint",
    "half_step",
    "hypergradients",
    "init",
    "loss",
    "map_on_one_device",
    "objectives",
    "regularization",
    "step",
]
