"""Many fits: sweeps of settings and seeds as one program, and searches for the best setting.

`sweep` runs every setting with every key; `tune` searches at random, by successive halving, by TPE, or up the
gradient.
"""

from mfjax.search import cells, spaces, sweep, tune
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
    "best",
    "cells",
    "random_search",
    "spaces",
    "successive_halving",
    "sweep",
    "tpe",
    "tune",
]
