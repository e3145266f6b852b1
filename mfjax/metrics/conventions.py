"""What a metric means: the choices on which published implementations differ, as one static value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from mfjax import checks

Gain = Literal["binary", "linear", "exponential"]
Ideal = Literal["achievable", "full"]
Denominator = Literal["relevant", "min"]
Length = Literal["k", "retrieved"]
Items = Literal["recommendable", "catalogue"]
Empty = Literal["skip", "zero"]
Ties = Literal["first", "last", "worst", "expected"]


@dataclass(frozen=True, kw_only=True)
class Convention:
    """The choices that decide a metric's value. Hashable: pass it as a static argument.

    Attributes:
        gain: gain of a relevant item in NDCG: 1 (binary), its relevance r (linear) or 2^r - 1 (exponential).
        ideal: NDCG's denominator puts the user's min(k, relevant) best items on top (achievable), or fills all k
            places with gains as large as the user's largest (full).
        ap_denominator: average precision is divided by the number of relevant items, or by min(k, relevant).
        recall_denominator: the same choice for recall.
        precision_denominator: precision is divided by k, or by the length of the list, min(k, items).
        auc_items: AUC counts as negatives the recommendable items, or the whole catalogue, seen items included.
        empty: users without relevant items are left out of the mean and counted (skip), or enter as 0 (zero).
        ties: order of equal scores: lower index first, higher index first (last), relevant items behind all others
            (worst), or the mean over all orders (expected).

    Raises:
        ValueError: for a choice that there is not.

    Example:
        >>> Convention(gain="linear").gain
        'linear'
    """

    gain: Gain = "binary"
    ideal: Ideal = "achievable"
    ap_denominator: Denominator = "min"
    recall_denominator: Denominator = "relevant"
    precision_denominator: Length = "k"
    auc_items: Items = "recommendable"
    empty: Empty = "skip"
    ties: Ties = "first"

    def __post_init__(self):
        for name, hint in get_type_hints(type(self)).items():
            checks.choice(name, getattr(self, name), get_args(hint))

    def describe(self) -> str:
        """Return the choices as text, such as "gain=binary, ideal=achievable, ..."."""
        return ", ".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))


DEFAULT = Convention()

PRESETS = {
    "default": DEFAULT,
    # scikit-learn: ndcg_score, roc_auc_score.
    "sklearn": Convention(gain="linear", ap_denominator="relevant", empty="zero", ties="expected"),
    # Rax: ndcg_metric, ap_metric, recall_metric, precision_metric, mrr_metric.
    "rax": Convention(gain="exponential", ap_denominator="relevant", precision_denominator="retrieved", empty="zero"),
    # trec_eval: ndcg_cut, map_cut, recall, P, recip_rank, success. It orders equal scores by document name, the
    # greatest first: the same as "last" where names sort as ids do.
    "trec": Convention(gain="linear", ap_denominator="relevant", ties="last"),
    # implicit: ranking_metrics_at_k. Its "precision" is metrics.pooled_precision, its "auc" is auc at the cutoff.
    "implicit": Convention(auc_items="catalogue"),
    # ranx: ndcg, map, recall, precision, mrr, hit_rate; its ndcg_burges has the gain "exponential".
    "ranx": Convention(gain="linear", ap_denominator="relevant"),
    # RecTools: NDCG, MAP, Recall, Precision, MRR, HitRate with their defaults; its ideal fills all k places, so that
    # one target at the top is worth 1 / (1/log2(2) + ... + 1/log2(k + 1)), .22 at k = 10.
    "rectools": Convention(ideal="full", ap_denominator="relevant"),
    # Recall of Liang et al. 2018 and of the papers that follow its protocol: hits / min(k, relevant).
    "strong-generalisation": Convention(recall_denominator="min"),
}
"""Conventions named after the implementation or protocol whose values they give."""


def check(convention: object) -> None:
    """Raise ValueError unless `convention` is a Convention.

    Example:
        >>> check("trec")
        Traceback (most recent call last):
        ...
        ValueError: convention: 'trec' is no Convention; pass PRESETS['trec']
    """
    if not isinstance(convention, Convention):
        name = convention if isinstance(convention, str) and convention in PRESETS else "default"
        raise ValueError(f"convention: {convention!r:.80} is no Convention; pass PRESETS[{name!r}]")
