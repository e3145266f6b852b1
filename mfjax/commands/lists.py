"""`mfjax recommend` and `mfjax similar`: the lists of a fitted model, a block of them at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import tyro

from mfjax.commands import output
from mfjax.commands.asking import Asked, File, FileOf, with_titles
from mfjax.recommend import Model
from mfjax.recommend.lists import Similarity
from mfjax.recommend.parts import Side
from mfjax.studies.options import MOST_LENGTH, Within, Words

BLOCK = 8192
"""Lists that are in memory at once."""


@dataclass(frozen=True)
class Wanted(File):
    """Which lists of items a command makes."""

    users: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ID ..."), Words()] = ()
    """Raw ids of users."""
    users_file: FileOf = None
    """File of users, each listed once: one a line, or a column of a .csv, .tsv or .parquet."""
    users_column: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None
    """Column of --users-file; None for its only one, or one with a usual name, such as user_id."""
    k: Annotated[int, tyro.conf.arg(metavar="K"), Within(1, MOST_LENGTH)] = 10
    """Length of the lists; they are shorter where fewer items can be recommended."""
    exclude: Literal["seen", "none"] = "seen"
    """What to leave out: items that the user has seen in the data that was fitted or in --histories, or nothing."""
    candidates_file: FileOf = None
    """File of the items that can be recommended, as --users-file; None for all."""
    candidates_column: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None
    """Column of --candidates-file."""


@dataclass(frozen=True)
class Recommend(Asked, Wanted):
    """Recommend items to users: the k best of each, best first.

    Lists are made for the users that are named; else for those of --histories; else for every user of the model.

    Example: mfjax recommend model.mfjax --users ann bob --k 10 --out lists.csv
    """

    def run(self) -> None:
        """Make the lists, and print or write them."""
        model, newcomers = self.loaded()
        titles = self.titled(model)
        users = self.found("users", self.users, self.users_file, self.users_column, "user", model)
        if users is None:
            users = model.user_vocabulary.raw if newcomers is None else newcomers
        items = self.found("candidates", (), self.candidates_file, self.candidates_column, "item", model)
        output.send(self.tables(model, users, items, titles), self.out, self.formats)

    def tables(
        self, model: Model, users: np.ndarray, candidates: np.ndarray | None, titles: Mapping[Any, str] | None
    ) -> Iterator[pa.Table]:
        """Yield the lists of users in blocks: user_id, item_id, (title,) rank and score, as `data.write_run` has them.

        Args:
            model: that is asked.
            users, candidates: raw ids; no candidates for all.
            titles: of items, or None.
        """
        exclude = None if self.exclude == "none" else "seen"
        for block in output.blocks(users, BLOCK, what="users", tell=self.progress):
            found = model.recommend(block, self.k, exclude=exclude, candidates=candidates)
            yield with_titles(_named(found, "user", "item"), "item_id", titles)


@dataclass(frozen=True)
class Compared(File):
    """Which items or users a command finds the neighbours of."""

    items: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ID ..."), Words()] = ()
    """Raw ids of items."""
    items_file: FileOf = None
    """File of items, each listed once: one a line, or a column of a .csv, .tsv or .parquet."""
    items_column: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None
    """Column of --items-file; None for its only one, or one with a usual name, such as item_id."""
    users: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ID ..."), Words()] = ()
    """Raw ids of users, in place of items."""
    users_file: FileOf = None
    """File of users, in place of items."""
    users_column: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None
    """Column of --users-file."""
    k: Annotated[int, tyro.conf.arg(metavar="K"), Within(1, MOST_LENGTH)] = 10
    """Length of the lists."""
    metric: Similarity | None = None
    """For factors cosine, the default, or dot, which puts popular items first; item weights have one of their own."""


@dataclass(frozen=True)
class Similar(Asked, Compared):
    """Say which items, or which users, are most alike: the k nearest of each, nearest first.

    Of the items or users that are named; else of the users of --histories; else of every item.
    """

    def agree(self) -> None:
        if (self.items or self.items_file) and (self.users or self.users_file):
            raise ValueError("users: items are given as well; ask for the neighbours of one of the two")

    def run(self) -> None:
        """Find the neighbours, and print or write them."""
        model, newcomers = self.loaded()
        side, asked = self.asked(model, newcomers)
        if side == "user" and self.titles is not None:
            raise ValueError(f"titles: {self.titles} is of items, and users are listed; leave it out")
        output.send(self.tables(model, side, asked, self.titled(model)), self.out, self.formats)

    def asked(self, model: Model, newcomers: np.ndarray | None) -> tuple[Side, np.ndarray]:
        """Return whose neighbours are asked for, by raw ids."""
        items = self.found("items", self.items, self.items_file, self.items_column, "item", model)
        if items is not None:
            return "item", items
        users = self.found("users", self.users, self.users_file, self.users_column, "user", model)
        users = newcomers if users is None else users
        return ("item", model.item_vocabulary.raw) if users is None else ("user", users)

    def tables(
        self, model: Model, side: Side, asked: np.ndarray, titles: Mapping[Any, str] | None
    ) -> Iterator[pa.Table]:
        """Yield the neighbours of raw ids in blocks: item_id (or user_id), similar_id, (title,) rank and score."""
        near = model.similar_items if side == "item" else model.similar_users
        for block in output.blocks(asked, BLOCK, what=f"{side}s", tell=self.progress):
            found = _named(near(block, self.k, metric=self.metric), side, "similar")
            yield with_titles(found, "similar_id", titles)


def _named(found: pa.Table, side: str, other: str) -> pa.Table:
    """Return lists of a model under the names, and in the order, that files of lists have."""
    return found.select([side, other, "rank", "score"]).rename_columns([f"{side}_id", f"{other}_id", "rank", "score"])
