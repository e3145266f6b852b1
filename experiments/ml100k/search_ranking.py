"""`python -m experiments.ml100k.search_ranking --loss softmax`: the search behind the tuned ranking models.

It needs the extra `tune`. Every user's last positive stays out of sight, as in `search_als`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import tyro

from experiments.ml100k import search_als
from experiments.ml100k.models import TUNED
from mfjax.search import Choice
from mfjax.studies import Model, command_line
from mfjax.studies.options import MOST, Within

EPOCHS = (4, 8, 12, 16, 20, 24)
_SEARCHED = {loss: replace(model, space=model.space | {"epochs": Choice(EPOCHS)}) for loss, model in TUNED.items()}


@dataclass(frozen=True)
class Options(search_als.Options):
    """Search the settings of a ranking loss on MovieLens-100K by validation NDCG@10, with Parzen estimators."""

    program: ClassVar[str] = "experiments.ml100k.search_ranking"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = _SEARCHED

    loss: Literal["bpr", "warp", "softmax", "lambdarank"] = "softmax"
    """Loss to train on."""
    models: tuple[str, ...] = ()
    """Losses to search, in place of --loss."""
    tune: Annotated[int, tyro.conf.arg(aliases=("--trials",)), Within(1, MOST)] = 30
    """Number of settings to try."""
    splits: Annotated[int, Within(1, 100)] = 2
    """Validation splits: file order first, then random ties."""

    def named(self) -> dict[str, Model]:
        """Return the loss whose settings are searched, or those named."""
        return {loss: self.catalogue_of_models[loss] for loss in self.models or (self.loss,)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)


if __name__ == "__main__":
    sys.exit(main())
