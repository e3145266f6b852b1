"""Draws outside a user's row of items: exact, without retries, at a cost that does not grow with the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mfjax import streams
from mfjax.histories import Ragged
from mfjax.types import Array

_MASS_BITS = 30  # the masses of a weighted catalogue sum to about 2^30, below 2^31


class Line(NamedTuple):
    """A catalogue of unequal masses, laid end to end.

    Attributes:
        ends: uint32 [num_items], running sum of the masses, itself included.
        guide: int32 [stretches + 1], the number of items that end at or before the start of a stretch.
        steps: int32 scalar, binary search steps that the fullest stretch needs.
    """

    ends: Array
    guide: Array
    steps: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Complement:
    r"""The items outside each row, laid out for drawing in proportion to an integer mass.

    Lay all items on a line, each as long as its mass w. For a row with items p_1 < p_2 < ... let

    .. math:: taken_j = \sum_{l \le j} w_{p_l} \qquad free_j = \sum_{i \le p_j} w_i - taken_j

    A draw x is uniform over 0 .. sum(w) - taken_last - 1. With k = |{j : free_j <= x}|, the point x + taken_k of the
    line lies outside the row, and every such point is hit by exactly one x: no retry and no bias.

    k is found by binary search in the row: O(log n_u). The item at a point is the point itself when all masses are 1;
    otherwise a guide table over equal stretches of the line leaves O(1) items on average to search. Neither grows with
    the catalogue. Memory: two integers an entry, and about four an item when the masses differ.

    Attributes:
        offsets: int32 [num_rows + 1], where each row starts.
        free, taken: uint32 [n], as above, one an entry.
        left: uint32 [num_rows], the mass outside each row.
        line: the masses, or None when all are 1.
        num_items, longest: size of the catalogue, length of the longest row (static).
    """

    offsets: Array
    free: Array
    taken: Array
    left: Array
    line: Line | None
    num_items: int = field(metadata={"static": True})
    longest: int = field(metadata={"static": True})

    @property
    def total(self) -> Array:
        """Mass of the catalogue, uint32 scalar."""
        return jnp.uint32(self.num_items) if self.line is None else self.line.ends[-1]


def build(rows: Ragged, weights: Array | None = None) -> Complement:
    """Return the complement of every row, to be drawn from in proportion to `weights` (None: uniformly).

    Weights are rounded to integers of about 2^30 in all, so a probability is off by less than 1e-9; an item of
    positive weight keeps at least one unit, an item of weight 0 is never drawn.

    Args:
        rows: the items to leave out; repeated pairs count once.
        weights: float [num_items], finite, not negative, not all zero.

    Raises:
        ValueError: for weights of another length.
    """
    num_items, ids = rows.num_columns, rows.ids
    if weights is None:
        mass = jnp.ones(num_items, jnp.uint32)
    elif weights.shape == (num_items,):
        units = jnp.maximum(weights / weights.sum() * 2.0**_MASS_BITS, 1.0)
        mass = jnp.where(weights > 0, units, 0.0).astype(jnp.uint32)
    else:
        raise ValueError(f"weights: shape {weights.shape} is not ({num_items},); pass one weight for each item")
    ends = jnp.cumsum(mass, dtype=jnp.uint32)
    is_first = jnp.zeros(ids.shape[0], bool).at[rows.offsets[:-1]].set(True, mode="drop")
    repeated = (ids == jnp.roll(ids, 1)) & ~is_first
    # The running sum over all rows may wrap around 2^32; its differences within a row are exact all the same.
    running = jnp.cumsum(jnp.where(repeated, jnp.uint32(0), mass[ids]), dtype=jnp.uint32)
    row = jnp.repeat(jnp.arange(rows.num_rows), rows.lengths(), total_repeat_length=ids.shape[0])
    start = rows.offsets[row]
    taken = running - jnp.where(start > 0, running[jnp.maximum(start - 1, 0)], jnp.uint32(0))
    free = ends[ids] - taken
    stop = rows.offsets[1:]
    left = ends[-1] - jnp.where(rows.lengths() > 0, taken[jnp.maximum(stop - 1, 0)], 0)
    line = None if weights is None else _line(ends)
    return Complement(rows.offsets, free, taken, left, line, num_items, rows.longest)


def _line(ends: Array) -> Line:
    bits = _stretch_bits(ends.shape[0])
    starts = jnp.arange((1 << (_MASS_BITS + 1 - bits)) + 1, dtype=jnp.uint32) << bits
    guide = jnp.searchsorted(ends, starts, side="right").astype(jnp.int32)
    return Line(ends, guide, 32 - lax.clz(jnp.max(guide[1:] - guide[:-1])))


def _stretch_bits(num_items: int) -> int:
    """Return the log2 of a stretch's length, such that the stretches are about as many as the items."""
    return max(_MASS_BITS - num_items.bit_length(), 0)


def draw(complement: Complement, words: Array, rows: Array) -> tuple[Array, Array, Array]:
    """Return items outside each row, drawn independently, with replacement.

    Args:
        complement: of all rows.
        words: uint32 [batch, num], random.
        rows: int32 [batch].

    Returns:
        ids: int32 [batch, num]; 0 where the row leaves nothing to draw.
        mass: uint32 [batch, num] (or scalar 1), the mass of each drawn item.
        left: uint32 [batch], the mass outside the row: a draw has probability mass / left.

    Example:
        >>> rows = Ragged(jnp.array([0, 2]), jnp.array([0, 2]), jnp.ones(2), num_columns=4, longest=2)
        >>> draw(build(rows), jnp.array([[0, 2**31]], jnp.uint32), jnp.array([0]))[0].tolist()
        [[1, 3]]
    """
    start, stop, left = complement.offsets[rows], complement.offsets[rows + 1], complement.left[rows]
    x = streams.below(words, left[:, None]).astype(jnp.uint32)
    k = count_at_most(complement.free, x, start[:, None], stop[:, None], complement.longest.bit_length())
    point = x + jnp.where(k > 0, complement.taken[jnp.maximum(start[:, None] + k - 1, 0)], 0)
    if complement.line is None:
        return jnp.where(left[:, None] > 0, point.astype(jnp.int32), 0), jnp.uint32(1), left
    ids, mass = _item_at(complement.line, point)
    return jnp.where(left[:, None] > 0, ids, 0), mass, left


def _item_at(line: Line, point: Array) -> tuple[Array, Array]:
    stretch = (point >> _stretch_bits(line.ends.shape[0])).astype(jnp.int32)
    first, last = line.guide[stretch], line.guide[stretch + 1]
    ids = first + count_at_most(line.ends, point, first, last, line.steps)
    return ids, line.ends[ids] - jnp.where(ids > 0, line.ends[jnp.maximum(ids - 1, 0)], 0)


def contains(lists: Ragged, rows: Array, ids: Array) -> Array:
    """Return whether each of `ids` int32 [batch, m] is in the list of its row: bool [batch, m], O(log n_u) each."""
    start, stop = lists.offsets[rows][:, None], lists.offsets[rows + 1][:, None]
    k = count_at_most(lists.ids, ids, start, stop, lists.longest.bit_length())
    return (k > 0) & (lists.ids[jnp.maximum(start + k - 1, 0)] == ids)


def count_at_most(values: Array, targets: Array, start: Array, stop: Array, steps: Array | int) -> Array:
    """Return how many of values[start:stop], which ascend, are at most the target; needs 2^steps > stop - start."""

    def advance(_, carry):
        count, stride = carry
        reached = start + count + stride
        inside = reached <= stop
        small = values.at[jnp.where(inside, reached - 1, 0)].get(mode="promise_in_bounds") <= targets
        return jnp.where(inside & small, count + stride, count), stride >> 1

    count = jnp.zeros(targets.shape, jnp.int32)
    return lax.fori_loop(0, steps, advance, (count, jnp.int32(1) << (steps - 1)))[0]
