"""What must agree: the tables of a model with one another, lists and ids with a model. Shapes and dtypes, no values."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from mfjax import checks
from mfjax.histories.packed import Histories
from mfjax.histories.ragged import Ragged
from mfjax.types import Factors, Interactions, describe

ANY_ROW = 2**31 - 1
"""The number of users of a scorer that does not say how many it has."""


def factors(name: str, value: Any) -> Factors:
    """Return `value` as Factors of JAX arrays whose shapes fit together.

    Args:
        name: of the argument, for the message.
        value: the Factors; arrays of numpy or JAX, traced or not.

    Raises:
        ValueError: for another kind, a table that is no float [rows, dim], two dims, a bias that is not one float a
            row, or an offset that is no scalar.

    Example:
        >>> factors("model", Factors(jnp.ones((3, 2)), jnp.ones((4, 5))))
        Traceback (most recent call last):
        ...
        ValueError: model.items: 5 columns, but users have 2; pass the tables of one fit
    """
    checks.kind(name, value, Factors, "pass Factors, such as als.factors(state, config)")
    remedy = "pass the tables of one fit"
    found: dict[str, Any] = {}
    for side in ("users", "items"):
        table = found[side] = checks.floats(f"{name}.{side}", getattr(value, side), (None, None), remedy)
        biases = getattr(value, f"{side[:-1]}_biases")
        if biases is not None:
            name_of_biases = f"{name}.{side[:-1]}_biases"
            found[f"{side[:-1]}_biases"] = checks.floats(name_of_biases, biases, table.shape[:1], remedy)
    if found["users"].shape[1] != found["items"].shape[1]:
        dims = found["items"].shape[1], found["users"].shape[1]
        raise ValueError(f"{name}.items: {dims[0]} columns, but users have {dims[1]}; {remedy}")
    if value.offset is not None:
        found["offset"] = _scalar(f"{name}.offset", value.offset)
    return Factors(**found)


def _scalar(name: str, value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return checks.floats(name, np.asarray(value) if isinstance(value, np.generic) else value, (), "pass one float")


def lists(name: str, value: Any, num_rows: int | None = None, num_columns: int | None = None, of: str = "") -> None:
    """Raise ValueError unless `value` is a Ragged with as many rows (users) and columns (items) as `of` has.

    Args:
        name: of the argument, for the message.
        value: the lists.
        num_rows, num_columns: wanted; None for any.
        of: what has as many, with its verb, for the message.

    Example:
        >>> lists("exclude", Ragged(jnp.array([0, 1]), jnp.array([0]), jnp.ones(1), 5, 1), 3, 5, "targets have")
        Traceback (most recent call last):
        ...
        ValueError: exclude: has 1 users and 5 items, but targets have 3 and 5; build both in the same id spaces
    """
    what = "Interactions" if isinstance(value, Interactions) else "what you have, as Interactions,"
    checks.kind(name, value, Ragged, f"pass the lists that histories.ragged makes of {what} a row per user")
    kinds = {"offsets": jnp.integer, "ids": jnp.integer, "values": jnp.floating}
    if value.weights is not None:
        kinds["weights"] = jnp.floating
    for part, kind in kinds.items():
        array = getattr(value, part)
        if not hasattr(array, "dtype") or array.ndim != 1 or not jnp.issubdtype(array.dtype, kind):
            raise ValueError(f"{name}.{part}: {describe(array)} is no list of numbers; pass histories.ragged(...)")
    rows, columns = value.num_rows, value.num_columns
    wanted = (rows if num_rows is None else num_rows), (columns if num_columns is None else num_columns)
    if (rows, columns) != wanted:
        raise ValueError(
            f"{name}: has {rows} users and {columns} items, but {of} {wanted[0]} and {wanted[1]}; "
            "build both in the same id spaces"
        )


def no_weights(name: str, value: Any) -> None:
    """Raise ValueError if interactions, lists or packed histories have weights, for a model that knows none.

    Example:
        >>> pairs = Interactions(np.array([0]), np.array([0]), np.ones(1), 1, 1, weights=np.ones(1))
        >>> no_weights("interactions", pairs)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: interactions: has weights, which this model would ignore; build it of ...
    """
    sides = (value.users, value.items) if isinstance(value, Histories) else ()
    parts = [block for side in sides for block in side.blocks] or [value]
    if any(part.weights is not None for part in parts):
        raise ValueError(
            f"{name}: has weights, which this model would ignore; build it of replace(interactions, weights=None), "
            "or in `mfjax study` leave out --weight"
        )


def num_users(scorer: Any) -> int | None:
    """Return the number of users that a model or a scorer of this package has rows for, None where nobody knows.

    Example:
        >>> num_users(Factors(jnp.ones((3, 2)), jnp.ones((4, 2))))
        3
    """
    if isinstance(scorer, Factors):
        return scorer.users.shape[0]
    if type(getattr(scorer, "num_users", None)) is int:
        return scorer.num_users
    if not (isinstance(scorer, Partial) and str(getattr(scorer.func, "__module__", "")).startswith("mfjax.")):
        return None
    parts = [num_users(part) for part in scorer.args] + [p.num_rows for p in scorer.args if isinstance(p, Ragged)]
    return min((rows for rows in parts if rows is not None), default=None)


def user_ids(name: str, users: Any, *sizes: int | None) -> jax.Array:
    """Return `users` as int32 [batch], ids below every one of the `sizes` that is known.

    Raises:
        ValueError: for what are no ids, another number of dimensions, or an id outside.

    Example:
        >>> user_ids("users", [0, 3], 5, None, 3)
        Traceback (most recent call last):
        ...
        ValueError: users: id 3 is outside 0..2, the users of the model and its lists; map raw ids with a Vocabulary
    """
    size = min((size for size in sizes if size is not None), default=ANY_ROW)
    found = checks.ids(name, users, size, "the users of the model and its lists")
    checks.shape(name, found, (None,), "pass a one-dimensional array of user ids, such as jnp.array([0])")
    return found


def num_items(scorer: Any) -> int:
    """Return the number of items that a model or a scorer scores, without a score being computed.

    Example:
        >>> num_items(Partial(lambda users: jnp.ones((len(users), 7))))
        7
    """
    if isinstance(scorer, Factors):
        return scorer.items.shape[0]
    return table_of_scores(jax.eval_shape(_applied, scorer, jax.ShapeDtypeStruct((1,), jnp.int32)), 1).shape[1]


def _applied(scorer: Any, users: jax.Array) -> Any:
    return scorer(users)


def table_of_scores(scores: Any, batch: int, num_items: int | None = None, of: str = "") -> jax.Array:
    """Return what a scorer gave for `batch` users, float [batch, num_items]; raise ValueError for anything else."""
    remedy = "a scorer maps user ids [batch] to floats [batch, num_items]"
    scores = checks.floats("model", scores, (batch, None), remedy)
    if num_items is not None and scores.shape[1] != num_items:
        raise ValueError(
            f"model: scores {scores.shape[1]} items, but {of} {num_items}; pass a model of the same id space"
        )
    return scores
