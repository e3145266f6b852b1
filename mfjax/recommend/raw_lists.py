"""Lists from raw ids, one or many: items for users, users for items, what is similar, and all scores in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from mfjax import checks
from mfjax.histories import Ragged, agreement, ragged
from mfjax.recommend import kinds
from mfjax.recommend.asked import frame, histories_of, is_one, library_of, placed
from mfjax.recommend.kinds import Found
from mfjax.recommend.lists import Similarity
from mfjax.recommend.parts import REMEDY, Parts, RawId, Side, Unknown, column_of, find, pairs_of
from mfjax.types import Interactions
from mfjax.vocabularies import raw_ids


class RawLists(Parts):
    """The lists of a model, from raw ids.

    One raw id gives arrays. A list, an array, a column of them or a frame with one gives a frame: of pandas or polars
    where the column is of that library, else an Arrow table, which every library of frames takes.
    """

    def recommend(
        self,
        users: RawId | ArrayLike,
        k: int = 10,
        *,
        exclude: Literal["seen"] | Any = "seen",
        candidates: ArrayLike | None = None,
        unknown: Unknown = "error",
    ) -> Any:
        """Return the k best items of one user or many, best first, and their scores.

        Fewer than k where fewer can be recommended. Ties go to the lower raw id.

        Args:
            users: one raw id, or [n] of them: a list, an array or a column.
            k: length of the lists.
            exclude: what is not recommended to a user: "seen" for the model's lists, None for nothing, or lists of
                your own in their place: a dict of user -> items, a frame of users and items, Interactions, or a
                `Ragged` of the model's ids.
            candidates: raw ids of the items that can be recommended, or None for all.
            unknown: "error", or "bias" to rank items by their bias for a user that the model does not know.

        Returns:
            For one user raw ids and scores, each [k] or shorter. For many a frame of the columns user, item, score
            and rank (from 1), users in the order given.

        Raises:
            ValueError: for an unknown user (unless `unknown="bias"`), an unknown item among the candidates or the
                lists, ids of another kind, no candidate, and a k below 1.

        Example:
            >>> from mfjax.recommend import model
            >>> from mfjax.baselines.ratings import item_bias
            >>> fitted = model.fit(["ann", "bob", "ann"], [30, 10, 20], [5, 4, 3], item_bias)
            >>> fitted.recommend("bob", k=1)[0].tolist()
            [30]
            >>> fitted.recommend(["bob", "ann"], k=1, exclude={"bob": [30]}).to_pylist()[0]
            {'user': 'bob', 'item': 10, 'score': 4.0, 'rank': 1}
        """
        checks.whole("k", k)
        raw = [users] if is_one(users) else users
        ids, known = find(self.user_vocabulary, "user", raw, unknown, remedy=REMEDY)
        mask = None if candidates is None else self._mask("item", candidates)
        seen = None if exclude is None else self._excluded(exclude, "user")
        found = kinds.best(self.learned, ids[known], k, seen, mask)
        best = np.zeros((len(ids), k), np.int32), np.full((len(ids), k), -np.inf, found[1].dtype)
        best[0][known], best[1][known] = found
        if not known.all():
            alike = kinds.best(kinds.nobody(self.learned), np.zeros(1, np.int32), k, None, mask)
            best[0][~known], best[1][~known] = alike
        return self._told("user", users, "item", best)

    def recommend_for(
        self,
        items: RawId | ArrayLike,
        k: int = 10,
        *,
        exclude: Literal["seen"] | Any = "seen",
        candidates: ArrayLike | None = None,
    ) -> Any:
        """Return the k users to whom one item or many are best recommended, by score, best first.

        Args:
            items: one raw id, or [n] of them.
            k: length of the lists.
            exclude: as in `recommend`: by default users who have seen an item are left out. A dict is of
                user -> items here too.
            candidates: raw ids of the users that may be asked, or None for all.

        Returns:
            For one item raw user ids and scores. For many a frame of the columns item, user, score and rank.

        Raises:
            ValueError: as `recommend`.
        """
        checks.whole("k", k)
        ids = find(self.item_vocabulary, "item", [items] if is_one(items) else items)[0]
        mask = None if candidates is None else self._mask("user", candidates)
        seen = None if exclude is None else self._excluded(exclude, "item")
        found = kinds.users_for(self.learned, ids, self._sizes()[0], k, seen, mask)
        return self._told("item", items, "user", found)

    def similar_items(self, items: RawId | ArrayLike, k: int = 10, *, metric: Similarity | None = None) -> Any:
        """Return the k items most similar to one item or many, never the item itself; biases play no part.

        Factors are compared by their vectors, two stages by those of the reranker. Item weights (EASE, item kNN) are a
        similarity of their own, W_ij being what item i in a history adds to the score of j; users are compared there by
        the cosine of their histories.

        Args:
            items: one raw id, or [n] of them.
            k: length of the lists.
            metric: None, or for factors "cosine" (which None stands for) or "dot", which puts popular items first.

        Returns:
            For one item raw ids and similarities. For many a frame of the columns item, similar, score and rank.

        Raises:
            ValueError: for an unknown item, an unknown metric, a k below 1, and a model without vectors of items.
        """
        return self._told("item", items, "similar", self._nearest("item", items, k, metric))

    def similar_users(self, users: RawId | ArrayLike, k: int = 10, *, metric: Similarity | None = None) -> Any:
        """Return the k users most similar to one user or many; all else as `similar_items`.

        Raises:
            ValueError: as `similar_items`.
        """
        return self._told("user", users, "similar", self._nearest("user", users, k, metric))

    def score_all(
        self, users: ArrayLike | None = None, *, block_size: int = 256
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the scores of all items for some users, or for all, in blocks of users.

        Args:
            users: [n] raw ids, or None for all users.
            block_size: users a block; the last one may be shorter.

        Yields:
            raw user ids [block], and scores float [block, num_items] in the order of `item_vocabulary.raw`.

        Raises:
            ValueError: for an unknown user, and a block_size below 1; before the first block.
        """
        checks.whole("block_size", block_size)
        raw = self.user_vocabulary.raw if users is None else users
        return self._blocks(find(self.user_vocabulary, "user", raw)[0], block_size)

    def _blocks(self, ids: np.ndarray, block_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        size = max(min(block_size, len(ids)), 1)
        for first in range(0, len(ids), size):
            here = ids[first : first + size]
            # The last block is filled up, so that it is no program of its own.
            yield self.user_vocabulary.decode(here), kinds.block_of_scores(self.learned, here, size)

    def _mask(self, side: Side, candidates: Any) -> np.ndarray:
        ids = find(self.vocabulary(side), side, candidates)[0]
        if len(ids) == 0:
            raise ValueError("candidates: there are none; pass None for all")
        mask = np.zeros(len(self.vocabulary(side)), bool)
        mask[ids] = True
        return mask

    def _excluded(self, exclude: Any, side: Side) -> Ragged | None:
        """Return lists of a side by the model's ids, whatever holds them."""
        if isinstance(exclude, str) and exclude != "seen":
            raise ValueError(f"exclude: {exclude!r:.80} is unknown; pass 'seen', None or lists")
        found: Ragged | None
        if isinstance(exclude, str):
            found = self.seen
        elif isinstance(exclude, Ragged):
            agreement.lists("exclude", exclude, *self._sizes(), "the model has")
            found = exclude
        else:
            pairs = histories_of("exclude", exclude)
            users = placed("exclude", pairs, "user", self.user_vocabulary)[0]
            items = placed("exclude", pairs, "item", self.item_vocabulary)[0]
            return ragged(Interactions(users, items, pairs.values, *self._sizes()), by=side)
        return found if found is None or side == "user" else ragged(pairs_of(found), by="item")

    def _nearest(self, side: Side, asked: Any, k: int, metric: Similarity | None) -> Found:
        checks.whole("k", k)
        ids = find(self.vocabulary(side), side, [asked] if is_one(asked) else asked)[0]
        if len(ids) == 0:
            return np.zeros((0, k), np.int32), np.zeros((0, k), np.float32)
        return kinds.neighbours(self.learned, side, ids, k, metric)

    def _told(self, side: Side, asked: Any, name: Literal["user", "item", "similar"], best: Found) -> Any:
        """Return lists with raw ids: arrays for one row, a frame for many."""
        ids, values = best
        real = values > -np.inf
        other = side if name == "similar" else name
        raw = self.vocabulary(other).decode(ids[real])
        if is_one(asked):
            return raw, values[real]
        rows, places = np.nonzero(real)
        owners = raw_ids(f"{side}s", column_of(asked, side))[rows]
        return frame({side: owners, name: raw, "score": values[real], "rank": places + 1}, library_of(asked))
