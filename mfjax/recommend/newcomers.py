"""Newcomers to a model: users and items that were not fitted, their rows exact given the other side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import jax
import numpy as np

from mfjax import als, vocabularies
from mfjax.histories import ragged
from mfjax.recommend import growing
from mfjax.recommend.asked import UnknownIds, histories_of, placed
from mfjax.recommend.newcomer_features import raw_ids_of, with_features
from mfjax.recommend.parts import Parts, Side, name_of, pairs_of
from mfjax.recommend.rows import factors_of, least_squares, tables_of
from mfjax.types import Interactions, Key, Vocabulary

Made = TypeVar("Made", bound="Newcomers")


class Newcomers(Parts):
    """What a model makes of those who were not there when it was fitted."""

    def fold_in(
        self: Made,
        histories: Any = None,
        *,
        features: Any = None,
        unknown: UnknownIds = "error",
        key: Key | None = None,
        **reading: Any,
    ) -> Made:
        """Return the model with new users, each row the minimum of the model's objective given its items.

        By an `als.Config` the rows solve their systems by Cholesky, those of a half-step over all data; by a
        `ranking.Config` they are those of `ranking.fold_in`, in the order of the raw ids; by an `svd.Config` those of
        `svd.fold_in`. Item weights (EASE, item kNN), counts, and factors without rows of users have nothing to solve.
        Two stages fold in both. No other row changes, not even in a bit. Items are weighed by `item_counts` as they
        were, so that folding in two groups one after the other is the same as both at once (but for the draws of a
        ranking loss).

        Args:
            histories: a dict of raw user id -> raw item ids, or -> a dict of raw item id -> value; Interactions; or a
                frame, or what else `data.read` takes. None where `features` alone tell of the users.
            features: where the model was fitted with features of users, a dict of raw user id -> its features: numbers
                [num_features]; or, where the model has lists of them, feature ids, or a dict of feature id -> value.
                A user without a history has the row W' f.
            unknown: "error", or "drop" to leave out pairs with an item that the model does not know. A user of whom
                nothing is left has a row of zeros, or W' f.
            key: draws the negatives of a ranking loss; None for `jax.random.key(0)`.
            reading: options of `data.read` for a frame, such as `value="rating"`, `weight="sure"` or `values={...}` for
                events; without `value` all values are 1.

        Raises:
            ValueError: for a model whose config does not say how rows are solved, a user whom it knows already, items
                of another kind or unknown ones, weights where the model's lists have none or the other way round,
                features that the model has not or a user without those that it has, and as `data.read`.

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
        own, vocabulary, old, places = self._placed("user", histories, features, unknown, reading)
        table = with_features("features", self.user_features, features, vocabulary, old, places)
        own_key = jax.random.key(0) if key is None else key
        new = growing.Newcomers(own, places, old, own_key, self._counts, self.maps, table)
        learned = growing.with_users(self.learned, self.config, new)
        known = self.item_counts is not None or self.seen is not None
        return replace(
            self,
            learned=learned,
            user_vocabulary=vocabulary,
            user_features=table,
            item_counts=self._counts() if known else None,
            seen=ragged(own if self.seen is None else growing.with_histories(pairs_of(self.seen), old, own)),
        )

    def fold_in_items(
        self: Made, histories: Any = None, *, features: Any = None, unknown: UnknownIds = "error", **reading: Any
    ) -> Made:
        """Return the model with new items, each row the minimum of the model's objective given its users.

        Args:
            histories: a dict of raw item id -> raw user ids, or -> a dict of raw user id -> value; or any other form
                of `fold_in`. None where `features` alone tell of the items.
            features: as in `fold_in`, of items: an item without a history has the row W' f.
            unknown: "error", or "drop" to leave out pairs with a user whom the model does not know.
            reading: as in `fold_in`.

        Raises:
            ValueError: as `fold_in`, and for a model that was not fitted by least squares. The items of a ranking loss
                have no problem of their own, as they are negatives of others' users too; item weights, counts and
                triplets of an SVD come from all histories together.
        """
        config = self._least_squares("fold_in_items")
        own, vocabulary, old, places = self._placed("item", histories, features, unknown, reading)
        table = with_features("features", self.item_features, features, vocabulary, old, places)
        counts = own.item_counts().astype(np.float32)
        counts[old] = self._counts()
        how: dict[str, Any] = {"item_counts": counts, "maps": self.maps, "features": table}
        tables = tables_of(self.factors, config.biases)
        rows = np.zeros((len(vocabulary), config.width), tables["item"].dtype)
        rows[places] = least_squares(own, self.factors, config, places, by="item", **how)
        rows[old] = tables["item"]
        tables["item"] = rows
        seen = own
        if self.seen is not None:
            pairs = pairs_of(self.seen)
            seen = growing.added(replace(pairs, items=old[pairs.items].astype(np.int32)), own)
        return replace(
            self,
            learned=factors_of(tables, config.biases, self.factors.offset),
            item_vocabulary=vocabulary,
            item_features=table,
            item_counts=counts,
            seen=ragged(seen),
        )

    def _least_squares(self, what: str) -> als.Config:
        """Return the config of a model that was fitted by least squares."""
        if isinstance(self.config, als.Config):
            return self.config
        raise ValueError(
            f"config: {what} solves rows by least squares, but the config of this model is {name_of(self.config)}; fit "
            "it by ALS, and give the model the als.Config that it was fitted with"
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

    def _placed(
        self, side: Side, histories: Any, features: Any, unknown: UnknownIds, reading: dict[str, Any]
    ) -> tuple[Interactions, Vocabulary, np.ndarray, np.ndarray]:
        """Return histories of a side's newcomers in the id spaces of the model with them.

        Returns:
            the pairs, the joined vocabulary of the side, the rows there of those known, and of the newcomers.
        """
        other: Side = "item" if side == "user" else "user"
        if histories is None and features is None:
            raise ValueError("histories: there are none, and no features either; pass a dict of raw id -> raw ids")
        raw = raw_ids_of("features", features)
        if histories is None:
            vocabulary, old, places = self._with(raw, side)
            sizes = {side: len(vocabulary), other: len(self.vocabulary(other))}
            nothing = np.zeros(0, np.int32)
            empty = Interactions(nothing, nothing, np.zeros(0, np.float32), sizes["user"], sizes["item"])
            if self.seen is not None and self.seen.weights is not None:
                empty = replace(empty, weights=np.zeros(0, np.float32))
            return empty, vocabulary, old, np.sort(places)
        pairs = histories_of("histories", histories, by=side, **reading)
        given = pairs.user_vocabulary if side == "user" else pairs.item_vocabulary
        assert given is not None
        ids = pairs.users if side == "user" else pairs.items
        used = np.flatnonzero(np.bincount(ids, minlength=len(given)))
        own = given.raw[used]
        if len(raw) and vocabularies.kind_of(raw) != vocabularies.kind_of(own):
            raise ValueError(f"features: {raw[:1].tolist()[0]!r:.80}, but histories have {own[:1].tolist()[0]!r:.80}")
        vocabulary, old, places = self._with(Vocabulary.of(own.tolist() + raw.tolist()).raw, side)
        place_of = np.full(len(given), -1)
        place_of[used] = vocabulary.encode(own)
        others, known = placed("histories", pairs, other, self.vocabulary(other), unknown)
        pairs, others = pairs.select(known), others[known]
        if len(pairs) == 0:
            raise ValueError("histories: no pair is left, as the model knows none of their ids; pass ids of its own")
        mine = place_of[pairs.users if side == "user" else pairs.items]
        users, items = (mine, others) if side == "user" else (others, mine)
        sizes = {side: len(vocabulary), other: len(self.vocabulary(other))}
        held = Interactions(
            users.astype(np.int32),
            items.astype(np.int32),
            pairs.values,
            sizes["user"],
            sizes["item"],
            weights=pairs.weights,
        )
        return held, vocabulary, old, np.sort(places)

    def _with(self, raw: np.ndarray, side: Side) -> tuple[Vocabulary, np.ndarray, np.ndarray]:
        """Return the vocabulary with raw ids, all of them new, and its places of the old ids and of those."""
        known = self.vocabulary(side)
        both, old, places = joined(known, raw, side)
        if len(both) < len(known) + len(raw):
            first = raw[known.find(raw)[1]].tolist()[0]
            raise ValueError(f"histories: {side} {first!r:.80} is known to the model; pass its pairs to update")
        return both, old, places


def joined(known: Vocabulary, raw: np.ndarray, side: Side) -> tuple[Vocabulary, np.ndarray, np.ndarray]:
    """Return a vocabulary with more raw ids, and the ids that its own and those have there, int64.

    Raises:
        ValueError: for raw ids of two kinds.
    """
    if len(known) and len(raw) and vocabularies.kind_of(raw) != (kind := vocabularies.kind_of(known.raw)):
        first = raw[:1].tolist()[0]
        raise ValueError(f"histories: {side} {first!r:.80}, but the {side} ids of this model are {kind}; convert it")
    if known.raw.dtype != raw.dtype:  # integers of 2^63 and more beside others
        both = Vocabulary.of(known.raw.tolist() + raw.tolist())
        return both, both.encode(known.raw).astype(np.int64), both.encode(raw).astype(np.int64)
    fresh = np.unique(raw[~known.find(raw)[1]])
    at = np.searchsorted(known.raw, fresh)
    both = Vocabulary(np.insert(known.raw, at, fresh))
    ids = np.arange(len(known))
    return both, ids + np.searchsorted(at, ids, side="right"), both.encode(raw).astype(np.int64)
