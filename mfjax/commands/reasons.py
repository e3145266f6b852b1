"""`mfjax explain`: what each item of a user's history adds to the score of an item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tyro

from mfjax.commands import output, raw
from mfjax.commands.asking import Asked, File
from mfjax.data.writing.formats import Format
from mfjax.studies.options import MOST_LENGTH, Within, Words

REST = "(no item)"
"""What the last line is called: the offset, the item's bias, and with biases the background's share."""


@dataclass(frozen=True)
class Question(File):
    """Which scores are explained."""

    user: Annotated[str, tyro.conf.arg(metavar="ID")] = tyro.MISSING
    """Raw id of the user, of the model or of --histories."""
    items: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ID ..."), Words()] = ()
    """Raw ids of the items to explain; without any, the --k best that the user has not seen."""
    k: Annotated[int, tyro.conf.arg(metavar="K"), Within(1, MOST_LENGTH)] = 3
    """Number of the best items that are explained where none are named."""
    most: Annotated[int, tyro.conf.arg(metavar="NUMBER"), Within(1, MOST_LENGTH)] = 5
    """How many of the largest contributions to print for each item; a file has all."""


@dataclass(frozen=True)
class Explain(Asked, Question):
    """Say why items have their scores for a user: what each item of the user's history adds.

    The contributions to an item add up to its score; the last line is what no item explains. Models of a ranking loss
    have no such sums, and are refused.

    Example: mfjax explain model.mfjax --user ann --items 9780
    """

    formats: ClassVar[Mapping[str, Format]] = output.TABLES

    def run(self) -> None:
        """Find the reasons, and print or write them."""
        model, _ = self.loaded()
        titles = self.titled(model)
        user = raw.of_words("user", [self.user], model.user_vocabulary, "user")
        raw.check_known("user", user, "user", model, "fold the user in: --histories FILE")
        one = user[:1].tolist()[0]
        items = self.found("items", self.items, None, None, "item", model)
        if items is None:
            items = model.recommend(one, self.k)[0]
        found = model.explain(one, items)
        if self.out is not None:
            output.send([_named(found, titles)], self.out, self.formats)
            return
        for item in items.tolist():
            print(self.told(one, item, found.filter(pc.equal(found.column("item"), item)), titles))

    def told(self, user: Any, item: Any, reasons: pa.Table, titles: Mapping[Any, str] | None) -> str:
        """Return the reasons of an item in words and a table: the largest, the others in one line, and the rest."""
        history = reasons.column("history").to_pylist()
        parts = np.asarray(reasons.column("contribution"), np.float64)
        own = np.argsort(-np.abs(parts[:-1]), kind="stable")
        shown, others = own[: self.most], own[self.most :]
        lines = [(str(history[at]), (titles or {}).get(history[at], ""), parts[at]) for at in shown]
        if len(others):
            lines.append((f"({len(others)} more)", "", parts[others].sum()))
        lines.append((REST, "", parts[-1]))
        columns = [list(column) for column in zip(*lines, strict=True)]
        table = {"history_id": columns[0]} | ({} if titles is None else {"title": columns[1]})
        title = (titles or {}).get(item, "")
        head = f"item {item}{f' ({title})' if title else ''}: {parts.sum():.4f} for user {user}"
        return f"{head}\n\n{output.text(pa.table(table | {'contribution': columns[2]}))}\n"


def _named(found: pa.Table, titles: Mapping[Any, str] | None) -> pa.Table:
    """Return reasons as a file has them: item_id, history_id (none in the last row of an item), contribution."""
    columns = {"item_id": found.column("item"), "history_id": found.column("history")}
    if titles is not None:
        known = [titles.get(one, "") for one in found.column("history").to_pylist()]
        columns["title"] = pa.array(known, pa.large_string())
    return pa.table(columns | {"contribution": found.column("contribution")})
