"""mfjax.data.writing.runs: other tools compute from the files what mfjax.metrics says; what a file can not hold."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pandas
import pytest

from mfjax import metrics
from mfjax.data import from_arrays, read, write_qrels, write_run
from mfjax.metrics.conventions import PRESETS, Convention

USERS, ITEMS, K = 12, 30, 10
GENERATOR = np.random.default_rng(0)
SCORES = GENERATOR.permuted(np.tile(np.linspace(-1, 2, ITEMS, dtype=np.float32), (USERS, 1)), axis=1)
RELEVANCE = GENERATOR.integers(1, 5, (USERS, ITEMS)) * (GENERATOR.random((USERS, ITEMS)) < 0.2)
RELEVANCE[:, 3] = 2  # for every user something
ORDER = np.argsort(-SCORES, axis=1)
USER_NAMES = np.array([f"user{user:02}" for user in range(USERS)])
ITEM_NAMES = np.array([f"item:{item:02}" for item in range(ITEMS)])


def of_ours(convention: Convention) -> dict[str, np.ndarray]:
    """Return NDCG@10 and recall@10 of every user, by our metrics."""
    ranks = np.argsort(ORDER, axis=1) + 1
    found: dict[str, list[float]] = {"ndcg": [], "recall": []}
    for user in range(USERS):
        of_user = np.flatnonzero(RELEVANCE[user])
        at, relevant = jnp.asarray(ranks[user, of_user]), jnp.asarray(len(of_user))
        worth = None if convention.gain == "binary" else jnp.asarray(RELEVANCE[user, of_user], jnp.float32)
        found["ndcg"].append(float(metrics.ndcg(at, relevant, k=K, convention=convention, relevances=worth)))
        found["recall"].append(float(metrics.recall(at, relevant, k=K, convention=convention)))
    return {name: np.array(values) for name, values in found.items()}


@pytest.fixture
def written(tmp_path):
    def write(suffix: str):
        users, items = np.nonzero(RELEVANCE)
        judged = from_arrays(USER_NAMES[users], ITEM_NAMES[items], RELEVANCE[users, items])
        write_qrels(tmp_path / f"test{suffix}", judged)
        best = ORDER[:, :K]
        write_run(tmp_path / f"run{suffix}", USER_NAMES, ITEM_NAMES[best], np.take_along_axis(SCORES, best, 1))
        return tmp_path / f"test{suffix}", tmp_path / f"run{suffix}"

    return write


def test_ir_measures(written):
    ir_measures = pytest.importorskip("ir_measures")
    qrels, run = written(".trec")
    judged, ranked = ir_measures.read_trec_qrels(str(qrels)), ir_measures.read_trec_run(str(run))
    found = {"ndcg": np.zeros(USERS), "recall": np.zeros(USERS)}
    names = {ir_measures.parse_measure("nDCG@10"): "ndcg", ir_measures.parse_measure("R@10"): "recall"}
    for each in ir_measures.iter_calc(list(names), judged, ranked):
        found[names[each.measure]][USER_NAMES.tolist().index(each.query_id)] = each.value
    for name, values in of_ours(PRESETS["trec"]).items():
        np.testing.assert_allclose(values, found[name], rtol=1e-5)


@pytest.mark.filterwarnings("ignore")  # numba warns of its own casts
def test_ranx(written):
    ranx = pytest.importorskip("ranx")
    qrels, run = written(".trec")
    judged = ranx.Qrels.from_file(str(qrels), kind="trec")
    ranked = ranx.Run.from_file(str(run), kind="trec")
    found = ranx.evaluate(judged, ranked, ["ndcg@10", "recall@10"])
    for name, values in of_ours(PRESETS["trec"]).items():
        np.testing.assert_allclose(values.mean(), found[f"{name}@10"], rtol=1e-5)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rectools(written, suffix):
    rectools = pytest.importorskip("rectools.metrics")
    qrels, run = (pandas.read_csv(path) if suffix == ".csv" else pandas.read_parquet(path) for path in written(suffix))
    wanted = {"ndcg": rectools.NDCG(k=K), "recall": rectools.Recall(k=K)}
    found = rectools.calc_metrics(wanted, reco=run, interactions=qrels)
    for name, values in of_ours(Convention(ideal="full")).items():
        np.testing.assert_allclose(values.mean(), found[name], rtol=1e-5)


def test_qrels_are_read_back(written):
    for suffix, options in ((".trec", {"layout": "qrels"}), (".parquet", {"value": "relevance"})):
        pairs = read(written(suffix)[0], **options)
        found = np.zeros((USERS, ITEMS))
        items = [int(name[5:]) for name in pairs.item_vocabulary.decode(pairs.items).tolist()]
        found[pairs.users, items] = pairs.values
        np.testing.assert_array_equal(found, RELEVANCE)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".csv.gz"])
def test_columns_are_those_of_rectools(tmp_path, suffix):
    path = tmp_path / f"run{suffix}"
    write_run(path, [7, 8], [["a,b", "c"], ["c", "d"]], [[2, 1], [5, -np.inf]])
    if suffix == ".parquet":
        table = pandas.read_parquet(path)
    else:
        table = pandas.read_csv(path, sep="\t" if suffix == ".tsv" else ",")
    assert table.columns.tolist() == ["user_id", "item_id", "rank", "score"]
    assert table.to_numpy().tolist() == [[7, "a,b", 1, 2.0], [7, "c", 2, 1.0], [8, "c", 1, 5.0]]


def lines(path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


def test_rows_and_lists_are_the_same_run(tmp_path):
    one, other = tmp_path / "one.run", tmp_path / "other.run"
    write_run(one, ["a", "b"], [[3, 1], [2, 9]], mask=[[True, True], [True, False]], tag="als")
    write_run(other, ["b", "a", "a"], [2, 3, 1], tag="als")
    assert sorted(lines(one)) == sorted(lines(other))
    assert lines(one) == [
        ["a", "Q0", "3", "1", "2", "als"],
        ["a", "Q0", "1", "2", "1", "als"],
        ["b", "Q0", "2", "1", "1", "als"],
    ]


def test_lists_of_the_device_are_taken(tmp_path):
    scores = jnp.array([[0.1, -jnp.inf]])
    write_run(tmp_path / "model.run", [5], jnp.array([[4, 0]]), scores)
    assert lines(tmp_path / "model.run") == [["5", "Q0", "4", "1", "0.1", "mfjax"]]


GOOD = from_arrays(["a b", "c"], [1, 2], [1, 0.5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda at: write_run(at / "x.run", ["a b"], [[1]]), "user_id: row 0 holds 'a b', and a field between blanks"),
        (lambda at: write_run(at / "x.run", ["a"], [["\u2003c"]]), "item_id: row 0 holds '.*c', and a field between"),
        (lambda at: write_run(at / "x.run", ["a"], [[1]], tag="my run"), "tag: row 0 holds 'my run', and a field"),
        (lambda at: write_run(at / "x.run", ["a"], [[1]], tag=3), "tag: a int is not what is needed"),
        (
            lambda at: write_run(at / "x.json", ["a"], [[1]]),
            r"path: 'x.json' has no suffix of a format; name it .*\.run",
        ),
        (lambda at: write_run(at / "x.run", ["a"], [[1, 1]]), "items: 1 is listed twice for user a; list it once"),
        (lambda at: write_run(at / "x.run", ["a", "a"], [[1], [1]]), "items: 1 is listed twice for user a"),
        (lambda at: write_run(at / "x.run", ["a"], [[1], [2]]), r"items: shape \(2, 1\) for 1 users; pass \[n, k\]"),
        (lambda at: write_run(at / "x.run", ["a"], [[1, 2]], [[1, 2]]), "scores: they rise after item 1 of user a"),
        (lambda at: write_run(at / "x.run", ["a"], [[1, 2]], [[1, np.nan]]), "scores: .*no item|scores: nan is not"),
        (lambda at: write_run(at / "x.run", ["a"], [[1]], [[np.inf]]), "scores: inf is not finite; pass mask="),
        (lambda at: write_run(at / "x.run", ["a"], [[1]], [1]), "scores: shape"),
        (lambda at: write_run(at / "x.run", ["a"], [[1]], [["1"]]), "scores: dtype <U1; pass numbers"),
        (lambda at: write_run(at / "x.run", ["a"], [[1]], mask=[[1]]), "mask: dtype int64; pass bools"),
        (lambda at: write_run(at / "x.run", ["a"], [[1]], mask=[[False]]), "items: there is no item in any list"),
        (lambda at: write_run(at / "x.run", ["a"], [[1, "b"]]), "items: row 1 holds 'b'; ids are all integers or"),
        (
            lambda at: write_qrels(at / "x.qrels", GOOD),
            "interactions: row 1 has the value 0.5, and relevance in a file",
        ),
        (
            lambda at: write_qrels(at / "x.qrels", GOOD.with_values(1)),
            "user_id: row 0 holds 'a b', and a field between",
        ),
        (lambda at: write_qrels(at / "x.run", GOOD), "path: 'x.run' has no suffix of a format"),
        (lambda at: write_qrels(at / "x.qrels", [1]), "interactions: a list is not what is needed"),
    ],
)
def test_refusals(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)
    assert not list(tmp_path.iterdir())
