"""Rows, the manifest that explains them, and `results.json`, written whole or not at all."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import jax

from mfjax.files import atomic_path

SCHEMA = 1
PACKAGES = ("mfjax", "jax", "jaxlib", "numpy", "scipy", "optax")


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


from mfjax.studies.tables import Row, align


def manifest(
    command: str,
    datasets: Sequence[Source],
    splits: Mapping[str, str],
    keys: str,
    options: Mapping[str, Any],
    *,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that is needed to run the same again, in plain JSON values.

    Args:
        command: the module that ran.
        datasets: what was read or made up; their checksums and sources are kept. One is `data`, several are a list.
        splits: seed -> checksum of the split.
        keys: how keys follow from seeds, in words.
        options: every option of the run.
        settings: model -> numbers that are neither options nor in the source code's defaults, such as those chosen.
    """
    device = jax.devices()[0]
    data = [{"name": one.name, "sha256": one.checksum, "source": one.source} for one in datasets]
    return {
        "command": command,
        "options": dict(options),
        "data": data[0] if len(data) == 1 else data,
        "splits": dict(splits),
        "keys": keys,
        **({"settings": settings} if settings else {}),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def write(folder: Path, rows: Sequence[Row], manifest: Mapping[str, Any], name: str = "results.json") -> Path:
    """Write `folder/name` atomically and return its path; a run that is stopped leaves the old file or none."""
    return write_json(folder / name, {"rows": [asdict(row) for row in rows], "manifest": manifest})


def write_json(path: Path, document: Mapping[str, Any]) -> Path:
    """Write a document with its schema number, atomically, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished:
        unfinished.write_text(json.dumps({"schema": SCHEMA, **document}, indent=1) + "\n")
    return path


def table(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    """Return the rows as text: a line per model, mean and interval of each of `metrics`, and the seconds of a fit."""
    return align(cells(rows, metrics))


def cells(rows: Sequence[Row], metrics: Sequence[str]) -> list[list[str]]:
    """Return the cells of `table`, its head first."""
    models = list(dict.fromkeys(row.model for row in rows))
    by_name = {(row.model, row.metric): row for row in rows}
    lines = [["model", *metrics, "first fit, s", "warm fit, s"]]
    for model in models:
        shown = [by_name[model, metric] for metric in metrics]
        measured = [f"{row.mean:.4f} [{row.low:.4f}, {row.high:.4f}]" for row in shown]
        seconds = (shown[0].seconds_first, shown[0].seconds_warm)
        lines.append([model, *measured, *("-" if taken is None else f"{taken:.3f}" for taken in seconds)])
    return lines
