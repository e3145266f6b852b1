"""Least squares step by step: the loss, and validation NDCG@10."""

from __future__ import annotations

from dataclasses import replace

import jax

from experiments.ml1m.models import ALS, IALS
from mfjax import als
from mfjax.reports.plots_study import Convergence
from mfjax.studies import study
from mfjax.studies.task import Task

NUM_STEPS = 20


def measure(validation: Task, *, num_steps: int = NUM_STEPS, dim: int | None = None) -> dict[str, Convergence]:
    """Return the curves of ALS as published, by conjugate gradient and exactly, and of iALS of as many factors."""
    dim = ALS.dim if dim is None else dim
    published = replace(ALS, dim=dim)
    of_als = {
        "als, conjugate gradient": _fit(published, validation, num_steps),
        "als, Cholesky": _fit(replace(published, solver="cholesky"), validation, num_steps),
    }
    of_ials = {"ials, conjugate gradient": _fit(replace(IALS, dim=dim), validation, num_steps)}
    return _scaled(of_als) | _scaled(of_ials)


_loss = jax.jit(als.loss)


def _fit(config: als.Config, validation: Task, num_steps: int) -> tuple[list[float], list[float]]:
    loss, ndcg = [], []

    def look(state: als.State, _: als.Info) -> None:
        loss.append(float(_loss(state, validation.histories, config)))
        ndcg.append(validation.evaluate(als.factors(state, config), metrics=("ndcg",)).mean()["ndcg@10"])

    als.fit(study.model_key("als", 0), validation.histories, config, num_steps=num_steps, on_step=look)
    return loss, ndcg


def _scaled(found: dict[str, tuple[list[float], list[float]]]) -> dict[str, Convergence]:
    """Return curves of one objective, which share the lowest loss and the scale."""
    lowest = min(min(loss) for loss, _ in found.values())
    scale = max(loss[0] for loss, _ in found.values()) - lowest
    return {name: Convergence(loss, ndcg, lowest, scale) for name, (loss, ndcg) in found.items()}
