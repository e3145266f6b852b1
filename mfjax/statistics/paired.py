"""Which differences between models are real: paired tests over users, effect sizes, Holm. On the host, in float64.

Tests and effect sizes share their arguments `one` and `other`: float [users], values of the same users under two
models, at least two. They raise ValueError for two lengths, fewer than two users, and a value that is not finite: a
NaN, such as the metric of a user without relevant items, never becomes a p-value. Drop such users, for all models
alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from mfjax import checks, compilation
from mfjax.statistics import resampling
from mfjax.types import Key

Test = Literal["t", "wilcoxon", "sign_flip"]


class Outcome(NamedTuple):
    """A test statistic and its two-sided p-value."""

    statistic: float
    p: float


def paired_t(one: ArrayLike, other: ArrayLike) -> Outcome:
    r"""Return the paired t test of equal means.

    .. math:: t = \frac{\bar d}{s_d / \sqrt{U}}, \qquad p = 2\, P(T_{U-1} \ge |t|), \qquad s_d \text{ over } U - 1

    Returns:
        Outcome; (0, 1) when all differences are 0, (+-inf, 0) when they are all the same.

    Example:
        >>> print("t = {:.4f}, p = {:.4f}".format(*paired_t([1.0, 2.0, 3.0], [0.0, 1.0, 1.0])))
        t = 4.0000, p = 0.0572

    Source: Student 1908; equal to `scipy.stats.ttest_rel`.
    """
    differences = _differences(one, other)
    if not differences.any():
        return Outcome(0.0, 1.0)
    largest = np.abs(differences).max()
    if not 1e-100 < largest < 1e100:  # whose squares would be 0 or infinite
        differences = differences / largest
    mean, spread = differences.mean(), differences.std(ddof=1)
    if spread == 0:
        return Outcome(float(np.copysign(np.inf, mean)), 0.0)
    t = mean / (spread / np.sqrt(len(differences)))
    return Outcome(float(t), float(2 * scipy.special.stdtr(len(differences) - 1, -abs(t))))


def wilcoxon(one: ArrayLike, other: ArrayLike) -> Outcome:
    r"""Return Wilcoxon's signed-rank test that the differences are symmetric about 0.

    .. math:: W = \min\Big( \sum_{d_u > 0} R_u,\ \sum_{d_u < 0} R_u \Big), \qquad R_u \text{ the rank of } |d_u|

    Zero differences are dropped before ranking, equal ones share their mean rank. p is exact for at most 50 users
    without zeros and ties, else from the normal approximation with correction for ties and none for continuity: the
    defaults of scipy.

    Returns:
        Outcome; (0, 1) when all differences are 0.

    Example:
        >>> wilcoxon([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0])
        Outcome(statistic=0.0, p=0.125)

    Source: Wilcoxon 1945; computed by `scipy.stats.wilcoxon`.
    """
    differences = _differences(one, other)
    if not differences.any():
        return Outcome(0.0, 1.0)
    import scipy.stats  # a second to import

    statistic, p = np.asarray(scipy.stats.wilcoxon(differences, zero_method="wilcox", correction=False, method="auto"))
    return Outcome(float(statistic), float(p))


def cohen_dz(one: ArrayLike, other: ArrayLike) -> float:
    r"""Return the mean difference in units of the differences' standard deviation.

    .. math:: d_z = \frac{\bar d}{s_d}, \qquad s_d \text{ over } U - 1

    0 when all differences are 0, +-inf when they are all the same.

    Example:
        >>> round(cohen_dz([1.0, 2.0, 3.0], [0.0, 1.0, 1.0]), 4)
        2.3094

    Source: Cohen 1988, "Statistical power analysis for the behavioral sciences", section 2.3.5.
    """
    return paired_t(one, other).statistic / float(np.sqrt(np.size(one)))


def rank_biserial(one: ArrayLike, other: ArrayLike) -> float:
    r"""Return the share of the rank sum that favours `one`, less the share that favours `other`.

    .. math:: r = \frac{W^+ - W^-}{W^+ + W^-}, \qquad W^\pm \text{ the sums of } R_u \text{ in the signed-rank test}

    In [-1, 1]; zero differences are dropped, and without any other it is 0.

    Example:
        >>> round(rank_biserial([1.0, 2.0, 0.0], [0.0, 0.0, 3.0]), 4)
        0.0

    Source: Kerby 2014, "The simple difference formula".
    """
    differences = _differences(one, other)
    differences = differences[differences != 0]
    if len(differences) == 0:
        return 0.0
    import scipy.stats  # a second to import

    signed = np.sign(differences) * scipy.stats.rankdata(np.abs(differences))
    return float(signed.sum() / np.abs(signed).sum())


def holm(p: ArrayLike) -> np.ndarray:
    r"""Return p-values adjusted for their number: any below alpha is significant at family-wise error alpha.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1,\ (m - j + 1)\, p_{(j)}), \quad p_{(1)} \le \dots \le p_{(m)}

    Args:
        p: float [...], all m p-values of the family.

    Returns:
        float64 [...] in [0, 1].

    Raises:
        ValueError: for a p outside [0, 1], NaN among them: it would count in the family without being a test.

    Example:
        >>> holm([0.04, 0.01, 0.03]).round(4).tolist()
        [0.06, 0.03, 0.06]

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    p = checks.finite("p", p)
    wrong = ~((p >= 0) & (p <= 1))
    if wrong.any():
        raise ValueError(f"p: {p[wrong][0]} is no p-value; leave out tests without an outcome")
    flat = p.reshape(-1)
    order = np.argsort(flat, kind="stable")
    adjusted = np.empty_like(flat)
    adjusted[order] = np.minimum(np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1)), 1)
    return adjusted.reshape(p.shape)


class Comparison(NamedTuple):
    """Two models on one metric; the difference is `one` less `other`.

    Attributes:
        metric, one, other: names.
        difference: mean over users.
        low, high: percentile bootstrap interval of the difference, users resampled.
        dz: Cohen's d_z.
        rank_biserial: matched-pairs rank-biserial correlation.
        p: of the chosen test.
        p_holm: p adjusted for all pairs and metrics of the table.
    """

    metric: str
    one: str
    other: str
    difference: float
    low: float
    high: float
    dz: float
    rank_biserial: float
    p: float
    p_holm: float


def compare(
    key: Key,
    per_user: Mapping[str, Mapping[str, np.ndarray]],
    *,
    test: Test = "t",
    level: float = 0.95,
    num_resamples: int = 10_000,
) -> list[Comparison]:
    """Compare every pair of models on every metric, with p values adjusted by Holm for all of them.

    Args:
        key: consumed, by the resampling.
        per_user: model -> metric -> float [users], the same users everywhere, such as `Evaluation.per_user`; average
            over seeds first.
        test: where p comes from: `paired_t`, `wilcoxon`, or `statistics.sign_flip`.
        level: of the intervals.
        num_resamples: of the bootstrap and of the sign flips.

    Returns:
        One Comparison for every metric and pair, metrics outermost, in the order of `per_user`.

    Raises:
        ValueError: fewer than two models, metrics or users that differ between models, a value that is not finite, an
            unknown test, or a level or number out of range.

    Example:
        >>> ease, als = {"ndcg@10": np.array([0.5, 0.7, 0.9])}, {"ndcg@10": np.array([0.4, 0.5, 0.6])}
        >>> row = compare(jax.random.key(0), {"ease": ease, "als": als})[0]
        >>> print(f"{row.one} - {row.other}: {row.difference:.2f}, p {row.p:.3f}")
        ease - als: 0.20, p 0.074
    """
    checks.key("key", key)
    checks.choice("test", test, get_args(Test))
    resampling.check_level(level)
    checks.whole("num_resamples", num_resamples)
    metrics = _shared_metrics(per_user)
    pairs = [(metric, one, other) for metric in metrics for one, other in combinations(per_user, 2)]
    values = [(per_user[one][metric], per_user[other][metric]) for metric, one, other in pairs]
    differences = np.stack([_differences(*pair) for pair in values])
    if (np.abs(differences) > np.finfo(np.float32).max).any():
        raise ValueError("per_user: differences beyond float32, in which users are resampled; scale the metrics")
    key_interval, key_test = jax.random.split(key)
    sizes = {"num_resamples": num_resamples}
    interval = jax.device_get(_bootstrap(key_interval, jnp.asarray(differences), level=level, **sizes))
    if test == "sign_flip":
        p = np.asarray(_sign_flip(key_test, jnp.asarray(differences), **sizes), np.float64)
    else:
        p = np.array([_TESTS[test](*pair).p for pair in values])
    adjusted = holm(p)
    return [
        Comparison(
            metric=metric,
            one=one,
            other=other,
            difference=float(differences[row].mean()),
            low=float(interval.low[row]),
            high=float(interval.high[row]),
            dz=cohen_dz(*values[row]),
            rank_biserial=rank_biserial(*values[row]),
            p=float(p[row]),
            p_holm=float(adjusted[row]),
        )
        for row, (metric, one, other) in enumerate(pairs)
    ]


_bootstrap = compilation.jit(resampling.bootstrap, static_argnames=("num_resamples", "block_size"))
_sign_flip = compilation.jit(resampling.sign_flip, static_argnames=("num_resamples", "block_size"))

# Tests of two models at a time; sign flips are of all pairs together.
_TESTS: dict[str, Callable[..., Outcome]] = {"t": paired_t, "wilcoxon": wilcoxon}


def _shared_metrics(per_user: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    checks.kind("per_user", per_user, Mapping, "pass model -> metric -> values")  # type: ignore[type-abstract]
    for model, values in per_user.items():
        checks.kind(f"per_user[{model!r}]", values, Mapping, "pass metric -> values")  # type: ignore[type-abstract]
        for metric, column in values.items():
            checks.finite(f"per_user[{model!r}][{metric!r}]", column)
    if len(per_user) < 2:
        raise ValueError(f"per_user: has {len(per_user)} models; pass at least two to compare")
    (first, reference), *others = per_user.items()
    shapes = {metric: np.shape(values) for metric, values in reference.items()}
    for model, values in others:
        if {metric: np.shape(x) for metric, x in values.items()} != shapes:
            raise ValueError(f"per_user: {model!r} and {first!r} differ in metrics or users; evaluate them on the same")
    if not shapes:
        raise ValueError(f"per_user: {first!r} has no metric; pass metric -> values")
    if len(set(shapes.values())) > 1:
        raise ValueError("per_user: the metrics have different numbers of users; compare them in separate tables")
    return list(reference)


def _differences(one: ArrayLike, other: ArrayLike) -> np.ndarray:
    one, other = checks.finite("one", one), checks.finite("other", other)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"one, other: shapes {one.shape} and {other.shape}; pass one value for each of the same users")
    if len(one) < 2:
        raise ValueError(f"one, other: {len(one)} users; a paired test needs at least two")
    with np.errstate(over="ignore"):
        differences = one - other
    if not np.isfinite(differences).all():
        raise ValueError("one, other: a difference is beyond float64; scale the values")
    return differences
