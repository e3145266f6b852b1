"""`python -m experiments.ml100k.search_ranking --loss softmax`: the search behind the tuned ranking models.

It needs the extra `tune`. Every user's last positive stays out of sight; models are fitted without the last two and
judged on the second-last, on several validation splits that break ties in time differently. The number of epochs is
read off the curve of NDCG over training, mean over the splits, so it costs no trials of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.ml100k.search_als import tasks
from experiments.ml100k.settings import RankingSetting, setting
from mfjax import ranking, recommend
from mfjax.data import datasets
from mfjax.ranking.losses import LOSSES
from mfjax.studies import options as command_line
from mfjax.studies.options import MOST, MOST_SEED, MOST_SPLITS, Checked, option
from mfjax.studies.searches import search, table
from mfjax.studies.task import Task


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Search the settings of a ranking loss on MovieLens-100K by validation NDCG@10, with Parzen estimators."""

    loss: str = option("softmax", "loss to train on", tuple(LOSSES))
    trials: int = option(30, "number of settings to try", least=1, most=MOST)
    splits: int = option(
        2, "validation splits: file order first, then random ties; one fit each", least=1, most=MOST_SPLITS
    )
    epochs: int = option(24, "epochs of every fit", least=1, most=MOST)
    every: int = option(2, "epochs between two measurements", least=1, most=MOST)
    seed: int = option(0, "draws the settings", least=0, most=MOST_SEED)
    shown: int = option(8, "settings to print", least=1, most=MOST)
    data_dir: Path | None = option(
        None, "folder with the MovieLens files; none looks in the cache, then fetches them", place="folder"
    )
    progress: bool = option(True, "show a progress bar")

    def agree(self) -> None:
        """Raise ValueError where nothing would be measured."""
        if self.every > self.epochs:
            raise ValueError(f"every: {self.every} is more than the {self.epochs} epochs; pass a smaller number")


def draw(trial, loss: str) -> dict[str, Any]:
    """Return the numbers of one trial."""
    found = {
        "learning_rate": trial.suggest_float("learning_rate", 0.002, 0.03, log=True),
        "reg": trial.suggest_float("reg", 0.003, 0.6, log=True),
        "reg_negative": trial.suggest_float("reg_negative", 0.001, 0.6, log=True),
        "beta": trial.suggest_float("beta", 0.0, 0.7),
    }
    if loss == "bpr":
        found["draws"] = trial.suggest_categorical("draws", [1, 4, 16])
    return found


def curve(setting: RankingSetting, task: Task, seed: int, every: int) -> list[float]:
    """Return the validation NDCG@10 after every `every` epochs."""
    config, num_epochs, sampler = setting
    values: list[float] = []

    def measure(state: ranking.State, _: ranking.Info) -> None:
        if int(state.step) % (every * ranking.steps_per_epoch(data, config)) == 0:
            scorer = recommend.scorer(ranking.factors(state))
            values.append(task.evaluate(scorer, metrics=("ndcg",)).mean()["ndcg@10"])

    data = ranking.data(task.seen, sampler(task.seen))
    ranking.fit(jax.random.key(seed), data, config, num_epochs=num_epochs, on_epoch=measure)
    return values


def run(options: Options) -> list:
    """Return the trials, best first, and print the best."""
    command_line.begin(options, "optuna")
    validation = tasks(datasets.load("ml-100k", options.data_dir).interactions, options.splits)

    def try_one(trial) -> float:
        chosen = setting(options.loss, num_epochs=options.epochs, **draw(trial, options.loss))
        curves = [curve(chosen, task, seed, options.every) for seed, task in enumerate(validation)]
        mean = np.mean(curves, axis=0)
        trial.set_user_attr("epochs", options.every * (int(mean.argmax()) + 1))
        return float(mean.max())

    found = search(try_one, trials=options.trials, seed=options.seed, progress=options.progress)
    print(table(found[: options.shown], ("epochs", *found[0].params)))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    command_line.main(run, Options, arguments, program="experiments.ml100k.search_ranking")


if __name__ == "__main__":
    main()
