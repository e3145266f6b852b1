"""Rows for new users of a ranking-trained model: one small convex problem a user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.sparse.linalg import cg

from mfjax import checks, compilation
from mfjax.histories import Ragged
from mfjax.ranking import sampling
from mfjax.ranking.objective import Lambdas, Rows, objective, unit
from mfjax.ranking.sampler import Sampler, no_scores
from mfjax.ranking.values import Config, check_config, check_likes
from mfjax.types import Array, Factors, Key

SHORT = 16
"""Histories up to this length are one group."""
_HALVINGS = 8
_MOST_CG = 8
"""Steps of conjugate gradient in a Newton step: the next one goes on, and more of them were no better."""


def fold_in(
    key: Key,
    positives: Ragged,
    model: Factors,
    config: Config,
    *,
    num_negatives: int = 1024,
    num_steps: int = 8,
    block_size: int = 16,
) -> Array:
    r"""Return rows for users never seen, float [num_rows, dim], the items of the model held fixed.

    .. math:: x_u = \arg\min_x \sum_{i \in H_u} \Big( \ell(s_{i}, s_{j}, w_j) + \frac{\lambda_u}{2} \|x\|^2 \Big),
        \qquad s_i = \langle x, v_i \rangle + b_i

    and with cosine scores x divided by its length in place of x: rows then have the length 1, and steps start from the
    mean of the history's items.

    with uniform negatives j, drawn once for a user, whose entries share them. Newton steps, each by at most eight steps
    of conjugate gradient and as long as the best of 1, 1/2, .., 1/128 of itself, or nothing when none of them is an
    improvement: the value never rises. The losses `bpr` and `softmax` are convex in x and converge in a few steps;
    others go downhill as far as it goes. A user without history, or who has seen every item, gets zeros.

    Args:
        key: draws the negatives; a user's depend on the key and the row alone.
        positives: the items that each new user has taken, ids of the model's items, all of a value above 0.
        model: the fitted model, `factors(state, config)`; its users are not read.
        config: what it was trained with: its loss, and lambda_u, which is `reg_user`.
        num_negatives: draws for each user (static).
        num_steps: Newton steps (static).
        block_size: users solved at once; memory is block_size * longest * (num_negatives + dim) numbers. Users are
            solved in groups of histories of similar length, but within `jit`, where lengths can not be seen.

    Returns:
        Rows of the dtype of the model's items.

    Raises:
        ValueError: for positives of another kind, of another number of items than the model's, with weights, or with a
            value that is 0, negative or NaN, where it can be seen; for a model of another dim than the config's, and
            numbers out of range.

    Example:
        >>> from mfjax.ranking import losses
        >>> config = Config(dim=2, loss=losses.bpr, reg_user=0.5)
        >>> model = Factors(jnp.zeros((1, 2)), jnp.array([[1.0, 0.0], [0.0, 1.0]]))
        >>> newcomer = Ragged(jnp.array([0, 1]), jnp.array([0]), jnp.ones(1), num_columns=2, longest=1)
        >>> users = fold_in(jax.random.key(0), newcomer, model, config)
        >>> bool(abs(users[0, 0] + users[0, 1]) < 1e-6), bool(users[0, 0] > 0)
        (True, True)
    """
    checks.key("key", key)
    check_likes("positives", positives)
    num_items = positives.num_columns
    checks.kind("model", model, Factors, "pass the factors of ranking.factors(state, config)")
    remedy = "pass histories.ragged of the ids that the model was fitted on"
    check_config(config)
    checks.floats("model: items", model.items, (num_items, config.dim), remedy)
    if model.item_biases is not None:
        checks.floats("model: item_biases", model.item_biases, (num_items,), remedy)
    checks.whole("num_negatives", num_negatives, remedy="pass the number of negatives a user")
    checks.whole("num_steps", num_steps, remedy="pass the number of Newton steps")
    checks.whole("block_size", block_size, remedy="pass the number of users solved at once")
    how = {"num_negatives": num_negatives, "num_steps": num_steps, "block_size": block_size}
    sampler = sampling.uniform(positives, num=num_negatives)
    lengths = checks.seen(positives.lengths())
    if lengths is None:
        users = jnp.arange(positives.num_rows, dtype=jnp.int32)
        return _solved(key, users, positives, sampler, model, config, **how)
    found = jnp.zeros((positives.num_rows, config.dim), model.items.dtype)
    for longest, users in _by_length(lengths):
        lists = replace(positives, longest=longest)
        found = found.at[users].set(_compiled(key, users, lists, sampler, model, config, **how))
    return found


def _by_length(lengths: np.ndarray) -> Iterator[tuple[int, Array]]:
    """Return the users with a history in groups, each with a power of two that none of its histories exceeds."""
    longest = 1 << np.ceil(np.log2(np.maximum(lengths, SHORT))).astype(np.int64)
    for size in np.unique(longest[lengths > 0]).tolist():
        yield size, jnp.asarray(np.flatnonzero((longest == size) & (lengths > 0)), jnp.int32)


def _solved(
    key: Key,
    users: Array,
    positives: Ragged,
    sampler: Sampler,
    model: Factors,
    config: Config,
    *,
    num_negatives: int,
    num_steps: int,
    block_size: int,
) -> Array:
    """Return the rows of some users, [users, dim], whose histories are no longer than `positives.longest`."""
    dtype, (num_items, dim) = model.items.dtype, model.items.shape
    lambdas = Lambdas(config.reg_user, 0.0, 0.0, 0.0)
    biases = jnp.zeros(num_items, dtype) if model.item_biases is None else model.item_biases
    is_cosine = config.score == "cosine"
    embed = unit if is_cosine else _as_it_is

    def solve(user: Array) -> Array:
        ids, _, mask = (part[0] for part in positives.rows(user[None]))  # [longest]
        words = jax.random.bits(jax.random.fold_in(key, user), (1, num_negatives), jnp.uint32)
        negatives = sampler(words, user[None], ids[:1], no_scores)
        drawn = negatives.ids[0]
        weights = jnp.where(mask[:, None], negatives.weights, 0.0)  # [longest, num_negatives]
        rows = Rows(jnp.zeros((), dtype), model.items[ids], model.items[drawn], biases[ids], biases[drawn])

        def value(x: Array) -> Array:
            of_user = jnp.broadcast_to(x[None, :], rows.positive.shape)
            return objective(rows._replace(user=of_user), weights, config.loss, lambdas)

        counts = jnp.any(weights > 0, axis=1).astype(dtype)  # [longest]
        start = embed(jnp.matmul(counts, rows.positive, precision="highest")) if is_cosine else jnp.zeros(dim, dtype)
        return embed(lax.fori_loop(0, num_steps, lambda _, x: _newton(value, embed, x), start))

    return lax.map(solve, users, batch_size=block_size)


_compiled = compilation.jit(_solved, static_argnames=("num_negatives", "num_steps", "block_size"))


def _as_it_is(x: Array) -> Array:
    return x


def _newton(value: Callable[[Array], Array], embed: Callable[[Array], Array], x: Array) -> Array:
    """Return the best of x and the points along the Newton direction of x -> value(embed(x)), Gauss' where embed bends:
    the curvature of the value alone, so that a convex value gives a way down."""
    at, forward = jax.linearize(embed, x)
    back = jax.linear_transpose(forward, x)
    slope, curvature = jax.linearize(jax.grad(value), at)
    hessian = lambda step: back(curvature(forward(step)))[0]  # noqa: E731
    direction, _ = cg(hessian, -back(slope)[0], maxiter=min(x.shape[0], _MOST_CG))
    sizes = jnp.concatenate([jnp.zeros(1, x.dtype), (0.5 ** jnp.arange(_HALVINGS)).astype(x.dtype)])
    points = x[None, :] + sizes[:, None] * direction[None, :]
    values = lax.map(lambda point: value(embed(point)), points)
    return points[jnp.argmin(jnp.where(jnp.isnan(values), jnp.inf, values))]
