r"""Ranks among sampled items: lists of a target and some negatives, and what such ranks say of the whole catalogue.

A metric of the rank r~ among m sampled negatives is not the metric of the rank r among all n items: it can order
two models the other way round. Where only sampled ranks are at hand, `corrected` estimates the metric of the full
ranking.

Source: Krichene & Rendle, On Sampled Metrics for Item Recommendation (2020).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import checks, compilation
from mfjax.histories import Ragged, agreement
from mfjax.ranking import complement
from mfjax.types import Key

Estimator = Literal["rank", "least-squares"]
"""How a metric of the full ranking is estimated, see `corrected`."""

ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)


def candidates(key: Key, targets: Ragged, *, exclude: Ragged | None = None, num: int = 99) -> Ragged:
    """Return a list for each user: its targets, and `num` other items drawn uniformly without replacement.

    Drawn are items that are neither targets nor in the user's row of `exclude`, all of them where there are no more
    than `num`. A user without targets gets no list.

    Args:
        key: draws the items; those of a user depend on the key and the user alone.
        targets: the relevant items, a row per user.
        exclude: items that are never drawn, such as those seen in train; or None.
        num: items drawn for a user.

    Raises:
        ValueError: for a key that is none, lists of other users or items than the targets', or fewer than one draw.

    Example:
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> tests = ragged(Interactions(np.array([0]), np.array([2]), np.ones(1, np.float32), 1, 50))
        >>> lists = candidates(jax.random.key(0), tests, num=9)
        >>> 2 in lists.ids.tolist(), len(lists.ids)
        (True, 10)
    """
    checks.key("key", key)
    agreement.lists("targets", targets)
    checks.whole("num", num)
    rows, ids = _pairs(targets)
    closed = targets
    if exclude is not None:
        agreement.lists("exclude", exclude, targets.num_rows, targets.num_columns, "targets have")
        more = _pairs(exclude)
        closed = _lists(
            np.concatenate([rows, more[0]]), np.concatenate([ids, more[1]]), targets.num_rows, targets.num_columns
        )
    asked = np.unique(rows)
    num_open = targets.num_columns - np.diff(np.asarray(closed.offsets))[asked]
    wanted = np.minimum(num, num_open)
    # Draws with replacement, of which the first distinct ones are kept: twice as many until every user has enough.
    width = 2 * num
    while True:
        drawn = np.asarray(_draw(key, complement.build(closed), jnp.asarray(asked, jnp.int32), num=width))
        is_new = _first_of_its_kind(drawn) & (num_open > 0)[:, None]
        place = np.cumsum(is_new, axis=1)
        if (place[:, -1] >= wanted).all():
            break
        width *= 2
    kept = is_new & (place <= wanted[:, None])
    users = np.concatenate([np.broadcast_to(asked[:, None], drawn.shape)[kept], rows])
    return _lists(users, np.concatenate([drawn[kept], ids]), targets.num_rows, targets.num_columns)


def _draw(key: Key, open_items: complement.Complement, users: jax.Array, *, num: int) -> jax.Array:
    def words(user: jax.Array) -> jax.Array:
        # Each draw has an address of its own, so that more draws begin with the same ones.
        own = jax.random.fold_in(key, user)
        return jax.vmap(lambda draw: jax.random.bits(jax.random.fold_in(own, draw), (), jnp.uint32))(jnp.arange(num))

    return complement.draw(open_items, jax.vmap(words)(users), users)[0]


_draw = compilation.jit(_draw, static_argnames="num")


def _first_of_its_kind(drawn: np.ndarray) -> np.ndarray:
    """Return where an item comes for the first time in its row, bool [users, draws]."""
    order = np.argsort(drawn, axis=1, kind="stable")
    ordered = np.take_along_axis(drawn, order, axis=1)
    is_new = np.ones(drawn.shape, bool)
    np.put_along_axis(is_new, order[:, 1:], ordered[:, 1:] != ordered[:, :-1], axis=1)
    return is_new


def _pairs(lists: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the ids of lists."""
    offsets = np.asarray(lists.offsets)
    return np.repeat(np.arange(lists.num_rows), np.diff(offsets)), np.asarray(lists.ids)[: offsets[-1]]


def _lists(users: np.ndarray, items: np.ndarray, num_users: int, num_items: int) -> Ragged:
    """Return distinct pairs as lists."""
    pairs = np.unique(users.astype(np.int64) * num_items + items)
    offsets = np.searchsorted(pairs, np.arange(num_users + 1, dtype=np.int64) * num_items).astype(np.int32)
    longest = int(np.diff(offsets).max(initial=0))
    values = np.ones(len(pairs), np.float32)
    return Ragged(
        jnp.asarray(offsets), jnp.asarray((pairs % num_items).astype(np.int32)), jnp.asarray(values), num_items, longest
    )


def corrected(
    metric: Callable[[np.ndarray], np.ndarray],
    *,
    num_items: int,
    num_sampled: int,
    estimator: Estimator = "least-squares",
    variance: float = 0.1,
) -> np.ndarray:
    r"""Return, for each rank among a target and sampled negatives, an estimate of a metric of its rank among all.

    "rank" takes the metric at the unbiased estimate of the rank; "least-squares" the values whose expectation comes
    closest to the metric over all ranks, less a share of their variance:

    .. math:: \hat r = 1 + \frac{(n - 1)(\tilde r - 1)}{m}; \qquad
        \hat M = \arg\min_x \sum_{r=1}^{n} \frac{1}{n} \Big( (E[x_{\tilde r} \mid r] - M(r))^2
        + \gamma\, \mathrm{Var}[x_{\tilde r} \mid r] \Big), \qquad
        \tilde r - 1 \sim \mathrm{Hypergeometric}(n - 1, r - 1, m)

    One target a user, and ranks taken as uniform. The mean of the result over users estimates the mean metric of the
    full ranking; a single user's value does not.

    Args:
        metric: ranks int [...] from 1 -> values, such as `lambda rank: (rank <= 10) / np.log2(rank + 1)`.
        num_items: n, the items that the target would be ranked among, itself included.
        num_sampled: m, the negatives drawn, without replacement.
        estimator: one of ESTIMATORS.
        variance: gamma >= 0, for least squares: larger values are steadier and more biased.

    Returns:
        float64 [m + 1]; entry r - 1 belongs to the sampled rank r.

    Raises:
        ValueError: for an unknown estimator, sizes below 1 or fewer than two items, or a negative variance.

    Example:
        >>> hit = corrected(lambda rank: rank <= 10.0, num_items=1000, num_sampled=99)
        >>> hit.shape, bool(hit[0] > hit[1] > 0)
        ((100,), True)

    Source: Krichene & Rendle 2020, sections 5.1 (rank) and 5.3 (bias and variance).
    """
    import scipy.stats  # a second to import

    checks.choice("estimator", estimator, ESTIMATORS)
    checks.whole("num_items", num_items, least=2)
    checks.whole("num_sampled", num_sampled)
    checks.number("variance", variance, least=0)
    checks.function("metric", metric, "pass a function of ranks")
    places = np.arange(num_sampled + 1)  # r~ - 1
    if estimator == "rank":
        return np.asarray(metric(1 + (num_items - 1) * places / num_sampled), np.float64)
    if num_sampled >= num_items:
        raise ValueError(f"num_sampled: {num_sampled} of {num_items - 1} other items; pass fewer")
    ranks = np.arange(num_items)  # r - 1
    chance = np.asarray(scipy.stats.hypergeom.pmf(places, num_items - 1, ranks[:, None], num_sampled))  # [n, m + 1]
    wanted = np.asarray(metric(ranks + 1), np.float64)
    # E[x]^2 (1 - gamma) + gamma E[x^2] - 2 E[x] M, summed over ranks: a quadratic in x.
    quadratic = (1 - variance) * chance.T @ chance + variance * np.diag(chance.sum(0))
    return np.linalg.lstsq(quadratic, chance.T @ wanted, rcond=None)[0]
