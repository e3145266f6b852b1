"""What a model is fitted on and judged by: one split of one dataset, in every form that a model asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp

from mfjax import als, devices, histories
from mfjax.als import MapChunks
from mfjax.data.splits import Split, Ties, leave_last_out, temporal
from mfjax.evaluation import Evaluation, evaluate
from mfjax.histories import Histories, Ragged
from mfjax.histories.parts import Part
from mfjax.types import Array, Factors, Interactions, Key, Scorer


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


def last_positive(
    ratings: Interactions, *, min_rating: float, ties: Ties, key: Key | None, validation: int = 0
) -> Split:
    """Return the split of the "ALS & BPR" tutorial: positives only, each user's last one by time to test.

    Args:
        ratings: all ratings, with timestamps.
        min_rating: the least rating that is a positive.
        ties: the rule for equal times, `mfjax.data.splits.TIES`.
        key: for random ties.
        validation: positives before the last one that are held out too.
    """
    positives = _positives(ratings, min_rating)
    split = leave_last_out(positives, 1, validation=validation, ties=ties, key=key if ties == "random" else None)
    if not len(split.test):
        raise ValueError(
            f"min_rating: nobody has enough ratings of at least {min_rating:g} to hide one; pass a lower one"
        )
    return split


def _positives(ratings: Interactions, min_rating: float) -> Interactions:
    """Return the positives, all of value 1. Raises ValueError where there are none."""
    found = ratings.select(ratings.values >= min_rating)
    if not len(found):
        span = f"{ratings.values.min():g} to {ratings.values.max():g}" if len(ratings) else "none"
        raise ValueError(f"min_rating: no rating is at least {min_rating:g}, they are {span}; pass a lower one")
    return found.with_values(1.0)


def test_task(split: Split) -> Task:
    """Fit on train, find the test items."""
    return Task(train=split.train, hidden=split.test, excluded=split.train)


def validation_task(split: Split) -> Task:
    """Fit on train, find the validation items; the test items stay out of sight."""
    return Task(train=split.train, hidden=split.validation, excluded=split.train)


NUM_TEST, NUM_VALIDATION = 5, 1


def last_ratings(ratings: Interactions, *, ties: Ties, key: Key | None) -> Split:
    """Return the split of the MovieLens-1M study: each user's last five ratings by time to test, the one before to
    validation; a user with fewer than eleven stays in train."""
    least = 2 * NUM_TEST + NUM_VALIDATION
    key = key if ties == "random" else None
    split = temporal(ratings, test=NUM_TEST, validation=NUM_VALIDATION, min_count=least, ties=ties, key=key)
    if not len(split.test):
        raise ValueError(f"dataset: no user has {least} ratings, so none can be hidden; pass a larger one")
    return split


def positive_task(split: Split, hidden: Interactions, *, min_rating: float) -> Task:
    """Fit on the train ratings that are positive, find the positive ones of `hidden`, recommend nothing rated in train.

    Args:
        split: of ratings.
        hidden: its validation or test part.
        min_rating: the least rating that is a positive.
    """
    train, found = (_positives(part, min_rating) for part in (split.train, hidden))
    return Task(train=train, hidden=found, excluded=split.train)
