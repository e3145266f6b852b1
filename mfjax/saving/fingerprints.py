"""What a result follows from, as one hash: values, settings and functions, so that no file is taken for another's.

A function is told apart by what it does: its code, defaults and closure, and the functions, classes and values that
its code refers to, with all of theirs. Its name, file and line do not count. What comes from an installed package, from
Python or from mfjax counts by its name and the version of the package; `version` says what mfjax itself is.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import importlib.metadata
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mfjax.saving import texts
from mfjax.vocabularies import TEXT

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented), range, np.dtype)
_METHODS = (types.FunctionType, staticmethod, classmethod, property, functools.cached_property)
_SAID_OF_CLASSES = {"__module__", "__doc__", "__qualname__", "__firstlineno__", "__static_attributes__"}


@functools.cache
def version() -> dict[str, str]:
    """Return the versions that a result follows from: that of mfjax, with a hash of its code, and that of JAX."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes())
    return {"mfjax": f"{importlib.metadata.version('mfjax')}+{code.hexdigest()[:12]}", "jax": jax.__version__}


def fingerprint(made_of: Any) -> str:
    """Return the SHA-256 of any value, in hexadecimal: arrays, keys, settings, functions, and containers of them.

    Raises:
        ValueError: for what can not be told from another, such as an open file, a lock, or a traced value.

    Example:
        >>> fingerprint({"reg": 0.1}) == fingerprint({"reg": 0.2})
        False
        >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
        False
    """
    try:
        return _Reader().of(made_of).hex()
    except RecursionError:
        raise ValueError("made_of: is nested too deeply; pass what it is made from instead") from None


class _Reader:
    """Hashes values by what they hold, each object once."""

    def __init__(self) -> None:
        self.done: dict[int, bytes] = {}
        self.open: dict[int, int] = {}
        # Kept alive, so that no other object gets the id of one that is done.
        self.kept: list[Any] = []

    def of(self, value: Any) -> bytes:
        if isinstance(value, _PLAIN):
            return _hash([type(value).__name__, repr(value)])
        here = id(value)
        if here in self.open:  # such as a function that calls itself
            return _hash(["open", str(self.open[here])])
        if here not in self.done:
            self.kept.append(value)
            self.open[here] = len(self.open)
            self.done[here] = _hash(self.parts(value))
            del self.open[here]
        return self.done[here]

    def parts(self, value: Any) -> Iterator[str | bytes]:
        """Yield the kind of a value, then what tells it from others of its kind."""
        if isinstance(value, (np.ndarray, np.generic, jax.Array)):
            yield from self.array(value)
        elif isinstance(value, types.ModuleType):
            yield from ("module", value.__name__, _version_of(value.__name__), _source(value))
        elif _is_importable(value):
            yield from ("imported", _name(value), _version_of(value.__module__))
        elif isinstance(value, types.FunctionType):
            yield from self.function(value)
        elif isinstance(value, types.CodeType):
            yield from ("code", value.co_code, value.co_exceptiontable, repr((value.co_names, value.co_varnames)))
            yield from (repr((value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_flags)),)
            yield self.of(value.co_consts)
        elif isinstance(value, type):
            yield from self.cls(value)
        elif type(value) in (dict, types.MappingProxyType):
            yield "dict"
            yield from sorted(_hash([self.of(key), self.of(member)]) for key, member in value.items())
        elif isinstance(value, (set, frozenset)):
            yield "set"
            yield from sorted(map(self.of, value))
        elif isinstance(value, (list, tuple)):
            yield from ("list", self.of(type(value)))
            yield from map(self.of, value)
        elif isinstance(value, functools.partial):
            yield "partial"
            yield from map(self.of, (value.func, value.args, value.keywords))
        elif isinstance(value, types.MethodType):
            yield "method"
            yield from map(self.of, (value.__self__, value.__func__))
        elif isinstance(value, classmethod):  # which, unlike a static method, can not be called
            yield from ("classmethod", self.of(value.__func__))
        elif isinstance(value, property):
            yield "property"
            yield from map(self.of, (value.fget, value.fset))
        elif isinstance(value, functools.cached_property):
            yield from ("property", self.of(value.func))
        elif isinstance(value, types.CellType):
            yield "cell"
            yield from () if _is_empty(value) else (self.of(value.cell_contents),)
        elif callable(value) and hasattr(value, "__wrapped__"):
            # Such as what jax.jit and lru_cache return, and functions with derivatives of their own.
            rules = (getattr(value, rule, None) for rule in ("jvp", "fwd", "bwd"))
            yield from ("wrapper", _name(type(value)), self.of(value.__wrapped__))
            yield from map(self.of, rules)
        elif dataclasses.is_dataclass(value):
            yield from ("dataclass", self.of(type(value)))
            yield from (self.of(getattr(value, field.name, None)) for field in dataclasses.fields(value))
        else:
            yield from self.object(value)

    def array(self, value: Any) -> Iterator[str | bytes]:
        if isinstance(value, jax.core.Tracer):
            raise ValueError("made_of: holds a traced value; call outside jit, vmap and grad")
        kind = "array"
        if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            kind, value = str(jax.random.key_impl(value)), jax.random.key_data(value)
        array = np.asarray(value)
        yield from (kind, str(array.dtype), str(array.shape))
        if array.dtype == TEXT:
            yield from (part.tobytes() for part in texts.packed("text", array.reshape(-1)).values())
        else:
            yield self.of(array.tolist()) if array.dtype.hasobject else array.tobytes()

    def function(self, function: types.FunctionType) -> Iterator[str | bytes]:
        yield "function"
        yield from map(self.of, (function.__code__, function.__defaults__, function.__kwdefaults__))
        yield from map(self.of, function.__closure__ or ())
        if _is_installed(function.__module__):
            yield _version_of(function.__module__)
            return
        for path in _referred(function.__code__):
            found = _found(path, function.__globals__)
            if found is not _NOTHING:
                yield from (".".join(path), self.of(found))

    def cls(self, cls: type) -> Iterator[str | bytes]:
        yield from ("class", _name(cls))
        yield from map(self.of, cls.__bases__)
        for name, member in sorted(vars(cls).items()):
            if isinstance(member, (*_METHODS, *_PLAIN, tuple)) and name not in _SAID_OF_CLASSES:
                yield from (name, self.of(member))

    def object(self, value: Any) -> Iterator[str | bytes]:
        """Anything else is what pickle would make it from."""
        try:
            how = value.__reduce_ex__(4)
        except Exception:
            raise ValueError(
                f"made_of: holds a {type(value).__name__}, which can not be told from another; pass arrays, numbers, "
                "texts, dataclasses, and functions of them"
            ) from None
        yield from ("object", self.of(type(value)))
        if isinstance(how, str):
            yield how
            return
        make, arguments, state, *members = [*list(how)[:5], None]
        if isinstance(state, dict):  # less what was computed from the rest, when it was first asked for
            lazy = {name for name in state if isinstance(getattr(type(value), name, None), functools.cached_property)}
            state = {name: member for name, member in state.items() if name not in lazy}
        yield from map(self.of, (make, arguments, state))
        yield from (self.of(None if some is None else list(some)) for some in members)


def _hash(parts: Any) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        part = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


_NOTHING = object()


def _referred(code: types.CodeType) -> list[tuple[str, ...]]:
    """Return the global names that code refers to, each with the attributes taken of it: ("np", "linalg", "norm")."""
    found: set[tuple[str, ...]] = set()
    path: tuple[str, ...] = ()
    for step in [*dis.get_instructions(code), None]:
        if step is not None and path and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            path = (*path, step.argval)
            continue
        found |= {path} - {()}
        path = ()
        if step is not None and step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "IMPORT_NAME"):
            path = (step.argval,)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= set(_referred(constant))
    return sorted(found)


def _found(path: tuple[str, ...], names: dict[str, Any]) -> Any:
    """Return the first thing on a path that is no module, or the module that it ends in or leaves our own code by."""
    value = names.get(path[0], sys.modules.get(path[0], _NOTHING))
    for name in path[1:]:
        if not isinstance(value, types.ModuleType) or _is_installed(value.__name__):
            break
        value = getattr(value, name, _NOTHING)
    return value


def _is_installed(module: str | None) -> bool:
    """Return whether a module is of Python, of an installed package or of mfjax, and not of the user."""
    top = (module or "").partition(".")[0]
    if top in sys.stdlib_module_names or top == "mfjax":
        return True
    source = getattr(sys.modules.get(top), "__file__", None) or getattr(sys.modules.get(top), "__path__", [""])[0]
    return bool({"site-packages", "dist-packages"} & set(Path(source).parts))


def _is_importable(value: Any) -> bool:
    """Return whether a value is what its module and name say, and its module is installed."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", getattr(value, "__name__", None))
    if not (isinstance(module, str) and isinstance(name, str) and _is_installed(module)):
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def _version_of(module: str) -> str:
    top = module.partition(".")[0]
    return str(getattr(sys.modules.get(top), "__version__", "")) if _is_installed(module) else ""


def _source(module: types.ModuleType) -> bytes:
    """Return the file of a module of the user, which counts whole where it is not said what of it is used."""
    path = getattr(module, "__file__", None)
    return b"" if path is None or _is_installed(module.__name__) else Path(path).read_bytes()


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', getattr(value, '__name__', ''))}"


def _is_empty(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is _NOTHING
    except ValueError:
        return True
