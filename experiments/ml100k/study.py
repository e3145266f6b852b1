"""`python -m experiments.ml100k`: a table of recommenders on MovieLens-100K."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import jax
import tyro

from experiments.ml100k.models import MODELS, SLOW
from mfjax.data import datasets
from mfjax.data.published.datasets import Dataset
from mfjax.reports.command import Options as StudyOptions
from mfjax.reports.study_fields import ProtocolName
from mfjax.studies import Model, command_line, protocols
from mfjax.studies.options import Place
from mfjax.studies.tasks import Catalogue, Tasks
from mfjax.types import Key

NUM_SPLITS = 3


def split_key(seed: int) -> Key:
    """Return the key that breaks ties at random in the split of a seed."""
    return jax.random.fold_in(jax.random.key(seed), 0)


@dataclass(frozen=True)
class Options(StudyOptions):
    """Compare recommenders on MovieLens-100K: each user's last positive rating is hidden and has to be found.

    Positives are ratings of at least --positives. Models are fitted on all positives but the last of every user, rank
    all items that have one except the user's own, and are judged by the rank of the hidden item. --tune judges settings
    by each user's last train positive.

    Example: python -m experiments.ml100k --models als ease --sweep als.reg=0.1,1,10 --seeds 4 --out results

    docs/results/index.md shows the table, docs/how_to/sweeps.md and docs/how_to/tuning.md the options.
    """

    program: ClassVar[str] = "experiments.ml100k"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS

    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER"), Place("folder")] = None
    """Folder with the MovieLens files; None looks in the cache, then fetches them."""
    protocol: ProtocolName = "leave-last"
    """What is hidden: each user's last row."""
    positives: Annotated[float | None, tyro.conf.arg(aliases=("--min-rating",), metavar="RATING")] = 4.0
    """The least rating that counts as a positive."""
    catalogue: Catalogue = "train"
    """Which items are ranked: all, or those with a train positive."""
    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL ...")] = tuple(
        name for name in MODELS if name not in SLOW
    )
    """Models to fit. warp, softmax, lambdarank, softmax-cosine, blend and als+lambdarank are slow, and are fitted only
    where they are named."""
    seeds: Annotated[int, tyro.conf.arg(metavar="SEEDS")] = 3
    """Number of seeds; each draws its own start, and its own split with --ties random."""
    tune_by: Annotated[str | None, tyro.conf.arg(metavar="METRIC@K")] = "ndcg@10"
    """Measure that --tune maximises; None for the first of --metrics."""
    timings: bool = True
    """Show the seconds of fits in the table; never with --sweep, --tune or --patience."""

    def load(self) -> Dataset:
        """Return MovieLens-100K."""
        return datasets.load("ml-100k", self.data_dir)

    def split_seed_of(self, seed: int) -> int:
        """Return the seed of the split: one for all, or its own where ties are broken at random."""
        return seed if self.ties == "random" else self.split_seed

    def split_key(self, split_seed: int) -> Key:
        """Return the key of a split."""
        return split_key(split_seed)

    def holds_out(self, protocol: str) -> bool:
        """Return whether settings can be chosen: of every user's last positive always, within the train part."""
        return protocol == "leave-last" or super().holds_out(protocol)

    def tasks(self, dataset: Dataset, key: Key) -> Tasks:
        """Return the split, with settings chosen within its train part where the protocol is that of the study."""
        found = super().tasks(dataset, key)
        if self.protocol != "leave-last" or self.validation:
            return found
        return replace(found, validation=validation(found, self.catalogue))

    def about(self, dataset: Dataset, tasks: Tasks) -> str:
        """Return the sizes of the study in words."""
        (task, *others) = tasks.test
        if others or self.protocol != "leave-last":
            return super().about(dataset, tasks)
        hidden = len(task.hidden)
        return (
            f"MovieLens-100K: {len(task.train):,} train positives, {hidden:,} users with one hidden positive each, "
            f"{int(task.candidates.sum()):,} items; ties: {self.ties}; mean over {self.seeds} seeds [95 % interval "
            "over users]"
        )


def validation(tasks: Tasks, catalogue: Catalogue, count: int = NUM_SPLITS) -> tuple[protocols.Task, ...]:
    """Return validation tasks within the train part: every user's last train positive is hidden.

    Many positives share one second, so a setting is judged on splits that break those ties differently: by the order of
    the file first, then at random.
    """
    (task,) = tasks.test
    found = [protocols.leave_last(task.train, catalogue=catalogue)]
    for seed in range(1, count):
        found.append(protocols.leave_last(task.train, split_key(seed), ties="random", catalogue=catalogue))
    return tuple(one.test[0] for one in found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)
