"""Many fits: sweeps of settings and seeds as one program, and searches for the best setting.

`sweep` runs every setting with every key, and `cells` has what it runs: a fit and its evaluation. `tune` searches at
random, by successive halving or by TPE in one of the `spaces`, `ascent` up the gradient; `trials` is what they keep.
"""

from mfjax.search import ascent, cells, spaces, sweep, trials, tune
from mfjax.search.ascent import ascend
from mfjax.search.spaces import Choice, Space, Uniform
from mfjax.search.trials import Trial, best
from mfjax.search.tune import random_search, successive_halving, tpe

__all__ = [
    "Choice",
    "Space",
    "Trial",
    "Uniform",
    "ascend",
    "ascent",
    "best",
    "cells",
    "random_search",
    "spaces",
    "successive_halving",
    "sweep",
    "tpe",
    "trials",
    "tune",
]
