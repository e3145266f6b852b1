"""What the options of `mfjax study` say in words and numbers, and what is refused before any data is read."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from mfjax import checks
from mfjax.evaluation.named import as_cutoffs
from mfjax.metrics.conventions import PRESETS
from mfjax.studies import choosing, extras, fits, judging, running
from mfjax.studies.model import Model
from mfjax.studies.running import Progress
from mfjax.studies.settings import settings_of
from mfjax.types import Interactions

OF_USERS = ("strong", "liang")
"""Protocols that hold out whole users."""

_OF_ROWS = ("leave-last", "global-time", "random")
MEANT_FOR = {
    "users_core": (*_OF_ROWS, "folds", *OF_USERS),
    "items_core": (*_OF_ROWS, "folds", *OF_USERS),
    "test": _OF_ROWS,
    "validation": (*_OF_ROWS, "given"),
    "folds": ("folds",),
    "test_users": OF_USERS,
    "validation_users": OF_USERS,
    "targets": OF_USERS,
    "ties": ("leave-last", "global-time"),
}
"""Option -> the protocols that it says something to."""

FOR_VALIDATION = {
    "leave-last": "pass --validation 1",
    "global-time": "pass --validation 0.1",
    "random": "pass --validation 0.1",
    "strong": "pass --validation-users NUMBER",
    "liang": "pass --validation-users NUMBER",
    "given": "pass --validation 0.1, or data with a part named validation",
}
"""Protocol -> how rows are held out for tuning; folds always do."""


def check(options: Any) -> None:
    """Raise ValueError for options that make no sense, whatever the data: before any is read, and anything is fitted.

    The folder of the results is made, and tried.
    """
    if options.test is not None:
        checks.number("test", options.test, above=0)
    if options.protocol != "auto":
        check_meant(options, options.protocol)
    for name in options.models:
        checks.choice("models", name, options.catalogue_of_models)
    models = options.named()
    settings_of(models, swept(options), parameters(options))
    running.check_measures(models, options.metrics)
    judging.check(options.metrics, as_cutoffs(options.k), PRESETS[options.convention])
    for name in options.compare:
        if name not in ("all", "none") or len(options.compare) > 1:
            checks.choice("compare", name, models)
    if options.tune:
        check_tuned(options, models)
    if options.patience:
        check_stopped(options, models)
    if options.out is not None:
        extras.require("matplotlib")
        fits.folder(options.out)


def check_tuned(options: Any, models: Mapping[str, Model]) -> None:
    """Raise ValueError for a search that has nothing to search, or not what it needs, or would peek."""
    searched = [name for name, model in models.items() if model.space]
    if not searched:
        able = [name for name, model in options.catalogue_of_models.items() if model.space]
        raise ValueError(f"tune: none of the models has a search space; choose from {', '.join(able)}")
    _check_one_split("tune", options)
    if options.tune_method == "tpe":
        extras.require("optuna")
    if options.tune_method == "gradient":
        for name in searched:
            choosing.check_gradient(name, models[name], tuned_measure(options))


def check_stopped(options: Any, models: Mapping[str, Model]) -> None:
    """Raise ValueError for early stopping where no model is trained step by step, or what would peek."""
    if not any(model.can_be_stopped for model in models.values()):
        able = [name for name, model in options.catalogue_of_models.items() if model.can_be_stopped]
        raise ValueError(f"patience: none of the models is trained step by step; choose from {', '.join(able)}")
    _check_one_split("patience", options)


def _check_one_split(option: str, options: Any) -> None:
    if options.split_seed_of(0) != options.split_seed_of(1):
        raise ValueError(f"{option}: with a split for every seed, what one hides another trains on; pass another rule")


def check_meant(study: Any, protocol: str) -> None:
    """Raise ValueError for an option that says nothing to the protocol, or tuning without what it is judged by."""
    defaults = {field.name: field.default for field in fields(study)}
    for name, known in study.meant_for.items():
        if protocol not in known and getattr(study, name) != defaults[name]:
            raise ValueError(
                f"{name}: {getattr(study, name)} says nothing to the protocol {protocol}, only to {', '.join(known)}; "
                "leave it out"
            )
    for option in ("tune", "patience"):
        if getattr(study, option) and not study.holds_out(protocol):
            raise ValueError(f"{option}: nothing is held out to choose settings by; {FOR_VALIDATION[protocol]}")


def choices(study: Any, protocol: str, pairs: Interactions) -> dict[str, Any]:
    """Return the options of a protocol of some interactions."""
    chosen: dict[str, Any] = {"catalogue": study.catalogue}
    if protocol == "leave-last":
        rows = {"test": 1 if study.test is None else study.test, "validation": study.validation}
        return chosen | {part: _whole(part, count) for part, count in rows.items()} | {"ties": study.ties}
    if protocol == "folds":
        return chosen | {"k": study.folds}
    if protocol in OF_USERS:
        active = int(np.count_nonzero(pairs.user_counts()))
        return chosen | {
            "test_users": study.test_users or max(active // 10, 1),
            "validation_users": study.validation_users,
            "targets": study.targets,
        }
    shares = {"test": 0.2 if study.test is None else study.test, "validation": study.validation}
    return chosen | shares | ({"ties": study.ties} if protocol == "global-time" else {})


def swept(options: Any) -> dict[str, dict[str, list[float]]]:
    """Return model -> parameter -> values of `--sweep`. Raises ValueError as `words`."""
    return words(options.sweep, "sweep", options.catalogue_of_models)


def parameters(options: Any) -> dict[str, dict[str, Any]]:
    """Return model -> parameter -> value of `--set` and `--dim`. Raises ValueError as `words`."""
    found: dict[str, dict[str, Any]] = {}
    for name, model in options.named().items():
        factors = [each for each in model.defaults if each == "dim" or each.endswith("_dim")]
        if options.dim is not None and factors:
            found[name] = dict.fromkeys(factors, options.dim)
    for model, values in words(options.set, "set", options.catalogue_of_models).items():
        for name, given in values.items():
            if len(given) > 1:
                raise ValueError(f"set: {model}.{name} has {len(given)} values; sweep them, or give one")
            found.setdefault(model, {})[name] = given[0]
    return found


def words(texts: Sequence[str], option: str, models: Mapping[str, Model]) -> dict[str, dict[str, list[float]]]:
    """Return model -> parameter -> values of words such as "ease.reg=10,100".

    Raises:
        ValueError: for a word of another form, an unknown model, or a parameter that is named twice.

    Example:
        >>> from mfjax.studies import MODELS
        >>> words(("ease.reg=10,100",), "sweep", MODELS)
        {'ease': {'reg': [10.0, 100.0]}}
    """
    found: dict[str, dict[str, list[float]]] = {}
    for text in texts:
        where, _, numbers = text.partition("=")
        model, _, name = where.partition(".")
        try:
            values = [float(value) for value in numbers.split(",")]
        except ValueError:
            form = "MODEL.PARAMETER=VALUE" + (",VALUE" if option == "sweep" else "")
            raise ValueError(f"{option}: {text!r} is not of the form {form}") from None
        checks.choice(option, model, models)
        if name in found.setdefault(model, {}):
            raise ValueError(f"{option}: {text!r} names a parameter again; give all of its values at once")
        found[model][name] = values
    return found


def tuned_measure(options: Any) -> str:
    """Return the measure that chooses settings: the one that is named, or the first, at the first cutoff."""
    return options.tune_by or judging.names_of(options.metrics[:1], as_cutoffs(options.k))[0]


def tell(progress: Progress, *, tests: int = 1) -> None:
    """Write a line on stderr for a fit that has ended; on a terminal the next one writes over it."""
    how = "found" if progress.found else f"{progress.seconds:.2f} s"
    which = f"{progress.setting} seed {progress.seed}" + (f" test {progress.task + 1}" if tests > 1 else "")
    line = f"[{progress.done}/{progress.total}] {which}: {how}"
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="\n" if progress.done == progress.total else "", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def _whole(name: str, number: float) -> int:
    if number != int(number):
        raise ValueError(f"{name}: {number} is not a number of rows; leave-last hides whole rows, such as 1")
    return int(number)
