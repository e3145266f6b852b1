"""`python -m experiments.ml100k.search_als`: the search behind `als-tuned`, on validation only (extra `tune`).

Every user's last positive stays out of sight: models are fitted without the last two and judged on the second-last.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import tyro

from experiments.ml100k import study
from experiments.ml100k.models import ALS_SEARCHED
from mfjax.data.published.datasets import Dataset
from mfjax.reports import study_options
from mfjax.search import Trial
from mfjax.studies import Model, command_line
from mfjax.studies.options import MOST, Within
from mfjax.studies.tasks import Tasks
from mfjax.types import Key


@dataclass(frozen=True)
class Options(study.Options):
    """Search the settings of iALS on MovieLens-100K by validation NDCG@10, with tree-structured Parzen estimators."""

    program: ClassVar[str] = "experiments.ml100k.search_als"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = {"ials": ALS_SEARCHED}

    models: tuple[str, ...] = ("ials",)
    """Model whose settings are searched."""
    tune: Annotated[int, tyro.conf.arg(aliases=("--trials",)), Within(1, MOST)] = 160
    """Number of settings to try."""
    tune_method: str = "tpe"
    """How settings are drawn: random, halving, tpe (extra tune), gradient (least squares)."""
    splits: Annotated[int, Within(1, 100)] = study.NUM_SPLITS
    """Validation splits: file order first, then random ties."""

    def tasks(self, dataset: Dataset, key: Key) -> Tasks:
        """Return the split, with as many validation splits as asked for."""
        found = super().tasks(dataset, key)
        return replace(found, validation=study.validation(found, self.catalogue, self.splits))

    def run(self) -> Any:
        """Run the search, print its best settings, and return model -> trials."""
        study_options.check(self)
        tasks = self.tasks(self.load(), self.split_key(self.split_seed))
        found: dict[str, list[Trial]] = self.searched(tasks, study_options.parameters(self))
        for name, trials in found.items():
            print(self.search_section(name, trials).text())
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)


if __name__ == "__main__":
    sys.exit(main())
