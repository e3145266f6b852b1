"""Why an item has its score: what each entry of a user's history contributes to it, from raw ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from mfjax import als, compilation
from mfjax.baselines import Linear, Popularity, svd
from mfjax.data.writing.interactions import text_or_integers
from mfjax.histories import Ragged
from mfjax.recommend import kinds
from mfjax.recommend.asked import frame, is_one, library_of
from mfjax.recommend.newcomers import Newcomers
from mfjax.recommend.parts import RawId, find, name_of
from mfjax.recommend.two_stage import TwoStages
from mfjax.types import Array, Factors, Scorer

_explain = compilation.jit(als.explain)


class Reasons(Newcomers):
    """The reasons of a model."""

    def explain(self, user: RawId, items: RawId | ArrayLike, *, titles: Mapping[Any, str] | None = None) -> Any:
        r"""Return what each entry of a user's history contributes to the scores of items; their sum is the score.

        .. math:: s(u, j) = \sum_{i \in H_u} c_{ij} + \text{what no entry explains}

        By an `als.Config`, c is that of `als.explain`; the rest is the offset, the item's bias, with biases the
        background's share, and with features of users what the row shrinks towards. By an `svd.Config`,
        :math:`c_{ij} = (r_{ui} - m_u) V_i' \Sigma^{-1} V_j`, and the rest is m_u. The score is that of a row that is
        solved exactly, as `fold_in` gives it; a fitted row comes to it as the fit converges. By item weights
        :math:`c_{ij} = r_{ui} W_{ij}`, and the rest is 0. Where no row of users is learned (counts, biases of items)
        the rest is all. Two stages are explained by their reranker.

        Args:
            user: one raw id.
            items: one raw id, or [n] of them: a list, an array or a column.
            titles: raw item id -> title, for a column `title` beside the history, or None.

        Returns:
            A frame, of the library of `items`, of the columns item, history (the raw id of an item of the history;
            null in the last row of each item, for the rest) and contribution, in the order of the raw ids.

        Raises:
            ValueError: for an unknown user or item, a model without `seen`, and one whose rows are no sum over the
                history, such as those of a ranking loss, or whose config does not say.

        Example:
            >>> import jax
            >>> from mfjax import als, histories
            >>> from mfjax.recommend import model
            >>> config = als.Config(dim=2, reg=0.1)
            >>> def learn(pairs):
            ...     return als.factors(als.fit(jax.random.key(0), histories.build(pairs), config), config)
            >>> fitted = model.fit(["ann", "bob", "ann"], [30, 10, 20], [1, 1, 1], learn, config=config)
            >>> fitted.explain("ann", 10)["history"].to_pylist()
            [20, 30, None]
        """
        if self.seen is None:
            raise ValueError("seen: the model has no histories to explain by; give it those that were fitted")
        own = find(self.user_vocabulary, "user", [user])[0]
        places = find(self.item_vocabulary, "item", [items] if is_one(items) else items)[0]
        ids, mask, parts = self._parts(self.learned, self.config, own, places)
        parts = parts[:, [*np.flatnonzero(mask), -1]]  # [items, entries + 1]
        raw = text_or_integers(self.item_vocabulary.decode(ids[mask]))
        history = pa.concat_arrays([raw, pa.nulls(1, raw.type)])
        columns: dict[str, Any] = {
            "item": text_or_integers(self.item_vocabulary.decode(np.repeat(places, parts.shape[1]))),
            "history": pa.concat_arrays([history] * len(places)) if len(places) else history[:0],
        }
        if titles is not None:
            columns["title"] = pa.array([titles.get(one) for one in columns["history"].to_pylist()], pa.string())
        return frame(columns | {"contribution": parts.reshape(-1)}, library_of(items))

    def _parts(
        self, learned: Factors | Scorer, config: Any, user: np.ndarray, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the ids and mask of a padded history, and [items, length + 1]: what its entries add, last the rest."""
        if isinstance(learned, TwoStages):
            return self._parts(learned.reranker, config[1] if isinstance(config, tuple) else config, user, items)
        assert self.seen is not None
        lists = learned.history if isinstance(learned, Linear) else self.seen
        ids, values, mask = (np.asarray(part[0]) for part in lists.rows(jnp.asarray(user)))
        if isinstance(learned, Linear):
            parts = (values[:, None] * learned.rows(ids)[:, items]).T
            rest = np.zeros(len(items)) if learned.item_biases is None else np.asarray(learned.item_biases)[items]
            return ids, mask, np.concatenate([parts, rest[:, None].astype(parts.dtype)], axis=1)
        if isinstance(learned, Factors) and isinstance(config, als.Config):
            return ids, mask, self._by_least_squares(learned, config, user, items)
        if isinstance(learned, Factors) and isinstance(config, svd.Config):
            return ids, mask, _by_projection(learned, config, ids, values, mask, items)
        if config is not None or not _is_the_same_for_all(learned):
            raise ValueError(
                f"config: by {name_of(config)} a score is no sum over the user's history; fit the model by ALS, EASE, "
                "item kNN or SVD, and give it the config that it was fitted with"
            )
        rest = kinds.pairs(learned, np.repeat(user, len(items)), items)
        return ids, mask, np.concatenate([np.zeros((len(items), len(ids)), rest.dtype), rest[:, None]], axis=1)

    def _by_least_squares(self, model: Factors, config: als.Config, user: np.ndarray, items: np.ndarray) -> np.ndarray:
        assert self.seen is not None
        towards: Array | None = None
        if self.maps is not None and self.maps.users is not None and self.user_features is not None:
            towards = _row(self.user_features, user) @ jnp.asarray(self.maps.users)
        counts = jnp.asarray(self._counts())
        asked: dict[str, Any] = {"user": jnp.asarray(user[0]), "items": jnp.asarray(items)}
        return np.asarray(
            _explain(model, self.seen, config, **asked, item_counts=counts, maps=self.maps, towards=towards)
        )


def _row(features: Array | Ragged, user: np.ndarray) -> Array:
    """Return the features of one user, [num_features]."""
    if not isinstance(features, Ragged):
        return jnp.asarray(features)[user[0]]
    ids, values, _ = features.rows(jnp.asarray(user))
    return jnp.zeros(features.num_columns).at[ids[0]].add(values[0])


def _is_the_same_for_all(learned: Factors | Scorer) -> bool:
    """Return whether a model learned no row of users."""
    if isinstance(learned, Factors):
        return learned.users.shape[1] == 0 and learned.user_biases is None
    return isinstance(learned, Popularity)


def _by_projection(
    model: Factors, config: svd.Config, ids: np.ndarray, values: np.ndarray, mask: np.ndarray, items: np.ndarray
) -> np.ndarray:
    table = np.asarray(model.items, np.float64)
    toward = table[items] * np.asarray(svd.inverse_values(model.items), np.float64)  # [items, dim]
    mean = float(values[mask].mean()) if mask.any() else 0.0
    centred = np.where(mask, values - (mean if config.missing == "mean" else 0.0), 0.0)
    parts = (toward @ table[ids].T) * centred[None, :]
    rest = mean - (mean * (toward @ table.sum(axis=0)) if config.missing == "zero" else 0.0)
    return np.concatenate([parts, np.broadcast_to(rest, (len(items),))[:, None]], axis=1).astype(np.float32)
