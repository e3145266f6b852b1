"""The loss of every ALS of `explicit_ml100k` by iteration, exact and by conjugate gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.explicit_ml100k.models import PUBLISHED, chosen_biased
from mfjax import als
from mfjax.als import objectives
from mfjax.files import atomic_path
from mfjax.studies.rating_task import RatingTask

Solver = Literal["conjugate_gradient", "cholesky"]

Curves = Mapping[str, Mapping[str, np.ndarray]]
"""Model -> solver -> loss after each iteration, float64 [iterations]."""

_loss = jax.jit(als.loss)


def losses(key: jax.Array, task: RatingTask, *, num_steps: int = 100) -> Curves:
    """Return the loss after every iteration, both solvers from the same start."""
    published = {
        "als": objectives.zeros_observed(),
        "weighted-linear": objectives.popularity_weighted(base=0.1, scale=1.0),
        "weighted-exponential": objectives.popularity_weighted(base=1.0, exponent=0.1),
    }
    configs = {name: als.Config(objective=objective, **PUBLISHED) for name, objective in published.items()}
    configs["biased-als"] = chosen_biased(task).config(task.train.mean)
    return {
        name: {solver: trace(key, task, config, solver, num_steps) for solver in get_args(Solver)}
        for name, config in configs.items()
    }


def trace(key: jax.Array, task: RatingTask, config: als.Config, solver: Solver, num_steps: int) -> np.ndarray:
    """Return the loss after each iteration, float64 [num_steps]."""
    config = replace(config, solver=solver)
    data, found = task.train.histories, []
    als.fit(key, data, config, num_steps=num_steps, on_step=lambda state, _: found.append(_loss(state, data, config)))
    return np.asarray(found, np.float64)


def draw(curves: Curves, path: Path) -> None:
    """Write the excess of every loss over the least loss of its model, per iteration, as a PNG."""
    # Agg draws without a display.
    figure = Figure(figsize=(7.0, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for index, (model, by_solver) in enumerate(curves.items()):
        least = min(float(values.min()) for values in by_solver.values())
        for solver, style in zip(by_solver, ("-", ":"), strict=True):
            excess = by_solver[solver] / least - 1
            iterations = np.arange(1, len(excess) + 1)
            label = f"{model}, {solver.replace('_', ' ')}"
            # The least loss itself has no place on a logarithmic axis.
            shown = excess > 1e-6
            axes.plot(iterations[shown], excess[shown], style, color=f"C{index}", label=label)
    axes.set(xscale="log", yscale="log", xlabel="iteration", ylabel="loss / least loss - 1")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", frameon=False)
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, dpi=150, format="png")
