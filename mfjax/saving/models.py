"""A model in one file, with all that it needs to predict from raw ids."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from mfjax import checks
from mfjax.als import FeatureMaps
from mfjax.histories import Ragged
from mfjax.recommend import Model
from mfjax.saving import configs, container, learned, model_checks, texts
from mfjax.saving.model_checks import SIDES
from mfjax.saving.part_checks import read_lists, written_lists
from mfjax.saving.trees import check_kind, on_device, plain
from mfjax.types import Vocabulary
from mfjax.vocabularies import TEXT

_VOCABULARIES = ("user_vocabulary", "item_vocabulary")


def save(path: str | os.PathLike, model: Model) -> None:
    """Write a model to one file, without pickle, whole or not at all.

    An `als.Config`, `ranking.Config` or `svd.Config` comes back as one, its functions being of mfjax; any other config
    and the manifest come back as JSON has them.

    Raises:
        ValueError: for a config or manifest that JSON can not hold, a config with functions of your own or an optimiser
            of optax, a scorer that is not of mfjax, or a model that `load` would refuse, such as one whose factors are
            not finite.

    Example:
        >>> import tempfile
        >>> import jax.numpy as jnp
        >>> from mfjax.types import Factors
        >>> users, items = Vocabulary.of(["ann"]), Vocabulary.of([7, 8, 9])
        >>> factors = Factors(jnp.ones((1, 2)), jnp.ones((3, 2)))
        >>> model = Model(learned=factors, user_vocabulary=users, item_vocabulary=items)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(f"{folder}/model.mfjax", model)
        ...     load(f"{folder}/model.mfjax").predict("ann", 8)
        2.0
    """
    checks.kind("model", model, Model, "pass a recommend.Model; save other trees with save_tree")
    arrays, described = learned.written(model.learned, model.seen)
    arrays |= {name: getattr(model, name).raw for name in _VOCABULARIES}
    if model.item_counts is not None:
        arrays["item_counts"] = np.asarray(model.item_counts)
    seen = None
    if model.seen is not None:
        lists, seen = written_lists("seen", model.seen)
        arrays |= lists
    kind, config = configs.written(model.config)
    header = {
        "kind": "model",
        "seen": seen,
        "rating_range": plain(model.rating_range),
        "objective": model.objective,
        "config": config,
        "manifest": plain(model.manifest),
    }
    if kind is not None:
        header["config_kind"] = kind
    if described != learned.FACTORS:
        header["learned"] = described
    if model.maps is not None:
        more, header["features"] = _written_features(model, model.maps)
        arrays |= more
    model_checks.check("model", arrays, header)
    for name in _VOCABULARIES:
        if arrays[name].dtype == TEXT:
            arrays |= texts.packed(name, arrays.pop(name))
    container.write(path, arrays, header)


def _written_features(model: Model, maps: FeatureMaps) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the features and maps of the sides that have some, and how the header describes them."""
    arrays: dict[str, np.ndarray] = {}
    described: dict[str, Any] = {}
    for side in SIDES:
        held, table = getattr(model, f"{side}_features"), getattr(maps, f"{side}s")
        if held is None:
            continue
        arrays[f"maps.{side}s"] = np.asarray(table)
        if isinstance(held, Ragged):
            lists, described[side] = written_lists(f"{side}_features", held)
            arrays |= lists
        else:
            arrays[f"{side}_features"], described[side] = np.asarray(held), "numbers"
    return arrays, described


def load(path: str | os.PathLike) -> Model:
    """Return the model that `save` wrote: the same bits, so the same predictions.

    Raises:
        ValueError: if the file is not a model, is of an unknown version or damaged, or if its parts do not fit one
            another or are not finite.
    """
    arrays, header = container.read(path)
    check_kind(path, header, "model")
    _unpack(path, arrays)
    model_checks.check(str(path), arrays, header)
    try:
        return _model(arrays, header)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _unpack(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    """Put vocabularies of text in the place of what they were packed into."""
    for name in _VOCABULARIES:
        # A file of an earlier mfjax holds text in one array, every id as wide as the longest.
        if name not in arrays and texts.parts(name) <= arrays.keys():
            try:
                arrays[name] = texts.unpacked(name, {part: arrays.pop(part) for part in texts.parts(name)})
            except ValueError as error:
                raise ValueError(f"{path}: damaged inside, {error}; save it again") from None


def _model(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> Model:
    seen = None if header["seen"] is None else read_lists("seen", arrays, header["seen"])
    features = {
        f"{side}_features": on_device(side, arrays[f"{side}_features"])
        if how == "numbers"
        else read_lists(f"{side}_features", arrays, how)
        for side, how in header.get("features", {}).items()
    }
    maps = {side: on_device(side, arrays[f"maps.{side}"]) for side in ("users", "items") if f"maps.{side}" in arrays}
    return Model(
        learned=learned.read(header.get("learned", learned.FACTORS), arrays, seen),
        user_vocabulary=Vocabulary(arrays["user_vocabulary"]),
        item_vocabulary=Vocabulary(arrays["item_vocabulary"]),
        seen=seen,
        rating_range=None if header["rating_range"] is None else tuple(header["rating_range"]),
        objective=header["objective"],
        config=configs.read(header.get("config_kind"), header["config"]),
        manifest=header["manifest"],
        item_counts=arrays.get("item_counts"),
        maps=FeatureMaps(maps.get("users"), maps.get("items")) if maps else None,
        **features,
    )
