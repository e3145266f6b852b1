"""A frozen dataclass of options <-> a command line: every field is an option, its help and default in one place."""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from experiments import config

Options = TypeVar("Options")

UNRECORDED = ("config", "out", "progress")
"""Options that no manifest holds: the same run with another of these is the same run."""


def option(default: Any, help: str, choices: Sequence[str] | None = None, *, words: bool = False) -> Any:
    """Return a dataclass field that is also a command-line option.

    A tuple is written with commas, or as words apart where `words` is set. An option named `config` is a file whose
    values hold where the command line has none, see `experiments.config`.
    """
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices, "words": words})


def parse(options: type[Options], arguments: Sequence[str] | None = None, *, program: str) -> Options:
    """Return the options of a command line; `--help` lists each with its default."""
    parser = _parser(options, program)
    found = parser.parse_args(arguments)
    if getattr(found, "config", None) is not None:
        try:
            parser.set_defaults(**config.read(found.config, options))
        except ValueError as error:
            parser.error(f"--config: {error}")
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
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(found).items()}
    return options(**values)


def main(
    run: Callable[[Options], Any], options: type[Options], arguments: Sequence[str] | None = None, *, program: str
) -> None:
    """Run an experiment from the command line; bad values and missing files end it with a message."""
    try:
        run(parse(options, arguments, program=program))
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from None


def _parser(options: type, program: str) -> argparse.ArgumentParser:
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
        elif field.metadata["words"]:
            parser.add_argument(flag, nargs="*", default=field.default, help=text, metavar=field.name.upper())
        else:
            metavar = "RULE" if field.metadata["choices"] else field.name.upper()
            parser.add_argument(flag, type=kind, default=field.default, help=text, metavar=metavar)
    return parser


def to_json(options: Any) -> dict[str, Any]:
    """Return the options that change the results, as plain JSON values that `config.read` takes."""
    return {
        field.name: str(value) if isinstance(value := getattr(options, field.name), Path) else value
        for field in dataclasses.fields(options)
        if field.name not in UNRECORDED
    }


def _shown(default: Any) -> str:
    if default is None or default == ():
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
