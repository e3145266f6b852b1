"""A frozen dataclass of options <-> a command line: every field is an option, with its help, default and range."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from mfjax import files
from mfjax.studies import compiled, config, extras, option_checks

UNRECORDED = ("config", "out", "progress")
"""Options that no manifest holds: the same run with another of these is the same run."""

MOST = 1_000_000
"""The largest count, of seeds or settings, that is taken for meant."""
MOST_DIM = 4096
MOST_LENGTH = 10_000
"""Of a recommended list."""
MOST_SPLITS = 100
MOST_SEED = 2**31 - 1
MOST_CORES = 256


def option(
    default: Any,
    help: str,
    choices: Sequence[str] | None = None,
    *,
    words: bool = False,
    least: float | None = None,
    most: float | None = None,
    whole: bool = False,
    place: Literal["file", "folder", "output"] | None = None,
    writes: Sequence[str] = (),
) -> Any:
    """Return a dataclass field that is also a command-line option.

    A tuple is written with commas, or as words apart where `words` is set; it may be empty only where its default is.
    An option named `config` is a file whose values hold where the command line has none, see `engine.config`.

    Args:
        default: where neither the command line nor a file says otherwise.
        help: for `--help`.
        choices: all values that there are.
        words: whether the members of a tuple are words of their own.
        least, most: bounds of every number; a whole number needs both.
        whole: whether a float is to be a whole number, written such as 1e6.
        place: what a path is: a file or folder that is there, or a folder to write to.
        writes: files that are written to that folder.
    """
    rules = {"help": help, "choices": choices, "words": words, "least": least, "most": most, "whole": whole}
    return dataclasses.field(default=default, metadata=rules | {"place": place, "writes": tuple(writes)})


class Checked:
    """The base of every dataclass of options: one that is made, from a command line or in Python, is in range."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            option_checks.check(field.name, value, hints[field.name], field.metadata, field.default)
        self.agree()

    def agree(self) -> None:
        """Raise ValueError where options do not go together; a command with such rules says them here."""


Options = TypeVar("Options", bound=Checked)


class _Parser(argparse.ArgumentParser):
    """One whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise SystemExit(f"error: {_one_line(message)}; --help lists the options")


def parse(
    options: type[Options], arguments: Sequence[str] | None = None, *, program: str, cached: bool = True
) -> Options:
    """Return the options of a command line; `--help` lists each with its default, a wrong one ends it with one line.

    With `cached`, compiled programs are kept for the next run (`compiled.keep`) unless --no-compilation-cache is there.
    """
    parser = _parser(options, program, cached)
    found = vars(parser.parse_args(arguments))
    if found.pop("compilation_cache", cached):
        compiled.keep()
    hints = typing.get_type_hints(options)
    with told_in_one_line():
        chosen = {name: _read(name, text, hints[name]) for name, text in found.items()}
        if chosen.get("config") is not None:
            chosen = config.read(chosen["config"], options, program) | chosen
        return options(**chosen)


def main(
    run: Callable[[Options], Any],
    options: type[Options],
    arguments: Sequence[str] | None = None,
    *,
    program: str,
    cached: bool = True,
) -> None:
    """Run an experiment from the command line; bad values and missing files end it with one line.

    Args:
        run: what is run.
        options: its dataclass.
        arguments: of the command line; None for those of the process.
        program: the module, for `--help`.
        cached: whether compiled programs are kept for the next run; False for a command that times their compilation.
    """
    chosen = parse(options, arguments, program=program, cached=cached)
    with told_in_one_line():
        run(chosen)


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turn what a user can mend, a bad value or a file that can not be had, into an exit with one line on stderr."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {_one_line(error)}") from None


def begin(options: Checked, *modules: str) -> None:
    """Raise what would stop a run at its end, at its beginning: nothing to write to, or nothing to draw with.

    Args:
        options: of the run; the folder `out` is made and written to.
        modules: what it needs of `extras.EXTRAS`, besides tqdm with the option `progress`.
    """
    extras.require(*(["tqdm"] if hasattr(options, "progress") else []), *modules)
    out = getattr(options, "out", None)
    if out is not None:
        files.check_writable("out", out)


def _one_line(message: object) -> str:
    return " ".join(line.strip() for line in str(message).splitlines())


def _read(name: str, text: Any, hint: Any) -> Any:
    """Return the value that the text of an option stands for."""
    element, many, _ = option_checks.kind(hint)
    if isinstance(text, bool):
        return text
    if many:
        words = text if isinstance(text, list) else text.split(",")
        return tuple(_read_one(name, word, element) for word in words)
    return _read_one(name, text, element)


def _read_one(name: str, text: str, element: type) -> Any:
    if not text.strip():
        raise ValueError(f"{name}: is empty; write it out, or leave the option out")
    try:
        return element(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r:.80} is not {option_checks.KINDS[element]}") from None


def _parser(options: type, program: str, cached: bool) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"python -m {program}",
        description=(options.__doc__ or "").split("\n\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # What is left out of the command line is left out of what is parsed: a file may say it.
        argument_default=argparse.SUPPRESS,
        # Nor is --seed short for --seeds.
        allow_abbrev=False,
    )
    hints = typing.get_type_hints(options)
    for field in dataclasses.fields(options):
        flag = "--" + field.name.replace("_", "-")
        text = f"{field.metadata['help']} (default: {_shown(field.default)})".replace("%", "%%")
        if option_checks.kind(hints[field.name]).element is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        elif field.metadata["words"]:
            parser.add_argument(flag, nargs="+", help=text, metavar=field.name.upper())
        else:
            metavar = "RULE" if field.metadata["choices"] else field.name.upper()
            parser.add_argument(flag, help=text, metavar=metavar)
    if cached:
        kept = "keep compiled programs in the cache folder, so that the next run begins at once; on unless --no-..."
        parser.add_argument("--compilation-cache", action=argparse.BooleanOptionalAction, help=kept)
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
