"""What a model of ratings is, what it predicts, and how validation chooses its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import jax
import numpy as np

from mfjax.studies import unsolved
from mfjax.studies.rating_task import Cut, RatingTask
from mfjax.types import Factors, Interactions, Key

Setting = TypeVar("Setting")


@dataclass(frozen=True)
class RatingModel:
    """A named way to fit.

    Attributes:
        fit: (key, task) -> factors.
        random: whether the result depends on the key.
        about: one line for the reader of the table.
        chosen: task -> the settings that validation prefers, in words, or None if there is no choice.
    """

    fit: Callable[[Key, RatingTask], Factors]
    random: bool
    about: str
    chosen: Callable[[RatingTask], str] | None = None


def predict(factors: Factors, ratings: Interactions, *, clip: tuple[float, float] | None) -> np.ndarray:
    """Return the predictions of the pairs of `ratings`, float32 [n], moved into the range `clip` if there is one."""
    # The score of `mfjax.types.Factors` in numpy: a test set of another size would compile `recommend.score` again.
    users, items, *biases, offset = (None if table is None else np.asarray(table) for table in factors)
    assert users is not None and items is not None
    scores = np.einsum("nd,nd->n", users[ratings.users], items[ratings.items])
    for table, ids in zip(biases, (ratings.users, ratings.items), strict=True):
        scores = scores if table is None else scores + table[ids]
    scores = scores if offset is None else scores + offset
    return scores if clip is None else np.clip(scores, *clip)


def choose(
    task: RatingTask, settings: Sequence[Setting], fit: Callable[[Key, Cut, Setting], Factors], *, starts: int = 1
) -> Setting:
    """Return the setting with the least mean squared validation error over `starts`, fitted on the inner part only."""
    values = task.inner.ratings.values
    span = float(values.min()), float(values.max())

    def error(setting: Setting) -> float:
        with unsolved.no_news():
            models = [fit(jax.random.key(start), task.inner, setting) for start in range(starts)]
        predictions = np.stack([predict(model, task.validation, clip=span) for model in models])
        return float(np.mean((predictions - task.validation.values[None]) ** 2))

    return min(settings, key=error)
