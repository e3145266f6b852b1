"""Least squares step by step: the loss, and validation NDCG@10."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax

from experiments import study
from experiments.models_ml1m import ALS_PUBLISHED, IALS
from experiments.task import Task
from mfjax import als

NUM_STEPS = 20


@dataclass(frozen=True)
class Curve:
    """One fit.

    Attributes:
        loss: after every step.
        ndcg: validation NDCG@10 after every step.
        lowest: loss of its objective, over all curves.
        scale: loss after the first step above the lowest, over all curves.
    """

    loss: list[float]
    ndcg: list[float]
    lowest: float
    scale: float


def measure(validation: Task, *, num_steps: int = NUM_STEPS, dim: int | None = None) -> dict[str, Curve]:
    """Return the curves of ALS as published, by conjugate gradient and exactly, and of iALS of as many factors."""
    dim = ALS_PUBLISHED.dim if dim is None else dim
    published = replace(ALS_PUBLISHED, dim=dim)
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


def _scaled(found: dict[str, tuple[list[float], list[float]]]) -> dict[str, Curve]:
    """Return curves of one objective, which share the lowest loss and the scale."""
    lowest = min(min(loss) for loss, _ in found.values())
    scale = max(loss[0] for loss, _ in found.values()) - lowest
    return {name: Curve(loss, ndcg, lowest, scale) for name, (loss, ndcg) in found.items()}
