"""Why an item was recommended: what every entry of a history contributes to its score."""

from __future__ import annotations

import jax.numpy as jnp

from mfjax import checks, factorisations
from mfjax.types import Array


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
        quadratic: float [length], a; `config.objective.numbers(values, item_counts, weights)` has both.
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
