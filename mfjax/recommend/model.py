"""A fitted model with its raw ids: predict a pair or a batch, recommend to a user, measure the error. On the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from mfjax import checks, compilation, vocabularies
from mfjax.data.reading.arrays import Duplicates, from_arrays
from mfjax.histories import Ragged, agreement, ragged
from mfjax.recommend import lists
from mfjax.recommend.scores import score
from mfjax.types import Array, Factors, Interactions, Vocabulary

Unknown = Literal["error", "bias"]

RawId = int | str


class Predictions(NamedTuple):
    """Predictions of a batch, and how many of its pairs the model does not know in full.

    Attributes:
        values: float [n], in the unit of the ratings and the precision of the factors.
        num_unknown_users, num_unknown_items: pairs predicted without a user's, without an item's row.
    """

    values: np.ndarray
    num_unknown_users: int
    num_unknown_items: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """Factors with all that is needed to use them from raw ids; `saving.save` and `saving.load` keep it in a file.

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

    Raises:
        ValueError: for factors whose shapes do not fit together, a vocabulary or lists of another size, or a rating
            range that is not two numbers, the lowest first.

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
        agreement.factors("factors", self.factors)
        for name, table, vocabulary in (
            ("user", self.factors.users, self.user_vocabulary),
            ("item", self.factors.items, self.item_vocabulary),
        ):
            checks.kind(f"{name}_vocabulary", vocabulary, Vocabulary, "pass that of the interactions")
            if table.shape[0] != len(vocabulary):
                raise ValueError(
                    f"factors.{name}s: {table.shape[0]} rows for a vocabulary of {len(vocabulary)} ids; "
                    "pass the vocabulary of the data that was fitted"
                )
        if self.seen is not None:
            agreement.lists("seen", self.seen, *self._sizes(), "the model has")
        if self.rating_range is not None:
            remedy = "pass (lowest, highest), or None"
            checks.shape("rating_range", self.rating_range, (2,), remedy)
            checks.number("rating_range", self.rating_range, remedy=remedy)
            if self.rating_range[0] > self.rating_range[1]:
                raise ValueError(f"rating_range: {self.rating_range} falls; {remedy}")
        checks.kind("objective", self.objective, str, "pass a name")
        checks.kind("manifest", self.manifest, Mapping, "pass a dict")  # type: ignore[type-abstract]

    def __repr__(self) -> str:
        num_users, num_items = self._sizes()
        dim, named = self.factors.items.shape[1], f", {self.objective}" if self.objective else ""
        return f"Model({num_users} users, {num_items} items, dim {dim}{named:.60})"

    def _sizes(self) -> tuple[int, int]:
        return self.factors.users.shape[0], self.factors.items.shape[0]

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
        user_ids, known_users = _find(self.user_vocabulary, "user", users, unknown)
        item_ids, known_items = _find(self.item_vocabulary, "item", items, unknown)
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

    def recommend(
        self, user: RawId, *, k: int = 10, exclude_seen: bool = True, unknown: Unknown = "error"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the raw ids of the k best items for a raw user id, best first, and their scores.

        Fewer than k where fewer can be recommended. Ties go to the lower raw id. For many users at once take
        `recommend.top_k` on ids.

        Raises:
            ValueError: for an unknown user, unless `unknown="bias"`, which ranks items by their bias; for several users
                and for a k below 1.
        """
        checks.whole("k", k)
        checks.kind("exclude_seen", exclude_seen, (bool, np.bool_), "pass True or False")
        if hasattr(user, "__len__") and not isinstance(user, (str, bytes)) and getattr(user, "ndim", 1) != 0:
            raise ValueError("user: several users; pass one raw id, for many take recommend.top_k on ids")
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


_top_k = compilation.jit(lists.top_k, static_argnames="k")


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


def _find(vocabulary: Vocabulary, side: str, raw_ids: Any, unknown: Unknown) -> tuple[np.ndarray, np.ndarray]:
    checks.choice("unknown", unknown, get_args(Unknown))
    asked = vocabularies.raw_ids(f"{side}s", raw_ids)
    kind = vocabularies.kind_of(vocabulary.raw)
    if asked.size and vocabularies.kind_of(asked) != kind:
        first = asked[:1].tolist()[0]
        raise ValueError(f"{side}s: {first!r:.80}, but the {side} ids of this model are {kind}; convert it")
    ids, known = vocabulary.find(asked)
    if unknown == "error" and not known.all():
        unknowns = asked[~known].tolist()
        raise ValueError(
            f"{side}s: {side} {unknowns[0]!r:.80} is unknown ({len(unknowns)} of {known.size} pairs); drop it, or pass "
            "unknown='bias' to predict from what is known"
        )
    return ids, known


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
