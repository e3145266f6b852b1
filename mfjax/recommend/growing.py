"""What was learned, with rows for more users: one rule for each kind of model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mfjax import als, ranking
from mfjax.baselines import Linear, Popularity, svd
from mfjax.histories import Ragged, ragged
from mfjax.recommend.parts import STAGES, name_of, pairs_of
from mfjax.recommend.rows import by_projection, by_ranking, least_squares, tables_of
from mfjax.recommend.two_stage import TwoStages
from mfjax.types import Array, Factors, Interactions, Key, Scorer


class Newcomers(NamedTuple):
    """The users to add, in the id spaces of the model with them.

    Attributes:
        pairs: their histories.
        places: their rows, ascending, int64.
        old: the rows of the users before, int64.
        key: draws the negatives of a ranking loss.
        counts: returns the counts that least squares weighs items by, float32 [num_items], or refuses.
        maps, features: those of least squares with features; features of all users.
    """

    pairs: Interactions
    places: np.ndarray
    old: np.ndarray
    key: Key
    counts: Callable[[], np.ndarray]
    maps: als.FeatureMaps | None
    features: Array | Ragged | None


def counted(learned: Factors | Scorer, more: np.ndarray) -> Factors | Scorer:
    """Return what was learned with more interactions of each item, [num_items], where it is their number."""
    if isinstance(learned, TwoStages):
        return replace(learned, **{name: counted(getattr(learned, name), more) for name in STAGES})  # type: ignore[arg-type]
    return Popularity(learned.counts + more) if isinstance(learned, Popularity) else learned


def with_users(learned: Factors | Scorer, config: Any, new: Newcomers) -> Factors | Scorer:
    """Return what was learned with the rows of newcomers, all others as they were, to the bit.

    Raises:
        ValueError: for a kind that has no rule.
    """
    if isinstance(learned, TwoStages):
        configs = config if isinstance(config, tuple) else (config, config)
        stages = {name: with_users(getattr(learned, name), one, new) for name, one in zip(STAGES, configs, strict=True)}
        exclude = None if learned.exclude is None else _with_lists(learned.exclude, new)
        return TwoStages(**stages, exclude=exclude, candidates=learned.candidates)
    if isinstance(learned, Linear):
        return replace(learned, history=_with_lists(learned.history, new))
    if isinstance(learned, Popularity):
        return learned
    if not isinstance(learned, Factors):
        raise ValueError(
            f"learned: a {type(learned).__name__} says nothing about its users, so that none can be folded in; "
            "pass factors, or a scorer of mfjax.baselines or recommend.two_stage"
        )
    return _with_rows(learned, config, new)


def _with_rows(factors: Factors, config: Any, new: Newcomers) -> Factors:
    if isinstance(config, als.Config):
        how: dict[str, Any] = {"item_counts": new.counts(), "maps": new.maps, "features": new.features}
        solved = least_squares(new.pairs, factors, config, new.places, by="user", **how)
        return _joined(factors, _spread(solved, new), config.biases, new.old)
    if isinstance(config, ranking.Config):
        solved = by_ranking(new.key, _alone(new), factors, config)
        return _joined(factors, _spread(solved, new), False, new.old)
    if isinstance(config, svd.Config):
        found = by_projection(_alone(new), factors, config)
        rows = np.concatenate([np.asarray(found.user_biases)[:, None], np.zeros((len(new.places), 1)), found.users], 1)
        return _joined(factors, _spread(rows.astype(np.asarray(found.users).dtype), new), True, new.old)
    if factors.users.shape[1] == 0 and factors.user_biases is None:
        return factors._replace(users=jnp.zeros((new.pairs.num_users, 0), factors.users.dtype))
    raise ValueError(
        f"config: {name_of(config)} does not say how rows of users are solved; give the model the als.Config, "
        "ranking.Config or svd.Config that it was fitted with"
    )


def _alone(new: Newcomers) -> Interactions:
    """Return the histories of the newcomers as users 0, 1, ..., in the order of their raw ids."""
    users = np.searchsorted(new.places, new.pairs.users).astype(np.int32)
    return replace(new.pairs, users=users, num_users=len(new.places))


def _spread(rows: np.ndarray, new: Newcomers) -> np.ndarray:
    table = np.zeros((new.pairs.num_users, rows.shape[1]), rows.dtype)
    table[new.places] = rows
    return table


def _joined(factors: Factors, table: np.ndarray, biases: bool, old: np.ndarray) -> Factors:
    """Return factors with the users of a table (b_u, 1, u), or without biases (u), and their own where they were."""
    rows = table.copy()
    rows[old] = tables_of(factors, biases)["user"]
    if not biases:
        return factors._replace(users=jnp.asarray(rows))
    return factors._replace(users=jnp.asarray(rows[:, 2:]), user_biases=jnp.asarray(rows[:, 0]))


def _with_lists(lists: Ragged, new: Newcomers) -> Ragged:
    """Return lists with the histories of newcomers."""
    return ragged(with_histories(pairs_of(lists), new.old, new.pairs))


def with_histories(pairs: Interactions, old: np.ndarray, more: Interactions) -> Interactions:
    """Return pairs, whose users are at `old` now, and more of them.

    Raises:
        ValueError: where some have weights and the others none.
    """
    return added(replace(pairs, users=old[pairs.users].astype(np.int32)), more)


def added(pairs: Interactions, more: Interactions) -> Interactions:
    """Return pairs with more of them, in the id spaces of `more`.

    Raises:
        ValueError: where some have weights and the others none.
    """
    if len(pairs) and (pairs.weights is None) != (more.weights is None):
        has, lacks = ("the model's", "these") if more.weights is None else ("these", "the model's")
        raise ValueError(f"weights: {has} histories have weights, {lacks} have none; pass ones where all are as sure")
    weights = None
    if more.weights is not None:
        weights = more.weights if pairs.weights is None else np.concatenate([pairs.weights, more.weights])
    users, items, values = (
        np.concatenate([getattr(one, name) for one in (pairs, more)]) for name in ("users", "items", "values")
    )
    return Interactions(users, items, values, more.num_users, more.num_items, weights=weights)
