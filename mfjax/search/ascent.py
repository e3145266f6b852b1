"""Search along the gradient of the validation score: one fit and its derivatives a step."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mfjax import checks
from mfjax.search import spaces
from mfjax.search.spaces import Uniform
from mfjax.search.trials import OnTrial, Record, Trial, as_score, silent
from mfjax.search.tune import check_search

_logger = logging.getLogger(__name__)

Slope = Callable[[Mapping[str, float]], tuple[float, Mapping[str, float]]]
"""Values of the parameters -> validation score, and derivatives by the values of it or of a smooth stand-in."""


def ascend(
    slope: Slope,
    space: Mapping[str, Uniform],
    *,
    trials: int = 15,
    step_size: float = 0.1,
    start: Mapping[str, float] | None = None,
    path: str | os.PathLike | None = None,
    made_of: Any = None,
    on_trial: OnTrial = silent,
) -> list[Trial]:
    r"""Walk up the gradient of the validation score: one fit a step, whatever the number of parameters.

    Adam in the unit cube of the space, which it does not leave, with steps that shrink along half a cosine; where the
    gradient is not finite the walk ends, with a warning in the log:

    .. math:: x_{t+1} = x_t + \tfrac{\eta}{2} \Big(1 + \cos \frac{\pi t}{T}\Big) \frac{\hat m_t}{\sqrt{\hat v_t}}

    Args:
        slope: values -> score and gradient, from one fit; see `als.hypergradients`.
        space: ranges; there is no gradient of a choice.
        trials: T, the steps of the walk.
        step_size: eta, as a share of the cube.
        start: values in the space, or None for its middle.
        path, made_of, on_trial: as in `mfjax.search.tune`.

    Raises:
        ValueError: for a choice in the space, a start outside it, a slope that does not return a score and a
            derivative by every parameter, or as `random_search`.

    Example:
        >>> from mfjax.search import best
        >>> found = ascend(lambda v: (-v["x"] ** 2, {"x": -2 * v["x"]}), {"x": Uniform(-1.0, 3.0)})
        >>> abs(best(found).values["x"]) < 0.1
        True

    Source: Kingma & Ba 2015, Adam, with decays .8 and .95: there are few steps.
    """
    check_search(slope, trials, 0, name="slope")
    checks.number("step_size", step_size, above=0, remedy="pass a share of the space, such as .1")
    spaces.check(space)
    if choices := [name for name, one in space.items() if not isinstance(one, Uniform)]:
        raise ValueError(f"space: {choices[0]!r} is a choice, which has no gradient; pass ranges only")
    if start is not None:
        start = _start(start, space)
    about = {"method": "gradient", "trials": trials, "step_size": float(step_size), "start": start}
    record = Record(path, space, made_of, **about)
    at = np.array([0.5 if start is None else one.unit(start[name]) for name, one in space.items()])
    mean, square = np.zeros(len(space)), np.zeros(len(space))
    for number in range(trials):
        trial = record.trial(number, {name: one.at(unit) for (name, one), unit in zip(space.items(), at, strict=True)})
        if trial.gradient is None:
            score, trial.gradient = _slope(slope, trial.values)
            trial.scores, trial.status = [score], "finished"
            record.save()
        on_trial(trial)
        if not all(math.isfinite(derivative) for derivative in trial.gradient.values()):
            _logger.warning("the gradient is %s at %s; the walk ends there", trial.gradient, trial.values)
            return record.trials[: number + 1]
        up = np.array([trial.gradient[name] * one.slope(trial.values[name]) for name, one in space.items()])
        mean, square = 0.8 * mean + 0.2 * up, 0.95 * square + 0.05 * up**2
        direction = mean / (1 - 0.8 ** (number + 1)) / (np.sqrt(square / (1 - 0.95 ** (number + 1))) + 1e-12)
        shrunk = step_size / 2 * (1 + math.cos(math.pi * number / trials))
        at = np.clip(at + shrunk * direction, 0.0, 1.0)
    return record.trials[:trials]


def _slope(slope: Slope, values: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """Return the score and the derivative by each of the values."""
    found = slope(values)
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Mapping)):
        raise ValueError(f"slope: returned {found!r:.80}; return a score, and parameter -> derivative")
    if missing := sorted(set(values) - set(found[1])):
        raise ValueError(f"slope: returned no derivative by {missing[0]!r}; return one by every parameter")
    return as_score("slope", found[0]), {name: as_score("slope", found[1][name]) for name in values}


def _start(start: Mapping[str, float], space: Mapping[str, Uniform]) -> dict[str, float]:
    checks.kind("start", start, Mapping, "pass parameter -> number, or None")  # type: ignore[type-abstract]
    if set(start) != set(space):
        raise ValueError(f"start: has {sorted(map(str, start))}; pass a value of each of {sorted(space)}")
    for name, one in space.items():
        checks.number(f"start[{name!r}]", start[name], least=one.low, most=one.high, remedy="start inside the space")
    return {name: float(start[name]) for name in space}
