"""What a model is fitted on and judged by: one split of one dataset, in every form that a model asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp

from mfjax import als, devices, histories
from mfjax.als import MapChunks
from mfjax.evaluation import Evaluation, evaluate
from mfjax.histories import Histories, Ragged
from mfjax.histories.parts import Part
from mfjax.types import Array, Factors, Interactions, Scorer


@dataclass(frozen=True, eq=False)
class Task:
    """Train interactions, the items hidden from training, and what is never recommended.

    The device-side forms are built when they are first asked for, and kept.

    Attributes:
        train: what models are fitted on.
        hidden: the relevant items to find.
        excluded: the pairs that are never recommended; usually those of `train`.
        fold_in: rows of users that are in no row of `train`, from which a fitted model makes them a row of its own;
            None where the users of `hidden` are trained on.
        lists: the items among which the hidden ones of each user are ranked; None for all `candidates`.
        whole_catalogue: whether items without a row in `train` can be recommended.
        validation: a task within `train`, which a model may choose its settings by; None where there is none.
        part: `train` as a part of other rows, whose histories then have one shape for all parts; None for its own.
        test: what the results of tasks of one kind are named after, where a study has several: "rmse@folds".
    """

    train: Interactions
    hidden: Interactions
    excluded: Interactions
    fold_in: Interactions | None = None
    lists: Ragged | None = None
    whole_catalogue: bool = False
    validation: Task | None = None
    part: Part | None = None
    test: str = ""

    @classmethod
    def of_all(cls, interactions: Interactions) -> Task:
        """Return the task of fitting all interactions, which hides none.

        Example:
            >>> from mfjax.data import synthetic
            >>> task = Task.of_all(synthetic.power_law(0, num_users=9, num_items=7, num_interactions=30))
            >>> len(task.train), len(task.hidden)
            (30, 0)
        """
        return cls(interactions, interactions.select(slice(0, 0)), interactions, whole_catalogue=True)

    @property
    def history(self) -> Interactions:
        """The rows that a user's own row follows from: those to fold in, or the train part."""
        return self.train if self.fold_in is None else self.fold_in

    @cached_property
    def histories(self) -> Histories:
        return histories.build(self.train) if self.part is None else self.part.histories()

    @cached_property
    def placed(self) -> tuple[Histories, MapChunks]:
        """The histories on all devices, and how `als.fit` maps over them; those of a part stay on one."""
        if jax.device_count() == 1 or self.part is not None:
            return self.histories, als.map_on_one_device
        return devices.build_on_all(self.train)

    @cached_property
    def seen(self) -> Ragged:
        return histories.ragged(self.train)

    @cached_property
    def exclude(self) -> Ragged:
        return self.seen if self.excluded is self.train else histories.ragged(self.excluded)

    @cached_property
    def targets(self) -> Ragged:
        return histories.ragged(self.hidden)

    @cached_property
    def candidates(self) -> Array:
        """The items that can be recommended, bool [num_items]: those with a train interaction, or all."""
        return self.item_counts >= 0 if self.whole_catalogue else self.item_counts > 0

    @cached_property
    def item_counts(self) -> Array:
        return jnp.asarray(self.train.item_counts())

    def evaluate(self, model: Scorer | Factors, **options: Any) -> Evaluation:
        """Return how well a model finds the hidden items among the candidates that are not excluded.

        Options are those of `mfjax.evaluation.evaluating.evaluate`; one that is given stands in for the task's own.
        """
        own: dict[str, Any] = {
            "exclude": self.exclude,
            "candidates": self.candidates if self.lists is None else self.lists,
        }
        return evaluate(model, self.targets, **(own | options))
