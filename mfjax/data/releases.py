"""The published MovieLens releases: where to find one, how to verify it, how to put it in the cache.

The licence forbids redistribution: files are fetched, verified and kept in the user's cache.

Source: Harper & Konstan, The MovieLens Datasets: History and Context (2015).
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mfjax import files
from mfjax.data import sources
from mfjax.data.sources import SourceError

_logger = logging.getLogger(__name__)

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
WHEEL = "recbole==1.2.1"
WHEEL_FILES = {
    "recbole/dataset_example/ml-100k/ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "recbole/dataset_example/ml-100k/ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}

# In the order of the flags of u.item.
GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)


@dataclass(frozen=True)
class Release:
    """The two files of a published release that are read, and the checksums it is known by (md5 or sha256)."""

    ratings: str
    movies: str
    archive_digest: str
    ratings_digest: str | None = None


RELEASES = {
    "ml-100k": Release(
        "u.data",
        "u.item",
        "0e33842e24a9c977be4e0107933c0723",
        "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    ),
    "ml-1m": Release(
        "ratings.dat", "movies.dat", "c4d9eecfca2ab87c1945afe126590906", "a89aa3591bc97d6d4e0c89459ff39362"
    ),
    "ml-20m": Release("ratings.csv", "movies.csv", "cd245b17a1ae2cc31bb14903e1204af3"),
    "ml-25m": Release("ratings.csv", "movies.csv", "6b51fb2759a8657d3bfcbfc42b592ada"),
    "ml-32m": Release("ratings.csv", "movies.csv", "d472be332d4daa821edc399621853b57"),
    "ml-latest-small": Release(
        "ratings.csv", "movies.csv", "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"
    ),
}


def find(name: str, data_dir: str | Path | None) -> tuple[Path, str]:
    """Return the folder that holds a release, and a description of its source, official or not.

    A `data_dir` is the only source where there is one: the folder itself, or one named after the release in it.
    Without one the release is looked for in the cache, at GroupLens, and for ml-100k in a wheel of the package index.
    Raises FileNotFoundError listing all that was tried and what to do.
    """
    ratings = RELEASES[name].ratings
    if data_dir is not None:
        for folder in (Path(data_dir), Path(data_dir) / name):
            if (folder / ratings).is_file():
                return folder, _judge(name, folder / ratings, f"local folder {folder}")
        raise FileNotFoundError(
            f"data_dir: {data_dir} holds neither {ratings} nor {name}/{ratings}; unpack {GROUPLENS}/{name}.zip there, "
            "or leave the folder out (--data-dir, data_dir) to have the cache and the network tried"
        )
    tried = []
    cached = sources.cache_dir() / name
    for fetch in (_from_cache, _from_grouplens, _from_wheel):
        try:
            return cached, _judge(name, cached / ratings, fetch(name, cached))
        except (SourceError, OSError) as error:
            tried.append(str(error))
            sources.say(tried[-1])
    attempts = "\n".join(f"  - {attempt}" for attempt in tried)
    raise FileNotFoundError(
        f"{name} was found nowhere. Tried:\n{attempts}\n"
        f"Unpack {GROUPLENS}/{name}.zip yourself and name its folder (--data-dir, data_dir), "
        f"or copy {cached} from a machine that has it (the environment variable MFJAX_CACHE moves the cache; "
        "delete what is broken there)."
    )


def _from_cache(name: str, cached: Path) -> str:
    return sources.sealed_source(cached)


def _from_grouplens(name: str, cached: Path) -> str:
    release, url = RELEASES[name], f"{GROUPLENS}/{name}.zip"
    members = [release.ratings, release.movies]
    with _scratch(cached, members) as scratch:
        archive = scratch / f"{name}.zip"
        sources.download(url, archive, release.archive_digest)
        sources.extract(archive, {f"{name}/{file}": cached / file for file in members})
    source = f"{url}, verified"
    sources.seal(cached, members, source)
    return source


def _from_wheel(name: str, cached: Path) -> str:
    """Rebuild u.data (byte for byte) and u.item (titles, years, genres) from the wheel's own layout."""
    if name != "ml-100k":
        raise SourceError(f"package index: no wheel holds {name}")
    with _scratch(cached, ["u.data", "u.item"]) as scratch:
        wheel = sources.download_wheel(WHEEL, scratch)
        paths = {member: scratch / Path(member).name for member in WHEEL_FILES}
        sources.extract(wheel, paths)
        for member, expected in WHEEL_FILES.items():
            if not sources.matches(paths[member], expected):
                raise SourceError(f"{WHEEL}: {member} does not have the checksum {expected}")
        ratings, items = (path.read_bytes().partition(b"\n")[2] for path in paths.values())
    lines = (_item_line(line) + "\n" for line in items.decode().splitlines())
    with files.atomic_path(cached / "u.data") as temporary:
        temporary.write_bytes(ratings)
    with files.atomic_path(cached / "u.item") as temporary:
        temporary.write_bytes("".join(lines).encode("latin-1"))
    source = f"wheel {WHEEL}, verified; u.item rebuilt without dates and links"
    sources.seal(cached, ["u.data", "u.item"], source)
    return source


def _scratch(cached: Path, members: list[str]) -> AbstractContextManager[Path]:
    """Return a scratch folder beside a folder of the cache, in which its files can be written."""
    sources.clear_folders(cached, [*members, sources.MANIFEST])
    return files.scratch_folder(cached)


def _item_line(line: str) -> str:
    """Turn the wheel's "id, title, year, genres" into a line of u.item."""
    raw_id, title, year, genres = line.split("\t")
    # The wheel spells the one movie without a title and a year "unkonwn".
    title = "unknown" if year == "unkonwn" else f"{title} ({year})"
    flags = "|".join(str(int(genre in genres.split())) for genre in GENRES)
    return f"{raw_id}|{title}||||{flags}"


def _judge(name: str, path: Path, source: str) -> str:
    """Add to `source` whether the ratings file is the official one."""
    official = RELEASES[name].ratings_digest
    if official is None:
        return source
    if sources.matches(path, official):
        return f"{source} (official {path.name})"
    _logger.warning("%s is not the official file of %s: its checksum differs", path, name)
    return f"{source} ({path.name} is not the official file)"
