"""From a model to scores: of all items, of pairs, and with what is not to be recommended at -inf."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial
from jax.typing import ArrayLike

from mfjax import checks
from mfjax.histories import Ragged, agreement
from mfjax.recommend.candidates import Candidates, prepared
from mfjax.types import Array, Factors, Scorer


def scorer(model: Factors | Scorer) -> Scorer:
    r"""Return the scorer of a factor model, user ids -> scores of all items.

    .. math:: s(u, i) = \langle x_u, v_i \rangle + b_u + b_i + \mu

    Scores are computed as XLA does: on a CPU a product below 1.2e-38 in size is 0, so that factors as small as 1e-20
    tie all items. The order of such scores counts where a scorer has them from elsewhere.

    Args:
        model: factors, or a function of user ids int32 [batch] to scores float [batch, num_items]. One that is a
            pytree stays as it is; a plain function is wrapped in a `Partial`, so that it crosses `jit`. One and the
            same function is compiled once.

    Raises:
        ValueError: for factors whose shapes do not fit together, and for what is neither.

    Example:
        >>> factors = Factors(users=jnp.array([[1.0, 2.0]]), items=jnp.array([[3.0, 0.0], [0.0, 4.0]]))
        >>> scorer(factors)(jnp.array([0])).tolist()
        [[3.0, 8.0]]
        >>> scorer(lambda users: jnp.ones((len(users), 3)))(jnp.array([0])).tolist()
        [[1.0, 1.0, 1.0]]
    """
    if isinstance(model, Factors):
        return Partial(_all_items, agreement.factors("model", model))
    if not callable(model) or isinstance(model, type):
        raise ValueError(
            f"model: a {type(model).__name__} is neither Factors nor a function of user ids; "
            "pass Factors, such as als.factors(state, config), or a function user ids -> scores"
        )
    if not jax.tree_util.all_leaves([model]):
        return model
    try:
        hash(model)
    except TypeError:
        return Partial(getattr(model, "__call__"))  # noqa: B004, B009 - a method, compared by the identity of its object
    return Partial(model)


def _all_items(factors: Factors, users: Array) -> Array:
    scores = jnp.matmul(factors.users[users], factors.items.T, precision="highest")  # [batch, num_items]
    if factors.user_biases is not None:
        scores = scores + factors.user_biases[users][:, None]
    if factors.item_biases is not None:
        scores = scores + factors.item_biases[None, :]
    return scores if factors.offset is None else scores + factors.offset


def score(factors: Factors, users: Array, items: Array) -> Array:
    r"""Return the score of each pair (users[n], items[n]).

    .. math:: s(u, i) = \langle x_u, v_i \rangle + b_u + b_i + \mu

    Args:
        factors: the model; absent biases and offset count as zero.
        users: int32 [...], user ids.
        items: int32 [...], item ids, of the same shape.

    Returns:
        float [...].

    Raises:
        ValueError: for an id outside the tables (where ids can be seen: not within `jit`), two shapes, or factors
            that do not fit together.

    Example:
        >>> factors = Factors(jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 0.0], [0.0, 4.0]]), offset=jnp.array(0.5))
        >>> score(factors, jnp.array([0, 0]), jnp.array([1, 0])).tolist()
        [8.5, 3.5]
    """
    factors = agreement.factors("factors", factors)
    users = checks.ids("users", users, factors.users.shape[0], "the model's users")
    items = checks.ids("items", items, factors.items.shape[0], "the model's items")
    checks.shape("items", items, users.shape, "pass one item for each user")
    scores = jnp.einsum("...d,...d->...", factors.users[users], factors.items[items], precision="highest")
    if factors.user_biases is not None:
        scores = scores + factors.user_biases[users]
    if factors.item_biases is not None:
        scores = scores + factors.item_biases[items]
    return scores if factors.offset is None else scores + factors.offset


def masked_scores(
    model: Scorer | Factors, users: Array, exclude: Ragged | None = None, candidates: Candidates | None = None
) -> Array:
    """Return the scores of one block of users, -inf where an item can not be recommended.

    Args:
        model: factors, or any scorer.
        users: int32 [batch].
        exclude: items that are never recommended to a user (row = user id), or None.
        candidates: the items that can be recommended: bool [num_items] or distinct ids int32 [n] for anybody, or a
            list for each user (a `Ragged`, row = user id); None for all.

    Returns:
        float [batch, num_items]. The cost of lists per user is batch times the longest of this block.

    Raises:
        ValueError: for ids outside the model and its lists (where they can be seen), lists or candidates of another
            id space, and scores that are no floats [batch, num_items].

    Example:
        >>> factors = Factors(users=jnp.array([[1.0, 2.0]]), items=jnp.array([[3.0, 0.0], [0.0, 4.0]]))
        >>> masked_scores(scorer(factors), jnp.array([0]), candidates=jnp.array([True, False])).tolist()
        [[3.0, -inf]]
    """
    score_block = scorer(model)
    users = user_ids(score_block, users, exclude, candidates)
    scores = agreement.table_of_scores(score_block(users), users.shape[0])
    num_items = scores.shape[1]
    allowed = prepared(candidates, num_items)
    if isinstance(allowed, Ragged):
        scores = jnp.where(_membership(allowed, users), scores, -jnp.inf)
    elif allowed is not None:
        scores = jnp.where(allowed[None, :], scores, -jnp.inf)
    if exclude is None:
        return scores
    agreement.lists("exclude", exclude, None, num_items, "the model has")
    return jnp.where(_membership(exclude, users), -jnp.inf, scores)


def user_ids(
    score_block: Scorer, users: ArrayLike, exclude: Ragged | None, candidates: Candidates | ArrayLike | None
) -> Array:
    """Return users as ids that the model and the lists have; the lists have a row for each user of the model."""
    rows = agreement.num_users(score_block)
    per_user = candidates if isinstance(candidates, Ragged) else None
    for name, lists in (("exclude", exclude), ("candidates", per_user)):
        if lists is not None:
            agreement.lists(name, lists, rows, None, "the model has")
            rows = lists.num_rows
    return agreement.user_ids("users", users, rows)


LANES = 64
"""Entries of every list that are looked at in one step of `_membership`."""


def _membership(lists: Ragged, users: Array) -> Array:
    """Return bool [batch, num_columns], True where the column is in the user's list."""
    start = lists.offsets[users]
    length = lists.offsets[users + 1] - start
    row = jnp.arange(users.shape[0])[:, None]
    lane = jnp.arange(LANES, dtype=jnp.int32)[None, :]

    # The scatter runs over LANES entries of every list at a time and ends with the longest list of the block.
    def mark(carry, lane=lane):
        position, members = carry
        entry = position + lane  # [1, LANES]
        mask = entry < length[:, None]
        ids = lists.ids[jnp.where(mask, start[:, None] + entry, 0)]
        # Padding is sent past the last column, where "drop" ignores it: id 0 may be a real candidate.
        return position + LANES, members.at[row, jnp.where(mask, ids, lists.num_columns)].set(True, mode="drop")

    members = jnp.zeros((users.shape[0], lists.num_columns), bool)

    def until_the_longest(members):
        return lax.while_loop(lambda carry: carry[0] < length.max(initial=0), mark, (jnp.int32(0), members))[1]

    def all_at_once(members):
        return mark((jnp.int32(0), members), jnp.arange(lists.longest, dtype=jnp.int32)[None, :])[1]

    # Other devices would wait for the host in every turn of a loop of unknown length.
    return lax.platform_dependent(members, cpu=until_the_longest, default=all_at_once)
