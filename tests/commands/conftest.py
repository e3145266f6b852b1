"""Small made-up ratings with text ids of users and integer ids of items, and models of them in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mfjax import data, saving
from mfjax.__main__ import main
from mfjax.data import from_arrays
from mfjax.recommend import Model
from mfjax.types import Interactions
from tests.studies.made_up import ratings

QUICK = ("--no-progress", "--no-compilation-cache")
SMALL = {
    "ials": ("dim=3", "steps=3", "reg=0.01"),
    "explicit": ("dim=3", "steps=3"),
    "bpr": ("dim=3", "epochs=2", "batch=32"),
}


@pytest.fixture
def mfjax(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: exit code, stdout, stderr."""

    def run(*words) -> tuple[int, str, str]:
        code = main([*map(str, words), *QUICK])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture(scope="session")
def pairs() -> Interactions:
    """Ratings by raw ids: users "u 00", "u 01", ..., items 100, 107, ..."""
    found = ratings()
    return from_arrays([f"u {user:02}" for user in found.users], 100 + 7 * found.items, found.values)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, pairs) -> Path:
    """A folder with ratings.csv, and ials.mfjax, explicit.mfjax and bpr.mfjax that were fitted to it."""
    folder = tmp_path_factory.mktemp("commands")
    data.write(pairs, folder / "ratings.csv", value="rating")
    for name, parameters in SMALL.items():
        words = (
            "fit",
            folder / "ratings.csv",
            "--model",
            name,
            "--set",
            *parameters,
            "--out",
            folder / f"{name}.mfjax",
        )
        assert main([*map(str, words), *QUICK]) == 0
    return folder


@pytest.fixture(scope="session")
def models(folder) -> dict[str, Model]:
    return {name: saving.load(folder / f"{name}.mfjax") for name in SMALL}
