"""Why an item has its score: what each entry of a user's history contributes, from raw ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from mfjax import als, compilation
from mfjax.data.writing.interactions import text_or_integers
from mfjax.recommend.asked import frame, is_one, library_of
from mfjax.recommend.newcomers import Newcomers
from mfjax.recommend.parts import RawId, find
from mfjax.recommend.rows import tables_of
from mfjax.types import Array

_explain = compilation.jit(jax.vmap(als.explain, (None,) * 7 + (0,)))


class Reasons(Newcomers):
    """The reasons of a model that was fitted by least squares."""

    def explain(self, user: RawId, items: RawId | ArrayLike, *, titles: Mapping[Any, str] | None = None) -> Any:
        r"""Return what each entry of a user's history contributes to the scores of items; their sum is the score.

        .. math:: s(u, j) = \sum_{i \in H_u} q_i \, v_i' A_u^{-1} v_j + \text{what no entry explains}

        as in `als.explain`, jointly with the user's bias where there are biases; the rest is the offset, the item's
        bias, and with biases the background's share. The score is that of a row that solves its system exactly, as
        `fold_in` gives it; a fitted row comes to it as the fit converges.

        Args:
            user: one raw id.
            items: one raw id, or [n] of them: a list, an array or a column.
            titles: raw item id -> title, for a column `title` beside the history, or None.

        Returns:
            A frame, of the library of `items`, of the columns item, history (the raw id of an item of the history;
            null in the last row of each item, for the rest) and contribution, in the order of the raw ids.

        Raises:
            ValueError: for an unknown user or item, a model whose config is no `als.Config`, or without `seen`.

        Example:
            >>> from mfjax import als, histories
            >>> from mfjax.recommend import model
            >>> config = als.Config(dim=2, reg=0.1)
            >>> def learn(pairs):
            ...     return als.factors(als.fit(jax.random.key(0), histories.build(pairs), config), config)
            >>> fitted = model.fit(["ann", "bob", "ann"], [30, 10, 20], [1, 1, 1], learn, config=config)
            >>> fitted.explain("ann", 10)["history"].to_pylist()
            [20, 30, None]
        """
        config = self._least_squares("explain")
        if self.seen is None:
            raise ValueError("seen: the model has no histories to explain by; give it those that were fitted")
        own = find(self.user_vocabulary, "user", [user])[0]
        places = find(self.item_vocabulary, "item", [items] if is_one(items) else items)[0]
        ids, _, mask = (np.asarray(part[0]) for part in self.seen.rows(jnp.asarray(own)))
        parts = self._contributions(config, own, places)[:, [*np.flatnonzero(mask), -1]]  # [items, length + 1]
        raw = text_or_integers(self.item_vocabulary.decode(ids[mask]))
        history = pa.concat_arrays([raw, pa.nulls(1, raw.type)])
        columns: dict[str, Any] = {
            "item": text_or_integers(self.item_vocabulary.decode(np.repeat(places, parts.shape[1]))),
            "history": pa.concat_arrays([history] * len(places)) if len(places) else history[:0],
        }
        if titles is not None:
            columns["title"] = pa.array([titles.get(one) for one in columns["history"].to_pylist()], pa.string())
        return frame(columns | {"contribution": parts.reshape(-1)}, library_of(items))

    def _contributions(self, config: als.Config, user: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Return the contribution of each entry of a padded history to each item, and last the rest."""
        assert self.seen is not None
        table = jnp.asarray(tables_of(self.factors, config.biases)["item"])  # [num_items, width]
        counts = jnp.asarray(self._counts(), table.dtype)
        row = jnp.asarray(user)
        ids, values, mask = (part[0] for part in self.seen.rows(row))
        sure = self.seen.weights_of(row)
        entry = config.objective.numbers(values, counts[ids], None if sure is None else sure[0])
        weights = config.objective.item_weights(counts)
        background = config.objective.unobserved_weight * jnp.matmul(
            table.T, weights[:, None] * table, precision="highest"
        )
        free = np.arange(config.width) != (1 if config.biases else -1)
        # The coordinate that is held at 1 moves to the right: the item's bias, at each entry and in the background.
        held = table[:, 1] if config.biases else jnp.zeros(len(table), table.dtype)
        linear = entry.linear - entry.quadratic * held[ids]
        rest = background[free][:, 1] if config.biases else jnp.zeros(config.width, table.dtype)
        # The background's share is that of one more entry: a row of features with a = 0 and q = -1.
        features = jnp.concatenate([table[:, free], rest[None]])
        one = jnp.ones(1, table.dtype)
        strength = als.regularization(jnp.sum(mask, dtype=table.dtype), jnp.sum(weights), config)
        parts = _explain(
            features,
            jnp.append(ids, len(table)),
            jnp.append(mask, True),
            jnp.concatenate([_each(entry.quadratic, ids), 0 * one]),
            jnp.concatenate([_each(linear, ids), -one]),
            background[free][:, free],
            strength * _ridge(config, table.dtype),
            jnp.asarray(items),
        )
        offset = 0 if self.factors.offset is None else self.factors.offset
        return np.asarray(parts.at[:, -1].add(held[items] + offset))


def _each(numbers: Array, ids: Array) -> Array:
    return jnp.broadcast_to(numbers, ids.shape)


def _ridge(config: als.Config, dtype: Any) -> Array:
    """Return lambda of each coordinate that is solved for."""
    reg = jnp.full(config.dim, config.reg, dtype)
    return jnp.concatenate([jnp.full(1, config.bias_reg, dtype), reg]) if config.biases else reg
