"""Search for the setting with the best validation score: at random, by successive halving, by TPE, or up the gradient.

The first three ask for curves: `curve(values)` trains one setting and yields its validation score as training goes on,
higher is better; a score of NaN is the worst. The trainings of a search should share one compiled fit, such as
`als.fit`, whose numbers are traced. What is tried follows from the seed and the scores so far, and every score is
written down when it is known: a search that was stopped goes on to the end that it would have had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfjax.search_spaces import Choice, Space, Uniform, draw
from mfjax.trials import Study, Trial, best

__all__ = ["METHODS", "Curve", "OnTrial", "Slope", "ascend", "best", "random_search", "successive_halving", "tpe"]

Curve = Callable[[Mapping[str, Any]], Iterator[float]]
"""Values of the parameters -> validation scores, one after every further part of the training."""

Slope = Callable[[Mapping[str, float]], tuple[float, Mapping[str, float]]]
"""Values of the parameters -> validation score, and derivatives by the values of it or of a smooth stand-in."""


OnTrial = Callable[[Trial], None]
"""Called with every trial that got further, or was found in the file, for progress."""


def _silent(trial: Trial) -> None:
    pass


def random_search(
    curve: Curve, space: Space, *, trials: int, seed: int = 0, path: Path | None = None, on_trial: OnTrial = _silent
) -> list[Trial]:
    """Train every one of `trials` random settings to its end.

    Args:
        curve: values -> scores.
        space: what to draw from.
        trials: how many; a file of fewer is gone on with.
        seed: decides the draws.
        path: of a JSON file that keeps the trials, or None.
        on_trial: see `OnTrial`.

    Raises:
        ValueError: when the file holds another search.

    Example:
        >>> found = random_search(lambda values: iter([-values["x"] ** 2]), {"x": Uniform(-1.0, 1.0)}, trials=50)
        >>> abs(best(found).values["x"]) < 0.1
        True

    Source: Bergstra & Bengio 2012, Random search for hyper-parameter optimization.
    """
    study = Study(path, space, method="random", seed=seed)
    for number in range(trials):
        trial = study.trial(number, draw(seed, number, space))
        if trial.status == "running":
            trial.scores, trial.status = [float(score) for score in curve(trial.values)], "finished"
            study.save()
        on_trial(trial)
    return study.trials[:trials]


def successive_halving(
    curve: Curve,
    space: Space,
    *,
    trials: int,
    eta: int = 3,
    seed: int = 0,
    path: Path | None = None,
    on_trial: OnTrial = _silent,
) -> list[Trial]:
    r"""Train `trials` random settings for one score each, the best of them for eta scores, and so on; one to its end.

    .. math:: n_r = \lceil n / \eta^r \rceil \text{ settings reach } \eta^r \text{ scores}, \qquad r = 0, 1, \dots

    Curves go on where they stood; after a restart they are trained anew up to there. Arguments and errors as in
    `random_search`, but the number of trials belongs to the search.

    Example:
        >>> rising = lambda values: (values["x"] * step for step in range(1, 10))
        >>> found = successive_halving(rising, {"x": Uniform(0.0, 1.0)}, trials=9)
        >>> sorted(len(trial.scores) for trial in found)
        [1, 1, 1, 1, 1, 1, 3, 3, 9]

    Source: Jamieson & Talwalkar 2016, Non-stochastic best arm identification and hyperparameter optimization.
    """
    study = Study(path, space, method="halving", seed=seed, trials=trials, eta=eta)
    racing = [study.trial(number, draw(seed, number, space)) for number in range(trials)]
    curves: dict[int, Iterator[float]] = {}

    def advance(trial: Trial) -> None:
        """Add one score, or find that there is none left."""
        if trial.number not in curves:
            curves[trial.number] = curve(trial.values)
            for _ in trial.scores:
                next(curves[trial.number])
        score = next(curves[trial.number], None)
        if score is None:
            trial.status = "finished"
        else:
            trial.scores.append(float(score))
        study.save()

    length = 1
    while True:
        for trial in racing:
            while trial.status == "running" and (len(trial.scores) < length or len(racing) == 1):
                advance(trial)
            on_trial(trial)
        if len(racing) == 1:
            return study.trials
        racing.sort(key=lambda trial: (-trial.score(length), trial.number))
        num_kept = math.ceil(len(racing) / eta)
        for trial in racing[num_kept:]:
            curves.pop(trial.number, None)
            if trial.status == "running":
                trial.status = "stopped"
        racing, length = racing[:num_kept], length * eta


def tpe(
    curve: Curve, space: Space, *, trials: int, seed: int = 0, path: Path | None = None, on_trial: OnTrial = _silent
) -> list[Trial]:
    """Draw settings near good ones, and give up those whose curve runs below the median; needs Optuna.

    The sampler is seeded anew for every trial, so that a search that goes on from a file draws what it would have
    drawn. Arguments and errors as in `random_search`.

    Source: Bergstra, Bardenet, Bengio & Kegl 2011, Algorithms for hyper-parameter optimization; `optuna.samplers`.
    """
    try:
        import optuna
    except ImportError as error:
        raise ValueError("tpe: needs Optuna; install mfjax[tune], or use another method") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions: dict[str, Any] = {
        name: optuna.distributions.CategoricalDistribution(one.options)
        if isinstance(one, Choice)
        else optuna.distributions.FloatDistribution(one.low, one.high, log=one.log)
        for name, one in space.items()
    }

    def told(trial: Trial) -> Any:
        stopped = trial.status == "stopped"
        return optuna.trial.create_trial(
            params=trial.values,
            distributions=distributions,
            value=None if stopped else trial.score(),
            intermediate_values={step: trial.score(step + 1) for step in range(len(trial.scores))},
            state=optuna.trial.TrialState.PRUNED if stopped else optuna.trial.TrialState.COMPLETE,
        )

    study = Study(path, space, method="tpe", seed=seed)
    for number in range(trials):
        if number == len(study.trials):
            # A study of its own for every trial: what is drawn depends on the trials before, and on nothing else.
            sampler = optuna.samplers.TPESampler(seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
            pruner = optuna.pruners.MedianPruner(n_startup_trials=5)
            known = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
            known.add_trials([told(trial) for trial in study.trials])
            asked = known.ask(distributions)
            trial = study.trial(number, asked.params)
            for step, score in enumerate(curve(trial.values)):
                trial.scores.append(float(score))
                asked.report(trial.score(), step)
                if asked.should_prune():
                    trial.status = "stopped"
                    break
            else:
                trial.status = "finished"
            study.save()
        on_trial(study.trials[number])
    return study.trials[:trials]


def ascend(
    slope: Slope,
    space: Mapping[str, Uniform],
    *,
    trials: int = 15,
    step_size: float = 0.1,
    start: Mapping[str, float] | None = None,
    path: Path | None = None,
    on_trial: OnTrial = _silent,
) -> list[Trial]:
    r"""Walk up the gradient of the validation score: one fit a step, whatever the number of parameters.

    Adam in the unit cube of the space, which it does not leave, with steps that shrink along half a cosine:

    .. math:: x_{t+1} = x_t + \tfrac{\eta}{2} \Big(1 + \cos \frac{\pi t}{T}\Big) \frac{\hat m_t}{\sqrt{\hat v_t}}

    Args:
        slope: values -> score and gradient, from one fit; see `mfjax.hypergradients`.
        space: ranges; there is no gradient of a choice.
        trials: T, the steps of the walk.
        step_size: eta, as a share of the cube.
        start: values in the space, or None for its middle.
        path, on_trial: as in `random_search`.

    Raises:
        ValueError: for a choice in the space, or when the file holds another search.

    Example:
        >>> found = ascend(lambda v: (-v["x"] ** 2, {"x": -2 * v["x"]}), {"x": Uniform(-1.0, 3.0)})
        >>> abs(best(found).values["x"]) < 0.1
        True

    Source: Kingma & Ba 2015, Adam, with decays .8 and .95: there are few steps.
    """
    if choices := [name for name, one in space.items() if not isinstance(one, Uniform)]:
        raise ValueError(f"space: {choices[0]!r} is a choice, which has no gradient; pass ranges only")
    study = Study(path, space, method="gradient", trials=trials, step_size=step_size, start=start and dict(start))
    at = np.array([0.5 if start is None else one.unit(start[name]) for name, one in space.items()])
    mean, square = np.zeros(len(space)), np.zeros(len(space))
    for number in range(trials):
        trial = study.trial(number, {name: one.at(unit) for (name, one), unit in zip(space.items(), at, strict=True)})
        if trial.gradient is None:
            score, gradient = slope(trial.values)
            trial.scores, trial.status = [float(score)], "finished"
            trial.gradient = {name: float(gradient[name]) for name in space}
            study.save()
        on_trial(trial)
        up = np.array([trial.gradient[name] * one.slope(trial.values[name]) for name, one in space.items()])
        mean, square = 0.8 * mean + 0.2 * up, 0.95 * square + 0.05 * up**2
        direction = mean / (1 - 0.8 ** (number + 1)) / (np.sqrt(square / (1 - 0.95 ** (number + 1))) + 1e-12)
        shrunk = step_size / 2 * (1 + math.cos(math.pi * number / trials))
        at = np.clip(at + shrunk * direction, 0.0, 1.0)
    return study.trials[:trials]


METHODS: dict[str, Callable[..., list[Trial]]] = {"random": random_search, "halving": successive_halving, "tpe": tpe}
"""Searches over curves, by name."""
