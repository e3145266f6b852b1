"""Metrics as pure functions of arrays: of ranks, of lists, of predicted ratings.

Metrics of ranks return one value per user, and a `Convention` says how they are defined; `lists` has metrics of all
lists together (coverage, Gini, novelty), `ratings` has errors of predicted ratings.
"""

from mfjax.metrics import conventions, discounts, lists, ratings
from mfjax.metrics.conventions import DEFAULT, PRESETS, Convention
from mfjax.metrics.counted import UNRANKED
from mfjax.metrics.cutoffs import hit_rate, hits, pooled_precision, precision, recall
from mfjax.metrics.ranking import auc, average_precision, ndcg, reciprocal_rank

__all__ = [
    "DEFAULT",
    "PRESETS",
    "UNRANKED",
    "Convention",
    "auc",
    "average_precision",
    "conventions",
    "discounts",
    "hit_rate",
    "hits",
    "lists",
    "ndcg",
    "pooled_precision",
    "precision",
    "ratings",
    "recall",
    "reciprocal_rank",
]
