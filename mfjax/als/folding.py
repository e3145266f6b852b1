"""Rows for users never seen, given the items of a fitted model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import jax.numpy as jnp
from jax.typing import ArrayLike

from mfjax import checks
from mfjax.als import features
from mfjax.als.config import By, Config, check, role_of, table_of
from mfjax.als.half_steps import map_on_one_device, solve_side
from mfjax.als.steps import FeatureMaps
from mfjax.als.storage import WHOLE_TABLES
from mfjax.histories import Side
from mfjax.types import Array, Factors


def fold_in(
    side: Side,
    model: Factors,
    config: Config,
    *,
    item_counts: ArrayLike,
    maps: FeatureMaps | None = None,
    by: By = "user",
) -> Array:
    """Return rows for users never seen, float [num_rows, width]: the exact minimum given their histories.

    Width is dim, or dim + 2 with biases, when a row is (b_u, 1, u) as in `State.users`. A row without a history is 0,
    or W' f where users have features. With `by="item"` the rows are of items never seen, given the users.

    Args:
        side: `histories.side(interactions)` of the new users, with the item ids of the model.
        model: the fitted model, `factors(state, config)`; the table of the rows is not read.
        config: what it was fitted with; its solver is replaced by Cholesky.
        item_counts: float32 [num_items], `data.items.counts` of the training data, which weigh the items; with
            `by="item"` those of the rows, [num_rows].
        maps: `feature_maps(state, data, config)` where users or items were fitted with features; the side then has
            features of the new users, see `features.side_with_features`, if the users had any.
        by: whose rows are solved (static).

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
    checks.choice("by", by, get_args(By))
    checks.kind("side", side, Side, "pass histories.side(interactions) of the new users")
    other: By = "item" if by == "user" else "user"
    columns = table_for(other, "model", model, config)
    num_columns = columns.shape[0]
    if side.column_counts.shape[0] != num_columns:
        raise ValueError(
            f"side: its histories are of {side.column_counts.shape[0]} {other}s, the model has {num_columns}; build "
            f"them with the {other} ids and num_{other}s of the training data"
        )
    remedy = "pass data.items.counts of the training data"
    checks.shape("item_counts", item_counts, (num_columns if by == "user" else side.num_rows,), remedy)
    checks.number("item_counts", item_counts, least=0, remedy=remedy)
    counts = jnp.asarray(item_counts, side.column_counts.dtype)
    side = replace(side, column_counts=counts) if by == "user" else replace(side, counts=counts)
    exact = replace(config, solver="cholesky")
    free = role_of(side, exact, by, columns.dtype).free
    start = jnp.zeros((side.num_rows, config.width), columns.dtype) + (1.0 - free)[None]
    towards = _towards(side, maps, config, columns, by)
    if maps is not None and getattr(maps, f"{other}s") is not None:
        columns = features.warm(columns, side.column_counts, config, other)
    options: dict[str, Any] = {"map_chunks": map_on_one_device, "storage": WHOLE_TABLES, "towards": towards}
    return solve_side(start, columns, side, exact, by=by, measured=jnp.asarray(False), **options)[0]


def _towards(side: Side, maps: FeatureMaps | None, config: Config, columns: Array, by: By) -> Array | None:
    """Return what the new rows shrink towards, [num_rows, width], or None."""
    remedy = f"pass maps=als.feature_maps(state, data, config), and features of the new {by}s if the {by}s have a map"
    if maps is not None:
        checks.kind("maps", maps, FeatureMaps, remedy)
    known = None if maps is None else getattr(maps, f"{by}s")
    if (known is None) != (side.features is None):
        found = f"has features, and maps none of {by}s" if known is None else f"has no features, and maps one of {by}s"
        raise ValueError(f"side: {found}; {remedy}")
    if known is None or side.features is None:
        return None
    size = features.num_features(side.features), config.width
    return features.rows(side.features, table_of(f"maps.{by}s", known, size, remedy).astype(columns.dtype))


def table_for(by: By, name: str, model: Factors, config: Config) -> Array:
    """Return the table of a side of a model as `State` has it, [rows, width]: (b_u, 1, u) or (1, b_i, v) with biases.

    Raises:
        ValueError: for a model of another dim than the config's, with or without its biases.
    """
    remedy = "pass als.factors(state, config) of the fitted model"
    checks.kind(name, model, Factors, remedy)
    table = table_of(f"{name}: {by}s", getattr(model, f"{by}s"), (None, config.dim), remedy)
    biases = getattr(model, f"{by}_biases")
    if config.biases != (biases is not None):
        found = f"has no {by}_biases, but config has biases=True" if config.biases else f"has {by}_biases, but config "
        raise ValueError(f"{name}: {found}{'' if config.biases else 'has biases=False'}; {remedy}")
    if biases is None:
        return table
    column = checks.floats(f"{name}: {by}_biases", biases, table.shape[:1], remedy)[:, None]
    first = [column, jnp.ones_like(column)] if by == "user" else [jnp.ones_like(column), column]
    return jnp.concatenate([*first, table], axis=1)
