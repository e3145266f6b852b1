"""What a model in a file must be: parts that fit one another, and finite numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mfjax.saving import configs
from mfjax.vocabularies import rises

_FIELDS = {"kind", "seen", "rating_range", "objective", "config", "manifest"}
_TABLES = ("factors.users", "factors.items")
_OTHERS = ("factors.user_biases", "factors.item_biases", "factors.offset")
_VOCABULARIES = ("user_vocabulary", "item_vocabulary")
_OPTIONAL_FIELDS = {"config_kind"}
_SEEN = ("seen.offsets", "seen.ids", "seen.values")


def check(where: str, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Raise ValueError unless arrays and header are those of one model.

    Args:
        where: the file, or "model", for messages.
        arrays: factors [num_users, dim], [num_items, dim], biases [num_users], [num_items], offset []; vocabularies,
            sorted and distinct; the lists of `seen`, if any.
        header: as `saving.save` writes it.
    """
    try:
        _header(header)
        _names(arrays, header)
        num_users, num_items = _factors(arrays)
        for name, count in zip(_VOCABULARIES, (num_users, num_items), strict=True):
            _vocabulary(name, arrays[name], count)
        if header["seen"] is not None:
            _seen(arrays, header["seen"], num_users, num_items)
        if "item_counts" in arrays:
            _counts(arrays["item_counts"], num_items)
    except _Wrong as error:
        raise ValueError(f"{where}: {error}; save a model whose parts fit") from None


class _Wrong(Exception):
    pass


def _require(holds: Any, message: str) -> None:
    if not holds:
        raise _Wrong(message)


def _header(header: Mapping[str, Any]) -> None:
    _require(set(header) - _OPTIONAL_FIELDS == _FIELDS, f"its header has the fields {sorted(header)}")
    _require(isinstance(header["objective"], str), f"objective: {header['objective']!r:.40} is no text")
    _require(isinstance(header["manifest"], dict), f"manifest: {header['manifest']!r:.40} is no dict")
    ends = header["rating_range"]
    is_range = isinstance(ends, list) and len(ends) == 2 and all(type(end) in (int, float) for end in ends)
    _require(ends is None or (is_range and ends[0] <= ends[1]), f"rating_range: {ends!r:.40} is not [lowest, highest]")
    seen = header["seen"]
    sizes = isinstance(seen, dict) and set(seen) == {"num_columns", "longest"}
    _require(
        seen is None or (sizes and all(type(size) is int for size in seen.values())), f"seen: {seen!r:.40} are no sizes"
    )

    try:
        configs.read(header.get("config_kind"), header["config"])
    except ValueError as error:
        raise _Wrong(str(error)) from None


def _counts(counts: np.ndarray, num_items: int) -> None:
    _require(counts.shape == (num_items,), f"item_counts: shape {counts.shape}, where there are {num_items} items")
    _require(counts.dtype.kind in "iuf", f"item_counts: dtype {counts.dtype} is not of counts")
    _require((np.isfinite(counts) & (counts >= 0)).all(), "item_counts: are not all finite and at least 0")


def _names(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    needed = {*_TABLES, *_VOCABULARIES, *(_SEEN if header["seen"] is not None else ())}
    allowed = needed | {*_OTHERS, "item_counts", *(() if header["seen"] is None else ("seen.weights",))}
    for name in sorted(needed - set(arrays)):
        raise _Wrong(f"{name} is missing")
    for name in sorted(set(arrays) - allowed):
        raise _Wrong(f"{name!r:.80} is no part of a model")


def _factors(arrays: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Return the numbers of users and items."""
    users, items = (arrays[name] for name in _TABLES)
    for name, table in zip(_TABLES, (users, items), strict=True):
        _require(table.ndim == 2, f"{name}: shape {table.shape} is not [rows, dim]")
    _require(users.shape[1] == items.shape[1], f"factors.items: {items.shape[1]} numbers a row, users {users.shape[1]}")
    shapes = dict(zip(_OTHERS, ((len(users),), (len(items),), ()), strict=True))
    for name, shape in shapes.items():
        if name in arrays:
            _require(arrays[name].shape == shape, f"{name}: shape {arrays[name].shape} is not {shape}")
    for name in (*_TABLES, *_OTHERS):
        if name in arrays:
            array = arrays[name]
            _require(array.dtype.kind in "fV", f"{name}: dtype {array.dtype} is not of real numbers")
            bad = ~np.isfinite(array)
            if bad.any():
                raise _Wrong(f"{name}: {f'row {np.argwhere(bad)[0][0]}' if bad.ndim else 'it'} is not finite")
    return len(users), len(items)


def _vocabulary(name: str, raw: np.ndarray, count: int) -> None:
    _require(raw.shape == (count,), f"{name}: shape {raw.shape}, where the factors have {count} rows")
    _require(raw.dtype.kind in "iuUT", f"{name}: dtype {raw.dtype} is not of raw ids")
    _require(rises(raw), f"{name}: is not sorted and distinct")


def _seen(arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int], num_users: int, num_items: int) -> None:
    offsets, ids, values = (arrays[name] for name in _SEEN)
    _require(
        offsets.shape == (num_users + 1,), f"seen.offsets: shape {offsets.shape}, where there are {num_users} users"
    )
    _require(ids.ndim == 1 and values.shape == ids.shape, f"seen.values: shape {values.shape}, ids have {ids.shape}")
    for name, array in (("seen.offsets", offsets), ("seen.ids", ids)):
        _require(array.dtype == np.int32, f"{name}: dtype {array.dtype} is not int32")
    _require(values.dtype.kind in "fV", f"seen.values: dtype {values.dtype} is not of real numbers")
    _require(np.isfinite(values).all(), "seen.values: are not all finite")
    if "seen.weights" in arrays:
        sure = arrays["seen.weights"]
        _require(sure.shape == ids.shape, f"seen.weights: shape {sure.shape}, ids have {ids.shape}")
        _require(sure.dtype.kind in "fV", f"seen.weights: dtype {sure.dtype} is not of real numbers")
        _require((np.isfinite(sure) & (sure >= 0)).all(), "seen.weights: are not all finite and at least 0")
    lengths, end = np.diff(offsets.astype(np.int64)), int(offsets[-1])
    runs = offsets[0] == 0 and (lengths >= 0).all() and end <= len(ids)
    _require(runs, f"seen.offsets: do not rise from 0 to at most {len(ids)}")
    _require(sizes["num_columns"] == num_items, f"seen.num_columns: {sizes['num_columns']} of {num_items} items")
    _require(((ids >= 0) & (ids < max(num_items, 1))).all(), f"seen.ids: are not all in 0..{num_items - 1}")
    fits = lengths.max(initial=0) <= sizes["longest"] <= max(len(ids), 1)
    _require(fits, f"seen.longest: {sizes['longest']}, and the longest row has {lengths.max(initial=0)}")
    # Exclusion looks ids up by bisection, so that they rise within a row.
    rises = np.diff(ids[:end].astype(np.int64)) >= 0
    starts = offsets[(offsets > 0) & (offsets < end)]
    rises[starts - 1] = True
    _require(rises.all(), "seen.ids: do not rise within every row")
