"""What is in a file or folder, counted; what of it can not be read, and why; and the call that reads it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from mfjax import checks
from mfjax.data.describing import counting
from mfjax.data.describing.counting import Counts
from mfjax.data.published import candidates, guessing, heads, locating
from mfjax.data.published.guessing import Guess
from mfjax.data.published.heads import Head
from mfjax.data.published.locating import Located
from mfjax.data.published.recipes import NEGATIVES, SETS, WHOLE
from mfjax.data.reading import opening
from mfjax.data.reading.columns import Columns
from mfjax.data.reading.layouts import Text
from mfjax.data.reading.opening import Place
from mfjax.data.reading.reader import read_split
from mfjax.data.reading.rows import PARTS, Part


class Column(NamedTuple):
    """A column: its name, the part that it plays (None for none), and its first cells."""

    name: str
    part: Part | None
    sample: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """What is in a source of interactions.

    Attributes:
        path: that was asked about.
        files: part -> its files, "all" where the source does not come split.
        sets: names of the published sets that have this layout.
        format: "text", "lists", "JSON lines" or "Parquet".
        separator, header, encoding: of a text file, None for others.
        columns: of the first file; none of lists.
        counts: of the rows; None where they can not be had.
        dropped: a sentence for everything that `data.read` refuses.
        notes: a sentence for everything that is a guess.
        call: Python that reads the source, as far as it can be read.
        load: Python that reads it as a published set, or None.
    """

    path: str
    files: Mapping[str, tuple[str, ...]]
    sets: tuple[str, ...]
    format: str
    separator: str | None
    header: bool | None
    encoding: str | None
    columns: tuple[Column, ...]
    counts: Counts | None
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    call: str
    load: str | None


def describe(source: str | os.PathLike, *, name: str | None = None, **options: Any) -> Description:
    """Return what is in a file, a folder or a zip archive.

    Args:
        source: path of the file, folder or archive.
        name: of the published set that it is, where its files do not tell; one of `recipes.SETS`.
        options: of `data.read`, where they are known; the others are found or guessed, which `notes` says.

    Raises:
        FileNotFoundError: for what is not there.
        ValueError: for what can not be looked into, naming the remedy.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "events.csv"
        ...     _ = path.write_text("user,item,rating\\n7,9,5\\n8,9,3\\n8,,4\\n")
        ...     found = describe(path)
        >>> found.counts.users, found.counts.items, found.counts.values
        (2, 1, Values(least=3.0, most=5.0, different=2))
        >>> print(found.dropped[0].replace(str(path), "events.csv"))
        item 'item': 1 row (the first: events.csv, line 4) without an id
    """
    path = opening.place(source)
    located = _located(path, name)
    files: dict[str, list[Place]]
    others: list[Place] = []
    if located is not None:
        files = {part: [file] for part, file in located.files.items()}
        found = Guess(_head(located, options), {**located.options, **options}, ())
    else:
        files, others = locating.by_part(path)
        if not any(files.values()):
            raise ValueError(f"source: {path} holds no table ({', '.join(opening.TABLES)}); pass a file")
        found = guessing.guess(next(iter(files.values()))[0], options)
    read = {part: each for part, each in files.items() if part != NEGATIVES}
    columns = () if found.head is None else _columns(found.head, found.options)
    counts: Counts | None = None
    dropped: tuple[str, ...]
    try:
        counts = counting.count(
            read, found.options, {each.part: each.name for each in columns if each.part is not None}
        )
        dropped = (*counts.dropped, *_of_negatives(files, found.options))
    except ValueError as error:
        dropped = (str(error),)
    layout = None if found.head is None else found.head.layout
    return Description(
        path=str(path),
        files={part: tuple(map(str, each)) for part, each in files.items()},
        sets=() if located is None else _names(located),
        format="lists" if found.head is None else found.head.format,
        separator=None if layout is None else layout.dialect.separator,
        header=None if layout is None else layout.header,
        encoding=None if layout is None else layout.dialect.encoding,
        columns=columns,
        counts=counts,
        dropped=dropped,
        notes=(*found.notes, *(f"{file} is of no part and is left out" for file in others)),
        call=_call(read, found.options, {} if counts is None else counts.needed),
        load=None if located is None else f"data.load({'' if name is None else f'{name!r}, '}{str(path)!r})",
    )


def _located(path: Place, name: str | None) -> Located | None:
    if name is None:
        return locating.recognised(path)
    checks.choice("name", name, tuple(SETS))
    located = locating.named(name, path, inner=True)
    if located is None:
        wanted = ", ".join(patterns[0] for patterns in SETS[name].recipe.parts.values())
        raise ValueError(f"name: {path} holds no {wanted}, which {name} has; leave the name out, or pass another")
    return located


def _of_negatives(files: Mapping[str, Sequence[Place]], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is left out of lists of candidates."""
    if NEGATIVES not in files:
        return ()
    tests = read_split({"test": list(files["test"])}, **options)
    return candidates.told(*candidates.read(files[NEGATIVES][0], tests)[1:])


def _names(located: Located) -> tuple[str, ...]:
    return tuple(name for name, published in SETS.items() if published.recipe is located.recipe)


def _head(located: Located, given: Mapping[str, Any]) -> Head | None:
    options = {**located.options, **given}
    if options.get("layout") == "lists":
        return None
    columns, dialect = guessing.chosen(Columns, options), guessing.chosen(Text, options)
    return heads.head(next(iter(located.files.values())), columns, dialect)


def _columns(head: Head, options: Mapping[str, Any]) -> tuple[Column, ...]:
    parts = {options[part]: part for part in PARTS if options.get(part) is not None}
    return tuple(
        Column(name, parts.get(name, parts.get(at)), tuple(row[at] for row in head.rows if at < len(row)))
        for at, name in enumerate(head.names)
    )


def _call(files: Mapping[str, Sequence[Place]], options: Mapping[str, Any], needed: Mapping[str, str]) -> str:
    """Return Python that reads files: the options as they were found, and what the rows need."""
    written = {name: repr(option) for name, option in options.items() if name != "where" and option is not None}
    written |= needed
    if options.get("where") is not None:  # an expression or a function, which has no text
        written["where"] = " & ".join(["where", *([needed["where"]] if "where" in needed else [])])
    places = {part: _written([*each]) for part, each in files.items()}
    if tuple(places) == (WHOLE,):
        function, source = "read", places[WHOLE]
    else:
        function = "read_split"
        source = "{" + ", ".join(f"{part!r}: {place}" for part, place in places.items()) + "}"
    arguments = "".join(f",\n    {name}={option}" for name, option in written.items())
    text = f"data.{function}(\n    {source}{arguments},\n)"
    imports = ["import zipfile\n\n"] if "zipfile." in text else []
    imports += ["import pyarrow.compute as pc\n\n"] if "pc.field" in text else []
    return f"{''.join(imports)}from mfjax import data\n\npairs = {text}"


def _written(files: list[Place]) -> str:
    if len(files) > 1:
        return f"[{', '.join(_written([file]) for file in files)}]"
    file = files[0]
    if isinstance(file, zipfile.Path):
        return f"zipfile.Path({cast(str, file.root.filename)!r}, {file.at!r})"
    return repr(str(file))
