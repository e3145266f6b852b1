"""Where data comes from: the cache folder, verified downloads, atomic writes, wheels of the package index."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MANIFEST = "manifest.json"

# Seconds: a closed network must fail while somebody watches.
NETWORK_TIMEOUT = 5
PIP_TIMEOUT = 180


class SourceError(Exception):
    """A source that could not give what was asked, and why."""


def cache_dir() -> Path:
    """Return the cache folder: $MFJAX_CACHE, else $XDG_CACHE_HOME/mfjax, else ~/.cache/mfjax."""
    if chosen := os.environ.get("MFJAX_CACHE"):
        return Path(chosen).expanduser()
    # The XDG specification ignores relative paths.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "mfjax"


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def matches(path: Path, expected: str) -> bool:
    """Return whether a file has the expected digest, md5 (32 digits) or sha256 (64 digits)."""
    return digest(path, {32: "md5", 64: "sha256"}[len(expected)]) == expected


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends well, and vanishes otherwise.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, atomic_path(Path(folder) / "note") as temporary:
        ...     _ = temporary.write_text("whole, or not at all")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp, whose files only their owner may read: a cache may be shared.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--retries=1", f"--timeout={NETWORK_TIMEOUT}", f"--dest={folder}"]
    try:
        subprocess.run([*command, requirement], check=True, capture_output=True, text=True, timeout=PIP_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{requirement}: pip took more than {PIP_TIMEOUT} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"pip ended with {error.returncode}"]
        raise SourceError(f"{requirement}: {lines[-1]}") from error
    return next(folder.glob("*.whl"))


def extract(archive: Path, members: Mapping[str, Path]) -> None:
    """Extract members of a zip (or wheel), each atomically to its path. Raises SourceError."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for member, path in members.items():
                with opened.open(member) as source, atomic_path(path) as temporary, temporary.open("wb") as file:
                    while block := source.read(1 << 20):
                        file.write(block)
    except (zipfile.BadZipFile, KeyError) as error:
        raise SourceError(f"{archive.name}: {error}") from error


def seal(folder: Path, names: list[str], source: str) -> None:
    """Write the manifest of a cache folder, last: only a folder that has it is whole."""
    manifest = {"source": source, "sha256": {name: digest(folder / name) for name in names}}
    with atomic_path(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n")


def sealed_source(folder: Path) -> str:
    """Return where the files of a cache folder came from. Raises SourceError if the folder is empty or broken."""
    if not (folder / MANIFEST).is_file():
        raise SourceError(f"{folder}: nothing cached there")
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        broken = [name for name, expected in manifest["sha256"].items() if not matches(folder / name, expected)]
        source = manifest["source"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SourceError(f"{folder}: broken cache ({error})") from error
    if broken:
        raise SourceError(f"{folder}: broken cache ({', '.join(broken)} changed)")
    return source


def say(message: str) -> None:
    """Tell the user on stderr what is going on; stdout belongs to tables."""
    print(f"mfjax: {message}", file=sys.stderr)
