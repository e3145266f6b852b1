"""A fitted model with its raw ids: predict a pair or a batch, make lists, measure the error. On the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from mfjax import checks
from mfjax.data.reading.arrays import Duplicates, from_arrays
from mfjax.histories import agreement, ragged
from mfjax.recommend.parts import REMEDY, RawId, Unknown, find
from mfjax.recommend.raw_lists import RawLists
from mfjax.recommend.reasons import Reasons
from mfjax.recommend.scores import score
from mfjax.recommend.updating import Updates
from mfjax.types import Array, Factors, Interactions


class Predictions(NamedTuple):
    """Predictions of a batch, and how many of its pairs the model does not know in full.

    Attributes:
        values: float [n], in the unit of the ratings and the precision of the factors.
        num_unknown_users, num_unknown_items: pairs predicted without a user's, without an item's row.
    """

    values: np.ndarray
    num_unknown_users: int
    num_unknown_items: int


class Model(RawLists, Reasons, Updates):
    """Factors with all that is needed to use them from raw ids; `saving.save` and `saving.load` keep it in a file.

    An unknown user or item is an error by default. With `unknown="bias"` it has a zero row and a zero bias, so that
    the prediction is what remains: offset + item bias for an unknown user, offset + user bias for an unknown item.

    Attributes:
        factors: the model.
        user_vocabulary, item_vocabulary: raw ids of the rows of the tables.
        seen: items never recommended to a user (row = user id), or None.
        rating_range: lowest and highest rating, for `clip`, or None.
        objective: name of what was minimised.
        config: what was fitted with: an `als.Config` or `ranking.Config`, by which newcomers are folded in, or any
            other record of the settings.
        manifest: versions, checksums, keys, whatever tells where the model comes from.
        item_counts: [num_items], the interactions of each item in the data that was fitted, which some objectives weigh
            items by; None for those of `seen`.

    Raises:
        ValueError: for factors whose shapes do not fit together, a vocabulary or lists of another size, or a rating
            range that is not two numbers, the lowest first.

    Example:
        >>> from mfjax.types import Vocabulary
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

    def predict(self, user: RawId, item: RawId, *, unknown: Unknown = "error", clip: bool = False) -> float:
        """Return the prediction for one pair of raw ids; options and errors as `predict_batch`."""
        return float(self.predict_batch([user], [item], unknown=unknown, clip=clip).values[0])

    def predict_batch(
        self, users: ArrayLike, items: ArrayLike, *, unknown: Unknown = "error", clip: bool = False
    ) -> Predictions:
        """Return the predictions for pairs of raw ids.

        Args:
            users, items: [n] raw ids of the kind that was fitted, integers or strings: a list, an array, a column.
            unknown: "error", or "bias" to predict from what is known and count.
            clip: whether to move predictions into `rating_range`.

        Raises:
            ValueError: for an unknown raw id, a missing one, one of another kind (no conversion is guessed), arrays of
                two lengths, or `clip` without a `rating_range`.
        """
        user_ids, known_users = find(self.user_vocabulary, "user", users, unknown, remedy=REMEDY)
        item_ids, known_items = find(self.item_vocabulary, "item", items, unknown, remedy=REMEDY)
        if user_ids.shape != item_ids.shape:
            raise ValueError(f"items: shape {item_ids.shape}, but users has {user_ids.shape}; pass one item a user")
        factors = self.factors
        products = score(Factors(factors.users, factors.items), jnp.asarray(user_ids), jnp.asarray(item_ids))
        values = np.where(known_users & known_items, products, 0)
        values = values + _biases(factors.user_biases, user_ids, known_users)
        values = values + _biases(factors.item_biases, item_ids, known_items)
        values = values + (0 if factors.offset is None else np.asarray(factors.offset))
        if clip:
            values = np.clip(values, *self._range())
        return Predictions(values, int((~known_users).sum()), int((~known_items).sum()))

    def rmse(
        self,
        users: ArrayLike,
        items: ArrayLike,
        ratings: ArrayLike,
        *,
        unknown: Unknown = "error",
        clip: bool = False,
    ) -> float:
        r"""Return the root mean squared error over an array of rated pairs of raw ids.

        .. math:: \sqrt{\frac{1}{n} \sum (\hat r - r)^2}

        Raises:
            ValueError: as `predict_batch`, if there are no ratings, or one is missing or no finite number.
        """
        truth = _ratings(ratings)
        values = self.predict_batch(users, items, unknown=unknown, clip=clip).values
        if truth.shape != values.shape or truth.size == 0:
            raise ValueError(f"ratings: shape {truth.shape}; pass one a pair, {values.shape}, at least one")
        return float(np.sqrt(np.mean((values - truth) ** 2)))

    def _range(self) -> tuple[float, float]:
        if self.rating_range is None:
            raise ValueError("clip: the model has no rating_range to clip to; give it one, or pass clip=False")
        return self.rating_range


def fit(
    users: ArrayLike,
    items: ArrayLike,
    ratings: ArrayLike,
    learn: Callable[[Interactions], Factors],
    *,
    duplicates: Duplicates = "error",
    rating_range: tuple[float, float] | None = None,
    objective: str = "",
    config: Any = None,
    manifest: Mapping[str, Any] | None = None,
) -> Model:
    """Return the model of parallel arrays of raw user ids, raw item ids and ratings.

    Args:
        users, items, ratings: [n]; see `data.from_arrays` for what is checked.
        learn: interactions -> factors, such as a closure around `als.fit`.
        duplicates: what a repeated pair becomes, as in `data.from_arrays`.
        rating_range: for clipping; None takes the lowest and highest of `ratings`.
        objective, config, manifest: kept with the model for the record.

    Raises:
        ValueError: as `from_arrays` and `Model`, and for a `learn` that is no function or returns no factors.

    Example:
        >>> from mfjax import baselines
        >>> model = fit(["ann", "bob", "ann"], [30, 10, 10], [5, 4, 3], baselines.ratings.item_bias)
        >>> model.predict("bob", 30), model.rating_range
        (5.0, (3.0, 5.0))
    """
    checks.function("learn", learn, "pass a function of interactions to factors")
    interactions = from_arrays(users, items, ratings, duplicates=duplicates)
    assert interactions.user_vocabulary is not None and interactions.item_vocabulary is not None
    observed = float(interactions.values.min()), float(interactions.values.max())
    return Model(
        factors=agreement.factors("learn", learn(interactions)),
        user_vocabulary=interactions.user_vocabulary,
        item_vocabulary=interactions.item_vocabulary,
        seen=ragged(interactions),
        rating_range=observed if rating_range is None else rating_range,
        objective=objective,
        config=config,
        manifest={} if manifest is None else manifest,
    )


def _ratings(ratings: Any) -> np.ndarray:
    """Return ratings float64, all finite."""
    array = np.asarray(ratings)
    if array.dtype == object:
        is_number = [
            isinstance(one, (int, float, np.number)) and not isinstance(one, bool) for one in array.reshape(-1)
        ]
        if not all(is_number):
            one = array.reshape(-1)[is_number.index(False)]
            raise ValueError(f"ratings: {one!r:.80} is no number; convert the ratings, or drop the pair")
        array = array.astype(np.float64)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"ratings: dtype {array.dtype}; convert the ratings to numbers")
    checks.number("ratings", array, remedy="drop the pair")
    return array.astype(np.float64)


def _biases(biases: Array | None, ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.zeros(len(ids), np.float32) if biases is None else np.where(known, np.asarray(biases)[ids], 0)
