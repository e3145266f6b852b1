"""Small made-up data and models that the tests of studies share."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from mfjax.data import synthetic
from mfjax.studies import Model
from mfjax.types import Interactions


def pairs(seed: int = 0, *, users: int = 30, items: int = 20, count: int = 240) -> Interactions:
    """Return distinct pairs with times, all values 1."""
    return synthetic.power_law(seed, num_users=users, num_items=items, num_interactions=count)


def ratings(seed: int = 0, **sizes: int) -> Interactions:
    """Return pairs with ratings from 1 to 5."""
    found = pairs(seed, **sizes)
    return found.with_values(np.random.default_rng(seed).integers(1, 6, len(found)).astype(np.float32))


def counting(reg: float = 1.0) -> Model:
    """Return a model without a compiled fit: scores are counts of the items, to a power."""
    return Model(
        fit=lambda key, task, p: same(task.item_counts ** p["power"]),
        defaults={"power": reg},
        random=False,
        folds_in=True,
    )


def same(scores: jax.Array) -> Partial:
    """Return the scorer that gives everybody the same scores; it is compiled once, as a new function would not be."""
    return Partial(_same, scores)


def _same(scores: jax.Array, users: jax.Array) -> jax.Array:
    return jnp.broadcast_to(scores, (len(users), len(scores)))


def pairs_of(part: Interactions) -> set[tuple[int, int]]:
    """Return the pairs as a set."""
    return set(zip(part.users.tolist(), part.items.tolist(), strict=True))


def write_ratings(path: Path, part: Interactions, *, times: bool = True, values: bool = True) -> Path:
    """Write a table with a head, and return its path."""
    columns = {"user_id": part.users, "item_id": part.items}
    if values:
        columns["rating"] = part.values.astype(int)
    if times:
        columns["timestamp"] = part.timestamps
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path
