"""Commands: a frozen dataclass of options, read by tyro, with a method `run`; and one check of what options may be.

The type of a field says its kind, `Annotated` its range, the text below it its help::

    @dataclass(frozen=True)
    class Options(Checked):
        seeds: Annotated[int, Within(1, MOST)] = 3
        "Number of seeds."
"""

from __future__ import annotations

import inspect
import os
import sys
import types
import typing
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import tyro

from mfjax import checks, files
from mfjax.studies import compiled, extras, option_files

MOST = 1_000_000
"""The largest count, of seeds or settings, that is taken for meant."""
MOST_DIM = 4096
MOST_LENGTH = 10_000
"""Of a recommended list."""
MOST_SEED = 2**31 - 1
MOST_CORES = 256

KINDS = {int: "a whole number", float: "a number", str: "text", Path: "a path", bool: "True or False"}


class Within(NamedTuple):
    """The range of a number, or of every number of a tuple; `whole` asks a float for a whole number, such as 1e6."""

    least: float | None = None
    most: float | None = None
    whole: bool = False


class OneOf(NamedTuple):
    """The texts that an option may be."""

    choices: tuple[str, ...]


class Words(NamedTuple):
    """A tuple of texts that hold commas of their own; other tuples may be given with commas: `--k 5,10`."""


class Place(NamedTuple):
    """What a path is: a file or folder that is there, or a folder to write to, with the files that are written."""

    kind: Literal["file", "folder", "output"]
    writes: tuple[str, ...] = ()


RULES = Within, OneOf, Words, Place


class Kind(NamedTuple):
    """What a type says of an option: one of KINDS, whether a tuple of them, whether None too, the choices if any."""

    element: type
    many: bool
    optional: bool
    choices: tuple[str, ...] | None
    rules: tuple[Any, ...]


def kind(hint: Any) -> Kind | None:
    """Return what a type says, or None for one that tyro alone looks at.

    Example:
        >>> kind(tuple[int, ...])
        Kind(element=<class 'int'>, many=True, optional=False, choices=None, rules=())
    """
    rules: tuple[Any, ...] = ()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *found = typing.get_args(hint)
        rules = tuple(found)
    members = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    optional = type(None) in members
    hint, *more = [member for member in members if member is not type(None)]
    many = typing.get_origin(hint) is tuple
    element = typing.get_args(hint)[0] if many else hint
    literal = typing.get_origin(element) is typing.Literal
    choices = typing.get_args(element) if literal else None
    choices = next((rule.choices for rule in rules if isinstance(rule, OneOf)), choices)
    element = str if literal else element
    return None if more or element not in KINDS else Kind(element, many, optional, choices, rules)


@cache
def kinds(options: Any) -> dict[str, Kind | None]:
    """Return name -> what the type of each option says; a class with another default keeps the rules of its base."""
    found: dict[str, Kind | None] = {}
    for base in reversed(options.__mro__):
        hints = typing.get_type_hints(base, include_extras=True)
        for name in inspect.get_annotations(base):
            said, before = kind(hints[name]), found.get(name)
            # What else stands beside a type is for tyro, such as a metavar.
            if said is not None and before is not None and not any(isinstance(rule, RULES) for rule in said.rules):
                ranges = tuple(rule for rule in before.rules if isinstance(rule, RULES))
                said = said._replace(rules=said.rules + ranges, choices=before.choices)
            found[name] = said
    return found


_READING: ContextVar[bool] = ContextVar("_READING", default=False)


class Checked:
    """The base of a dataclass of options: one that is made, from a command line or in Python, is in range."""

    def __post_init__(self) -> None:
        # What tyro makes is checked when all of it is read: it would set what is wrong in a box of its own.
        if not _READING.get():
            self.check()

    def check(self) -> None:
        """Raise ValueError for an option out of range, or options that do not go together."""
        for field in fields(self):  # type: ignore[arg-type]
            value, said = getattr(self, field.name), kinds(type(self))[field.name]  # type: ignore[arg-type]
            # What a file of options leaves out, the command line has to say.
            if said is not None and value is not tyro.MISSING:
                _check(field.name, value, said, field.default)
        self.agree()

    def agree(self) -> None:
        """Raise ValueError where options do not go together; a command with such rules says them here."""


def _check(name: str, value: Any, said: Kind, default: Any) -> None:
    if value is None and said.optional:
        return
    if not said.many:
        _check_one(name, value, said)
        return
    checks.kind(name, value, tuple, f"pass a tuple of {KINDS[said.element]} each")
    if not value and default != ():
        raise ValueError(f"{name}: nothing is given; pass at least one")
    for at, one in enumerate(value):
        _check_one(name, one, said)
        if one in value[:at]:
            raise ValueError(f"{name}: {one!r:.80} is given twice; give it once")


def _check_one(name: str, value: Any, said: Kind) -> None:
    # A whole number is as good as any; that True is none is what `checks` knows.
    wanted = (int, float) if said.element is float else said.element
    checks.kind(name, value, wanted, f"pass {KINDS[said.element]}")
    within = next((rule for rule in said.rules if isinstance(rule, Within)), Within())
    if said.choices is not None:
        checks.choice(name, value, said.choices)
    elif said.element is int:
        least, most = (-MOST if within.least is None else within.least), (within.most or MOST)
        checks.whole(name, value, least=int(least), most=int(most))
    elif said.element is float:
        checks.number(name, value, least=within.least, most=within.most)
        if within.whole and value != int(value):
            raise ValueError(f"{name}: {value!r} is not a whole number; pass such as 1e6")
    elif said.element is str and not value.strip():
        raise ValueError(f"{name}: is empty; write it out, or leave the option out")
    elif said.element is Path:
        for place in [rule for rule in said.rules if isinstance(rule, Place)]:
            _check_place(name, value, place)


def _check_place(name: str, path: Path, place: Place) -> None:
    try:
        if place.kind == "file" and not path.is_file():
            raise ValueError(f"{name}: {path} is not a file; pass one that is there")
        if place.kind == "folder" and not path.is_dir():
            raise ValueError(f"{name}: {path} is not a folder; pass one that is there")
        if place.kind == "output":
            existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
            if not existing.is_dir():
                raise ValueError(f"{name}: {existing} is not a folder; pass a folder, which need not be there")
            for file in place.writes:
                if (path / file).is_dir():
                    raise ValueError(f"{name}: {path / file} is a folder, where a file is to be; pass another folder")
    except OSError as error:
        raise ValueError(f"{name}: {str(path)!r:.80} can not be looked up ({error.strerror}); pass another") from None


def begin(options: Any, *modules: str) -> None:
    """Raise ValueError for what would stop a run at its end: no folder `out` to write to, or a missing extra."""
    extras.require(*modules)
    if options.out is not None:
        files.check_writable("out", options.out)


def main(options: Any, arguments: Sequence[str] | None = None, *, program: str) -> int:
    """Read the options of a command, run it, and return its exit code.

    Compiled programs are kept for the next run with the option `compilation_cache`. `--config FILE` reads options from
    TOML, or from the `results.json` of an earlier run; the command line wins. Wrong arguments and bad input end in a
    line on stderr and exit code 2.

    Args:
        options: the dataclass.
        arguments: of the command line; None for those of the process.
        program: its name, for `--help` and for what went wrong; a file of options is of this command.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        chosen = parse(options, given, program=program)
        if getattr(chosen, "compilation_cache", False):
            compiled.keep()
        chosen.run()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        print(f"{program.split()[0]}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def parse(options: Any, arguments: Sequence[str], *, program: str) -> Any:
    """Return the options of a command line.

    Raises:
        ValueError: for a value out of range, or a file that holds no options.
        SystemExit: for what tyro can not read, and after `--help`.
    """
    words, default = _of_file(list(arguments), options, program)
    shown = program if program.startswith("mfjax") else f"python -m {program}"
    reading = _READING.set(True)
    try:
        found = tyro.cli(options, prog=shown, args=_apart(words, options), default=default)
    finally:
        _READING.reset(reading)
    if isinstance(found, Checked):
        found.check()
    return found


def _of_file(words: list[str], options: Any, command: str) -> tuple[list[str], Any]:
    """Return the words without `--config FILE`, and the options of the file, in place of the defaults."""
    for at, word in enumerate(words):
        flag, equals, path = word.partition("=")
        if flag == "--config" and (equals or at + 1 < len(words)):
            rest = words[:at] + words[at + (1 if equals else 2) :]
            file = Path(path or words[at + 1])
            found = option_files.read(file, options, command)
            return rest, replace(found, config=file) if hasattr(found, "config") else found
    return words, tyro.MISSING_NONPROP


def _apart(words: Sequence[str], options: Any) -> list[str]:
    """Return the words with `--k 5,10` as `--k 5 10`, where an option is a tuple."""
    split = {
        flag
        for name, one in kinds(options).items()
        if one and one.many and Words() not in one.rules
        for flag in (f"--{name}", *(alias for rule in one.rules for alias in getattr(rule, "aliases", None) or ()))
    }
    found: list[str] = []
    inside = False
    for word in words:
        if word.startswith("--"):
            flag, equals, text = word.partition("=")
            inside = f"--{flag[2:].replace('-', '_')}" in split
            found += [flag, *text.split(",")] if inside and equals else [word]
        else:
            found += word.split(",") if inside else [word]
    return found
