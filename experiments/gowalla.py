"""`python -m experiments.gowalla`: check-ins of Gowalla, in the split that graph models publish on.

He et al. (2020), LightGCN, and its successors: 29,858 users, 40,981 items, 810,128 train and 217,242 test pairs; all
items that a user has not in train are ranked; Recall@20 and NDCG@20. Settings were chosen by Recall@20 on a tenth of
the train part, drawn at random (`--tune`); models are then fitted on all of it. Those of `item-knn-mean` and `ease` are
the printed ones of Zhu et al. (2022), BARS.
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
from mfjax.studies.fitting import blended
from mfjax.studies.options import Place

_IALS = GENERAL["ials"].with_defaults("iALS, 1,024 factors", unobserved_weight=0.01, reg=0.006, dim=1024)

MODELS: dict[str, Model] = {
    "popularity": GENERAL["popularity"],
    "item-knn": GENERAL["item-knn"].with_defaults(neighbours=400, shrink=20),
    "item-knn-mean": GENERAL["item-knn-mean"],
    "ease": GENERAL["ease"].with_defaults(reg=80),
    "ials-64": GENERAL["ials"].with_defaults("iALS, 64 factors", unobserved_weight=0.01, reg=0.003),
    "ials-256": GENERAL["ials"].with_defaults("iALS, 256 factors", unobserved_weight=0.01, reg=0.003, dim=256),
    "ials-512": _IALS.with_defaults("iALS, 512 factors", dim=512),
    "ials-1024": _IALS,
    "bpr": GENERAL["bpr-hard"],
    "softmax-cosine": GENERAL["softmax-cosine"],
    "softmax+ials": blended(
        {"softmax": GENERAL["softmax-cosine"], "ials": _IALS},
        weights={"softmax": 0.6, "ials": 0.4},
        about="scores of softmax-cosine and ials-1024, added up",
    ),
}
SLOW = ("ease", "softmax+ials")
"""Models that take more than five minutes, fitted only where they are named."""


@dataclass(frozen=True)
class Options(StudyOptions):
    """Compare recommenders on Gowalla, in the split of LightGCN.

    Example: python -m experiments.gowalla --data-dir gowalla --models ials-64 softmax-cosine --seeds 1

    docs/results/benchmarks.md shows the table.
    """

    program: ClassVar[str] = "experiments.gowalla"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS

    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with train.txt and test.txt; None looks in the cache."""
    validation: float = 0.1
    """Share of the train part that --tune judges settings by."""
    models: tuple[str, ...] = tuple(name for name in MODELS if name not in SLOW)
    """Models to fit. ease and softmax+ials are slow, and are fitted only where they are named."""
    seeds: int = 3
    """Number of seeds; each draws its own start and its own negatives."""
    k: tuple[int, ...] = (20,)
    """Cutoffs of the metrics."""
    timings: bool = True
    """Show the seconds of fits in the table; never with --sweep, --tune or --patience."""

    def load(self) -> Dataset:
        """Return Gowalla."""
        return datasets.load("gowalla", self.data_dir)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)


if __name__ == "__main__":
    sys.exit(main())
