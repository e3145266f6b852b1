"""Newcomers to a model: users and items that were not fitted, their rows exact given the other side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import jax
import numpy as np

from mfjax import als, ranking, vocabularies
from mfjax.histories import ragged
from mfjax.recommend.asked import UnknownIds, histories_of, placed
from mfjax.recommend.parts import Parts, Side, pairs_of
from mfjax.recommend.rows import by_ranking, factors_of, least_squares, tables_of
from mfjax.types import Interactions, Key, Vocabulary

Made = TypeVar("Made", bound="Newcomers")


class Newcomers(Parts):
    """What a model makes of those who were not there when it was fitted."""

    def fold_in(
        self: Made, histories: Any, *, unknown: UnknownIds = "error", key: Key | None = None, **reading: Any
    ) -> Made:
        """Return the model with new users, each row the minimum of the model's objective given its items.

        By an `als.Config` the rows solve their systems by Cholesky, those of a half-step over all data; by a
        `ranking.Config` they are those of `ranking.fold_in`, in the order of the raw ids. No other row changes, not
        even in a bit. Items are weighed by `item_counts` as they were, so that folding in two groups one after the
        other is the same as both at once (but for the draws of a ranking loss).

        Args:
            histories: a dict of raw user id -> raw item ids, or -> a dict of raw item id -> value; Interactions; or a
                frame, or what else `data.read` takes.
            unknown: "error", or "drop" to leave out pairs with an item that the model does not know. A user of whom
                nothing is left has a row of zeros.
            key: draws the negatives of a ranking loss; None for `jax.random.key(0)`.
            reading: options of `data.read` for a frame, such as `value="rating"`, `weight="sure"` or `values={...}` for
                events; without `value` all values are 1.

        Raises:
            ValueError: for a model without such a config, a user whom it knows already, items of another kind or
                unknown ones, weights where the model's lists have none or the other way round, and as `data.read`.

        Example:
            >>> from mfjax import als, histories
            >>> from mfjax.recommend import model
            >>> config = als.Config(dim=2)
            >>> def learn(pairs):
            ...     return als.factors(als.fit(jax.random.key(0), histories.build(pairs), config), config)
            >>> fitted = model.fit(["ann", "bob", "ann"], [30, 10, 20], [1, 1, 1], learn, config=config)
            >>> fitted.fold_in({"cyd": [30]}).recommend("cyd", k=1)[0].tolist()
            [20]
        """
        pairs = histories_of("histories", histories, **reading)
        vocabulary, old, new = self._with(pairs, "user")
        items, known = placed("histories", pairs, "item", self.item_vocabulary, unknown)
        pairs, items = pairs.select(known), items[known]
        own = _in_spaces(pairs, new[pairs.users], items, len(vocabulary), len(self.item_vocabulary))
        if isinstance(self.config, ranking.Config):
            places = np.unique(new[new >= 0])
            small = replace(own, users=np.searchsorted(places, own.users).astype(np.int32), num_users=len(places))
            solved = by_ranking(jax.random.key(0) if key is None else key, small, self.factors, self.config)
            rows = np.zeros((len(vocabulary), solved.shape[1]), solved.dtype)
            rows[places] = solved
            counts = None if self.item_counts is None and self.seen is None else self._counts()
        else:
            config, counts = self._least_squares("fold_in"), self._counts()
            columns = tables_of(self.factors, config.biases)["item"]
            rows = least_squares(own, columns, config, by="user", item_counts=counts)
        return self._joined(vocabulary, old, rows, own, "user", counts)

    def fold_in_items(self: Made, histories: Any, *, unknown: UnknownIds = "error", **reading: Any) -> Made:
        """Return the model with new items, each row the minimum of the model's objective given its users.

        Args:
            histories: a dict of raw item id -> raw user ids, or -> a dict of raw user id -> value; or any other form
                of `fold_in`.
            unknown: "error", or "drop" to leave out pairs with a user whom the model does not know.
            reading: as in `fold_in`.

        Raises:
            ValueError: as `fold_in`, and for a model that was trained on a ranking loss, whose items have no problem
                of their own: they are negatives of others' users too.
        """
        config = self._least_squares("fold_in_items")
        pairs = histories_of("histories", histories, by="item", **reading)
        vocabulary, old, new = self._with(pairs, "item")
        users, known = placed("histories", pairs, "user", self.user_vocabulary, unknown)
        pairs, users = pairs.select(known), users[known]
        own = _in_spaces(pairs, users, new[pairs.items], len(self.user_vocabulary), len(vocabulary))
        counts = own.item_counts().astype(np.float32)
        counts[old] = self._counts()
        columns = tables_of(self.factors, config.biases)["user"]
        rows = least_squares(own, columns, config, by="item", item_counts=counts)
        return self._joined(vocabulary, old, rows, own, "item", counts)

    def _least_squares(self, what: str) -> als.Config:
        """Return the config of a model that was fitted by least squares."""
        if isinstance(self.config, als.Config):
            return self.config
        kind = "ranking.Config" if isinstance(self.config, ranking.Config) else type(self.config).__name__
        raise ValueError(
            f"config: {what} solves rows by least squares, but the config of this model is a {kind}; fit it by ALS, "
            "and give the model the als.Config that it was fitted with"
        )

    def _counts(self) -> np.ndarray:
        """Return how often each item occurs in the data that was fitted, float32 [num_items]."""
        if self.item_counts is not None:
            return np.asarray(self.item_counts, np.float32)
        if self.seen is None:
            raise ValueError(
                "item_counts: the model has neither counts nor seen items; pass item_counts=interactions.item_counts()"
            )
        return pairs_of(self.seen).item_counts().astype(np.float32)

    def _with(self, pairs: Interactions, side: Side) -> tuple[Vocabulary, np.ndarray, np.ndarray]:
        """Return the vocabulary with the ids of pairs, its places of the old ids, and of those of the pairs."""
        given = pairs.user_vocabulary if side == "user" else pairs.item_vocabulary
        assert given is not None
        used = np.unique(pairs.users if side == "user" else pairs.items).astype(np.int64)
        known, raw = self.vocabulary(side), given.raw[used]
        both, old, places = joined(known, raw, side)
        if len(both) < len(known) + len(raw):
            first = raw[known.find(raw)[1]].tolist()[0]
            raise ValueError(f"histories: {side} {first!r:.80} is known to the model; pass its pairs to update")
        new = np.full(len(given), -1)
        new[used] = places
        return both, old, new

    def _joined(
        self: Made,
        vocabulary: Vocabulary,
        old: np.ndarray,
        rows: np.ndarray,
        own: Interactions,
        side: Side,
        counts: np.ndarray | None,
    ) -> Made:
        """Return the model with more rows on a side: `rows` where there were none, its own elsewhere."""
        biases = isinstance(self.config, als.Config) and self.config.biases
        if isinstance(self.config, als.Config):
            tables = tables_of(self.factors, biases)
            rows = rows.copy()
            rows[old] = tables[side]
            tables[side] = rows
            factors = factors_of(tables, biases, self.factors.offset)
        else:
            rows[old] = np.asarray(self.factors.users)
            factors = self.factors._replace(users=jax.numpy.asarray(rows))
        changed: dict[str, Any] = {f"{side}_vocabulary": vocabulary, "factors": factors, "item_counts": counts}
        return replace(self, **changed, seen=ragged(self._history(old, own, side)))

    def _history(self, old: np.ndarray, own: Interactions, side: Side) -> Interactions:
        """Return the pairs of the model, whose ids of a side are at `old` now, and those of newcomers."""
        if self.seen is None:
            return own
        pairs = pairs_of(self.seen)
        users, items = (old[pairs.users], pairs.items) if side == "user" else (pairs.users, old[pairs.items])
        return added(replace(pairs, users=users.astype(np.int32), items=items.astype(np.int32)), own)


def _in_spaces(
    pairs: Interactions, users: np.ndarray, items: np.ndarray, num_users: int, num_items: int
) -> Interactions:
    """Return pairs by ids of a model.

    Raises:
        ValueError: where there are none.
    """
    if len(pairs) == 0:
        raise ValueError("histories: no pair is left, as the model knows none of their ids; pass ids of its own")
    ids = users.astype(np.int32), items.astype(np.int32)
    return Interactions(*ids, pairs.values, num_users, num_items, weights=pairs.weights)


def joined(known: Vocabulary, raw: np.ndarray, side: Side) -> tuple[Vocabulary, np.ndarray, np.ndarray]:
    """Return a vocabulary with more raw ids, and the ids that its own and those have there, int64.

    Raises:
        ValueError: for raw ids of two kinds.
    """
    if len(known) and len(raw) and vocabularies.kind_of(raw) != (kind := vocabularies.kind_of(known.raw)):
        first = raw[:1].tolist()[0]
        raise ValueError(f"histories: {side} {first!r:.80}, but the {side} ids of this model are {kind}; convert it")
    both = Vocabulary.of(known.raw.tolist() + raw.tolist())
    return both, both.encode(known.raw).astype(np.int64), both.encode(raw).astype(np.int64)


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
