"""What every experiment does with its splits and its lists: check that nothing leaks, and keep what names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mfjax.data.leaks import check_no_leak
from mfjax.data.splits import Split
from mfjax.evaluation import Evaluation
from mfjax.studies.models import Recommender
from mfjax.studies.study import Outcome
from mfjax.studies.task import Task
from mfjax.types import Interactions


class Splits:
    """The splits of a run.

    Attributes:
        checksums: name -> sha256, for the manifest.
    """

    def __init__(self) -> None:
        self.checksums: dict[str, str] = {}

    def add(self, name: str, split: Split) -> Split:
        """Return `split`, which does not leak, and keep its checksum. Raises ValueError for one that leaks."""
        check_no_leak(split)
        self.checksums[name] = split.checksum()
        return split


def nothing_seen(outcomes: Sequence[Outcome], catalogue: Mapping[str, Recommender], tasks: Sequence[Task]) -> str:
    """Return a sentence that says so.

    Args:
        outcomes: of all models.
        catalogue: the models by name.
        tasks: one per seed.

    Raises:
        RuntimeError: a list holds what its user has seen.
    """
    num_lists = 0
    for outcome in outcomes:
        for task, evaluation in zip(tasks, outcome.evaluations, strict=True):
            seen = task.train if catalogue[outcome.model].repeats else task.excluded
            num_lists += check_lists(outcome.model, evaluation, seen)
    repeats = ", ".join(outcome.model for outcome in outcomes if catalogue[outcome.model].repeats)
    but = f" ({repeats}: none that its user liked in train)" if repeats else ""
    return f"Checked: none of {num_lists:,} lists holds an item that its user rated in train{but}."


def check_lists(model: str, evaluation: Evaluation, seen: Interactions) -> int:
    """Return the number of lists of an evaluation. Raises RuntimeError for one that holds what its user has seen."""
    owners = np.broadcast_to(evaluation.users[:, None], evaluation.recommended.shape).astype(np.int64)
    pairs = (owners * seen.num_items + evaluation.recommended)[evaluation.recommended_mask]
    repeated = np.isin(pairs, seen.users.astype(np.int64) * seen.num_items + seen.items)
    if repeated.any():
        raise RuntimeError(f"{model}: {repeated.sum()} recommended items are in the user's train part")
    return len(owners)
