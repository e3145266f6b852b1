"""The manifest that explains a run, `results.json`, and whether a run that repeats another gives its rows."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import cattrs
import jax

from mfjax.files import atomic_path
from mfjax.studies.tables import Row

SCHEMA = 1
PACKAGES = ("mfjax", "jax", "jaxlib", "numpy", "scipy", "optax")
KEYS = "model: fold_in(key(seed), crc32(name)); split with random ties: fold_in(key(seed), 0)"
"""How keys follow from seeds, in words."""
UNRECORDED = ("config", "out", "overwrite", "progress", "compilation_cache")
"""Options that no manifest holds: the same run with another of these is the same run."""


class Source(Protocol):
    """What was read or made up, such as a `mfjax.data.published.datasets.Dataset`.

    Attributes:
        name: of the data.
        checksum: sha256 of its bytes.
        source: where it came from.
    """

    @property
    def name(self) -> str: ...

    @property
    def checksum(self) -> str: ...

    @property
    def source(self) -> str: ...


def manifest(
    command: str,
    datasets: Sequence[Source],
    splits: Mapping[str, str],
    keys: str,
    options: Any,
    *,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that is needed to run the same again, in plain JSON values.

    Args:
        command: the module that ran.
        datasets: what was read or made up; their checksums and sources are kept. One is `data`, several are a list.
        splits: name -> checksum of the split.
        keys: how keys follow from seeds, in words.
        options: the dataclass of all options of the run.
        settings: model -> numbers that are neither options nor in the source code's defaults, such as those chosen.
    """
    device = jax.devices()[0]
    data = [{"name": one.name, "sha256": one.checksum, "source": one.source} for one in datasets]
    return {
        "command": command,
        "options": recorded_options(options),
        "data": data[0] if len(data) == 1 else data,
        "splits": dict(splits),
        "keys": keys,
        **({"settings": settings} if settings else {}),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
    }


def recorded_options(options: Any) -> dict[str, Any]:
    """Return the options that change the results, as plain JSON values that a file of options may hold."""
    found = {name: value for name, value in asdict(options).items() if name not in UNRECORDED}
    return {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def write(path: Path, document: Mapping[str, Any]) -> Path:
    """Write a document with its schema number, whole or not at all, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"schema": SCHEMA, **document}, indent=1) + "\n"
    with atomic_path(path) as unfinished:
        unfinished.write_text(text)
    return path


@dataclass(frozen=True)
class _Manifest:
    data: dict[str, Any]
    versions: dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """The `results.json` of an earlier run that is repeated.

    Attributes:
        path: of the file.
        rows: as they were.
        manifest: of the run.
    """

    path: Path
    rows: list[Row]
    manifest: _Manifest

    @classmethod
    def read(cls, path: Path) -> Recorded:
        """Return what is in a file. Raises ValueError for one that no run wrote."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            rows = cattrs.structure(document["rows"], list[Row])
            found = cls(path, rows, cattrs.structure(document["manifest"], _Manifest))
            found.manifest.data["sha256"]
        except Exception as error:  # of json and of cattrs, a group of many kinds
            raise ValueError(f"config: {path} holds no rows and manifest ({error!s:.80}); pass results.json") from None
        return found

    def check(self, checksum: str) -> None:
        """Raise ValueError when the data is not that of the recorded run."""
        there = self.manifest.data["sha256"]
        if there != checksum:
            raise ValueError(f"config: {self.path} is of data with sha256 {there}, this has {checksum}; pass its data")

    def with_seconds(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows with the seconds of the recorded run in place of their own.

        Seconds are measured once: they belong to the run that is repeated, and a row that is repeated names them.
        """
        known = {(row.model, row.metric): row for row in self.rows}
        return [
            replace(row, seconds_first=there.seconds_first, seconds_warm=there.seconds_warm)
            if (there := known.get((row.model, row.metric)))
            else row
            for row in rows
        ]

    def verdict(self, rows: Sequence[Row]) -> str:
        """Return a line that says whether the rows are those of the recorded run, byte for byte."""
        if list(rows) == self.rows:
            return f"The rows are those of {self.path}, byte for byte (seconds_first and seconds_warm are its own)."
        versions = ", ".join(f"{name} {version}" for name, version in self.manifest.versions.items())
        return f"The rows are NOT those of {self.path}, which ran with {versions}."
