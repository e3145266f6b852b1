"""`python -m experiments.strong`: users who were not trained on, on MovieLens-1M, MovieLens-20M or songs.

Liang et al. (2018), Variational autoencoders for collaborative filtering: whole users are held out; four fifths of a
held-out user's items are folded in, the others are to be found; Recall@20 and Recall@50 over min(k, hidden items), and
NDCG@100. `ml-1m`: ratings of at least 4, users with at least 5, 600 users each for validation and test, by key.
`ml-20m`: the users and rows of the published tables, 10,000 each. `msd`: the Million Song Dataset's train_triplets.txt,
users with 20 songs and songs with 200 listeners, 50,000 users each. Settings were chosen by NDCG@100 on the validation
users (`--tune`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from mfjax.data import datasets, liang
from mfjax.data.published.datasets import Dataset
from mfjax.reports.command import Options as StudyOptions
from mfjax.reports.study_fields import ProtocolName
from mfjax.studies import MODELS as GENERAL
from mfjax.studies import Model, command_line, protocols
from mfjax.studies.fitting import blended
from mfjax.studies.options import Place
from mfjax.studies.tasks import Catalogue
from mfjax.types import Interactions

Name = Literal["ml-1m", "ml-20m", "msd"]
HELD_OUT: dict[Name, int] = {"ml-1m": 600, "ml-20m": 10_000, "msd": 50_000}
"""Users for validation, and as many for test."""

_EASE = GENERAL["ease"].with_defaults("linear item-item model", reg=500.0)
_IALS = GENERAL["ials"].with_defaults(
    "iALS, 256 factors, background by popularity", dim=256, unobserved_weight=0.15, popularity_exponent=0.15, reg=0.008
)

MODELS: dict[str, Model] = {
    "popularity": GENERAL["popularity"],
    "item-knn": GENERAL["item-knn"],
    "ease": _EASE.with_defaults(reg=300.0),
    "ials-128": GENERAL["ials"].with_defaults("iALS, 128 factors", dim=128, unobserved_weight=0.1, reg=0.01),
    "ials-256": _IALS,
    "softmax-cosine": GENERAL["softmax-cosine"].with_defaults(temperature=0.15),
    "ease+ials": blended(
        {"ease": _EASE, "ials": _IALS}, weights={"ease": 0.2, "ials": 0.8}, about="scores of both, added up"
    ),
}
"""Settings were chosen on the validation users of MovieLens-1M."""


@dataclass(frozen=True)
class Options(StudyOptions):
    """Compare recommenders on users who were not trained on.

    ml-1m: ratings of at least 4, users with at least 5 of them, 600 users each for validation and test. ml-20m and msd:
    the users and rows of the published tables.

    Example: python -m experiments.strong --dataset ml-20m --data-dir ml-20m --models ease ials-256

    docs/results/benchmarks.md shows the table.
    """

    program: ClassVar[str] = "experiments.strong"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS

    dataset: Name = "ml-1m"
    """ml-1m, ml-20m, or msd, whose train_triplets.txt is in --data-dir."""
    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with the files; None looks in the cache, then fetches MovieLens."""
    protocol: ProtocolName = "auto"
    """auto: strong for ml-1m, liang for the others."""
    test_users: int = 0
    """Users that are held out for test; 0 for the number of the data set."""
    validation_users: int = 0
    """Further users that are held out for --tune; 0 for the number of the data set."""
    positives: float | None = 4.0
    """The least rating that counts as a positive; of the songs every play is one."""
    catalogue: Catalogue = "train"
    """Which items are ranked: all, or those with a train positive."""
    models: tuple[str, ...] = tuple(MODELS)
    """Models to fit."""
    seeds: int = 3
    """Number of seeds; each draws its own start, and with it its own negatives."""
    metrics: tuple[str, ...] = ("recall@20", "recall@50", "ndcg@100")
    """Measures."""
    convention: str = "strong-generalisation"
    """Definitions of the metrics."""
    tune_by: str | None = "ndcg@100"
    """Measure that --tune maximises."""
    timings: bool = True
    """Show the seconds of fits in the table; never with --sweep, --tune or --patience."""

    def load(self) -> Dataset:
        """Return the data set."""
        if self.dataset != "msd":
            return datasets.load(self.dataset, self.data_dir)
        if self.data_dir is None:
            raise ValueError("data_dir: None, and the songs are not fetched; name the folder of train_triplets.txt")
        path = self.data_dir / "train_triplets.txt"
        return datasets.load(path, user=0, item=1, value=2, header=False, separator="\t", ids="text")

    def protocol_of(self, dataset: Dataset) -> str:
        """Return the protocol that "auto" stands for."""
        if self.protocol != "auto":
            return self.protocol
        return "strong" if self.dataset == "ml-1m" else "liang"

    def holds_out(self, protocol: str) -> bool:
        """Return whether users are held out to choose settings by: always."""
        return True

    def kept(self, pairs: Interactions) -> Interactions:
        """Return the positives of users with enough of them."""
        if self.dataset == "msd":
            return liang.activity(pairs.with_values(1.0), users=self.users_core or 20, items=self.items_core or 200)
        liked = pairs.with_values(1.0) if self.positives is None else protocols.positives(pairs, self.positives)
        return liang.activity(liked, users=self.users_core or 5)

    def choices(self, protocol: str, pairs: Interactions) -> dict[str, Any]:
        """Return how many users are held out."""
        count = HELD_OUT[self.dataset]
        held = {"test_users": self.test_users or count, "validation_users": self.validation_users or count}
        return {"catalogue": self.catalogue, "targets": self.targets, **held}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)


if __name__ == "__main__":
    sys.exit(main())
