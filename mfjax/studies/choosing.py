"""Settings chosen by validation: a random search over the space of each model, judged on the validation tasks alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mfjax import checks
from mfjax.evaluation.named import as_cutoffs
from mfjax.metrics import DEFAULT, Convention
from mfjax.saving import fingerprint, version
from mfjax.search import Trial, best, random_search
from mfjax.studies import fits, judging, running
from mfjax.studies.judging import RATING_MEASURES
from mfjax.studies.model import Model, Parameters
from mfjax.studies.settings import settings_of
from mfjax.studies.task import Task


def tune(
    tasks: Sequence[Task],
    models: Mapping[str, Model] | Sequence[str] | str,
    *,
    trials: int,
    measure: str = "ndcg@10",
    parameters: Mapping[str, Parameters] | None = None,
    seed: int = 0,
    convention: Convention = DEFAULT,
    folder: str | Path | None = None,
    on_trial: Callable[[str, Trial], Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return model -> the parameters with the best validation score of `trials` random ones.

    A model without a space keeps its defaults. Each setting is fitted once a task, under the key of `seed`.

    Args:
        tasks: `validation` of what a protocol returns.
        models: as in `running.run`.
        trials: settings to try for each model.
        measure: what is best: the least of a rating error, else the greatest.
        parameters: model -> parameter -> value that is not searched.
        seed: draws the settings, and the starts of fits.
        convention: what the metric means.
        folder: where trials are kept, so that a search that was stopped goes on.
        on_trial: called with the model and each trial that has ended.

    Raises:
        ValueError: without validation tasks, and as `running.run`.

    Example:
        >>> from mfjax.data import synthetic
        >>> from mfjax.studies import protocols
        >>> pairs = synthetic.power_law(0, num_users=40, num_items=30, num_interactions=400)
        >>> sorted(tune(protocols.leave_last(pairs, validation=1).validation, ["ease"], trials=2)["ease"])
        ['reg']
    """
    checks.kind("tasks", tasks, (list, tuple), "pass the validation part of what a protocol returns")
    if not tasks:
        raise ValueError("tasks: nothing is held out for validation; ask the protocol for it, such as validation=1")
    checks.kind("measure", measure, str, "pass one measure, such as 'ndcg@10'")
    checks.whole("trials", trials)
    metric, _, cutoff = measure.partition("@")
    asked: dict[str, Any] = {"metrics": (metric if cutoff.isdecimal() else measure,), "convention": convention}
    if cutoff.isdecimal():
        asked["cutoffs"] = int(cutoff)
    sign = -1.0 if measure in RATING_MEASURES else 1.0
    fixed, named = parameters or {}, running.named_models(models)
    settings_of(named, {}, fixed)
    running.check_measures(named, asked["metrics"])
    judging.check(asked["metrics"], as_cutoffs(asked.get("cutoffs", 10)), convention)
    if len(judging.names_of(asked["metrics"], as_cutoffs(asked.get("cutoffs", 10)))) != 1:
        raise ValueError(f"measure: {measure!r} is not one; pass such as 'ndcg@10'")
    kept = None if folder is None else fits.folder(folder)
    checksums = [fits.task_checksum(task) for task in tasks]
    found: dict[str, dict[str, Any]] = {}
    for name, model in named.items():
        here = dict(fixed.get(name, {}))
        space = {parameter: one for parameter, one in model.space.items() if parameter not in here}
        if not space:
            found[name] = model.parameters(here)
            continue

        def curve(values: Parameters, name: str = name, model: Model = model, here: Any = here) -> Iterator[float]:
            results = running.run(tasks, {name: model}, parameters={name: {**here, **values}}, seeds=[seed], **asked)
            yield sign * float(np.mean(results.means()))

        def tell(trial: Trial, name: str = name) -> None:
            if on_trial is not None:
                on_trial(name, trial)

        made_of = (name, model.fit, model.parameters(here), seed, measure, convention, checksums, jax.device_count())
        # The file is named after what its scores follow from: no search meets the trials of another.
        path = None if kept is None else kept / f"tune-{fingerprint((made_of, space, version()))[:32]}.json"
        tried = random_search(curve, space, trials=trials, seed=seed, path=path, made_of=made_of, on_trial=tell)
        found[name] = model.parameters({**here, **best(tried).values})
    return found
