"""What a study says in words: its sizes, which differences are real, and what sampled ranks are not."""

from __future__ import annotations

import numpy as np

from mfjax.data.published.datasets import Dataset
from mfjax.studies.findings import Results
from mfjax.studies.tasks import Tasks


def about(dataset: Dataset, tasks: Tasks, protocol: str) -> str:
    """Return the sizes of a study in words."""
    train, hidden = (sum(map(len, of)) for of in ([t.train for t in tasks.test], [t.hidden for t in tasks.test]))
    judged = len(np.unique(np.concatenate([task.hidden.users for task in tasks.test])))
    first, count = tasks.test[0].train, len(tasks.test)
    sizes = f"{train:,} train and {_number(hidden, 'hidden row')}"
    if count > 1:
        sizes = (
            f"{count} tests with {_number(hidden, 'hidden row')} in all, each fitted on about {train // count:,} rows"
        )
    return (
        f"{dataset.name}: {_number(len(dataset.interactions), 'interaction')}. Protocol {protocol}: {sizes}, "
        f"{_number(first.num_users, 'user')} and {_number(first.num_items, 'item')}; "
        f"{_number(judged, 'user')} {'is' if judged == 1 else 'are'} judged."
    )


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def sampled_warning(results: Results) -> str:
    """Return what a reader of metrics among listed items must know."""
    return (
        "Ranks are among the listed items of each user, not the catalogue: such metrics can order models the other way "
        "round (Krichene & Rendle 2020). evaluation.sampled.corrected estimates those of the full ranking."
    )
