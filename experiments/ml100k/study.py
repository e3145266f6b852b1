"""`python -m experiments.ml100k`: a table of recommenders on MovieLens-100K."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jax

from experiments.ml100k.models import FAMILIES, MODELS
from mfjax import devices
from mfjax.data import datasets
from mfjax.data.splits import TIES, Ties
from mfjax.studies import ablation, config, rerun, results, study, tuning
from mfjax.studies import options as command_line
from mfjax.studies.families import Parameters
from mfjax.studies.options import MOST, MOST_CORES, MOST_DIM, MOST_LENGTH, MOST_SEED, Checked, option
from mfjax.studies.records import Splits, nothing_seen
from mfjax.studies.task import Task, last_positive, test_task


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Compare recommenders on MovieLens-100K: each user's last positive rating is hidden and has to be found.

    Positives are ratings of at least --min-rating. Models are fitted on all positives but the last of every user,
    rank all items that have one except the user's own, and are judged by the rank of the hidden item.
    """

    models: tuple[str, ...] = option(
        tuple(name for name, model in MODELS.items() if not model.slow),
        f"models to run, separated by commas, of {', '.join(MODELS)}",
        tuple(MODELS),
    )
    seeds: int = option(
        3,
        "number of seeds; each draws its own start, and its own split with --ties random",
        least=1,
        most=MOST,
    )
    first_seed: int = option(0, "the first seed; the others follow it", least=0, most=MOST_SEED)
    ties: Ties = option("file-order", "which of a user's positives of equal time is the last", TIES)
    min_rating: float = option(4.0, "the least rating that counts as a positive")
    k: tuple[int, ...] = option(
        (10,), "lengths of the recommended list, separated by commas", least=1, most=MOST_LENGTH
    )
    dim: int | None = option(
        None, "number of factors of every factor model; none takes each model's own", least=1, most=MOST_DIM
    )
    out: Path | None = option(
        None, "folder for results.json; none writes nothing", place="output", writes=("results.json",)
    )
    data_dir: Path | None = option(
        None, "folder with the MovieLens files; none looks in the cache, then fetches them", place="folder"
    )
    cores: int | None = option(None, "CPU cores that ALS uses, sweeps apart; none takes all", least=1, most=MOST_CORES)
    progress: bool = option(True, "show a progress bar")
    sweep: tuple[str, ...] = option(
        (), "parameters to vary instead of fitting --models, such as als.reg=0.01,0.1,1 als.alpha=1,10,40", words=True
    )
    compare: tuple[str, ...] = option(
        (), "models to fit instead of --models and to compare in pairs, every swept setting for itself", tuple(MODELS)
    )
    tune: int = option(
        0,
        "settings to try on validation for every model that has a search space; the best is added",
        least=0,
        most=MOST,
    )
    tune_method: str = option("random", "how --tune searches; tpe needs the extra of that name", tuning.METHOD_NAMES)
    timings: bool = option(True, "take the seconds of fits; never taken with --sweep or --tune")
    config: Path | None = option(None, "file with options: .toml, or the results.json of a run to repeat", place="file")

    def agree(self) -> None:
        """Raise ValueError for a sweep that can not be read, or a search that has nothing to search or would peek."""
        ablation.parse(self.sweep, FAMILIES)
        if not self.tune:
            return
        if self.ties == "random":
            raise ValueError("tune: with --ties random what one seed hides another trains on; pass another rule")
        searched = [name for name in self.names() if name in FAMILIES]
        if not searched:
            raise ValueError(f"tune: none of the models has a search space; choose from {', '.join(FAMILIES)}")
        if self.tune_method == "gradient":
            for name in searched:
                tuning.check_gradient(name, FAMILIES[name])

    def names(self) -> tuple[str, ...]:
        """Return the models that are fitted with their own settings."""
        axes = ablation.parse(self.sweep, FAMILIES)
        return tuple(name for name in (self.compare if axes or self.compare else self.models) if name not in axes)


def run(options: Options) -> list[results.Row]:
    """Run the experiment, print its table, write its results, and return its rows."""
    command_line.begin(options, *_modules(options))
    # The cores are those that there are: last bits of ALS depend on their number, so a run that repeats this one asks.
    options = replace(options, cores=jax.device_count())
    axes = ablation.parse(options.sweep, FAMILIES)
    repeated = options.config if config.is_manifest(options.config) else None
    dataset = datasets.load("ml-100k", options.data_dir)
    if repeated is not None:
        rerun.check_data(repeated, dataset.checksum)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    splits = Splits()

    @cache
    def task_of_ties(seed: int | None) -> Task:
        key = None if seed is None else study.split_key(seed)
        split = last_positive(dataset.interactions, min_rating=options.min_rating, ties=options.ties, key=key)
        return test_task(splits.add("all" if seed is None else str(seed), split))

    def task_of(seed: int) -> Task:
        return task_of_ties(seed if options.ties == "random" else None)

    for seed in seeds:
        task_of(seed)  # a split that can not be had ends the run here
    chosen = {name: _tune(name, options, task_of) for name in options.names() if options.tune and name in FAMILIES}
    measured = _measure(options, axes, chosen, seeds, task_of)
    rows = study.rows(measured)
    task = task_of(options.first_seed)
    print(
        f"MovieLens-100K: {len(task.train):,} train positives, {rows[0].users} users with one hidden positive each, "
        f"{int(task.candidates.sum()):,} items; ties: {options.ties}; mean over {options.seeds} seeds "
        "[95 % interval over users]\n"
    )
    shown = [f"{metric}@{k}" for k in options.k for metric in ("recall", "ndcg")]
    print(results.table(rows, shown))
    compared = [one for one in measured if ablation.model_of(one.model) in options.compare]
    comparisons = ablation.compare(compared, shown) if len(compared) > 1 else []
    if comparisons:
        print(f"\nPaired t tests over users, Holm over {len(comparisons)} pairs and metrics, level .05:\n")
        print(ablation.table(compared, comparisons, shown))
    if repeated is not None:
        rows = rerun.with_recorded_seconds(rows, repeated)
        print(f"\n{rerun.verdict(rows, repeated)}")
    if options.out is not None:
        if axes:
            ablation.write_per_user(options.out / "per_user.npz", measured, seeds, dataset.interactions)
            _draw(axes, rows, shown[1], options.out)
        if comparisons:
            results.write_json(
                options.out / "comparisons.json", {"comparisons": [one._asdict() for one in comparisons]}
            )
        keys = f"{study.KEYS}; {tuning.KEYS}" if chosen else study.KEYS
        recorded = command_line.to_json(options)
        manifest = results.manifest("experiments.ml100k", [dataset], splits.checksums, keys, recorded, settings=chosen)
        print(f"\nwrote {results.write(options.out, rows, manifest)}")
    return rows


def _measure(
    options: Options,
    axes: ablation.Axes,
    chosen: Mapping[str, Parameters],
    seeds: range,
    task_of: Callable[[int], Task],
) -> list[study.Values]:
    """Fit and measure what was asked for: the settings of a sweep first, then those that a search has chosen."""
    common: dict[str, Any] = {"cutoffs": options.k, "dim": options.dim, "progress": options.progress}
    folder = None if options.out is None else options.out / "cells"
    swept = ablation.run(axes, seeds, task_of, families=FAMILIES, folder=folder, **common)
    tuned = [
        values
        for name, parameters in chosen.items()
        for values in ablation.run_points(name, FAMILIES[name], [parameters], seeds, task_of, folder=folder, **common)
    ]
    fitted = study.run(options.names(), seeds, task_of, catalogue=MODELS, **common)
    nothing_seen(fitted, MODELS, [task_of(seed) for seed in seeds])
    timings = options.timings and not axes and not options.tune
    return swept + tuned + [study.values(outcome, timings=timings) for outcome in fitted]


def _draw(axes: ablation.Axes, rows: Sequence[results.Row], metric: str, folder: Path) -> None:
    """Write `sweep-MODEL.png` of one metric for every swept model."""
    from mfjax.reports import plots_sweep  # matplotlib takes half a second to import

    for model, of_model in axes.items():
        plots_sweep.draw(model, of_model, rows, metric, folder / f"sweep-{model}.png")


def _modules(options: Options) -> list[str]:
    drawn = ["matplotlib"] if options.sweep and options.out is not None else []
    return drawn + (["optuna"] if options.tune and options.tune_method == "tpe" else [])


def _tune(name: str, options: Options, task_of: Callable[[int], Task]) -> Parameters:
    return tuning.run(
        name,
        FAMILIES[name],
        task_of(options.first_seed).train,
        trials=options.tune,
        method=options.tune_method,
        seed=options.first_seed,
        fixed=FAMILIES[name].fixed(options.dim),
        folder=options.out,
        progress=options.progress,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    command_line.main(devices.on_cores(run), Options, arguments, program="experiments.ml100k")
