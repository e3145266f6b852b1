"""Seeds and users as two sources of variance, said apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from mfjax import checks
from mfjax.statistics import resampling

_LARGEST = 1e70
"""Fourth powers of larger values would be infinite."""
_ROUNDING = 1e-14
"""Spread below this share of the largest value is rounding, and no spread."""


class Spread(NamedTuple):
    """An interval of the grand mean that answers for one source of variance.

    Attributes:
        low, high: ends of the interval.
        standard_error: of the grand mean.
    """

    low: float
    high: float
    standard_error: float


class Components(NamedTuple):
    """Variance components of per-user values under several seeds.

    Attributes:
        mean: grand mean.
        seed_variance: variance of the seeds' effects.
        user_variance: variance of the users' effects.
        residual_variance: variance of what seed and user do together.
        variance_of_seed_means: variance over seeds of the mean over these users, what a table over seeds shows.
        over_seeds: would another seed give another mean, on these users?
        over_users: would other users give another mean, under these seeds?
        over_both: would other users and other seeds?
    """

    mean: float
    seed_variance: float
    user_variance: float
    residual_variance: float
    variance_of_seed_means: float
    over_seeds: Spread
    over_users: Spread
    over_both: Spread


def components(values: ArrayLike, *, level: float = 0.95) -> Components:
    r"""Split the variance of per-user values into what the seeds and what the users contribute.

    .. math::
        x_{su} = \mu + a_s + b_u + e_{su}, \qquad
        M_a = U \frac{\sum_s (\bar x_s - \bar x)^2}{S - 1}, \quad
        M_b = S \frac{\sum_u (\bar x_u - \bar x)^2}{U - 1}, \quad
        M_e = \frac{\sum_{su} (x_{su} - \bar x_s - \bar x_u + \bar x)^2}{(S - 1)(U - 1)}

        \sigma_a^2 = \max\Big(0, \frac{M_a - M_e}{U}\Big), \quad
        \sigma_b^2 = \max\Big(0, \frac{M_b - M_e}{S}\Big), \quad \sigma_e^2 = M_e

    The intervals are mean +- t * standard error. Its square is M_a / (S U) over seeds (S - 1 degrees of freedom),
    M_b / (S U) over users (U - 1), and max(M_a + M_b - M_e, M_a, M_b) / (S U) over both, with Satterthwaite's degrees
    of freedom for M_a + M_b - M_e.

    Args:
        values: float [seeds, users], at least two of each.
        level: of confidence, in (0, 1).

    Returns:
        Components, in the unit of the values (variances in its square).

    Raises:
        ValueError: there are fewer than two seeds or users, a value is not finite, or the level is outside (0, 1).

    Example:
        >>> found = components([[0.0, 1.0, 0.5], [0.2, 1.2, 0.7]])
        >>> print(f"{found.mean:.2f} {found.seed_variance:.2f} {found.user_variance:.2f} {found.residual_variance:.2f}")
        0.60 0.02 0.25 0.00

    Source: Searle, Casella and McCulloch 1992, "Variance components", chapter 4 (two-way crossed, random, by analysis
    of variance); Satterthwaite 1946 for the degrees of freedom.
    """
    resampling.check_level(level)
    numbers = checks.finite("values", values)
    checks.number("values", numbers, least=-_LARGEST, most=_LARGEST, remedy="scale them")
    if numbers.ndim != 2 or min(numbers.shape) < 2:
        raise ValueError(f"values: shape {numbers.shape}; pass [seeds, users] with at least two of each")
    seeds, users = numbers.shape
    mean, seed_means, user_means = numbers.mean(), numbers.mean(1), numbers.mean(0)
    residual = numbers - seed_means[:, None] - user_means[None, :] + mean
    of_seeds = users * seed_means.var(ddof=1)
    of_users = seeds * user_means.var(ddof=1)
    rest = (residual**2).sum() / ((seeds - 1) * (users - 1))
    rounding = (_ROUNDING * np.abs(numbers).max()) ** 2
    of_seeds, of_users, rest = (square if square > rounding else 0.0 for square in (of_seeds, of_users, rest))
    both = max(of_seeds + of_users - rest, of_seeds, of_users)
    squares = of_seeds**2 / (seeds - 1) + of_users**2 / (users - 1) + rest**2 / ((seeds - 1) * (users - 1))
    freedom = both**2 / squares if both > 0 and squares > 0 else 1.0

    def spread(mean_square: float, freedom: float) -> Spread:
        error = np.sqrt(mean_square / (seeds * users))
        reach = scipy.special.stdtrit(freedom, (1 + level) / 2) * error
        return Spread(float(mean - reach), float(mean + reach), float(error))

    return Components(
        mean=float(mean),
        seed_variance=float(max(0.0, (of_seeds - rest) / users)),
        user_variance=float(max(0.0, (of_users - rest) / seeds)),
        residual_variance=float(rest),
        variance_of_seed_means=float(of_seeds / users),
        over_seeds=spread(of_seeds, seeds - 1),
        over_users=spread(of_users, users - 1),
        over_both=spread(both, freedom),
    )
