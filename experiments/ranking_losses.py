"""`python -m experiments.ranking_losses`: the ranking losses from the same start, with the same budget, in pairs.

Every loss trains on as many examples, with as many negatives for each, from the same random factors. Its other settings
are those of `TUNED`. Those of BPR were chosen for the hardest of four draws, here it averages over thirty: it is not at
its best, which is `bpr-tuned`. Differences are paired by user, each user's value its mean over the seeds.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import tyro

from experiments.ml100k import study
from experiments.ml100k.models import NUM_NEGATIVES, TUNED
from mfjax import compilation
from mfjax.data.published.datasets import Dataset
from mfjax.histories import Ragged
from mfjax.ranking import Sampler, sampling
from mfjax.reports import study_tables
from mfjax.reports.command import Studied
from mfjax.reports.sections import Section
from mfjax.statistics import bootstrap
from mfjax.studies import Model, Results, command_line
from mfjax.studies.fitting import ranked
from mfjax.studies.model import Parameters
from mfjax.studies.options import MOST, Within
from mfjax.studies.tasks import Tasks


def _all_draws(parameters: Parameters, positives: Ragged) -> Sampler:
    # What BPR looks at is the mean of thirty draws too, and not the hardest few.
    return sampling.popularity(positives, num=NUM_NEGATIVES, beta=parameters["beta"])


LOSSES = {
    loss: replace(ranked(one.config, _all_draws, one.defaults), shares_key=True)
    for loss, one in TUNED.items()
    if one.config is not None
}
KEYS = "start, order and negatives: key(seed), the same for every loss; bootstrap: key(0)"
_bootstrap = compilation.jit(bootstrap)


@dataclass(frozen=True)
class Options(study.Options):
    """Compare ranking losses on MovieLens-100K from the same start and with the same budget."""

    program: ClassVar[str] = "experiments.ranking_losses"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = LOSSES

    models: Annotated[tuple[str, ...], tyro.conf.arg(aliases=("--losses",))] = ("bpr", "lambdarank")
    """Losses to compare: bpr, warp, softmax, lambdarank."""
    epochs: Annotated[int, Within(1, MOST)] = 20
    """Epochs of every loss."""
    seeds: int = 10
    """Number of seeds, of the start, the order of the examples and the negatives."""
    timings: bool = False
    """Tell the seconds of fits; never with --sweep."""

    def named(self) -> dict[str, Model]:
        """Return the losses with the same budget."""
        models = super().named()
        return {name: replace(one, defaults={**one.defaults, "epochs": self.epochs}) for name, one in models.items()}

    def about(self, dataset: Dataset, tasks: Tasks) -> str:
        """Return the budget in words."""
        return f"{self.epochs} epochs, {NUM_NEGATIVES} negatives an example, {self.seeds} seeds"

    def sections(self, studied: Studied) -> list[Section]:
        """Return the losses, and the differences of pairs."""
        found = studied.results
        lines = [["loss", "less", *found.measures]]
        for other, loss in itertools.combinations(map(str, found.settings), 2):
            lines.append([loss, other, *difference(found, loss, other)])
        note = "Difference [95 % interval over users], each user's value its mean over the seeds."
        return [study_tables.models(found), Section("Differences of losses", note, lines, left=2, heads=2)]

    def manifest(self, studied: Studied) -> dict[str, Any]:
        """Return what the study can be repeated from."""
        return {**super().manifest(studied), "keys": KEYS}


def difference(found: Results, setting: str, other: str) -> list[str]:
    """Return for every measure what a setting has more than another, with the interval over users, paired by user."""
    cells = []
    for values in map(found.per_user, found.measures):
        one = _bootstrap(jax.random.key(0), jnp.asarray(values[setting].mean(0) - values[other].mean(0)))
        cells.append(f"{one.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}]")
    return cells


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)


if __name__ == "__main__":
    sys.exit(main())
