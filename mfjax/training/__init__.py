"""Algorithms that are trained step by step, and transforms that turn one algorithm into another.

An `Algorithm` is `init` (key -> state) and `step` ((key, state) -> (state, info)); `als.algorithm` and
`ranking.algorithm` give two. `train` runs one, within `jit` and `vmap` too.
"""

from mfjax.training import transforms
from mfjax.training.algorithm import Algorithm, train
from mfjax.training.transforms import average, keep_best, schedule, trace

__all__ = ["Algorithm", "average", "keep_best", "schedule", "trace", "train", "transforms"]
