"""What a model in a file must be: parts that fit one another, and finite numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mfjax.als import Config
from mfjax.saving import configs, learned
from mfjax.saving.part_checks import Wrong, check_lists, check_sizes, names_of_lists, real, require
from mfjax.vocabularies import rises

SIDES = ("user", "item")
_FIELDS = {"kind", "seen", "rating_range", "objective", "config", "manifest"}
_OPTIONAL_FIELDS = {"config_kind", "learned", "features"}
_VOCABULARIES = ("user_vocabulary", "item_vocabulary")


def check(where: str, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Raise ValueError unless arrays and header are those of one model.

    Args:
        where: the file, or "model", for messages.
        arrays: those of `learned`; vocabularies, sorted and distinct; the lists of `seen`, counts, features and their
            maps, if any.
        header: as `saving.save` writes it.
    """
    try:
        config = _header(header)
        _names(arrays, header)
        num_users, num_items = (_vocabulary(name, arrays[name]) for name in _VOCABULARIES)
        described, has_seen = header.get("learned", learned.FACTORS), header["seen"] is not None
        learned.check(described, arrays, num_users, num_items, has_seen=has_seen)
        if has_seen:
            check_lists("seen", arrays, header["seen"], num_users, num_items, "user")
        if "item_counts" in arrays:
            _counts(arrays["item_counts"], num_items)
        for side, size in zip(SIDES, (num_users, num_items), strict=True):
            _features(side, header.get("features", {}), arrays, size, config)
    except Wrong as error:
        raise ValueError(f"{where}: {error}; save a model whose parts fit") from None


def _header(header: Mapping[str, Any]) -> Any:
    """Return the config of a header that is looked at."""
    require(set(header) - _OPTIONAL_FIELDS == _FIELDS, f"its header has the fields {sorted(header)}")
    require(isinstance(header["objective"], str), f"objective: {header['objective']!r:.40} is no text")
    require(isinstance(header["manifest"], dict), f"manifest: {header['manifest']!r:.40} is no dict")
    ends = header["rating_range"]
    is_range = isinstance(ends, list) and len(ends) == 2 and all(type(end) in (int, float) for end in ends)
    require(ends is None or (is_range and ends[0] <= ends[1]), f"rating_range: {ends!r:.40} is not [lowest, highest]")
    if header["seen"] is not None:
        check_sizes("seen", header["seen"])
    features = header.get("features", {})
    require(isinstance(features, dict) and set(features) <= set(SIDES), f"features: {features!r:.40} are of no side")
    for side, how in features.items():
        if how != "numbers":
            check_sizes(f"{side}_features", how)
    try:
        return configs.read(header.get("config_kind"), header["config"])
    except ValueError as error:
        raise Wrong(str(error)) from None


def _counts(counts: np.ndarray, num_items: int) -> None:
    require(counts.shape == (num_items,), f"item_counts: shape {counts.shape}, where there are {num_items} items")
    require(counts.dtype.kind in "iuf", f"item_counts: dtype {counts.dtype} is not of counts")
    require((np.isfinite(counts) & (counts >= 0)).all(), "item_counts: are not all finite and at least 0")


def _names(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    needed, allowed = learned.names(header.get("learned", learned.FACTORS), arrays)
    needed |= {*_VOCABULARIES, *(names_of_lists("seen", arrays) if header["seen"] is not None else ())}
    for side, how in header.get("features", {}).items():
        name = f"{side}_features"
        needed |= {f"maps.{side}s", *({name} if how == "numbers" else names_of_lists(name, arrays))}
    for name in sorted(needed - set(arrays)):
        raise Wrong(f"{name} is missing")
    for name in sorted(set(arrays) - needed - allowed - {"item_counts"}):
        raise Wrong(f"{name!r:.80} is no part of a model")


def _vocabulary(name: str, raw: np.ndarray) -> int:
    """Return the number of raw ids."""
    require(raw.ndim == 1, f"{name}: shape {raw.shape} is not (any,)")
    require(raw.dtype.kind in "iuUT", f"{name}: dtype {raw.dtype} is not of raw ids")
    require(rises(raw), f"{name}: is not sorted and distinct")
    return len(raw)


def _features(side: str, features: Mapping[str, Any], arrays: Mapping[str, np.ndarray], size: int, config: Any) -> None:
    if side not in features:
        return
    name, how, table = f"{side}_features", features[side], arrays[f"maps.{side}s"]
    require(isinstance(config, Config), f"maps.{side}s: belong to a model of least squares")
    real(f"maps.{side}s", table, (None, config.width))
    if how == "numbers":
        real(name, arrays[name], (size, len(table)))
    else:
        check_lists(name, arrays, how, size, len(table), side)
