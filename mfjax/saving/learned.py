"""What a model learned, in a file: factors, item weights, counts, or two stages of such.

A kind is described in the header, and its arrays have names that begin with a prefix: that of the stage, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mfjax.baselines import Linear, Popularity
from mfjax.histories import Ragged
from mfjax.recommend.parts import STAGES
from mfjax.recommend.two_stage import TwoStages
from mfjax.saving.part_checks import (
    check_lists,
    check_sizes,
    names_of_lists,
    read_lists,
    real,
    require,
    written_lists,
)
from mfjax.saving.trees import on_device
from mfjax.types import Array, Factors, Scorer

FACTORS = {"kind": "factors"}
"""The description of factors, which a file of factors alone does not have."""

_TABLES = ("users", "items")
_OTHERS = ("user_biases", "item_biases", "offset")
_SEEN, _NUMBERS = "seen", "numbers"
_MOST_STAGES = 8
_FIELDS = {
    "factors": {"kind"},
    "linear": {"kind", "history", "weights"},
    "popularity": {"kind"},
    "two stages": {"kind", "candidates", "exclude", *STAGES},
}


def written(
    learned: Factors | Scorer, seen: Ragged | None, prefix: str = ""
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of what was learned, by name, and its description for the header.

    Raises:
        ValueError: for a scorer that is not of `mfjax.baselines` or `recommend.two_stage`.
    """
    if isinstance(learned, Factors):
        tables = {name: table for name, table in learned._asdict().items() if table is not None}
        return {f"{prefix}factors.{name}": np.asarray(table) for name, table in tables.items()}, dict(FACTORS)
    if isinstance(learned, Popularity):
        return {f"{prefix}counts": np.asarray(learned.counts)}, {"kind": "popularity"}
    if isinstance(learned, Linear):
        arrays, history = _written_lists(f"{prefix}history", learned.history, seen)
        weights, how = _written_weights(f"{prefix}weights", learned.weights)
        if learned.item_biases is not None:
            arrays |= {f"{prefix}item_biases": np.asarray(learned.item_biases)}
        return arrays | weights, {"kind": "linear", "history": history, "weights": how}
    if isinstance(learned, TwoStages):
        arrays, exclude = _written_lists(f"{prefix}exclude", learned.exclude, seen)
        described: dict[str, Any] = {"kind": "two stages", "candidates": learned.candidates, "exclude": exclude}
        for stage in STAGES:
            own, described[stage] = written(getattr(learned, stage), seen, f"{prefix}{stage}.")
            arrays |= own
        return arrays, described
    raise ValueError(
        f"learned: a {type(learned).__name__} can not be saved; a file keeps factors, item weights, counts and two "
        "stages of these: baselines.linear, popularity, recommend.two_stage.scorer"
    )


def _written_weights(name: str, weights: Array | Ragged) -> tuple[dict[str, np.ndarray], Any]:
    return written_lists(name, weights) if isinstance(weights, Ragged) else ({name: np.asarray(weights)}, _NUMBERS)


def _written_lists(name: str, lists: Ragged | None, seen: Ragged | None) -> tuple[dict[str, np.ndarray], Any]:
    """Return lists, where they are not those of `seen`, and how the header describes them."""
    if lists is None:
        return {}, None
    if seen is not None and _are_same(lists, seen):
        return {}, _SEEN
    return written_lists(name, lists)


def _are_same(lists: Ragged, seen: Ragged) -> bool:
    if lists is seen:
        return True
    arrays, sizes = written_lists("", lists)
    others, other_sizes = written_lists("", seen)
    if sizes != other_sizes or arrays.keys() != others.keys():
        return False
    return all(np.array_equal(array, others[name]) for name, array in arrays.items())


def names(described: Any, arrays: Mapping[str, np.ndarray], prefix: str = "") -> tuple[set[str], set[str]]:
    """Return the names of the arrays that a kind needs, and of those that it may have.

    Raises:
        Wrong: for what describes no kind.
    """
    where = prefix.rstrip(".") or "learned"
    kind = described.get("kind") if isinstance(described, dict) else None
    known = isinstance(kind, str) and set(described) == _FIELDS.get(kind)
    require(known and prefix.count(".") < _MOST_STAGES, f"{where}: {described!r:.40} is no kind of model")
    if kind == "factors":
        return {f"{prefix}factors.{name}" for name in _TABLES}, {f"{prefix}factors.{name}" for name in _OTHERS}
    if kind == "popularity":
        return {f"{prefix}counts"}, set()
    if kind == "linear":
        history, biases = _names_of(f"{prefix}history", described["history"], arrays), {f"{prefix}item_biases"}
        if described["weights"] == _NUMBERS:
            return history | {f"{prefix}weights"}, biases
        check_sizes(f"{prefix}weights", described["weights"])
        return history | names_of_lists(f"{prefix}weights", arrays), biases
    needed, allowed = _names_of(f"{prefix}exclude", described["exclude"], arrays), set[str]()
    for stage in STAGES:
        own, others = names(described[stage], arrays, f"{prefix}{stage}.")
        needed, allowed = needed | own, allowed | others
    return needed, allowed


def _names_of(name: str, lists: Any, arrays: Mapping[str, np.ndarray]) -> set[str]:
    if lists is None or lists == _SEEN:
        return set()
    check_sizes(name, lists)
    return names_of_lists(name, arrays)


def check(
    described: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    num_users: int,
    num_items: int,
    *,
    has_seen: bool,
    prefix: str = "",
) -> None:
    """Raise Wrong unless the arrays, whose `names` are all there, are those of what is described."""
    kind = described["kind"]
    if kind == "factors":
        tables = {name: arrays[f"{prefix}factors.{name}"] for name in _TABLES}
        for name, size in zip(_TABLES, (num_users, num_items), strict=True):
            real(f"{prefix}factors.{name}", tables[name], (size, None))
        widths = [table.shape[1] for table in tables.values()]
        require(widths[0] == widths[1], f"{prefix}factors.items: {widths[1]} numbers a row, users {widths[0]}")
        for name, shape in zip(_OTHERS, ((num_users,), (num_items,), ()), strict=True):
            if f"{prefix}factors.{name}" in arrays:
                real(f"{prefix}factors.{name}", arrays[f"{prefix}factors.{name}"], shape)
    elif kind == "popularity":
        real(f"{prefix}counts", arrays[f"{prefix}counts"], (num_items,))
    elif kind == "linear":
        if described["weights"] == _NUMBERS:
            real(f"{prefix}weights", arrays[f"{prefix}weights"], (num_items, num_items))
        else:
            check_lists(f"{prefix}weights", arrays, described["weights"], num_items, num_items, "item")
        if f"{prefix}item_biases" in arrays:
            real(f"{prefix}item_biases", arrays[f"{prefix}item_biases"], (num_items,))
        require(described["history"] is not None, f"{prefix}history: there is none")
        _check_lists(f"{prefix}history", described["history"], arrays, num_users, num_items, has_seen)
    else:
        most = described["candidates"]
        require(type(most) is int and 0 < most < 2**31, f"{prefix}candidates: {most!r:.40} is no number of them")
        _check_lists(f"{prefix}exclude", described["exclude"], arrays, num_users, num_items, has_seen)
        for stage in STAGES:
            check(described[stage], arrays, num_users, num_items, has_seen=has_seen, prefix=f"{prefix}{stage}.")


def _check_lists(
    name: str, lists: Any, arrays: Mapping[str, np.ndarray], num_users: int, num_items: int, has_seen: bool
) -> None:
    if lists is None:
        return
    if lists == _SEEN:
        require(has_seen, f"{name}: is that of seen, which is not there")
        return
    check_lists(name, arrays, lists, num_users, num_items, "user")


def read(
    described: Mapping[str, Any], arrays: Mapping[str, np.ndarray], seen: Ragged | None, prefix: str = ""
) -> Factors | Scorer:
    """Return what `written` was given, of arrays that `check` has looked at."""
    kind = described["kind"]
    if kind == "factors":
        found = {name: f"{prefix}factors.{name}" for name in Factors._fields}
        return Factors(**{name: on_device(full, arrays[full]) for name, full in found.items() if full in arrays})
    if kind == "popularity":
        return Popularity(on_device("counts", arrays[f"{prefix}counts"]))
    if kind == "linear":
        history = _read_lists(f"{prefix}history", described["history"], arrays, seen)
        assert history is not None
        own, name = f"{prefix}weights", f"{prefix}item_biases"
        dense = described["weights"] == _NUMBERS
        weights = on_device("weights", arrays[own]) if dense else read_lists(own, arrays, described["weights"])
        return Linear(weights, history, on_device("item_biases", arrays[name]) if name in arrays else None)
    stages = [read(described[stage], arrays, seen, f"{prefix}{stage}.") for stage in STAGES]
    exclude = _read_lists(f"{prefix}exclude", described["exclude"], arrays, seen)
    return TwoStages(stages[0], stages[1], exclude, described["candidates"])


def _read_lists(name: str, lists: Any, arrays: Mapping[str, np.ndarray], seen: Ragged | None) -> Ragged | None:
    if lists is None:
        return None
    return seen if lists == _SEEN else read_lists(name, arrays, lists)
