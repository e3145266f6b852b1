"""Rows for users never seen, given the items of a fitted model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike

from mfjax import checks
from mfjax.als import features
from mfjax.als.config import Config, check, role_of, table_of
from mfjax.als.half_steps import map_on_one_device, solve_side
from mfjax.als.steps import FeatureMaps
from mfjax.als.storage import WHOLE_TABLES
from mfjax.histories import Side
from mfjax.types import Array, Factors


def fold_in(
    side: Side, model: Factors, config: Config, *, item_counts: ArrayLike, maps: FeatureMaps | None = None
) -> Array:
    """Return rows for users never seen, float [num_rows, width]: the exact minimum given their histories.

    Width is dim, or dim + 2 with biases, when a row is (b_u, 1, u) as in `State.users`. A row without a history is 0,
    or W' f where users have features.

    Args:
        side: `histories.side(interactions)` of the new users, with the item ids of the model.
        model: the fitted model, `factors(state, config)`; its users are not read.
        config: what it was fitted with; its solver is replaced by Cholesky.
        item_counts: float32 [num_items], `data.items.counts` of the training data, which weigh the items.
        maps: `feature_maps(state, data, config)` where users or items were fitted with features; the side then has
            features of the new users, see `features.side_with_features`, if the users had any.

    Raises:
        ValueError: for histories of another number of items than the model's, counts of another number, a model of
            another dim than the config's, with or without its biases, or features that the maps are not of.

    Example:
        >>> import jax, numpy as np
        >>> from mfjax import als, histories
        >>> from mfjax.types import Interactions
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> data, config = histories.build(pairs), Config(dim=2)
        >>> model = als.factors(als.fit(jax.random.key(0), data, config), config)
        >>> newcomer = Interactions(np.array([0]), np.array([1]), np.ones(1, np.float32), 1, 2)
        >>> fold_in(histories.side(newcomer), model, config, item_counts=data.items.counts).shape
        (1, 2)
    """
    check(config)
    checks.kind("side", side, Side, "pass histories.side(interactions) of the new users")
    items = _table("model", model, config)
    num_items = items.shape[0]
    if side.column_counts.shape[0] != num_items:
        raise ValueError(
            f"side: its histories are of {side.column_counts.shape[0]} items, the model has {num_items}; build them "
            "with the item ids and num_items of the training data"
        )
    remedy = "pass data.items.counts of the training data"
    checks.shape("item_counts", item_counts, (num_items,), remedy)
    checks.number("item_counts", item_counts, least=0, remedy=remedy)
    counts = jnp.asarray(item_counts, side.column_counts.dtype)
    exact, side = replace(config, solver="cholesky"), replace(side, column_counts=counts)
    free = role_of(side, exact, "user", items.dtype).free
    start = jnp.zeros((side.num_rows, config.width), items.dtype) + (1.0 - free)[None]
    towards = _towards(side, maps, config, items)
    if maps is not None and maps.items is not None:
        items = features.warm(items, counts, config, "item")
    options: dict[str, Any] = {"map_chunks": map_on_one_device, "storage": WHOLE_TABLES, "towards": towards}
    return solve_side(start, items, side, exact, by="user", measured=jnp.asarray(False), **options)[0]


def _towards(side: Side, maps: FeatureMaps | None, config: Config, items: Array) -> Array | None:
    """Return what the new users shrink towards, [num_rows, width], or None."""
    remedy = "pass maps=als.feature_maps(state, data, config), and features of the new users if the users have a map"
    if maps is not None:
        checks.kind("maps", maps, FeatureMaps, remedy)
    known = None if maps is None else maps.users
    if (known is None) != (side.features is None):
        found = "has features, and maps none of users" if known is None else "has no features, and maps one of users"
        raise ValueError(f"side: {found}; {remedy}")
    if known is None or side.features is None:
        return None
    size = features.num_features(side.features), config.width
    return features.rows(side.features, table_of("maps.users", known, size, remedy).astype(items.dtype))


def _table(name: str, model: Factors, config: Config) -> Array:
    """Return the items of a model as `State.items` has them, [num_items, width]."""
    remedy = "pass als.factors(state, config) of the fitted model"
    checks.kind(name, model, Factors, remedy)
    items = table_of(f"{name}: items", model.items, (None, config.dim), remedy)
    if not config.biases:
        if model.item_biases is not None:
            raise ValueError(f"{name}: has item_biases, but config has biases=False; {remedy}")
        return items
    if model.item_biases is None:
        raise ValueError(f"{name}: has no item_biases, but config has biases=True; {remedy}")
    biases = checks.floats(f"{name}: item_biases", model.item_biases, items.shape[:1], remedy)
    return jnp.concatenate([jnp.ones_like(biases)[:, None], biases[:, None], items], axis=1)
