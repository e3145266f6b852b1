"""A model in one file, with all that it needs to predict from raw ids."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from mfjax import checks
from mfjax.histories import Ragged
from mfjax.recommend import Model
from mfjax.saving import configs, container, model_checks, texts
from mfjax.saving.trees import check_kind, on_device, plain
from mfjax.types import Factors, Vocabulary
from mfjax.vocabularies import TEXT

_LISTS = ("offsets", "ids", "values")
_VOCABULARIES = ("user_vocabulary", "item_vocabulary")


def save(path: str | os.PathLike, model: Model) -> None:
    """Write a model to one file, without pickle, whole or not at all.

    An `als.Config` or `ranking.Config` comes back as one, its functions being of mfjax; any other config and the
    manifest come back as JSON has them.

    Raises:
        ValueError: for a config or manifest that JSON can not hold, a config with functions of your own or an optimiser
            of optax, or a model that `load` would refuse, such as one
            whose factors are not finite.

    Example:
        >>> import tempfile
        >>> import jax.numpy as jnp
        >>> users, items = Vocabulary.of(["ann"]), Vocabulary.of([7, 8, 9])
        >>> factors = Factors(jnp.ones((1, 2)), jnp.ones((3, 2)))
        >>> model = Model(factors=factors, user_vocabulary=users, item_vocabulary=items)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(f"{folder}/model.mfjax", model)
        ...     load(f"{folder}/model.mfjax").predict("ann", 8)
        2.0
    """
    checks.kind("model", model, Model, "pass a recommend.Model; save other trees with save_tree")
    arrays = {
        f"factors.{name}": np.asarray(table) for name, table in model.factors._asdict().items() if table is not None
    }
    arrays |= {"user_vocabulary": model.user_vocabulary.raw, "item_vocabulary": model.item_vocabulary.raw}
    if model.item_counts is not None:
        arrays["item_counts"] = np.asarray(model.item_counts)
    seen = None
    if model.seen is not None:
        held = _LISTS if model.seen.weights is None else (*_LISTS, "weights")
        arrays |= {f"seen.{name}": np.asarray(getattr(model.seen, name)) for name in held}
        seen = {"num_columns": model.seen.num_columns, "longest": model.seen.longest}
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
    model_checks.check("model", arrays, header)
    for name in _VOCABULARIES:
        if arrays[name].dtype == TEXT:
            arrays |= texts.packed(name, arrays.pop(name))
    container.write(path, arrays, header)


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
    seen = None
    if header["seen"] is not None:
        offsets, ids, values = (on_device(name, arrays[f"seen.{name}"]) for name in _LISTS)
        weights = on_device("weights", arrays["seen.weights"]) if "seen.weights" in arrays else None
        seen = Ragged(offsets, ids, values, header["seen"]["num_columns"], header["seen"]["longest"], weights)
    tables = {
        name: on_device(name, arrays[f"factors.{name}"]) for name in Factors._fields if f"factors.{name}" in arrays
    }
    return Model(
        factors=Factors(**tables),
        user_vocabulary=Vocabulary(arrays["user_vocabulary"]),
        item_vocabulary=Vocabulary(arrays["item_vocabulary"]),
        seen=seen,
        rating_range=None if header["rating_range"] is None else tuple(header["rating_range"]),
        objective=header["objective"],
        config=configs.read(header.get("config_kind"), header["config"]),
        manifest=header["manifest"],
        item_counts=arrays.get("item_counts"),
    )
