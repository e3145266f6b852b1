from dataclasses import replace
from functools import cache

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from jax.tree_util import Partial

from mfjax import baselines, evaluation
from mfjax.data import splits, synthetic
from mfjax.evaluation import blocks, groups, measuring
from mfjax.histories import ragged
from mfjax.metrics import PRESETS, Convention
from mfjax.types import Factors, Interactions

# More than 32 items and cutoffs beyond that, for which the lists are found by `lax.top_k`, which compiles fast.
USERS, ITEMS = 23, 37


def look_up(table, users):
    return table[users]


def scorer_of(scores):
    return Partial(look_up, jnp.asarray(scores))


def pairs_of(matrix):
    """Return the ragged rows of a dense matrix, zeros being no entries."""
    matrix = np.asarray(matrix, np.float32)
    users, items = (x.astype(np.int32) for x in np.nonzero(matrix))
    return ragged(Interactions(users, items, matrix[users, items], *matrix.shape))


@cache
def data():
    """Tied scores, graded targets, histories that never hold a target; some users without targets."""
    rng = np.random.default_rng(6)
    scores = rng.integers(-2, 3, (USERS, ITEMS)).astype(np.float32)
    labels = rng.integers(1, 5, scores.shape) * (rng.random(scores.shape) < rng.uniform(0, 0.5, (USERS, 1)))
    labels[:3] = 0
    seen = (rng.random(scores.shape) < 0.3) & (labels == 0)
    return scores, labels.astype(np.float32), seen


def evaluated(scores=None, labels=None, seen=None, **options):
    default_scores, default_labels, default_seen = data()
    return evaluation.evaluate(
        scorer_of(default_scores if scores is None else scores),
        pairs_of(default_labels if labels is None else labels),
        exclude=pairs_of(default_seen if seen is None else seen),
        **{"cutoffs": (2, 5, 40), "item_counts": np.arange(ITEMS), **options},
    )


def assert_equal(one, other, except_for=()):
    for name in ("users", "per_user", "pooled", "recommended", "recommended_mask", "num_relevant"):
        if name not in except_for:
            chex.assert_trees_all_equal(getattr(one, name), getattr(other, name))


def test_ranks_agree_with_the_recommended_list_and_nothing_seen_is_recommended():
    scores, labels, seen = data()
    result = evaluated()
    for user, ids, mask, hits, reciprocal in zip(
        result.users,
        result.recommended,
        result.recommended_mask,
        result.per_user["hits@5"],
        result.per_user["mrr@40"],
        strict=True,
    ):
        order = np.argsort(-np.where(seen[user], -np.inf, scores[user]), kind="stable")[: ITEMS - seen[user].sum()]
        assert ids[mask].tolist() == order[:40].tolist()
        assert not ids[~mask].any()
        relevant = np.flatnonzero(labels[user, order])
        assert hits == (relevant < 5).sum()
        assert np.isclose(reciprocal, 1 / (relevant[0] + 1))


def test_users_without_targets_are_skipped_and_counted_or_zero():
    _, labels, _ = data()
    skip, zero = evaluated(), evaluated(convention=Convention(empty="zero"), metrics=("recall",))
    assert skip.num_skipped == (labels.sum(1) == 0).sum() >= 3
    assert zero.num_skipped == 0 and len(zero.users) == USERS
    for name, values in zero.per_user.items():
        np.testing.assert_array_equal(values[skip.users], skip.per_user[name])
        assert not np.delete(values, skip.users).any()


def test_the_block_size_changes_no_bit():
    assert blocks.build(pairs_of(data()[1]), block_size=7).mask.sum(1).tolist() == [6, 6, 6]
    assert_equal(evaluated(), evaluated(block_size=6))


def test_permuting_the_items_permutes_the_lists_and_changes_no_metric():
    _, labels, seen = data()
    scores = np.random.default_rng(7).permutation(USERS * ITEMS).reshape(USERS, ITEMS).astype(np.float32)
    order = np.random.default_rng(8).permutation(ITEMS)  # new id -> old id
    one = evaluated(scores)
    other = evaluated(scores[:, order], labels[:, order], seen[:, order], item_counts=order)
    assert_equal(one, other, except_for=("recommended", "per_user", "pooled"))
    chex.assert_trees_all_close(one.per_user, other.per_user, atol=1e-6)
    np.testing.assert_array_equal(np.where(other.recommended_mask, order[other.recommended], 0), one.recommended)
    chex.assert_trees_all_close(one.pooled, other.pooled, rtol=1e-6)


def test_targets_that_can_not_be_recommended_are_misses_and_counted():
    _, labels, _ = data()
    candidates = np.arange(ITEMS) < 9
    seen = (labels > 0) & candidates[None, :]
    result = evaluated(seen=seen, candidates=jnp.asarray(candidates), metrics=("hits",))
    assert result.recommended.max() == 8
    assert result.num_unreachable == (labels > 0).sum()
    assert not any(values.any() for values in result.per_user.values())


def test_broken_scores_are_never_recommended_and_counted():
    scores, labels, _ = data()
    broken = np.where(labels > 0, np.array([np.nan, np.inf], np.float32)[np.arange(ITEMS) % 2][None, :], scores)
    result = evaluated(broken)
    assert result.num_broken == result.num_unreachable == (labels > 0).sum()
    assert not any(values.any() for values in result.per_user.values())


def test_negative_zero_ties_with_zero():
    zeros = np.where(np.arange(ITEMS) % 2, 0.0, -0.0).astype(np.float32)
    signed, plain = (evaluated(np.broadcast_to(row, (USERS, ITEMS))) for row in (zeros, np.abs(zeros)))
    assert_equal(signed, plain)


def test_eager_jit_and_vmap_over_models_agree():
    scores, labels, seen = data()
    targets, exclude = pairs_of(labels), pairs_of(seen)
    held_out = evaluation.evaluation_set(targets, exclude=exclude, block_size=6)
    tables = jnp.stack([jnp.asarray(scores), -jnp.asarray(scores)])

    def run(table):
        return evaluation.measure(Partial(look_up, table), held_out, metrics=("recall",))

    compiled = jax.jit(run)
    jitted = [compiled(table) for table in tables]
    chex.assert_trees_all_close(run(tables[0]), jitted[0], atol=1e-7)
    mapped = jax.jit(jax.vmap(run))(tables)
    chex.assert_trees_all_close(mapped, jax.tree.map(lambda *x: jnp.stack(x), *jitted), atol=1e-7)


def test_models_of_one_shape_share_one_compilation():
    traces = []

    def counted(table, users):
        traces.append(users.shape)
        return table[users]

    scores, labels, _ = data()
    for table in (scores, -scores, 2 * scores):
        evaluation.evaluate(Partial(counted, jnp.asarray(table)), pairs_of(labels), cutoffs=(2,), metrics=("recall",))
    assert len(traces) == 1


def test_factors_are_a_model_and_users_can_be_chosen():
    scores, labels, seen = data()
    chosen = np.array([9, 4, 7])
    factors = Factors(jnp.asarray(scores), jnp.eye(ITEMS))
    options = {"exclude": pairs_of(seen), "users": chosen, "cutoffs": (5,), "metrics": ("recall",)}
    result, every = evaluation.evaluate(factors, pairs_of(labels), **options), evaluated()
    assert result.users.tolist() == [4, 7, 9]
    expected = every.per_user["recall@5"][np.isin(every.users, chosen)]
    np.testing.assert_array_equal(result.per_user["recall@5"], expected)


def test_groups_report_their_users_apart():
    counts = np.arange(USERS)
    result = evaluated(groups=groups.activity(counts, edges=(2, 10)))
    found = result.groups()
    assert [size for size, _ in found.values()] == [0, (result.users < 10).sum(), (result.users >= 10).sum()]
    assert np.isnan(found["<2"][1]["recall@5"])
    expected = result.per_user["recall@5"][result.users >= 10].mean()
    assert np.isclose(result.mean(">=10")["recall@5"], expected)


def test_pooled_metrics_are_those_of_the_lists():
    result = evaluated()
    lists, mask = result.recommended[:, :5], result.recommended_mask[:, :5]
    shown = lists[mask]
    assert np.isclose(result.pooled["coverage@5"], len(set(shown.tolist())) / ITEMS)
    assert np.isclose(result.pooled["mean_popularity@5"], shown.mean())
    assert set(result.pooled) == {
        f"{name}@{k}"
        for name in ("pooled_precision", "coverage", "gini", "mean_popularity", "novelty")
        for k in (2, 5, 40)
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutoffs": ()}, "cutoffs"),
        ({"cutoffs": (0,)}, "cutoffs"),
        ({"metrics": ("accuracy",)}, "'accuracy' is unknown"),
        ({"metrics": ("recall@all",)}, "needs a cutoff"),
        ({"metrics": ("recall@x",)}, "no cutoff after"),
        ({"convention": PRESETS["sklearn"]}, "no closed form"),
        ({"users": np.array([0, USERS])}, "users: id 23 is outside"),
        ({"users": np.array([3, 3])}, "users: 3 is repeated"),
        ({"users": np.array([0, 1])}, "none of the users has a target"),
        ({"block_size": 0}, "block_size: 0"),
        ({"candidates": np.ones(3, bool)}, "candidates"),
        ({"item_counts": np.ones(3)}, "item_counts"),
        ({"groups": evaluation.Groups(np.zeros(3, np.int32), ("all",))}, "groups"),
        ({"seen": np.zeros((USERS, ITEMS + 1))}, "exclude"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        evaluated(**options)


def test_repeated_targets_are_named():
    repeated = ragged(Interactions(np.array([0, 2, 2]), np.array([1, 1, 1]), np.ones(3, np.float32), 3, 2))
    with pytest.raises(ValueError, match="item 1 is repeated for user 2"):
        evaluation.evaluate(scorer_of(np.zeros((3, 2), np.float32)), repeated)


# Oracles: a thousand users each, with ties, users without targets and a cutoff beyond the catalogue.

CASES, WIDTH = 1000, 36
CUTOFFS = (1, 5, 50)


@cache
def cases(num_scores=6):
    """Scores with ties (none where `num_scores` is 0) and graded labels; a tenth of the users has none."""
    rng = np.random.default_rng(9)
    scores = rng.integers(0, max(num_scores, 1), (CASES, WIDTH)).astype(np.float32)
    if num_scores == 0:
        scores = np.argsort(rng.random(scores.shape), axis=1).astype(np.float32)
    labels = rng.integers(1, 5, scores.shape) * (rng.random(scores.shape) < rng.uniform(0.05, 1, (CASES, 1)))
    labels[rng.random(CASES) < 0.1] = 0
    labels[(labels > 0).all(1), 0] = 0  # somebody to lose against, or the peers' AUC divides by zero
    return scores, labels.astype(np.float32)


def values_of(preset, metrics, num_scores=6):
    scores, labels = cases(num_scores)
    options = {"cutoffs": CUTOFFS, "metrics": metrics, "convention": PRESETS[preset]}
    return evaluation.evaluate(scorer_of(scores), pairs_of(labels), **options)


def assert_oracle(values, expected):
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_oracle_scikit_learn():
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    scores, labels = cases()
    result = values_of("sklearn", ("ndcg", "ndcg@all", "auc"))
    assert len(result.users) == CASES
    np.testing.assert_array_equal(result.per_user["ndcg@50"], result.per_user["ndcg@all"])
    for user, (y, s) in enumerate(zip(labels, scores, strict=True)):
        k = CUTOFFS[user % 3]
        assert_oracle(result.per_user[f"ndcg@{k}"][user], sklearn_metrics.ndcg_score(y[None], s[None], k=k))
        if y.any():
            assert_oracle(result.per_user["auc"][user], sklearn_metrics.roc_auc_score(y > 0, s))


@pytest.mark.slow
def test_oracle_scikit_learn_average_precision():
    """Without ties, as scikit-learn's average precision puts tied items at one threshold, the end of their group."""
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    scores, labels = cases(0)
    result = values_of("trec", ("map@all",), 0)
    expected = [sklearn_metrics.average_precision_score(labels[u] > 0, scores[u]) for u in result.users]
    assert_oracle(result.per_user["map@all"], expected)


@pytest.mark.slow
def test_oracle_rax():
    rax = pytest.importorskip("rax")
    scores, labels = cases()
    result = values_of("rax", ("ndcg", "map", "recall", "precision", "mrr", "mrr@all"))
    peers = {
        "ndcg": rax.ndcg_metric,
        "map": rax.ap_metric,
        "recall": rax.recall_metric,
        "precision": rax.precision_metric,
        "mrr": rax.mrr_metric,
    }

    @jax.jit
    def run(scores, labels):
        return {
            f"{name}@{k}": peer(scores, labels, topn=k, reduce_fn=None) for name, peer in peers.items() for k in CUTOFFS
        }

    with jax.numpy_rank_promotion("allow"):
        expected = run(scores, labels)
    for name, values in expected.items():
        assert_oracle(result.per_user[name], values)
    assert_oracle(result.per_user["mrr@all"], expected["mrr@50"])


@pytest.mark.slow
def test_oracle_ir_measures():
    ir_measures = pytest.importorskip("ir_measures")
    scores, labels = cases()
    result = values_of("trec", ("ndcg", "ndcg@all", "map", "map@all", "recall", "precision", "hit_rate", "mrr@all"))
    judged = [ir_measures.Qrel(str(u), f"{i:02}", int(labels[u, i])) for u, i in np.argwhere(labels > 0)]
    run = [ir_measures.ScoredDoc(str(u), f"{i:02}", float(scores[u, i])) for u, i in np.ndindex(scores.shape)]
    names = {"ndcg": "nDCG", "map": "AP", "recall": "R", "precision": "P", "hit_rate": "Success"}
    measures = {f"{name}@{k}": f"{peer}@{k}" for name, peer in names.items() for k in CUTOFFS}
    measures |= {"ndcg@all": "nDCG", "map@all": "AP", "mrr@all": "RR"}
    parsed = {ir_measures.parse_measure(peer): name for name, peer in measures.items()}
    row = {user: position for position, user in enumerate(result.users)}
    expected = {name: np.full(len(row), np.nan) for name in measures}
    for found in ir_measures.iter_calc(list(parsed), judged, run):
        expected[parsed[found.measure]][row[int(found.query_id)]] = found.value
    for name, values in expected.items():
        assert_oracle(result.per_user[name], values)


class _Lists:
    """Stands in for a model of implicit: by score, lower index first, then -1 beyond the catalogue."""

    def __init__(self, scores):
        self.scores = scores

    def recommend(self, users, user_items, N=10):
        order = np.argsort(-self.scores[np.asarray(users)], axis=1, kind="stable").astype(np.int32)
        return np.pad(order, ((0, 0), (0, N)), constant_values=-1)[:, :N].copy(), None


@pytest.mark.slow
def test_oracle_implicit():
    oracle = pytest.importorskip("implicit.evaluation")
    scores, labels = cases()
    result = values_of("implicit", ("ndcg", "map", *(f"auc@{k}" for k in CUTOFFS)))
    peers = {"map": "map", "ndcg": "ndcg", "auc": "auc"}
    nothing = scipy.sparse.csr_matrix((1, WIDTH))
    for k in CUTOFFS:
        options = {"K": k, "show_progress": False}
        for position, user in enumerate(result.users):
            target = scipy.sparse.csr_matrix((labels[user : user + 1] > 0).astype(np.float64))
            if target.nnz == WIDTH:
                continue  # its AUC divides by zero
            expected = oracle.ranking_metrics_at_k(_Lists(scores[user : user + 1]), nothing, target, **options)
            for name, peer in peers.items():
                assert_oracle(result.per_user[f"{name}@{k}"][position], expected[peer])
        every = scipy.sparse.csr_matrix((labels > 0).astype(np.float64))
        none_seen = scipy.sparse.csr_matrix(every.shape)
        expected = oracle.ranking_metrics_at_k(_Lists(scores), none_seen, every, **options)
        assert_oracle(result.pooled[f"pooled_precision@{k}"], expected["precision"])


def test_scores_below_the_normal_numbers_keep_their_order():
    """XLA on CPU compares floats below 1.2e-38 as zeros: they were one tie."""
    scores = np.random.default_rng(11).permutation(USERS * ITEMS).reshape(USERS, ITEMS).astype(np.float32)
    assert_equal(evaluated(scores * np.float32(1e-42)), evaluated(scores))


MODEL = Factors(jnp.array([[1.0], [-1.0]]), jnp.arange(5.0)[:, None])
THREE = Interactions(np.array([0, 1, 2]), np.array([4, 0, 0]), np.ones(3, np.float32), 3, 5)


@pytest.mark.parametrize(
    ("model", "targets", "options", "message"),
    [
        (MODEL, ragged(THREE), {}, "model: has 2 users, but targets have 3"),
        (Factors(MODEL.items, MODEL.users), ragged(THREE), {}, "model: has 5 users, but targets have 3"),
        (Factors(jnp.ones((3, 1)), jnp.ones((4, 1))), ragged(THREE), {}, "model: has 4 items, but targets have 5"),
        (lambda users: jnp.ones((len(users), 4)), ragged(THREE), {}, "targets: has 3 users and 5 items, but the model"),
        (MODEL, THREE, {}, "targets: a Interactions is not what is needed; pass the lists that histories.ragged"),
        (MODEL, scipy.sparse.csr_matrix(np.eye(2)), {}, "targets: a csr_matrix is not .*histories.ragged"),
        (MODEL, ragged(THREE), {"metrics": 3}, "metrics: a int is not what is needed; pass such as"),
        (MODEL, ragged(THREE), {"cutoffs": 2.0}, "cutoffs: 2.0 is not a whole number of at least 1"),
        (MODEL, ragged(THREE), {"convention": "trec"}, r"convention: 'trec' is no Convention; pass PRESETS\['trec'\]"),
    ],
)
def test_what_does_not_fit_is_named(model, targets, options, message):
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate(model, targets, **options)


@pytest.mark.parametrize("preset", ["sklearn", "trec", "rax"])
@pytest.mark.parametrize("value", [0.0, -2.0, np.nan, 3e38, 1e-40])
def test_graded_relevances_must_be_positive(preset, value):
    lists = ragged(THREE)
    broken = replace(lists, values=lists.values.at[1].set(value))
    three = Factors(jnp.ones((3, 1)), MODEL.items)
    with pytest.raises(ValueError, match=r"targets: the relevance .* relevances must be positive"):
        evaluation.evaluate(three, broken, convention=PRESETS[preset], metrics="recall")
    evaluation.evaluate(three, broken, metrics="recall")  # of no matter under binary gain


def test_one_name_and_one_cutoff_are_taken():
    one, several = evaluated(metrics="ndcg", cutoffs=10), evaluated(metrics=("ndcg",), cutoffs=(10,))
    assert_equal(one, several)
    assert list(one.per_user) == ["ndcg@10"]


def test_candidates_of_every_kind_agree_and_lists_may_differ_by_user():
    """A target that is no candidate is a miss."""
    labels = data()[1]
    allowed = np.random.default_rng(12).random(ITEMS) < 0.5
    lists = pairs_of(np.broadcast_to(allowed, (USERS, ITEMS)))
    forms = [evaluated(candidates=form) for form in (allowed, np.flatnonzero(allowed)[::-1].tolist(), lists)]
    for form in forms[1:]:
        assert_equal(form, forms[0])
    own = np.random.default_rng(13).random((USERS, ITEMS)) < 0.5
    result = evaluated(seen=np.zeros_like(own), candidates=pairs_of(own), metrics=("recall",), cutoffs=(40,))
    wanted = [((labels[user] > 0) & own[user]).sum() / (labels[user] > 0).sum() for user in result.users]
    np.testing.assert_allclose(
        result.per_user["recall@40"], wanted, rtol=1e-6
    )  # a target that is no candidate is a miss
    assert result.num_unreachable == ((labels > 0) & ~own).sum()


def test_a_plain_function_is_evaluated_and_compiled_once():
    scores, labels, _ = data()
    table, traces = jnp.asarray(scores), []

    def plain(users):
        traces.append(users.shape)
        return table[users]

    results = [evaluation.evaluate(plain, pairs_of(labels), cutoffs=(2,), metrics=("recall",)) for _ in range(3)]
    assert len(traces) == 1
    wanted = evaluation.evaluate(scorer_of(scores), pairs_of(labels), cutoffs=(2,), metrics=("recall",))
    np.testing.assert_array_equal(results[-1].per_user["recall@2"], wanted.per_user["recall@2"])


def test_an_evaluation_prints_its_means_in_a_line():
    shown = repr(evaluated())
    assert shown.startswith("Evaluation(18 users: hits@2=") and len(shown) < 400 and "\n" not in shown
    with pytest.raises(ValueError, match="group: 'old' is unknown; pass '<2' or '>=2'"):
        evaluated(groups=groups.activity(np.arange(USERS), edges=(2,))).mean("old")


def test_the_same_under_x64():
    wanted = evaluated(convention=PRESETS["trec"])
    with jax.enable_x64(True):
        found = evaluated(convention=PRESETS["trec"])
    assert {values.dtype for values in found.per_user.values()} == {np.dtype(np.float32)}
    chex.assert_trees_all_close(found.per_user, wanted.per_user, rtol=1e-6)
    chex.assert_trees_all_close(found.pooled, wanted.pooled, rtol=1e-6)
    np.testing.assert_array_equal(found.recommended, wanted.recommended)


def test_blocks_one_by_one_have_the_bits_of_one_program():
    pairs = synthetic.power_law(0, num_users=90, num_items=50, num_interactions=900)
    split = splits.leave_last_out(pairs, 2)
    seen, key = ragged(split.train), jax.random.key(0)
    tables = [jax.random.normal(key, (size, 8)) for key, size in zip(jax.random.split(key), (90, 50), strict=True)]
    held_out = evaluation.evaluation_set(
        ragged(split.test), exclude=seen, item_counts=split.train.item_counts(), block_size=32
    )
    how = {"cutoffs": (3, 10), "metrics": ("recall", "ndcg", "map"), "convention": Convention()}
    for model in (Factors(*tables), baselines.ease(split.train, reg=10.0)):
        whole = jax.device_get(evaluation.compiled_measure(model, held_out, **how))
        jax.tree.map(
            np.testing.assert_array_equal,
            measuring.measure_by_blocks(*measuring.fitting(model, held_out), **how),
            whole,
        )
