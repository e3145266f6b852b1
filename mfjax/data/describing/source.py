"""The options of commands that read interactions: where they are, and all of `data.read` that can be said."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar

from tyro.conf import OmitArgPrefixes, Positional, arg

from mfjax.data.published.datasets import Dataset, load
from mfjax.data.reading.ids import IdKind
from mfjax.data.reading.layouts import Text
from mfjax.data.reading.reader import FileLayout
from mfjax.data.reading.repeats import Duplicates
from mfjax.types import TimeUnit

Column = Annotated[str | None, arg(metavar="COLUMN")]
"""The name of a column, or its position from 0; None finds it by usual names."""


@dataclass(frozen=True)
class Where:
    """Where interactions are: the path of a file, a folder or a zip archive, or the name of a published set."""

    path: Annotated[Positional[str], arg(metavar="DATA")]
    """File, folder or zip archive, or the name of a published set such as ml-1m."""
    name: Annotated[str | None, arg(metavar="SET")] = None
    """Name of the published set that DATA is, such as amazon-2014, where its files do not tell."""


@dataclass(frozen=True)
class Reading:
    """How interactions are read; what is not said is found from the file."""

    group: ClassVar[str] = "reading"

    user: Column = None
    """Column of users, by its name or its position from 0."""
    item: Column = None
    """Column of items."""
    value: Column = None
    """Column of ratings, counts or events."""
    timestamp: Column = None
    """Column of times."""
    weight: Column = None
    """Column of how sure each value is."""
    values: Annotated[dict[str, float] | None, arg(metavar="EVENT NUMBER ...")] = None
    """Value of each event, such as: --values view 1 purchase 5."""
    duplicates: Duplicates | None = None
    """What several rows of one user and item become. None refuses them, unless the published set has a rule."""
    ids: IdKind | None = None
    """What ids in a text file are; None reads integers where all ids of a column are integers."""
    time_unit: TimeUnit | None = None
    """Unit of times that are numbers; None finds it."""
    time_format: Annotated[str | None, arg(metavar="FORMAT")] = None
    """Format of times in text that is not ISO 8601, such as %d/%m/%Y."""
    layout: FileLayout = "table"
    """What a line is: a row of a table, a user and all its items (lists), or a judgement of TREC (qrels)."""
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
