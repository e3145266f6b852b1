"""What a part of a model in a file must be: finite tables, and lists whose offsets, ids and sizes fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mfjax.histories import Ragged
from mfjax.saving.trees import on_device

LISTS = ("offsets", "ids", "values")


class Wrong(Exception):
    """What is wrong in a model, beginning with the name of the part."""


def require(holds: Any, message: str) -> None:
    """Raise Wrong unless something holds."""
    if not holds:
        raise Wrong(message)


def real(name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    """Raise Wrong unless an array is of finite real numbers and of a shape; None is any size."""
    fits = array.ndim == len(shape) and all(b is None or a == b for a, b in zip(array.shape, shape, strict=True))
    require(fits, f"{name}: shape {array.shape} is not {str(shape).replace('None', 'any')}")
    require(array.dtype.kind in "fV", f"{name}: dtype {array.dtype} is not of real numbers")
    bad = ~np.isfinite(array)
    if bad.any():
        raise Wrong(f"{name}: {f'row {np.argwhere(bad)[0][0]}' if bad.ndim else 'it'} is not finite")


def names_of_lists(name: str, arrays: Mapping[str, np.ndarray]) -> set[str]:
    """Return the names of the arrays of lists; with their weights where there are such."""
    return {f"{name}.{part}" for part in LISTS} | ({f"{name}.weights"} & arrays.keys())


def written_lists(name: str, lists: Ragged) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return the arrays of lists by name, and their static sizes."""
    held = LISTS if lists.weights is None else (*LISTS, "weights")
    arrays = {f"{name}.{part}": np.asarray(getattr(lists, part)) for part in held}
    return arrays, {"num_columns": lists.num_columns, "longest": lists.longest}


def read_lists(name: str, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> Ragged:
    """Return the lists that `written_lists` was given."""
    offsets, ids, values = (on_device(part, arrays[f"{name}.{part}"]) for part in LISTS)
    weights = on_device("weights", arrays[f"{name}.weights"]) if f"{name}.weights" in arrays else None
    return Ragged(offsets, ids, values, sizes["num_columns"], sizes["longest"], weights)


def check_sizes(name: str, sizes: Any) -> None:
    """Raise Wrong unless these are the sizes of lists."""
    are = isinstance(sizes, dict) and set(sizes) == {"num_columns", "longest"}
    require(are and all(type(size) is int for size in sizes.values()), f"{name}: {sizes!r:.40} are no sizes")


def check_lists(
    name: str, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int], num_rows: int, num_columns: int, of: str
) -> None:
    """Raise Wrong unless arrays are the lists of `num_rows` rows, of ids below `num_columns`; `of` names the rows."""
    offsets, ids, values = (arrays[f"{name}.{part}"] for part in LISTS)
    require(
        offsets.shape == (num_rows + 1,), f"{name}.offsets: shape {offsets.shape}, where there are {num_rows} {of}s"
    )
    require(ids.ndim == 1 and values.shape == ids.shape, f"{name}.values: shape {values.shape}, ids have {ids.shape}")
    for part, array in (("offsets", offsets), ("ids", ids)):
        require(array.dtype == np.int32, f"{name}.{part}: dtype {array.dtype} is not int32")
    require(values.dtype.kind in "fV", f"{name}.values: dtype {values.dtype} is not of real numbers")
    require(np.isfinite(values).all(), f"{name}.values: are not all finite")
    if f"{name}.weights" in arrays:
        sure = arrays[f"{name}.weights"]
        require(sure.shape == ids.shape, f"{name}.weights: shape {sure.shape}, ids have {ids.shape}")
        require(sure.dtype.kind in "fV", f"{name}.weights: dtype {sure.dtype} is not of real numbers")
        require((np.isfinite(sure) & (sure >= 0)).all(), f"{name}.weights: are not all finite and at least 0")
    lengths, end = np.diff(offsets.astype(np.int64)), int(offsets[-1])
    runs = offsets[0] == 0 and (lengths >= 0).all() and end <= len(ids)
    require(runs, f"{name}.offsets: do not rise from 0 to at most {len(ids)}")
    require(sizes["num_columns"] == num_columns, f"{name}.num_columns: {sizes['num_columns']} of {num_columns}")
    require(((ids >= 0) & (ids < max(num_columns, 1))).all(), f"{name}.ids: are not all in 0..{num_columns - 1}")
    fits = lengths.max(initial=0) <= sizes["longest"] <= max(len(ids), 1)
    require(fits, f"{name}.longest: {sizes['longest']}, and the longest row has {lengths.max(initial=0)}")
    # Exclusion looks ids up by bisection, so that they rise within a row.
    rises = np.diff(ids[:end].astype(np.int64)) >= 0
    starts = offsets[(offsets > 0) & (offsets < end)]
    rises[starts - 1] = True
    require(rises.all(), f"{name}.ids: do not rise within every row")
