"""A fitted model with its raw ids: predict a pair or a batch, recommend to a user, measure the error. On the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mfjax import compilation, recommend
from mfjax.data.arrays import from_arrays
from mfjax.histories import Ragged, ragged
from mfjax.types import Array, Factors, Interactions, Vocabulary

UNKNOWN = ("error", "bias")


class Predictions(NamedTuple):
    """Predictions of a batch, and how many of its pairs the model does not know in full.

    Attributes:
        values: float32 [n], in the unit of the ratings.
        num_unknown_users, num_unknown_items: pairs predicted without a user's, without an item's row.
    """

    values: np.ndarray
    num_unknown_users: int
    num_unknown_items: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """Factors with all that is needed to use them from raw ids; `persist.save` and `persist.load` keep it in a file.

    An unknown user or item is an error by default. With `unknown="bias"` it has a zero row and a zero bias, so that
    the prediction is what remains: offset + item bias for an unknown user, offset + user bias for an unknown item.

    Attributes:
        factors: the model.
        user_vocabulary, item_vocabulary: raw ids of the rows of the tables.
        seen: items never recommended to a user (row = user id), or None.
        rating_range: lowest and highest rating, for `clip`, or None.
        objective: name of what was minimised.
        config: settings of the fit, for the record.
        manifest: versions, checksums, keys, whatever tells where the model comes from.

    Example:
        >>> factors = Factors(jnp.array([[1.0]]), jnp.array([[2.0], [3.0]]), offset=jnp.array(1.0))
        >>> users, items = Vocabulary.of(["ann"]), Vocabulary.of([10, 20])
        >>> model = Model(factors=factors, user_vocabulary=users, item_vocabulary=items)
        >>> model.predict("ann", 20)
        4.0
        >>> model.predict("bob", 20, unknown="bias")
        1.0
        >>> model.recommend("ann", k=1)[0].tolist()
        [20]
    """

    factors: Factors
    user_vocabulary: Vocabulary
    item_vocabulary: Vocabulary
    seen: Ragged | None = None
    rating_range: tuple[float, float] | None = None
    objective: str = ""
    config: Any = None
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, table, vocabulary in (
            ("users", self.factors.users, self.user_vocabulary),
            ("items", self.factors.items, self.item_vocabulary),
        ):
            if table.shape[0] != len(vocabulary):
                raise ValueError(
                    f"factors.{name}: {table.shape[0]} rows for a vocabulary of {len(vocabulary)} ids; "
                    "pass the vocabulary of the data that was fitted"
                )

    def predict(self, user, item, *, unknown: str = "error", clip: bool = False) -> float:
        """Return the prediction for one pair of raw ids; options and errors as `predict_batch`."""
        return float(self.predict_batch([user], [item], unknown=unknown, clip=clip).values[0])

    def predict_batch(self, users, items, *, unknown: str = "error", clip: bool = False) -> Predictions:
        """Return the predictions for pairs of raw ids.

        Args:
            users, items: [n] raw ids.
            unknown: "error", or "bias" to predict from what is known and count.
            clip: whether to move predictions into `rating_range`.

        Raises:
            ValueError: for an unknown raw id, arrays of two lengths, or `clip` without a `rating_range`.
        """
        if np.shape(users) != np.shape(items):
            raise ValueError(f"items: shape {np.shape(items)}, but users has {np.shape(users)}; pass one item a user")
        user_ids, known_users = _find(self.user_vocabulary, "user", users, unknown)
        item_ids, known_items = _find(self.item_vocabulary, "item", items, unknown)
        factors = self.factors
        products = recommend.score(Factors(factors.users, factors.items), jnp.asarray(user_ids), jnp.asarray(item_ids))
        values = np.where(known_users & known_items, products, 0)
        values = values + _biases(factors.user_biases, user_ids, known_users)
        values = values + _biases(factors.item_biases, item_ids, known_items)
        values = values + (0 if factors.offset is None else np.asarray(factors.offset))
        if clip:
            values = np.clip(values, *self._range())
        return Predictions(values, int((~known_users).sum()), int((~known_items).sum()))

    def recommend(self, user, *, k: int = 10, exclude_seen: bool = True, unknown: str = "error"):
        """Return the raw ids of the k best items for a raw user id, best first, and their scores.

        Fewer than k where fewer can be recommended. Ties go to the lower raw id. For many users at once take
        `recommend.top_k` on ids.

        Raises:
            ValueError: for an unknown user, unless `unknown="bias"`, which ranks items by their bias.
        """
        ids, known = _find(self.user_vocabulary, "user", [user], unknown)
        if known[0]:
            exclude = self.seen if exclude_seen else None
            best, scores = _top_k(self.factors, jnp.asarray(ids), k=k, exclude=exclude)
        else:
            item_biases, offset = self.factors.item_biases, self.factors.offset
            nobody = Factors(jnp.zeros((1, 0)), self.factors.items[:, :0], None, item_biases, offset)
            best, scores = _top_k(nobody, jnp.zeros(1, jnp.int32), k=k)
        found, values = np.asarray(best[0]), np.asarray(scores[0])
        real = values > -np.inf
        return self.item_vocabulary.decode(found[real]), values[real]

    def rmse(self, users, items, ratings, *, unknown: str = "error", clip: bool = False) -> float:
        r"""Return the root mean squared error over an array of rated pairs of raw ids.

        .. math:: \sqrt{\frac{1}{n} \sum (\hat r - r)^2}

        Raises:
            ValueError: as `predict_batch`, or if there are no ratings.
        """
        ratings = np.asarray(ratings, np.float64)
        if ratings.shape != np.shape(users) or ratings.size == 0:
            raise ValueError(f"ratings: shape {ratings.shape}; pass one a pair, {np.shape(users)}, at least one")
        values = self.predict_batch(users, items, unknown=unknown, clip=clip).values
        return float(np.sqrt(np.mean((values - ratings) ** 2)))

    def _range(self) -> tuple[float, float]:
        if self.rating_range is None:
            raise ValueError("clip: the model has no rating_range to clip to; give it one, or pass clip=False")
        return self.rating_range


_top_k = compilation.jit(recommend.top_k, static_argnames="k")


def fit(
    users,
    items,
    ratings,
    learn: Callable[[Interactions], Factors],
    *,
    duplicates: str = "error",
    rating_range: tuple[float, float] | None = None,
    objective: str = "",
    config: Any = None,
    manifest: Mapping[str, Any] | None = None,
) -> Model:
    """Return the model of parallel arrays of raw user ids, raw item ids and ratings.

    Args:
        users, items, ratings: [n]; see `data.arrays.from_arrays` for what is checked.
        learn: interactions -> factors, such as a closure around `als.fit`.
        duplicates: what a repeated pair becomes: "error", "last", "sum" or "mean".
        rating_range: for clipping; None takes the lowest and highest of `ratings`.
        objective, config, manifest: kept with the model for the record.

    Example:
        >>> from mfjax.rating_baselines import item_bias
        >>> model = fit(["ann", "bob", "ann"], [30, 10, 10], [5, 4, 3], item_bias)
        >>> model.predict("bob", 30), model.rating_range
        (5.0, (3.0, 5.0))
    """
    interactions = from_arrays(users, items, ratings, duplicates=duplicates)
    assert interactions.user_vocabulary is not None and interactions.item_vocabulary is not None
    observed = float(interactions.values.min()), float(interactions.values.max())
    return Model(
        factors=learn(interactions),
        user_vocabulary=interactions.user_vocabulary,
        item_vocabulary=interactions.item_vocabulary,
        seen=ragged(interactions),
        rating_range=observed if rating_range is None else rating_range,
        objective=objective,
        config=config,
        manifest={} if manifest is None else manifest,
    )


def _find(vocabulary: Vocabulary, side: str, raw_ids, unknown: str) -> tuple[np.ndarray, np.ndarray]:
    if unknown not in UNKNOWN:
        raise ValueError(f"unknown: {unknown!r} is not a policy; pass 'error' or 'bias'")
    raw_ids = np.asarray(raw_ids)
    if raw_ids.size and (raw_ids.dtype.kind == "U") != (vocabulary.raw.dtype.kind == "U"):
        raise ValueError(
            f"{side}s: {raw_ids.reshape(-1)[0].item()!r} is of dtype {raw_ids.dtype}, but the {side} ids of this model "
            f"are {vocabulary.raw.dtype}; convert it"
        )
    ids, known = vocabulary.find(raw_ids)
    if unknown == "error" and not known.all():
        first = raw_ids[~known][0].item()
        raise ValueError(
            f"{side}s: {side} {first!r} is unknown ({(~known).sum()} of {known.size} pairs); drop it, or pass "
            "unknown='bias' to predict from what is known"
        )
    return ids, known


def _biases(biases: Array | None, ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.zeros(len(ids), np.float32) if biases is None else np.where(known, np.asarray(biases)[ids], 0)
