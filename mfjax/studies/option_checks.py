"""What the value of an option must be: one check for all options of all commands, before anything runs."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfjax import checks

KINDS = {int: "a whole number", float: "a number", str: "text", Path: "a path", bool: "True or False"}
"""Kind of an option -> what it is called."""


class Kind(typing.NamedTuple):
    """What a type hint says of an option.

    Attributes:
        element: one of KINDS.
        many: whether it is a tuple of them.
        optional: whether it may be None.
    """

    element: type
    many: bool
    optional: bool


def kind(hint: Any) -> Kind:
    """Return what a hint says: a kind, a tuple of any number of one, or either or None; names in quotes are text.

    Example:
        >>> kind(tuple[int, ...])
        Kind(element=<class 'int'>, many=True, optional=False)
    """
    optional = isinstance(hint, types.UnionType)
    if optional:
        (hint,) = (member for member in typing.get_args(hint) if member is not type(None))
    many = typing.get_origin(hint) is tuple
    element = typing.get_args(hint)[0] if many else hint
    return Kind(str if typing.get_origin(element) is typing.Literal else element, many, optional)


def check(name: str, value: Any, hint: Any, rules: Mapping[str, Any], default: Any) -> None:
    """Raise ValueError unless `value` is one that the option may have.

    Args:
        name: of the option.
        value: of the type of `hint`: only then are the rules looked at.
        hint: the type of the option's field.
        rules: the metadata of the field, see `mfjax.studies.options.option`.
        default: that of the option; one that has none of a tuple may be given none.
    """
    element, many, optional = kind(hint)
    if value is None and optional:
        return
    if not many:
        _check_one(name, value, element, rules)
        return
    checks.kind(name, value, tuple, f"pass a tuple of {KINDS[element]} each")
    if not value and default != ():
        raise ValueError(f"{name}: nothing is given; pass at least one")
    for at, one in enumerate(value):
        _check_one(name, one, element, rules)
        if one in value[:at]:
            raise ValueError(f"{name}: {one!r:.80} is given twice; give it once")


def _check_one(name: str, value: Any, element: type, rules: Mapping[str, Any]) -> None:
    # A whole number is as good as any; that True is none is what `checks` knows.
    checks.kind(name, value, (int, float) if element is float else element, f"pass {KINDS[element]}")
    if rules["choices"] is not None:
        checks.choice(name, value, rules["choices"])
    elif element is int:
        checks.whole(name, value, least=rules["least"], most=rules["most"])
    elif element is float:
        checks.number(name, value, least=rules["least"], most=rules["most"])
        if rules["whole"] and value != int(value):
            raise ValueError(f"{name}: {value!r} is not a whole number; pass such as 1e6")
    elif element is str and not value.strip():
        raise ValueError(f"{name}: is empty; write it out, or leave the option out")
    elif element is Path:
        try:
            _PLACES[rules["place"]](name, value, rules)
        except OSError as error:
            raise ValueError(
                f"{name}: {str(value)!r:.80} can not be looked up ({error.strerror}); pass another"
            ) from None


def _file(name: str, path: Path, rules: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise ValueError(f"{name}: {path} is not a file; pass one that is there")


def _folder(name: str, path: Path, rules: Mapping[str, Any]) -> None:
    if not path.is_dir():
        raise ValueError(f"{name}: {path} is not a folder; pass one that is there")


def _output(name: str, path: Path, rules: Mapping[str, Any]) -> None:
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not existing.is_dir():
        raise ValueError(f"{name}: {existing} is not a folder; pass a folder, which need not be there")
    for file in rules["writes"]:
        if (path / file).is_dir():
            raise ValueError(f"{name}: {path / file} is a folder, where a file is to be; pass another folder")


_PLACES = {"file": _file, "folder": _folder, "output": _output}
