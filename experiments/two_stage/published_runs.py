"""The published ALS and BPR of MovieLens-100K once more: what their item factors encode, and how BPR learns."""

from __future__ import annotations

import jax
import numpy as np

from experiments.ml100k.models import (
    ALS_PUBLISHED,
    ALS_PUBLISHED_STEPS,
    BPR_PUBLISHED,
    BPR_PUBLISHED_EPOCHS,
    BPR_PUBLISHED_SAMPLER,
)
from mfjax import als, ranking
from mfjax.reports.item_space import ItemSpace, principal_components
from mfjax.studies import study
from mfjax.studies.task import Task


def als_items(task: Task) -> np.ndarray:
    """Return the item factors of ALS with the published settings, of the items with a train positive."""
    state = als.fit(study.model_key("als", 0), task.histories, ALS_PUBLISHED, num_steps=ALS_PUBLISHED_STEPS)
    return np.asarray(state.items)[np.asarray(task.candidates)]


class TrainingCurve:
    """Collects loss, sampled train AUC and NDCG@10 of the hidden items by epoch."""

    def __init__(self, task: Task, every: int) -> None:
        self.task, self.every = task, every
        self.loss: list[float] = []
        self.auc: list[float] = []
        self.ndcg: list[tuple[int, float]] = []

    def __call__(self, state: ranking.State, info: ranking.Info) -> None:
        self.loss.append(float(info.loss))
        self.auc.append(float(info.auc))
        epoch = len(self.loss)
        if epoch == 1 or epoch % self.every == 0:
            found = self.task.evaluate(ranking.factors(state), metrics=("ndcg",))
            self.ndcg.append((epoch, found.mean()["ndcg@10"]))


def train_bpr(task: Task, *, every: int = 5) -> tuple[np.ndarray, TrainingCurve]:
    """Return the item factors of the published BPR, of the items with a train positive, and its curve."""
    curve = TrainingCurve(task, every)
    data = ranking.data(task.seen, BPR_PUBLISHED_SAMPLER(task.seen))
    key = study.model_key("bpr", 0)
    state = ranking.fit(key, data, BPR_PUBLISHED, num_epochs=BPR_PUBLISHED_EPOCHS, on_epoch=curve)
    return np.asarray(jax.device_get(state.tables.items))[np.asarray(task.candidates)], curve


def spaces_of(task: Task, bpr_items: np.ndarray) -> dict[str, ItemSpace]:
    """Return the item spaces of ALS and BPR, both with the published settings."""
    counts = np.asarray(task.item_counts)[np.asarray(task.candidates)]
    return {
        "ALS": principal_components(als_items(task), counts),
        "BPR": principal_components(bpr_items, counts),
    }
