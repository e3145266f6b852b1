"""Draws outside a user's row of items: exact, without retries, at a cost that does not grow with the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfjax import checks
from mfjax.histories import Ragged
from mfjax.ranking import streams
from mfjax.types import Array

_MASS_BITS = 30
"""The masses of a weighted catalogue sum to about 2^30, below 2^31."""

_MOST_MOVED = 1e-8
"""What rounding each mass on its own may move a probability by."""


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

    Weights become integer masses of about 2^30 in all, each rounded down on its own, or up to one unit. Where that
    would move a probability by more than 1e-8, the running sum of the weights is rounded instead. So a probability is
    off by at most 1e-8, for any spread of weights (4e-8 while they are traced, for their shares are float32). An item
    whose share of the weights is below 2^-30 may have one unit or none; an item of weight 0 is never drawn.

    Args:
        rows: the items to leave out; repeated pairs count once.
        weights: numbers [num_items] of any dtype, finite, not negative, not all zero. While they are traced only
            their shape and dtype are looked at; their sum must then be a normal float32.

    Raises:
        ValueError: for rows that are no `Ragged` or name items beyond `num_columns`, and for other weights.
    """
    check_lists("rows", rows)
    num_items, ids = rows.num_columns, rows.ids
    mass = jnp.ones(num_items, jnp.uint32) if weights is None else _masses(weights, num_items)
    ends = jnp.cumsum(mass, dtype=jnp.uint32)  # [num_items]
    is_first = jnp.zeros(ids.shape[0], bool).at[rows.offsets[:-1]].set(True, mode="drop")
    repeated = (ids == jnp.roll(ids, 1)) & ~is_first  # [n], as all that follows up to free
    # The running sum over all rows may wrap around 2^32; its differences within a row are exact all the same.
    running = jnp.cumsum(jnp.where(repeated, jnp.uint32(0), mass[ids]), dtype=jnp.uint32)
    row = jnp.repeat(jnp.arange(rows.num_rows), rows.lengths(), total_repeat_length=ids.shape[0])
    start = rows.offsets[row]
    taken = running - jnp.where(start > 0, running[jnp.maximum(start - 1, 0)], jnp.uint32(0))
    free = ends[ids] - taken
    stop = rows.offsets[1:]  # [num_rows], as left
    left = ends[-1] - jnp.where(rows.lengths() > 0, taken[jnp.maximum(stop - 1, 0)], 0)
    line = None if weights is None else _line(ends)
    return Complement(rows.offsets, free, taken, left, line, num_items, rows.longest)


def check_lists(name: str, lists: Ragged) -> None:
    """Raise ValueError unless `lists` is a `Ragged` whose items, where they can be seen, are in its catalogue."""
    checks.kind(name, lists, Ragged, "pass histories.ragged(interactions), one list of items a user")
    ids = checks.seen(lists.ids)
    if ids is not None and ids.size and (ids.min() < 0 or ids.max() >= lists.num_columns):
        bad = ids.min() if ids.min() < 0 else ids.max()
        raise ValueError(
            f"{name}: item {bad} is outside 0..{lists.num_columns - 1}; build the lists by histories.ragged"
        )


def _masses(weights: Array, num_items: int) -> Array:
    """Return the masses of `build`, uint32 [num_items]."""
    remedy = "pass one weight for each item"
    checks.shape("weights", weights, (num_items,), remedy)
    checks.number("weights", weights, least=0, remedy="pass 0 for an item that is not to be drawn")
    seen = checks.seen(weights)
    if seen is None:
        return _traced_masses(weights)
    numbers = np.asarray(seen, np.float64)
    if not numbers.any():
        raise ValueError("weights: all are 0, so that nothing could be drawn; pass some above 0")
    # By a power of two, which changes no digit, into the range of float32.
    numbers = np.ldexp(numbers, -np.frexp(numbers.max())[1])
    with jax.ensure_compile_time_eval():
        mass = np.asarray(_rounded_alone(_shares(jnp.asarray(numbers, jnp.float32))))
    shares = numbers / numbers.sum()
    if np.abs(mass / mass.sum(dtype=np.float64) - shares).max() > _MOST_MOVED:
        mass = np.diff(np.rint(np.cumsum(shares) * 2.0**_MASS_BITS), prepend=0)
    return jnp.asarray(mass.astype(np.uint32))


def _traced_masses(weights: Array) -> Array:
    shares = _shares(jnp.asarray(weights).astype(jnp.float32))
    alone = _rounded_alone(shares)
    lost = shares * 2.0**_MASS_BITS - alone.astype(jnp.float32)  # exact: both are near each other, or whole
    moved = jnp.max(jnp.abs(shares * lost.sum() - lost))
    return lax.cond(moved <= _MOST_MOVED * 2.0**_MASS_BITS, lambda: alone, lambda: _rounded_together(shares))


def _shares(weights: Array) -> Array:
    return weights / weights.sum()


def _rounded_alone(shares: Array) -> Array:
    units = jnp.maximum(shares * 2.0**_MASS_BITS, 1.0)
    return jnp.where(shares > 0, units, 0.0).astype(jnp.uint32)


def _rounded_together(shares: Array) -> Array:
    """Return the differences of the running sum of the shares, rounded down to whole units."""
    units = shares * 2.0**_MASS_BITS
    whole = jnp.floor(units)
    # The fractions are added up in 32 bits, and every time that their sum wraps around is a unit.
    fraction = ((units - whole) * 2.0**32).astype(jnp.uint32)
    wrapped = jnp.cumsum(fraction, dtype=jnp.uint32) < fraction
    return whole.astype(jnp.uint32) + wrapped.astype(jnp.uint32)


def _line(ends: Array) -> Line:
    """Return the line of masses with these running sums."""
    bits = _stretch_bits(ends.shape[0])
    starts = jnp.arange((1 << (_MASS_BITS + 1 - bits)) + 1, dtype=jnp.uint32) << bits  # [stretches + 1]
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
        rows: int32 [batch], rows of the complement.

    Returns:
        ids: int32 [batch, num]; 0 where the row leaves nothing to draw.
        mass: uint32 [batch, num] (or scalar 1), the mass of each drawn item.
        left: uint32 [batch], the mass outside the row: a draw has probability mass / left.

    Raises:
        ValueError: for rows that there are not, or words of another kind or shape.

    Example:
        >>> rows = Ragged(jnp.array([0, 2]), jnp.array([0, 2]), jnp.ones(2), num_columns=4, longest=2)
        >>> draw(build(rows), jnp.array([[0, 2**31]], jnp.uint32), jnp.array([0]))[0].tolist()
        [[1, 3]]
    """
    rows = checks.ids("rows", rows, complement.offsets.shape[0] - 1, "the rows of the complement")
    streams.check_words("words", words, (*rows.shape, None))
    start, stop, left = complement.offsets[rows], complement.offsets[rows + 1], complement.left[rows]  # [batch]
    x = streams.below(words, left[:, None]).astype(jnp.uint32)  # [batch, num], as k and point
    k = count_at_most(complement.free, x, start[:, None], stop[:, None], complement.longest.bit_length())
    point = x + jnp.where(k > 0, complement.taken[jnp.maximum(start[:, None] + k - 1, 0)], 0)
    if complement.line is None:
        return jnp.where(left[:, None] > 0, point.astype(jnp.int32), 0), jnp.uint32(1), left
    ids, mass = _item_at(complement.line, point)
    return jnp.where(left[:, None] > 0, ids, 0), mass, left


def _item_at(line: Line, point: Array) -> tuple[Array, Array]:
    """Return the item that lies at each point of the line, and its mass, in the shape of the points."""
    stretch = (point >> _stretch_bits(line.ends.shape[0])).astype(jnp.int32)
    first, last = line.guide[stretch], line.guide[stretch + 1]
    ids = first + count_at_most(line.ends, point, first, last, line.steps)
    return ids, line.ends[ids] - jnp.where(ids > 0, line.ends[jnp.maximum(ids - 1, 0)], 0)


def contains(lists: Ragged, rows: Array, ids: Array) -> Array:
    """Return whether each of `ids` int32 [batch, m] is in the list of its row: bool [batch, m], O(log n_u) each.

    Raises:
        ValueError: for rows or items that the lists do not have, or another number of rows than of ids.
    """
    checks.kind("lists", lists, Ragged, "pass histories.ragged(interactions)")
    rows = checks.ids("rows", rows, lists.num_rows, "the rows of the lists")
    ids = checks.ids("ids", ids, lists.num_columns, "the items of the lists")
    checks.shape("ids", ids, (*rows.shape, None), "pass the items of each row")
    start, stop = lists.offsets[rows][:, None], lists.offsets[rows + 1][:, None]  # [batch, 1]
    k = count_at_most(lists.ids, ids, start, stop, lists.longest.bit_length())  # [batch, m]
    return (k > 0) & (lists.ids[jnp.maximum(start + k - 1, 0)] == ids)


def count_at_most(values: Array, targets: Array, start: Array, stop: Array, steps: Array | int) -> Array:
    """Return how many of values[start:stop], which ascend, are at most the target; needs 2^steps > stop - start.

    `values` is [n]; `start` and `stop` broadcast against `targets`, whose shape the counts have.
    """

    def advance(_, carry):
        count, stride = carry
        reached = start + count + stride
        inside = reached <= stop
        small = values.at[jnp.where(inside, reached - 1, 0)].get(mode="promise_in_bounds") <= targets
        return jnp.where(inside & small, count + stride, count), stride >> 1

    def counted(start: tuple[Array, Array], *, unroll: bool | None = None) -> Array:
        return lax.fori_loop(0, steps, advance, start, unroll=unroll)[0]

    begin = jnp.zeros(targets.shape, jnp.int32), jnp.int32(1) << (steps - 1)
    if not isinstance(steps, int):
        return counted(begin)
    # Written out, the steps are one kernel of a GPU, where a loop starts four in each; a CPU is quicker in the loop.
    return lax.platform_dependent(begin, cpu=counted, default=partial(counted, unroll=True))
