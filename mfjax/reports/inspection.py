"""Recommendations checked by eye: a user's history beside the list, similar items, and what speaks for an item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import als, recommend
from mfjax.data.published.datasets import Dataset
from mfjax.data.recency import places_from_last
from mfjax.histories import ragged
from mfjax.reports.sections import Section
from mfjax.studies.model import Model, Parameters
from mfjax.studies.task import Task
from mfjax.types import Factors, Interactions, Scorer
from mfjax.vocabularies import kind_of

SHOWN = 10
"""Entries of a history, a list or a neighbourhood."""
REASONS = 3
"""Items of the history that are named for each recommendation."""

_top_k = jax.jit(recommend.top_k, static_argnames="k")
_explain = jax.jit(als.explain)


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


@dataclass(frozen=True)
class Inspected:
    """A model of a study that is asked.

    Attributes:
        dataset, task: of the study.
        name, model, parameters: what was fitted.
        fitted: what it was fitted to; None before.
    """

    dataset: Dataset
    task: Task
    name: str
    model: Model
    parameters: Parameters
    fitted: Scorer | Factors | None = None

    def is_solved(self) -> bool:
        """Return whether its user rows are solved by least squares, which can be explained."""
        return self.model.config is not None and isinstance(self.model.config(self.parameters, self.task), als.Config)

    def check(self, *, user: str | None = None, similar: str | None = None, explain: bool = False) -> None:
        """Raise ValueError for a question of `sections` that could not be answered, before any model is fitted."""
        if user is not None:
            known = find_user(self.dataset, user)
            if explain and not (self.task.train.users == known).any():
                raise ValueError(f"explain: user {user} has no row in train that could speak for an item; pass another")
        if explain and not self.is_solved():
            raise ValueError(f"explain: {self.name} is not solved by least squares; pass --inspect als or als-recent")
        if similar is not None:
            Titles(self.dataset, self.task.train.item_counts()).find(similar)
            if self.model.config is None:
                raise ValueError(f"similar: {self.name} has no item factors; pass --inspect als")

    def sections(self, *, user: str | None = None, similar: str | None = None, explain: bool = False) -> list[Section]:
        """Return what was asked for, as tables.

        Args:
            user: raw id: history and recommendations.
            similar: title: nearest items by dot product and by cosine.
            explain: whether the contributions to the user's recommendations are shown.

        Raises:
            ValueError: as `check`.
        """
        self.check(user=user, similar=similar, explain=explain)
        items, found = Titles(self.dataset, np.asarray(self.task.item_counts)), []
        if user is not None:
            found.append(self._lists(user, items))
        if user is not None and explain:
            found.append(self._reasons(user, items))
        if similar is not None:
            found.append(self._neighbours(similar, items))
        return found

    def _recommended(self, user: int) -> list[int]:
        assert self.fitted is not None
        asked = jnp.array([user], jnp.int32)
        ids, scores = _top_k(self.fitted, asked, k=SHOWN, exclude=self.task.exclude, candidates=self.task.candidates)
        return np.asarray(ids[0])[np.asarray(scores[0]) > -np.inf].tolist()

    def _lists(self, raw: str, items: Titles) -> Section:
        user, task, genres = find_user(self.dataset, raw), self.task, self.dataset.genres
        seen, hidden = task.excluded, set(task.hidden.items[task.hidden.users == user].tolist())
        rows = _recent(user, seen)[:SHOWN]
        ids = self._recommended(user)
        history = [f"{items.title(int(seen.items[row]))} - {seen.values[row]:g}" for row in rows]
        best = [f"{items.title(item)}{' *' if item in hidden else ''}" for item in ids]
        kinds = ["" if genres is None else ", ".join(genres[item]) for item in ids]
        longest = max(len(history), len(best))
        columns = [column + [""] * (longest - len(column)) for column in (history, best, kinds)]
        lines = [["last rated in train, with the rating", f"recommended by {self.name}", "genres"]]
        lines += [list(line) for line in zip(*columns, strict=True)]
        note = f"The latest first, beside the {SHOWN} best; * marks a hidden positive that was found."
        return Section(f"User {raw}", note, lines, left=3)

    def _neighbours(self, similar: str, items: Titles) -> Section:
        item, columns = items.find(similar), []
        assert isinstance(self.fitted, Factors)
        for metric in ("dot", "cosine"):
            ids, values = recommend.similar_items(self.fitted, jnp.array([item], jnp.int32), k=SHOWN, metric=metric)
            pairs = zip(np.asarray(ids[0]).tolist(), np.asarray(values[0]).tolist(), strict=True)
            columns.append([f"{items.title(other)} - {value:.3f}" for other, value in pairs if value > -np.inf])
        lines = [["by dot product", "by cosine"], *map(list, zip(*columns, strict=True))]
        return Section(f"Similar to {items.title(item)}", f"Item factors of {self.name}.", lines, left=2)

    def _reasons(self, raw: str, items: Titles) -> Section:
        user = find_user(self.dataset, raw)
        ids = self._recommended(user)
        rows, parts, scores = self.contributions(user, ids)
        lines = [["recommended", "what speaks for it", "score", "explained"]]
        for item, of_item, score in zip(ids, parts, scores, strict=True):
            strongest = np.argsort(-of_item)[:REASONS]
            reasons = [f"{items.title(int(rows[i]))} {of_item[i]:+.3f}" for i in strongest]
            lines.append([items.title(item), "; ".join(reasons), f"{score:.3f}", f"{of_item.sum():.3f}"])
        note = "The score as fitted, what the whole history adds up to when the user's row is solved exactly, and its "
        return Section(f"Why, for user {raw}", f"{note}{REASONS} largest parts.", lines, left=2)

    def contributions(self, user: int, ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what each entry of a user's history adds to the score of each item, by least squares.

        Returns:
            the items of the history [length], their parts [len(ids), length], and the fitted scores [len(ids)].
        """
        factors, history = self.fitted, self.task.history
        assert isinstance(factors, Factors) and self.model.config is not None
        config = replace(self.model.config(self.parameters, self.task), dim=factors.items.shape[1])
        if self.model.history is not None:
            history = self.model.history(self.parameters, self.task)
        counts, items = jnp.asarray(self.task.train.item_counts(), jnp.float32), jnp.asarray(ids, jnp.int32)
        lists = ragged(history)
        rows, _, mask = (np.asarray(part[0]) for part in lists.rows(jnp.array([user])))
        parts = np.asarray(_explain(factors, lists, config, user=jnp.int32(user), items=items, item_counts=counts))
        scores = recommend.score(factors, jnp.full(len(ids), user, jnp.int32), items)
        return rows[mask], parts[:, :-1][:, mask], np.asarray(scores)


def _recent(user: int, interactions: Interactions) -> np.ndarray:
    """Return the rows of a user, the last one first."""
    places = places_from_last(interactions)
    rows = np.flatnonzero(interactions.users == user)
    return rows[np.argsort(places[rows])]
