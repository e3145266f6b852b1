"""What an option of a command may be: its kind by its type, its range by `Annotated`, and one check of both.

A command is a frozen dataclass of options, with a method `run`; the text below an option is its help::

    @dataclass(frozen=True)
    class Options(Checked):
        seeds: Annotated[int, Within(1, MOST)] = 3
        "Number of seeds."
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import tyro

from mfjax import checks

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


@contextmanager
def reading() -> Iterator[None]:
    """Leave options that are made unchecked, as long as some are still to be read."""
    token = _READING.set(True)
    try:
        yield
    finally:
        _READING.reset(token)


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
