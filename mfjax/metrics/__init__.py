r"""Metrics as pure functions of arrays: of ranks, of lists, of predicted ratings.

Metrics of ranks return one value per user. `ranking` has those of the order (NDCG, average precision, reciprocal rank,
AUC), `cutoffs` those of what is among the k first (hits, hit rate, recall, precision); a `Convention` says how they are
defined. `lists` has metrics of all lists together (coverage, Gini, novelty), `ratings` has errors of predicted ratings.

Metrics of ranks share these arguments.

Args:
    ranks: int32 [..., R], the 1-based positions of a user's relevant items among the items that can be recommended to
        the user, in any order, with `UNRANKED` for padding and for a relevant item that can not be recommended. As
        `UNRANKED` is beyond any cutoff, `ranks <= k` needs no mask, and a list shorter than k counts misses.
    num_relevant: int32 [...], the number of relevant items n, ranked or not.
    k: cutoff, at least 1; where None is taken, it stands for the whole ranking.
    convention: the choices that define the metric; each function says which it reads.
    tie_sizes: int32 [..., R], needed under ties "expected", and not read under any other rule. There the scores leave
        an order open: `ranks` is the first position of the item's group of equal scores, `tie_sizes` the size of the
        group, and the value is the mean over the orders of each group.

They return float32 [...]. A user without relevant items gets 0; whether such users enter a mean is the evaluation's
choice (`Convention.empty`). They raise ValueError for shapes that do not fit, for a cutoff that is no whole number of
at least 1, for what is no Convention, and, where values can be seen, for ranks below 1 and for fewer relevant items
than ranks.
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
