"""Why an item was recommended: what every entry of a history contributes to its score."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from mfjax import checks, factorisations
from mfjax.als import features
from mfjax.als.config import Config, check, regularization
from mfjax.als.folding import table_for
from mfjax.als.steps import FeatureMaps
from mfjax.histories import Ragged, agreement
from mfjax.types import Array, Factors


def explain(
    model: Factors,
    history: Ragged,
    config: Config,
    *,
    user: ArrayLike,
    items: ArrayLike,
    item_counts: ArrayLike,
    maps: FeatureMaps | None = None,
    towards: Array | None = None,
) -> Array:
    r"""Return what each entry of a user's history contributes to the scores of items; each row sums up to the score.

    .. math:: s(u, j) = \sum_{i \in H_u} q_i \, v_i' A_u^{-1} v_j + \text{rest}

    with a, q and the background of the objective, as in `contributions`, jointly with the user's bias where there are
    biases. The rest is what no entry explains: the offset, the item's bias, with biases the background's share, and
    with features of users what the row shrinks towards. The score is that of the row that `fold_in` gives, which a
    fitted row comes to as the fit converges.

    Args:
        model: `factors(state, config)`; its users are not read.
        history: the lists of users, by the item ids of the model.
        config: what the model was fitted with.
        user: int32 scalar, the row of `history`.
        items: int32 [n], the items to explain.
        item_counts: float32 [num_items], `data.items.counts` of the training data, which weigh the items.
        maps: `feature_maps(state, data, config)` where users or items were fitted with features.
        towards: float [width], `features.rows` of the user's features, where `maps` has one of users.

    Returns:
        float [n, history.longest + 1]: the entries of the history in its order, 0 on padding, and last the rest.

    Raises:
        ValueError: for a model, counts or histories that do not fit one another, and ids outside them.

    Example:
        >>> import numpy as np
        >>> from mfjax import als, histories
        >>> from mfjax.types import Interactions
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> data, config = histories.build(pairs), Config(dim=2)
        >>> model = als.factors(als.fit(jax.random.key(0), data, config), config)
        >>> counts = data.items.counts
        >>> explain(model, histories.ragged(pairs), config, user=0, items=[0, 1], item_counts=counts).shape
        (2, 3)

    Source: Hu, Koren, Volinsky (2008), section 5.
    """
    check(config)
    table = table_for("item", "model", model, config)  # [num_items, width]
    num_items = table.shape[0]
    agreement.lists("history", history, None, num_items, "the model has")
    user = checks.ids("user", user, history.num_rows, "the history's users")
    checks.shape("user", user, (), "pass one user")
    asked = checks.ids("items", items, num_items, "the model's items")
    checks.shape("items", asked, (None,), "pass a list of items")
    checks.shape("item_counts", item_counts, (num_items,), "pass data.items.counts of the training data")
    counts = jnp.asarray(item_counts, table.dtype)
    targets = table[asked]
    if maps is not None and maps.items is not None:
        table = features.warm(table, counts, config, "item")
    return _explained(table, targets, history, config, user[None], counts, towards, model.offset)


def _explained(
    table: Array,
    targets: Array,
    history: Ragged,
    config: Config,
    user: Array,
    counts: Array,
    towards: Array | None,
    offset: Array | None,
) -> Array:
    ids, values, mask = (part[0] for part in history.rows(user))
    sure = history.weights_of(user)
    entry = config.objective.numbers(values, counts[ids], None if sure is None else sure[0])
    weights = config.objective.item_weights(counts)
    products = jnp.matmul(table.T, weights[:, None] * table, precision="highest")
    background = config.objective.unobserved_weight * products
    strength = regularization(jnp.sum(mask, dtype=table.dtype), jnp.sum(weights), config)
    reg = strength * _ridge(config, table.dtype)
    free = np.arange(config.width) != (1 if config.biases else -1)
    # The coordinate that is held at 1 moves to the right: the item's bias, at each entry and in the background.
    held = table[:, 1] if config.biases else jnp.zeros(len(table), table.dtype)
    linear = entry.linear - entry.quadratic * held[ids]
    rest = background[free][:, 1] if config.biases else jnp.zeros(config.width, table.dtype)
    if towards is not None:
        rest = rest - reg * towards[free]
    # The rest is that of one more entry, with a = 0 and q = -1.
    vectors = jnp.concatenate([table[:, free], rest[None], targets[:, free]])
    one, each = jnp.ones(1, table.dtype), partial(jnp.broadcast_to, shape=ids.shape)
    of = jax.vmap(contributions, (None,) * 7 + (0,))
    parts = of(
        vectors,
        jnp.append(ids, len(table)),
        jnp.append(mask, True),
        jnp.concatenate([each(entry.quadratic), 0 * one]),
        jnp.concatenate([each(linear), -one]),
        background[free][:, free],
        reg,
        len(table) + 1 + jnp.arange(len(targets)),
    )
    alone = targets[:, 1] if config.biases else jnp.zeros(len(targets), table.dtype)
    return parts.at[:, -1].add(alone + (0 if offset is None else offset))


def _ridge(config: Config, dtype: Any) -> Array:
    """Return lambda of each coordinate that is solved for."""
    reg = jnp.full(config.dim, config.reg, dtype)
    return jnp.concatenate([jnp.full(1, config.bias_reg, dtype), reg]) if config.biases else reg


def contributions(
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
    `explain` prepares these numbers from a config. With biases solved jointly, pass the features [1, v_i] as `items`;
    the parts of the score that no entry of the history explains (mu + b_j) come on top. `jax.vmap` over `item`
    explains a whole list.

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
        >>> parts = contributions(items, ids, ones > 0, ones, ones, jnp.zeros((2, 2)), 1.0, jnp.array(1))
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
