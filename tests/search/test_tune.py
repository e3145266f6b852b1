"""Searches on made-up curves: what they find, what they skip, and that a stopped search ends as if it never stopped."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from mfjax import saving
from mfjax.search import Choice, Trial, Uniform, ascend, best, random_search, successive_halving, tpe, trials, tune

SPACE = {"reg": Uniform(0.01, 1.0, log=True), "shift": Uniform(-1.0, 1.0), "dim": Choice((2, 4))}


def curve(values) -> Iterator[float]:
    """Ten scores that rise towards a peak at reg .1, shift .3, dim 4."""
    height = -(np.log10(values["reg"] / 0.1) ** 2) - (values["shift"] - 0.3) ** 2 + 0.1 * (values["dim"] == 4)
    yield from (height - 1.0 / step for step in range(1, 11))


class Stopped(Exception):
    pass


def stopping(after: int):
    """The curve, which raises in the middle of its `after`-th score of all."""
    count = itertools.count(1)

    def interrupted(values) -> Iterator[float]:
        for score in curve(values):
            if next(count) == after:
                raise Stopped
            yield score

    return interrupted


def never(values):
    raise AssertionError("a known trial is trained again")


@pytest.fixture(params=tune.METHODS)
def search(request):
    if request.param == "tpe":
        pytest.importorskip("optuna")
    return tune.METHODS[request.param]


def test_the_best_is_near_the_peak(search):
    found = best(search(curve, SPACE, trials=30, seed=1))
    assert found.score() > -0.35
    assert len(found.scores) == 10


def test_a_stopped_search_ends_as_if_it_had_not(search, tmp_path):
    whole = search(curve, SPACE, trials=12, path=tmp_path / "whole.json", made_of=curve)
    with pytest.raises(Stopped):
        search(stopping(27), SPACE, trials=12, path=tmp_path / "stopped.json", made_of=curve)
    again = search(curve, SPACE, trials=12, path=tmp_path / "stopped.json", made_of=curve)
    assert again == whole
    assert (tmp_path / "stopped.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_a_finished_search_is_read_not_repeated(search, tmp_path):
    told: list[int] = []
    common = {"trials": 5, "path": tmp_path / "study.json", "made_of": curve}
    found = search(curve, SPACE, **common)
    again = search(never, SPACE, on_trial=lambda one: told.append(one.number), **common)
    assert again == found
    assert set(told) == set(range(5))


def test_random_trials_do_not_depend_on_their_number():
    few, many = (random_search(curve, SPACE, trials=trials) for trials in (3, 6))
    assert many[:3] == few


def test_halving_spends_little_on_the_bad():
    found = successive_halving(curve, SPACE, trials=9, eta=3)
    assert sorted(len(trial.scores) for trial in found) == [1] * 6 + [3] * 2 + [10]
    assert sorted(trial.status for trial in found) == ["finished"] + ["stopped"] * 8
    longest = max(found, key=lambda trial: len(trial.scores))
    assert longest.scores[0] == max(trial.scores[0] for trial in found)


def test_tpe_gives_up_curves_below_the_median():
    pytest.importorskip("optuna")
    found = tpe(curve, SPACE, trials=30, seed=3)
    assert any(trial.status == "stopped" and len(trial.scores) < 10 for trial in found)
    assert len(best(found).scores) == 10


def test_nan_is_never_best(search, tmp_path):
    path, numbers = tmp_path / "study.json", itertools.count()
    some_nan = lambda values: iter([float("nan") if next(numbers) % 2 else -1.0])  # noqa: E731
    found = search(some_nan, SPACE, trials=14, path=path, made_of="some")
    assert best(found).score() == -1.0
    assert str(search(never, SPACE, trials=14, path=path, made_of="some")) == str(found)


def test_a_search_of_nan_alone_has_no_best(search):
    found = search(lambda values: iter([float("nan")]), SPACE, trials=4)
    with pytest.raises(ValueError, match=r"trials: none of the \d finished ones has a score that is a number; look at"):
        best(found)
    with pytest.raises(ValueError, match="trials: none of 0 is finished"):
        best([])
    with pytest.raises(ValueError, match="trials: none of 1 is finished"):
        best([Trial(0, {}, [0.5], "stopped")])


def objective(strength):
    def score(x):
        return -strength * x

    return score


BASE = {"data": np.arange(4.0), "split": (np.array([0, 1]), np.array([2])), "objective": objective(1.0), "dim": 8}
OTHERS = {"data": np.arange(1, 5.0), "split": (np.array([0]), np.array([1, 2])), "objective": objective(2.0), "dim": 9}


def judged(made_of):
    """A curve whose scores follow from all of `made_of`."""

    def of_setting(values):
        yield made_of["objective"](values["shift"]) * made_of["dim"] + made_of["data"].sum() + len(made_of["split"][0])

    return of_setting


@pytest.mark.parametrize("what", OTHERS)
def test_the_file_of_another_search_is_refused(search, tmp_path, what):
    path, base = tmp_path / "study.json", judged(BASE)
    search(base, SPACE, trials=2, path=path, made_of=base)
    search(never, SPACE, trials=2, path=path, made_of=judged(dict(BASE)))
    other = judged(BASE | {what: OTHERS[what]})
    with pytest.raises(ValueError, match="holds another search, of another made_of; pass its options, or a new path"):
        search(other, SPACE, trials=2, path=path, made_of=other)


@pytest.mark.parametrize("package", ["mfjax", "jax"])
def test_the_file_of_another_version_is_refused(search, tmp_path, monkeypatch, package):
    path, now = tmp_path / "study.json", saving.version()
    search(curve, SPACE, trials=2, path=path, made_of=curve)
    monkeypatch.setattr(trials, "version", lambda: {**now, package: "0.0.1"})
    with pytest.raises(ValueError, match=f"holds another search, of another {package}; pass its options"):
        search(curve, SPACE, trials=2, path=path, made_of=curve)


def test_the_file_of_other_options_is_refused(tmp_path):
    common = {"trials": 1, "path": tmp_path / "study.json", "made_of": curve}
    random_search(curve, SPACE, **common)
    with pytest.raises(ValueError, match="holds another search, of another seed"):
        random_search(curve, SPACE, seed=1, **common)
    with pytest.raises(ValueError, match="holds another search, of another eta, method, trials"):
        successive_halving(curve, SPACE, **common)
    with pytest.raises(ValueError, match="holds another search, of another space"):
        random_search(curve, {"dim": Choice((2, 4))}, **common)


def test_a_path_needs_what_it_is_made_of(search, tmp_path):
    with pytest.raises(ValueError, match="made_of: needed with a path; pass all that the scores follow from"):
        search(curve, SPACE, trials=1, path=tmp_path / "study.json")


def test_options_come_back_as_they_were(tmp_path):
    space = {"shape": Choice(((2, 3), (4, 5))), "dim": Choice((2, 4)), "shift": Uniform(0, 1)}
    common = {"trials": 6, "path": tmp_path / "study.json", "made_of": 0}
    found = random_search(lambda values: iter([values["shift"]]), space, **common)
    again = random_search(never, space, **common)
    assert again == found
    assert {type(trial.values["shape"]) for trial in again} == {tuple}


BAD = [
    ({"trials": 0}, "trials: 0 is not a whole number of at least 1"),
    ({"trials": 2.0}, r"trials: 2\.0 is not a whole"),
    ({"seed": -1}, "seed: -1 is not a whole number"),
    ({"space": {}}, "space: there is nothing to draw"),
    ({"space": [Uniform(0, 1)]}, "space: a list is not what is needed; pass parameter -> Uniform or Choice"),
    ({"space": {"reg": (0, 1)}}, r"space\['reg'\]: a tuple is not what is needed; pass Uniform"),
    ({"curve": 0.5}, "curve: a float is not what is needed; pass a function of values"),
    ({"curve": lambda values: 0.5}, "curve: a float is not what is needed; yield a score"),
    ({"curve": lambda values: iter(["0.5"])}, "curve: gave '0.5' where a number is needed"),
    ({"curve": lambda values: iter([None])}, "curve: gave None where a number is needed"),
    ({"path": 5, "made_of": 0}, "path: a int is not what is needed"),
    ({"eta": 1}, "eta: 1 is not a whole number of at least 2; pass how many settings race"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_bad_arguments_are_named(search, changes, message):
    if "eta" in changes:
        search = successive_halving
    with pytest.raises(ValueError, match=message):
        search(**{"curve": curve, "space": SPACE, "trials": 3} | changes)


def document(tmp_path):
    """Return the path of a file of trials, what it holds, and the search that goes on from it."""
    path = tmp_path / "study.json"

    def again():
        return successive_halving(curve, SPACE, trials=4, path=path, made_of=curve)

    again()
    return path, json.loads(path.read_text()), again


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "\x00", "null", "[]", '{"search": {}}', '{"search": 1, "trials": []}']
)
def test_files_that_hold_no_trials_are_refused(tmp_path, text):
    path, _, again = document(tmp_path)
    path.write_text(text)
    with pytest.raises(ValueError, match=r"study\.json is damaged .* delete it, or pass a new path"):
        again()


WRONG = [None, True, -1, 5, 10**400, 0.5, float("nan"), "x", "finished", [], [None], ["x"], [10**400], {}, {"reg": 1}]


def mutations(tree, where=()):
    """Yield the places of a document, and what may stand there instead."""
    members = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, member in members:
        yield from (((*where, name), wrong) for wrong in WRONG)
        yield from mutations(member, (*where, name))
    if isinstance(tree, dict):
        yield (*where, "another"), 1


def test_mutated_trials_are_refused_by_name_or_harmless(tmp_path):
    path, whole, again = document(tmp_path)
    tried = refused = 0
    for where, wrong in mutations(whole["trials"]):
        changed = json.loads(json.dumps(whole))
        spot = changed["trials"]
        for name in where[:-1]:
            spot = spot[name]
        spot[where[-1]] = wrong
        path.write_text(json.dumps(changed))
        tried += 1
        try:
            again()
        except ValueError as error:
            assert "study.json" in str(error)
            refused += 1
    assert tried > 400
    assert refused > 0.6 * tried


def test_ascend_walks_up_and_stays_in_the_space(tmp_path):
    space = {"reg": Uniform(0.01, 1.0, log=True), "shift": Uniform(-1.0, 1.0)}

    def slope(values):
        height = -(np.log(values["reg"] / 0.1) ** 2) + values["shift"]
        return height, {"reg": -2 * np.log(values["reg"] / 0.1) / values["reg"], "shift": 1.0}

    start, path = {"reg": 0.8, "shift": -0.5}, tmp_path / "study.json"
    found = ascend(slope, space, trials=15, start=start, path=path, made_of=slope)
    assert len(found) == 15
    assert ascend(never, space, trials=15, start=start, path=path, made_of=slope) == found
    assert abs(np.log(found[-1].values["reg"] / 0.1)) < 0.4
    assert found[-1].values["shift"] <= 1.0
    assert best(found).score() > found[0].score()


@pytest.mark.parametrize(("unit", "value"), [(0.0, 0.01), (0.5, 0.1), (1.0, 1.0)])
def test_logarithmic_ranges_are_even_in_ratios(unit, value):
    one = Uniform(0.01, 1.0, log=True)
    assert one.at(unit) == pytest.approx(value)
    assert one.unit(value) == pytest.approx(unit)
    assert one.slope(value) == pytest.approx((one.at(unit + 1e-6) - one.at(unit - 1e-6)) / 2e-6)


@pytest.mark.parametrize(
    ("low", "high", "log", "message"),
    [
        (1.0, 1.0, False, "low, high: 1.0, 1.0 is no range; pass low < high"),
        (0.0, 1.0, True, "is no range; pass 0 < low < high"),
        (-1.0, 1.0, True, "is no range"),
        (float("nan"), 1.0, False, "low: nan is not a finite number"),
        (0.0, float("inf"), False, "high: inf is not a finite number"),
        ("0", 1.0, False, "low: '0' is not a finite number"),
        ([0.0, 0.1], 1.0, False, r"low: shape \(2,\) is not \(\)"),
        (1e-300, 1e300, True, "are too far apart"),
        (-1e308, 1e308, False, "are too far apart"),
        (0.0, 1.0, "log", "log: a str is not what is needed"),
    ],
)
def test_empty_ranges_are_refused(low, high, log, message):
    with pytest.raises(ValueError, match=message):
        Uniform(low, high, log)


@pytest.mark.parametrize(("options", "message"), [((), "options: there are none"), ("ab", "options: a str is not")])
def test_choices_are_lists_of_something(options, message):
    with pytest.raises(ValueError, match=message):
        Choice(options)


def test_ascend_takes_no_choices():
    with pytest.raises(ValueError, match="'dim' is a choice"):
        ascend(never, SPACE)


def flat(values):
    return 0.0, {"x": 0.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slope": lambda values: 0.5}, "slope: returned 0.5; return a score, and parameter -> derivative"),
        ({"slope": lambda values: (0.5, {})}, "slope: returned no derivative by 'x'"),
        ({"slope": lambda values: ("a", {"x": 1.0})}, "slope: gave 'a' where a number"),
        ({"start": {"y": 0.5}}, r"start: has \['y'\]; pass a value of each of \['x'\]"),
        ({"start": {"x": 2.0}}, r"start\['x'\]: 2.0 is not a finite number of at least 0 and of at most 1"),
        ({"step_size": 0.0}, "step_size: 0.0 is not a finite number above 0"),
        ({"trials": 0}, "trials: 0 is not"),
    ],
)
def test_bad_slopes_and_starts_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        ascend(**{"slope": flat, "space": {"x": Uniform(0.0, 1.0)}} | changes)


def test_a_walk_ends_where_there_is_no_gradient(caplog):
    def slope(values):
        return values["x"], {"x": 1.0 if values["x"] < 0.6 else float("nan")}

    found = ascend(slope, {"x": Uniform(0.0, 1.0)}, trials=9)
    assert 1 < len(found) < 9
    assert "the walk ends there" in caplog.text
    assert best(found) is found[-1]


def test_a_missing_optuna_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"install mfjax\[tune\]"):
        tpe(curve, SPACE, trials=1)
