"""`python -m experiments.bpr`: what each choice in training BPR is worth, one at a time.

Milogradskii et al. (2024), Revisiting BPR: open-source implementations of BPR differ in choices that papers leave out,
and in their results by half. Here each choice is turned alone, all others as in the first row, and the difference is
paired by user: the penalties of users, positives and negatives, the bias of items, the optimiser, the examples a step,
and the negatives. Judged on the validation part of MovieLens-1M or of Gowalla; nothing was tuned for the rows but the
first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import optax

from experiments.ranking_losses import difference
from mfjax import ranking
from mfjax.data import datasets
from mfjax.data.published.datasets import Dataset
from mfjax.histories import Ragged
from mfjax.ranking import Sampler, sampling
from mfjax.reports import study_tables
from mfjax.reports.command import Options as StudyOptions
from mfjax.reports.command import Studied
from mfjax.reports.sections import Section
from mfjax.studies import MODELS as GENERAL
from mfjax.studies import Model, command_line
from mfjax.studies.by_gradients import hard_config, hard_draws, hard_sampler, shared_by_popularity
from mfjax.studies.fitting import ranked
from mfjax.studies.model import Parameters
from mfjax.studies.options import MOST, Place, Within
from mfjax.studies.task import Task
from mfjax.studies.tasks import Tasks
from mfjax.types import Interactions, Key

HIDDEN = {"ml-1m": 1.0, "gowalla": 0.1}
"""Data set -> what of train is held out for validation, by which rows are judged: rows a user, or a share."""


def turned(
    about: str,
    config: Callable[[ranking.Config, Parameters], ranking.Config] = lambda config, parameters: config,
    sampler: Callable[[Parameters, Ragged], Sampler] = hard_sampler,
    **defaults: float,
) -> Model:
    """Return BPR with a choice of its own: other fields of its config, other negatives, or other defaults."""

    def make(parameters: Parameters, task: Task) -> ranking.Config:
        return config(hard_config(parameters, task), parameters)

    found = ranked(make, sampler, GENERAL["bpr-hard"].defaults, about=about)
    return replace(found, defaults=found.parameters(defaults), shares_key=True)


def _with(**fields: Any) -> Callable[[ranking.Config, Parameters], ranking.Config]:
    return lambda config, parameters: replace(config, **fields)


def _all_shared(parameters: Parameters, positives: Ragged) -> Sampler:
    draws = parameters["draws"] or hard_draws(positives, parameters["kept"])
    return shared_by_popularity(positives, draws, parameters["beta"])


def _false_kept(parameters: Parameters, positives: Ragged) -> Sampler:
    return sampling.hard(_all_shared(parameters, positives), num=parameters["kept"])


def _uniform(num: int) -> Callable[[Parameters, Ragged], Sampler]:
    return lambda parameters, positives: sampling.uniform(positives, num=num)


MODELS: dict[str, Model] = {
    "base": turned("the 16 hardest negatives, one penalty, item biases, Adam with a falling rate"),
    "no-penalty": turned("no penalty", reg=0.0),
    "penalty-x3": turned("three times the penalty", reg=3 * GENERAL["bpr-hard"].defaults["reg"]),
    "users-free": turned("no penalty of users", _with(reg_user=0.0)),
    "positives-free": turned("no penalty of positive items", _with(reg_positive=0.0)),
    "negatives-free": turned("no penalty of negative items", _with(reg_negative=0.0)),
    "biases-penalised": turned("the penalty of biases too", lambda config, p: replace(config, reg_bias=p["reg"])),
    "no-biases": turned("no item biases", _with(biases=False)),
    "constant-rate": turned("Adam, the rate does not fall", _with(optimizer=optax.adam(1.0))),
    "touched-rows": turned("Adam moves the rows that a batch touches alone", _with(dense_updates=False)),
    "adagrad": turned("Adagrad", _with(optimizer=optax.adagrad(1.0)), learning_rate=0.05),
    "sgd": turned("plain stochastic gradient descent", _with(optimizer=None, dense_updates=False), learning_rate=0.05),
    "batch-4096": turned("4,096 examples a step", batch=4096),
    "one-uniform": turned("one uniform negative an example", sampler=_uniform(1)),
    "16-uniform": turned("16 uniform negatives an example", sampler=_uniform(16)),
    "all-draws": turned("all of the draws, not the hardest 16", sampler=_all_shared),
    "popular": turned("negatives by popularity itself", beta=1.0),
    "uniform": turned("the hardest of uniform negatives", beta=0.0),
    "false-kept": turned("what the user has taken stays among the negatives", sampler=_false_kept),
}
"""Row of the table -> BPR with this choice."""


@dataclass(frozen=True)
class Options(StudyOptions):
    """Train BPR with one choice after the other turned, and say what each is worth.

    Example: python -m experiments.bpr --models sgd one-uniform --epochs 5

    docs/how_to/losses.md shows the table.
    """

    program: ClassVar[str] = "experiments.bpr"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS

    dataset: Literal["ml-1m", "gowalla"] = "ml-1m"
    """Data set."""
    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with its files; None looks in the cache, and fetches MovieLens."""
    positives: float | None = 4.0
    """The least rating of MovieLens that is a positive."""
    models: tuple[str, ...] = tuple(MODELS)
    """Rows of the table; base is always among them."""
    epochs: Annotated[int, Within(1, MOST)] = 10
    """Epochs of every row."""
    metrics: tuple[str, ...] = ("recall", "ndcg")
    """Measures."""
    k: tuple[int, ...] = (20,)
    """Cutoffs of the metrics."""
    timings: bool = True
    """Show the seconds of fits in the table; never with --sweep, --tune or --patience."""

    def load(self) -> Dataset:
        """Return the data set."""
        return datasets.load(self.dataset, self.data_dir)

    def kept(self, pairs: Interactions) -> Interactions:
        """Return the positives."""
        return pairs.with_values(1.0) if self.dataset == "gowalla" else super().kept(pairs)

    def named(self) -> dict[str, Model]:
        """Return the rows, of as many epochs."""
        names = dict.fromkeys(("base", *self.models))
        return {name: MODELS[name].with_defaults(epochs=self.epochs) for name in names}

    def tasks(self, dataset: Dataset, key: Key) -> Tasks:
        """Return the validation task as what rows are judged by: the test part stays unseen."""
        found = replace(self, validation=self.validation or HIDDEN[self.dataset])
        tasks = super(Options, found).tasks(dataset, key)
        return replace(tasks, test=tasks.validation, validation=())

    def sections(self, studied: Studied) -> list[Section]:
        """Return the rows, and what each differs from the first by."""
        found, models = studied.results, self.named()
        lines = [["choice", "", *(f"{measure} less that of base" for measure in found.measures)]]
        for setting in found.settings[1:]:
            cells = difference(found, str(setting), str(found.settings[0]))
            lines.append([str(setting), models[setting.model].about, *cells])
        note = f"Base: {models['base'].about}. Differences [95 % interval over users]."
        return [
            study_tables.models(found, timings=self.is_timed()),
            Section("One choice at a time", note, lines, left=2),
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)


if __name__ == "__main__":
    sys.exit(main())
