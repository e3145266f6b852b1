"""More interactions for a model: only the rows that they touch are solved again, and the drift of the whole is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import als, checks, histories
from mfjax.histories import ragged
from mfjax.recommend import growing
from mfjax.recommend.asked import histories_of
from mfjax.recommend.chosen import users_of
from mfjax.recommend.newcomer_features import with_features
from mfjax.recommend.newcomers import Made, Newcomers, joined
from mfjax.recommend.parts import Side, pairs_of
from mfjax.recommend.rows import factors_of, half_step, least_squares, tables_of
from mfjax.types import Factors, Interactions, Key, Scorer


@dataclass(frozen=True, eq=False)
class Updated(Generic[Made]):
    """A model with more interactions.

    Attributes:
        model: the model.
        users, items: raw ids of the rows that were solved again.
        user_drift, item_drift: how far all rows of a side would move by one half-step, as a share of their size, in the
            root mean square; None unless asked for, and where the model was not fitted by ALS. Refit when it is no
            longer small beside that of the fitted model.
    """

    model: Made
    users: np.ndarray
    items: np.ndarray
    user_drift: float | None
    item_drift: float | None


class Updates(Newcomers):
    """What more interactions make of a model."""

    def update(
        self: Made,
        interactions: Any,
        *,
        items: bool = True,
        drift: bool = True,
        user_features: Any = None,
        item_features: Any = None,
        key: Key | None = None,
        **reading: Any,
    ) -> Updated[Made]:
        r"""Return the model with more interactions, only the rows of their users and items solved again.

        By an `als.Config` new users are folded in first; then the items of the interactions are solved given all users,
        then their users given all items, each by Cholesky on its whole history. So those users' rows are exact given
        the items, and no other row changes, not even in a bit. A pair that is known takes its new value and weight.
        `item_counts` are those of all histories from then on.

        .. math:: \mathrm{drift} = \sqrt{\frac{\sum_r \|x_r^* - x_r\|^2}{\sum_r \|x_r\|^2}}

        where x* is the row after one half-step over all data, by the solver of the config.

        Every other kind takes known items alone, and has the rows of its users solved as `fold_in` does: by the ranking
        loss, by projection, or by nothing but the longer history; counts become those of all histories. What it learned
        of items stays, and nothing says how far that has drifted.

        Args:
            interactions: of known and new users and items, in any form of `fold_in`.
            items: whether the rows of known items are solved too; without, only new items are, which is quicker where
                the users are few.
            drift: whether to measure it, by one half-step of either side.
            user_features, item_features: of new users and items, as in `fold_in`, where the model was fitted with some.
            key: draws the negatives of a ranking loss; None for `jax.random.key(0)`.
            reading: as in `fold_in`.

        Raises:
            ValueError: for a model without `seen`, an unknown item unless the model was fitted by ALS, and as
                `fold_in`.

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
        for name, given_flag in (("items", items), ("drift", drift)):
            checks.kind(name, given_flag, bool, "pass True or False")
        if self.seen is None:
            raise ValueError("seen: the model has no histories to solve rows by; give it those that were fitted")
        more = histories_of("interactions", interactions, **reading)
        touched: dict[Side, np.ndarray] = {"user": np.unique(more.users), "item": np.unique(more.items)}
        both: dict[Side, Any] = {}
        given: dict[Side, Any] = {"user": more.user_vocabulary, "item": more.item_vocabulary}
        for side, own in given.items():
            both[side] = joined(self.vocabulary(side), own.raw[touched[side].astype(np.int64)], side)
        whole = _merged(pairs_of(self.seen), more, both, touched)
        features: dict[Side, Any] = {}
        for side, table in (("user", user_features), ("item", item_features)):
            vocabulary, old, places = both[side]
            held = getattr(self, f"{side}_features")
            new = np.setdiff1d(places, old)
            features[side] = with_features(f"{side}_features", held, table, vocabulary, old, new)
        far: dict[Side, float | None]
        learned: Factors | Scorer
        solved = both["item"][2] if items else np.setdiff1d(both["item"][2], both["item"][1])
        if isinstance(self.config, als.Config):
            learned, far = _least_squares(self, features, whole, both, solved, drift)
        else:
            far = dict.fromkeys(both)
            solved = solved[:0]
            learned = _by_users(self, whole, both, jax.random.key(0) if key is None else key)
        model = replace(
            self,
            learned=learned,
            user_features=features["user"],
            item_features=features["item"],
            user_vocabulary=both["user"][0],
            item_vocabulary=both["item"][0],
            seen=ragged(whole),
            item_counts=whole.item_counts(),
        )
        told = both["user"][0].decode(np.sort(both["user"][2])), both["item"][0].decode(np.sort(solved))
        return Updated(model, *told, far["user"], far["item"])


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
    whole = growing.added(own, new)
    places = whole.users.astype(np.int64) * len(items) + whole.items
    last = len(places) - 1 - np.unique(places[::-1], return_index=True)[1]
    return whole.select(np.sort(last))


def _by_users(model: Newcomers, whole: Interactions, both: dict[Side, Any], key: Key) -> Factors | Scorer:
    """Return what was learned with the rows of some users solved anew, by the rule of its kind."""
    items, old_items, places = both["item"]
    if len(new := np.setdiff1d(places, old_items)):
        first = items.decode(new[:1]).tolist()[0]
        raise ValueError(f"interactions: item {first!r:.80} is unknown to the model; only ALS solves new items")
    chosen = np.zeros(len(both["user"][0]), bool)
    chosen[both["user"][2]] = True
    kept = ~chosen[both["user"][1]]  # [users before], those whose rows stay
    rows, places = np.flatnonzero(kept), both["user"][1][kept]
    own = whole.select(chosen[whole.users])
    assert model.seen is not None
    more = whole.item_counts() - pairs_of(model.seen).item_counts()
    left = growing.counted(users_of(model.learned, rows), more)
    new_users = growing.Newcomers(own, np.flatnonzero(chosen), places, key, model._counts, None, None)
    return growing.with_users(left, model.config, new_users)


def _least_squares(
    model: Newcomers,
    features: dict[Side, Any],
    whole: Interactions,
    both: dict[Side, Any],
    items: np.ndarray,
    drift: bool,
) -> tuple[Factors, dict[Side, float | None]]:
    """Return the factors with the rows that are touched solved, and the drift of either side."""
    config = model.config
    tables = tables_of(model.factors, config.biases)
    for side in tables:
        tables[side] = _wider(tables[side], len(both[side][0]), both[side][1], side, config)
    new_users = np.setdiff1d(both["user"][2], both["user"][1])
    turns: tuple[tuple[Side, np.ndarray], ...] = (
        ("user", new_users), ("item", items), ("user", both["user"][2])
    )  # fmt: skip
    for side, rows in turns:
        tables[side] = _solved(tables, whole, rows, side, model, features[side])
    return factors_of(tables, config.biases, model.factors.offset), {
        side: _drift(tables, whole, side, model.config, features[side]) if drift else None for side in tables
    }


def _wider(table: np.ndarray, num_rows: int, old: np.ndarray, side: Side, config: als.Config) -> np.ndarray:
    """Return a table with its rows at `old`; the others are zeros, and ones where biases have them."""
    wide = np.zeros((num_rows, table.shape[1]), table.dtype)
    if config.biases:
        wide[:, 1 if side == "user" else 0] = 1
    wide[old] = table
    return wide


def _solved(
    tables: dict[Side, np.ndarray], whole: Interactions, rows: np.ndarray, side: Side, model: Newcomers, features: Any
) -> np.ndarray:
    """Return the table of a side with some rows solved."""
    if len(rows) == 0:
        return tables[side]
    chosen = np.zeros(len(tables[side]), bool)
    chosen[rows] = True
    own = whole.select(chosen[whole.users if side == "user" else whole.items])
    factors = factors_of(tables, model.config.biases, model.factors.offset)
    how: dict[str, Any] = {"item_counts": whole.item_counts(), "maps": model.maps, "features": features}
    table, places = tables[side].copy(), np.flatnonzero(chosen)
    table[places] = least_squares(own, factors, model.config, places, by=side, **how)
    return table


def _drift(tables: dict[Side, np.ndarray], whole: Interactions, side: Side, config: als.Config, features: Any) -> float:
    now, columns = jnp.asarray(tables[side]), jnp.asarray(tables["item" if side == "user" else "user"])
    held = als.features.side_with_features(histories.side(whole, by=side), features)
    moved = np.asarray(half_step(now, columns, held, config, by=side), np.float64)
    size = np.sqrt(np.sum(tables[side].astype(np.float64) ** 2))
    return float(np.sqrt(np.sum((moved - tables[side]) ** 2)) / max(size, np.finfo(np.float32).tiny))
