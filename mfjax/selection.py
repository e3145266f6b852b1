"""The k largest entries of every row: `lax.top_k` with a faster exact way for small k on CPU."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jax import lax

from mfjax.types import Array

_GROUP = 64  # columns that share one maximum
_PEEL_AT_MOST = 32  # the k up to which k maxima are cheaper than a partial sort


def largest(scores: Array, k: int) -> tuple[Array, Array]:
    """Return the k largest entries of every row and their columns, largest first; ties go to the lower column.

    Equal to `lax.top_k` for rows without NaN. A NaN is not hidden: it takes the place of the k entries.

    Args:
        scores: float [batch, n], n >= k.
        k: how many, at least 1.

    Returns:
        values float [batch, k] and columns int32 [batch, k]; the columns of -inf and NaN values are arbitrary.

    Example:
        >>> values, columns = largest(jnp.array([[1.0, 3.0, 2.0, 3.0]]), k=3)
        >>> values.tolist(), columns.tolist()
        ([[3.0, 3.0, 2.0]], [[1, 3, 2]])
    """
    if k > _PEEL_AT_MOST:
        return _sort(scores, k)
    return lax.platform_dependent(scores, cpu=partial(_peel, k=k), default=partial(_sort, k=k))


def _sort(scores: Array, k: int) -> tuple[Array, Array]:
    values, columns = lax.top_k(scores, k)
    return values, columns


def _peel(scores: Array, k: int) -> tuple[Array, Array]:
    """Take the maximum k times: 2 to 4 times faster than a partial sort for k = 10.

    Columns are cut into groups whose maxima are kept, so one step reads the maxima and one group. Nothing is written
    to the scores: what is left of a group is what comes after the last pick in the order (score falling, id rising).
    """
    batch, num_columns = scores.shape
    num_groups = -(-num_columns // _GROUP)
    padding = ((0, 0), (0, num_groups * _GROUP - num_columns))
    groups = jnp.pad(scores, padding, constant_values=-jnp.inf).reshape(batch, num_groups, _GROUP)
    row, group_id, lane = jnp.arange(batch), jnp.arange(num_groups)[None, :], jnp.arange(_GROUP)[None, :]

    def peel(carry, _):
        maxima, last, last_id = carry  # [batch, num_groups], [batch, 1], [batch, 1]
        best = maxima.max(axis=1, keepdims=True)
        first_group = jnp.where(maxima == best, group_id, num_groups).min(axis=1, keepdims=True)
        group, ids = groups[row, first_group[:, 0]], first_group * _GROUP + lane  # [batch, _GROUP]
        group = jnp.where((group < last) | ((group == last) & (ids > last_id)), group, -jnp.inf)
        best_id = jnp.where(group == best, ids, num_groups * _GROUP).min(axis=1, keepdims=True)
        rest = jnp.where(ids == best_id, -jnp.inf, group).max(axis=1, keepdims=True)
        return (jnp.where(group_id == first_group, rest, maxima), best, best_id), (best[:, 0], best_id[:, 0])

    start = jnp.full((batch, 1), jnp.inf, scores.dtype), jnp.full((batch, 1), -1, group_id.dtype)
    _, (values, columns) = lax.scan(peel, (groups.max(axis=2), *start), None, length=k)
    return values.T, columns.T.astype(jnp.int32)
