"""`python -m experiments.ml100k`: a table of recommenders on MovieLens-100K."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from experiments import options as command_line
from experiments import results, study
from experiments.models import MODELS
from experiments.options import option
from experiments.task import Task, last_positive, test_task
from mfjax.data import movielens
from mfjax.data.leaks import check_no_leak
from mfjax.data.splits import TIES


@dataclass(frozen=True, kw_only=True)
class Options:
    """Compare recommenders on MovieLens-100K: each user's last positive rating is hidden and has to be found.

    Positives are ratings of at least --min-rating. Models are fitted on all positives but the last of every user,
    rank all items that have one except the user's own, and are judged by the rank of the hidden item.
    """

    models: tuple[str, ...] = option(tuple(MODELS), "models to run, separated by commas", tuple(MODELS))
    seeds: int = option(3, "number of seeds; each draws its own start, and its own split with --ties random")
    first_seed: int = option(0, "the first seed; the others follow it")
    ties: str = option("file-order", "which of a user's positives of equal time is the last", TIES)
    min_rating: float = option(4.0, "the least rating that counts as a positive")
    k: tuple[int, ...] = option((10,), "lengths of the recommended list, separated by commas")
    dim: int | None = option(None, "number of factors of every factor model; none takes each model's own")
    out: Path | None = option(None, "folder for results.json; none writes nothing")
    data_dir: Path | None = option(None, "folder with the MovieLens files; none looks in the cache, then fetches them")
    progress: bool = option(True, "show a progress bar")


def run(options: Options) -> list[results.Row]:
    """Run the experiment, print its table, write its results, and return its rows."""
    _check(options)
    dataset = movielens.load("ml-100k", options.data_dir)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    splits = {}

    @cache
    def task_of_ties(seed: int | None) -> Task:
        key = None if seed is None else study.split_key(seed)
        split = last_positive(dataset.interactions, min_rating=options.min_rating, ties=options.ties, key=key)
        check_no_leak(split)
        splits["all" if seed is None else str(seed)] = split.checksum()
        return test_task(split)

    def task_of(seed: int) -> Task:
        return task_of_ties(seed if options.ties == "random" else None)

    outcomes = study.run(options.models, seeds, task_of, cutoffs=options.k, dim=options.dim, progress=options.progress)
    rows = study.rows(outcomes)
    task = task_of(options.first_seed)
    print(
        f"MovieLens-100K: {len(task.train):,} train positives, {rows[0].users} users with one hidden positive each, "
        f"{int(task.candidates.sum()):,} items; ties: {options.ties}; mean over {options.seeds} seeds "
        "[95 % interval over users]\n"
    )
    shown = [f"{metric}@{k}" for k in options.k for metric in ("recall", "ndcg")]
    print(results.table(rows, shown))
    if options.out is not None:
        manifest = results.manifest("experiments.ml100k", dataset, splits, study.KEYS, command_line.to_json(options))
        print(f"\nwrote {results.write(options.out, rows, manifest)}")
    return rows


def _check(options: Options) -> None:
    if options.seeds < 1:
        raise ValueError(f"seeds: {options.seeds} is below 1; pass a number of seeds")
    if not options.k or min(options.k) < 1:
        raise ValueError(f"k: {options.k} has no length, or one below 1; pass such as 10 or 5,10,20")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    try:
        run(command_line.parse(Options, arguments, program="experiments.ml100k"))
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
