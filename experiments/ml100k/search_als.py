"""`python -m experiments.ml100k.search_als`: the search behind `als-tuned`, on validation only (extra `tune`).

Every user's last positive stays out of sight; models are fitted without the last two and judged on the second-last.
Many positives share one second, so a setting is judged on three validation splits that break those ties differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from mfjax import als
from mfjax.als import objectives
from mfjax.data import datasets
from mfjax.studies import options as command_line
from mfjax.studies import study, unsolved
from mfjax.studies.models import fit_als
from mfjax.studies.options import MOST, MOST_SEED, MOST_SPLITS, Checked, option
from mfjax.studies.records import Splits
from mfjax.studies.searches import search, table
from mfjax.studies.task import Task, last_positive, validation_task
from mfjax.types import Interactions


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Search the settings of iALS on MovieLens-100K by validation NDCG@10, with tree-structured Parzen estimators."""

    trials: int = option(160, "number of settings to try", least=1, most=MOST)
    splits: int = option(
        3, "validation splits: file order first, then random ties; one fit each", least=1, most=MOST_SPLITS
    )
    seed: int = option(0, "draws the settings", least=0, most=MOST_SEED)
    shown: int = option(10, "settings to print", least=1, most=MOST)
    data_dir: Path | None = option(
        None, "folder with the MovieLens files; none looks in the cache, then fetches them", place="folder"
    )


def tasks(ratings: Interactions, count: int) -> list[Task]:
    """Return the validation tasks."""
    return [
        validation_task(Splits().add(ties, last_positive(ratings, min_rating=4.0, ties=ties, key=key, validation=1)))
        for ties, key in study.tie_rules(count)
    ]


def draw(trial, task: Task) -> tuple[als.Config, int]:
    """Return the setting of one trial, and its number of steps.

    reg is drawn as the strength lambda n^nu at the mean history, so that it means the same for every exponent.
    """
    weight = trial.suggest_float("unobserved_weight", 0.05, 1.5, log=True)
    strength = trial.suggest_float("strength", 0.5, 20.0, log=True)
    exponent = trial.suggest_float("reg_exponent", 0.0, 1.0)
    popularity = trial.suggest_float("popularity_exponent", 0.0, 0.8)
    users = np.count_nonzero(task.train.user_counts())
    config = als.Config(
        objective=objectives.ials(unobserved_weight=weight, popularity_exponent=popularity),
        reg=strength / (len(task.train) / users + weight * task.train.num_items) ** exponent,
        reg_exponent=exponent,
        dim=trial.suggest_categorical("dim", [64, 128, 192]),
    )
    return config, trial.suggest_int("num_steps", 6, 20)


def score(config: als.Config, num_steps: int, tasks: Sequence[Task]) -> float:
    """Return the validation NDCG@10, mean over the splits."""
    found = []
    for seed, task in enumerate(tasks):
        with unsolved.no_news():
            scorer = fit_als(config, num_steps)(jax.random.key(seed), task, None)
        found.append(task.evaluate(scorer, metrics=("ndcg",)).mean()["ndcg@10"])
    return float(np.mean(found))


def run(options: Options) -> list:
    """Return the trials, best first, and print the best."""
    command_line.begin(options, "tqdm", "optuna")
    validation = tasks(datasets.load("ml-100k", options.data_dir).interactions, options.splits)

    def try_one(trial) -> float:
        config, num_steps = draw(trial, validation[0])
        trial.set_user_attr("reg", float(config.reg))
        return score(config, num_steps, validation)

    found = search(try_one, trials=options.trials, seed=options.seed)
    names = ("reg", "dim", "unobserved_weight", "reg_exponent", "popularity_exponent", "num_steps")
    print(table(found[: options.shown], names))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    command_line.main(run, Options, arguments, program="experiments.ml100k.search_als")


if __name__ == "__main__":
    main()
