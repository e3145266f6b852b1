"""`python -m experiments.explicit_ml100k`: a table of rating predictors on MovieLens-100K."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import jax

from experiments.explicit_ml100k.models import GRIDS, MODELS, PEERS, chosen
from experiments.explicit_ml100k.tasks import by_folds, by_time
from mfjax import als, checks
from mfjax.data import datasets
from mfjax.data.published.datasets import Dataset
from mfjax.data.splits import Ties
from mfjax.histories.parts import Whole
from mfjax.reports.command import Options as StudyOptions
from mfjax.reports.command import Studied
from mfjax.reports.sections import Section
from mfjax.reports.study_fields import ProtocolName
from mfjax.reports.study_options import MEANT_FOR
from mfjax.studies import Model, Task, Tasks, command_line, extras, fits, tables
from mfjax.studies.findings import Results
from mfjax.studies.judging import TRAIN_ERROR
from mfjax.studies.options import Place, Within
from mfjax.types import Key

KEYS = (
    "model: fold_in(key(seed), crc32(name)); folds, and their validation parts: split(key(split_seed)); "
    "choice of settings: key(0), key(1), key(2); bootstrap: key(0)"
)
BOTH = "both"
ERRORS = ("rmse@time", "rmse@time-known", "rmse@folds")
SOLVERS = ("conjugate_gradient", "cholesky")

_loss = jax.jit(als.loss)


@dataclass(frozen=True)
class Options(StudyOptions):
    """Predict the ratings of MovieLens-100K and compare the errors, under two protocols.

    global-time: the first --train ratings by one clock train; the later ratings of users with at least 10 of them are
    predicted ("time"), and those of them whose item has a train rating ("time-known").
    folds: cross-validation over random folds of all ratings.

    Settings that are not published ones are chosen on ratings held out of the train part, never on a test rating:
    parameters of weighted-grid, svd and biased-als that are 0.
    """

    program: ClassVar[str] = "experiments.explicit_ml100k"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS
    meant_for: ClassVar[Mapping[str, Sequence[str]]] = MEANT_FOR | {
        name: (own, BOTH) for name, own in {"ties": "global-time", "train": "global-time", "folds": "folds"}.items()
    }

    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with the MovieLens files; None looks in the cache, then fetches them."""
    protocol: ProtocolName = "auto"
    """auto: both; global-time or folds: this one alone."""
    models: tuple[str, ...] = tuple(name for name in MODELS if name not in PEERS)
    """Models to fit."""
    peers: bool = False
    """Run surprise-svd too; needs pip install 'mfjax[peers]'."""
    train: Annotated[int, Within(4, 2**31 - 1)] = 80_000
    """global-time: number of train ratings."""
    ties: Ties = "reverse"
    """global-time: which of the ratings of one time counts as the last."""
    seeds: int = 3
    """Number of seeds; each draws its own start."""
    metrics: tuple[str, ...] = ("rmse", "mae", "known-rmse", "known-mae")
    """rmse and mae, of all ratings and of those whose item is known."""
    plot: bool = True
    """With --out, plot the loss of every ALS by iteration."""

    def agree(self) -> None:
        """Raise ValueError for what is not of this study."""
        checks.choice("protocol", self.protocol, ("auto", "global-time", "folds"))
        checks.whole("negatives", self.negatives, least=0, most=0, remedy="ratings are predicted: draw none")

    def protocol_of(self, dataset: Dataset) -> str:
        """Return the protocol that "auto" stands for."""
        return BOTH if self.protocol == "auto" else self.protocol

    def named(self) -> dict[str, Model]:
        """Return the models of the study by name."""
        names = dict.fromkeys((*self.models, *(PEERS if self.peers else ())))
        if set(names) & set(PEERS):
            extras.require("surprise")
        return {name: MODELS[name] for name in names}

    def load(self) -> Dataset:
        """Return MovieLens-100K."""
        return datasets.load("ml-100k", self.data_dir)

    def tasks(self, dataset: Dataset, key: Key) -> Tasks:
        """Return the tasks of both protocols, or of one."""
        whole, found = Whole(self.kept(dataset.interactions)), list[Task]()
        if self.protocol != "folds":
            found.append(by_time(whole, train=self.train, ties=self.ties))
        if self.protocol != "global-time":
            found += by_folds(key, whole, self.folds)
        checksum = hashlib.sha256(" ".join(map(fits.task_checksum, found)).encode()).hexdigest()
        return Tasks(tuple(replace(task, whole_catalogue=self.catalogue == "all") for task in found), (), checksum)

    def headline(self, found: Results) -> Results:
        """Return the results by RMSE, of the first table and of tests in pairs."""
        return found.only(measures=[name for name in ERRORS if name in found.measures])

    def sections(self, studied: Studied) -> list[Section]:
        """Return the errors, those of train ratings, what validation chose, and which differences are real."""
        models, *others = super().sections(studied)
        names = [name for name in studied.results.pooled if name.startswith(TRAIN_ERROR)]
        lines = tables.cells(studied.results.rows(), names, timings=False)
        found = [models, Section("Train ratings", "Mean over seeds [95 % interval over seeds].", lines)]
        words = [["setting", "test", "parameters", "tasks"]]
        for name, settings in self.chosen(studied).items():
            words += [[*name, each, f"{n} of {len(settings)}"] for each, n in Counter(settings).items()]
        return [*found, *([Section("Chosen on validation", "", words, left=3)] if words[1:] else []), *others]

    def chosen(self, studied: Studied) -> dict[tuple[str, str], list[str]]:
        """Return (setting, test) -> the parameters that every task chose, in words."""
        found: dict[tuple[str, str], list[str]] = {}
        for setting in [one for one in studied.results.settings if one.model in GRIDS]:
            for task in studied.tasks.test:
                parameters = chosen(setting.model, task, dict(setting.parameters))
                words = GRIDS[setting.model].words.format(**parameters)
                found.setdefault((str(setting), task.test), []).append(words)
        return found

    def plots(self, studied: Studied) -> list[Any]:
        """Return the loss of every ALS by iteration, both solvers from the same start."""
        from mfjax.reports import plots_study  # matplotlib is slow to import

        task, losses = studied.tasks.test[0], dict[str, dict[str, list[float]]]()
        for name in ("als", "weighted-linear", "weighted-exponential", "biased-als") if self.plot else ():
            make = MODELS[name].config
            assert make is not None
            config = make(MODELS[name].defaults, task)
            losses[name] = {solver: losses_of(task, replace(config, solver=solver)) for solver in SOLVERS}
        return [plots_study.convergence(losses)] if losses else []

    def manifest(self, studied: Studied) -> dict[str, Any]:
        """Return what the study can be repeated from."""
        words = {f"{test} {name}": settings for (name, test), settings in self.chosen(studied).items()}
        return super().manifest(studied) | {"keys": KEYS, "chosen": words}


def losses_of(task: Task, config: als.Config, num_steps: int = 100) -> list[float]:
    """Return the loss after each iteration."""
    found: list[float] = []
    data, key = task.histories, jax.random.key(0)
    note = lambda state, _: found.append(float(_loss(state, data, config)))  # noqa: E731
    als.fit(key, data, config, num_steps=num_steps, on_step=note)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)
