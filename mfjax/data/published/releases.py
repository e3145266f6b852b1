"""The published sets by name: where to find one, how to verify it, how to put it in the cache.

Licences forbid redistribution: files are fetched, verified and kept in the user's cache.

Source: Harper & Konstan, The MovieLens Datasets: History and Context (2015).
"""

from __future__ import annotations

import logging
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path

from mfjax import files
from mfjax.data.published import locating, sources
from mfjax.data.published.locating import Located
from mfjax.data.published.recipes import GENRES, SETS, WHOLE, Archive
from mfjax.data.published.sources import SourceError
from mfjax.data.reading import opening
from mfjax.data.reading.opening import Place

_logger = logging.getLogger(__name__)

GROUPLENS = "https://files.grouplens.org/datasets"
WHEEL = "recbole==1.2.1"
WHEEL_FILES = {
    "recbole/dataset_example/ml-100k/ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "recbole/dataset_example/ml-100k/ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}


def find(name: str, data_dir: str | Path | None) -> tuple[Located, str]:
    """Return the files of a set, and a description of their source, official or not.

    A `data_dir` is the only source where there is one: a folder or archive that holds the files, one named after the
    set in it, or the file itself. Without one the set is looked for in the cache, at GroupLens, and for ml-100k in a
    wheel of the package index. Raises FileNotFoundError listing all that was tried and what to do.
    """
    archive = SETS[name].archive
    if data_dir is not None:
        return _local(name, Path(data_dir))
    if archive is None:
        raise FileNotFoundError(f"{name} is not fetched: {SETS[name].note}. {_remedy(name)}")
    tried = []
    cached = sources.cache_dir() / name
    for fetch in (_from_cache, _from_grouplens, _from_wheel):
        try:
            source = fetch(name, cached)
            located = locating.named(name, cached)
            if located is None:
                raise SourceError(f"{cached}: holds no {members(name)[0]}")
            return located, _judge(name, located, source)
        except (SourceError, OSError) as error:
            tried.append(str(error))
            sources.say(tried[-1])
    attempts = "\n".join(f"  - {attempt}" for attempt in tried)
    raise FileNotFoundError(
        f"{name} was found nowhere. Tried:\n{attempts}\n{_remedy(name)}, "
        f"or copy {cached} from a machine that has it (the environment variable MFJAX_CACHE moves the cache; "
        "delete what is broken there)."
    )


def members(name: str) -> list[str]:
    """Return the files that the cache holds of a set: its interactions, and what names its items."""
    recipe = SETS[name].recipe
    return [recipe.parts[WHOLE][0], *([] if recipe.items is None else recipe.items.files[:1])]


def _local(name: str, data_dir: Path) -> tuple[Located, str]:
    for path, inner in (
        (data_dir, zipfile.is_zipfile(data_dir)),
        (data_dir / name, True),
        (data_dir / f"{name}.zip", True),
        (data_dir, True),
    ):
        located = locating.named(name, opening.place(path), inner=inner) if path.exists() else None
        if located is not None:
            folder = next(iter(located.files.values())).parent
            return located, _judge(name, located, f"local folder {folder}" if path.is_dir() else f"local file {path}")
    wanted = ", ".join(patterns[0] for patterns in SETS[name].recipe.parts.values())
    raise FileNotFoundError(
        f"data_dir: {data_dir} holds neither {wanted} nor {name}/{wanted} ({SETS[name].note}). {_remedy(name)}, or "
        "leave the folder out to have the cache and the network tried"
    )


def _remedy(name: str) -> str:
    archive = SETS[name].archive
    what = "Fetch it" if archive is None else f"Fetch {GROUPLENS}/{archive.path}"
    return f"{what} yourself and name its folder or file (--data-dir, data_dir)"


def _from_cache(name: str, cached: Path) -> str:
    return sources.sealed_source(cached)


def _from_grouplens(name: str, cached: Path) -> str:
    archive = SETS[name].archive
    assert archive is not None
    url, wanted = f"{GROUPLENS}/{archive.path}", members(name)
    with _scratch(cached, wanted) as scratch:
        fetched = scratch / f"{name}.zip"
        sources.download(url, fetched, archive.digest)
        sources.extract(fetched, {f"{archive.folder}{file}": cached / file for file in wanted})
    source = f"{url}, verified"
    sources.seal(cached, wanted, source)
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


def _scratch(cached: Path, names: list[str]) -> AbstractContextManager[Path]:
    """Return a scratch folder beside a folder of the cache, in which its files can be written."""
    sources.clear_folders(cached, [*names, sources.MANIFEST])
    return files.scratch_folder(cached)


def _item_line(line: str) -> str:
    """Turn the wheel's "id, title, year, genres" into a line of u.item."""
    raw_id, title, year, genres = line.split("\t")
    # The wheel spells the one movie without a title and a year "unkonwn".
    title = "unknown" if year == "unkonwn" else f"{title} ({year})"
    flags = "|".join(str(int(genre in genres.split())) for genre in GENRES)
    return f"{raw_id}|{title}||||{flags}"


def _judge(name: str, located: Located, source: str) -> str:
    """Add to `source` whether the file of interactions is the official one."""
    archive: Archive | None = SETS[name].archive
    if archive is None or archive.official is None:
        return source
    path: Place = located.files[WHOLE]
    if sources.matches(path, archive.official):
        return f"{source} (official {path.name})"
    _logger.warning("%s is not the official file of %s: its checksum differs", path, name)
    return f"{source} ({path.name} is not the official file)"
