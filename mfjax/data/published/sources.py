"""Where data comes from: the cache folder, verified downloads, wheels of the package index."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import lzma
import os
import struct
import subprocess
import sys
import urllib.request
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from mfjax.data.reading.opening import Place
from mfjax.files import atomic_path

MANIFEST = "manifest.json"

Hash = Literal["md5", "sha256"]

# Seconds: a closed network must fail while somebody watches.
NETWORK_TIMEOUT = 5
PIP_TIMEOUT = 180

# Runs pip until its parent ends: a parent that is killed closes the pipe, and pip does not go on alone.
_PIP = """
import os, runpy, sys, threading

def watch():
    os.read(0, 1)
    os._exit(1)

threading.Thread(target=watch, daemon=True).start()
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""

# What zipfile raises for a damaged archive, depending on which of its bytes are wrong.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)


class SourceError(Exception):
    """A source that could not give what was asked, and why."""


def cache_dir() -> Path:
    """Return the cache folder: $MFJAX_CACHE, else $XDG_CACHE_HOME/mfjax, else ~/.cache/mfjax."""
    if chosen := os.environ.get("MFJAX_CACHE"):
        return Path(chosen).expanduser()
    # The XDG specification ignores relative paths.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "mfjax"


def digest(path: Place, algorithm: Hash = "sha256") -> str:
    """Return the hexadecimal digest of a file."""
    with cast(Any, path.open("rb")) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def matches(path: Place, expected: str) -> bool:
    """Return whether a file has the expected digest, md5 (32 digits) or sha256 (64 digits)."""
    return digest(path, _HASHES[len(expected)]) == expected


# Digits of a digest -> its algorithm.
_HASHES: dict[int, Hash] = {32: "md5", 64: "sha256"}


def download(url: str, path: Path, expected: str) -> None:
    """Download `url` to `path`, which appears only if the bytes have the expected digest. Raises SourceError."""
    say(f"trying {url}")
    with atomic_path(path) as temporary:
        try:
            with urllib.request.urlopen(url, timeout=NETWORK_TIMEOUT) as response, temporary.open("wb") as file:
                while block := response.read(1 << 20):
                    file.write(block)
        except (OSError, http.client.HTTPException) as error:
            raise SourceError(f"{url}: {getattr(error, 'reason', error)}") from error
        if not matches(temporary, expected):
            raise SourceError(f"{url}: the bytes do not have the published checksum {expected}")


def download_wheel(requirement: str, folder: Path) -> Path:
    """Return the wheel of `requirement` ("name==version"), fetched into `folder` by pip without its dependencies.

    It is pip that fetches, so the user's index, proxy and certificate settings hold. Raises SourceError.
    """
    say(f"trying the wheel {requirement} from the package index")
    if importlib.util.find_spec("pip") is None:
        raise SourceError(f"{requirement}: this environment has no pip; run python -m ensurepip")
    command = [sys.executable, "-c", _PIP, "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--retries=1", f"--timeout={NETWORK_TIMEOUT}", f"--dest={folder}"]
    # pip's own scratch folders go into ours, which is removed whoever ends first.
    environment = os.environ | {"TMPDIR": str(folder)}
    with (folder / "pip.log").open("w+") as log:
        pip = subprocess.Popen(
            [*command, requirement], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, env=environment
        )
        try:
            pip.wait(PIP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise SourceError(f"{requirement}: pip took more than {PIP_TIMEOUT} s") from None
        finally:
            # After an end of its own this does nothing; the pipe is closed and the process reaped.
            pip.kill()
            pip.communicate()
        log.seek(0)
        lines = log.read().strip().splitlines() or [f"pip ended with {pip.returncode}"]
    if pip.returncode:
        raise SourceError(f"{requirement}: {lines[-1]}")
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        raise SourceError(f"{requirement}: pip left no wheel; look at its settings (python -m pip config list)")
    return wheel


def extract(archive: Path, members: Mapping[str, Path]) -> None:
    """Extract members of a zip (or wheel), each atomically to its path. Raises SourceError if it is damaged."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for member, path in members.items():
                with opened.open(member) as source, atomic_path(path) as temporary, temporary.open("wb") as file:
                    while block := source.read(1 << 20):
                        file.write(block)
    except _DAMAGED as error:
        raise SourceError(f"{archive.name}: {error}") from error


def seal(folder: Path, names: list[str], source: str) -> None:
    """Write the manifest of a cache folder, last: only a folder that has it is whole."""
    manifest = {"source": source, "sha256": {name: digest(folder / name) for name in names}}
    with atomic_path(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n")


def sealed_source(folder: Path) -> str:
    """Return where the files of a cache folder came from. Raises SourceError if the folder is empty or broken."""
    if not (folder / MANIFEST).exists():
        raise SourceError(f"{folder}: nothing cached there")
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        broken = [name for name, expected in manifest["sha256"].items() if not matches(folder / name, expected)]
        source = manifest["source"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(f"{folder}: broken cache ({error})") from error
    if broken:
        raise SourceError(f"{folder}: broken cache ({', '.join(broken)} changed)")
    if not isinstance(source, str):
        raise SourceError(f"{folder}: broken cache (its source is {source!r:.40})")
    return source


def clear_folders(folder: Path, names: Iterable[str]) -> None:
    """Make way for files of a cache: remove empty folders that have their names. Raises SourceError for others."""
    for path in (folder / name for name in names):
        if path.is_dir() and not path.is_symlink():
            try:
                path.rmdir()
            except OSError:
                raise SourceError(f"{path}: is a folder where a file of the cache should be; delete it") from None


def say(message: str) -> None:
    """Tell the user on stderr what is going on; stdout belongs to tables."""
    print(f"mfjax: {message}", file=sys.stderr)
