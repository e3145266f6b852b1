"""What the page of the MovieLens-1M study shows beside its tables: plots, and a user and an item to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from experiments.ml1m.models import MODELS
from mfjax import als
from mfjax.reports import plots_study
from mfjax.reports.command import Studied
from mfjax.reports.figures import Plot
from mfjax.reports.inspection import Inspected, Titles
from mfjax.reports.item_space import principal_components
from mfjax.reports.sections import Section
from mfjax.studies import running
from mfjax.studies.task import Task
from mfjax.types import Factors

NUM_STEPS = 20
_loss = jax.jit(als.loss)


def plots(options: Any, studied: Studied) -> list[Plot]:
    """Return the plots of the study besides those of every study."""
    task, found, dataset = studied.tasks.test[0], studied.results, studied.dataset
    drawn = [
        plots_study.activity(options.buckets(studied)),
        *plots_study.popularity_bias(found, found.rows()),
        convergence(studied.tasks.validation[0], options.dim),
    ]
    factors = {name: model for name, model in studied.fitted.items() if isinstance(model, Factors)}
    if factors:
        name = options.inspect if options.inspect in factors else next(iter(factors))
        known, counts = np.flatnonzero(np.asarray(task.candidates)), task.train.item_counts()
        genres = None if dataset.genres is None else [dataset.genres[item] for item in known]
        space = principal_components(np.asarray(factors[name].items)[known], counts[known])
        drawn.append(plots_study.item_space({name: space}, counts[known], genres))
    if studied.trials:
        drawn.append(plots_study.tuning(studied.trials, options.tune_by))
    return drawn


def convergence(validation: Task, dim: int | None) -> Plot:
    """Return loss and validation NDCG@10 of ALS by conjugate gradient and exactly, and of iALS of as many factors."""
    parameters = {"dim": MODELS["als"].defaults["dim"] if dim is None else dim}
    losses: dict[str, dict[str, list[float]]] = {}
    measured: dict[str, dict[str, list[float]]] = {}
    for name, solver in (("als", "conjugate_gradient"), ("als", "cholesky"), ("ials", "conjugate_gradient")):
        make = MODELS[name].config
        assert make is not None
        config = replace(make(MODELS[name].parameters(parameters), validation), solver=solver)
        loss = losses.setdefault(name, {}).setdefault(solver.replace("_", " "), [])
        ndcg = measured.setdefault(name, {}).setdefault(solver.replace("_", " "), [])

        def look(state: als.State, _: als.Info, config=config, loss=loss, ndcg=ndcg) -> None:
            loss.append(float(_loss(state, validation.histories, config)))
            ndcg.append(validation.evaluate(als.factors(state, config), metrics=("ndcg",)).mean()["ndcg@10"])

        als.fit(running.model_key("als", 0), validation.histories, config, num_steps=NUM_STEPS, on_step=look)
    return plots_study.convergence(losses, measured, measure="validation ndcg@10")


def examples(options: Any, studied: Studied) -> list[Section]:
    """Return a user and an item to look at, where the command line named none."""
    asked: Inspected | None = options.inspected(studied)
    if asked is None or not isinstance(asked.fitted, Factors):
        return []
    vocabulary, counts = studied.dataset.interactions.user_vocabulary, asked.task.train.item_counts()
    assert vocabulary is not None
    return asked.sections(
        user=None if options.user else str(vocabulary.decode(studied.results.users[0])),
        similar=None if options.similar else Titles(studied.dataset, counts).title(int(counts.argmax())),
        explain=not options.user and asked.is_solved(),
    )
