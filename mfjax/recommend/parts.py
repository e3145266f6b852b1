"""The parts of a fitted model, which must fit one another, and raw ids looked up in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from mfjax import als, checks, ranking, vocabularies
from mfjax.histories import Ragged, agreement
from mfjax.types import Factors, Interactions, Vocabulary

Unknown = Literal["error", "bias"]

RawId = int | str

Side = Literal["user", "item"]

REMEDY = "drop it, or pass unknown='bias' to predict from what is known"
"""For an unknown id where one may ask for what the biases say."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Parts:
    """What a model consists of; see `recommend.Model`, which can be asked.

    Raises:
        ValueError: for parts that do not fit together.
    """

    factors: Factors
    user_vocabulary: Vocabulary
    item_vocabulary: Vocabulary
    seen: Ragged | None = None
    rating_range: tuple[float, float] | None = None
    objective: str = ""
    config: Any = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    item_counts: np.ndarray | None = None

    def __post_init__(self) -> None:
        agreement.factors("factors", self.factors)
        for name, table, vocabulary in (
            ("user", self.factors.users, self.user_vocabulary),
            ("item", self.factors.items, self.item_vocabulary),
        ):
            checks.kind(f"{name}_vocabulary", vocabulary, Vocabulary, "pass that of the interactions")
            if table.shape[0] != len(vocabulary):
                raise ValueError(
                    f"factors.{name}s: {table.shape[0]} rows for a vocabulary of {len(vocabulary)} ids; "
                    "pass the vocabulary of the data that was fitted"
                )
        if self.seen is not None:
            agreement.lists("seen", self.seen, *self._sizes(), "the model has")
        if self.rating_range is not None:
            remedy = "pass (lowest, highest), or None"
            checks.shape("rating_range", self.rating_range, (2,), remedy)
            checks.number("rating_range", self.rating_range, remedy=remedy)
            if self.rating_range[0] > self.rating_range[1]:
                raise ValueError(f"rating_range: {self.rating_range} falls; {remedy}")
        checks.kind("objective", self.objective, str, "pass a name")
        checks.kind("manifest", self.manifest, Mapping, "pass a dict")  # type: ignore[type-abstract]
        if self.item_counts is not None:
            remedy = "pass interactions.item_counts() of the data that was fitted, or None"
            checks.shape("item_counts", self.item_counts, (self._sizes()[1],), remedy)
            checks.number("item_counts", self.item_counts, least=0, remedy=remedy)
        if isinstance(self.config, (als.Config, ranking.Config)):
            _check_config(self.config, self.factors)

    def __repr__(self) -> str:
        num_users, num_items = self._sizes()
        dim, named = self.factors.items.shape[1], f", {self.objective}" if self.objective else ""
        return f"{type(self).__name__}({num_users} users, {num_items} items, dim {dim}{named:.60})"

    def _sizes(self) -> tuple[int, int]:
        return self.factors.users.shape[0], self.factors.items.shape[0]

    def vocabulary(self, side: Side) -> Vocabulary:
        """Return the vocabulary of a side."""
        return self.user_vocabulary if side == "user" else self.item_vocabulary


def _check_config(config: als.Config | ranking.Config, factors: Factors) -> None:
    """Raise ValueError for a config that these factors can not have been fitted with."""
    remedy = "pass the config that the factors were fitted with, or None"
    dim = factors.items.shape[1]
    if config.dim != dim:
        raise ValueError(f"config: dim {config.dim}, but the factors have {dim}; {remedy}")
    has = factors.item_biases is not None
    if config.biases != has:
        held = "has" if has else "has no"
        raise ValueError(f"config: biases={config.biases}, but the model {held} item_biases; {remedy}")


def find(
    vocabulary: Vocabulary, side: Side, raw_ids: Any, unknown: Unknown = "error", *, remedy: str = "drop it"
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids int32 [n] of raw ids, 0 for an unknown one, and which are known.

    Args:
        vocabulary: of the model.
        side: "user" or "item", for messages.
        raw_ids: [n], a list, an array or a column.
        unknown: "error", or "bias" to take unknown ids.
        remedy: for an unknown id.

    Raises:
        ValueError: for raw ids of another kind, missing ones, and unknown ones unless `unknown="bias"`.
    """
    checks.choice("unknown", unknown, get_args(Unknown))
    asked = vocabularies.raw_ids(f"{side}s", raw_ids)
    kind = vocabularies.kind_of(vocabulary.raw)
    if asked.size and vocabularies.kind_of(asked) != kind:
        first = asked[:1].tolist()[0]
        raise ValueError(f"{side}s: {first!r:.80}, but the {side} ids of this model are {kind}; convert it")
    ids, known = vocabulary.find(asked)
    if unknown == "error" and not known.all():
        unknowns = asked[~known].tolist()
        raise ValueError(
            f"{side}s: {side} {unknowns[0]!r:.80} is unknown ({len(unknowns)} of {known.size} pairs); {remedy}"
        )
    return ids, known


def pairs_of(lists: Ragged) -> Interactions:
    """Return the Interactions that lists were made of, by row and by id.

    Example:
        >>> lists = Ragged(np.array([0, 0, 2]), np.array([1, 4]), np.ones(2, np.float32), num_columns=5, longest=2)
        >>> pairs_of(lists).users.tolist()
        [1, 1]
    """
    offsets = np.asarray(lists.offsets).astype(np.int64)
    size = int(offsets[-1])
    rows = np.repeat(np.arange(lists.num_rows, dtype=np.int32), np.diff(offsets))
    ids, values = np.asarray(lists.ids)[:size], np.asarray(lists.values)[:size]
    weights = None if lists.weights is None else np.asarray(lists.weights)[:size]
    return Interactions(rows, ids, values, lists.num_rows, lists.num_columns, weights=weights)
