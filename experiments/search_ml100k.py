"""`python -m experiments.search_ml100k`: the random search behind `als-tuned`, on validation only.

Every user's last positive stays out of sight; models are fitted without the last two and judged on the second-last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from experiments import options as command_line
from experiments.models import fit_als
from experiments.options import option
from experiments.results import align
from experiments.task import Task, last_positive, validation_task
from mfjax import als, objectives
from mfjax.data import movielens
from mfjax.data.splits import host_rng
from mfjax.evaluate import evaluate


@dataclass(frozen=True, kw_only=True)
class Options:
    """Search the settings of iALS on MovieLens-100K by validation NDCG@10."""

    trials: int = option(150, "number of settings to draw")
    seeds: int = option(3, "fits a setting, whose mean decides")
    seed: int = option(0, "draws the settings")
    shown: int = option(10, "settings to print")
    data_dir: Path | None = option(None, "folder with the MovieLens files; none looks in the cache, then fetches them")


@dataclass(frozen=True)
class Setting:
    """One point of the space: dim in {64, 128}, w0 in .05 .. 1 and reg in .5 .. 20 (log-uniform), steps in 8 .. 24."""

    dim: int
    unobserved_weight: float
    reg: float
    num_steps: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Setting:
        weight, reg = np.exp(rng.uniform(np.log([0.05, 0.5]), np.log([1.0, 20.0])))
        return cls(int(rng.choice([64, 128])), round(float(weight), 3), round(float(reg), 2), int(rng.integers(8, 25)))

    def score(self, task: Task, seeds: int) -> float:
        """Return the validation NDCG@10, mean over seeds."""
        config = als.Config(
            objective=objectives.ials(unobserved_weight=self.unobserved_weight),
            reg=self.reg, reg_exponent=0.0, dim=self.dim,
        )  # fmt: skip
        fit = fit_als(config, self.num_steps)
        found = []
        for seed in range(seeds):
            scorer = fit(jax.random.key(seed), task, None)
            measured = evaluate(
                scorer, task.targets, exclude=task.exclude, candidates=task.candidates, metrics=("ndcg",)
            )
            found.append(measured.mean()["ndcg@10"])
        return float(np.mean(found))


def run(options: Options) -> list[tuple[float, Setting]]:
    """Return every setting with its validation NDCG@10, best first, and print the best."""
    ratings = movielens.load("ml-100k", options.data_dir).interactions
    task = validation_task(last_positive(ratings, min_rating=4.0, ties="file-order", key=None, validation=1))
    rng = host_rng(jax.random.key(options.seed))
    settings = [Setting.draw(rng) for _ in range(options.trials)]
    scored = [(setting.score(task, options.seeds), setting) for setting in tqdm(settings, unit="setting", leave=False)]
    scored.sort(key=lambda pair: -pair[0])
    lines = [["dim", "w0", "reg", "steps", "validation NDCG@10"]]
    for score, setting in scored[: options.shown]:
        numbers = (setting.dim, setting.unobserved_weight, setting.reg, setting.num_steps)
        lines.append([*map(str, numbers), f"{score:.4f}"])
    print(align(lines))
    return scored


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    run(command_line.parse(Options, arguments, program="experiments.search_ml100k"))


if __name__ == "__main__":
    main()
