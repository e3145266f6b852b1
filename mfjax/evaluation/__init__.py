"""Full ranking: the held-out items of every user ranked among all items, and measured.

`evaluate` returns an `Evaluation` with names, means and values per user; `measure` is the pure function of arrays below
it, of a model and an `EvaluationSet`. `sampled` draws lists of a target and some negatives, and corrects what they say.
"""

from mfjax.evaluation import blocks, groups, named, ranks, sampled, smooth
from mfjax.evaluation.evaluating import Evaluation, evaluate
from mfjax.evaluation.evaluation_set import EvaluationSet, evaluation_set
from mfjax.evaluation.groups import Groups
from mfjax.evaluation.measuring import Measured, compiled_measure, measure
from mfjax.evaluation.named import DEFAULT_METRICS, METRICS, columns

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "Evaluation",
    "EvaluationSet",
    "Groups",
    "Measured",
    "blocks",
    "columns",
    "compiled_measure",
    "evaluate",
    "evaluation_set",
    "groups",
    "measure",
    "named",
    "ranks",
    "sampled",
    "smooth",
]
