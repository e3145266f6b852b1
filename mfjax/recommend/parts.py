"""The parts of a fitted model, which must fit one another, and raw ids looked up in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from mfjax import als, checks, ranking, vocabularies
from mfjax.als import FeatureMaps, features
from mfjax.baselines import svd
from mfjax.histories import Ragged, agreement
from mfjax.recommend.scores import scorer
from mfjax.recommend.two_stage import TwoStages
from mfjax.types import Array, Factors, Interactions, Scorer, Vocabulary

Unknown = Literal["error", "bias"]

RawId = int | str

Side = Literal["user", "item"]

STAGES = ("retriever", "reranker")

REMEDY = "drop it, or pass unknown='bias' to predict from what is known"
"""For an unknown id where one may ask for what the biases say."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Parts:
    """What a model consists of; see `recommend.Model`, which can be asked.

    Raises:
        ValueError: for parts that do not fit together.
    """

    learned: Factors | Scorer
    user_vocabulary: Vocabulary
    item_vocabulary: Vocabulary
    seen: Ragged | None = None
    rating_range: tuple[float, float] | None = None
    objective: str = ""
    config: Any = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    item_counts: np.ndarray | None = None
    maps: FeatureMaps | None = None
    user_features: Array | Ragged | None = None
    item_features: Array | Ragged | None = None

    def __post_init__(self) -> None:
        _check_learned(self.learned, self._sizes())
        for name, vocabulary in (("user", self.user_vocabulary), ("item", self.item_vocabulary)):
            checks.kind(f"{name}_vocabulary", vocabulary, Vocabulary, "pass that of the interactions")
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
        if self.item_counts is not None:
            remedy = "pass interactions.item_counts() of the data that was fitted, or None"
            checks.shape("item_counts", self.item_counts, (self._sizes()[1],), remedy)
            checks.number("item_counts", self.item_counts, least=0, remedy=remedy)
        _check_config(self.config, self.learned)
        _check_features(self)

    def __repr__(self) -> str:
        num_users, num_items = self._sizes()
        named = f", {self.objective}" if self.objective else ""
        return f"{type(self).__name__}({num_users} users, {num_items} items, {_told(self.learned)}{named:.60})"

    @property
    def factors(self) -> Factors:
        """The tables of a model of factors.

        Raises:
            ValueError: for a model of another kind.
        """
        if isinstance(self.learned, Factors):
            return self.learned
        raise ValueError(f"learned: {_told(self.learned)} have no factors; ask a model whose fit returned Factors")

    def _sizes(self) -> tuple[int, int]:
        return len(self.user_vocabulary), len(self.item_vocabulary)

    def vocabulary(self, side: Side) -> Vocabulary:
        """Return the vocabulary of a side."""
        return self.user_vocabulary if side == "user" else self.item_vocabulary


def _told(learned: Factors | Scorer) -> str:
    """Return in a word or two what was learned."""
    if isinstance(learned, Factors):
        return f"dim {learned.items.shape[1]}"
    return {"Linear": "item weights", "Popularity": "counts", "TwoStages": "two stages"}.get(
        type(learned).__name__, "scores of a function"
    )


def name_of(config: Any) -> str:
    """Return the kind of a config in words, such as "a ranking.Config".

    Example:
        >>> name_of(als.Config()), name_of(None)
        ('an als.Config', 'nothing')
    """
    if config is None:
        return "nothing"
    for kind, name in (
        (als.Config, "an als.Config"),
        (ranking.Config, "a ranking.Config"),
        (svd.Config, "a svd.Config"),
    ):
        if isinstance(config, kind):
            return name
    return f"a {type(config).__name__}"


def _check_learned(learned: Any, sizes: tuple[int, int]) -> None:
    """Raise ValueError unless factors or a scorer are of as many users and items as there are raw ids."""
    scores = learned
    if isinstance(learned, Factors):
        agreement.factors("learned", learned)
    elif not callable(learned):
        kind = type(learned).__name__
        raise ValueError(f"learned: a {kind} is neither Factors nor a scorer; pass what a fit or a baseline returns")
    else:
        scores = scorer(learned)
    for side, held, size in zip(
        ("user", "item"), (agreement.num_users(learned), agreement.num_items(scores)), sizes, strict=True
    ):
        if held is not None and held != size:
            raise ValueError(
                f"learned: has {held} {side}s, but the vocabulary {size} ids; pass the vocabulary of the data that was "
                "fitted"
            )


def _check_config(config: Any, learned: Factors | Scorer) -> None:
    """Raise ValueError for a config that this can not have been fitted with; two stages have a pair of them."""
    remedy = "pass the config that the factors were fitted with, or None"
    if isinstance(learned, TwoStages) and isinstance(config, tuple):
        if len(config) != len(STAGES):
            raise ValueError(f"config: {len(config)} for two stages; pass (that of the retriever, of the reranker)")
        for part, stage in zip(config, STAGES, strict=True):
            _check_config(part, getattr(learned, stage))
        return
    if not isinstance(config, (als.Config, ranking.Config, svd.Config)):
        return
    if not isinstance(learned, Factors):
        raise ValueError(f"config: a config of factors, but the model has {_told(learned)}; {remedy}")
    dim = learned.items.shape[1]
    if config.dim != dim:
        raise ValueError(f"config: dim {config.dim}, but the factors have {dim}; {remedy}")
    has = learned.item_biases is not None
    biases = not isinstance(config, svd.Config) and config.biases
    if biases != has:
        held = "has" if has else "has no"
        raise ValueError(f"config: biases={biases}, but the model {held} item_biases; {remedy}")


def _check_features(parts: Parts) -> None:
    """Raise ValueError unless there are features of each side that has a map, as many as it maps."""
    remedy = "pass als.feature_maps(state, data, config), and the features that the data had"
    maps = parts.maps
    if maps is not None:
        checks.kind("maps", maps, FeatureMaps, remedy)
        if not isinstance(parts.config, als.Config):
            raise ValueError(f"maps: belong to a model of als.Config, but config is {name_of(parts.config)}; {remedy}")
    for side, size in zip(("user", "item"), parts._sizes(), strict=True):
        name, held = f"{side}_features", getattr(parts, f"{side}_features")
        known = None if maps is None else getattr(maps, f"{side}s")
        if (known is None) != (held is None):
            raise ValueError(f"{name}: {'missing' if held is None else 'there is no map of them'}; {remedy}")
        if held is not None:
            table = features.checked(name, held, size)
            checks.shape(f"maps.{side}s", known, (features.num_features(table), parts.config.width), remedy)
            checks.number(f"maps.{side}s", known, remedy=remedy)


def column_of(given: Any, side: Side) -> Any:
    """Return the column of raw ids of a frame: its only one, or that named after the side; what is no frame as it is.

    Raises:
        ValueError: for a frame with no such column.

    Example:
        >>> import pandas
        >>> column_of(pandas.DataFrame({"user_id": [3, 4], "age": [20, 30]}), "user").tolist()
        [3, 4]
    """
    names = getattr(given, "column_names", None)
    names = getattr(given, "columns", None) if names is None else names
    if names is None:
        return given
    names = list(names)
    for name in (side, f"{side}_id", *(names if len(names) == 1 else ())):
        if name in names:
            return given[name]
    raise ValueError(f"{side}s: a frame with the columns {names!r:.80} has no {side}; pass its column of raw ids")


def find(
    vocabulary: Vocabulary, side: Side, raw_ids: Any, unknown: Unknown = "error", *, remedy: str = "drop it"
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids int32 [n] of raw ids, 0 for an unknown one, and which are known.

    Args:
        vocabulary: of the model.
        side: "user" or "item", for messages.
        raw_ids: [n], a list, an array, a column, or a frame with one.
        unknown: "error", or "bias" to take unknown ids.
        remedy: for an unknown id.

    Raises:
        ValueError: for raw ids of another kind, missing ones, and unknown ones unless `unknown="bias"`.
    """
    checks.choice("unknown", unknown, get_args(Unknown))
    asked = vocabularies.raw_ids(f"{side}s", column_of(raw_ids, side))
    kind = vocabularies.kind_of(vocabulary.raw)
    if asked.size and vocabularies.kind_of(asked) != kind:
        first = asked[:1].tolist()[0]
        raise ValueError(f"{side}s: {first!r:.80}, but the {side} ids of this model are {kind}; convert it")
    ids, known = vocabulary.find(asked)
    if unknown == "error" and not known.all():
        unknowns = asked[~known].tolist()
        raise ValueError(
            f"{side}s: {side} {unknowns[0]!r:.80} is unknown ({len(unknowns)} of {known.size} pairs); {remedy}"
        )
    return ids, known


def pairs_of(lists: Ragged) -> Interactions:
    """Return the Interactions that lists were made of, by row and by id.

    Example:
        >>> lists = Ragged(np.array([0, 0, 2]), np.array([1, 4]), np.ones(2, np.float32), num_columns=5, longest=2)
        >>> pairs_of(lists).users.tolist()
        [1, 1]
    """
    offsets = np.asarray(lists.offsets).astype(np.int64)
    size = int(offsets[-1])
    rows = np.repeat(np.arange(lists.num_rows, dtype=np.int32), np.diff(offsets))
    ids, values = np.asarray(lists.ids)[:size], np.asarray(lists.values)[:size]
    weights = None if lists.weights is None else np.asarray(lists.weights)[:size]
    return Interactions(rows, ids, values, lists.num_rows, lists.num_columns, weights=weights)
