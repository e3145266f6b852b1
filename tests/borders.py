"""What tests of borders share: a call either answers or is refused in the project's own words."""

from __future__ import annotations

import traceback
import tracemalloc
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pyarrow
from hypothesis import strategies as st

REFUSED = object()


def ours(call: Callable[[], Any]) -> Any:
    """Return what `call` returns, or the ValueError that mfjax raised; every other exception goes on."""
    try:
        return call()
    except ValueError as error:
        frames = traceback.extract_tb(error.__traceback__)
        assert "/mfjax/" in frames[-1].filename, f"from {frames[-1].filename}: {error}"
        name, _, told = str(error).partition(": ")
        assert name and told, f"no argument, or nothing said about it: {error}"
        return error


def answer(call: Callable[[], Any]) -> Any:
    """Return what `call` returns, or REFUSED for a ValueError of mfjax; every other exception goes on."""
    found = ours(call)
    return REFUSED if isinstance(found, ValueError) else found


def most_bytes(call: Callable[[], Any]) -> int:
    """Return the most bytes that a call held at once, of Python's, numpy's and Arrow's."""
    ordinary = pyarrow.default_memory_pool()
    counted = pyarrow.proxy_memory_pool(ordinary)
    pyarrow.set_memory_pool(counted)
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] + (counted.max_memory() or 0)
    finally:
        tracemalloc.stop()
        pyarrow.set_memory_pool(ordinary)


def in_any_form(values: list, dtype: Any = None) -> st.SearchStrategy[Any]:
    """Return the strategy of one list of numbers as a list, an array of numpy or an array of JAX."""
    return st.sampled_from([values, tuple(values), np.asarray(values, dtype), jnp.asarray(np.asarray(values, dtype))])


NO_NUMBERS = st.sampled_from([None, "all", b"1", {}, object(), [None], ["0"], [[0], [0, 1]], [0.0], [True], 0.5, 2**70])
"""What is no array of whole numbers in any reading."""

NO_WHOLE_NUMBERS = st.sampled_from([0, -1, 1.0, 2.5, True, "2", None, np.float32(2), [2], float("nan"), 2**40])
"""What is no whole number of at least 1."""
