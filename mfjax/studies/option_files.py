"""Options of a command from a file: TOML, or the `results.json` of an earlier run, whose manifest holds all of them."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import cattrs

Options = TypeVar("Options")


def read(path: Path, options: type[Options], command: str) -> Options:
    """Return the options of a file, those that it does not name by their defaults.

    Args:
        path: `NAME.toml` with the options at top level (`seeds = 8`, `data-dir = "..."`), or a `results.json`.
        options: the dataclass of the command's options.
        command: whose results are taken.

    Raises:
        ValueError: for no such file, one that is not TOML or JSON, another command's results, an unknown option, and a
            value of another type.
    """
    if not path.is_file():
        raise ValueError(f"config: {path} is not a file; pass a .toml or a results.json")
    try:
        text = path.read_text(encoding="utf-8")
        found = _recorded(path, json.loads(text), command) if path.suffix == ".json" else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"config: {path}: {error!s:.120}; pass a .toml or a results.json") from None
    chosen = {name.replace("-", "_"): value for name, value in found.items()}
    known = [field.name for field in fields(options)]  # type: ignore[arg-type]
    if unknown := sorted(set(chosen) - set(known)):
        raise ValueError(f"config: {path}: {unknown[0]!r} is unknown; choose from {', '.join(known)}")
    converter = cattrs.Converter(forbid_extra_keys=True)
    # No text for a number, and no number for a text: cattrs would convert them.
    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _exactly)
    try:
        return converter.structure(chosen, options)
    except Exception as error:  # of cattrs, a group of many kinds
        told = "; ".join(cattrs.transform_error(error)).replace(" @ $.", " in ")
        raise ValueError(f"config: {path}: {told:.200}; see --help") from None


def _recorded(path: Path, document: Any, command: str) -> dict[str, Any]:
    manifest = document.get("manifest") if isinstance(document, dict) else None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("options"), dict):
        raise ValueError(f"config: {path} has no manifest with options; pass the results.json of a run")
    if manifest.get("command") != command:
        raise ValueError(f"config: {path} is of {manifest.get('command')!r:.60}; pass one that {command} wrote")
    return manifest["options"]


def _exactly(value: Any, kind: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r:.60} is no {kind.__name__}")
    return value
