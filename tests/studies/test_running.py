"""mfjax.studies.run: the numbers of a plain loop, for every model; own models, metrics, losses and protocols."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import baselines, evaluation, ranking
from mfjax.evaluation import METRICS
from mfjax.metrics import Convention
from mfjax.metrics.conventions import PRESETS
from mfjax.ranking import sampling
from mfjax.ranking.losses import LOSSES
from mfjax.studies import MODELS, Model, Task, Tasks, protocols, run, running
from mfjax.studies.fitting import ranked
from mfjax.studies.running import model_key
from tests.studies.made_up import counting, pairs, ratings

SMALL = {"dim": 4, "steps": 2, "epochs": 1, "batch": 64, "neighbours": 5}


def small(name: str) -> dict[str, float]:
    """Return parameters of a model that are quick."""
    return {parameter: SMALL[parameter] for parameter in MODELS[name].defaults if parameter in SMALL}


def tasks() -> tuple[Task, ...]:
    return protocols.leave_last(ratings(), test=2).test


QUICK = ("popularity", "ials")


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in MODELS])
def test_the_results_are_those_of_a_plain_loop(name):
    seeds, task = (0, 5), tasks()[0]
    asked = ("recall", "ndcg", *(("rmse", "mae") if MODELS[name].predicts_ratings else ()))
    found = run([task], [name], parameters={name: small(name)}, seeds=seeds, metrics=asked)
    assert found.measures == ("recall@10", "ndcg@10", *asked[2:])
    values = MODELS[name].parameters(small(name))
    for column, seed in enumerate(seeds):
        model = MODELS[name].fit(model_key(name, seed), task, values)
        one = task.evaluate(model, metrics=("recall", "ndcg"), cutoffs=(10,), item_counts=task.item_counts)
        for measure, per_user in one.per_user.items():
            np.testing.assert_array_equal(found.per_user(measure)[name][column], per_user.astype(np.float64))
        assert found.means()[0, column, 0] == pytest.approx(one.mean()["recall@10"])
        assert found.pooled["coverage@10"][0, column] == pytest.approx(one.pooled["coverage@10"])
        if "rmse" in asked:
            scores = np.asarray(evaluation_scores(model, task))
            errors = np.clip(scores, 1, 5) - task.hidden.values
            assert found.means()[0, column, 2:] == pytest.approx(
                [np.sqrt(np.mean(errors**2)), np.abs(errors).mean()], rel=1e-5
            )


def evaluation_scores(model, task: Task) -> jax.Array:
    """Return the score of every hidden pair."""
    from mfjax import recommend

    scores = recommend.scorer(model)(jnp.arange(task.train.num_users))
    return scores[task.hidden.users, task.hidden.items]


def test_a_cell_of_a_sweep_has_the_bits_of_a_plain_run():
    grid = {"reg": [0.1, 0.01], "unobserved_weight": [1, 0.5]}
    found = run(tasks(), "ials", sweep={"ials": grid}, parameters={"ials": small("ials")})
    assert [str(setting) for setting in found.settings] == [
        "ials[reg=0.1,unobserved_weight=1]", "ials[reg=0.1,unobserved_weight=0.5]",
        "ials[reg=0.01,unobserved_weight=1]", "ials[reg=0.01,unobserved_weight=0.5]",
    ]  # fmt: skip
    for number, setting in enumerate(found.settings):
        plain = run(tasks(), "ials", parameters={"ials": dict(setting.parameters)})
        np.testing.assert_array_equal(plain.sums[0], found.sums[number])
        np.testing.assert_array_equal(plain.recommended[0], found.recommended[number])


def test_a_fit_does_not_depend_on_what_else_runs():
    alone = run(tasks(), ["random"], seeds=[7])
    beside = run(tasks(), {"mine": counting(), "random": MODELS["random"]}, seeds=[3, 7])
    np.testing.assert_array_equal(alone.sums[0, 0], beside.sums[1, 1])
    assert not np.array_equal(beside.sums[1, 0], beside.sums[1, 1])


def counted(model: Model, calls: list) -> Model:
    return replace(model, fit=lambda key, task, p: calls.append(p) or model.fit(key, task, p))


def test_a_model_that_is_not_random_is_fitted_once_a_task_and_progress_counts_fits():
    calls: list = []
    told: list = []
    models = {"once": counted(counting(), calls), "random": MODELS["random"]}
    found = run([*tasks(), *tasks()], models, seeds=3, progress=told.append)
    assert len(calls) == 2
    assert [(each.done, each.total) for each in told] == [(done, 8) for done in range(1, 9)]
    assert {(str(each.setting), each.seed, each.task, each.found) for each in told[:2]} == {
        ("once", 0, 0, False), ("once", 0, 1, False),
    }  # fmt: skip
    np.testing.assert_array_equal(found.sums[0, 0], found.sums[0, 2])


def test_values_that_print_alike_are_told_apart():
    found = run(tasks(), {"mine": counting()}, sweep={"mine": {"power": [0.12345678, 0.12345679]}})
    assert len({str(setting) for setting in found.settings}) == 2
    assert len(found.per_user("recall@10")) == 2


def test_fits_are_found_again(tmp_path, monkeypatch):
    calls: list = []
    told: list = []
    fit = running._fit
    monkeypatch.setattr(running, "_fit", lambda *rest, **how: calls.append(rest) or fit(*rest, **how))
    models = {"mine": counting()}
    first = run(tasks(), models, folder=tmp_path)
    second = run(tasks(), models, folder=tmp_path, progress=told.append)
    assert len(calls) == 1
    assert told[0].found
    assert told[0].seconds == first.seconds[0][0]
    np.testing.assert_array_equal(first.sums, second.sums)
    assert first.rows(resamples=10) == second.rows(resamples=10)
    # Everything that a fit follows from makes it another one.
    run(tasks(), models, folder=tmp_path, parameters={"mine": {"power": 2}})
    run(tasks(), models, folder=tmp_path, metrics=("recall", "ndcg", "ndcg@10"))
    task = tasks()[0]
    run([replace(task, whole_catalogue=False)], models, folder=tmp_path)
    run(tasks(), {"mine": replace(counting(), random=True)}, seeds=[1], folder=tmp_path)
    assert len(calls) == 5
    assert len(list((tmp_path / "fits").iterdir())) == 5


@pytest.mark.parametrize(("warm", "longest", "times"), [(False, 60.0, 1), (True, 60.0, 2), (True, 0.0, 1)])
def test_a_quick_fit_is_timed_again_without_compilation(warm, longest, times, monkeypatch):
    monkeypatch.setattr(running, "LONG", longest)
    calls: list = []
    model = counting()
    once = replace(model, fit=lambda *given: calls.append(1) or model.fit(*given))
    found = run(tasks(), {"mine": once}, warm=warm)
    assert len(calls) == times
    assert [len(seconds) for seconds in found.seconds] == [times]
    np.testing.assert_array_equal(found.sums, run(tasks(), {"mine": model}).sums)


@pytest.mark.slow
def test_an_own_model():
    ease = Model(fit=lambda key, task, p: baselines.ease(task.train, reg=p["reg"]), defaults={"reg": 50.0})
    found = run(tasks(), {"mine": ease, "ease": MODELS["ease"]}, parameters={"ease": {"reg": 50}})
    np.testing.assert_array_equal(found.sums[0], found.sums[1])


@pytest.fixture
def own_metric(monkeypatch):
    def first(ranked, k, convention, num_items):
        """1 where a relevant item comes first."""
        return (ranked.ranks == 1).any(axis=1).astype(jnp.float32)

    monkeypatch.setitem(METRICS, "first", first)


def test_an_own_metric(own_metric):
    found = run(tasks(), {"mine": counting()}, metrics=("first", "hit_rate"), cutoffs=(1,))
    np.testing.assert_array_equal(found.per_user("first@1")["mine"], found.per_user("hit_rate@1")["mine"])


@pytest.mark.slow
def test_an_own_loss():
    def twice(positive, negatives, weights):
        return 2 * LOSSES["bpr"](positive, negatives, weights)

    mine = ranked(
        lambda parameters, task: ranking.Config(loss=twice, dim=parameters["dim"], batch_size=64),
        lambda parameters, positives: sampling.popularity(positives, num=1, beta=0.5),
        {"dim": 2, "epochs": 2},
    )
    found = run(tasks(), {"mine": mine}, sweep={"mine": {"dim": [2, 3]}})
    assert np.isfinite(found.means()).all()


@pytest.mark.slow
def test_an_own_protocol():
    def first_half(interactions, key=None):
        """Train on the users of even ids and a row of the others."""
        odd = (interactions.users % 2 == 1) & (interactions.items % 2 == 1)
        train, hidden = interactions.select(~odd), interactions.select(odd)
        return Tasks((Task(train=train, hidden=hidden, excluded=train),), (), "odd")

    found = run(first_half(pairs()).test, ["popularity"])
    assert set((found.users % 2).tolist()) == {1}


@pytest.mark.slow
def test_held_out_users_are_judged_and_nobody_else():
    strong = protocols.strong(pairs(), jax.random.key(0), test_users=8)
    for convention in ("default", "rax"):
        found = run(strong.test, ["popularity"], convention=PRESETS[convention])
        held = np.unique(strong.test[0].fold_in.users if convention == "rax" else strong.test[0].hidden.users)
        np.testing.assert_array_equal(found.users, held)
    with pytest.raises(ValueError, match="'mine' has no score for users who are not trained on"):
        run(strong.test, {"mine": Model(fit=lambda key, task, p: baselines.popularity(task.item_counts))})


@pytest.mark.slow
def test_users_without_a_target_are_zeros_where_the_convention_says_so():
    task = tasks()[0]
    part = task.hidden.select(task.hidden.users < 10)
    few = Task(train=task.train, hidden=part, excluded=task.train)
    skipped, zeros = (run([few], ["popularity"], convention=Convention(empty=empty)) for empty in ("skip", "zero"))
    assert len(zeros.users) == 30 > len(skipped.users)
    assert zeros.sums.sum() == skipped.sums.sum()
    both = run([few], ["item-bias"], metrics=("recall", "rmse"), convention=Convention(empty="zero"))
    only = run([few], ["item-bias"], metrics=("recall", "rmse"))
    assert both.means()[0, 0, 1] == only.means()[0, 0, 1]
    assert np.isfinite(both.per_user("rmse")["item-bias"]).sum() == len(only.users)


def a_task() -> list[Task]:
    return list(tasks())


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        (([], "ease"), {}, "tasks: there are none"),
        ((None, "ease"), {}, "tasks: a NoneType"),
        (([3], "ease"), {}, "tasks: a int"),
        ((a_task, "eas"), {}, "models: 'eas' is unknown"),
        ((a_task, []), {}, "models: there are none"),
        ((a_task, {"a": 3}), {}, "models\\['a'\\]: a int"),
        ((a_task, 7), {}, "models: a int"),
        ((a_task, "ease"), {"sweep": {"ials": {"reg": [1]}}}, "sweep: 'ials' is not among the models"),
        ((a_task, "ease"), {"sweep": {"ease": {"dim": [1]}}}, "sweep: ease: dim: is no parameter; choose from reg"),
        ((a_task, "ease"), {"sweep": {"ease": {"reg": []}}}, "give each value once"),
        ((a_task, "ease"), {"sweep": {"ease": {"reg": [1, 1.0]}}}, "give each value once"),
        ((a_task, "ease"), {"sweep": {"ease": {"reg": 10}}}, "sweep: a int"),
        ((a_task, "ease"), {"sweep": {"ease": {"reg": "10"}}}, "sweep: a str"),
        ((a_task, "ease"), {"sweep": {"ease": {"reg": [-1]}}}, "reg: -1"),
        ((a_task, "ease"), {"sweep": {"ease": {"reg": [float("nan")]}}}, "nan is not a finite number"),
        ((a_task, "ease"), {"sweep": {"ease": {"reg": [[1, 2]]}}}, "pass numbers for ease.reg"),
        ((a_task, "ease"), {"sweep": {"ease": [1]}}, "sweep\\['ease'\\]: a list"),
        ((a_task, "ease"), {"sweep": ["ease"]}, "sweep: a list"),
        ((a_task, "ials"), {"parameters": {"ials": {"dim": 1.5}}}, "dim: 1.5 is not a whole number"),
        ((a_task, "ials"), {"parameters": {"ials": {"dim": 10**6}}}, "dim: 1000000"),
        ((a_task, "ease"), {"parameters": {"ease": {"reg": [1, 2]}}}, "reg: shape"),
        ((a_task, "ease"), {"seeds": 0}, "seeds: 0"),
        ((a_task, "ease"), {"seeds": [1, 1]}, "each once"),
        ((a_task, "ease"), {"seeds": [-1]}, "seeds: -1"),
        ((a_task, "ease"), {"seeds": []}, "at least one"),
        ((a_task, "ease"), {"seeds": "3"}, "seeds: a str"),
        ((a_task, "ease"), {"metrics": ()}, "metrics: there are none"),
        ((a_task, "ease"), {"metrics": "recal"}, "metrics: 'recal' is unknown"),
        ((a_task, "ease"), {"metrics": "recall@all"}, "needs a cutoff"),
        ((a_task, "ease"), {"cutoffs": 0}, "cutoffs: 0"),
        ((a_task, "ease"), {"cutoffs": ()}, "cutoffs: there are none"),
        ((a_task, "ease"), {"metrics": "rmse"}, "rmse is of predicted ratings, and the scores of 'ease' are none"),
        ((a_task, "ease"), {"convention": "trec"}, "pass PRESETS\\['trec'\\]"),
        ((a_task, "ease"), {"metrics": "map", "convention": PRESETS["sklearn"]}, "no closed form"),
        ((a_task, "ease"), {"progress": 3}, "progress: "),
        ((a_task, "ease"), {"folder": 3}, "folder: a int"),
        ((a_task, "ease"), {"folder": "/proc/none"}, "folder: /proc/none can not be written to"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_before_a_fit(arguments, options, told, monkeypatch):
    def fails(*_):
        raise AssertionError("something was fitted")

    monkeypatch.setattr("mfjax.studies.running._fit", fails)
    given = [argument() if callable(argument) else argument for argument in arguments]
    with pytest.raises(ValueError, match=told):
        run(*given, **options)


def test_relevances_without_meaning_are_refused_before_a_fit(monkeypatch):
    monkeypatch.setattr("mfjax.studies.running._fit", None)
    low = ratings()
    task = protocols.leave_last(low.with_values(low.values - 3)).test
    with pytest.raises(ValueError, match="targets"):
        run(task, "ease", convention=PRESETS["rax"])
    with pytest.raises(ValueError, match="errors are of predicted ratings, and all values are 1"):
        run(protocols.leave_last(pairs()).test, "item-bias", metrics="rmse")
    with pytest.raises(ValueError, match="0 rows to train on"):
        run([Task(low.select(slice(0, 0)), low, low)], "ease")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"fit": 3}, "fit: "),
        ({"defaults": {"reg": "1"}}, "defaults: reg is '1'"),
        ({"defaults": {"reg": True}}, "defaults: reg is True"),
        ({"defaults": [1]}, "defaults: a list"),
        ({"space": {"reg": evaluation}}, "space"),
    ],
)
def test_a_model_that_is_none_is_refused(options, told):
    with pytest.raises(ValueError, match=told):
        Model(**{"fit": lambda key, task, p: None, **options})


def test_a_parameter_below_0_by_default_may_be():
    model = Model(fit=lambda key, task, p: None, defaults={"shift": -1.0, "reg": 1.0, "steps": 3})
    assert model.parameters({"shift": -2, "steps": np.float64(4)}) == {"shift": -2.0, "reg": 1.0, "steps": 4}
    with pytest.raises(ValueError, match="reg: -2"):
        model.parameters({"reg": -2})
