"""Sweeps of a pure function over settings and keys: compiled once a shape, each result written when it is there.

A cell is `(key, setting, data) -> result`. A setting is any pytree, such as an `als.Config` and a number of steps: its
leaves are traced, so settings that differ in numbers share a program; those that differ in static fields or shapes
(`dim`) form groups, one compilation each.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

from mfjax import checks, compilation, saving
from mfjax.types import Array

Cell = Callable[..., Any]
"""(key, setting, data) -> result, a pytree of arrays whose shapes are the same for every setting."""

Mode = Literal["map", "vmap"]

Start = Callable[[Array, list[Any], Any], list[Any]]
"""(keys, settings, data) -> results of a chunk, not waited for."""

Place = tuple[int, int]
"""Row of a setting, column of a key."""

VMAP_CHUNK = 16
"""Cells a call in vmap mode, unless told otherwise: as many models and their work arrays are in memory at once."""


def grid(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of the axes, the last one varying fastest.

    Example:
        >>> grid({"reg": [0.1, 1.0], "alpha": [1, 10]})[:2]
        [{'reg': 0.1, 'alpha': 1}, {'reg': 0.1, 'alpha': 10}]

    Raises:
        ValueError: for an axis without values, or of one value that is no list.
    """
    checks.kind("axes", axes, Mapping, "pass name -> values")  # type: ignore[type-abstract]
    for name, values in axes.items():
        if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, (Sequence, np.ndarray, jax.Array)):
            raise ValueError(f"axes[{name!r}]: {values!r:.80} is no list of values; pass such as [{values!r:.40}]")
        if len(values) == 0:
            raise ValueError(f"axes[{name!r}]: there are no values; pass at least one, or leave the axis out")
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]


def stack(trees: Sequence[Any]) -> Any:
    """Return one tree whose leaves have a new leading axis; Python numbers become arrays of 32 bits.

    Raises:
        ValueError: for no tree, or trees of different structures or shapes.
    """
    if len(trees) == 0:
        raise ValueError("trees: there are none; pass at least one")
    kinds = {(jax.tree.structure(tree), tuple(np.shape(leaf) for leaf in jax.tree.leaves(tree))) for tree in trees}
    if len(kinds) > 1:
        raise ValueError("trees: differ in structure or shapes; stack those that agree in all but numbers")
    return jax.tree.map(lambda *leaves: jnp.stack([_strong(leaf) for leaf in leaves]), *trees)


def _strong(leaf: Any) -> Array:
    if _is_number(leaf):
        return jnp.asarray(leaf, jnp.int32 if isinstance(leaf, int) else jnp.float32)
    return jnp.asarray(leaf, jnp.result_type(leaf))


def _is_number(leaf: Any) -> bool:
    """Return whether a leaf is Python's number, whose dtype is that of what it meets."""
    return isinstance(leaf, (int, float)) and not isinstance(leaf, (bool, np.generic))


def _leaf(leaf: Any) -> Any:
    """Return a leaf of a setting as it is traced: Python's numbers as they are, anything else as an array."""
    if _is_number(leaf):
        if isinstance(leaf, int):
            checks.whole("settings", leaf, least=-(2**31), remedy="pass larger ones as arrays, under jax_enable_x64")
        return leaf
    try:
        return jnp.asarray(leaf, jnp.result_type(leaf))
    except (TypeError, ValueError):
        raise ValueError(f"settings: {leaf!r:.80} is no number; make it a static field of a dataclass") from None


def over(cell: Cell, mode: Mode) -> Cell:
    """Return the cell over a leading axis of keys and settings, the data shared: a whole sweep as one pure function.

    Args:
        cell: (key, setting, data) -> result.
        mode: "map" (`lax.map`) runs one cell after the other, "vmap" all together, which fills an accelerator.

    Raises:
        ValueError: for another mode.

    Example:
        >>> cell = lambda key, setting, data: setting * data
        >>> keys = jax.random.split(jax.random.key(0), 2)
        >>> jax.jit(over(cell, "map"))(keys, jnp.array([1.0, 2.0]), 3.0).tolist()
        [3.0, 6.0]
    """
    checks.choice("mode", mode, _OVER)
    checks.function("cell", cell, "pass a function of (key, setting, data)")
    return _OVER[mode](cell)


_OVER: dict[Mode, Callable[[Cell], Cell]] = {
    "vmap": lambda cell: jax.vmap(cell, in_axes=(0, 0, None)),
    "map": lambda cell: lambda keys, settings, data: jax.lax.map(lambda one: cell(*one, data), (keys, settings)),
}


def run(
    cell: Cell,
    keys: Array,
    settings: Sequence[Any],
    data: Any,
    *,
    mode: Mode | None = None,
    chunk: int | None = None,
    folder: str | os.PathLike | None = None,
    on_cells: Callable[[int, int], None] | None = None,
) -> Any:
    """Return the results of all settings x keys, leaves [setting, key, ...], on the host.

    The program is compiled once per group of settings; the next chunk of cells is under way while the results of the
    last are fetched. In map mode the program is `cell.compiled` where there is such a method, as `cells.measured` has,
    else `compilation.jit(cell)`, called cell by cell, so every cell has the bits of its single run, whatever the chunk,
    the other cells and the process. Where there are several devices (`devices.use_cores` makes cores such), each has a
    copy of the data and takes a cell in its turn; the program is then compiled once a device. In vmap mode it is
    `compilation.jit(over(cell, "vmap"))` over chunks, the last one filled with repeats, and last bits differ.

    With a `folder` each finished cell is a file there, written whole or not at all, and is read instead of computed
    when it is asked for again: a sweep that was killed goes on where it stopped. A file's name is the hash of all that
    its bits follow from: program, key, setting, data, versions and kind of device; so a cell is never taken for
    another, and a changed program computes anew.

    Args:
        cell: (key, setting, data) -> result; results of all settings have the same shapes.
        keys: PRNG keys [num_keys]; every setting meets the same ones.
        settings: pytrees; numbers are traced, static fields group, and so do Python's numbers and arrays. In vmap mode
            Python's numbers have 32 bits, also under jax_enable_x64; pass np.float64 for more.
        data: any pytree, such as histories and targets.
        mode: "map" or "vmap"; None takes "map" on CPU and "vmap" elsewhere.
        chunk: cells between two fetches; None takes one a device for "map" and VMAP_CHUNK for "vmap".
        folder: where finished cells are kept, or None to keep none.
        on_cells: called with (cells done, cells in all) at the start and after every chunk.

    Raises:
        ValueError: no setting, keys that are none, an unknown mode, a chunk below 1, results of different shapes, or a
            damaged file in the folder.

    Example:
        >>> def cell(key, setting, data):
        ...     return setting["scale"] * jax.random.normal(key) + data
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> run(cell, keys, [{"scale": 0.0}, {"scale": 1.0}], jnp.float32(5.0)).shape
        (2, 3)
    """
    if mode is None:
        mode = "map" if jax.default_backend() == "cpu" else "vmap"
    copies = _copies(data) if mode == "map" else [data]
    if chunk is None:
        chunk = len(copies) if mode == "map" else VMAP_CHUNK
    checks.function("cell", cell, "pass a function of (key, setting, data)")
    checks.choice("mode", mode, _OVER)
    checks.whole("chunk", chunk, remedy="pass a number of cells, or None")
    checks.kind("settings", settings, (list, tuple), "pass a list of settings")
    if hasattr(settings, "_fields"):
        raise ValueError(f"settings: one {type(settings).__name__} is no list; pass a list of settings")
    keys = _keys(keys)
    if folder is not None:
        checks.kind("folder", folder, (str, os.PathLike), "pass the name of a folder, or None to keep no cells")
    if len(settings) == 0 or len(keys) == 0:
        raise ValueError(f"settings, keys: {len(settings)} settings, {len(keys)} keys; pass at least one of each")
    settings = [jax.tree.map(_leaf, setting) for setting in settings]
    single, text_of = _compiled(cell)
    start = _one_by_one(single, copies) if mode == "map" else _together(_side_by_side(cell), chunk)
    results: dict[Place, Any] = {}
    num_cells = len(settings) * len(keys)

    def keep(found: Mapping[Place, Any]) -> None:
        results.update(found)
        if on_cells is not None:
            on_cells(len(results), num_cells)

    for rows in _groups(settings):
        places = list(itertools.product(rows, range(len(keys))))
        paths: dict[Place, Path] = {}
        if folder is not None:
            # The program of one cell, with its static fields and constants: the same whatever the chunk.
            first = _fresh(keys, [0])[0], settings[rows[0]], data
            how = "map" if mode == "map" else f"vmap {chunk}"
            names = _names(f"{how} {text_of(*first)}", keys, [settings[row] for row in rows], data)
            paths = {place: Path(folder) / name for place, name in zip(places, names, strict=True)}
            kept = [place for place, path in paths.items() if path.exists()]
            like = jax.eval_shape(cell, *first) if kept else None
            keep({place: saving.load_tree(paths[place], like) for place in kept})
        missing = [place for place in places if place not in results]
        for found in _computed(start, keys, settings, data, missing, chunk):
            for place in found.keys() & paths.keys():
                saving.save_tree(paths[place], found[place])
            keep(found)
    ordered = [results[place] for place in itertools.product(range(len(settings)), range(len(keys)))]
    return _arrange(ordered, len(settings), len(keys))


def _keys(keys: Array) -> Array:
    if not (isinstance(keys, jax.Array) and jnp.issubdtype(keys.dtype, jax.dtypes.prng_key) and keys.ndim == 1):
        told = f"{keys.dtype}{list(keys.shape)}" if isinstance(keys, (np.ndarray, jax.Array)) else f"{keys!r:.40}"
        raise ValueError(f"keys: {told} is no list of keys; pass jax.random.split(jax.random.key(0), num_keys)")
    return keys


def _compiled(cell: Cell) -> tuple[Cell, Callable[..., str]]:
    """Return the compiled cell, and (key, setting, data) -> the text of its program."""
    if hasattr(cell, "compiled"):
        return cell.compiled, cell.text  # type: ignore[attr-defined]
    program = compilation.jit(cell)
    return program, lambda *args: program.lower(*args).as_text()


@functools.lru_cache(maxsize=4)
def _side_by_side(cell: Cell) -> Cell:
    """Return the program of a chunk of cells, which sweeps of the same cell share."""
    return compilation.jit(over(cell, "vmap"))


def _copies(data: Any) -> list[Any]:
    """Return the data on every device, or as they are: where there is one, where they were put on one by name, and in
    a run of several processes."""
    devices = jax.local_devices()
    placed = any(isinstance(leaf, jax.Array) and leaf.committed for leaf in jax.tree.leaves(data))
    if len(devices) == 1 or placed or jax.process_count() > 1:
        return [data]
    return [jax.device_put(data, device) for device in devices]


def _one_by_one(program: Cell, copies: list[Any]) -> Start:
    def start(keys: Array, settings: list[Any], data: Any) -> list[Any]:
        turns = zip(keys, settings, itertools.cycle(copies))
        return [program(key, setting, copy) for key, setting, copy in turns]

    return start


def _together(program: Cell, size: int) -> Start:
    def start(keys: Array, settings: list[Any], data: Any) -> list[Any]:
        missing = size - len(settings)
        filled = settings + settings[-1:] * missing
        found = program(_fresh(keys, [*range(len(keys)), *[len(keys) - 1] * missing]), stack(filled), data)
        return [jax.tree.map(lambda leaf, i=i: leaf[i], found) for i in range(len(settings))]

    return start


def _computed(
    start: Start, keys: Array, settings: Sequence[Any], data: Any, missing: list[Place], chunk: int
) -> Iterator[dict[Place, Any]]:
    """Yield the results of one chunk after the other, on the host, while the next one is computed."""
    running: dict[Place, Any] = {}
    for first in range(0, len(missing), chunk):
        part = missing[first : first + chunk]
        found = start(_fresh(keys, [column for _, column in part]), [settings[row] for row, _ in part], data)
        if running:
            yield jax.device_get(running)
        running = dict(zip(part, found, strict=True))
    if running:
        yield jax.device_get(running)


def _groups(settings: Sequence[Any]) -> list[list[int]]:
    """Return the rows of the settings that share a program, in the order of their first."""
    groups: dict[Any, list[int]] = {}
    for row, setting in enumerate(settings):
        leaves, structure = jax.tree.flatten(setting)
        kinds = tuple(type(leaf) if _is_number(leaf) else (leaf.shape, leaf.dtype) for leaf in leaves)
        groups.setdefault((structure, kinds), []).append(row)
    return list(groups.values())


def _fresh(keys: Array, columns: list[int]) -> Array:
    """Return the keys of `columns`: all settings meet the same ones, which is no reuse."""
    words = jnp.asarray(np.asarray(jax.random.key_data(keys))[columns])
    return jax.random.wrap_key_data(words, impl=jax.random.key_impl(keys))


def _arrange(results: list[Any], num_settings: int, num_keys: int) -> Any:
    def together(*leaves: np.ndarray) -> np.ndarray:
        if len({np.shape(leaf) for leaf in leaves}) > 1:
            shapes = sorted({np.shape(leaf) for leaf in leaves})
            raise ValueError(f"cell: results have the shapes {shapes}; return what all settings have, such as metrics")
        return np.stack(leaves).reshape(num_settings, num_keys, *np.shape(leaves[0]))

    return jax.tree.map(together, *results)


def _names(program: str, keys: Array, settings: list[Any], data: Any) -> list[str]:
    """Return the file names of one group's cells, settings outermost."""
    device = jax.devices()[0]
    shared = hashlib.sha256(
        f"{jax.__version__} {jaxlib.__version__} {device.platform} {device.device_kind} {compilation.options()} "
        f"{program}".encode()
    )
    _add(shared, data)
    names = []
    for setting, key in itertools.product(settings, np.asarray(jax.random.key_data(keys))):
        digest = shared.copy()
        _add(digest, (setting, key))
        names.append(f"{digest.hexdigest()[:32]}.cell")
    return names


def _add(digest: Any, tree: Any) -> None:
    for leaf in jax.tree.leaves(tree):
        array = np.asarray(jnp.asarray(leaf))
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
