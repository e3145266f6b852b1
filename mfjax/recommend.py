"""From a model to lists: scores, the k best items of many users, similar items, and why an item was recommended."""

from __future__ import annotations

from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial

from mfjax import agreement, checks, factorisations
from mfjax import candidates as candidate_items
from mfjax.candidates import Candidates
from mfjax.histories import Ragged
from mfjax.selection import largest
from mfjax.types import Array, Factors, Scorer

_LANES = 64  # entries of every list that are excluded in one step


Similarity = Literal["dot", "cosine"]


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
    users = _user_ids(score_block, users, exclude, candidates)
    scores = agreement.table_of_scores(score_block(users), users.shape[0])
    num_items = scores.shape[1]
    allowed = candidate_items.prepared(candidates, num_items)
    if isinstance(allowed, Ragged):
        scores = jnp.where(_membership(allowed, users), scores, -jnp.inf)
    elif allowed is not None:
        scores = jnp.where(allowed[None, :], scores, -jnp.inf)
    if exclude is None:
        return scores
    agreement.lists("exclude", exclude, None, num_items, "the model has")
    return jnp.where(_membership(exclude, users), -jnp.inf, scores)


def _user_ids(score_block: Scorer, users: Any, exclude: Any, candidates: Any) -> Array:
    """Return users as ids that the model and the lists have; the lists have a row for each user of the model."""
    rows = agreement.num_users(score_block)
    for name, lists in (("exclude", exclude), ("candidates", candidates)):
        if isinstance(lists, Ragged) or (name == "exclude" and lists is not None):
            agreement.lists(name, lists, rows, None, "the model has")
            rows = lists.num_rows
    return agreement.user_ids("users", users, rows)


def _membership(lists: Ragged, users: Array) -> Array:
    """Return bool [batch, num_columns], True where the column is in the user's list."""
    start = lists.offsets[users]
    length = lists.offsets[users + 1] - start
    row = jnp.arange(users.shape[0])[:, None]
    lane = jnp.arange(_LANES, dtype=jnp.int32)[None, :]

    # The scatter runs over _LANES entries of every list at a time and ends with the longest list of the block.
    def mark(carry):
        position, members = carry
        entry = position + lane  # [1, _LANES]
        mask = entry < length[:, None]
        ids = lists.ids[jnp.where(mask, start[:, None] + entry, 0)]
        # Padding is sent past the last column, where "drop" ignores it: id 0 may be a real candidate.
        return position + _LANES, members.at[row, jnp.where(mask, ids, lists.num_columns)].set(True, mode="drop")

    members = jnp.zeros((users.shape[0], lists.num_columns), bool)
    return lax.while_loop(lambda carry: carry[0] < length.max(initial=0), mark, (jnp.int32(0), members))[1]


def top_k_block(scores: Array, k: int) -> tuple[Array, Array]:
    """Return the k best columns of every row, best first; ties go to the lower index.

    A place that no item can fill (score -inf, or k above the number of columns) holds id 0 and score -inf:
    `scores > -jnp.inf` is the mask. A NaN score is not hidden: it fills the list, as NaN with id 0.

    Args:
        scores: float [batch, num_items], -inf for items that can not be recommended.
        k: length of the lists.

    Returns:
        ids int32 [batch, k] and scores float [batch, k].

    Raises:
        ValueError: for a k below 1, or scores that are no floats [batch, num_items] with an item.

    Example:
        >>> ids, scores = top_k_block(jnp.array([[1.0, 3.0, -jnp.inf, 3.0]]), k=4)
        >>> ids.tolist(), scores.tolist()
        ([[1, 3, 0, 0]], [[3.0, 3.0, 1.0, -inf]])
    """
    checks.whole("k", k)
    scores = checks.floats("scores", scores, (None, None), "pass floats [batch, num_items]")
    missing = max(k - scores.shape[1], 0)
    best, ids = largest(scores, k - missing)
    best = jnp.pad(best, ((0, 0), (0, missing)), constant_values=-jnp.inf)
    ids = jnp.pad(ids, ((0, 0), (0, missing)))
    return jnp.where(best > -jnp.inf, ids, 0), best


def top_k(
    model: Scorer | Factors,
    users: Array,
    *,
    k: int = 10,
    exclude: Ragged | None = None,
    candidates: Candidates | None = None,
    block_size: int = 256,
) -> tuple[Array, Array]:
    """Return the k best items of every user, best first, in blocks of users of bounded memory.

    Ties go to the lower id. A list shorter than k ends in id 0 with score -inf (`scores > -jnp.inf` is the mask).

    Args:
        model: factors, or any scorer.
        users: int32 [batch], in any order, repeats allowed.
        k: length of the lists.
        exclude: items that are never recommended to a user (row = user id), or None.
        candidates: the items that can be recommended, in any form of `masked_scores`, or None for all.
        block_size: users scored at once; memory is about 3 * block_size * num_items numbers.

    Returns:
        ids int32 [batch, k] and scores float [batch, k].

    Raises:
        ValueError: as `scorer` and `masked_scores`, and for a k or block_size below 1.

    Example:
        >>> factors = Factors(users=jnp.array([[1.0, 2.0]]), items=jnp.array([[3.0, 0.0], [0.0, 4.0], [1.0, 1.0]]))
        >>> import jax
        >>> ids, scores = jax.jit(top_k, static_argnames="k")(factors, jnp.array([0]), k=2)
        >>> ids.tolist(), scores.tolist()
        ([[1, 0]], [[8.0, 3.0]])
    """
    checks.whole("k", k)
    checks.whole("block_size", block_size)
    score_block = scorer(model)
    users = _user_ids(score_block, users, exclude, candidates)
    if candidates is not None:
        candidates = candidate_items.prepared(candidates, agreement.num_items(score_block))
    num_users = users.shape[0]
    size = max(min(block_size, num_users), 1)
    num_blocks = -(-num_users // size)
    blocks = jnp.pad(users, (0, num_blocks * size - num_users)).reshape(num_blocks, size)
    ids, best = lax.map(lambda block: top_k_block(masked_scores(score_block, block, exclude, candidates), k), blocks)
    return ids.reshape(-1, k)[:num_users], best.reshape(-1, k)[:num_users]


def similar_items(
    factors: Factors, items: Array, *, k: int = 10, metric: Similarity = "dot", block_size: int = 256
) -> tuple[Array, Array]:
    r"""Return the k items most similar to each of `items`, never the item itself; biases play no part.

    .. math:: \mathrm{dot}(i, j) = \langle v_i, v_j \rangle \qquad
        \mathrm{cosine}(i, j) = \frac{\langle v_i, v_j \rangle}{\|v_i\| \, \|v_j\|}

    An item with a zero vector has cosine 0 to all. Ties go to the lower id. A list shorter than k ends in id 0 with
    score -inf.

    Args:
        factors: the model.
        items: int32 [batch].
        k: length of the lists.
        metric: "dot" or "cosine".
        block_size: items compared at once.

    Returns:
        ids int32 [batch, k] and similarities float [batch, k], best first.

    Raises:
        ValueError: for an unknown metric, an item outside the model, or a k or block_size below 1.

    Example:
        >>> items = jnp.array([[1.0, 0.0], [9.0, 9.0], [1.0, 0.1]])
        >>> factors = Factors(users=jnp.zeros((1, 2)), items=items)
        >>> similar_items(factors, jnp.array([0]), k=1)[0].tolist()
        [[1]]
        >>> similar_items(factors, jnp.array([0]), k=1, metric="cosine")[0].tolist()
        [[2]]
    """
    checks.choice("metric", metric, get_args(Similarity))
    table = agreement.factors("factors", factors).items
    items = checks.ids("items", items, table.shape[0], "the model's items")
    if metric == "cosine":
        # Scaled by a power of two, which changes no bit of a cosine: squares of 1e-20 and 1e20 are no float32.
        exponent = jnp.frexp(jnp.max(jnp.abs(table), axis=1, keepdims=True, initial=0))[1]
        table = jnp.ldexp(table, -exponent)
        norm = jnp.linalg.norm(table, axis=1, keepdims=True)
        table = table / jnp.where(norm > 0, norm, 1)
    return top_k(Partial(_other_items, table), items, k=k, block_size=block_size)


def _other_items(table: Array, items: Array) -> Array:
    similarity = jnp.matmul(table[items], table.T, precision="highest")  # [batch, num_items]
    return similarity.at[jnp.arange(items.shape[0]), items].set(-jnp.inf)


def explain(
    items: Array,
    history_ids: Array,
    mask: Array,
    quadratic: Array,
    linear: Array,
    background_gramian: Array,
    reg: Array | float,
    item: Array,
) -> Array:
    r"""Return what each entry of a user's history contributes to the score of an item; the sum is the score.

    .. math:: x = A^{-1} \sum_{i \in H} q_i v_i, \quad
        A = G + \sum_{i \in H} a_i v_i v_i' + \mathrm{diag}(\lambda)
        \qquad\Rightarrow\qquad
        \langle x, v_j \rangle = \sum_{i \in H} q_i \, v_i' A^{-1} v_j

    Holds for every objective with this quadratic: its a, q, background G and lambda are the arguments. The sum is the
    score of the row that solves the system exactly (a fold-in), which a fitted table meets once it has converged.
    With biases solved jointly, pass the features [1, v_i] as `items`; the parts of the score that no entry of the
    history explains (mu + b_j) come on top. `jax.vmap` over `item` explains a whole list.

    Args:
        items: float [num_items, dim], the item factors.
        history_ids: int32 [length].
        mask: bool [length], True = real; other entries contribute 0.
        quadratic: float [length], a.
        linear: float [length], q.
        background_gramian: float [dim, dim], w0 * sum_i s_i v_i v_i'; zeros where the objective has none.
        reg: float scalar or [dim], lambda of this user, after scaling by the history's length.
        item: int32 scalar, the item to explain.

    Returns:
        float [length], signed, in the unit of the score.

    Raises:
        ValueError: for an id outside the items, a mask that is not bool, a reg that is negative or not finite, or
            shapes that do not fit.

    Example:
        >>> items = jnp.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> ids, ones = jnp.array([0, 2]), jnp.ones(2)
        >>> parts = explain(items, ids, ones > 0, ones, ones, jnp.zeros((2, 2)), 1.0, jnp.array(1))
        >>> parts.round(4).tolist()
        [0.5, 0.5]

    Source: Hu, Koren, Volinsky (2008), section 5, whose s_ij^u c_ui is `linear_i * v_i' A^-1 v_j`.
    """
    items = checks.floats("items", items, (None, None), "pass the item factors [num_items, dim]")
    num_items, dim = items.shape
    history_ids = checks.ids("history_ids", history_ids, num_items, "the items")
    checks.shape("history_ids", history_ids, (None,), "pass the ids of one history")
    item = checks.ids("item", item, num_items, "the items")
    checks.shape("item", item, (), "pass one item; jax.vmap explains many")
    mask = checks.mask("mask", mask, history_ids.shape)
    for name, entries in (("quadratic", quadratic), ("linear", linear)):
        checks.shape(name, entries, history_ids.shape, "pass one number for each entry of the history")
    checks.shape("background_gramian", background_gramian, (dim, dim), "pass zeros where there is none")
    checks.number("reg", reg, least=0)
    if jnp.ndim(reg):
        checks.shape("reg", reg, (dim,), "pass one number, or one for each coordinate")
    vectors = items[history_ids]  # [length, dim]
    weighted = vectors * jnp.where(mask, quadratic, 0)[:, None]
    normal = background_gramian + jnp.matmul(weighted.T, vectors, precision="highest")
    normal = normal + jnp.diag(jnp.broadcast_to(jnp.asarray(reg, normal.dtype), normal.shape[:1]))
    toward_item = factorisations.solve_positive(normal, items[item])  # A^-1 v_j, [dim]
    return jnp.where(mask, linear, 0) * jnp.matmul(vectors, toward_item, precision="highest")
