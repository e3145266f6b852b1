"""More interactions for a model: only the rows that they touch are solved again, and the drift of the whole is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic

import jax.numpy as jnp
import numpy as np

from mfjax import als, checks, histories
from mfjax.histories import ragged
from mfjax.recommend.asked import histories_of
from mfjax.recommend.newcomers import Made, Newcomers, added, joined
from mfjax.recommend.parts import Side, pairs_of
from mfjax.recommend.rows import factors_of, half_step, least_squares, tables_of
from mfjax.types import Interactions


@dataclass(frozen=True, eq=False)
class Updated(Generic[Made]):
    """A model with more interactions.

    Attributes:
        model: the model.
        users, items: raw ids of the rows that were solved again.
        user_drift, item_drift: how far all rows of a side would move by one half-step, as a share of their size, in the
            root mean square; None unless asked for. Refit when it is no longer small beside that of the fitted model.
    """

    model: Made
    users: np.ndarray
    items: np.ndarray
    user_drift: float | None
    item_drift: float | None


class Updates(Newcomers):
    """What more interactions make of a model."""

    def update(self: Made, interactions: Any, *, drift: bool = True, **reading: Any) -> Updated[Made]:
        r"""Return the model with more interactions, only the rows of their users and items solved again.

        New users are folded in first; then the items of the interactions are solved given all users, then their users
        given all items, each by Cholesky on its whole history. So those users' rows are exact given the items, and no
        other row changes, not even in a bit. A pair that is known takes its new value and weight. `item_counts` are
        those of all histories from then on.

        .. math:: \mathrm{drift} = \sqrt{\frac{\sum_r \|x_r^* - x_r\|^2}{\sum_r \|x_r\|^2}}

        where x* is the row after one half-step over all data, by the solver of the config.

        Args:
            interactions: of known and new users and items, in any form of `fold_in`.
            drift: whether to measure it, by one half-step of either side.
            reading: as in `fold_in`.

        Raises:
            ValueError: for a model whose config is no `als.Config`, or without `seen`, and as `fold_in`.

        Example:
            >>> import jax
            >>> from mfjax import als, histories
            >>> from mfjax.recommend import model
            >>> config = als.Config(dim=2)
            >>> def learn(pairs):
            ...     return als.factors(als.fit(jax.random.key(0), histories.build(pairs), config), config)
            >>> fitted = model.fit(["ann", "bob", "ann"], [30, 10, 20], [1, 1, 1], learn, config=config)
            >>> updated = fitted.update({"bob": [20], "cyd": [10, 40]}, drift=False)
            >>> updated.users.tolist(), updated.items.tolist(), updated.model
            (['bob', 'cyd'], [10, 20, 40], Model(3 users, 4 items, dim 2))
        """
        config = self._least_squares("update")
        checks.kind("drift", drift, bool, "pass True or False")
        if self.seen is None:
            raise ValueError("seen: the model has no histories to solve rows by; give it those that were fitted")
        more = histories_of("interactions", interactions, **reading)
        touched: dict[Side, np.ndarray] = {"user": np.unique(more.users), "item": np.unique(more.items)}
        both: dict[Side, Any] = {}
        given: dict[Side, Any] = {"user": more.user_vocabulary, "item": more.item_vocabulary}
        for side, own in given.items():
            both[side] = joined(self.vocabulary(side), own.raw[touched[side].astype(np.int64)], side)
        whole = _merged(pairs_of(self.seen), more, both, touched)
        tables = tables_of(self.factors, config.biases)
        for side in tables:
            tables[side] = _wider(tables[side], len(both[side][0]), both[side][1], side, config)
        new_users = np.setdiff1d(both["user"][2], both["user"][1])
        turns: tuple[tuple[Side, np.ndarray], ...] = (
            ("user", new_users), ("item", both["item"][2]), ("user", both["user"][2])
        )  # fmt: skip
        for side, rows in turns:
            tables[side] = _solved(tables, whole, rows, side, config)
        model = replace(
            self,
            factors=factors_of(tables, config.biases, self.factors.offset),
            user_vocabulary=both["user"][0],
            item_vocabulary=both["item"][0],
            seen=ragged(whole),
            item_counts=whole.item_counts(),
        )
        far = {side: _drift(tables, whole, side, config) if drift else None for side in tables}
        users, items = (both[side][0].decode(np.sort(both[side][2])) for side in ("user", "item"))
        return Updated(model, users, items, far["user"], far["item"])


def _merged(
    pairs: Interactions, more: Interactions, both: dict[Side, Any], touched: dict[Side, np.ndarray]
) -> Interactions:
    """Return all pairs by the ids of the joined vocabularies, the later one where a pair comes twice."""
    (users, old_users, new_users), (items, old_items, new_items) = both["user"], both["item"]
    own = replace(pairs, users=old_users[pairs.users].astype(np.int32), items=old_items[pairs.items].astype(np.int32))
    new = Interactions(
        new_users[np.searchsorted(touched["user"], more.users)].astype(np.int32),
        new_items[np.searchsorted(touched["item"], more.items)].astype(np.int32),
        more.values,
        len(users),
        len(items),
        weights=more.weights,
    )
    whole = added(own, new)
    places = whole.users.astype(np.int64) * len(items) + whole.items
    last = len(places) - 1 - np.unique(places[::-1], return_index=True)[1]
    return whole.select(np.sort(last))


def _wider(table: np.ndarray, num_rows: int, old: np.ndarray, side: Side, config: als.Config) -> np.ndarray:
    """Return a table with its rows at `old`; the others are zeros, and ones where biases have them."""
    wide = np.zeros((num_rows, table.shape[1]), table.dtype)
    if config.biases:
        wide[:, 1 if side == "user" else 0] = 1
    wide[old] = table
    return wide


def _solved(
    tables: dict[Side, np.ndarray], whole: Interactions, rows: np.ndarray, side: Side, config: als.Config
) -> np.ndarray:
    """Return the table of a side with some rows solved."""
    if len(rows) == 0:
        return tables[side]
    chosen = np.zeros(len(tables[side]), bool)
    chosen[rows] = True
    own = whole.select(chosen[whole.users if side == "user" else whole.items])
    columns = tables["item" if side == "user" else "user"]
    found = least_squares(own, columns, config, by=side, item_counts=whole.item_counts())
    return np.where(chosen[:, None], found, tables[side])


def _drift(tables: dict[Side, np.ndarray], whole: Interactions, side: Side, config: als.Config) -> float:
    now, columns = jnp.asarray(tables[side]), jnp.asarray(tables["item" if side == "user" else "user"])
    moved = np.asarray(half_step(now, columns, histories.side(whole, by=side), config, by=side), np.float64)
    size = np.sqrt(np.sum(tables[side].astype(np.float64) ** 2))
    return float(np.sqrt(np.sum((moved - tables[side]) ** 2)) / max(size, np.finfo(np.float32).tiny))
