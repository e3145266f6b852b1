"""Which differences are real: bootstrap intervals, paired tests with Holm's correction, sources of variance."""

from mfjax.statistics import resampling
from mfjax.statistics.components import Components, components
from mfjax.statistics.paired import Comparison, cohen_dz, compare, holm, paired_t, rank_biserial, wilcoxon
from mfjax.statistics.resampling import Interval, bootstrap, bootstrap_means, sign_flip

__all__ = [
    "Comparison",
    "Components",
    "Interval",
    "bootstrap",
    "bootstrap_means",
    "cohen_dz",
    "compare",
    "components",
    "holm",
    "paired_t",
    "rank_biserial",
    "resampling",
    "sign_flip",
    "wilcoxon",
]
