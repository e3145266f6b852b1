"""Options of a command from a file: TOML, or the `results.json` of an earlier run, whose manifest holds all of them."""

from __future__ import annotations

import json
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import cattrs
import tyro

Options = TypeVar("Options")


def read(path: Path, options: type[Options], command: str) -> Options:
    """Return the options of a file, those that it does not name by their defaults.

    An option without a default that the file does not name is `tyro.MISSING`: the command line has to say it.

    Args:
        path: `NAME.toml` with the options at top level (`seeds = 8`, `users-core = 5`), or a `results.json`.
        options: the dataclass of the command's options; a field that is a dataclass has its options at top level too.
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
    if len(chosen) < len(found):
        raise ValueError(f"config: {path} names an option twice, with - and with _; leave one out")
    return _made(options, chosen, str(path))


def _made(options: Any, chosen: Mapping[str, Any], path: str) -> Any:
    """Return the dataclass with the values that are chosen."""
    hints = typing.get_type_hints(options)
    nested = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    owner = {field.name: name for name, kind in nested.items() for field in fields(kind)}  # type: ignore[arg-type]
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in chosen.items():
        if name in nested and isinstance(value, Mapping):
            inner.setdefault(name, {}).update(value)
        elif name in hints and name != "config":
            own[name] = _value(path, name, value, hints[name])
        elif name in owner:
            inner.setdefault(owner[name], {})[name] = value
        else:
            known = [name for name in hints if name not in ("config", *nested)]
            raise ValueError(f"config: {path}: {name!r} is unknown; choose from {', '.join([*known, *owner])}")
    for name, values in inner.items():
        own[name] = _made(nested[name], values, path)
    missing = {field.name: tyro.MISSING for field in fields(options) if _is_needed(field) and field.name not in own}
    return options(**own, **missing)


def _is_needed(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _value(path: str, name: str, value: Any, kind: Any) -> Any:
    """Return a value as the type that its option has."""
    several = any(typing.get_origin(one) in (tuple, list) for one in (kind, *typing.get_args(kind)))
    if several and isinstance(value, str):
        raise ValueError(f"config: {path}: {name}: {value!r:.60} is one; write a list, such as [{value!r:.60}]")
    try:
        return _converter().structure(value, kind)
    except Exception as error:  # of cattrs, a group of many kinds
        told = "; ".join(cattrs.transform_error(error, path=name))
        told = told.replace("unknown error", "invalid value").replace("typing.Literal", "of ")
        raise ValueError(f"config: {path}: {name}: {told:.200}; see --help") from None


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    # No text for a number, and no number for a text: cattrs would convert them.
    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _exactly)
    return converter


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
