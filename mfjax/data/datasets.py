"""MovieLens: 100K, 1M and every folder of `ratings.csv`, with the titles, years and genres of the items.

Source: Harper & Konstan, The MovieLens Datasets: History and Context (2015).
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfjax import checks
from mfjax.data import sources
from mfjax.data.reading import read
from mfjax.data.releases import GENRES, RELEASES, find
from mfjax.data.repeats import DUPLICATES, Duplicates
from mfjax.types import Interactions


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set of ratings, with what its source knows about the items.

    Attributes:
        name: "ml-100k", "ml-1m", ... or the name of the folder or file.
        interactions: every rating, in file order, with vocabularies of the raw integer ids that have a rating.
        titles: str [num_items] as the source writes them, "" where it has none, or None without a movie file.
        years: int32 [num_items] of release, 0 where unknown, or None.
        genres: one tuple of names per item, or None.
        checksum: sha256 of the bytes of the ratings file.
        source: where the files came from, and whether the ratings file is the official one.
    """

    name: str
    interactions: Interactions
    titles: np.ndarray | None
    years: np.ndarray | None
    genres: tuple[tuple[str, ...], ...] | None
    checksum: str
    source: str


# Ratings file -> its movie file, separator, and columns of user, item, rating, time.
_LAYOUTS: dict[str, tuple[str, str, tuple]] = {
    "u.data": ("u.item", "\t", (0, 1, 2, 3)),
    "ratings.dat": ("movies.dat", "::", (0, 1, 2, 3)),
    "ratings.csv": ("movies.csv", ",", ("userId", "movieId", "rating", "timestamp")),
}

_NO_GENRES = "(no genres listed)"


def load(name_or_path: str | Path, data_dir: str | Path | None = None, *, duplicates: Duplicates = "error") -> Dataset:
    """Return a release by its name ("ml-100k", "ml-1m", "ml-25m", ...) or any ratings folder or file by its path.

    A release is taken from `data_dir` (the folder itself or one named after the release in it), and from nowhere else
    where one is named; without it from the cache, else from GroupLens over https, else (ml-100k) from the wheel recbole
    of the package index. What is fetched is verified before it is cached, and the cache each time it is read. A file
    of the caller's own need not be the official one: `source` says whether it is. A path is read where it is:
    `u.data`, `ratings.dat`, or a CSV or Parquet file with the columns userId, movieId, rating and timestamp.

    Raises:
        FileNotFoundError: listing all that was tried and what to do.
        ValueError: naming the row that can not be read.

    Example:
        >>> load("ml-100k").interactions.num_users  # doctest: +SKIP
        943
    """
    for name, folder in (("name_or_path", name_or_path), ("data_dir", "" if data_dir is None else data_dir)):
        checks.kind(name, folder, (str, os.PathLike), "pass the name of a release, a folder or a file")
    checks.choice("duplicates", duplicates, DUPLICATES)
    # A Path that is there is one, even where it has the name of a release.
    is_there = isinstance(name_or_path, os.PathLike) and Path(name_or_path).exists()
    if str(name_or_path) in RELEASES and not is_there:
        name = str(name_or_path)
        where, source = find(name, data_dir)
        return _read(name, where / RELEASES[name].ratings, source, duplicates)
    if data_dir is not None:
        raise ValueError(
            f"data_dir: {data_dir} is where a release is ({', '.join(RELEASES)}), and {name_or_path} is a path of its "
            "own; leave one of the two out"
        )
    path = Path(name_or_path)
    if path.is_dir():
        candidates = [path / layout for layout in _LAYOUTS if (path / layout).is_file()]
        path = next(iter(candidates + sorted(path.glob("*.parquet"))), path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{name_or_path}: neither a release ({', '.join(RELEASES)}) nor a ratings file, nor a folder that holds "
            f"{', '.join(_LAYOUTS)} or a .parquet file"
        )
    name = path.parent.name if path.name in _LAYOUTS else path.stem
    return _read(name, path, f"local file {path}", duplicates)


def _read(name: str, path: Path, source: str, duplicates: Duplicates) -> Dataset:
    movies, separator, names = _LAYOUTS.get(path.name, _LAYOUTS["ratings.csv"])
    columns = dict(zip(("user", "item", "value", "timestamp"), names, strict=True))
    if path.suffix == ".parquet":
        interactions = read(path, **columns, duplicates=duplicates)
    else:
        interactions = read(path, **columns, separator=separator, duplicates=duplicates)
    titles, years, genres = _about(interactions, path.with_name(movies))
    return Dataset(name, interactions, titles, years, genres, sources.digest(path), source)


def _about(interactions: Interactions, path: Path) -> tuple:
    """Return titles, years and genres aligned to the item ids, or three times None without a movie file."""
    if not path.is_file() or interactions.item_vocabulary is None:
        return None, None, None
    try:
        movies = _movies(path)
    except ValueError as error:
        raise ValueError(f"{path}: a line does not have the layout of this file ({error}); mend or remove it") from None
    about = [movies.get(str(raw_id), ("", ())) for raw_id in interactions.item_vocabulary.raw.tolist()]
    titles = np.array([title for title, _ in about])
    # The last bracketed year counts: "Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)", "The Show (2009-2011)".
    found = [re.findall(r"\((\d{4})(?:[-\N{EN DASH}]\d*)?\)", title) for title, _ in about]
    years = np.array([int(each[-1]) if each else 0 for each in found], np.int32)
    return titles, years, tuple(tuple(genres) for _, genres in about)


def _movies(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Return raw id -> title and genres."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        return {raw_id: (title, [] if genres == _NO_GENRES else genres.split("|")) for raw_id, title, genres in rows}
    lines = path.read_text(encoding="latin-1").splitlines()
    if path.name == "movies.dat":
        return {raw_id: (title, genres.split("|")) for raw_id, title, genres in (line.split("::") for line in lines)}
    movies = {}
    for line in lines:
        raw_id, title, _, _, _, *flags = line.split("|")
        movies[raw_id] = title.strip(), [genre for genre, flag in zip(GENRES, flags, strict=True) if flag == "1"]
    return movies
