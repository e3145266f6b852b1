"""Published data sets by name, and any data set by its path: interactions, parts, titles of items."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from mfjax import checks
from mfjax.data.published import candidates, guessing, heads, locating, ncf, releases, titles
from mfjax.data.published.candidates import Candidates
from mfjax.data.published.locating import Located
from mfjax.data.published.recipes import NEGATIVES, SETS, WHOLE
from mfjax.data.published.titles import Titles
from mfjax.data.reading import opening
from mfjax.data.reading.columns import Columns
from mfjax.data.reading.layouts import Text
from mfjax.data.reading.opening import Place
from mfjax.data.reading.reader import read, read_split
from mfjax.data.reading.rows import Part
from mfjax.types import Interactions


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set of interactions, with what its source knows about the items.

    Attributes:
        name: "ml-100k", "ml-1m", ... or the name of the folder or file.
        interactions: every interaction, in the order of the files, with vocabularies of the raw ids. A set that comes
            split has its parts here one after the other.
        titles: str [num_items] as the source writes them, "" where it has none, or None without a file of items.
        years: int32 [num_items] of release, 0 where unknown, or None.
        genres: one tuple of names per item, or None.
        checksum: sha256 of the bytes of the files of interactions, one after the other.
        source: where the files came from, and whether the file of interactions is the official one.
        parts: "train", "test", ... -> the interactions of a part, over one id space; empty where the set does not come
            split.
        candidates: the items among which each test of `parts["test"]` is ranked, where the source lists them, or None.
        notes: what is worth knowing about the files.
    """

    name: str
    interactions: Interactions
    titles: np.ndarray | None
    years: np.ndarray | None
    genres: tuple[tuple[str, ...], ...] | None
    checksum: str
    source: str
    parts: Mapping[str, Interactions] = field(default_factory=dict)
    candidates: Candidates | None = None
    notes: tuple[str, ...] = ()


def load(
    name_or_path: str | os.PathLike | zipfile.Path, data_dir: str | os.PathLike | None = None, **options: Any
) -> Dataset:
    """Return a published set by its name, or any set by the path of its folder, file or zip archive.

    A name is one of `recipes.SETS`, such as "ml-100k", "ml-25m", "gowalla", "ncf-ml-1m", "lastfm", "amazon-2014". Its
    files are taken from `data_dir`, and from nowhere else where one is named: a folder or archive that holds them, one
    named after the set in it, or the file itself. Without `data_dir` they are taken from the cache, or where the
    licence allows are fetched (from GroupLens over https, ml-100k also from the wheel recbole of the package index).
    What is fetched is verified before it is cached, and the cache each time it is read. A file of the caller's own need
    not be the official one: `source` says whether it is.

    A path is read where it is. A set is recognised by the names of its files and columns; whatever else is read by
    `data.read`, the columns by their usual names, which `source` says, and a folder with tables such as train.csv and
    test.csv as these parts. A zip archive is read as it was downloaded.

    Args:
        name_or_path: "ml-1m", "data/gowalla", "ml-25m.zip", "mine/ratings.parquet".
        data_dir: where the files of a named set are.
        options: of `data.read`, in place of the recipe's: `duplicates`, `where`, `values`, ...

    Raises:
        FileNotFoundError: listing all that was tried and what to do.
        ValueError: naming the row that can not be read, or the files or sets that may be meant, and the remedy.

    Example:
        >>> load("ml-100k").interactions.num_users  # doctest: +SKIP
        943
    """
    for name, folder in (("name_or_path", name_or_path), ("data_dir", "" if data_dir is None else data_dir)):
        checks.kind(name, folder, (str, os.PathLike, zipfile.Path), "pass the name of a set, a folder or a file")
    # A Path that is there is one, even where it has the name of a set.
    is_there = not isinstance(name_or_path, str) and _exists(name_or_path)
    if str(name_or_path) in SETS and not is_there:
        name = str(name_or_path)
        located, source = releases.find(name, None if data_dir is None else Path(data_dir))
        return _made(name, located, source, options)
    if data_dir is not None:
        raise ValueError(
            f"data_dir: {data_dir} is where a set is ({', '.join(SETS)}), and {name_or_path} is a path of its own; "
            "leave one of the two out"
        )
    if not _exists(name_or_path):
        raise FileNotFoundError(f"{name_or_path}: neither a set ({', '.join(SETS)}) nor a file or folder that is there")
    path = opening.place(name_or_path)
    found = locating.recognised(path)
    if found is None:
        return _unknown(path, options)
    files = list(found.files.values())
    return _made(_name(found), found, f"local file{'s' * (len(files) > 1)} {', '.join(map(str, files))}", options)


def _exists(path: Any) -> bool:
    return path.exists() if hasattr(path, "exists") else Path(path).exists()


def _made(name: str, located: Located, source: str, options: Mapping[str, Any]) -> Dataset:
    """Read a set that follows a recipe."""
    options = {**located.options, **options}
    files = dict(located.files)
    listed = files.pop(NEGATIVES, None)
    parts: dict[str, Interactions] = {}
    lists: Candidates | None = None
    notes: tuple[str, ...] = ()
    if tuple(located.recipe.parts) == (WHOLE,):
        interactions = read(files[WHOLE], **options)
    else:
        sources: dict[str, Any] = dict(files)
        if listed is not None and "train" not in files and (ratings := ncf.ratings_beside(files["test"])) is not None:
            sources = dict(ncf.parts(ratings, {"source": files["test"], **options}))
            source = f"{source}; train is {ratings} without the tests"
        parts = read_split(sources, **options)
        if listed is not None:
            parts, lists, own = candidates.read(listed, parts)
            notes = candidates.told(lists, own)
        interactions = together(parts)
    vocabulary = interactions.item_vocabulary
    about = Titles(None, None, None)
    if located.items is not None and located.recipe.items is not None and vocabulary is not None:
        about = titles.read(located.items, located.recipe.items, vocabulary)
    checksum = _digest(located.files.values())
    return Dataset(name, interactions, *about, checksum, source, parts, lists, notes)


def _unknown(path: Place, options: Mapping[str, Any]) -> Dataset:
    """Read a file or folder that follows no recipe, values and times by their usual names."""
    options = dict(options)
    files, others = locating.by_part(path)
    every = [file for each in files.values() for file in each]
    is_table = bool(every) and options.get("layout", "table") == "table"
    usual = _usual(every[0], options) if is_table else {}
    parts: dict[str, Interactions] = {}
    if WHOLE in files:
        interactions = read(path, **{**options, **usual})
    else:
        parts = read_split(files, **{**options, **usual})
        interactions = together(parts)
    notes = (f"not read: {', '.join(map(str, others))}",) if others else ()
    told = ", ".join(f"{part} {name!r}" for part, name in usual.items())
    source = f"local {'folder' if path.is_dir() else 'file'} {path}{f' ({told} by the usual names)' if told else ''}"
    name = path.name.partition(".")[0]
    return Dataset(name, interactions, None, None, None, _digest(every), source, parts, None, notes)


def _usual(file: Place, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of values and times that have usual names and are not asked for otherwise."""
    try:
        names = heads.head(file, guessing.chosen(Columns, options), guessing.chosen(Text, options)).names
    except ValueError as error:
        sets = " or ".join(f"load({name!r}, {str(file)!r})" for name in locating.untold(file))
        raise ValueError(f"{error}{f'. A set that only its name tells: pass {sets}' if sets else ''}") from None
    found: dict[str, str] = {}
    parts: tuple[Part, Part] = ("value", "timestamp")
    for part in parts:
        usual = [] if options.get(part) is not None else heads.seems(part, names)
        if len(usual) > 1:
            raise ValueError(f"{part}: {file} has {', '.join(usual)}; pass {part}= one of them")
        if usual:
            found[part] = usual[0]
    return found


def _name(located: Located) -> str:
    """Return the name of a set that was recognised: its folder's, or its file's where these have various names."""
    file = next(iter(located.files.values()))
    patterns = [pattern for pattern in located.recipe.parts.get(WHOLE, ()) if "*" not in pattern]
    is_fixed = WHOLE not in located.files or any(file.name.startswith(pattern) for pattern in patterns)
    return cast(Place, file.parent).name.removesuffix(".zip") if is_fixed else file.name.partition(".")[0]


def together(parts: Mapping[str, Interactions]) -> Interactions:
    """Return the interactions of parts of one id space and one unit of time, one after the other."""
    columns: dict[str, list[Any]] = {
        name: [getattr(part, name) for part in parts.values()]
        for name in ("users", "items", "values", "timestamps", "weights")
    }
    joined: dict[str, Any] = {name: None if each[0] is None else np.concatenate(each) for name, each in columns.items()}
    return replace(next(iter(parts.values())), **joined)


def _digest(files: Iterable[Place]) -> str:
    """Return the sha256 of the bytes of files, one after the other."""
    found = hashlib.sha256()
    for path in files:
        with cast(BinaryIO, path.open("rb")) as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()
