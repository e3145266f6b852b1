"""Early stopping: each setting is trained for as long as its validation score gets better."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mfjax import checks
from mfjax.metrics import DEFAULT, Convention
from mfjax.saving import fingerprint, version
from mfjax.search import Choice, Trial
from mfjax.search.trials import Record
from mfjax.studies import fits, running
from mfjax.studies.curves import Score, check_validation, curve_of
from mfjax.studies.model import Model, Parameters
from mfjax.studies.settings import Chosen, Sweep, settings_of
from mfjax.studies.task import Task

MOST_LOOKS = 50
"""Times that a setting is looked at: after every step or epoch, or after every fiftieth part of longer trainings."""


def stopped(
    tasks: Sequence[Task],
    models: Mapping[str, Model] | Sequence[str] | str,
    *,
    patience: int,
    sweep: Sweep | None = None,
    parameters: Chosen | None = None,
    measure: str = "ndcg@10",
    seed: int = 0,
    convention: Convention = DEFAULT,
    folder: str | Path | None = None,
    on_look: Callable[[str, Trial], Any] = lambda setting, trial: None,
) -> dict[str, list[Parameters]]:
    """Return model -> its settings, each with the number of steps or epochs that validation likes best.

    A setting is trained on the train part of the validation tasks, and looked at after every step or epoch, at most
    MOST_LOOKS times. Training ends after `patience` looks without a better score, and at the latest after as many
    steps as the setting has; the length of the best look, the earliest of equals, is then its own. A model that is not
    trained step by step keeps its settings. Pass what is returned as `parameters` of `running.run`, in place of the
    sweep.

    Args:
        tasks: `validation` of what a protocol returns.
        models, sweep, parameters, convention: as in `running.run`.
        patience: looks to wait for a better score, at least 1.
        measure: what is best: the least of a rating error, else the greatest.
        seed: of the starts.
        folder: where scores are kept, so that a study that was stopped goes on.
        on_look: called with the setting and its scores so far.

    Raises:
        ValueError: without validation tasks, for a patience below 1, and as `running.run`.

    Example:
        >>> from mfjax.data import synthetic
        >>> from mfjax.studies import protocols
        >>> pairs = synthetic.power_law(0, num_users=40, num_items=30, num_interactions=400)
        >>> tasks = protocols.leave_last(pairs, validation=1)
        >>> (found,) = stopped(tasks.validation, ["ials"], patience=2, parameters={"ials": {"dim": 4}})["ials"]
        >>> 1 <= found["steps"] <= 16
        True
    """
    check_validation(tasks)
    checks.whole("patience", patience, remedy="pass the number of looks to wait for a better score")
    named = running.named_models(models)
    score = Score.of(measure, convention, named)
    asked = {"seed": seed, "measure": measure, "convention": convention, "patience": patience}
    made_of = (asked, [fits.task_checksum(task) for task in tasks], jax.device_count())
    kept = None if folder is None else fits.folder(folder)
    found: dict[str, list[Parameters]] = {name: [] for name in named}
    for setting in settings_of(named, sweep or {}, parameters or {}):
        model, values = named[setting.model], dict(setting.parameters)
        if model.can_be_stopped:
            assert model.length is not None
            most = values[model.length]
            looks = min(most, MOST_LOOKS)
            curve = curve_of(model, tasks, seed, values, score, parts=looks)
            record = _record(kept, (made_of, setting.model, model.fit, values), {model.length: most})
            best = _best_look(record, curve, patience, partial(on_look, str(setting)))
            values[model.length] = most if best is None else most * (best + 1) // looks
        found[setting.model].append(values)
    return found


def _record(folder: Path | None, made_of: Any, longest: Parameters) -> Record:
    """Return the scores of a setting as far as they are known: the one trial of a space that is its length."""
    # The file is named after what its scores follow from: no study meets the looks of another.
    path = None if folder is None else folder / f"stop-{fingerprint((made_of, version()))[:32]}.json"
    record = Record(path, {name: Choice((most,)) for name, most in longest.items()}, made_of, method="stopping")
    record.trial(0, longest)
    return record


def _best_look(
    record: Record, curve: Callable[[Parameters], Iterable[float]], patience: int, on_look: Callable[[Trial], Any]
) -> int | None:
    """Return which look has the best score, from 0; None where no score is a number."""
    (trial,) = record.trials
    if trial.status == "running":
        for score in curve(trial.values):
            trial.scores.append(score)
            on_look(trial)
            if len(trial.scores) - 1 - _best(trial.scores) >= patience:
                break
        trial.status = "finished"
        record.save()
    best = _best(trial.scores)
    return None if math.isnan(trial.scores[best]) else best


def _best(scores: Sequence[float]) -> int:
    """Return the place of the best score, the earliest of equals; NaN is the worst."""
    return int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))
