"""A tenth of the items without any train rating, ranked among themselves for every user who rated one of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mfjax import evaluation
from mfjax.data.published.datasets import Dataset
from mfjax.histories import Histories, ragged
from mfjax.histories.parts import Whole
from mfjax.types import Factors, Interactions

K = 10
COLD_SHARE = 0.1
BUMP = 8
"""Years between the bumps exp(-((year - centre) / 8)^2) that stand for the year."""


class About(NamedTuple):
    """What is known of items without a rating: bool [items, genres], and float32 [items, features], genres included."""

    genres: np.ndarray
    features: np.ndarray


class Task(NamedTuple):
    """What models are fitted on and judged by.

    Attributes:
        train: a row for every rating of a warm item, its value the row's number in the whole.
        warm, cold: ids of items, ascending; no other item is there.
        hidden: the pairs of cold items, numbered by their place in `cold`.
        histories: of train, of one shape for all tasks, so that models compile once.
        about: of all items.
    """

    train: Interactions
    warm: np.ndarray
    cold: np.ndarray
    hidden: Interactions
    histories: Histories
    about: About


def about(dataset: Dataset) -> About:
    """Return genres and features of the items of a set: the genres, and the year as bumps.

    Raises:
        ValueError: for a set whose items have no genres or years.
    """
    if not dataset.genres or dataset.years is None or not dataset.years.any() or not any(dataset.genres):
        raise ValueError(f"data_dir: {dataset.name} has no genres and years there; put movies.dat beside the ratings")
    names = sorted({name for of_item in dataset.genres for name in of_item})
    genres = np.array([[name in of_item for name in names] for of_item in dataset.genres])
    known = dataset.years > 0
    centres = np.arange(dataset.years[known].min(), dataset.years.max() + BUMP, BUMP)
    bumps = np.exp(-(((dataset.years[:, None] - centres) / BUMP) ** 2)) * known[:, None]
    return About(genres, np.concatenate([genres, bumps], axis=1).astype(np.float32))


def hold_out(rng: np.random.Generator, whole: Whole, rows: Interactions, about: About) -> Task:
    """Return the task whose cold items are a random tenth of those that have some of `rows`, of `whole.numbered`.

    Raises:
        ValueError: where that is no item.
    """
    there = np.flatnonzero(rows.item_counts())
    is_cold = np.zeros(rows.num_items, bool)
    is_cold[rng.permutation(there)[: int(len(there) * COLD_SHARE)]] = True
    if not is_cold.any():
        raise ValueError(f"data_dir: {len(there)} items with ratings leave no tenth to hide; pass a larger set")
    train, cold = rows.select(~is_cold[rows.items]), np.flatnonzero(is_cold)
    return Task(train, np.setdiff1d(there, cold), cold, renumbered(rows, cold), whole.part(train).histories(), about)


def renumbered(rows: Interactions, items: np.ndarray) -> Interactions:
    """Return the pairs of some items, numbered by their place among them."""
    place = np.full(rows.num_items, -1, np.int32)
    place[items] = np.arange(len(items), dtype=np.int32)
    kept = rows.select(place[rows.items] >= 0)
    ones = np.ones(len(kept), np.float32)
    return Interactions(kept.users, place[kept.items], ones, rows.num_users, len(items))


def ndcg(model: Factors, task: Task) -> np.ndarray:
    """Return NDCG@10 over the cold items alone, float [num_users], NaN for users who rated none of them."""
    found = evaluation.evaluate(model, ragged(task.hidden), cutoffs=K, metrics="ndcg")
    values = np.full(task.hidden.num_users, np.nan)
    values[found.users] = found.per_user[f"ndcg@{K}"]
    return values
