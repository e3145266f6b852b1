"""The recommenders of the experiments by name: each fits a task from a key and returns a scorer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from experiments.task import Task
from mfjax import als, baselines, objectives, recommend
from mfjax.types import Key, Scorer


@dataclass(frozen=True)
class Model:
    """A named way to fit.

    Attributes:
        fit: (key, task, dim) -> scorer; `dim` is None for the model's own number of factors.
        random: whether the result depends on the key.
        about: one line for `--help` and the table.
    """

    fit: Callable[[Key, Task, int | None], Scorer]
    random: bool
    about: str


# Published: 64 factors, reg .001, 20 iterations, alpha 10 on binary counts; there c = alpha r (not 1 + alpha r).
ALS_PUBLISHED = als.Config(
    objective=objectives.implicit(alpha=10.0, confidence="value"), reg=0.001, reg_exponent=0.0, dim=64
)
ALS_PUBLISHED_STEPS = 20

# Chosen on validation by `python -m experiments.search_ml100k`.
ALS_TUNED = als.Config(
    objective=objectives.ials(unobserved_weight=0.0969, popularity_exponent=0.0027),
    reg=0.322,
    reg_exponent=0.31,
    dim=192,
)
ALS_TUNED_STEPS = 12


def fit_als(config: als.Config, num_steps: int) -> Callable[[Key, Task, int | None], Scorer]:
    """Return the fit of one ALS configuration."""

    def fit(key: Key, task: Task, dim: int | None) -> Scorer:
        chosen = config if dim is None else replace(config, dim=dim)
        state = als.fit(key, task.histories, chosen, num_steps=num_steps)
        return recommend.scorer(als.factors(state, chosen))

    return fit


MODELS: dict[str, Model] = {
    "random": Model(lambda key, task, dim: baselines.random(key, task.train.num_items), True, "scores drawn by key"),
    "popularity": Model(
        lambda key, task, dim: baselines.popularity(task.item_counts), False, "number of train positives"
    ),
    "item-knn": Model(
        lambda key, task, dim: baselines.item_knn(task.train, num_neighbours=200), False, "cosine, 200 neighbours"
    ),
    "ease": Model(lambda key, task, dim: baselines.ease(task.train, reg=100.0), False, "linear, L2 100"),
    "als": Model(fit_als(ALS_PUBLISHED, ALS_PUBLISHED_STEPS), True, "implicit ALS with the published settings"),
    "als-tuned": Model(fit_als(ALS_TUNED, ALS_TUNED_STEPS), True, "iALS, settings chosen on validation"),
}
