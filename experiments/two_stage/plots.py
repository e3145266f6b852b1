"""The published ALS and BPR of MovieLens-100K once more: what their item factors encode, and how BPR learns."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.ml100k.models import MODELS
from mfjax import ranking
from mfjax.ranking import sampling
from mfjax.reports.item_space import ItemSpace, principal_components
from mfjax.studies import running
from mfjax.studies.settings import settings_of
from mfjax.studies.task import Task
from mfjax.types import Factors


class Curve(NamedTuple):
    """Loss of an example and sampled train AUC by epoch, and epochs with the NDCG@10 of the hidden items."""

    loss: list[float]
    auc: list[float]
    ndcg: dict[int, float]


def train_bpr(task: Task, *, every: int = 5) -> tuple[Factors, Curve]:
    """Return the published BPR and its curve; NDCG after the first epoch, and after `every` further ones."""
    curve, model = Curve([], [], {}), MODELS["bpr"]
    assert model.config is not None

    data = ranking.data(task.seen, sampling.uniform(task.seen, false_negatives="skip"))
    config, key = model.config(model.defaults, task), running.model_key("bpr", 0)

    def note(state: ranking.State, info: ranking.Info) -> None:
        curve.loss.append(float(info.loss))
        curve.auc.append(float(info.auc))
        epoch = len(curve.loss)
        if epoch == 1 or epoch % every == 0:
            curve.ndcg[epoch] = task.evaluate(ranking.factors(state, config), metrics=("ndcg",)).mean()["ndcg@10"]

    state = ranking.fit(key, data, config, num_epochs=model.defaults["epochs"], on_epoch=note)
    return ranking.factors(state, config), curve


def spaces_of(task: Task, bpr: Factors) -> tuple[dict[str, ItemSpace], np.ndarray]:
    """Return the item spaces of ALS and BPR, and the counts of their items: those with a train positive."""
    (setting,) = settings_of({"als": MODELS["als"]}, {}, {})
    als, known = running.fit(MODELS["als"], setting, 0, task), np.asarray(task.candidates)
    assert isinstance(als, Factors)
    counts = np.asarray(task.item_counts)[known]
    spaces = {
        name: principal_components(np.asarray(model.items)[known], counts)
        for name, model in (("ALS", als), ("BPR", bpr))
    }
    return spaces, counts


def write(folder: Path, task: Task) -> list[Path]:
    """Draw the item factors by popularity and BPR's training curve, and return the paths."""
    from mfjax.reports import figures, plots_study  # need matplotlib
    from mfjax.reports.line_plots import Line, Panel, line_plot

    bpr, curve = train_bpr(task)
    epochs = range(1, len(curve.loss) + 1)
    panels = [
        Panel("", "epoch", [Line("loss of an example", epochs, curve.loss), Line("train AUC", epochs, curve.auc)]),
        Panel("NDCG@10 of the hidden items", "epoch", [Line("NDCG@10", list(curve.ndcg), list(curve.ndcg.values()))]),
    ]
    last = f"After {len(epochs)} epochs the loss of an example is {curve.loss[-1]:.3f}, and the sampled train AUC "
    caption = f"{last}{curve.auc[-1]:.3f}. NDCG@10 is greatest, {max(curve.ndcg.values()):.4f}, after "
    caption += f"{max(curve.ndcg, key=lambda epoch: curve.ndcg[epoch])}."
    training = line_plot("training", "BPR with the published settings", panels, caption)
    return [figures.write(plot, folder) for plot in (plots_study.item_space(*spaces_of(task, bpr)), training)]
