"""The options that commands on a fitted model share (model, newcomers, titles, output), and reading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import tyro
from tyro.conf import Positional

from mfjax import saving, vocabularies
from mfjax.commands import output, raw
from mfjax.data.describing.source import Reading
from mfjax.data.published.datasets import load
from mfjax.data.writing.formats import Format
from mfjax.recommend import Model
from mfjax.recommend.asked import UnknownIds
from mfjax.recommend.parts import Side
from mfjax.studies import protocols
from mfjax.studies.options import Checked, Place
from mfjax.types import Interactions

FileOf = Annotated[Path | None, tyro.conf.arg(metavar="FILE"), Place("file")]
"""A file that is there, or None."""


@dataclass(frozen=True)
class File(Checked):
    """The model that a command reads; what it is asked is in a class of the command."""

    model: Annotated[Positional[Path], tyro.conf.arg(metavar="FILE"), Place("file")]
    """File of a model, written by mfjax fit or by saving.save."""


@dataclass(frozen=True)
class Newcomers(Checked):
    """Users who were not fitted, folded in before the model is asked."""

    histories: FileOf = None
    """File of users that the model does not know: pairs of a user and an item, with values like those that were fitted.
    They are folded in before the model is asked."""
    unknown: UnknownIds = "error"
    """What to do with pairs of --histories whose item the model does not know."""
    positives: Annotated[float | None, tyro.conf.arg(metavar="VALUE")] = None
    """Keep the pairs of --histories of at least this value, and give each the value 1; None does as mfjax fit did."""
    reading: Reading = field(default_factory=Reading)
    """How --histories is read; what is not said is found by usual names."""

    def check_reading(self) -> None:
        """Raise ValueError for options of reading where nothing is read."""
        said = [f"reading.{name}" for name in self.reading.said()] + ["positives"] * (self.positives is not None)
        if self.histories is None and said:
            raise ValueError(f"{said[0]}: there is no file to read so; pass --histories FILE")

    def histories_for(self, model: Model) -> Interactions:
        """Return the pairs of the newcomers, those that are liked where the model was fitted to such.

        Raises:
            ValueError: for a file that can not be read so, naming the row and the remedy, or one without ratings for a
                model of ratings.
        """
        assert self.histories is not None
        said = self.reading.said()
        is_text = [vocabularies.kind_of(model.vocabulary(side).raw) == "text" for side in ("user", "item")]
        if all(is_text):
            said.setdefault("ids", "text")  # digits are text to a model of texts
        pairs = load(self.histories, **said).interactions
        are_ones = bool((pairs.values == 1).all())
        if are_ones and model.rating_range is not None and self.reading.value is None:
            raise ValueError(
                f"histories: the model was fitted to ratings, and {self.histories} seems to have none (all values are "
                "1); name their column: --reading.value"
            )
        if self.positives is not None:
            return protocols.positives(pairs, self.positives)
        least = _positives_of(model)
        return pairs if least is None or are_ones else protocols.positives(pairs, least)

    def grown(self, model: Model) -> tuple[Model, np.ndarray | None]:
        """Return a model with the newcomers, and their raw ids; None where there are none."""
        if self.histories is None:
            return model, None
        pairs = self.histories_for(model)
        assert pairs.user_vocabulary is not None
        users = pairs.user_vocabulary.raw[np.unique(pairs.users).astype(np.int64)]
        try:
            return model.fold_in(pairs, unknown=self.unknown), users
        except ValueError as error:
            raise ValueError(_in_words(str(error))) from None


def _positives_of(model: Model) -> float | None:
    """Return the least value of what a model was fitted to, where its manifest says one."""
    options = model.manifest.get("options")
    least = options.get("positives") if isinstance(options, Mapping) else None
    return float(least) if isinstance(least, (int, float)) and not isinstance(least, bool) else None


def _in_words(told: str) -> str:
    """Return an error of `Model.fold_in` with the remedies of a command line."""
    told = told.replace("pass its pairs to update", "leave it out, or fit anew with its pairs")
    return told.replace("; drop its pairs", "; drop its pairs, or pass --unknown drop")


@dataclass(frozen=True)
class Answer(Checked):
    """Where the answer of a command is written."""

    formats: ClassVar[Mapping[str, Format]] = output.RUNS

    titles: FileOf = None
    """Table with the columns item_id and title (.csv, .tsv, .parquet), for a column of titles."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File to write, by its ending: .csv, .tsv, .parquet, and for lists .trec or .run; None prints a table."""
    overwrite: bool = False
    """Write over a file that is there."""
    progress: bool = True
    """Tell how far long work is, on stderr."""
    compilation_cache: bool = True
    """Keep compiled programs on disk, so that the next answer comes sooner."""

    def check_answer(self) -> None:
        """Raise ValueError for an answer that could not be written."""
        output.check("out", self.out, self.overwrite, self.formats)


@dataclass(frozen=True)
class Asked(Answer, Newcomers, File):
    """A model with its newcomers, and where the answer is written."""

    def loaded(self) -> tuple[Model, np.ndarray | None]:
        """Return the model of the file with the newcomers, and their raw ids; None where there are none.

        Raises:
            ValueError: for what can not be written in the end, a file that is no model, and as `Newcomers.grown`.
        """
        self.check_reading()
        self.check_answer()
        return self.grown(saving.load(self.model))

    def found(
        self, name: str, words: tuple[str, ...], file: Path | None, column: str | None, side: Side, model: Model
    ) -> np.ndarray | None:
        """Return the raw ids of a side that are asked for, by words or in a file; None where nothing is said.

        Args:
            name: of the option of the words; that of the file is `NAME_file`.
            words: of the command line.
            file: with the ids, or None.
            column: of the file, or None.
            side: whose ids they are.
            model: which must know them all.
        """
        if words and file is not None:
            raise ValueError(f"{name}_file: {name} are given as well; pass one of the two")
        if column is not None and file is None:
            raise ValueError(f"{name}_column: {column!r:.40}, but there is no file; pass --{name}-file FILE")
        if not words and file is None:
            return None
        vocabulary = model.vocabulary(side)
        if file is None:
            asked = raw.of_words(name, words, vocabulary, side)
        else:
            name = f"{name}_file"
            asked = raw.of_file(name, file, column, vocabulary, side)
        remedy = "fold them in: --histories FILE" if side == "user" else "fit anew with their interactions"
        raw.check_known(name, asked, side, model, remedy)
        return asked

    def titled(self, model: Model) -> dict[Any, str] | None:
        """Return raw item id -> title, or None where there is no file of titles."""
        return None if self.titles is None else raw.titles("titles", self.titles, model.item_vocabulary)


def with_titles(table: pa.Table, column: str, titles: Mapping[Any, str] | None) -> pa.Table:
    """Return a table with the titles of a column of items after it; "" for an item without one.

    Example:
        >>> with_titles(pa.table({"item_id": [7, 9], "rank": [1, 2]}), "item_id", {9: "Heat"}).to_pylist()[1]
        {'item_id': 9, 'title': 'Heat', 'rank': 2}
    """
    if titles is None:
        return table
    found = pa.array([titles.get(one, "") for one in table.column(column).to_pylist()], pa.large_string())
    return table.add_column(table.column_names.index(column) + 1, "title", found)
