"""The public face: what `import mfjax` gives, at what cost, and that its three lists of names agree."""

from __future__ import annotations

import ast
import importlib.metadata
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import mfjax

FOLDER = Path(mfjax.__file__).parent
PRIVATE = {"factorisations", "files", "vocabularies"}
"""Ground that the face does not name: pipes of the library's own."""


def stub() -> ast.Module:
    return ast.parse((FOLDER / "__init__.pyi").read_text())


def fresh(program: str) -> str:
    """Return what a program prints in a new process."""
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout


def test_the_import_brings_no_jax():
    heavy = "jax", "jaxlib", "numpy", "scipy", "optax"
    assert fresh(f"import mfjax, sys; print(sorted(set({heavy}) & sys.modules.keys()))") == "[]\n"
    assert fresh("import mfjax, sys; dir(mfjax), mfjax.__version__; print('jax' in sys.modules)") == "False\n"


def test_a_room_is_loaded_when_it_is_named():
    program = "import mfjax, sys; print('mfjax.als' in sys.modules, mfjax.als.fit.__name__, 'mfjax.als' in sys.modules)"
    assert fresh(program) == "False fit True\n"


def test_completion_shows_the_face():
    assert sorted(dir(mfjax)) == sorted(mfjax.__all__)


def test_every_name_of_all_can_be_read():
    assert len(set(mfjax.__all__)) == len(mfjax.__all__)
    missing = [name for name in mfjax.__all__ if not hasattr(mfjax, name)]
    assert not missing, f"{missing} of __all__ can not be read from mfjax"


def test_the_stub_names_what_there_is():
    rooms = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "__main__"}
    imported = [alias.name for node in stub().body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert set(imported) == (rooms | files) - PRIVATE, "name the room in mfjax/__init__.pyi and in the docstring"
    (listed,) = [ast.literal_eval(node.value) for node in stub().body if isinstance(node, ast.Assign)]
    assert sorted(listed) == sorted([*imported, "__version__"]) == sorted(mfjax.__all__)


def test_the_map_names_every_room_once():
    lines = mfjax.__doc__.splitlines()
    named = [line.split("`")[1] for line in lines if line.startswith("`")]
    assert sorted(named) == sorted(set(mfjax.__all__) - {"__version__"})
    assert "alternating least squares" in pydoc.plain(pydoc.render_doc(mfjax))


def test_the_version_is_that_of_the_distribution():
    assert mfjax.__version__ == importlib.metadata.version("mfjax")


def test_what_is_not_there_is_refused():
    with pytest.raises(AttributeError, match="nothing"):
        mfjax.nothing  # noqa: B018
    with pytest.raises(ImportError, match="nothing"):
        from mfjax import nothing  # noqa: F401
