"""Long fits that survive being killed: the state in a file, every few steps, and the same bits in the end.

Example:
    >>> import tempfile
    >>> from mfjax import als, histories
    >>> from mfjax.types import Interactions
    >>> pairs = Interactions(np.array([0, 1, 1]), np.array([0, 1, 2]), np.ones(3, np.float32), 2, 3)
    >>> data, config, key = histories.build(pairs), als.Config(dim=2), jax.random.key(0)
    >>> def advance(state, num_steps):
    ...     return als.fit(key, data, config, state=state, num_steps=num_steps)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/als.checkpoint"
    ...     half = run(path, advance, num_steps=4, every=2, made_of=(key, data, config))
    ...     whole = run(path, advance, num_steps=8, every=2, made_of=(key, data, config))  # goes on from step 4
    >>> bool((whole.items == advance(None, 8).items).all())
    True
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from mfjax import persist

State = TypeVar("State")


def run(
    path: str | os.PathLike,
    advance: Callable[[State | None, int], State],
    *,
    num_steps: int,
    every: int,
    made_of: Any,
) -> State:
    """Return the state after `num_steps`, going on from the file at `path` if there is one.

    The file is written whole or not at all, after every `every` steps and at the end, so that a fit that is killed
    loses at most `every` steps. The bits are those of an undisturbed fit as long as `advance` takes n + m steps as n
    and then m, which `als.fit` and `ranking.fit` do.

    Args:
        path: of the checkpoint.
        advance: (state, or None for a fresh start; steps to take, possibly 0) -> state; no other state enters.
        num_steps: steps in all.
        every: steps between two writes.
        made_of: all that the states follow from, such as (key, data, config): any pytree. Its hash is in the file, so
            that the checkpoint of one fit is never taken for another's.

    Raises:
        ValueError: for numbers out of range, a damaged file, or the checkpoint of another fit or of more steps.
    """
    if num_steps < 0 or every < 1:
        raise ValueError(f"num_steps, every: {num_steps}, {every}; pass at least 0 steps, and 1 between two writes")
    made_from = fingerprint(made_of)
    done, state = 0, advance(None, 0)
    if Path(path).exists():
        found = persist.load_tree(path, {"state": state, "done": 0, "made_from": made_from})
        done, state = found["done"], found["state"]
        if not np.array_equal(found["made_from"], made_from):
            raise ValueError(f"made_of: {path} is the checkpoint of another key, data or config; pass a new path")
        if done > num_steps:
            raise ValueError(f"num_steps: {num_steps}, but {path} is after step {done}; ask for more, or a new path")
    while done < num_steps:
        part = min(every - done % every, num_steps - done)
        done, state = done + part, advance(state, part)
        persist.save_tree(path, {"state": state, "done": done, "made_from": made_from})
    return state


def fingerprint(tree: Any) -> np.ndarray:
    """Return the SHA-256 of a pytree, its structure and static fields included, uint8 [32].

    Example:
        >>> bool((fingerprint({"reg": 0.1}) == fingerprint({"reg": 0.2})).all())
        False
    """
    leaves, structure = jax.tree.flatten(tree)
    # Functions among the static fields print with their address, which another process does not share.
    digest = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", str(structure)).encode())
    for leaf in leaves:
        is_key = hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        array = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)
