"""`python -m experiments.explicit_ml100k`: a table of rating predictors on MovieLens-100K."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax

from experiments.explicit_ml100k.models import OWN, PEERS, RATING_MODELS
from mfjax.data import datasets
from mfjax.data.splits import TIES, Ties
from mfjax.studies import options as command_line
from mfjax.studies import results
from mfjax.studies.options import MOST, MOST_SEED, Checked, option
from mfjax.studies.rating_study import run as run_study
from mfjax.studies.rating_task import RatingTask, folds, time_split
from mfjax.types import Interactions

PROTOCOLS = ("time", "folds")
KEYS = (
    "model: fold_in(key(seed), crc32(name)); folds, and their validation parts: split(key(fold_seed)); "
    "choice of settings: key(0), key(1), key(2); bootstrap: key(0)"
)


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Predict the ratings of MovieLens-100K and compare the errors, under two protocols.

    time: the first 80,000 ratings by one clock train; the later ratings of users with at least 10 of them are
    predicted (test "time"), and those of them whose item has a train rating ("time-known").
    folds: cross-validation over random folds of all ratings.

    Settings that are not published ones are chosen on ratings held out of the train part, never on a test rating.
    """

    models: tuple[str, ...] = option(OWN, "models to run, separated by commas", tuple(RATING_MODELS))
    peers: bool = option(False, f"run {', '.join(PEERS)} too; needs pip install 'mfjax[peers]'")
    protocols: tuple[str, ...] = option(PROTOCOLS, "protocols, separated by commas", PROTOCOLS)
    seeds: int = option(3, "number of seeds; each draws its own start", least=1, most=MOST)
    first_seed: int = option(0, "the first seed; the others follow it", least=0, most=MOST_SEED)
    folds: int = option(5, "number of folds", least=2, most=1000)
    fold_seed: int = option(0, "draws the folds", least=0, most=MOST_SEED)
    train: int = option(80_000, "train ratings of the protocol time", least=4, most=2**31 - 1)
    ties: Ties = option("reverse", "which of the ratings of equal time come first in the protocol time", TIES[:-1])
    clip: bool = option(True, "move predictions into the range of the train ratings")
    out: Path | None = option(
        None,
        "folder for results.json and convergence.png; none writes nothing",
        place="output",
        writes=("results.json", "convergence.png"),
    )
    plot: bool = option(True, "with --out, plot the loss of every ALS by iteration")
    data_dir: Path | None = option(
        None, "folder with the MovieLens files; none looks in the cache, then fetches them", place="folder"
    )
    progress: bool = option(True, "show a progress bar")

    def names(self) -> tuple[str, ...]:
        """Return the models to run."""
        return tuple(dict.fromkeys((*self.models, *(PEERS if self.peers else ()))))


def run(options: Options) -> list[results.Row]:
    """Run the experiment, print its tables, write its results and plot, and return its rows."""
    command_line.begin(options, *_modules(options))
    dataset = datasets.load("ml-100k", options.data_dir)
    names = options.names()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows: list[results.Row] = []
    splits: dict[str, str] = {}
    chosen: dict[str, list[str]] = {}
    # All of them before the first fit: a protocol that can not be had ends the run at once.
    cut = {protocol: tasks_of(protocol, dataset.interactions, options) for protocol in options.protocols}
    for protocol, tasks in cut.items():
        found = run_study(names, tasks, seeds, catalogue=RATING_MODELS, clip=options.clip, progress=options.progress)
        rows += found
        splits |= {f"{protocol} {index}": task.checksum() for index, task in enumerate(tasks)}
        print(_heading(protocol, tasks, options))
        tests = list(tasks[0].tests)
        print(results.table(found, [f"train-rmse@{tests[0]}", *(f"rmse@{test}" for test in tests)]))
        for name in names:
            if settings := _chosen(name, tasks):
                chosen[f"{protocol} {name}"] = settings
                times = Counter(settings)
                shown = [f"{each} ({n} of {len(tasks)})" if len(tasks) > 1 else each for each, n in times.items()]
                print(f"{name}, chosen on validation: {'; '.join(shown)}")
        print()
    if options.out is not None:
        recorded = command_line.to_json(options)
        manifest = results.manifest("experiments.explicit_ml100k", [dataset], splits, KEYS, recorded)
        print(f"wrote {results.write(options.out, rows, manifest | {'chosen': chosen})}")
    if options.out is not None and options.plot:
        (task,) = cut.get("time") or tasks_of("time", dataset.interactions, options)
        print(f"wrote {_plot(task, options.out)}")
    return rows


def tasks_of(protocol: str, ratings: Interactions, options: Options) -> tuple[RatingTask, ...]:
    """Return the splits of a protocol."""
    if protocol == "time":
        return (time_split(ratings, train=options.train, ties=options.ties),)
    return folds(jax.random.key(options.fold_seed), ratings, options.folds)


def _chosen(name: str, tasks: Sequence[RatingTask]) -> list[str]:
    """Return the settings that validation preferred, one per split; empty if there is no choice."""
    chosen = RATING_MODELS[name].chosen
    return [] if chosen is None else [chosen(task) for task in tasks]


def _heading(protocol: str, tasks: Sequence[RatingTask], options: Options) -> str:
    train = tasks[0].train.ratings
    tests = ", ".join(
        f"{sum(map(len, parts)):,} ratings ({name})"
        for name in tasks[0].tests
        if (parts := [task.tests[name] for task in tasks])
    )
    return (
        f"MovieLens-100K, {protocol}: train {len(train):,} ratings of {(train.user_counts() > 0).sum()} users"
        f"{f' in each of {len(tasks)} folds' if len(tasks) > 1 else ''}, predict {tests}; "
        f"predictions {'clipped' if options.clip else 'as they are'}; mean over {options.seeds} seeds "
        "[95 % interval over users; of train-rmse: over seeds]\n"
    )


def _plot(task: RatingTask, folder: Path) -> Path:
    from experiments.explicit_ml100k import curves  # matplotlib is slow to import

    losses = curves.losses(jax.random.key(0), task)
    curves.draw(losses, folder / "convergence.png")
    return folder / "convergence.png"


def _modules(options: Options) -> list[str]:
    drawn = ["matplotlib"] if options.plot and options.out is not None else []
    return drawn + (["surprise"] if set(options.names()) & set(PEERS) else [])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    command_line.main(run, Options, arguments, program="experiments.explicit_ml100k")
