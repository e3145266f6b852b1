"""Interactions -> `Ragged` lists on the device, for exclusion and sampling; what interactions must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from mfjax import checks
from mfjax.types import Array, Interactions, describe

By = Literal["user", "item"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Ragged:
    """One list of item ids per user, ascending, on the device (the arrays of a CSR matrix).

    Attributes:
        offsets: int32 [num_rows + 1]; row r holds entries offsets[r] .. offsets[r + 1].
        ids: int32 [n], ascending within a row.
        values: float32 [n].
        num_columns: size of the id space of `ids` (static).
        longest: length of the longest row (static).
        weights: float32 [n], how sure each value is; None where interactions have no weights.
    """

    offsets: Array
    ids: Array
    values: Array
    num_columns: int = field(metadata={"static": True})
    longest: int = field(metadata={"static": True})
    weights: Array | None = None

    def __post_init__(self) -> None:
        checks.whole("num_columns", self.num_columns, least=0)
        checks.whole("longest", self.longest, least=0)

    def __repr__(self) -> str:
        offsets = f"offsets {describe(self.offsets)}, ids {describe(self.ids)}"
        weights = "" if self.weights is None else ", with weights"
        return f"Ragged({offsets}, {self.num_columns} columns, longest {self.longest}{weights})"

    @property
    def num_rows(self) -> int:
        return self.offsets.shape[0] - 1

    def lengths(self) -> Array:
        """Return the number of entries of every row, int32 [num_rows]."""
        return self.offsets[1:] - self.offsets[:-1]

    def rows(self, rows: Array) -> tuple[Array, Array, Array]:
        """Return ids, values and mask [batch, longest] of `rows` int32 [batch]; padding is id 0, value 0, False."""
        position, mask = self._places(rows)
        ids = jnp.where(mask, self.ids[position], 0)
        return ids, jnp.where(mask, self.values[position], 0), mask

    def weights_of(self, rows: Array) -> Array | None:
        """Return the weights [batch, longest] of `rows` int32 [batch], 0 on padding; None where there are none."""
        if self.weights is None:
            return None
        position, mask = self._places(rows)
        return jnp.where(mask, self.weights[position], 0)

    def _places(self, rows: Array) -> tuple[Array, Array]:
        position = self.offsets[rows][:, None] + jnp.arange(self.longest, dtype=jnp.int32)[None, :]
        mask = position < self.offsets[rows + 1][:, None]
        return jnp.where(mask, position, 0), mask


def ragged(interactions: Interactions, *, by: By = "user") -> Ragged:
    """Return the ragged lists of `interactions`, one row per user (or per item with `by="item"`).

    Rows without interactions are empty. Entries are ordered by (row, id); equal pairs keep file order.

    Raises:
        ValueError: for what are no Interactions, an unknown side, ids outside the id spaces, values or weights that
            are not finite in float32, or negative weights.

    Example:
        >>> pairs = Interactions(np.array([1, 0, 1]), np.array([2, 0, 1]), np.ones(3, np.float32), 2, 3)
        >>> ragged(pairs).ids.tolist()
        [0, 1, 2]
    """
    check_by(by)
    check(interactions)
    rows, columns, num_rows, num_columns = sides(interactions, by)
    order = sorted_by_row(rows, columns)
    offsets = np.zeros(num_rows + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=num_rows), out=offsets[1:])
    # One spare entry, so that an empty set still has something to gather.

    def in_order(column: np.ndarray, dtype: type) -> Array:
        held: np.ndarray = np.zeros(max(len(order), 1), dtype)
        held[: len(order)] = column[order]
        return jnp.asarray(held)

    ids, values = in_order(columns, np.int32), in_order(interactions.values, np.float32)
    weights = None if interactions.weights is None else in_order(interactions.weights, np.float32)
    longest = int(np.diff(offsets).max(initial=0))
    return Ragged(jnp.asarray(offsets, jnp.int32), ids, values, num_columns, max(longest, 1), weights)


def check_interactions(interactions: Any) -> None:
    """Raise ValueError unless `interactions` are Interactions whose columns fit together: kinds, dtypes and lengths.

    Example:
        >>> check_interactions(np.eye(2))
        Traceback (most recent call last):
        ...
        ValueError: interactions: a ndarray is not what is needed; pass Interactions, such as data.from_arrays makes
    """
    remedy = "pass Interactions, such as data.from_arrays makes"
    if scipy.sparse.issparse(interactions):
        remedy = "pass data.from_sparse(matrix)"
    elif isinstance(interactions, Ragged):
        remedy = "pass the Interactions that it was made of"
    checks.kind("interactions", interactions, Interactions, remedy)
    for name in ("num_users", "num_items"):
        checks.whole(name, getattr(interactions, name), least=0)
    for name, kinds in (("users", "iu"), ("items", "iu"), ("values", "iuf"), ("weights", "iuf")):
        column = getattr(interactions, name)
        if name == "weights" and column is None:
            continue
        checks.kind(name, column, np.ndarray, "pass a numpy array, or use data.from_arrays")
        if column.size and column.dtype.kind not in kinds:
            raise ValueError(f"{name}: dtype {column.dtype}; pass numbers, or use data.from_arrays")
        checks.shape(name, column, (len(interactions.users),), "pass one entry for each pair")


def check(interactions: Any) -> None:
    check_interactions(interactions)
    for name, ids, size in (
        ("users", interactions.users, interactions.num_users),
        ("items", interactions.items, interactions.num_items),
    ):
        bad = np.flatnonzero((ids < 0) | (ids >= size))
        if bad.size:
            raise ValueError(
                f"{name}: id {ids[bad[0]]} in row {bad[0]} is outside 0..{size - 1}; map raw ids with a Vocabulary"
            )
    for name, column, bad, fault in wrong_numbers(interactions):
        raise ValueError(f"{name}: {column[bad[0]]} in row {bad[0]} is {fault}")


def wrong_numbers(interactions: Interactions) -> Iterator[tuple[str, np.ndarray, np.ndarray, str]]:
    """Yield the name of a column of values or weights, the column, the rows in which it is wrong, and what to say."""
    for name, column in (("values", interactions.values), ("weights", interactions.weights)):
        if column is None:
            continue
        with np.errstate(over="ignore"):
            numbers = np.asarray(column, np.float32)
        if (bad := np.flatnonzero(~np.isfinite(numbers))).size:
            yield name, column, bad, "not finite; drop or repair the row"
        if name == "weights" and (bad := np.flatnonzero(numbers < 0)).size:
            yield name, column, bad, "negative; pass 0 or more, and let the value say what is disliked"


def check_some(interactions: Interactions) -> None:
    if len(interactions) == 0:
        raise ValueError("interactions: the set is empty; check the filter or split that made it")


def check_by(by: By) -> None:
    checks.choice("by", by, get_args(By))


def sorted_by_row(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the order by (row, column), equal pairs in file order: two counting sorts, linear in the entries."""
    by_column = _counting_sort(columns)
    return by_column[_counting_sort(rows[by_column])]


def _counting_sort(keys: np.ndarray) -> np.ndarray:
    # scipy's conversion to CSR is a stable counting sort; numpy's stable argsort of int32 is ten times slower.
    size = len(keys)
    shape = (int(keys.max(initial=0)) + 1, max(size, 1))
    return (
        scipy.sparse.coo_array((np.ones(size, np.int8), (keys, np.arange(size, dtype=np.int32))), shape).tocsr().indices
    )


def sides(interactions: Interactions, by: By) -> tuple[np.ndarray, np.ndarray, int, int]:
    users, items = (interactions.users, interactions.num_users), (interactions.items, interactions.num_items)
    (rows, num_rows), (columns, num_columns) = (users, items) if by == "user" else (items, users)
    return rows, columns, num_rows, num_columns
