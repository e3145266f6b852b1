"""Strict JAX for every test, a fixed key, and the real data where it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
# Tests compile far more than they compute: half of the suite's time is the optimiser's. The environment carries the
# settings to the processes that tests start, whose bits are compared with this one's. To test what users' own programs
# are compiled to, set JAX_DISABLE_MOST_OPTIMIZATIONS=0.
if os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "1":
    jax.config.update("jax_disable_most_optimizations", True)
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_use_fusion_emitters=false"
# Commands that tests run keep no programs in the cache of whoever runs the tests.
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "0")
jax.config.update("jax_enable_compilation_cache", os.environ["JAX_ENABLE_COMPILATION_CACHE"] != "0")
# JAX begins here, with one CPU device, whatever experiments the tests run.
jax.devices()


MOST_MAPPED = 15_000
"""Regions of memory, of the 65,530 that Linux gives a process: every compiled program takes a few, and the compiler
crashes when there are none left."""


@pytest.fixture(autouse=True, scope="module")
def few_programs() -> Iterator[None]:
    """Let go of compiled programs after a file of tests, once there are many."""
    yield
    regions = Path("/proc/self/maps")
    if regions.is_file() and len(regions.read_bytes().splitlines()) > MOST_MAPPED:
        jax.clear_caches()


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(20)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with `ml-100k/` and `ml-1m/`: MFJAX_TEST_DATA, or `shared/data` beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MFJAX_TEST_DATA", default))
    if not (folder / "ml-100k" / "u.data").is_file():
        pytest.skip(f"no MovieLens data in {folder}; set MFJAX_TEST_DATA to a folder with ml-100k/ and ml-1m/")
    return folder
