"""Options in groups, as `--help` shows them: those that a base class declares stand under the title that it gives.

A base class of a dataclass of options says `group: ClassVar[str] = "split"`, and its docstring stands below the title.
Its options are read as if they stood in a dataclass of their own; all others stand under "options".
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import typing
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, make_dataclass
from functools import cache
from typing import Annotated, Any

import tyro

from mfjax.studies.options import Kind, OneOf, Place, kinds


@dataclass(frozen=True)
class Grouped:
    """A dataclass of options, in groups.

    Attributes:
        options: the dataclass that tyro reads: the options without a group, and a field for each group.
        groups: title -> the dataclass of the group.
    """

    options: Any
    groups: dict[str, Any]

    def nested(self, found: Any) -> Any:
        """Return options in groups."""
        own = [one.name for one in fields(self.options) if one.name not in self.groups]
        inner = {title: kind(**_values(found, _names(kind))) for title, kind in self.groups.items()}
        return self.options(**_values(found, own), **inner)

    def flat(self, found: Any) -> dict[str, Any]:
        """Return the options of all groups by name."""
        values = _values(found, _names(self.options))
        groups = [values.pop(title) for title in self.groups]
        return values | {name: value for each in groups for name, value in _values(each, _names(type(each))).items()}


@cache
def grouped(options: Any) -> Grouped:
    """Return a dataclass of options in groups.

    An option has the type and the text of the last class that says them, and the metavar of any: a study with another
    default need not say again what goes there. Where no class says it, it is FOLDER or FILE for a path, and the name of
    the option for anything else but a choice.
    """
    bases: list[Any] = [base for base in reversed(options.__mro__) if is_dataclass(base)]
    found: dict[str, list[Any]] = {}
    texts = {name: text for base in bases for name, text in _texts(base).items()}
    for one in fields(options):
        saying = [base for base in bases if one.name in inspect.get_annotations(base)]
        hint = _hint(options, one.name, saying, texts.get(one.name))
        found.setdefault(vars(saying[0]).get("group", ""), []).append((one.name, hint, _default(one)))
    own = found.pop("", [])
    groups = {title: _made(title, of_group) for title, of_group in found.items()}
    for title, kind in groups.items():
        kind.__doc__ = next(base.__doc__ for base in bases if vars(base).get("group") == title)
        own.append((title, Annotated[kind, tyro.conf.OmitArgPrefixes], field(default_factory=kind)))
    made = _made(options.__name__, own)
    made.__doc__ = options.__doc__
    return Grouped(made, groups)


def _hint(options: Any, name: str, saying: Sequence[Any], text: str | None) -> Any:
    """Return the type of an option, with all that is to be told tyro of it, by the classes that say it."""
    hints = [typing.get_type_hints(base, include_extras=True)[name] for base in saying]
    extras = [extra for hint in hints for extra in _of_tyro(hint)]
    if not any(getattr(extra, "metavar", None) for extra in extras):
        extras += _metavar(name, kinds(options)[name])
    if text is not None:
        extras.append(tyro.conf.arg(help=text))
    hint = hints[-1]
    for extra in extras:
        hint = Annotated[hint, extra]
    return hint


def _made(name: str, members: Sequence[Any]) -> Any:
    return make_dataclass(name, members, frozen=True, kw_only=True)


def _default(one: Any) -> Any:
    if one.default is not MISSING:
        return field(default=one.default)
    return field() if one.default_factory is MISSING else field(default_factory=one.default_factory)


def _names(kind: Any) -> list[str]:
    return [one.name for one in fields(kind)]


def _values(found: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(found, name) for name in names}


def _of_tyro(hint: Any) -> list[Any]:
    """Return what a type tells tyro of an option."""
    metadata = hint.__metadata__ if typing.get_origin(hint) is Annotated else ()
    return [extra for extra in metadata if type(extra).__module__.startswith("tyro")]


def _metavar(name: str, said: Kind | None) -> list[Any]:
    """Return what goes there, in a word, where a type does not show the choices."""
    shown = said is not None and said.choices is not None and not any(isinstance(rule, OneOf) for rule in said.rules)
    if said is None or said.element is bool or shown:
        return []
    places = [rule.kind for rule in said.rules if isinstance(rule, Place)]
    word = ("FILE" if places[0] == "file" else "FOLDER") if places else name.upper().replace("_", "-")
    return [tyro.conf.arg(metavar=f"{word} ..." if said.many else word)]


def _texts(base: Any) -> dict[str, str]:
    """Return option -> the text below it in the source of a class; none where the source is not at hand."""
    try:
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
    except OSError:
        return {}
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for one, after in zip(body.body, body.body[1:], strict=False):
        match one, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found
