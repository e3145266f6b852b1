"""Searches on made-up curves: what they find, what they skip, and that a stopped search ends as if it never stopped."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from mfjax import tune
from mfjax.search_spaces import Choice, Uniform

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
    best = tune.best(search(curve, SPACE, trials=30, seed=1))
    assert best.score() > -0.35
    assert len(best.scores) == 10


def test_a_stopped_search_ends_as_if_it_had_not(search, tmp_path):
    whole = search(curve, SPACE, trials=12, path=tmp_path / "whole.json")
    with pytest.raises(Stopped):
        search(stopping(27), SPACE, trials=12, path=tmp_path / "stopped.json")
    again = search(curve, SPACE, trials=12, path=tmp_path / "stopped.json")
    assert again == whole
    assert (tmp_path / "stopped.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_a_finished_search_is_read_not_repeated(search, tmp_path):
    told: list[int] = []
    found = search(curve, SPACE, trials=5, path=tmp_path / "study.json")
    again = search(never, SPACE, trials=5, path=tmp_path / "study.json", on_trial=lambda one: told.append(one.number))
    assert again == found
    assert set(told) == set(range(5))


def test_random_trials_do_not_depend_on_their_number():
    few, many = (tune.random_search(curve, SPACE, trials=trials) for trials in (3, 6))
    assert many[:3] == few


def test_halving_spends_little_on_the_bad():
    found = tune.successive_halving(curve, SPACE, trials=9, eta=3)
    assert sorted(len(trial.scores) for trial in found) == [1] * 6 + [3] * 2 + [10]
    assert sorted(trial.status for trial in found) == ["finished"] + ["stopped"] * 8
    longest = max(found, key=lambda trial: len(trial.scores))
    assert longest.scores[0] == max(trial.scores[0] for trial in found)


def test_tpe_gives_up_curves_below_the_median():
    pytest.importorskip("optuna")
    found = tune.tpe(curve, SPACE, trials=30, seed=3)
    assert any(trial.status == "stopped" and len(trial.scores) < 10 for trial in found)
    assert len(tune.best(found).scores) == 10


def test_nan_is_never_best(search, tmp_path):
    path, numbers = tmp_path / "study.json", itertools.count()
    some_nan = lambda values: iter([float("nan") if next(numbers) % 2 else -1.0])  # noqa: E731
    found = search(some_nan, SPACE, trials=14, path=path)
    assert tune.best(found).score() == -1.0
    assert str(search(never, SPACE, trials=14, path=path)) == str(found)


def test_a_file_of_another_search_is_refused(tmp_path):
    tune.random_search(curve, SPACE, trials=1, path=tmp_path / "study.json")
    with pytest.raises(ValueError, match="holds another search"):
        tune.random_search(curve, SPACE, trials=1, seed=1, path=tmp_path / "study.json")


def test_ascend_walks_up_and_stays_in_the_space(tmp_path):
    space = {"reg": Uniform(0.01, 1.0, log=True), "shift": Uniform(-1.0, 1.0)}

    def slope(values):
        height = -(np.log(values["reg"] / 0.1) ** 2) + values["shift"]
        return height, {"reg": -2 * np.log(values["reg"] / 0.1) / values["reg"], "shift": 1.0}

    start, path = {"reg": 0.8, "shift": -0.5}, tmp_path / "study.json"
    found = tune.ascend(slope, space, trials=15, start=start, path=path)
    assert len(found) == 15
    assert tune.ascend(never, space, trials=15, start=start, path=path) == found
    assert abs(np.log(found[-1].values["reg"] / 0.1)) < 0.4
    assert found[-1].values["shift"] <= 1.0
    assert tune.best(found).score() > found[0].score()


@pytest.mark.parametrize(("unit", "value"), [(0.0, 0.01), (0.5, 0.1), (1.0, 1.0)])
def test_logarithmic_ranges_are_even_in_ratios(unit, value):
    one = Uniform(0.01, 1.0, log=True)
    assert one.at(unit) == pytest.approx(value)
    assert one.unit(value) == pytest.approx(unit)
    assert one.slope(value) == pytest.approx((one.at(unit + 1e-6) - one.at(unit - 1e-6)) / 2e-6)


@pytest.mark.parametrize(("low", "high", "log"), [(1.0, 1.0, False), (0.0, 1.0, True)])
def test_empty_ranges_are_refused(low, high, log):
    with pytest.raises(ValueError, match="is no range"):
        Uniform(low, high, log)


def test_ascend_takes_no_choices():
    with pytest.raises(ValueError, match="'dim' is a choice"):
        tune.ascend(never, SPACE)


def test_a_missing_optuna_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"install mfjax\[tune\]"):
        tune.tpe(curve, SPACE, trials=1)
