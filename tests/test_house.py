"""Guards of the house: imports go down, no circles, few boundaries of compilation, short files, docstrings.

Every guard takes the root of a tree and returns sentences about what is wrong in it: it is run on this tree, and on
small made-up trees which it must find fault with.
"""

from __future__ import annotations

import ast
import functools
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mfjax", "experiments", "paper_repro")
GROUND = ("types", "vocabularies", "checks", "files", "compilation", "factorisations")
ROOMS = (
    "data",
    "histories",
    "training",
    "metrics",
    "statistics",
    "als",
    "ranking",
    "baselines",
    "devices",
    "recommend",
    "evaluation",
    "saving",
    "search",
    "studies",
    "reports",
    "commands",
)
"""A room imports the ground and rooms before it. A new room gets its place here."""
COMMAND = "__main__"
"""The command may import any room."""
COMPILED = {
    "mfjax.als.fitting": ["_steps", "init"],
    "mfjax.baselines.svd": ["decompose"],
    "mfjax.compilation": ["function"],
    "mfjax.devices.by_rows": ["piece"],
    "mfjax.evaluation.measuring": ["_scores", "block_of_users", "measure", "pooled_of"],
    "mfjax.evaluation.sampled": ["_draw"],
    "mfjax.evaluation.side_by_side": ["_measure"],
    "mfjax.ranking.folding": ["_solved"],
    "mfjax.ranking.training": ["epoch"],
    "mfjax.recommend.kinds": ["lists.similar_items", "scores.masked_scores"],
    "mfjax.recommend.reasons": ["als.explain"],
    "mfjax.recommend.rows": ["als.fold_in", "als.half_step", "ranking.fold_in", "svd.fold_in"],
    "mfjax.recommend.side_by_side": ["_spread", "lists.top_k"],
    "mfjax.reports.buckets": ["bootstrap_means"],
    "mfjax.reports.inspection": ["als.explain", "recommend.top_k"],
    "mfjax.search.cells": ["self.fit"],
    "mfjax.search.sweep": ["cell", "over(cell, 'vmap')"],
    "mfjax.statistics.paired": ["resampling.bootstrap", "resampling.sign_flip"],
    "mfjax.studies.choosing": ["jax.value_and_grad(partial(ascent, task), has_aux=True)"],
    "mfjax.studies.findings": ["bootstrap_means"],
    "mfjax.studies.fitting": ["als.fold_in"],
}
"""The boundaries: which functions each module of mfjax compiles. All other functions leave it to their callers."""
MOST_LINES = 330

Trees = dict[str, ast.Module]


def parsed(root: Path, *packages: str) -> Trees:
    """Return the syntax of every module, by its dotted name; a package's name is that of its `__init__`."""
    trees = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            trees[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = _tree(path.read_text())
    return trees


@functools.cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def imported(name: str, trees: Trees, root: Path) -> set[str]:
    """Return the modules among `trees` that a module imports anywhere: within functions and TYPE_CHECKING too."""
    package = name if (root / name.replace(".", "/")).is_dir() else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(trees[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            # `from mfjax.als import solvers` reads the submodule, `from mfjax.als import fit` the package's __init__.
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in trees else base for alias in node.names}
    return {module for module in found if module in trees}


def climbs(root: Path) -> list[str]:
    """Return a sentence for every import that goes against the flow."""
    trees = parsed(root, *PACKAGES)
    heights = dict.fromkeys(GROUND, 0) | {room: place for place, room in enumerate((*ROOMS, COMMAND), 1)}
    wrong = []
    for name in trees:
        top, *here = name.split(".")
        if top == "mfjax" and here and here[0] not in heights:
            wrong.append(f"{name}: {here[0]} has no place in the order; add it to ROOMS of tests/test_house.py")
            continue
        for other in imported(name, trees, root):
            other_top, *there = other.split(".")
            if PACKAGES.index(other_top) > PACKAGES.index(top):
                wrong.append(
                    f"{name} imports {other}: imports go from paper_repro to experiments to mfjax; move the code"
                )
            elif top == other_top == "mfjax" and here:
                if not there:
                    wrong.append(f"{name} imports the face; import the room, such as `from mfjax import als`")
                elif heights.get(there[0], 0) > heights[here[0]]:
                    wrong.append(f"{name} imports {other}, a room below it; hand the value in, or move the code")
    return wrong


def circles(root: Path) -> list[str]:
    """Return a sentence about a circle of modules, where there is one."""
    trees = parsed(root, *PACKAGES)
    try:
        graphlib.TopologicalSorter({name: imported(name, trees, root) - {name} for name in trees}).prepare()
    except graphlib.CycleError as error:
        # graphlib goes from what is imported to what imports it, and begins anywhere.
        circle = error.args[1][:0:-1]
        first = circle.index(min(circle))
        circle = circle[first:] + circle[: first + 1]
        return [" imports ".join(circle) + ": move what they share to a file above them"]
    return []


def compiled(root: Path) -> dict[str, list[str]]:
    """Return what the modules of mfjax compile by `jax.jit`, `compilation.jit` or `jax.pmap`, by module."""

    def compiles(node: ast.AST) -> bool:
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        return name in ("jit", "pmap")

    found = {}
    for module, tree in parsed(root, "mfjax").items():
        names = []
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                names += [node.name for mark in node.decorator_list if any(map(compiles, ast.walk(mark)))]
            elif isinstance(node, ast.Call) and compiles(node.func) and node.args:
                names.append(ast.unparse(node.args[0]))
            elif isinstance(node, ast.ImportFrom | ast.Assign):
                # Another name for it would hide the boundary.
                taken = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
                hidden = "pmap" in taken or "jit" in taken or (isinstance(node, ast.Assign) and compiles(node.value))
                names += [ast.unparse(node)] if hidden else []
        if names:
            found[module] = sorted(names)
    return found


def uncharted(root: Path, table: dict[str, list[str]]) -> list[str]:
    """Return a sentence for every module that compiles something else than the table says."""
    found = compiled(root)
    remedy = "leave compiling to the caller, or change COMPILED of tests/test_house.py"
    return [
        f"{module} compiles {found.get(module, [])}, where the table has {table.get(module, [])}; {remedy}"
        for module in sorted(found.keys() | table.keys())
        if found.get(module) != table.get(module)
    ]


def long_files(root: Path) -> list[str]:
    """Return a sentence for every file that is too long."""
    sizes = {
        path: len(path.read_text().splitlines()) for package in PACKAGES for path in (root / package).rglob("*.py")
    }
    return [
        f"{path.relative_to(root)} has {lines} lines, more than {MOST_LINES}; it holds two ideas: split it"
        for path, lines in sorted(sizes.items())
        if lines > MOST_LINES
    ]


def undescribed(root: Path) -> list[str]:
    """Return a sentence for every folder without an `__init__`, module without a docstring, and wrong `__all__`."""
    wrong = []
    for package in PACKAGES:
        for folder in {path.parent for path in (root / package).rglob("*.py")}:
            if not (folder / "__init__.py").is_file():
                wrong.append(f"{folder.relative_to(root)}: no __init__.py; say there what the folder is for")
    for name, tree in parsed(root, *PACKAGES).items():
        if not name.rpartition(".")[2].startswith("_") and not ast.get_docstring(tree):
            wrong.append(f"{name}: no docstring; say in a line what it holds")
        if name.startswith("mfjax.") and (root / name.replace(".", "/")).is_dir():
            wrong += _wrong_all(name, tree, root / name.replace(".", "/"))
    return wrong


def _wrong_all(name: str, tree: ast.Module, folder: Path) -> list[str]:
    bound, named = set(), None
    if "lazy_loader.attach(" in ast.unparse(tree):  # loaded when they are used
        bound |= {path.stem for path in folder.glob("*.py")}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            named = ast.literal_eval(node.value)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_NAMES":
            bound |= {name for found in ast.literal_eval(node.value).values() for name in found}
        elif isinstance(node, ast.Assign):
            bound |= {ast.unparse(target) for target in node.targets}
    if named is None:
        return [f"{name}: no __all__; list what users call"]
    return [f"{name}: __all__ has {missing!r}, which is not there; import it" for missing in set(named) - bound]


def test_imports_go_one_way():
    assert not climbs(ROOT), "\n".join(climbs(ROOT))


def test_no_circles():
    assert not circles(ROOT), "\n".join(circles(ROOT))


@pytest.mark.skipif(not (ROOT / "mfjax").is_dir(), reason="the sources of mfjax are not beside the tests")
def test_only_the_listed_boundaries_are_compiled():
    assert not uncharted(ROOT, COMPILED), "\n".join(uncharted(ROOT, COMPILED))


def test_files_are_short():
    assert not long_files(ROOT), "\n".join(long_files(ROOT))


def test_packages_and_modules_say_what_they_hold():
    assert not undescribed(ROOT), "\n".join(undescribed(ROOT))


GOOD = {
    "mfjax/__init__.py": '"""The face."""',
    "mfjax/checks.py": '"""Checks."""',
    "mfjax/types.py": '"""Types."""\nfrom mfjax import checks',
    "mfjax/data/__init__.py": '"""Data."""\nfrom mfjax.data.arrays import read\n__all__ = ["read"]',
    "mfjax/data/arrays.py": '"""Arrays."""\nfrom mfjax import checks\nfrom mfjax.data import splits\nread = 1',
    "mfjax/data/splits.py": '"""Splits."""',
    "mfjax/als/__init__.py": '"""ALS."""\n__all__ = []',
    "mfjax/als/fitting.py": '"""Fits."""\nimport jax\nfrom mfjax.data import read\nrun = jax.jit(read)',
    "experiments/__init__.py": '"""Experiments."""',
    "mfjax/studies/__init__.py": '"""The engine."""\n__all__ = []',
    "mfjax/studies/study.py": '"""A study."""\nfrom mfjax import als',
    "experiments/ml1m/__init__.py": '"""One experiment."""\nfrom mfjax.studies import running',
    "paper_repro/__init__.py": '"""Tables."""\nfrom experiments import ml1m',
}


def a_tree(root: Path) -> Path:
    for name, text in GOOD.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def faults(root: Path) -> list[str]:
    table = {"mfjax.als.fitting": ["read"]}
    return climbs(root) + circles(root) + uncharted(root, table) + long_files(root) + undescribed(root)


def test_a_good_tree_has_no_fault(tmp_path):
    assert faults(a_tree(tmp_path)) == []


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("mfjax/data/splits.py", "from mfjax import als", "mfjax.data.splits imports mfjax.als, a room below"),
        ("mfjax/data/splits.py", "import mfjax.als.fitting", "mfjax.data.splits imports mfjax.als.fitting, a room"),
        ("mfjax/data/splits.py", "from ..als import fitting", "mfjax.data.splits imports mfjax.als.fitting, a room"),
        ("mfjax/data/__init__.py", "from .. import als\n__all__ = []", "mfjax.data imports mfjax.als, a room below"),
        ("mfjax/checks.py", "def f():\n    from mfjax import data", "mfjax.checks imports mfjax.data, a room below"),
        ("mfjax/data/splits.py", "import mfjax", "mfjax.data.splits imports the face"),
        ("mfjax/news.py", "", "news has no place"),
        ("mfjax/als/fitting.py", "from experiments import ml1m", "mfjax.als.fitting imports experiments.ml1m"),
        ("experiments/ml1m/a.py", "import paper_repro", "experiments.ml1m.a imports paper_repro"),
        ("mfjax/studies/a.py", "from experiments.ml1m import b", "mfjax.studies.a imports experiments.ml1m"),
        ("mfjax/checks.py", "from mfjax.types import Array", "mfjax.checks imports mfjax.types imports mfjax.checks"),
        (
            "mfjax/data/splits.py",
            "from mfjax.data.arrays import read",
            "mfjax.data.arrays imports mfjax.data.splits imports mfjax.data.arrays",
        ),
        (
            "mfjax/data/splits.py",
            "from mfjax.data import read",
            "mfjax.data.arrays imports mfjax.data.splits imports mfjax.data:",
        ),
        (
            "mfjax/data/splits.py",
            "if TYPE_CHECKING:\n    from mfjax import data",
            "mfjax.data imports mfjax.data.arrays imports mfjax.data.splits",
        ),
        ("mfjax/als/fitting.py", "", "mfjax.als.fitting compiles [], where the table has ['read']"),
        ("mfjax/als/new.py", "f = compilation.jit(g, frugal=True)", "mfjax.als.new compiles ['g']"),
        ("mfjax/als/new.py", "f = jax.pmap(g)", "mfjax.als.new compiles ['g']"),
        ("mfjax/als/new.py", "@partial(jax.jit, donate_argnames='x')\ndef h(x): ...", "mfjax.als.new compiles ['h']"),
        ("mfjax/als/new.py", "@jax.jit\ndef h(x): ...", "mfjax.als.new compiles ['h']"),
        ("mfjax/als/new.py", "from jax import jit as fast", "mfjax.als.new compiles ['from jax import jit"),
        ("mfjax/als/new.py", "fast = jax.jit", "mfjax.als.new compiles ['fast = jax.jit']"),
        ("mfjax/als/new.py", "x = 1\n" * 331, "mfjax/als/new.py has 331 lines"),
        ("mfjax/als/new.py", "x = 1", "mfjax.als.new: no docstring"),
        ("mfjax/als/inner/new.py", "", "mfjax/als/inner: no __init__.py"),
        ("mfjax/als/__init__.py", '"""ALS."""', "mfjax.als: no __all__"),
        ("mfjax/als/__init__.py", "__all__ = ['fit']", "mfjax.als: __all__ has 'fit', which is not there"),
    ],
)
def test_a_fault_is_found(tmp_path, file, text, told):
    (a_tree(tmp_path) / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert any(told in fault for fault in faults(tmp_path)), faults(tmp_path)
