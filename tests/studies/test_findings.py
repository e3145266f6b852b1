"""mfjax.studies.Results: means against numpy, intervals against statistics, frames, runs and comparisons."""

from __future__ import annotations

import ir_measures
import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet
import pytest

from mfjax import data, statistics
from mfjax.studies import MODELS, Results, protocols, run
from mfjax.studies.fits import Fitted
from mfjax.studies.judging import Judged
from mfjax.studies.sentences import sampled_warning
from tests.studies.made_up import counting, pairs, ratings


@pytest.fixture(scope="module")
def found() -> Results:
    """A study of two models and two seeds on pairs with raw ids."""
    given = pairs()
    raw = data.from_arrays([f"u{user}" for user in given.users], given.items * 3, timestamps=given.timestamps)
    models = {"mine": counting(), "random": MODELS["random"]}
    return run(protocols.leave_last(raw, test=2).test, models, seeds=2, sweep={"mine": {"power": [0, 1]}})


@pytest.fixture(scope="module")
def errors() -> tuple[Results, list]:
    """Rating errors of a model over three folds, and the folds."""
    tasks = protocols.folds(ratings(), jax.random.key(0), k=3).test
    return run(tasks, ["item-bias"], metrics=("rmse", "mae")), list(tasks)


def test_errors_are_those_of_all_rows(errors):
    results, tasks = errors
    squares, sizes, of_user = [], [], np.zeros((2, 30))
    for task in tasks:
        model = MODELS["item-bias"].fit(None, task, {"reg": 5.0})
        scores = np.asarray(model.item_biases)[task.hidden.items] + np.asarray(model.offset)
        error = np.clip(scores, 1, 5).astype(np.float64) - task.hidden.values
        squares.append(error**2)
        sizes.append(np.abs(error))
        of_user += [np.bincount(task.hidden.users, error**2, 30), np.bincount(task.hidden.users, minlength=30)]
    rmse, mae = results.means()[0, 0]
    assert rmse == pytest.approx(np.sqrt(np.concatenate(squares).mean()), rel=1e-6)
    assert mae == pytest.approx(np.concatenate(sizes).mean(), rel=1e-6)
    # Every row is hidden once, so that a user's squares are of all of the user's rows.
    per_user = results.per_user("rmse")["item-bias"][0]
    np.testing.assert_allclose(per_user, np.sqrt(of_user[0] / of_user[1])[results.users], rtol=1e-6)
    row = results.rows(resamples=200)[0]
    assert row.low < rmse < row.high
    assert list(results.pooled) == ["train-rmse"]
    assert str(results.best("rmse")) == "item-bias"


def test_intervals_are_a_bootstrap_over_users(found):
    rows = {(row.model, row.metric): row for row in found.rows(resamples=500)}
    for name, values in found.per_user("ndcg@10").items():
        wanted = statistics.bootstrap(jax.random.key(0), jnp.asarray(values.mean(0), jnp.float32), num_resamples=500)
        row = rows[name, "ndcg@10"]
        assert row.mean == pytest.approx(values.mean(), rel=1e-6)
        assert (row.low, row.high) == pytest.approx((float(wanted.low), float(wanted.high)), abs=0.01)
        assert row.per_seed == pytest.approx(values.mean(1))
    of_all = rows["random", "coverage@10"]
    assert (of_all.low, of_all.high) == (min(of_all.per_seed), max(of_all.per_seed))


def test_rows_without_timings_are_the_same_in_every_run(found):
    assert {row.seconds_first for row in found.rows(resamples=10, timings=False)} == {None}


def test_a_row_of_the_frame_for_every_value(found):
    table = found.frame("arrow")
    assert table.column_names == ["setting", "seed", "measure", "user", "value"]
    assert len(table) == 3 * 2 * 2 * len(found.users)
    for library in ("pandas", "polars"):
        frame = found.frame(library)
        assert list(frame.columns) == table.column_names
        assert frame["value"].to_list() == table["value"].to_pylist()
    frame = found.frame()
    one = frame[(frame.setting == "random") & (frame.seed == 1) & (frame.measure == "recall@10")]
    np.testing.assert_array_equal(one.value, found.per_user("recall@10")["random"][1])
    assert set(one.user) == {f"u{user}" for user in range(30)} & set(one.user)
    assert len(one) == len(found.users)


def test_the_frame_is_written(found, tmp_path):
    found.write_per_user(tmp_path / "per_user.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "per_user.parquet").equals(found.frame("arrow"))


def test_a_run_is_read_by_others(found, tmp_path):
    given = pairs()
    raw = data.from_arrays([f"u{user}" for user in given.users], given.items * 3, timestamps=given.timestamps)
    hidden = protocols.leave_last(raw, test=2).test[0].hidden
    data.write_qrels(tmp_path / "test.qrels", hidden)
    for setting in found.settings:
        found.write_run(tmp_path / "model.run", setting)
        qrels, listed = ir_measures.read_trec_qrels(str(tmp_path / "test.qrels")), ir_measures.read_trec_run(
            str(tmp_path / "model.run")
        )  # fmt: skip
        values = ir_measures.calc_aggregate([ir_measures.nDCG @ 10, ir_measures.R @ 10], qrels, listed)
        means = dict(zip(found.measures, found.means()[found.settings.index(setting), 0], strict=True))
        assert values[ir_measures.R @ 10] == pytest.approx(means["recall@10"], abs=1e-6)
        assert values[ir_measures.nDCG @ 10] == pytest.approx(means["ndcg@10"], abs=1e-6)
    with pytest.raises(ValueError, match="setting: 'none' is unknown"):
        found.write_run(tmp_path / "model.run", "none")


def test_only_ratings_list_nothing(errors, tmp_path):
    with pytest.raises(ValueError, match="nothing is listed"):
        errors[0].write_run(tmp_path / "model.run")


def test_pairs_are_compared_over_users(found):
    rows = found.compare("recall@10", resamples=100)
    assert [(row.one, row.other) for row in rows] == [
        ("mine[power=0]", "mine[power=1]"), ("mine[power=0]", "random"), ("mine[power=1]", "random"),
    ]  # fmt: skip
    values = {name: of_seeds.mean(0) for name, of_seeds in found.per_user("recall@10").items()}
    for row in rows:
        assert row.difference == pytest.approx((values[row.one] - values[row.other]).mean())
        assert row.p == pytest.approx(statistics.paired_t(values[row.one], values[row.other]).p)
    both = found.compare(resamples=100)
    assert [row.metric for row in both] == ["recall@10"] * 3 + ["ndcg@10"] * 3


def made(sums: np.ndarray, counts: np.ndarray, measures: tuple[str, ...]) -> Results:
    """Return results of made-up sums and counts, [setting, measure, user]."""
    from mfjax.studies.settings import Setting

    settings = [Setting(f"model {number}", ()) for number in range(len(sums))]
    users = np.arange(sums.shape[-1], dtype=np.int32)
    judged = {
        (setting, 0, 0): Fitted(Judged(users, of_sums, of_counts, {}, np.zeros((len(users), 0), np.int32)), (0.5,))
        for setting, of_sums, of_counts in zip(settings, sums, counts, strict=True)
    }
    return Results.of(settings, [0], measures, (10,), protocols.leave_last(pairs()).test, judged)


def test_users_that_a_measure_skips_are_left_out():
    rng = np.random.default_rng(0)
    sums, counts = rng.random((2, 2, 6)), np.ones((2, 2, 6))
    sums[0, 1, 2], counts[0, 1, 2] = 0, 0
    results = made(sums, counts, ("a", "b"))
    kept = np.array([0, 1, 3, 4, 5])
    assert results.means()[0, 0] == pytest.approx([sums[0, 0].mean(), sums[0, 1, kept].mean()])
    assert np.isnan(results.per_user("b")["model 0"][0, 2])
    rows = results.compare(resamples=50)
    assert [row.difference for row in rows] == pytest.approx(
        [(sums[0, at, users] - sums[1, at, users]).mean() for at, users in enumerate((slice(None), kept))]
    )
    assert len(results.frame("arrow")) == 2 * 2 * 6 - 1
    assert repr(results) == "Results(2 settings, 1 seeds, 6 users: a, b)"


def test_the_best_of_an_error_is_the_least():
    sums = np.array([[[4.0, 4.0], [0.1, 0.1]], [[1.0, 1.0], [0.3, 0.3]]])
    results = made(sums, np.ones_like(sums), ("rmse", "ndcg@10"))
    assert str(results.best("rmse")) == "model 1"
    assert str(results.best("ndcg@10")) == "model 1"
    assert results.means()[0, 0].tolist() == [2.0, 0.1]
    with pytest.raises(ValueError, match="measure: 'mae' is unknown; pass 'rmse' or 'ndcg@10'"):
        results.best("mae")
    with pytest.raises(ValueError, match="seeds: 1; run at least two"):
        results.variance("rmse")


def test_the_variance_is_that_of_seeds_and_users(found):
    parts = found.variance("ndcg@10")
    wanted = statistics.components(found.per_user("ndcg@10")["random"])
    assert parts["random"].user_variance == pytest.approx(wanted.user_variance)
    assert parts["random"].seed_variance == pytest.approx(wanted.seed_variance)
    assert parts["mine[power=1]"].seed_variance == pytest.approx(0, abs=1e-12)


def test_the_table_has_a_line_for_every_setting(found):
    lines = found.table(resamples=50).splitlines()
    assert [line.split()[0] for line in lines[2:]] == [str(setting) for setting in found.settings]
    assert lines[0].split() == ["model", "recall@10", "ndcg@10"]


@pytest.mark.slow
def test_sampled_ranks_are_warned_of():
    tasks = protocols.sampled(protocols.leave_last(pairs()), jax.random.key(0), num=5).test
    results = run(tasks, {"mine": counting()})
    assert results.lists
    assert "Krichene" in sampled_warning(results)
