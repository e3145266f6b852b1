"""A path -> the recipe that its files follow, and the files of its parts. Recognised by names of files and columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from mfjax.data.published import heads
from mfjax.data.published.recipes import COLUMNS, SETS, WHOLE, Recipe
from mfjax.data.reading import opening
from mfjax.data.reading.columns import Columns
from mfjax.data.reading.layouts import Text
from mfjax.data.reading.opening import Place

_COMPRESSED = re.compile(r"\.(gz|bz2|xz|zst|lz4)$")

# Words in names of files -> the part that they hold.
_PARTS = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Located:
    """A set on the disk, or in a zip archive.

    Attributes:
        recipe: that it follows.
        files: part -> its file.
        options: of `data.read`, with the names of columns that the files have.
        items: the file that names the items, or None.
    """

    recipe: Recipe
    files: Mapping[str, Place]
    options: Mapping[str, Any]
    items: Place | None


def recognised(path: Place) -> Located | None:
    """Return the set that a file or folder is, by its names; None where no recipe fits.

    Raises:
        ValueError: where several sets are there, and for lists that may be a table.
    """
    recipes = list(dict.fromkeys(published.recipe for published in SETS.values() if published.recipe.told))
    if not path.is_dir():
        found = [_located(recipe, files) for recipe in recipes for files in _of_file(recipe, path)]
    else:
        found = []
        for folders in ([path], _folders(path)):
            found += [
                _located(recipe, files)
                for folder in folders
                for recipe in recipes
                for files in _complete(recipe, _files(folder))
            ]
            if any(found):
                break
    sets = _largest([one for one in found if one is not None])
    _refuse_several(path, sets)
    if sets and sets[0].options.get("layout") == "lists":
        _check_lists(next(iter(sets[0].files.values())))
    return sets[0] if sets else None


def named(name: str, path: Place, *, inner: bool = False) -> Located | None:
    """Return the set of a name in a folder, an archive or a file; None where its files are not there.

    Args:
        inner: whether to look in the folders of a folder too.

    Raises:
        ValueError: where several files may be meant.
    """
    recipe, stem = SETS[name].recipe, SETS[name].stem
    if not path.is_dir():
        found = [{WHOLE: path}] if tuple(recipe.parts) == (WHOLE,) else _of_file(recipe, path)
    else:
        found = [
            files
            for folder in [path, *(_folders(path) if inner else [])]
            for files in _complete(recipe, _files(folder), stem)
        ]
    sets = [_located(recipe, files) for files in found]
    fitting = [one for one in sets if one is not None]
    _refuse_several(path, fitting)
    if fitting or not found:
        return fitting[0] if fitting else None
    # A column is missing: reading says which.
    return Located(recipe, found[0], _first_choice(recipe), _items(recipe, found[0]))


def by_part(path: Place) -> tuple[dict[str, list[Place]], list[Place]]:
    """Return the tables of what follows no recipe by their part, and those that are of none.

    A folder with tables such as train.csv and test.csv, or mine.train.inter and mine.test.inter, comes split.
    """
    files = opening.files_in(path) if path.is_dir() else [path]
    parts: dict[str, list[Place]] = {}
    others = []
    for file in files:
        found = {_PARTS[word] for word in file.name.lower().split(".") if word in _PARTS}
        if len(found) == 1:
            parts.setdefault(found.pop(), []).append(file)
        else:
            others.append(file)
    return (parts, others) if {"train", "test"} <= set(parts) else ({WHOLE: files}, [])


def untold(path: Place) -> list[str]:
    """Return the names of sets that a file without a header line may be of, which its name does not tell."""
    unsure = {name: published.recipe for name, published in SETS.items() if not published.recipe.told}
    found = []
    for name, recipe in unsure.items():
        if not _of_file(recipe, path):
            continue
        dialect = Text(separator=recipe.options["separator"], header=False)
        try:
            first = heads.head(path, Columns(user=0, item=1), dialect).rows[0]
        except (ValueError, LookupError):
            continue
        if len(first) == 4 and all(part.replace(".", "", 1).isdecimal() for part in first[2:]):
            found.append(name)
    return found


def _files(folder: Place) -> list[Place]:
    entries = [entry for entry in cast(Iterable[Place], folder.iterdir()) if entry.is_file()]
    return sorted(entries, key=lambda entry: entry.name)


def _parent(file: Place) -> Place:
    return cast(Place, file.parent)


def _folders(folder: Place) -> list[Place]:
    entries = [entry for entry in cast(Iterable[Place], folder.iterdir()) if entry.is_dir()]
    return sorted((each for each in entries if not each.name.startswith((".", "_"))), key=lambda entry: entry.name)


def _of_file(recipe: Recipe, file: Place) -> list[dict[str, Place]]:
    """Return the set that a file belongs to: the file, or what lies beside it where the set comes split."""
    if not any(_stem(pattern, file.name) is not None for patterns in recipe.parts.values() for pattern in patterns):
        return []
    if tuple(recipe.parts) == (WHOLE,):
        return [{WHOLE: file}]
    found = _complete(recipe, _files(_parent(file)))
    return [files for files in found if file.name in {each.name for each in files.values()}]


def _complete(recipe: Recipe, files: list[Place], stem: str | None = None) -> list[dict[str, Place]]:
    """Return the sets of which all parts that must be there are among files."""
    if tuple(recipe.parts) == (WHOLE,):
        names = recipe.parts[WHOLE]
        for some in (names[:1], names[1:]):
            if whole := [file for file in files if any(_stem(each, file.name) is not None for each in some)]:
                return [{WHOLE: file} for file in whole]
        return []
    stems: dict[str, dict[str, Place]] = {}
    for part, patterns in recipe.parts.items():
        for file in files:
            for pattern in patterns:
                if (found := _stem(pattern, file.name)) is not None:
                    stems.setdefault(found, {})[part] = file
    required = set(recipe.parts) - set(recipe.optional)
    return [parts for found, parts in stems.items() if stem in (None, found) and required <= set(parts)]


def _stem(pattern: str, name: str) -> str | None:
    """Return what "*" of a pattern stands for in a name, "" for a pattern without; None where it does not fit."""
    shape = re.escape(pattern).replace(r"\*", "(.*)")
    match = re.fullmatch(shape, _COMPRESSED.sub("", name))
    return None if match is None else "".join(match.groups())


def _located(recipe: Recipe, files: dict[str, Place]) -> Located | None:
    """Return a set, or None where its first file lacks a column."""
    options = _first_choice(recipe)
    columns = {part: recipe.options[part] for part in COLUMNS if part in recipe.options}
    if recipe.lacking or any(not isinstance(column, int) for column in columns.values()):
        dialect = Text(**{name: options[name] for name in ("separator", "header", "encoding") if name in options})
        try:
            asked = Columns(**{part: options[part] for part in columns})
            names = heads.head(next(iter(files.values())), asked, dialect).names
        except ValueError:
            return None  # whoever reads it says why
        for part, column in columns.items():
            there = [each for each in (column if isinstance(column, tuple) else (column,)) if _has(names, each)]
            if not there and part not in recipe.lacking:
                return None
            options[part] = there[0] if there else None
    return Located(recipe, files, options, _items(recipe, files))


def _has(names: tuple[str, ...], column: str | int) -> bool:
    return column < len(names) if isinstance(column, int) else column in names


def _first_choice(recipe: Recipe) -> dict[str, Any]:
    return {name: option[0] if isinstance(option, tuple) else option for name, option in recipe.options.items()}


def _items(recipe: Recipe, files: Mapping[str, Place]) -> Place | None:
    """Return the file that names the items, beside the file of interactions: that of the same stem, or of none."""
    if recipe.items is None:
        return None
    file = next(iter(files.values()))
    own = [stem for pattern in recipe.parts[WHOLE] if (stem := _stem(pattern, file.name)) is not None]
    beside = {
        stem: each
        for each in _files(_parent(file))
        for pattern in recipe.items.files
        if (stem := _stem(pattern, each.name)) is not None
    }
    return next((beside[stem] for stem in (*own, "") if stem in beside), None)


def _largest(sets: list[Located]) -> list[Located]:
    """Return sets without those whose files are some of another's."""
    names = [{str(file) for file in one.files.values()} for one in sets]
    return [one for one, own in zip(sets, names, strict=True) if not any(own < other for other in names)]


def _refuse_several(path: Place, sets: list[Located]) -> None:
    if len(sets) > 1:
        names = ", ".join(str(next(iter(one.files.values()))) for one in sets)
        raise ValueError(
            f"name_or_path: {path} holds several sets ({names}); pass one of these files, or parts of one set to "
            "data.read_split"
        )


def _check_lists(path: Place) -> None:
    """Raise ValueError for lists that may as well be a table of users, items and more."""
    with opening.opened(path) as file:
        lines = [line for line in file.read(1 << 16).split(b"\n")[:-1] if line.strip()]
    widths = {len(line.split()) for line in lines}
    if len(lines) > 1 and len(widths) == 1 and 2 < min(widths) < 6:
        raise ValueError(
            f"name_or_path: all lines of {path} have {min(widths)} fields: a user and its items, or a user, an item, a "
            "value? Pass load('lightgcn', folder) for lists, or data.read_split for a table"
        )
