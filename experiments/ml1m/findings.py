"""What a run of the MovieLens-1M study has found: what the report, the files and the tests read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mfjax.data.published.datasets import Dataset
from mfjax.reports.buckets import Bucket
from mfjax.reports.sections import Section
from mfjax.search import Trial
from mfjax.studies.models import Recommender
from mfjax.studies.results import Row
from mfjax.studies.study import Outcome, Values
from mfjax.studies.task import Task


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings:
    """All that a run found.

    Attributes:
        dataset: what was studied.
        task, validation: of the first seed.
        catalogue: the models by name, with the settings that were chosen.
        outcomes, values, rows, buckets: what was measured.
        searches: model -> its trials.
        sections: tables for people.
        sizes: of the data, in words.
    """

    dataset: Dataset
    task: Task
    validation: Task
    catalogue: Mapping[str, Recommender]
    outcomes: Sequence[Outcome]
    values: Sequence[Values]
    rows: Sequence[Row]
    buckets: Sequence[Bucket]
    searches: Mapping[str, Sequence[Trial]]
    sections: Sequence[Section]
    sizes: str
