"""Long fits that can be resumed after a crash: the state in a file, and a result that is bit-identical.

Example:
    >>> import tempfile
    >>> import jax, numpy as np
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

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mfjax import checks
from mfjax.saving import container, trees
from mfjax.saving.fingerprints import fingerprint, version

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
        made_of: all that the states follow from, such as (key, data, config): arrays, settings, functions, and
            containers of them. Its `saving.fingerprint` is in the file, with the versions of mfjax and JAX, so
            that the checkpoint of one fit is never taken for another's; functions count by their code, so an
            objective of the same name is another one.

    Raises:
        ValueError: for numbers out of range, a damaged file, or the checkpoint of another fit, of another version or
            of more steps.
    """
    checks.kind("path", path, (str, os.PathLike), "pass the name of a file")
    checks.kind("advance", advance, Callable, "pass a function of (state, steps to take)")  # type: ignore[arg-type]
    checks.whole("num_steps", num_steps, least=0)
    checks.whole("every", every, remedy="pass the number of steps between two writes")
    about = {"kind": "checkpoint", "made_of": fingerprint(made_of), **version()}
    done, state = 0, advance(None, 0)
    if Path(path).exists():
        done, state = _read(path, about, state)
        if done > num_steps:
            raise ValueError(f"num_steps: {num_steps}, but {path} is after step {done}; ask for more, or a new path")
    while done < num_steps:
        part = min(every - done % every, num_steps - done)
        done, state = done + part, advance(state, part)
        arrays, keys = trees.leaves(state)
        container.write(path, arrays, {**about, "done": done, "keys": keys})
    return state


def _read(path: str | os.PathLike, about: dict[str, str], template: State) -> tuple[int, State]:
    """Return the steps taken and the state of a checkpoint."""
    arrays, header = container.read(path)
    if header.get("kind") != "checkpoint":
        raise ValueError(f"path: {path} is no checkpoint, or one of an earlier mfjax; pass a new path")
    for package in version():
        if header.get(package) != about[package]:
            raise ValueError(
                f"path: {path} is the checkpoint of another version, {package} {header.get(package)}, and this is "
                f"{about[package]}; go on with that version, or pass a new path"
            )
    if header.get("made_of") != about["made_of"]:
        raise ValueError(f"made_of: {path} is the checkpoint of another key, data or config; pass a new path")
    done = header.get("done")
    if type(done) is not int or done < 1:
        raise ValueError(f"{path}: damaged inside (done: {done!r:.40}); save it again")
    return done, trees.restored(arrays, header.get("keys"), template, path)
