"""Rows for users never seen, given the items of a fitted model."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp

from mfjax import checks
from mfjax.als.config import Config, check, role_of, table_of
from mfjax.als.half_steps import half_step
from mfjax.histories import Side
from mfjax.types import Array


def fold_in(side: Side, items: Array, config: Config, *, item_counts: Array) -> Array:
    """Return rows for users never seen, float32 [num_rows, width]: the exact minimum given their histories.

    Args:
        side: `histories.side(interactions)` of the new users, with the item ids of the model.
        items: the table `State.items` of the fitted model.
        config: the model; its solver is replaced by Cholesky.
        item_counts: float32 [num_items], `data.items.counts` of the training data, which weigh the items.

    Raises:
        ValueError: for histories of another number of items than the model's, counts of another number, or a table of
            another width than the config's.
    """
    check(config)
    checks.kind("side", side, Side, "pass histories.side(interactions) of the new users")
    items = table_of("items", items, (None, config.width), "pass the table State.items of the fitted model")
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
    return half_step(start, items, side, exact, by="user")
