"""The options of commands that read interactions: where they are, and all of `data.read` that can be said."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tyro.conf import OmitArgPrefixes, Positional

from mfjax.data.published.datasets import Dataset, load
from mfjax.data.reading.ids import IdKind
from mfjax.data.reading.layouts import Text
from mfjax.data.reading.reader import FileLayout
from mfjax.data.reading.repeats import Duplicates
from mfjax.types import TimeUnit


@dataclass(frozen=True)
class Where:
    """Where interactions are: the path of a file, a folder or a zip archive, or the name of a published set."""

    path: Positional[str]
    """File, folder or zip archive, or a published set such as ml-1m."""
    name: str | None = None
    """Published set that it is, where its files do not tell, such as amazon-2014."""


@dataclass(frozen=True)
class Reading:
    """How interactions are read: all of `data.read` that a command line can say."""

    user: str | None = None
    """Column of users, by name, or by position from 0."""
    item: str | None = None
    """Column of items."""
    value: str | None = None
    """Column of ratings, counts or events."""
    timestamp: str | None = None
    """Column of times."""
    weight: str | None = None
    """Column of how sure each value is."""
    values: dict[str, float] | None = None
    """What each event is worth, such as: --values view 1 purchase 5."""
    duplicates: Duplicates | None = None
    """What a repeated pair becomes; None refuses it, or takes what the set's recipe says."""
    ids: IdKind | None = None
    """What ids in a text file are; None for integers where all are."""
    time_unit: TimeUnit | None = None
    """Of times that are numbers; None finds it."""
    time_format: str | None = None
    """Of times in text that is not ISO 8601, as strptime has it."""
    layout: FileLayout = "table"
    """Of lines: a table, lists of a user and its items, or judgements of TREC."""
    text: OmitArgPrefixes[Text] = field(default_factory=Text)

    def said(self) -> dict[str, Any]:
        """Return the options of `data.read` that differ from its own."""
        columns = ("user", "item", "value", "timestamp", "weight")
        others = ("values", "duplicates", "ids", "time_unit", "time_format", "layout")
        options = {name: getattr(self, name) for name in (*columns, *others)} | asdict(self.text)
        for part in columns:
            if options[part] is not None and options[part].isdecimal():
                options[part] = int(options[part])
        usual = dict.fromkeys((*columns, *others)) | {"layout": "table"} | asdict(Text())
        return {option: value for option, value in options.items() if value != usual[option]}


@dataclass(frozen=True)
class Source(Reading, Where):
    """Interactions, and how they are read."""

    def load(self) -> Dataset:
        """Return what is there, see `data.load`."""
        if self.name is None:
            return load(self.path, **self.said())
        return load(self.name, self.path, **self.said())
