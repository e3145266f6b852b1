"""Options from a file: TOML, or the `results.json` of an earlier run, whose manifest holds all its options."""

from __future__ import annotations

import json
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfjax.studies import option_checks


def read(path: Path, options: type, command: str) -> dict[str, Any]:
    """Return option name -> value, of the types of the fields of `options`.

    Args:
        path: `NAME.toml` with the options at top level (`seeds = 8`, `data-dir = "…"`), or a `results.json`.
        options: the dataclass of options.
        command: the module that runs; a `results.json` of another is refused.

    Raises:
        ValueError: no such file, not TOML or JSON, another command's, an unknown option, or a value of another type.
    """
    if not path.is_file():
        raise ValueError(f"config: {path} is not a file; pass a .toml or a results.json")
    found = _toml(path) if path.suffix == ".toml" else _options(path, command)
    hints = typing.get_type_hints(options)
    chosen = {name.replace("-", "_"): value for name, value in found.items()}
    if unknown := sorted(chosen.keys() - hints.keys()):
        raise ValueError(f"config: {path}: {unknown[0]!r} is unknown; choose from {', '.join(hints)}")
    return {name: _typed(path, name, value, hints[name]) for name, value in chosen.items() if name != "config"}


def manifest(path: Path) -> Mapping[str, Any]:
    """Return the manifest of a `results.json`. Raises ValueError for another file."""
    return _document(path)["manifest"]


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a `results.json`. Raises ValueError for another file."""
    return _document(path)["rows"]


def is_manifest(path: Path | None) -> bool:
    """Return whether a configuration is the result of an earlier run."""
    return path is not None and path.suffix == ".json"


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"config: {path}: {error}") from None


def _options(path: Path, command: str) -> dict[str, Any]:
    recorded = manifest(path)
    if recorded["command"] != command:
        raise ValueError(f"config: {path} is of {recorded['command']}; pass one that {command} wrote")
    return recorded["options"]


def _document(path: Path) -> Mapping[str, Any]:
    """Return a `results.json` whose parts are of the types that are read here."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"config: {path}: {error}") from None
    if wrong := _wrong(document):
        raise ValueError(f"config: {path}: {wrong}; pass the results.json of a run")
    return document


_ROW: dict[str, Any] = {"model": str, "metric": str}
_SECONDS = ("seconds_first", "seconds_warm")
_MANIFEST: dict[str, Any] = {"command": str, "options": dict, "data": dict, "splits": dict, "versions": dict}


def _wrong(document: Any) -> str | None:
    """Return what is wrong with a document, or None."""
    if not isinstance(document, dict) or not {"rows", "manifest"} <= document.keys():
        return "has no rows and manifest"
    if wrong := _mistyped("manifest", document["manifest"], _MANIFEST):
        return wrong
    if not isinstance(document["manifest"]["data"].get("sha256"), str):
        return "manifest has no checksum of the data"
    if not isinstance(document["rows"], list):
        return "rows is no list"
    for number, row in enumerate(document["rows"]):
        if wrong := _mistyped(f"row {number}", row, _ROW):
            return wrong
        if any(not isinstance(row.get(name, ""), float | int | None) for name in _SECONDS):
            return f"row {number} has no seconds"
    return None


def _mistyped(what: str, found: Any, wanted: Mapping[str, type]) -> str | None:
    if not isinstance(found, dict):
        return f"{what} is no object"
    for name, kind in wanted.items():
        if not isinstance(found.get(name), kind):
            return f"{what} has no {name}"
    return None


def _typed(path: Path, name: str, value: Any, hint: Any) -> Any:
    element, many, optional = option_checks.kind(hint)
    if value is None and optional:
        return None
    if many:
        return tuple(_member(path, name, one, element) for one in (value if isinstance(value, list) else [value]))
    return _member(path, name, value, element)


def _member(path: Path, name: str, value: Any, element: type) -> Any:
    if element is float and isinstance(value, int) and not isinstance(value, bool):
        # Beyond the range of floats it is out of any option's range too.
        return float(value) if abs(value) < 2**1000 else value
    if element is Path and isinstance(value, str) and value:
        return Path(value)
    if not isinstance(value, element) or (element is int and isinstance(value, bool)):
        raise ValueError(f"config: {path}: {name} = {value!r:.80} is not of type {element.__name__}; see --help")
    return value
