"""Repeating a run from its `results.json`: the same data, the same rows, and a verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mfjax.studies import config
from mfjax.studies.results import Row

SECONDS = ("seconds_first", "seconds_warm")


def check_data(path: Path, checksum: str) -> None:
    """Raise ValueError when the data is not that of the recorded run."""
    recorded = config.manifest(path)["data"]["sha256"]
    if recorded != checksum:
        raise ValueError(f"config: {path} is of data with sha256 {recorded}, this has {checksum}; pass its data_dir")


def with_recorded_seconds(rows: Sequence[Row], path: Path) -> list[Row]:
    """Return the rows with the seconds of the recorded run in place of their own.

    Seconds are measured once: they belong to the run that is repeated, and a row that is repeated names them.
    """
    recorded = {(row["model"], row["metric"]): {name: row[name] for name in SECONDS} for row in config.rows(path)}
    return [replace(row, **recorded.get((row.model, row.metric), {})) for row in rows]


def verdict(rows: Sequence[Row], path: Path) -> str:
    """Return one line that says whether the rows are those of the recorded run, byte for byte."""
    ours, theirs = (json.dumps(found) for found in ([asdict(row) for row in rows], config.rows(path)))
    if ours == theirs:
        return f"The rows are those of {path}, byte for byte (seconds_first and seconds_warm are its own)."
    versions = config.manifest(path)["versions"]
    return f"The rows are NOT those of {path}, which ran with {', '.join(f'{k} {v}' for k, v in versions.items())}."
