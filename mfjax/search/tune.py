"""Search for the setting with the best validation score: at random, by successive halving, or by TPE.

They ask for curves (`mfjax.search.ascent` asks for gradients): `curve(values)` trains one setting and yields its
validation score as training goes on, higher is better; a score of NaN is the worst. The trainings of a search should
share one compiled fit, such as `als.fit`, whose numbers are traced. What is tried follows from the seed and the scores
so far, and every score is written down when it is known: a search that was stopped can be resumed, and tries what it
would have tried uninterrupted.

The functions share these arguments.

Args:
    trials: settings to try, at least one; a file that holds fewer is continued.
    seed: decides the draws, 0 .. 2^63 - 1.
    path: of a JSON file that keeps the trials, or None.
    made_of: needed with a path: all that the scores follow from besides the space and the options of the search, such
        as the curve, or (key, data, fixed settings): arrays, settings, functions, and containers of them. A function
        counts by its code and all that this refers to (`saving.fingerprint`), so a curve that uses data, fixed
        settings and objectives is all there is to name. A file of another fingerprint, or of another version of mfjax
        or JAX, is refused.
    on_trial: called with every trial that got further, or was found in the file, for progress.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from mfjax import checks
from mfjax.search import spaces
from mfjax.search.spaces import Choice, Space, draw
from mfjax.search.trials import OnTrial, Record, Trial, as_score, silent

Curve = Callable[[Mapping[str, Any]], Iterator[float]]
"""Values of the parameters -> validation scores, one after every further part of the training."""


def random_search(
    curve: Curve,
    space: Space,
    *,
    trials: int,
    seed: int = 0,
    path: str | os.PathLike | None = None,
    made_of: Any = None,
    on_trial: OnTrial = silent,
) -> list[Trial]:
    """Train every one of `trials` random settings to its end.

    Args:
        curve: values -> scores.
        space: what to draw from.
        trials, seed, path, made_of, on_trial: see `mfjax.search.tune`.

    Raises:
        ValueError: for a number out of range, a path without `made_of`, a file that holds another search or is
            damaged, or a curve that does not yield numbers.

    Example:
        >>> from mfjax.search import Uniform, best
        >>> found = random_search(lambda values: iter([-values["x"] ** 2]), {"x": Uniform(-1.0, 1.0)}, trials=50)
        >>> abs(best(found).values["x"]) < 0.1
        True

    Source: Bergstra & Bengio 2012, Random search for hyper-parameter optimization.
    """
    check_search(curve, trials, seed)
    record = Record(path, space, made_of, method="random", seed=seed)
    for number in range(trials):
        trial = record.trial(number, draw(seed, number, space))
        if trial.status == "running":
            trial.scores, trial.status = list(_scores(curve, trial.values)), "finished"
            record.save()
        on_trial(trial)
    return record.trials[:trials]


def successive_halving(
    curve: Curve,
    space: Space,
    *,
    trials: int,
    eta: int = 3,
    seed: int = 0,
    path: str | os.PathLike | None = None,
    made_of: Any = None,
    on_trial: OnTrial = silent,
) -> list[Trial]:
    r"""Train `trials` random settings for one score each, the best for eta scores, and so on; the last to its end.

    .. math:: n_r = \lceil n / \eta^r \rceil \text{ settings reach } \eta^r \text{ scores}, \qquad r = 0, 1, \dots

    Curves go on where they stood; after a restart they are trained anew up to there. Arguments and errors as in
    `random_search`, but the number of trials belongs to the search; eta is at least 2.

    Example:
        >>> from mfjax.search import Uniform
        >>> rising = lambda values: (values["x"] * step for step in range(1, 10))
        >>> found = successive_halving(rising, {"x": Uniform(0.0, 1.0)}, trials=9)
        >>> sorted(len(trial.scores) for trial in found)
        [1, 1, 1, 1, 1, 1, 3, 3, 9]

    Source: Jamieson & Talwalkar 2016, Non-stochastic best arm identification and hyperparameter optimization.
    """
    check_search(curve, trials, seed)
    checks.whole("eta", eta, least=2, remedy="pass how many settings race for one place in the next round")
    record = Record(path, space, made_of, method="halving", seed=seed, trials=trials, eta=eta)
    racing = [record.trial(number, draw(seed, number, space)) for number in range(trials)]
    curves: dict[int, Iterator[float]] = {}

    def advance(trial: Trial) -> None:
        """Add one score, or find that there is none left."""
        if trial.number not in curves:
            curves[trial.number] = _scores(curve, trial.values)
            for _ in trial.scores:
                next(curves[trial.number], None)
        score = next(curves[trial.number], None)
        if score is None:
            trial.status = "finished"
        else:
            trial.scores.append(score)
        record.save()

    length = 1
    while True:
        for trial in racing:
            while trial.status == "running" and (len(trial.scores) < length or len(racing) == 1):
                advance(trial)
            on_trial(trial)
        if len(racing) == 1:
            return record.trials
        racing.sort(key=lambda trial: (-trial.score(length), trial.number))
        num_kept = math.ceil(len(racing) / eta)
        for trial in racing[num_kept:]:
            curves.pop(trial.number, None)
            if trial.status == "running":
                trial.status = "stopped"
        racing, length = racing[:num_kept], length * eta


def tpe(
    curve: Curve,
    space: Space,
    *,
    trials: int,
    seed: int = 0,
    path: str | os.PathLike | None = None,
    made_of: Any = None,
    on_trial: OnTrial = silent,
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
    check_search(curve, trials, seed)
    record = Record(path, space, made_of, method="tpe", seed=seed)
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

    for number in range(trials):
        if number == len(record.trials):
            # A study of its own for every trial: what is drawn depends on the trials before, and on nothing else.
            sampler = optuna.samplers.TPESampler(seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
            pruner = optuna.pruners.MedianPruner(n_startup_trials=5)
            known = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
            known.add_trials([told(trial) for trial in record.trials])
            asked = known.ask(distributions)
            trial = record.trial(number, asked.params)
            for step, score in enumerate(_scores(curve, trial.values)):
                trial.scores.append(score)
                asked.report(trial.score(), step)
                if asked.should_prune():
                    trial.status = "stopped"
                    break
            else:
                trial.status = "finished"
            record.save()
        on_trial(record.trials[number])
    return record.trials[:trials]


def check_search(
    function: Callable[..., Any], trials: int, seed: int, *, name: Literal["curve", "slope"] = "curve"
) -> None:
    """Raise ValueError unless a search can ask `function`, the argument `name`, for that many trials from that seed."""
    checks.kind(name, function, Callable, "pass a function of values")  # type: ignore[arg-type]
    checks.whole("trials", trials)
    checks.whole("seed", seed, least=0, most=spaces.MOST_SEEDS)


def _scores(curve: Curve, values: Mapping[str, Any]) -> Iterator[float]:
    """Yield the scores of a curve as Python's numbers."""
    found = curve(values)
    checks.kind("curve", found, Iterable, "yield a score after every part of the training")  # type: ignore[type-abstract]
    for score in found:
        yield as_score("curve", score)


METHODS: dict[str, Callable[..., list[Trial]]] = {"random": random_search, "halving": successive_halving, "tpe": tpe}
"""Searches over curves, by name."""
