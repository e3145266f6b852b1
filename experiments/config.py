"""Options from a file: TOML, or the `results.json` of an earlier run, whose manifest holds all its options."""

from __future__ import annotations

import json
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read(path: Path, options: type) -> dict[str, Any]:
    """Return option name -> value, of the types of the fields of `options`.

    Args:
        path: `NAME.toml` with the options at top level (`seeds = 8`, `data-dir = "…"`), or a `results.json`.
        options: the dataclass of options.

    Raises:
        ValueError: no such file, not TOML or JSON, an unknown option, or a value of another type.
    """
    if not path.is_file():
        raise ValueError(f"{path} is not a file; pass a .toml or a results.json")
    try:
        found = tomllib.loads(path.read_text()) if path.suffix == ".toml" else manifest(path)["options"]
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from None
    hints = typing.get_type_hints(options)
    chosen = {name.replace("-", "_"): value for name, value in found.items()}
    if unknown := sorted(chosen.keys() - hints.keys()):
        raise ValueError(f"{path}: {unknown[0]!r} is unknown; choose from {', '.join(hints)}")
    return {name: _typed(path, name, value, hints[name]) for name, value in chosen.items() if name != "config"}


def manifest(path: Path) -> Mapping[str, Any]:
    """Return the manifest of a `results.json`. Raises ValueError for another file."""
    return _document(path)["manifest"]


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a `results.json`. Raises ValueError for another file."""
    return _document(path)["rows"]


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(document, dict) or not {"rows", "manifest"} <= document.keys():
        raise ValueError(f"{path} has no rows and manifest; pass the results.json of a run")
    return document


def is_manifest(path: Path | None) -> bool:
    """Return whether a configuration is the result of an earlier run."""
    return path is not None and path.suffix == ".json"


def _typed(path: Path, name: str, value: Any, hint: Any) -> Any:
    kinds = typing.get_args(hint) if not isinstance(hint, type) and typing.get_origin(hint) is not tuple else (hint,)
    if value is None and type(None) in kinds:
        return None
    kind = next(kind for kind in kinds if kind is not type(None))
    if typing.get_origin(kind) is tuple:
        element = typing.get_args(kind)[0]
        values = value if isinstance(value, list) else [value]
        return tuple(_typed(path, name, member, element) for member in values)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{path}: {name} = {value!r} is not of type {kind.__name__}; see --help")
    return value
