"""Recommendations checked by eye: a user's history beside the list, similar items, and what speaks for an item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import als, recommend
from mfjax.als import explain as contributions_of
from mfjax.data.published.datasets import Dataset
from mfjax.data.recency import places_from_last
from mfjax.reports.sections import Section
from mfjax.studies.models import Recommender
from mfjax.studies.study import Outcome
from mfjax.studies.task import Task
from mfjax.types import Array, Factors, Interactions
from mfjax.vocabularies import kind_of

SHOWN = 10
"""Entries of a history, a list or a neighbourhood."""
REASONS = 3
"""Items of the history that are named for each recommendation."""


class Titles:
    """The items of a dataset in words, and the way back from words to items."""

    def __init__(self, dataset: Dataset, counts: np.ndarray) -> None:
        self.dataset, self.counts = dataset, counts

    def title(self, item: int) -> str:
        """Return the title with its year, or the raw id where the source has no titles."""
        titles = self.dataset.titles
        if titles is not None and titles[item]:
            return str(titles[item])
        vocabulary = self.dataset.interactions.item_vocabulary
        return str(item if vocabulary is None else vocabulary.decode(item))

    def genres(self, item: int) -> str:
        """Return the genres, or "" where the source has none."""
        return ", ".join(self.dataset.genres[item]) if self.dataset.genres is not None else ""

    def find(self, text: str) -> int:
        """Return the item of a title, with or without its year, or of a part of one: the most popular that fits.

        Raises:
            ValueError: when no title contains the text.
        """
        titles = [self.title(item).lower() for item in range(len(self.counts))]
        wanted = text.lower().strip()
        tests: tuple[Callable[[str], bool], ...] = (
            lambda title: title == wanted or title.rpartition(" (")[0] == wanted,
            lambda title: title.startswith(wanted),
            lambda title: wanted in title,
        )
        for test in tests:
            if fitting := [item for item, title in enumerate(titles) if test(title)]:
                return max(fitting, key=lambda item: self.counts[item])
        raise ValueError(f"similar: no title of {self.dataset.name} contains {text!r}; write a part of one")


def find_user(dataset: Dataset, raw: str) -> int:
    """Return the id of a user by raw id as text. Raises ValueError for a user that the data does not have."""
    vocabulary = dataset.interactions.user_vocabulary
    assert vocabulary is not None
    try:
        return int(vocabulary.encode([raw if kind_of(vocabulary.raw) == "text" else int(raw)])[0])
    except ValueError:
        known = ", ".join(map(str, vocabulary.raw[:3].tolist()))
        raise ValueError(f"user: {raw!r} is no user of {dataset.name}; its raw ids are such as {known}") from None


def check(
    dataset: Dataset, task: Task, model: Recommender, name: str, *, user: str | None, similar: str | None, explain: bool
) -> None:
    """Raise ValueError for a question of `sections` that could not be answered, before any model is fitted.

    Args:
        dataset, task: of the study.
        model, name: the model to ask.
        user, similar, explain: as in `sections`.
    """
    if user is not None:
        known = find_user(dataset, user)
        if explain and not (task.train.users == known).any():
            raise ValueError(
                f"explain: user {user} has no positive in train that could speak for an item; pass another"
            )
    if explain and not isinstance(model.config, als.Config):
        raise ValueError(f"explain: {name} is not solved by least squares; pass --inspect als or als-recent")
    if similar is not None:
        Titles(dataset, task.train.item_counts()).find(similar)
        if model.config is None:
            raise ValueError(f"similar: {name} has no item factors; pass --inspect als")


def sections(
    dataset: Dataset,
    task: Task,
    model: Recommender,
    outcome: Outcome,
    *,
    user: str | None = None,
    similar: str | None = None,
    explain: bool = False,
) -> list[Section]:
    """Return what was asked for, as tables.

    Args:
        dataset, task: of the study.
        model, outcome: the model to ask; its first seed answers.
        user: raw id: history and recommendations.
        similar: title: nearest items by dot product and by cosine.
        explain: whether the contributions to the user's recommendations are shown.

    Raises:
        ValueError: for an unknown user or title, or a model that has no factors, or no least squares to explain.
    """
    items, fitted = Titles(dataset, np.asarray(task.item_counts)), outcome.fitted[0]
    found = []
    if user is not None:
        found.append(_lists(find_user(dataset, user), user, items, task, outcome))
    if explain and user is not None:
        found.append(_reasons(find_user(dataset, user), user, items, task, model, outcome))
    if similar is not None:
        if not isinstance(fitted, Factors):
            raise ValueError(f"similar: {outcome.model} has no item factors; pass --inspect als")
        found.append(_neighbours(items.find(similar), items, fitted, outcome.model))
    return found


_top_k = jax.jit(recommend.top_k, static_argnames="k")


def _recommended(user: int, task: Task, outcome: Outcome) -> list[int]:
    options: dict[str, Any] = {"exclude": task.exclude, "candidates": task.candidates}
    ids, scores = _top_k(outcome.fitted[0], jnp.array([user], jnp.int32), k=SHOWN, **options)
    return np.asarray(ids[0])[np.asarray(scores[0]) > -np.inf].tolist()


def _recent(user: int, interactions: Interactions) -> np.ndarray:
    """Return the rows of a user, the last one first."""
    places = places_from_last(interactions)
    rows = np.flatnonzero(interactions.users == user)
    return rows[np.argsort(places[rows])]


def _lists(user: int, raw: str, items: Titles, task: Task, outcome: Outcome) -> Section:
    seen, hidden = task.excluded, set(task.hidden.items[task.hidden.users == user].tolist())
    history = [f"{items.title(int(seen.items[row]))} - {seen.values[row]:g}" for row in _recent(user, seen)[:SHOWN]]
    ids = _recommended(user, task, outcome)
    best = [f"{items.title(item)}{' *' if item in hidden else ''}" for item in ids]
    genres = [items.genres(item) for item in ids]
    longest = max(len(history), len(best))
    columns = [column + [""] * (longest - len(column)) for column in (history, best, genres)]
    lines = [["last rated in train, with the rating", f"recommended by {outcome.model}", "genres"]]
    lines += [list(line) for line in zip(*columns, strict=True)]
    note = f"The latest first, beside the {SHOWN} best; * marks a hidden positive that was found."
    return Section(f"User {raw}", note, lines, left=3)


def _neighbours(item: int, items: Titles, factors: Factors, name: str) -> Section:
    columns = []
    for metric in ("dot", "cosine"):
        ids, values = recommend.similar_items(factors, jnp.array([item], jnp.int32), k=SHOWN, metric=metric)
        pairs = zip(np.asarray(ids[0]).tolist(), np.asarray(values[0]).tolist(), strict=True)
        columns.append([f"{items.title(other)} - {value:.3f}" for other, value in pairs if value > -np.inf])
    lines = [["by dot product", "by cosine"], *map(list, zip(*columns, strict=True))]
    return Section(f"Similar to {items.title(item)}", f"Item factors of {name}.", lines, left=2)


def _reasons(user: int, raw: str, items: Titles, task: Task, model: Recommender, outcome: Outcome) -> Section:
    ids = _recommended(user, task, outcome)
    rows, parts, scores = contributions(user, ids, task, model, outcome)
    lines = [["recommended", "what speaks for it", "score", "explained"]]
    for item, of_item, score in zip(ids, parts, scores, strict=True):
        strongest = np.argsort(-of_item)[:REASONS]
        reasons = [f"{items.title(int(rows[i]))} {of_item[i]:+.3f}" for i in strongest]
        lines.append([items.title(item), "; ".join(reasons), f"{score:.3f}", f"{of_item.sum():.3f}"])
    note = "The score as fitted, what the whole history adds up to when the user's row is solved exactly, and its "
    return Section(f"Why, for user {raw}", f"{note}{REASONS} largest parts.", lines, left=2)


def contributions(
    user: int, ids: Sequence[int], task: Task, model: Recommender, outcome: Outcome
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what each entry of a user's history adds to the score of each item.

    Returns:
        the items of the history [length], their parts [len(ids), length], and the fitted scores [len(ids)].

    Raises:
        ValueError: for a model whose user rows are not solved by least squares.
    """
    factors = outcome.fitted[0]
    config, train = (model.config, task.train) if model.solved is None else model.solved(task)
    if not isinstance(factors, Factors) or not isinstance(config, als.Config):
        raise ValueError(f"explain: {outcome.model} is not solved by least squares; pass --inspect als or als-recent")
    config = replace(config, dim=factors.items.shape[1])
    rows = np.flatnonzero(train.users == user)
    history = jnp.asarray(train.items[rows], jnp.int32)
    counts = task.histories.users.column_counts
    entry = config.objective.entry(jnp.asarray(train.values[rows]) - config.objective.offset, counts[history])
    weights = config.objective.item_weights(counts)
    background = config.objective.unobserved_weight * jnp.matmul(
        factors.items.T, weights[:, None] * factors.items, precision="highest"
    )
    reg = config.reg * als.regularization(jnp.float32(len(rows)), jnp.sum(weights), config)

    def explain(item: Array) -> Array:
        mask = jnp.ones(len(rows), bool)
        return contributions_of(factors.items, history, mask, entry.quadratic, entry.linear, background, reg, item)

    items = jnp.asarray(ids, jnp.int32)
    scores = recommend.score(factors, jnp.full(len(ids), user, jnp.int32), items)
    return np.asarray(history), np.asarray(jax.jit(jax.vmap(explain))(items)), np.asarray(scores)
