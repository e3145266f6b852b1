"""A frozen dataclass of options <-> a command line: every field is an option, its help and default in one place."""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

Options = TypeVar("Options")


def option(default: Any, help: str, choices: Sequence[str] | None = None) -> Any:
    """Return a dataclass field that is also a command-line option. A tuple is written with commas."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices})


def parse(options: type[Options], arguments: Sequence[str] | None = None, *, program: str) -> Options:
    """Return the options of a command line; `--help` lists each with its default."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=(options.__doc__ or "").split("\n\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hints = typing.get_type_hints(options)
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        kind = _kind(hints[field.name])
        flag = "--" + field.name.replace("_", "-")
        text = f"{field.metadata['help']} (default: {_shown(field.default)})".replace("%", "%%")
        if kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default, help=text)
        else:
            metavar = "RULE" if field.metadata["choices"] else field.name.upper()
            parser.add_argument(flag, type=kind, default=field.default, help=text, metavar=metavar)
    found = parser.parse_args(arguments)
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        choices, value = field.metadata["choices"], getattr(found, field.name)
        unknown = [
            word for word in (value if isinstance(value, tuple) else (value,)) if choices and word not in choices
        ]
        if unknown:
            parser.error(
                f"--{field.name.replace('_', '-')}: {unknown[0]!r} is unknown; choose from {', '.join(choices)}"
            )
    return options(**vars(found))


def to_json(options: Any) -> dict[str, Any]:
    """Return the options as plain JSON values."""
    return {
        field.name: str(value) if isinstance(value := getattr(options, field.name), Path) else value
        for field in dataclasses.fields(options)
    }


def _shown(default: Any) -> str:
    if default is None:
        return "none"
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _kind(hint: Any) -> Any:
    """Return the callable that reads one option's text."""
    if isinstance(hint, types.UnionType):
        (hint,) = (argument for argument in typing.get_args(hint) if argument is not type(None))
    if typing.get_origin(hint) is tuple:
        element = typing.get_args(hint)[0]

        def read(text: str) -> tuple:
            return tuple(element(word) for word in text.split(",") if word)

        read.__name__ = f"comma-separated {element.__name__}"
        return read
    return hint
