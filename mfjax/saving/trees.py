"""Pytrees in files: a tree is saved whole, and loaded into a template that it must fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from mfjax.saving import container
from mfjax.types import Array

Kind = Literal["model", "tree"]

_READERS: dict[str, str] = {"model": "load", "tree": "load_tree"}


def save_tree(path: str | os.PathLike, tree: Any) -> None:
    """Write the leaves of any pytree (arrays, PRNG keys, Python numbers) to one file.

    Example:
        >>> import tempfile
        >>> state = {"key": jax.random.key(0), "step": jnp.int32(3)}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_tree(f"{folder}/checkpoint", state)
        ...     int(load_tree(f"{folder}/checkpoint", state)["step"])
        3
    """
    arrays, keys = leaves(tree)
    container.write(path, arrays, {"kind": "tree", "keys": keys})


def load_tree(path: str | os.PathLike, template: Any) -> Any:
    """Return a tree of the structure of `template` with the saved leaves, the same bits.

    Args:
        path: what `save_tree` wrote.
        template: a tree whose leaves have the shapes, dtypes and kinds to expect: a fresh state, or
            `jax.eval_shape` of what makes one. Static fields come from it.

    Raises:
        ValueError: naming the file and the leaf that is missing, left over or of another shape or dtype; or as
            `container.read`.
    """
    arrays, header = container.read(path)
    check_kind(path, header, "tree")
    return restored(arrays, header.get("keys"), template, path)


def leaves(tree: Any) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the leaves of a tree by their places, and which of them are PRNG keys, of which kind."""
    by_place = {jax.tree_util.keystr(where): leaf for where, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    keys = {name: str(jax.random.key_impl(leaf)) for name, leaf in by_place.items() if _is_key(leaf)}
    arrays = {name: np.asarray(jax.random.key_data(leaf) if name in keys else leaf) for name, leaf in by_place.items()}
    return arrays, keys


def restored(arrays: Mapping[str, np.ndarray], keys: Any, template: Any, path: str | os.PathLike) -> Any:
    """Return the tree of what `leaves` returned; arguments and errors as in `load_tree`."""
    wanted = {jax.tree_util.keystr(where) for where, _ in jax.tree_util.tree_leaves_with_path(template)}
    if wanted != set(arrays):
        leaf = sorted(wanted ^ set(arrays))[0]
        raise ValueError(
            f"template: leaf {leaf!r} is {'not in the file' if leaf in wanted else 'only in the file'} {path}; "
            "pass a template of the structure that was saved"
        )
    texts = isinstance(keys, dict) and all(isinstance(impl, str) for impl in keys.values())
    if not texts or not keys.keys() <= wanted:
        raise ValueError(f"{path}: damaged inside, its keys are {keys!r:.80}; save it again")

    def restore(where, leaf):
        name = jax.tree_util.keystr(where)
        return _like(leaf, f"{name!r} of {path}", arrays[name], keys.get(name))

    return jax.tree_util.tree_map_with_path(restore, template)


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: dataclasses as dicts, arrays as lists, functions by name and arguments."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        return np.asarray(value).tolist()
    if isinstance(value, jax.tree_util.Partial):
        return {"function": value.func.__qualname__, "args": plain(value.args), "keywords": plain(value.keywords)}
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _like(leaf: Any, name: str, array: np.ndarray, key_impl: str | None) -> Any:
    """Return `array` as the kind of thing that the template's leaf is."""
    if isinstance(leaf, (bool, int, float)):
        if array.shape or array.dtype != np.asarray(leaf).dtype:
            raise _mismatch(name, array, np.asarray(leaf))
        return array.item()
    if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
        raise ValueError(f"template: leaf {name} is a {type(leaf).__name__}; pass arrays, their shapes, or numbers")
    if key_impl is not None or _is_key(leaf):
        restored = None if key_impl is None else _key(name, array, key_impl)
        if restored is None or restored.dtype != leaf.dtype or restored.shape != leaf.shape:
            raise _mismatch(name, array if restored is None else restored, leaf)
        return restored
    if array.shape != leaf.shape or array.dtype != leaf.dtype:
        raise _mismatch(name, array, leaf)
    return array if isinstance(leaf, np.ndarray) else on_device(name, array)


def _key(name: str, words: np.ndarray, impl: str) -> Array:
    try:
        return jax.random.wrap_key_data(jnp.asarray(words), impl=impl)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"leaf {name}: damaged inside, no key of the kind {impl!r:.40} ({error}); save it again"
        ) from None


def _mismatch(name: str, saved: Any, wanted: Any) -> ValueError:
    return ValueError(
        f"template: leaf {name} is {wanted.dtype}{list(wanted.shape)}, saved was {saved.dtype}{list(saved.shape)}; "
        "pass a template made with the options of the saved one"
    )


def on_device(name: str, array: np.ndarray) -> Array:
    """Return an array of a file on the device, of the dtype that it was saved in."""
    if array.dtype.kind == "U":
        raise ValueError(f"{name}: saved as text, which JAX does not hold; pass a template of numpy arrays")
    if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
        raise ValueError(f"{name}: saved as {array.dtype}, which JAX would cut; set jax_enable_x64 to load it")
    return jnp.asarray(array)


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def check_kind(path: str | os.PathLike, header: Mapping[str, Any], kind: Kind) -> None:
    """Raise ValueError unless a file is of a kind, and name the function that reads the kind it is of."""
    found = header.get("kind")
    if found == "checkpoint":
        raise ValueError(f"{path}: holds a checkpoint, not a {kind}; go on with it by checkpoint.run")
    if not isinstance(found, str) or found not in _READERS:
        raise ValueError(f"{path}: holds {found!r:.40}, not a {kind}; save it again")
    if found != kind:
        raise ValueError(f"{path}: holds a {found}, not a {kind}; read it with saving.{_READERS[found]}")
