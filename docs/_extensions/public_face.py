"""The reference: a page for every room and public module of mfjax, written from `__all__` when the site is built."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import mfjax

PAGES = "reference/api"
"""Where the pages are written; git ignores the folder."""


def public(module: ModuleType) -> dict[str, Any]:
    """Return the public names of a module and what they stand for: `__all__`, or what it defines and hands on."""
    names = getattr(module, "__all__", None)
    return {name: getattr(module, name) for name in (defined(module) if names is None else names)}


def defined(module: ModuleType) -> list[str]:
    """Return the names that a module defines, or imports as themselves (`from a import b as b`), in their order."""
    names = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.ImportFrom):
            names += [alias.name for alias in node.names if alias.asname == alias.name]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def modules() -> dict[str, ModuleType]:
    """Return the rooms of mfjax and their public modules, by name."""
    found: dict[str, ModuleType] = {}
    waiting = [importlib.import_module(f"mfjax.{name}") for name in mfjax.__all__ if name != "__version__"]
    while waiting:
        module = waiting.pop(0)
        if module.__name__ not in found:
            found[module.__name__] = module
            waiting += [value for value in public(module).values() if is_ours(value)]
    return dict(sorted(found.items()))


def is_ours(value: Any) -> bool:
    return isinstance(value, ModuleType) and value.__name__.startswith("mfjax.")


def is_described(value: Any) -> bool:
    """Return whether a value is a function or class of mfjax, with a docstring of its own, and no alias of a type."""
    return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith("mfjax")


def names() -> Iterator[tuple[str, str, Any]]:
    """Give (module, name, value) of every public name that is no module."""
    for name, module in modules().items():
        for inner, value in public(module).items():
            if not isinstance(value, ModuleType):
                yield name, inner, value


def homes() -> dict[int, str]:
    """Return where a function or class that has several public names is described: under the shortest of them."""
    found: dict[int, str] = {}
    for module, name, value in names():
        full = f"{module}.{name}"
        if is_described(value) and len(full) < len(found.get(id(value), full + " ")):
            found[id(value)] = full
    return found


def told(module: ModuleType, name: str) -> str:
    """Return the text below the assignment of a name, in the module that it comes from, or nothing."""
    body = ast.parse(inspect.getsource(module)).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return told(importlib.import_module(node.module), alias.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            return inspect.cleandoc(str(after.value.value)) if is_text else ""
    return ""


def entry(module: ModuleType, name: str, value: Any, home: str) -> str:
    """Return the directive that describes a public name."""
    full = f"{module.__name__}.{name}"
    if home == full and inspect.isclass(value):
        return f".. autoclass:: {full}\n   :members:\n"
    if home == full:
        return f".. autofunction:: {full}\n"
    shown = re.sub(r"(typing|collections\.abc|jaxlib\._jax|mfjax(\.\w+)+)\.", "", repr(value))
    lines = [f".. py:data:: {name}"]
    if home not in ("", full):
        lines += ["", f"Another name of `{home}`."]
    elif len(shown) < 100 and " at 0x" not in shown:
        lines += [f"   :value: {shown}"]
    lines += ["", *told(module, name).splitlines(), ""]
    return "\n".join([lines[0], *(line if line.startswith("   :") else f"   {line}".rstrip() for line in lines[1:])])


def summary(module: ModuleType) -> str:
    """Return the first sentence of a module's docstring."""
    first = inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return first.replace("::", ":").rstrip(":.") + "."


def page(name: str, module: ModuleType, home: dict[int, str]) -> str:
    """Return the text of the page of a module."""
    found = public(module)
    inner = [value for value in found.values() if is_ours(value)]
    parts = [f"{name}\n{'=' * len(name)}\n", f".. automodule:: {name}\n", f".. currentmodule:: {name}\n"]
    if inner:
        parts.append("\n".join(f"- :doc:`{one.__name__}`: {summary(one)}" for one in inner) + "\n")
        parts.append(".. toctree::\n   :hidden:\n\n" + "\n".join(f"   {one.__name__}" for one in inner) + "\n")
    for each, value in found.items():
        if not isinstance(value, ModuleType):
            parts.append(entry(module, each, value, home.get(id(value), "")))
    return "\n".join(parts)


def help_of(name: str) -> str:
    """Return what a command prints when it is asked for help."""
    from mfjax.__main__ import COMMANDS
    from mfjax.studies import command_line

    module, _, options = ("experiments.ml100k.study:Options" if "." in name else COMMANDS[name][0]).partition(":")
    program = name if "." in name else f"mfjax {name}"
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        command_line.parse(getattr(importlib.import_module(module), options), ["--help"], program=program)
    return out.getvalue()


def commands() -> str:
    """Return the page of the commands, each with its help."""
    from mfjax.__main__ import COMMANDS, usage

    os.environ["COLUMNS"] = "90"
    helps = {"mfjax": usage()} | {f"mfjax {name}": help_of(name) for name in COMMANDS}
    helps["python -m experiments.ml100k"] = help_of("experiments.ml100k")
    parts = ["Commands\n========\n\nWhat each command prints when it is asked for ``--help``.\n"]
    for name, text in helps.items():
        block = "\n".join(f"   {line}".rstrip() for line in text.splitlines())
        parts.append(f"{name}\n{'-' * len(name)}\n\n.. code-block:: text\n\n{block}\n")
    return "\n".join(parts)


def write(folder: Path) -> None:
    """Write the pages into a folder. A page that has not changed is left alone, so that it is not read again."""
    folder.mkdir(parents=True, exist_ok=True)
    home, found = homes(), modules()
    texts = {f"{name}.rst": page(name, module, home) for name, module in found.items()}
    rooms = "\n".join(f"   {name}" for name in found if name.count(".") == 1)
    texts["index.rst"] = (
        f"Reference\n=========\n\n.. automodule:: mfjax\n\n.. toctree::\n   :hidden:\n\n{rooms}\n   commands\n"
    )
    texts["commands.rst"] = commands()
    for path in folder.glob("*.rst"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def skip(app: Any, what: str, name: str, value: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out the fields of a named tuple, which its docstring describes."""
    return True if type(value).__name__ == "_tuplegetter" else None


def shared(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Set the arguments that the functions of a module share as a list: fields are for single functions."""
    if what != "module":
        return
    inside = False
    for at, line in enumerate(lines):
        if found := re.match(r":param ([^:]+): ?(.*)", line):
            lines[at], inside = f"- **{found[1]}**: {found[2]}", True
        elif inside and line.startswith(" "):
            lines[at] = f"  {line.strip()}"
        else:
            inside = False


def resolve(app: Any, environment: Any, node: Any, content: Any) -> Any:
    """Find what a docstring calls by its room, such as `als.fit`."""
    if node.get("refdomain") != "py" or node["reftarget"].startswith("mfjax."):
        return None
    python = environment.domains.python_domain
    for target in (f"mfjax.{node['reftarget']}", f"{node.get('py:module')}.{node['reftarget']}"):
        if target in python.objects:
            return python.resolve_xref(environment, node["refdoc"], app.builder, "obj", target, node, content)
    return None


def without_ways_back(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Take the links out of a page of sources that lead back to names under which its functions are not described."""
    if page.startswith("_modules/"):
        context["body"] = re.sub(r'<a class="viewcode-back".*?</a>', "", context["body"])


def only_ours(app: Any) -> list[Any]:
    """Leave modules without a source, such as builtins, out of the index of sources."""
    sources = app.env._viewcode_modules
    for name in [name for name, found in sources.items() if not found]:
        del sources[name]
    return []


def setup(app: Any) -> dict[str, Any]:
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / PAGES))
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", shared, priority=900)  # after napoleon
    app.connect("missing-reference", resolve)
    app.connect("html-page-context", without_ways_back)
    app.connect("html-collect-pages", only_ours, priority=400)
    return {"parallel_read_safe": True}
