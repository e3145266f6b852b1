import numpy as np
import pytest
import scipy.stats

from mfjax import statistics


def samples(kind):
    rng = np.random.default_rng(13)
    if kind == "hits":  # many zero and tied differences
        return rng.integers(0, 2, 300).astype(float), rng.integers(0, 2, 300).astype(float)
    size = 30 if kind == "few" else 300
    return rng.beta(1, 3, size), rng.beta(1, 2.7, size)


@pytest.mark.parametrize("kind", ["few", "many", "hits"])
def test_tests_equal_scipy(kind):
    one, other = samples(kind)
    np.testing.assert_allclose(statistics.paired_t(one, other), scipy.stats.ttest_rel(one, other), atol=1e-6)
    np.testing.assert_allclose(statistics.wilcoxon(one, other), scipy.stats.wilcoxon(one, other), atol=1e-6)


def test_wilcoxon_by_hand():
    """Ranks of |d| = 2, 1, 1, 4 after dropping the zero: 3, 1.5, 1.5, 4."""
    one, other = np.array([2.0, 0, 1, 4, 5]), np.array([0.0, 1, 0, 0, 5])
    assert statistics.wilcoxon(one, other).statistic == 1.5
    assert statistics.rank_biserial(one, other) == (3 + 1.5 + 4 - 1.5) / 10


def test_effect_sizes():
    one, other = samples("many")
    difference = one - other
    assert np.isclose(statistics.cohen_dz(one, other), difference.mean() / difference.std(ddof=1))
    assert statistics.rank_biserial(one, one - 1) == 1
    assert np.isclose(statistics.rank_biserial(one, other), -statistics.rank_biserial(other, one))


def test_no_difference_at_all():
    one = samples("few")[0]
    assert statistics.paired_t(one, one) == (0, 1)
    assert statistics.wilcoxon(one, one) == (0, 1)
    assert statistics.cohen_dz(one, one) == statistics.rank_biserial(one, one) == 0
    assert statistics.paired_t(np.ones(5), np.zeros(5)) == (np.inf, 0)


def test_holm_rejects_what_the_step_down_procedure_rejects():
    p = np.random.default_rng(14).random((4, 5)) ** 3
    adjusted = statistics.holm(p)
    for alpha in (0.01, 0.05, 0.2, 0.5):
        rejected = np.zeros(p.size, bool)
        for step, index in enumerate(np.argsort(p.reshape(-1))):
            if p.reshape(-1)[index] * (p.size - step) > alpha:
                break
            rejected[index] = True
        np.testing.assert_array_equal(adjusted.reshape(-1) <= alpha, rejected)


@pytest.mark.parametrize("test", ["t", "wilcoxon", "sign_flip"])
def test_compare_finds_the_model_that_differs(test, key):
    rng = np.random.default_rng(15)
    base = rng.beta(1, 3, 400)
    noisy = {name: {"ndcg@10": base + rng.normal(0, 0.1, 400), "recall@10": base} for name in ("als", "bpr")}
    noisy["ease"] = {"ndcg@10": base + 0.1 + rng.normal(0, 0.1, 400), "recall@10": base}
    table = statistics.compare(key, noisy, test=test, num_resamples=2000)
    assert [row[:3] for row in table[:3]] == [
        ("ndcg@10", "als", "bpr"),
        ("ndcg@10", "als", "ease"),
        ("ndcg@10", "bpr", "ease"),
    ]
    assert {(row.metric, row.one, row.other) for row in table if row.p_holm < 0.05} == {row[:3] for row in table[1:3]}
    np.testing.assert_allclose([row.p_holm for row in table], statistics.holm([row.p for row in table]))
    for row in table[1:3]:
        assert row.low < row.difference < row.high < 0 and row.dz < -0.3 and row.rank_biserial < -0.3
    assert all((row.difference, row.p, row.low, row.high) == (0, 1, 0, 0) for row in table[3:])


def test_the_scale_of_the_values_does_not_matter():
    one, other = samples("many")
    for scale in (1e-200, 1e200):
        np.testing.assert_allclose(statistics.paired_t(scale * one, scale * other), statistics.paired_t(one, other))


NAN = float("nan")


@pytest.mark.parametrize("bad", [NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize("test", ["t", "wilcoxon", "sign_flip"])
def test_what_is_not_finite_never_becomes_a_p_value(bad, test, key):
    one = np.random.default_rng(0).random(30)
    other = one.copy()
    other[7] = bad
    table = {"als": {"ndcg": one}, "bpr": {"ndcg": other}}
    with pytest.raises(ValueError, match=r"per_user\['bpr'\]\['ndcg'\]: number 7 is .*, not finite; drop such users"):
        statistics.compare(key, table, test=test)
    for alone in (statistics.paired_t, statistics.wilcoxon, statistics.cohen_dz, statistics.rank_biserial):
        with pytest.raises(ValueError, match=r"other: number 7 is .*, not finite"):
            alone(one, other)


FEW = {"recall@10": np.zeros(3)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda key: statistics.paired_t([1.0, 2.0], [1.0]), "shapes"),
        (lambda key: statistics.wilcoxon([1.0], [1.0]), "at least two"),
        (lambda key: statistics.compare(key, {"als": FEW}), "1 models"),
        (
            lambda key: statistics.compare(key, {"als": FEW, "bpr": {"recall@10": np.zeros(4)}}),
            "'bpr' and 'als' differ",
        ),
        (lambda key: statistics.compare(key, {"als": FEW, "bpr": {"ndcg@10": np.zeros(3)}}), "'bpr' and 'als' differ"),
        (
            lambda key: statistics.compare(key, {"als": FEW, "bpr": FEW}, test="sign"),
            "test: 'sign' is unknown; pass",
        ),
        (lambda key: statistics.compare(key, {"als": FEW, "bpr": FEW}, level=95), "level: 95.0 is not a finite number"),
        (lambda key: statistics.compare(key, {"als": FEW, "bpr": FEW}, num_resamples=0), "num_resamples: 0 is not"),
        (lambda key: statistics.compare(3, {"als": FEW, "bpr": FEW}), "key: 3 is not a PRNG key"),
        (lambda key: statistics.compare(key, [FEW, FEW]), "per_user: a list is not what is needed"),
        (lambda key: statistics.compare(key, {"als": FEW, "bpr": np.zeros(3)}), r"per_user\['bpr'\]: a ndarray is not"),
        (lambda key: statistics.compare(key, {"als": {}, "bpr": {}}), "per_user: 'als' has no metric"),
        (lambda key: statistics.compare(key, {"als": FEW, "bpr": {"recall@10": "abc"}}), "holds no real numbers"),
        (lambda key: statistics.paired_t([1.0, 2.0], ["a", "b"]), "other: .* holds no real numbers"),
        (lambda key: statistics.paired_t([1.0, 2.0], [1j, 2.0]), "other: .* holds no real numbers"),
        (lambda key: statistics.paired_t(np.ma.array([1, 2], mask=[0, 1]), [1, 2]), "one: a masked array"),
        (lambda key: statistics.holm([0.1, NAN]), "p: number 1 is nan, not finite"),
        (lambda key: statistics.holm([0.1, 1.5]), "p: 1.5 is no p-value"),
        (lambda key: statistics.holm([-0.1]), "p: -0.1 is no p-value"),
    ],
)
def test_bad_input_is_named(call, message, key):
    with pytest.raises(ValueError, match=message):
        call(key)
