"""The values that flow between the rooms: interactions on the host, factors on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import numpy as np

Array = jax.Array
Key = jax.Array

Scorer = Callable[[Array], Array]
"""User ids int32 [batch] -> scores float32 [batch, num_items].

Always a `jax.tree_util.Partial`, so that it is a pytree and crosses `jit` and `vmap` as an argument.
"""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Raw ids (integers or strings), sorted and distinct: `raw[id]` is the raw id of `id`.

    Example:
        >>> vocabulary = Vocabulary.of(np.array(["b", "a", "b"]))
        >>> vocabulary.encode(["b", "a"])
        array([1, 0], dtype=int32)
        >>> vocabulary.decode([0]).tolist()
        ['a']
    """

    raw: np.ndarray

    @classmethod
    def of(cls, raw_ids) -> Vocabulary:
        return cls(np.unique(np.asarray(raw_ids)))

    def __len__(self) -> int:
        return len(self.raw)

    def find(self, raw_ids) -> tuple[np.ndarray, np.ndarray]:
        """Return ids int32 and `known` bool, of the shape of `raw_ids`; an unknown raw id gets id 0 and False."""
        raw_ids = np.asarray(raw_ids)
        if len(self.raw) == 0:
            return np.zeros(raw_ids.shape, np.int32), np.zeros(raw_ids.shape, bool)
        ids = np.minimum(np.searchsorted(self.raw, raw_ids), len(self.raw) - 1)
        known = self.raw[ids] == raw_ids
        return np.where(known, ids, 0).astype(np.int32), known

    def encode(self, raw_ids) -> np.ndarray:
        """Return ids int32. Raises ValueError naming the first raw id that is not in the vocabulary."""
        raw_ids = np.asarray(raw_ids)
        ids, known = self.find(raw_ids)
        if not known.all():
            unknown = raw_ids[~known].reshape(-1)
            raise ValueError(
                f"raw_ids: {unknown[0]!r} is not in the vocabulary of {len(self)} ids ({unknown.size} unknown); "
                "drop it, or use find() to be told which are known"
            )
        return ids

    def decode(self, ids) -> np.ndarray:
        """Return the raw ids of `ids`. Raises ValueError for an id outside 0..len-1."""
        ids = np.asarray(ids)
        if ids.size and (ids.min() < 0 or ids.max() >= len(self)):
            bad = ids.min() if ids.min() < 0 else ids.max()
            raise ValueError(f"ids: {bad} is outside 0..{len(self) - 1}; pass ids of this vocabulary")
        return self.raw[ids]


@dataclass(frozen=True, eq=False)
class Interactions:
    """User-item pairs in file order, on the host (numpy).

    Attributes:
        users, items: int32 [n], contiguous ids below `num_users`, `num_items`.
        values: float32 [n], ratings or counts; ones where the source has none.
        timestamps: int64 [n], seconds, or None.
        num_users, num_items: sizes of the id spaces, which a split keeps.
        user_vocabulary, item_vocabulary: maps to and from raw ids, or None when ids are the raw ids.
    """

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    num_users: int
    num_items: int
    timestamps: np.ndarray | None = None
    user_vocabulary: Vocabulary | None = None
    item_vocabulary: Vocabulary | None = None

    def __len__(self) -> int:
        return len(self.users)

    def select(self, rows) -> Interactions:
        """Return the rows of a bool mask [n] or of an integer index, the id spaces unchanged."""
        timestamps = None if self.timestamps is None else self.timestamps[rows]
        return replace(
            self, users=self.users[rows], items=self.items[rows], values=self.values[rows], timestamps=timestamps
        )

    def with_values(self, values) -> Interactions:
        """Return the same pairs with other values (a scalar or [n])."""
        return replace(self, values=np.broadcast_to(np.float32(values), self.values.shape).copy())

    def item_counts(self) -> np.ndarray:
        """Return the number of interactions of every item, int32 [num_items]."""
        return np.bincount(self.items, minlength=self.num_items).astype(np.int32)

    def user_counts(self) -> np.ndarray:
        """Return the number of interactions of every user, int32 [num_users]."""
        return np.bincount(self.users, minlength=self.num_users).astype(np.int32)


class Factors(NamedTuple):
    """A factor model: score(u, i) = <users[u], items[i]> + user_biases[u] + item_biases[i] + offset.

    Attributes:
        users: float [num_users, dim].
        items: float [num_items, dim].
        user_biases: float [num_users], or None for zeros.
        item_biases: float [num_items], or None for zeros.
        offset: float scalar, or None for zero.
    """

    users: Array
    items: Array
    user_biases: Array | None = None
    item_biases: Array | None = None
    offset: Array | None = None
