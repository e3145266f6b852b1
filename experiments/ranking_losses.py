"""`python -m experiments.ranking_losses`: the ranking losses from the same start, with the same budget, in pairs.

Every loss trains on as many examples, with as many negatives for each, from the same random factors. Its other settings
are those of `TUNED`. Those of BPR were chosen for the hardest of four draws, here it averages over thirty: it is not at
its best, which is `bpr-tuned`. Differences are paired by user, each user's value its mean over the seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ml100k.settings import NUM_NEGATIVES, TUNED
from mfjax import compilation, ranking
from mfjax.data import datasets
from mfjax.data.splits import TIES, Ties
from mfjax.ranking import sampling
from mfjax.statistics import bootstrap
from mfjax.studies import extras, results
from mfjax.studies import options as command_line
from mfjax.studies.options import MOST, Checked, option
from mfjax.studies.records import Splits, check_lists
from mfjax.studies.study import HEADLINE
from mfjax.studies.task import Task, last_positive, test_task


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Compare ranking losses on MovieLens-100K from the same start and with the same budget."""

    losses: tuple[str, ...] = option(("bpr", "lambdarank"), "losses to compare, separated by commas", tuple(TUNED))
    epochs: int = option(20, "epochs of every loss", least=1, most=MOST)
    seeds: int = option(10, "number of seeds", least=1, most=MOST)
    ties: Ties = option("file-order", "which of a user's positives of equal time is the last", TIES[:-1])
    out: Path | None = option(
        None, "folder for ranking_losses.json; none writes nothing", place="output", writes=("ranking_losses.json",)
    )
    data_dir: Path | None = option(
        None, "folder with the MovieLens files; none looks in the cache, then fetches them", place="folder"
    )
    progress: bool = option(True, "show a progress bar")


KEYS = "start, order and negatives: key(seed), seeds from 0, the same for every loss; bootstrap: key(0)"
_bootstrap = compilation.jit(bootstrap)


def run(options: Options) -> list[dict[str, Any]]:
    """Run the comparison, print its tables, write its results, and return a row per pair and metric."""
    command_line.begin(options)
    dataset = datasets.load("ml-100k", options.data_dir)
    splits = Splits()
    split = last_positive(dataset.interactions, min_rating=4.0, ties=options.ties, key=None)
    task = test_task(splits.add("all", split))
    cases = list(itertools.product(options.losses, range(options.seeds)))
    found: dict[str, list[dict[str, np.ndarray]]] = {loss: [] for loss in options.losses}
    for loss, seed in extras.bar(cases, unit="fit", disable=not options.progress, leave=False):
        found[loss].append(fit(loss, task, seed, options.epochs))
    values = {
        loss: {metric: np.mean([one[metric] for one in seeds], axis=0) for metric in HEADLINE}
        for loss, seeds in found.items()
    }
    lines = [
        ["loss", *HEADLINE],
        *([loss, *(f"{row[m].mean():.4f}" for m in HEADLINE)] for loss, row in values.items()),
    ]
    print(f"{options.epochs} epochs, {NUM_NEGATIVES} negatives an example, {options.seeds} seeds")
    print(f"{results.align(lines)}\n")
    rows = [
        _difference(pair, metric, values) for pair in itertools.combinations(options.losses, 2) for metric in HEADLINE
    ]
    lines = [["pair", "metric", "difference [95 % interval over users]"]]
    for row in rows:
        text = f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"
        lines.append([f"{row['loss']} less {row['other']}", row["metric"], text])
    print(results.align(lines, left=2))
    if options.out is not None:
        recorded, used = command_line.to_json(options), {loss: settings(loss) for loss in options.losses}
        manifest = results.manifest(
            "experiments.ranking_losses", [dataset], splits.checksums, KEYS, recorded, settings=used
        )
        path = results.write_json(options.out / "ranking_losses.json", {"rows": rows, "manifest": manifest})
        print(f"\nwrote {path}")
    return rows


def fit(loss: str, task: Task, seed: int, num_epochs: int) -> dict[str, np.ndarray]:
    """Return the per-user metrics of one loss; the key of the start and of the positives is the seed's alone."""
    config, _, sampler = TUNED[loss]
    # Thirty draws for every loss: what BPR looks at is their mean, and not the hardest few.
    negatives = sampling.popularity(task.seen, num=NUM_NEGATIVES, beta=sampler.keywords["beta"])
    data = ranking.data(task.seen, negatives)
    state = ranking.fit(jax.random.key(seed), data, config, num_epochs=num_epochs)
    found = task.evaluate(ranking.factors(state), metrics=("recall", "ndcg"))
    check_lists(loss, found, task.excluded)
    return found.per_user


def settings(loss: str) -> dict[str, float]:
    """Return the numbers that a loss is trained with, besides those that are options."""
    config, _, sampler = TUNED[loss]
    names = ("dim", "batch_size", "learning_rate", "reg_user", "reg_positive", "reg_negative", "reg_bias", "init_scale")
    numbers = {name: getattr(config, name) for name in names}
    return numbers | {"negatives": NUM_NEGATIVES, "beta": sampler.keywords["beta"]}


def _difference(pair: tuple[str, str], metric: str, values: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    other, loss = pair
    interval = _bootstrap(jax.random.key(0), jnp.asarray(values[loss][metric] - values[other][metric]))
    figures = {"difference": float(interval.mean), "low": float(interval.low), "high": float(interval.high)}
    return {"loss": loss, "other": other, "metric": metric, **figures}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    command_line.main(run, Options, arguments, program="experiments.ranking_losses")


if __name__ == "__main__":
    main()
