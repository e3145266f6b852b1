"""`python -m experiments.ncf`: MovieLens-1M in the protocol of neural collaborative filtering.

He et al. (2017): each user's last movie is hidden among 99 listed ones that the user has not rated; hit rate and NDCG
of ten, for all 6,040 users. Rendle et al. (2020), Neural collaborative filtering vs. matrix factorization revisited,
and Rendle et al. (2022), Revisiting the performance of iALS, have the tables. Settings were chosen by NDCG@10 on each
user's last train movie among 99 drawn ones (`--tune`); models are then fitted on all of train.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from mfjax.data import datasets
from mfjax.data.published.datasets import Dataset
from mfjax.reports.command import Options as StudyOptions
from mfjax.studies import MODELS as GENERAL
from mfjax.studies import Model, command_line
from mfjax.studies.options import Place

_IALS = GENERAL["ials"].with_defaults("iALS, 64 factors", unobserved_weight=0.3, reg=0.007, steps=12)

MODELS: dict[str, Model] = {
    "popularity": GENERAL["popularity"],
    "item-knn": GENERAL["item-knn"],
    "ease": GENERAL["ease"],
    "ials-64": _IALS,
    "ials-192": _IALS.with_defaults("iALS, 192 factors", dim=192),
    "softmax-cosine": GENERAL["softmax-cosine"].with_defaults(
        "softmax of cosines, 192 factors",
        temperature=0.15,
        beta=0.7,
        dim=192,
        negatives=512,
        batch=2048,
    ),
}


@dataclass(frozen=True)
class Options(StudyOptions):
    """Compare recommenders on MovieLens-1M in the protocol of neural collaborative filtering.

    Example: python -m experiments.ncf --data-dir ncf --models ials-64 softmax-cosine --seeds 1

    docs/results/benchmarks.md shows the table.
    """

    program: ClassVar[str] = "experiments.ncf"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS

    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with ml-1m.test.rating, ml-1m.test.negative and, where it is there, ml-1m.train.rating; None looks in the
    cache."""
    validation: float = 1.0
    """Rows of each user, the last of train, that --tune judges settings by."""
    models: tuple[str, ...] = tuple(MODELS)
    """Models to fit."""
    seeds: int = 3
    """Number of seeds; each draws its own start and its own negatives."""
    metrics: tuple[str, ...] = ("hit_rate", "ndcg")
    """Measures, of ranks among the listed items."""
    tune_by: str | None = "ndcg@10"
    """Measure that --tune maximises."""
    timings: bool = True
    """Show the seconds of fits in the table; never with --sweep, --tune or --patience."""

    def load(self) -> Dataset:
        """Return the train part, the tests and what they are listed among."""
        return datasets.load("ncf-ml-1m", self.data_dir)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)


if __name__ == "__main__":
    sys.exit(main())
