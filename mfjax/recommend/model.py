"""A fitted model with its raw ids: predict a pair or a batch, make lists, measure the error. On the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mfjax import als, checks, histories
from mfjax.data.reading.arrays import Duplicates, from_arrays
from mfjax.histories import Ragged, ragged
from mfjax.recommend import kinds
from mfjax.recommend.parts import REMEDY, RawId, Unknown, find
from mfjax.recommend.raw_lists import RawLists
from mfjax.recommend.reasons import Reasons
from mfjax.recommend.updating import Updates
from mfjax.types import Array, Factors, Interactions, Key, Scorer, Vocabulary


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
    """What was fitted, with all that is needed to use it from raw ids; `saving.save` and `load` keep it in a file.

    An unknown user or item is an error by default. With `unknown="bias"` it has a zero row and a zero bias, so that
    the prediction is what remains: offset + item bias for an unknown user, offset + user bias for an unknown item. A
    scorer has 0 for either, but for counts, which are the same for all users.

    Attributes:
        learned: what was fitted: factors, or a scorer, such as those of `mfjax.baselines` and `recommend.two_stage`.
        user_vocabulary, item_vocabulary: raw ids of the rows of the tables.
        seen: items never recommended to a user (row = user id), or None.
        rating_range: lowest and highest rating, for `clip`, or None.
        objective: name of what was minimised.
        config: what was fitted with: an `als.Config`, `ranking.Config` or `baselines.svd.Config`, by which newcomers
            are folded in, or any other record of the settings; of two stages (the retriever's, the reranker's).
        manifest: versions, checksums, keys, whatever tells where the model comes from.
        item_counts: [num_items], the interactions of each item in the data that was fitted, which some objectives weigh
            items by; None for those of `seen`.
        maps, user_features, item_features: where ALS was fitted with features, `als.feature_maps` and the features that
            the histories had, of the sides that had some.

    Raises:
        ValueError: for factors whose shapes do not fit together, a vocabulary, lists or features of another size, a
            config of another model, or a rating range that is not two numbers, the lowest first.

    Example:
        >>> import jax.numpy as jnp
        >>> factors = Factors(jnp.array([[1.0]]), jnp.array([[2.0], [3.0]]), offset=jnp.array(1.0))
        >>> users, items = Vocabulary.of(["ann"]), Vocabulary.of([10, 20])
        >>> model = Model(learned=factors, user_vocabulary=users, item_vocabulary=items)
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
        values = self._scores(user_ids, item_ids, known_users, known_items)
        if clip:
            values = np.clip(values, *self._range())
        return Predictions(values, int((~known_users).sum()), int((~known_items).sum()))

    def _scores(self, users: np.ndarray, items: np.ndarray, known_users: Any, known_items: Any) -> np.ndarray:
        both = known_users & known_items
        if not isinstance(self.learned, Factors):
            values = np.zeros(len(users), np.float32)
            values[both] = kinds.pairs(self.learned, users[both], items[both])
            if (some := known_items & ~known_users).any():
                values[some] = kinds.pairs(kinds.nobody(self.learned), 0 * users[some], items[some])
            return values
        factors = self.learned
        values = np.where(both, kinds.pairs(Factors(factors.users, factors.items), users, items), 0)
        values = values + _biases(factors.user_biases, users, known_users)
        values = values + _biases(factors.item_biases, items, known_items)
        return values + (0 if factors.offset is None else np.asarray(factors.offset))

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


def of(
    interactions: Interactions,
    learned: Factors | Scorer,
    *,
    seen: Ragged | None = None,
    rating_range: tuple[float, float] | None = None,
    **parts: Any,
) -> Model:
    """Return the model of what was fitted to interactions, with their vocabularies, histories and counts.

    Args:
        interactions: the data that was fitted; without vocabularies their ids are the raw ids.
        learned: what a fit returned.
        seen: items never recommended to a user; None for those of `interactions`.
        rating_range: for clipping; None takes the lowest and highest of the values.
        parts: the other attributes of `Model`, such as `config`.

    Raises:
        ValueError: as `Model`, and for what are no interactions.

    Example:
        >>> from mfjax import baselines, data
        >>> pairs = data.from_arrays(["ann", "bob", "ann"], [30, 10, 10], [1, 1, 1])
        >>> of(pairs, baselines.ease(pairs, reg=1.0)).recommend("bob", k=1)[0].tolist()
        [30]
    """
    lists = ragged(interactions) if seen is None else seen
    vocabularies: dict[str, Any] = {
        f"{side}_vocabulary": Vocabulary(np.arange(size)) if own is None else own
        for side, own, size in (
            ("user", interactions.user_vocabulary, interactions.num_users),
            ("item", interactions.item_vocabulary, interactions.num_items),
        )
    }
    if rating_range is None and len(interactions):
        rating_range = float(interactions.values.min()), float(interactions.values.max())
    counts = parts.pop("item_counts", interactions.item_counts())
    return Model(learned=learned, **vocabularies, seen=lists, rating_range=rating_range, item_counts=counts, **parts)


def fit(
    users: ArrayLike,
    items: ArrayLike,
    ratings: ArrayLike,
    learn: Callable[[Interactions], Factors | Scorer],
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
        learn: interactions -> factors or a scorer, such as a closure around `als.fit`.
        duplicates: what a repeated pair becomes, as in `data.from_arrays`.
        rating_range: for clipping; None takes the lowest and highest of `ratings`.
        objective, config, manifest: kept with the model for the record.

    Raises:
        ValueError: as `from_arrays` and `Model`, and for a `learn` that is no function or returns neither.

    Example:
        >>> from mfjax import baselines
        >>> model = fit(["ann", "bob", "ann"], [30, 10, 10], [5, 4, 3], baselines.ratings.item_bias)
        >>> model.predict("bob", 30), model.rating_range
        (5.0, (3.0, 5.0))
    """
    checks.function("learn", learn, "pass a function of interactions to factors")
    interactions = from_arrays(users, items, ratings, duplicates=duplicates)
    learned = learn(interactions)
    if not isinstance(learned, Factors) and not callable(learned):
        kind = type(learned).__name__
        raise ValueError(f"learn: returned a {kind}; pass a function of interactions to factors or a scorer")
    parts: dict[str, Any] = {"objective": objective, "config": config, "manifest": manifest or {}}
    return of(interactions, learned, rating_range=rating_range, **parts)


def fit_als(
    key: Key,
    interactions: Interactions,
    config: als.Config,
    *,
    num_steps: int = 16,
    user_features: Array | np.ndarray | Ragged | None = None,
    item_features: Array | np.ndarray | Ragged | None = None,
    **parts: Any,
) -> Model:
    """Return the model that ALS fits to interactions, with all that newcomers and reasons need.

    Args:
        key: draws the start.
        interactions: ratings, counts or events, with weights or without.
        config: what is minimised, and how.
        num_steps: sweeps of both sides.
        user_features, item_features: as in `als.features.with_features`, or None.
        parts: of `Model`, such as `objective` and `manifest`, and the options of `of`.

    Raises:
        ValueError: as `als.fit`, `als.features.with_features` and `Model`.

    Example:
        >>> import jax
        >>> from mfjax import data
        >>> pairs = data.from_arrays(["ann", "bob", "ann"], [30, 10, 10], [1, 1, 1])
        >>> model = fit_als(jax.random.key(0), pairs, als.Config(dim=2), item_features=np.eye(2))
        >>> model.fold_in_items(features={40: [1.0, 0.0]})
        Model(2 users, 3 items, dim 2)
    """
    checks.kind("interactions", interactions, Interactions, "pass what data.read or data.from_arrays returns")
    data = als.features.with_features(histories.build(interactions), users=user_features, items=item_features)
    state = als.fit(key, data, config, num_steps=num_steps)
    known: dict[str, Any] = {"user_features": data.users.features, "item_features": data.items.features}
    maps = None if user_features is None and item_features is None else als.feature_maps(state, data, config)
    return of(interactions, als.factors(state, config), config=config, maps=maps, **known, **parts)


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
