"""What a protocol makes of interactions: the tasks that models are judged by, and those that settings are chosen by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from mfjax import checks
from mfjax.data.leaks import check_no_leak
from mfjax.data.splits import Split
from mfjax.histories.parts import Part, Whole
from mfjax.studies.task import Task
from mfjax.types import Interactions

Catalogue = Literal["all", "train"]
"""Which items are ranked: all, or those with a row in train."""


@dataclass(frozen=True, eq=False)
class Tasks:
    """What a protocol makes of a set of interactions.

    Attributes:
        test: the tasks that models are judged by in the end.
        validation: the tasks that settings are chosen by; none where the protocol holds nothing out for it.
        checksum: sha256 of the parts, which names the split in a manifest.
    """

    test: tuple[Task, ...]
    validation: tuple[Task, ...]
    checksum: str


def part_task(whole: Whole, train: Interactions, hidden: Interactions, **options: Any) -> Task:
    """Return the task of two parts of `whole.numbered`, whose histories have the shape of the whole; see `Task`."""
    rows = whole.part(train).rows, whole.part(hidden).rows
    found = [whole.interactions.select(of_part) for of_part in rows]
    return Task(found[0], found[1], found[0], part=Part(whole, rows[0]), **options)


def of_splits(found: Sequence[Split], catalogue: Catalogue, whole: Whole | None = None) -> Tasks:
    """Return the tasks of splits; `whole` is what they are of, where their histories are to have one shape.

    Raises:
        ValueError: for a split that leaks, one that hides nothing, and an unknown catalogue.
    """
    check_catalogue(catalogue)
    for split in found:
        check_no_leak(split)
        if not len(split.test):
            raise ValueError("interactions: nobody has enough rows to hide any; hide fewer, or read more")

    def task(train: Interactions, hidden: Interactions) -> Task:
        options: dict[str, Any] = {"whole_catalogue": catalogue == "all"}
        if whole is None:
            return Task(train, hidden, train, **options)
        return part_task(whole, train, hidden, **options)

    test = tuple(task(split.train, split.test) for split in found)
    validation = tuple(task(split.train, split.validation) for split in found if len(split.validation))
    checksums = [split.checksum() for split in found]
    total = checksums[0] if len(found) == 1 else hashlib.sha256(" ".join(checksums).encode()).hexdigest()
    return Tasks(test, validation, total)


def check_catalogue(catalogue: str) -> None:
    """Raise ValueError for an unknown rule."""
    checks.choice("catalogue", catalogue, get_args(Catalogue))
