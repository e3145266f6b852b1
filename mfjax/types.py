"""The values that flow between the rooms: interactions on the host, factors on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from mfjax import checks
from mfjax.vocabularies import Vocabulary as Vocabulary

Array = jax.Array
Key = jax.Array

TimeUnit = Literal["s", "ms", "us", "ns"]
"""The unit of timestamps: seconds, milliseconds, microseconds or nanoseconds."""

Scorer = Callable[[Array], Array]
"""User ids int32 [batch] -> scores float32 [batch, num_items].

Those of this package are `jax.tree_util.Partial`s, pytrees that cross `jit` and `vmap` as arguments. A plain function
is taken wherever a scorer is, and wrapped in one (`recommend.scorer`).
"""


@dataclass(frozen=True, eq=False)
class Interactions:
    """User-item pairs in file order, on the host (numpy).

    Attributes:
        users, items: int32 [n], contiguous ids below `num_users`, `num_items`.
        values: float32 [n], ratings or counts; ones where the source has none.
        timestamps: int64 [n], in `time_unit` since 1970 (UTC), or None.
        num_users, num_items: sizes of the id spaces, which a split keeps.
        user_vocabulary, item_vocabulary: maps to and from raw ids, or None when ids are the raw ids.
        time_unit: "s", "ms", "us" or "ns". Readers take the coarsest unit that holds every time exactly.
        weights: float32 [n], how sure each value is, or None.
    """

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    num_users: int
    num_items: int
    timestamps: np.ndarray | None = None
    user_vocabulary: Vocabulary | None = None
    item_vocabulary: Vocabulary | None = None
    time_unit: TimeUnit = "s"
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        held = [name for name in ("timestamps", "weights") if getattr(self, name) is not None]
        more = f", with {' and '.join(held)}" if held else ""
        return f"Interactions({len(self)} pairs of {self.num_users} users and {self.num_items} items{more})"

    def select(self, rows) -> Interactions:
        """Return the rows of a bool mask [n], of an integer index or of a slice, the id spaces unchanged.

        Raises:
            ValueError: for a mask of another length, or a row outside 0..n-1.
        """
        if not isinstance(rows, slice):
            rows = np.asarray(rows, np.int64) if np.size(rows) == 0 else np.asarray(rows)
            if rows.dtype == bool:
                checks.shape("rows", rows, (len(self),), "pass one bool for each row")
            else:
                checks.shape("rows", rows, (None,), "pass a list of rows")
                checks.count("rows", rows, most=max(len(self) - 1, 0), remedy="pass rows that there are")
        columns = ("users", "items", "values", "timestamps", "weights")
        found = {name: column for name in columns if (column := getattr(self, name)) is not None}
        selected: dict[str, Any] = {name: column[rows] for name, column in found.items()}
        return replace(self, **selected)

    def with_values(self, values) -> Interactions:
        """Return the same pairs with other values (a scalar or [n]). Raises ValueError for what are no numbers."""
        array = checks.seen(values)
        if array is None or array.dtype.kind not in "iuf" or array.shape not in ((), self.values.shape):
            raise ValueError(
                f"values: {values!r:.80} is neither one number nor one for each of {len(self)} pairs; pass floats"
            )
        with np.errstate(over="ignore"):
            return replace(self, values=np.broadcast_to(array.astype(np.float32), self.values.shape).copy())

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

    def __repr__(self) -> str:
        parts = [f"{name}={describe(table)}" for name, table in self._asdict().items() if table is not None]
        return f"Factors({', '.join(parts)})"


def describe(array: Any) -> str:
    """Return dtype and shape of an array, such as "float32[3, 2]", or the kind of anything else.

    Example:
        >>> describe(np.ones((3, 2), np.float32))
        'float32[3, 2]'
    """
    if hasattr(array, "dtype") and hasattr(array, "shape"):
        return f"{array.dtype}{list(array.shape)}"
    return f"{array!r:.40}" if isinstance(array, (int, float)) else type(array).__name__
