"""mfjax.studies.compiled: the second run of a command finds its programs compiled, and gives the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from dataclasses import dataclass
import jax.numpy as jnp
from mfjax import compilation
from mfjax.studies.command_line import main
from mfjax.studies.options import Checked

@dataclass(frozen=True)
class Options(Checked):
    '''Square a number.'''

    number: int = 3
    compilation_cache: bool = True

    def run(self):
        print(compilation.jit(lambda x: x * x)(jnp.float32(self.number)))

main(Options, program="square")
"""


def run(cache: Path, *arguments: str, **environment: str) -> str:
    settings = os.environ | {"MFJAX_CACHE": str(cache), "JAX_ENABLE_COMPILATION_CACHE": "1"} | environment
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, env=settings, check=True, capture_output=True, text=True).stdout


def programs(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in cache.rglob("*-cache")}


def test_a_second_run_compiles_nothing_new(tmp_path):
    first = run(tmp_path)
    kept = programs(tmp_path)
    assert kept
    assert run(tmp_path) == first == "9.0\n"
    assert programs(tmp_path) == kept


@pytest.mark.parametrize(
    "arguments, environment",
    [(["--no-compilation-cache"], {}), ([], {"JAX_ENABLE_COMPILATION_CACHE": "0"})],
    ids=["by the option", "by JAX's own switch"],
)
def test_it_can_be_switched_off(tmp_path, arguments, environment):
    assert run(tmp_path, *arguments, **environment) == "9.0\n"
    assert not programs(tmp_path)


def test_a_folder_of_the_callers_stays(tmp_path):
    run(tmp_path / "ours", JAX_COMPILATION_CACHE_DIR=str(tmp_path / "theirs"))
    assert not programs(tmp_path / "ours")
