"""The k largest entries of every row: `lax.top_k` with a faster exact way for small k on CPU.

XLA on CPU takes floats below 1.2e-38 in size, the subnormal ones, for zeros when it compares them. Their order is that
of their bits.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jax import lax

from mfjax import checks
from mfjax.types import Array

_GROUP = 64
"""Columns that share one maximum."""

_PEEL_AT_MOST = 32
"""The k up to which k maxima are cheaper than a partial sort."""


def in_order(scores: Array) -> Array:
    """Return integers in the order of the scores, equal where the scores are; NaN is the largest, -0.0 equals 0.0.

    Args:
        scores: float [...].

    Returns:
        integers [...] of as many bits: int32 for float32.

    Example:
        >>> in_order(jnp.array([-1.0, -0.0, 0.0, 1.0])).tolist()
        [-1065353216, 0, 0, 1065353216]
    """
    kind = {2: jnp.int16, 4: jnp.int32, 8: jnp.int64}[scores.dtype.itemsize]
    bits = lax.bitcast_convert_type(scores, kind)
    return jnp.where(jnp.isnan(scores), jnp.iinfo(kind).max, jnp.where(bits < 0, jnp.iinfo(kind).min - bits, bits))


def largest(scores: Array, k: int) -> tuple[Array, Array]:
    """Return the k largest entries of every row and their columns, largest first; ties go to the lower column.

    Equal to `lax.top_k` for rows without NaN, but that -0.0 ties with 0.0. A NaN is not hidden: it takes the place of
    the k entries.

    Args:
        scores: float [batch, n], n >= k.
        k: how many, at least 1.

    Returns:
        values float [batch, k] and columns int32 [batch, k]; the columns of -inf and NaN values are arbitrary.

    Raises:
        ValueError: for scores of another shape or dtype, or k outside 1..n.

    Example:
        >>> values, columns = largest(jnp.array([[1.0, 3.0, 2.0, 3.0]]), k=3)
        >>> values.tolist(), columns.tolist()
        ([[3.0, 3.0, 2.0]], [[1, 3, 2]])
    """
    scores = checks.floats("scores", scores, (None, None), "pass a float array [batch, n]")
    checks.whole("k", k, most=scores.shape[1], remedy="pass a number of columns that there are")
    alone = lax.stop_gradient(scores)  # columns have no slope
    if k > _PEEL_AT_MOST:
        found, columns = _sort(alone, k)
    else:
        found, columns = lax.platform_dependent(alone, cpu=partial(_peel, k=k), default=partial(_sort, k=k))
    found = jnp.where(jnp.isnan(found[:, :1]), jnp.nan, found)
    values = jnp.take_along_axis(scores, columns, axis=1, mode="clip")
    return jnp.where(found > -jnp.inf, values, found), columns


def _sort(scores: Array, k: int) -> tuple[Array, Array]:
    """Return values and columns by `lax.top_k`, NaN first."""
    key = numbers = in_order(scores)
    if scores.dtype == jnp.float32:
        # Much faster than for integers. It goes by the bits too: 0.0 before -0.0, and a NaN with a sign the last.
        key = jnp.where(jnp.isnan(scores), jnp.nan, jnp.where(numbers == 0, 0.0, scores))
    columns = lax.top_k(key, k)[1]
    return jnp.take_along_axis(scores, columns, axis=1), columns


def _peel(scores: Array, k: int) -> tuple[Array, Array]:
    """Take the maximum k times: 2 to 4 times faster than a partial sort for k = 10.

    Columns are cut into groups whose maxima are kept, so one step reads the maxima and one group. Nothing is written
    to the scores: what is left of a group is what comes after the last pick in the order (score falling, id rising).
    """
    batch, num_columns = scores.shape
    num_groups = -(-num_columns // _GROUP)
    padding = ((0, 0), (0, num_groups * _GROUP - num_columns))
    groups = jnp.pad(scores, padding, constant_values=-jnp.inf).reshape(batch, num_groups, _GROUP)
    # [batch], [1, num_groups], [1, _GROUP]
    row, group_id, lane = jnp.arange(batch), jnp.arange(num_groups)[None, :], jnp.arange(_GROUP)[None, :]

    def peel(carry, _):
        maxima, last, last_id = carry  # [batch, num_groups], [batch, 1], [batch, 1]
        best = maxima.max(axis=1, keepdims=True)  # [batch, 1], as first_group and best_id
        first_group = jnp.where(maxima == best, group_id, num_groups).min(axis=1, keepdims=True)
        group, ids = groups[row, first_group[:, 0]], first_group * _GROUP + lane  # [batch, _GROUP]
        group = jnp.where((group < last) | ((group == last) & (ids > last_id)), group, -jnp.inf)
        best_id = jnp.where(group == best, ids, num_groups * _GROUP).min(axis=1, keepdims=True)
        rest = jnp.where(ids == best_id, -jnp.inf, group).max(axis=1, keepdims=True)  # the group's next maximum
        return (jnp.where(group_id == first_group, rest, maxima), best, best_id), (best[:, 0], best_id[:, 0])

    start = jnp.full((batch, 1), jnp.inf, scores.dtype), jnp.full((batch, 1), -1, group_id.dtype)
    _, (values, columns) = lax.scan(peel, (groups.max(axis=2), *start), None, length=k)  # [k, batch]
    return values.T, _by_bits(scores, values.T, columns.T.astype(jnp.int32))


def _by_bits(scores: Array, values: Array, columns: Array) -> Array:
    """Return the columns anew where a zero among the values may be a subnormal number, and the scores have some.

    A loop that as a rule turns no time, and not a `cond`: under `vmap` of a `cond` everybody would pay for its branch.
    """
    k = values.shape[1]
    lane = jnp.arange(scores.shape[1], dtype=jnp.int32)[None, :]
    tiny = in_order(jnp.asarray(jnp.finfo(scores.dtype).tiny))

    def pick(carry):
        turn, _, last, last_column, columns = carry  # [], [], [batch, 1], [batch, 1], [batch, k]
        # Bound to the turn, or XLA would do this before the loop, for everybody.
        numbers = in_order(lax.optimization_barrier((scores, turn))[0])  # [batch, n]
        is_left = (numbers < last) | ((numbers == last) & (lane > last_column))
        left = jnp.where(is_left, numbers, jnp.iinfo(numbers.dtype).min)
        column = jnp.argmax(left, axis=1).astype(jnp.int32)[:, None]  # [batch, 1]
        columns = lax.dynamic_update_slice_in_dim(columns, column, turn, axis=1)
        subnormal = jnp.any((numbers != 0) & (numbers < tiny) & (numbers > -tiny))
        return turn + 1, subnormal & (turn + 1 < k), left.max(axis=1, keepdims=True), column, columns

    last = jnp.full((len(scores), 1), jnp.iinfo(tiny.dtype).max, tiny.dtype)
    start = jnp.int32(0), jnp.any(values == 0), last, jnp.full_like(last, -1, jnp.int32), columns
    return lax.while_loop(lambda carry: carry[1], pick, start)[4]
