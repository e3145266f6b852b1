"""What the searches on validation share: Optuna's loop, and tables of the best trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mfjax.search import Trial
from mfjax.studies import extras
from mfjax.studies.results import align

METRIC = "ndcg@10"
"""What a setting is judged by, on validation."""
NUM_SHOWN = 5
"""Trials that `cells` shows."""


def search(score: Callable[[Any], float], *, trials: int, seed: int, progress: bool = True) -> list[Any]:
    """Return the trials of tree-structured Parzen estimators, best first; needs Optuna.

    Args:
        score: draws a setting from an `optuna.Trial` and returns its validation score, higher is better.
        trials: settings to try.
        seed: draws the settings.
        progress: whether to show a bar on stderr.

    Raises:
        ValueError: when Optuna is not installed.
    """
    extras.require("optuna")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in extras.bar(range(trials), unit="setting", leave=False, disable=not progress):
        asked = study.ask()
        study.tell(asked, score(asked))
    return sorted(study.trials, key=lambda trial: -trial.values[0])


def table(found: Sequence[Any], names: Sequence[str]) -> str:
    """Return trials of `search` as text: the score, then what they drew or noted under each of `names`."""
    lines = [["validation NDCG@10", *names]]
    for trial in found:
        numbers = trial.user_attrs | trial.params
        lines.append([f"{number:.4g}" for number in (trial.value, *(numbers[name] for name in names))])
    return align(lines)


def cells(found: Sequence[Trial], metric: str, *, digits: int) -> list[list[str]]:
    """Return the cells of a table of the best trials of `mfjax.search.tune`, its head first.

    Args:
        found: the trials; of equal scores the earlier is the better.
        metric: what the scores are called.
        digits: decimal places of a score.
    """
    ranked = sorted(found, key=lambda one: (-one.score(), one.number))[:NUM_SHOWN]
    lines = [[metric, "trial", *ranked[0].values]]
    for trial in ranked:
        values = [f"{value:.4g}" for value in trial.values.values()]
        lines.append([f"{trial.score():.{digits}f}", str(trial.number), *values])
    return lines
