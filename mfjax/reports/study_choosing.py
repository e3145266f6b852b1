"""What a study chooses on validation, with a line of progress for everything that it tries: settings, and lengths."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from mfjax.metrics.conventions import PRESETS
from mfjax.reports import study_options
from mfjax.search import Trial
from mfjax.studies import choosing, stopping
from mfjax.studies.model import Model
from mfjax.studies.settings import Chosen, Sweep
from mfjax.studies.tasks import Tasks


def search(
    options: Any, tasks: Tasks, models: Mapping[str, Model], fixed: Mapping[str, Mapping[str, Any]], num_trials: int
) -> dict[str, list[Trial]]:
    """Return the trials of those models that have a space."""
    searchable = {name: model for name, model in models.items() if model.space}
    if not searchable:
        return {}
    return choosing.search(
        tasks.validation,
        searchable,
        trials=num_trials,
        method=options.tune_method,
        parameters={name: values for name, values in fixed.items() if name in searchable},
        on_trial=_telling(options, lambda name, trial: f"tune {name}: setting {trial.number + 1} of {num_trials}"),
        **_asked(options),
    )


def stopped(options: Any, tasks: Tasks, sweep: Sweep, chosen: Chosen) -> Chosen:
    """Return the settings of every model, each trained for as long as validation gets better."""
    return stopping.stopped(
        tasks.validation,
        options.named(),
        patience=options.patience,
        sweep=sweep,
        parameters=chosen,
        on_look=_telling(options, lambda setting, trial: f"stop {setting}: look {len(trial.scores)}"),
        **_asked(options),
    )


def _asked(options: Any) -> dict[str, Any]:
    """Return what both are told of a study."""
    return {
        "measure": study_options.tuned_measure(options),
        "seed": options.first_seed,
        "convention": PRESETS[options.convention],
        "folder": options.out,
    }


def _telling(options: Any, words: Callable[[str, Trial], str]) -> Callable[[str, Trial], None]:
    """Return what writes a line on stderr for a trial that got further, where the study reports progress."""
    measure = study_options.tuned_measure(options)

    def tell(name: str, trial: Trial) -> None:
        if options.progress:
            print(f"{words(name, trial)}, {measure} {abs(trial.score()):.4f}", file=sys.stderr, flush=True)

    return tell
