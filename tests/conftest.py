"""Strict JAX for every test, a fixed key, and the real data where it is."""

from __future__ import annotations

import gc
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
    # Workers have a core each: to compile a program in up to 32 parts at once takes a fifth more of it.
    quickest = " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + quickest
# Commands that tests run keep no programs in the cache of whoever runs the tests.
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "0")
jax.config.update("jax_enable_compilation_cache", os.environ["JAX_ENABLE_COMPILATION_CACHE"] != "0")
# JAX begins here, with one CPU device, whatever experiments the tests run.
jax.devices()


LONGEST = (
    "conformance", "readme", "site", "lowering", "als", "weights", "accelerator", "features_derivatives", "gradients",
    "standstill", "scale", "fits", "explicit", "ml1m", "borders_ranking", "borders_als", "evaluate", "features",
    "study_command", "sweep", "weights_derivatives",
)  # fmt: skip
"""The files test_NAME.py that take longest: they begin first, so that no worker is alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish() -> None:
    """Look for garbage seldom: tracing makes many objects that live for long, and all of them were looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


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
