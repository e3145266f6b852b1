from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import evaluation, metrics
from mfjax.evaluation import ranks
from mfjax.metrics import PRESETS, UNRANKED, Convention
from tests import reference_ranking

# Eight items scored 8..1, so that item i has rank i + 1; graded labels.
LABELS = np.array([[0, 2, 0, 0, 5, 0, 1, 0], [1, 1, 4, 2, 3, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1], [0] * 8], np.float32)


def by_rank(labels):
    """Return ranks, num_relevant and relevances of labels [users, items] given in ranked order."""
    relevant = labels > 0
    positions = np.arange(1, labels.shape[1] + 1, dtype=np.int32)
    rank = jnp.asarray(np.where(relevant, positions, UNRANKED))
    return rank, jnp.asarray(relevant.sum(1, dtype=np.int32)), jnp.asarray(labels)


def discount(*positions):
    return sum(1 / np.log2(p + 1) for p in positions)


RANKS, NUM_RELEVANT, RELEVANCES = by_rank(LABELS)


def assert_values(values, expected):
    np.testing.assert_allclose(np.asarray(values), expected, rtol=0, atol=2e-7)


@pytest.fixture(scope="module")
def golden():
    """Every golden quantity, compiled as one program."""

    def run(ranks, num_relevant, relevances):
        def ndcg(k=3, **choices):
            return metrics.ndcg(ranks, num_relevant, k=k, convention=Convention(**choices), relevances=relevances)

        over_relevant = Convention(ap_denominator="relevant")
        over_min = Convention(recall_denominator="min")
        hits = metrics.hits(ranks, num_relevant, k=3)
        return {
            "ndcg binary": ndcg(),
            "ndcg linear": ndcg(gain="linear"),
            "ndcg exponential": ndcg(gain="exponential"),
            "ndcg full": ndcg(ideal="full"),
            "ndcg full@10": ndcg(10, ideal="full"),
            "ap over relevant": metrics.average_precision(ranks, num_relevant, k=3, convention=over_relevant),
            "ap over min": metrics.average_precision(ranks, num_relevant, k=3),
            "recall over relevant": metrics.recall(ranks, num_relevant, k=3),
            "recall over min": metrics.recall(ranks, num_relevant, k=3, convention=over_min),
            "rr": metrics.reciprocal_rank(ranks, num_relevant),
            "rr@3": metrics.reciprocal_rank(ranks, num_relevant, k=3),
            "pooled precision": metrics.pooled_precision(hits, num_relevant, k=3),
            "auc@3": metrics.auc(ranks, num_relevant, num_items=8, k=3),
        }

    return jax.jit(run)(RANKS, NUM_RELEVANT, RELEVANCES)


def test_golden_ndcg_binary(golden):
    expected = [discount(2) / discount(1, 2, 3), 1, 0, 0]
    assert_values(expected[:1], [0.2960819])
    assert_values(golden["ndcg binary"], expected)


def test_golden_ndcg_linear(golden):
    expected = [
        2 * discount(2) / (5 * discount(1) + 2 * discount(2) + discount(3)),
        (discount(1, 2) + 4 * discount(3)) / (4 * discount(1) + 3 * discount(2) + 2 * discount(3)),
        0,
        0,
    ]
    assert_values(expected, [0.1866143, 0.5267722, 0, 0])
    assert_values(golden["ndcg linear"], expected)


def test_golden_ndcg_exponential(golden):
    expected = [
        3 * discount(2) / (31 * discount(1) + 3 * discount(2) + discount(3)),
        (discount(1, 2) + 15 * discount(3)) / (15 * discount(1) + 7 * discount(2) + 3 * discount(3)),
        0,
        0,
    ]
    assert_values(expected, [0.0566826, 0.4365418, 0, 0])
    assert_values(golden["ndcg exponential"], expected)


def test_golden_ndcg_with_an_ideal_of_full_length(golden):
    assert_values(golden["ndcg full"], [discount(2) / discount(1, 2, 3), 1, 0, 0])
    assert_values(golden["ndcg full@10"][2], discount(8) / discount(*range(1, 11)))


def test_golden_average_precision_and_recall(golden):
    assert_values(golden["ap over relevant"], [1 / 2 / 3, 3 / 5, 0, 0])
    assert_values(golden["ap over min"], [1 / 2 / 3, 1, 0, 0])
    assert_values(golden["recall over relevant"], [1 / 3, 3 / 5, 0, 0])
    assert_values(golden["recall over min"], [1 / 3, 1, 0, 0])


def test_golden_reciprocal_rank_with_and_without_cutoff(golden):
    assert_values(golden["rr"], [1 / 2, 1, 1 / 8, 0])
    assert_values(golden["rr@3"], [1 / 2, 1, 0, 0])


def test_golden_aggregates_of_implicit(golden):
    """Three users with targets; the library's AUC counts all eight items and takes the order beyond k as unknown."""
    assert_values(golden["pooled precision"], (1 + 3 + 0) / (3 + 3 + 1))
    assert_values(np.mean(golden["ap over min"][:3]), (1 / 6 + 1 + 0) / 3)
    assert_values(np.mean(golden["ndcg binary"][:3]), 0.4320273)
    assert_values(np.mean(golden["auc@3"][:3]), 0.5174603)


TIED = {"expected": discount(1, 2, 3, 4) / 4, "first": discount(4), "last": 1, "worst": discount(4)}


def test_golden_four_equal_scores_relevant_item_last():
    @jax.jit
    def run(scores):
        values = {}
        for ties in TIED:
            found = ranks.of(scores, jnp.array([[3]]), jnp.array([[True]]), ties=ties)
            options = {"convention": Convention(ties=ties), "tie_sizes": found.tie_sizes}
            values[ties] = metrics.ndcg(found.ranks, jnp.array([1]), k=4, **options)[0]
        return values

    values = run(jnp.ones((1, 4)))
    assert_values([values[ties] for ties in TIED], list(TIED.values()))
    assert_values([TIED["expected"], TIED["first"]], [0.6404016, 0.4306766])


def test_worked_example_reports_the_ideal_as_the_dcg():
    """Relevances [3, 2, 3, 0, 1] in ranked order, k = 5: 13.35 is the ideal DCG, not the DCG."""
    labels = np.array([[3, 2, 3, 0, 1]], np.float32)
    gains = 2.0 ** labels[0] - 1
    dcg = sum(gain * discount(p) for p, gain in enumerate(gains, 1))
    ideal = sum(gain * discount(p) for p, gain in enumerate(sorted(gains, reverse=True), 1))
    np.testing.assert_allclose([dcg, ideal, dcg / ideal], [12.7797, 13.3472, 0.95748], rtol=1e-5)
    rank, num_relevant, relevances = by_rank(labels)
    exponential = Convention(gain="exponential")
    run = jax.jit(lambda *x: metrics.ndcg(*x[:2], k=5, convention=exponential, relevances=x[2]))
    assert_values(run(rank, num_relevant, relevances), [dcg / ideal])


def test_auc_counts_an_unranked_item_as_lost():
    rank = jnp.array([[1, UNRANKED], [UNRANKED, UNRANKED]])
    # Item 1 of four beats the three others, the other target none.
    run = jax.jit(metrics.auc)
    assert_values(run(rank, jnp.array([2, 1]), num_items=jnp.array([4, 4])), [0.5, 0])


CONVENTIONS = {
    **PRESETS,
    "full": Convention(gain="linear", ideal="full", ties="worst"),
    "expected": Convention(gain="exponential", ties="expected", precision_denominator="retrieved"),
}


def random_case(seed, cases, num_items):
    """Scores with many ties and a few items that can not be recommended; graded labels, some users without any."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (cases, num_items)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    labels = rng.integers(1, 5, scores.shape) * (rng.random(scores.shape) < rng.uniform(0, 0.8, (cases, 1)))
    return scores, labels.astype(np.float32)


def ranked(scores, labels, ties):
    """Return the Ranked of dense scores and labels, every item a column of the targets."""
    relevant = jnp.asarray(labels > 0)
    ids = jnp.broadcast_to(jnp.arange(labels.shape[1], dtype=jnp.int32)[None, :], labels.shape)
    found = ranks.of(jnp.asarray(scores), ids, relevant, ties=ties)
    num_relevant, empty = relevant.sum(1, dtype=jnp.int32), jnp.zeros(len(scores), jnp.int32)
    num_items = jnp.isfinite(scores).sum(1, dtype=jnp.int32)
    return ranks.Ranked(*found, jnp.asarray(labels), num_relevant, empty, num_items, empty, ids, relevant)


@pytest.mark.parametrize("ties", ["first", "last", "worst", "expected"])
def test_against_walking_down_the_list(ties):
    scores, labels = random_case(1, 60, 5)
    wanted = [
        (preset, name, k)
        for preset, convention in CONVENTIONS.items()
        for name in evaluation.METRICS
        for k in (2, 8)
        if convention.ties == ties and name != "auc" and not (ties == "expected" and name in ("map", "mrr"))
    ]

    @jax.jit
    def run(scores, labels):
        ranking = ranked(scores, labels, ties)
        values = [evaluation.METRICS[name](ranking, k, CONVENTIONS[preset], 5) for preset, name, k in wanted]
        return values, evaluation.METRICS["auc"](ranking, None, Convention(ties=ties), 5)

    values, auc = run(scores, labels)
    for (preset, name, k), value in [*zip(wanted, values, strict=True), (("default", "auc", 5), auc)]:
        convention = replace(CONVENTIONS[preset], ties=ties)
        truth = [reference_ranking.expectation(name, s, r, k, convention) for s, r in zip(scores, labels, strict=True)]
        np.testing.assert_allclose(value, truth, rtol=0, atol=1e-6, err_msg=f"{preset}: {name}@{k}")


def test_eager_jit_and_vmap_agree():
    def run(ranking):
        return {name: metric(ranking, 3, PRESETS["rax"], 5) for name, metric in evaluation.METRICS.items()}

    ranking = jax.jit(ranked, static_argnums=2)(*random_case(2, 6, 5), "first")
    eager, jitted, one_by_one = run(ranking), jax.jit(run)(ranking), jax.jit(jax.vmap(run))(ranking)
    for name, values in eager.items():
        np.testing.assert_allclose(values, jitted[name], rtol=0, atol=1e-7, err_msg=name)
        np.testing.assert_allclose(values, one_by_one[name], rtol=0, atol=1e-7, err_msg=name)


def test_padding_changes_nothing():
    def run(ranks, num_relevant):
        ranking = (metrics.hits, metrics.recall, metrics.ndcg, metrics.average_precision, metrics.reciprocal_rank)
        return [metric(ranks, num_relevant, k=3) for metric in ranking]

    padded = jnp.pad(RANKS, ((0, 0), (0, 5)), constant_values=UNRANKED)
    chex.assert_trees_all_equal(jax.jit(run)(RANKS, NUM_RELEVANT), jax.jit(run)(padded, NUM_RELEVANT))


EXPECTED = Convention(ties="expected")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.average_precision(RANKS, NUM_RELEVANT, convention=EXPECTED), "closed form for average_prec"),
        (lambda: metrics.reciprocal_rank(RANKS, NUM_RELEVANT, convention=EXPECTED), "closed form for reciprocal_rank"),
        (lambda: metrics.recall(RANKS, NUM_RELEVANT, convention=EXPECTED), "tie_sizes: None"),
        (lambda: metrics.ndcg(RANKS, NUM_RELEVANT, k=None, convention=EXPECTED), "k: None"),
        (lambda: metrics.ndcg(RANKS, NUM_RELEVANT, convention=Convention(gain="linear")), "relevances: None"),
        (lambda: metrics.precision(RANKS, NUM_RELEVANT, convention=PRESETS["rax"]), "num_items: None"),
        (lambda: metrics.auc(RANKS, NUM_RELEVANT, num_items=8, k=3, tie_sizes=RANKS), "k: a cutoff"),
        (lambda: Convention(gain="cubic"), "gain: 'cubic' is unknown; pass 'binary'"),  # pyright: ignore
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_convention_describes_itself():
    assert metrics.DEFAULT.describe().startswith("gain=binary, ideal=achievable, ap_denominator=min")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.hits([0, 1], 2, k=3), "ranks: 0 is not a whole number of at least 1"),
        (lambda: metrics.recall([1, 2, 3], 2, k=3), "num_relevant: 2 relevant items, but a list has 3 ranks"),
        (lambda: metrics.auc([1, 7], 2, num_items=5), "num_items: 5 items, but a rank is 7"),
        (lambda: metrics.ndcg(RANKS, NUM_RELEVANT, k=0), "k: 0 is not a whole number"),
        (lambda: metrics.ndcg(RANKS, NUM_RELEVANT[:2]), r"num_relevant: shape \(2,\) is not \(4,\)"),
        (lambda: metrics.recall(RANKS, NUM_RELEVANT, convention="trec"), "convention: 'trec' is no Convention"),
        (
            lambda: metrics.ndcg(RANKS, NUM_RELEVANT, convention=Convention(gain="linear"), relevances=-RELEVANCES),
            "relevances: -2.0 is not a finite number of at least 0",
        ),
        (
            lambda: jax.jit(lambda r: metrics.hits(r, NUM_RELEVANT[:1]))(RANKS),
            r"num_relevant: shape \(1,\) is not \(4,\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_values_are_the_same_under_x64():
    def values():
        every = (metrics.hits, metrics.recall, metrics.precision, metrics.ndcg, metrics.average_precision)
        found = [metric(RANKS, NUM_RELEVANT, k=3) for metric in every]
        return [*found, metrics.auc(RANKS, NUM_RELEVANT, num_items=8), metrics.reciprocal_rank(RANKS, NUM_RELEVANT)]

    wanted = values()
    with jax.enable_x64(True):
        found = values()
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, rtol=1e-6)
