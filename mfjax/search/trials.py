"""Trials: the settings that a search has tried and what came of them, kept in a file from which it can be resumed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from mfjax import checks
from mfjax.files import atomic_path
from mfjax.saving import fingerprint, version
from mfjax.search import spaces
from mfjax.search.spaces import Choice, Space, Uniform

Status = Literal["running", "stopped", "finished"]


@dataclass
class Trial:
    """One setting that a search tries, and its scores so far.

    Attributes:
        number: from 0, in the order of the draws.
        values: of the parameters.
        scores: its curve so far.
        status: "running", "stopped" when it was given up, or "finished".
        gradient: derivatives by the values, where there are any.
    """

    number: int
    values: dict[str, Any]
    scores: list[float] = field(default_factory=list)
    status: Status = "running"
    gradient: dict[str, float] | None = None

    def score(self, length: int | None = None) -> float:
        """Return the last score, or that at a length if the curve is longer; -inf without one, or for NaN.

        Raises:
            ValueError: for a length below 1.
        """
        if length is not None:
            checks.whole("length", length, remedy="pass how many scores of the curve to look at, or None for all")
        last = self.scores[:length][-1] if self.scores else math.nan
        return -math.inf if math.isnan(last) else last


def best(trials: Sequence[Trial]) -> Trial:
    """Return the trial of the highest last score among those that are finished, the earliest of equals.

    A score of NaN is never the best.

    Raises:
        ValueError: when no trial is finished, or none of them ended in a number.
    """
    finished = [trial for trial in trials if trial.status == "finished"]
    if not finished:
        raise ValueError(f"trials: none of {len(trials)} is finished; train more, or give the search more trials")
    found = max(finished, key=lambda one: (one.score(), -one.number))
    if found.score() == -math.inf:
        raise ValueError(
            f"trials: none of the {len(finished)} finished ones has a score that is a number; look at the curve, "
            "or at the space it is searched in"
        )
    return found


class Record:
    """The trials of one search, and the file that they are kept in.

    Args:
        path: of a JSON file, written whole or not at all, or None to keep none.
        space: what the search draws from.
        made_of: all else that the scores follow from, see `mfjax.search.tune`; needed where there is a path. Its
            fingerprint is in the file, with the versions of mfjax and JAX.
        about: the options of the search.

    Raises:
        ValueError: when the file holds another search or is damaged, or for a path without `made_of`.
    """

    def __init__(self, path: str | os.PathLike | None, space: Space, made_of: Any, **about: Any) -> None:
        spaces.check(space)
        self.path, self.about = None, dict(about)
        self.trials: list[Trial] = []
        if path is None:
            return
        checks.kind("path", path, (str, os.PathLike), "pass the name of a file, or None to keep none")
        if made_of is None:
            raise ValueError(
                "made_of: needed with a path; pass all that the scores follow from, such as the curve itself, so that "
                "no other search takes the file for its own"
            )
        self.path = Path(path)
        described = {name: asdict(one) for name, one in space.items()}
        whole = {**about, "space": described, "made_of": fingerprint(made_of), **version()}
        try:
            self.about = json.loads(json.dumps(whole, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ValueError(f"space: {error}; with a path, options are numbers, texts, bools or None") from None
        if self.path.exists():
            self.trials = _read(self.path, space, self.about)

    def trial(self, number: int, values: Mapping[str, Any]) -> Trial:
        """Return the trial of a number, as it is known or new."""
        if number == len(self.trials):
            self.trials.append(Trial(number, dict(values)))
        return self.trials[number]

    def save(self) -> None:
        """Write all trials down."""
        if self.path is not None:
            document = {"search": self.about, "trials": [asdict(trial) for trial in self.trials]}
            with atomic_path(self.path) as unfinished:
                unfinished.write_text(json.dumps(document, indent=1) + "\n")


class _Wrong(Exception):
    """What is wrong in a file."""


def _read(path: Path, space: Space, about: Mapping[str, Any]) -> list[Trial]:
    """Return the trials of a file, after a look at everything in it."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from None
    if not (isinstance(found, dict) and set(found) == {"search", "trials"} and isinstance(found["search"], dict)):
        raise _damaged(path, "it does not hold search and trials")
    search = found["search"]
    if others := sorted(name for name in {*search, *about} if search.get(name, _Wrong) != about.get(name, _Wrong)):
        raise ValueError(
            f"path: {path} holds another search, of another {', '.join(others)}; pass its options, or a new path"
        )
    if not isinstance(found["trials"], list):
        raise _damaged(path, "its trials are no list")
    try:
        return [_trial(number, one, space) for number, one in enumerate(found["trials"])]
    except _Wrong as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, what: Any) -> ValueError:
    return ValueError(f"path: {path} is damaged ({what}); delete it, or pass a new path")


def _trial(number: int, one: Any, space: Space) -> Trial:
    """Return the trial that a file describes."""
    if not (isinstance(one, dict) and set(one) == {each.name for each in fields(Trial)}):
        raise _Wrong(f"trial {number} has other fields")
    if type(one["number"]) is not int or one["number"] != number:
        raise _Wrong(f"trial {number} says that it is {one['number']!r:.40}")
    if one["status"] not in get_args(Status):
        raise _Wrong(f"trial {number} has the status {one['status']!r:.40}")
    if not (isinstance(one["scores"], list) and all(_is_number(score) for score in one["scores"])):
        raise _Wrong(f"trial {number} has scores that are no numbers")
    values, gradient = one["values"], one["gradient"]
    if not (isinstance(values, dict) and set(values) == set(space)):
        raise _Wrong(f"trial {number} has values of other parameters")
    if gradient is not None:
        named = isinstance(gradient, dict) and set(gradient) == set(space)
        if not (named and all(_is_number(each) for each in gradient.values())):
            raise _Wrong(f"trial {number} has a gradient that is none")
    values = {name: _value(number, name, space[name], value) for name, value in values.items()}
    return Trial(number, values, [float(score) for score in one["scores"]], one["status"], gradient)


def _value(number: int, name: str, one: Uniform | Choice, value: Any) -> Any:
    """Return the value of a parameter, an option as it is in the space and not as JSON has it."""
    if isinstance(one, Choice):
        same = [option for option in one.options if json.dumps(option) == json.dumps(value)]
        if same:
            return same[0]
    # The ends may be missed by a rounding.
    elif _is_number(value) and (value > 0 or not one.log) and -1e-6 <= one.unit(value) <= 1 + 1e-6:
        return value
    raise _Wrong(f"trial {number} has {name} {value!r:.40}, which is not in the space")


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


OnTrial = Callable[[Trial], None]
"""Called with every trial that got further, or was found in the file, for progress."""


def silent(trial: Trial) -> None:
    """Report nothing."""


def as_score(name: str, value: Any) -> float:
    """Return what a curve or slope gave as Python's number, or raise ValueError."""
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: gave {value!r:.80} where a number is needed; return validation scores") from None
