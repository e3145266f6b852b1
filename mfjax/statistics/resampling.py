"""Bootstrap and sign-flip resampling over users: many weighted means as blocks of matrix products.

The functions share these arguments.

Args:
    key: consumed.
    num_resamples: resamples drawn.
    block_size: resamples in memory at once, block_size * users numbers; changes no bit of what is drawn.

Values are taken as float32. NaN and infinity are refused where values can be seen; inside `jit`, where they can not,
they come out as NaN, never as an interval or a p-value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfjax import checks
from mfjax.types import Array, Key


class Interval(NamedTuple):
    """A mean and the ends of its interval, each of one shape."""

    mean: Array
    low: Array
    high: Array


def bootstrap_means(key: Key, values: Array, *, num_resamples: int = 10_000, block_size: int = 128) -> Array:
    r"""Return the means of resamples of the users, drawn with replacement.

    .. math:: m_b = \frac{1}{U} \sum_{u} c_{bu}\, x_u, \qquad c_b \sim \mathrm{Multinomial}(U, 1/U)

    Every row of `values` meets the same resamples, so that differences of rows are paired. A resample depends on the
    key and its number only. Time num_resamples * users * (rows + the cost of a draw).

    Args:
        key, num_resamples, block_size: see `mfjax.statistics.resampling`.
        values: float [..., users], x.

    Returns:
        float32 [..., num_resamples].

    Raises:
        ValueError: for values that are not finite or have no user, or counts below 1.

    Example:
        >>> bootstrap_means(jax.random.key(0), jnp.ones(5), num_resamples=3)
        Array([1., 1., 1.], dtype=float32)

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife". A draw is 32 random bits modulo U, whose
    bias is below U / 2^32.
    """
    values = _checked("values", key, values, num_resamples, block_size)
    num_users = values.shape[-1]

    def counts(key: Key) -> Array:
        drawn = jax.random.bits(key, (num_users,), jnp.uint32) % jnp.uint32(num_users)
        return jnp.zeros(num_users, jnp.float32).at[drawn].add(1)

    return _weighted_sums(key, values, counts, num_resamples, block_size) / num_users


def bootstrap(
    key: Key, values: Array, *, level: float = 0.95, num_resamples: int = 10_000, block_size: int = 128
) -> Interval:
    r"""Return the percentile bootstrap interval of the mean over users.

    .. math:: [\,Q_{(1 - \ell)/2}(m),\ Q_{(1 + \ell)/2}(m)\,]

    with Q the linearly interpolated quantile of the resampled means m and l the level.

    Args:
        key, num_resamples, block_size: see `mfjax.statistics.resampling`.
        values: float [..., users]; each row gets an interval.
        level: of confidence, in (0, 1).

    Returns:
        Interval of float32 [...], in the unit of the values.

    Raises:
        ValueError: for a level outside (0, 1), or as `bootstrap_means`.

    Example:
        >>> found = bootstrap(jax.random.key(0), jnp.array([0.0, 1.0] * 50), num_resamples=1000)
        >>> bool(found.low < 0.42 < found.mean < 0.58 < found.high)
        True
    """
    check_level(level)
    values = _checked("values", key, values, num_resamples, block_size)
    means = bootstrap_means(key, values, num_resamples=num_resamples, block_size=block_size)
    ends = jnp.quantile(means, jnp.array([(1 - level) / 2, (1 + level) / 2], jnp.float32), axis=-1)
    # Interpolating between equal means rounds either way, so that the lower end could come out above the upper.
    low, high = jnp.sort(ends, axis=0)
    return Interval(jnp.mean(values, axis=-1, dtype=jnp.float32), low, high)


def check_level(level: float | Array) -> None:
    """Raise ValueError unless `level`, where it can be seen, is a share of confidence."""
    checks.shape("level", level, (), "pass one number")
    checks.number("level", level, above=0, below=1, remedy="pass a share such as .95")


def sign_flip(key: Key, differences: Array, *, num_resamples: int = 10_000, block_size: int = 128) -> Array:
    r"""Return the two-sided p-value of the paired randomisation test that flips the signs of differences.

    .. math:: p = \frac{1 + \sum_{b=1}^{B} \big[\, |\sum_u s_{bu} d_u| \ge |\sum_u d_u| \,\big]}{1 + B}, \qquad
        s_{bu} = \pm 1 \text{ with equal probability}

    Sums that differ by less than 1e-5 of the absolute sum count as equal. Every row meets the same signs.

    Args:
        key, block_size: see `mfjax.statistics.resampling`.
        differences: float [..., users], d.
        num_resamples: B.

    Returns:
        float32 [...] in [1 / (B + 1), 1]; 1 where all differences are 0; NaN, inside `jit`, where one is not finite.

    Raises:
        ValueError: as `bootstrap_means`.

    Example:
        >>> float(sign_flip(jax.random.key(0), jnp.zeros(5), num_resamples=99))
        1.0

    Source: Fisher 1935; Smucker et al. 2007, "A comparison of statistical significance tests for information retrieval
    evaluation". Counting the observed order itself keeps p above 0 (Phipson and Smyth 2010).
    """
    differences = _checked("differences", key, differences, num_resamples, block_size)
    num_users = differences.shape[-1]

    def signs(key: Key) -> Array:
        bits = (
            jax.random.bits(key, (-(-num_users // 32),), jnp.uint32)[:, None]
            >> jnp.arange(32, dtype=jnp.uint32)[None, :]
        )
        return (bits.reshape(-1)[:num_users] & 1).astype(jnp.float32) * 2 - 1

    sums = jnp.abs(_weighted_sums(key, differences, signs, num_resamples, block_size))
    observed = jnp.abs(jnp.sum(differences, axis=-1, keepdims=True))
    p = (1 + jnp.sum(sums >= observed * (1 - 1e-5), axis=-1)) / jnp.float32(1 + num_resamples)
    # No comparison with NaN holds, which would count as the rarest of outcomes.
    return jnp.where(jnp.isfinite(observed[..., 0]), p, jnp.nan).astype(jnp.float32)


def _checked(name: str, key: Key, values: Array, num_resamples: int, block_size: int) -> Array:
    """Return the values as float32, after a look at all arguments."""
    checks.key("key", key)
    checks.whole("num_resamples", num_resamples)
    checks.whole("block_size", block_size)
    array = values if isinstance(values, jax.Array) else checks.seen(values)
    if array is None or (array.dtype.kind not in "biuf" and array.dtype != jnp.bfloat16):
        raise ValueError(f"{name}: {values!r:.80} is no array of numbers; pass floats [..., users]")
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name}: shape {array.shape} has no user; pass floats [..., users], of at least one user")
    with np.errstate(over="ignore"):
        numbers = jnp.asarray(array.astype(jnp.float32))
    seen = checks.seen(numbers)
    if seen is not None and not np.isfinite(seen).all():
        place = tuple(int(axis) for axis in np.argwhere(~np.isfinite(seen))[0])
        raise ValueError(f"{name}: not finite in float32 at {place}; drop the users without a value, for all models")
    return numbers


def _weighted_sums(
    key: Key, values: Array, weights: Callable[[Key], Array], num_resamples: int, block_size: int
) -> Array:
    """Return sum_u w_bu x_u for every row of values [..., users] and resample b, [..., num_resamples]."""
    columns = values.reshape(-1, values.shape[-1]).T  # [users, rows]
    block_size = min(block_size, num_resamples)
    num_blocks = -(-num_resamples // block_size)

    def one_block(numbers: Array) -> Array:
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers)
        return jnp.matmul(jax.vmap(weights)(keys), columns, precision="highest")

    sums = lax.map(one_block, jnp.arange(num_blocks * block_size, dtype=jnp.int32).reshape(num_blocks, block_size))
    return sums.reshape(-1, columns.shape[1])[:num_resamples].T.reshape(*values.shape[:-1], num_resamples)
