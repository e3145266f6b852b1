"""`python -m experiments.ml1m`: a complete study of recommenders on MovieLens-1M, or on any other ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jax

from experiments.ml1m import models, search, tables
from experiments.ml1m.findings import Findings
from experiments.ml1m.models import NAMES, SEARCHED
from mfjax import devices, saving
from mfjax.data import datasets
from mfjax.data.splits import TIES, Ties
from mfjax.recommend import Model
from mfjax.reports import buckets, inspection
from mfjax.search import Trial, best
from mfjax.studies import ablation, config, rerun, results, study
from mfjax.studies import options as command_line
from mfjax.studies.options import MOST, MOST_CORES, MOST_DIM, MOST_LENGTH, MOST_SEED, Checked, option
from mfjax.studies.records import Splits, nothing_seen
from mfjax.studies.study import Outcome
from mfjax.studies.task import Task, last_ratings, positive_task
from mfjax.types import Factors


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """A study on MovieLens-1M: baselines, factor models, a search, behaviour by activity, similar items, saved models.

    Each user's last five ratings by time are hidden, the one before is for validation. Models are fitted on the
    positives of the rest, rank all items that have one except what the user rated in train, and are judged by the
    ranks of the hidden positives.
    """

    dataset: str = option("ml-1m", "ml-1m, ml-100k, or the path of any ratings folder or file")
    models: tuple[str, ...] = option(NAMES, "models to run, separated by commas", NAMES)
    seeds: int = option(
        3,
        "number of seeds; each draws its own start, and its own split with --ties random",
        least=1,
        most=MOST,
    )
    first_seed: int = option(0, "the first seed; the others follow it", least=0, most=MOST_SEED)
    trials: int = option(
        30,
        "settings to try on validation for als-tuned and als-recent; 0 takes the recorded ones",
        least=0,
        most=MOST,
    )
    ties: Ties = option("file-order", "which of a user's ratings of equal time is the last", TIES)
    min_rating: float = option(4.0, "the least rating that counts as a positive")
    k: tuple[int, ...] = option(
        (1, 5, 10, 20),
        "lengths of the recommended list, separated by commas; 10 is added",
        least=1,
        most=MOST_LENGTH,
    )
    dim: int | None = option(
        None, "number of factors of every factor model; none takes each model's own", least=1, most=MOST_DIM
    )
    compare: tuple[str, ...] = option((), "models to compare in pairs, separated by commas", NAMES)
    inspect: str = option("als", "the model that --user, --similar and --explain ask", NAMES)
    user: str | None = option(None, "raw id of a user whose history and recommendations are printed")
    similar: str | None = option(None, "title of an item whose nearest items are printed")
    explain: bool = option(False, "print which items of the user speak for each recommendation")
    out: Path | None = option(
        None,
        "folder for results, models, plots and report.html; none writes nothing",
        place="output",
        writes=("results.json", "per_user.npz", "report.html"),
    )
    data_dir: Path | None = option(
        None, "folder with the MovieLens files; none looks in the cache, then fetches them", place="folder"
    )
    cores: int | None = option(None, "CPU cores that ALS uses; none takes all", least=1, most=MOST_CORES)
    progress: bool = option(True, "show a progress bar")
    timings: bool = option(True, "take the seconds of fits")
    config: Path | None = option(None, "file with options: .toml, or the results.json of a run to repeat", place="file")

    def agree(self) -> None:
        """Raise ValueError for questions that no model answers."""
        if self.explain and self.user is None:
            raise ValueError("explain: needs a user whose recommendations to explain; pass --user too")
        if (self.user or self.similar) and self.inspect not in self.models:
            raise ValueError(f"inspect: {self.inspect} is not among --models; add it, or pass one of them")


def run(options: Options) -> Findings:
    """Run the study, print its tables, write what --out asks for, and return what was found."""
    command_line.begin(options, *_modules(options))
    # The cores are those that there are: last bits of ALS depend on their number, so a run that repeats this one asks.
    options = replace(options, k=tuple(sorted({*options.k, 10})), cores=jax.device_count())
    repeated = options.config if config.is_manifest(options.config) else None
    dataset = datasets.load(options.dataset, options.data_dir)
    if repeated is not None:
        rerun.check_data(repeated, dataset.checksum)
    splits = Splits()

    @cache
    def tasks_of_ties(seed: int | None) -> tuple[Task, Task, str]:
        key = None if seed is None else study.split_key(seed)
        split = last_ratings(dataset.interactions, ties=options.ties, key=key)
        splits.add("all" if seed is None else str(seed), split)
        test, validation = (
            positive_task(split, part, min_rating=options.min_rating) for part in (split.test, split.validation)
        )
        return test, validation, tables.sizes(dataset, split, test)

    def tasks_of(seed: int) -> tuple[Task, Task, str]:
        return tasks_of_ties(seed if options.ties == "random" else None)

    seeds = range(options.first_seed, options.first_seed + options.seeds)
    task, validation, sizes = tasks_of(options.first_seed)
    print(f"{sizes}\n")
    words: dict[str, Any] = {"user": options.user, "similar": options.similar, "explain": options.explain}
    inspection.check(dataset, task, models.catalogue({})[options.inspect], options.inspect, **words)
    searches = _search(options, validation)
    sections = [search.section(name, trials) for name, trials in searches.items()]
    catalogue = models.catalogue({name: best(trials).values for name, trials in searches.items()})
    fitted: dict[str, Any] = {"cutoffs": options.k, "dim": options.dim, "progress": options.progress}
    fitted["metrics"] = tables.MEASURED
    outcomes = study.run(options.models, seeds, lambda seed: tasks_of(seed)[0], catalogue=catalogue, **fitted)
    measured = [tables.values(outcome, dataset, timings=options.timings) for outcome in outcomes]
    rows, found = study.rows(measured), buckets.measure(measured, buckets.activity(task), "recall@10")
    sections = [*tables.models(rows, options.k, options.seeds), buckets.section(found), *sections]
    if len(compared := [one for one in measured if one.model in options.compare]) > 1:
        sections.append(tables.comparison(compared))
    asked = next((outcome for outcome in outcomes if outcome.model == options.inspect), None)
    if asked is not None:
        sections += inspection.sections(dataset, task, catalogue[asked.model], asked, **words)
    for section in sections:
        print(section.text())
    print(f"{nothing_seen(outcomes, catalogue, [tasks_of(seed)[0] for seed in seeds])}\n")
    if repeated is not None:
        rows = rerun.with_recorded_seconds(rows, repeated)
        print(f"{rerun.verdict(rows, repeated)}\n")
    whole = Findings(
        dataset=dataset,
        task=task,
        validation=validation,
        catalogue=catalogue,
        outcomes=outcomes,
        values=measured,
        rows=rows,
        buckets=found,
        searches=searches,
        sections=sections,
        sizes=sizes,
    )
    if options.out is not None:
        keys = f"{study.KEYS}; {search.KEYS}" if searches else study.KEYS
        recorded = command_line.to_json(options)
        manifest = results.manifest("experiments.ml1m", [dataset], splits.checksums, keys, recorded)
        _write(options.out, whole, manifest, seeds)
    return whole


def _search(options: Options, validation: Task) -> dict[str, list[Trial]]:
    common: dict[str, Any] = {"trials": options.trials, "seed": options.first_seed, "dim": options.dim}
    common |= {"folder": options.out, "progress": options.progress}
    names = [name for name in options.models if options.trials and name in SEARCHED]
    return {name: search.search(name, validation, **common) for name in names}


def _write(folder: Path, found: Findings, manifest: Mapping[str, Any], seeds: Sequence[int]) -> None:
    from experiments.ml1m import report  # matplotlib is slow to import

    document = {
        "rows": [asdict(row) for row in found.rows],
        "buckets": [asdict(bucket) for bucket in found.buckets],
        "settings": {name: best(trials).values for name, trials in found.searches.items()},
        "manifest": manifest,
    }
    results.write_json(folder / "results.json", document)
    ablation.write_per_user(folder / "per_user.npz", found.values, seeds, found.dataset.interactions)
    for outcome in found.outcomes:
        if isinstance(outcome.fitted[0], Factors):
            saving.save(folder / "models" / f"{outcome.model}.mfjax", model(found, outcome, manifest))
    page = report.write(folder, found, manifest)
    print(f"wrote results.json, per_user.npz, models and plots in {folder}, and {page}")


def model(found: Findings, outcome: Outcome, manifest: Mapping[str, Any]) -> Model:
    """Return the factors of a model's first seed with all that is needed to use them from raw ids.

    Raises:
        ValueError: for a model without factors.
    """
    if not isinstance(outcome.fitted[0], Factors):
        raise ValueError(f"outcome: {outcome.model} has no factors to save; pass such as als")
    users, items = found.dataset.interactions.user_vocabulary, found.dataset.interactions.item_vocabulary
    assert users is not None and items is not None
    described = found.catalogue[outcome.model]
    return Model(
        factors=outcome.fitted[0],
        user_vocabulary=users,
        item_vocabulary=items,
        seen=found.task.exclude,
        objective=described.about,
        config=described.config,
        manifest=manifest,
    )


def _modules(options: Options) -> list[str]:
    searched = options.trials and set(options.models) & SEARCHED.keys()
    return (["matplotlib"] if options.out is not None else []) + (["optuna"] if searched else [])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    command_line.main(devices.on_cores(run), Options, arguments, program="experiments.ml1m")
