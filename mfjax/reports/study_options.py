"""What the options of `mfjax study` say in words and numbers, and what is refused before any data is read."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from mfjax import checks
from mfjax.evaluation.named import as_cutoffs
from mfjax.metrics.conventions import PRESETS
from mfjax.studies import fits, judging, running
from mfjax.studies.catalogue import MODELS
from mfjax.studies.settings import settings_of
from mfjax.types import Interactions

MEANT_FOR = {
    "users_core": ("leave-last", "global-time", "random", "folds", "strong"),
    "items_core": ("leave-last", "global-time", "random", "folds", "strong"),
    "test": ("leave-last", "global-time", "random"),
    "validation": ("leave-last", "global-time", "random"),
    "folds": ("folds",),
    "test_users": ("strong",),
    "validation_users": ("strong",),
    "targets": ("strong",),
    "ties": ("leave-last", "global-time"),
}
"""Option -> the protocols that it says something to."""

FOR_VALIDATION = {
    "leave-last": "pass --validation 1",
    "global-time": "pass --validation 0.1",
    "random": "pass --validation 0.1",
    "strong": "pass --validation-users NUMBER",
    "given": "the data need a part named validation",
}
"""Protocol -> how rows are held out for tuning; folds always do."""

_LEAST = {
    "users_core": 0, "items_core": 0, "folds": 2, "test_users": 0, "validation_users": 0, "negatives": 0,
    "split_seed": 0, "tune": 0, "seeds": 1,
}  # fmt: skip


def check(study: Any) -> None:
    """Raise ValueError for options that make no sense, whatever the data: before any is read, and anything is fitted.

    The folder of the results is made, and tried.
    """
    for name, least in _LEAST.items():
        checks.whole(name, getattr(study, name), least=least)
    if study.cores is not None:
        checks.whole("cores", study.cores, remedy="pass a number of cores, or leave it out for all")
    for name in ("positives", "test"):
        if getattr(study, name) is not None:
            checks.number(name, getattr(study, name), above=0 if name == "test" else None)
    checks.number("validation", study.validation, least=0)
    checks.number("targets", study.targets, above=0, below=1)
    if study.protocol != "auto":
        check_meant(study, study.protocol)
    checks.choice("convention", study.convention, PRESETS)
    models = running.named_models(study.models)
    settings_of(models, swept(study.sweep), parameters(study.set))
    running.check_measures(models, study.metrics)
    judging.check(study.metrics, as_cutoffs(study.k), PRESETS[study.convention])
    if study.out is not None:
        if importlib.util.find_spec("matplotlib") is None:
            raise ValueError(
                "out: the plots of the page need matplotlib; install mfjax[experiments], or leave out --out"
            )
        fits.folder(study.out)


def check_meant(study: Any, protocol: str) -> None:
    """Raise ValueError for an option that says nothing to the protocol, or tuning without what it is judged by."""
    defaults = {field.name: field.default for field in fields(study)}
    for name, known in MEANT_FOR.items():
        if protocol not in known and getattr(study, name) != defaults[name]:
            raise ValueError(
                f"{name}: {getattr(study, name)} says nothing to the protocol {protocol}, only to {', '.join(known)}; "
                "leave it out"
            )
    held = {"strong": study.validation_users, "folds": True, "given": True}.get(protocol, study.validation)
    if study.tune and not held:
        raise ValueError(f"tune: nothing is held out to choose settings by; {FOR_VALIDATION[protocol]}")


def choices(study: Any, protocol: str, pairs: Interactions) -> dict[str, Any]:
    """Return the options of a protocol of some interactions."""
    chosen: dict[str, Any] = {"catalogue": study.catalogue}
    if protocol == "leave-last":
        rows = {"test": 1 if study.test is None else study.test, "validation": study.validation}
        return chosen | {part: _whole(part, count) for part, count in rows.items()} | {"ties": study.ties}
    if protocol == "folds":
        return chosen | {"k": study.folds}
    if protocol == "strong":
        active = int(np.count_nonzero(pairs.user_counts()))
        return chosen | {
            "test_users": study.test_users or max(active // 10, 1),
            "validation_users": study.validation_users,
            "targets": study.targets,
        }
    shares = {"test": 0.2 if study.test is None else study.test, "validation": study.validation}
    return chosen | shares | ({"ties": study.ties} if protocol == "global-time" else {})


def swept(words: tuple[str, ...], option: str = "sweep") -> dict[str, dict[str, list[float]]]:
    """Return model -> parameter -> values of words such as "ease.reg=10,100".

    Raises:
        ValueError: for a word of another form, an unknown model, or a parameter that is named twice.

    Example:
        >>> swept(("ease.reg=10,100",))
        {'ease': {'reg': [10.0, 100.0]}}
    """
    found: dict[str, dict[str, list[float]]] = {}
    for word in words:
        where, _, text = word.partition("=")
        model, _, name = where.partition(".")
        try:
            values = [float(value) for value in text.split(",")]
        except ValueError:
            form = "MODEL.PARAMETER=VALUE" + (",VALUE" if option == "sweep" else "")
            raise ValueError(f"{option}: {word!r} is not of the form {form}") from None
        checks.choice(option, model, MODELS)
        if name in found.setdefault(model, {}):
            raise ValueError(f"{option}: {word!r} names a parameter again; give all of its values at once")
        found[model][name] = values
    return found


def parameters(words: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return model -> parameter -> value of words such as "ials.dim=128". Raises ValueError as `swept`."""
    found: dict[str, dict[str, float]] = {}
    for model, values in swept(words, "set").items():
        for name, given in values.items():
            if len(given) > 1:
                raise ValueError(f"set: {model}.{name} has {len(given)} values; sweep them, or give one")
            found.setdefault(model, {})[name] = given[0]
    return found


def tuned_measure(study: Any) -> str:
    """Return the measure that chooses settings: the first, at the first cutoff."""
    return judging.names_of(study.metrics[:1], as_cutoffs(study.k))[0]


def told(values: Mapping[str, Any]) -> str:
    """Return parameters in words."""
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def _whole(name: str, number: float) -> int:
    if number != int(number):
        raise ValueError(f"{name}: {number} is not a number of rows; leave-last hides whole rows, such as 1")
    return int(number)
