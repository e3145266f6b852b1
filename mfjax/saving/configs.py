"""Configs of ALS and of ranking losses in the header of a file, and back: what they were, of functions by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Literal

import jax
import numpy as np
from jax.tree_util import Partial

from mfjax import als, ranking
from mfjax.als import objectives
from mfjax.als.config import check
from mfjax.baselines import svd
from mfjax.ranking import losses
from mfjax.ranking.values import check_config
from mfjax.recommend.parts import STAGES
from mfjax.saving.trees import plain

ConfigKind = Literal["als", "ranking", "svd", "stages"]

_DTYPES = ("float32", "float64", "float16", "bfloat16", "int32", "int64")
_RECORD = "pass config=saving.trees.plain(config) to keep it as a record"


def written(config: Any) -> tuple[ConfigKind | None, Any]:
    """Return a config as JSON can hold it, with its kind; None for what is kept as a record alone.

    Raises:
        ValueError: for a config with a function that is not of mfjax, an optimiser, or an array in a number's place.

    Example:
        >>> kind, held = written(als.Config(reg=0.5, objective=objectives.ials(unobserved_weight=0.2)))
        >>> kind, held["reg"], held["objective"]["entry"]
        ('als', 0.5, 'ials')
    """
    if type(config) is als.Config:
        held = {name: _number(name, value) for name, value in _members(config).items() if name != "objective"}
        return "als", held | {"objective": _objective(config.objective)}
    if type(config) is ranking.Config:
        if config.optimizer is not None:
            raise ValueError(
                "config: an optimiser of optax can not be saved; pass replace(config, optimizer=None), which folds in "
                f"alike, or {_RECORD.removeprefix('pass ')}"
            )
        name = _name("loss", config.loss, losses.LOSSES)
        return "ranking", {key: _number(key, value) for key, value in _members(config).items() if key != "loss"} | {
            "loss": name
        }
    if type(config) is svd.Config:
        return "svd", _members(config)
    if isinstance(config, tuple) and any(isinstance(one, (als.Config, ranking.Config, svd.Config)) for one in config):
        return "stages", [dict(zip(("config_kind", "config"), written(one), strict=True)) for one in config]
    return None, plain(config)


def read(kind: Any, held: Any) -> Any:
    """Return the config that `written` took, or `held` itself where there is no kind.

    Raises:
        ValueError: naming the field, for what is no such config.

    Example:
        >>> read(*written(als.Config(dim=8, reg=0.5))).reg
        0.5
    """
    if kind is None:
        return held
    if not isinstance(kind, str) or kind not in _READERS:
        raise ValueError(f"config_kind: {kind!r:.40} is unknown")
    try:
        return _READERS[kind](held)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"config: {error}") from None


def _members(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(config)}


def _number(name: str, value: Any) -> Any:
    """Return a number or a word as it is, and a number of numpy or JAX with its dtype."""
    if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, (np.ndarray, np.generic, jax.Array)) and np.ndim(value) == 0:
        return {"dtype": np.asarray(value).dtype.name, "value": np.asarray(value).item()}
    raise ValueError(f"config.{name}: {value!r:.60} is not one number; {_RECORD}")


def _objective(objective: objectives.Objective) -> dict[str, Any]:
    held = {name: _number(name, value) for name, value in _members(objective).items() if name != "entry"}
    entry = objective.entry
    is_plain = isinstance(entry, Partial) and not entry.keywords
    name = _name("objective", entry.func if is_plain else entry, objectives.ENTRIES)  # type: ignore[attr-defined]
    return held | {"entry": name, "arguments": [_number(name, one) for one in entry.args]}  # type: ignore[attr-defined]


def _name(field: str, function: Any, table: Mapping[str, Any]) -> str:
    for name, known in table.items():
        if known is function:
            return name
    raise ValueError(f"config.{field}: {function!r:.60} is no function of mfjax, which a file keeps by name; {_RECORD}")


def _of(held: Any, names: set[str], where: str) -> dict[str, Any]:
    if not isinstance(held, dict) or set(held) != names:
        raise ValueError(f"{where}: {held!r:.60} has not the fields {', '.join(sorted(names))}")
    return {name: _as_it_was(name, value) for name, value in held.items()}


def _as_it_was(name: str, value: Any) -> Any:
    if not isinstance(value, dict) or set(value) != {"dtype", "value"}:
        return value
    dtype, number = value["dtype"], value["value"]
    if dtype not in _DTYPES or isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(f"{name}: {value!r:.60} is no number with its dtype")
    return np.dtype(dtype).type(number)


def _als(held: Any) -> als.Config:
    config = _of(held, {field.name for field in fields(als.Config)}, "config")
    names = {field.name for field in fields(objectives.Objective)} | {"arguments"}
    objective = _of(config["objective"], names, "objective")
    entry, arguments = objective.pop("entry"), objective.pop("arguments")
    if not isinstance(entry, str) or entry not in objectives.ENTRIES:
        raise ValueError(f"objective: {entry!r:.40} is unknown")
    numbers = [_as_it_was("objective", one) for one in arguments] if isinstance(arguments, list) else [None]
    wanted = objectives.ENTRIES[entry].__code__.co_argcount - 2  # beside values and item_counts
    if len(numbers) != wanted or not all(isinstance(one, (int, float, np.generic)) for one in numbers):
        raise ValueError(f"objective: {arguments!r:.60} are not the {wanted} numbers of {entry}")
    if type(config["biases"]) is not bool:
        raise ValueError(f"biases: {config['biases']!r:.40} is neither true nor false")
    made = objectives.Objective(entry=Partial(objectives.ENTRIES[entry], *numbers), **objective)
    found = als.Config(**config | {"objective": made})
    check(found)
    return found


def _ranking(held: Any) -> ranking.Config:
    # Files that were written before there were other scores than scalar products have neither.
    held = {"score": "dot", "temperature": 1.0} | held if isinstance(held, dict) else held
    config = _of(held, {field.name for field in fields(ranking.Config)}, "config")
    loss = config["loss"]
    if not isinstance(loss, str) or loss not in losses.LOSSES:
        raise ValueError(f"loss: {loss!r:.40} is unknown")
    found = ranking.Config(**config | {"loss": losses.LOSSES[loss]})
    check_config(found)
    return found


def _svd(held: Any) -> svd.Config:
    return svd.Config(**_of(held, {field.name for field in fields(svd.Config)}, "config"))


def _stages(held: Any) -> tuple[Any, ...]:
    if not isinstance(held, list) or len(held) != len(STAGES):
        raise ValueError(f"{held!r:.40} are not the configs of two stages")
    configs = [_of(one, {"config_kind", "config"}, "config") for one in held]
    if any(one["config_kind"] == "stages" for one in configs):
        raise ValueError("stages within stages")
    return tuple(read(one["config_kind"], one["config"]) for one in configs)


_READERS: dict[str, Callable[[Any], Any]] = {"als": _als, "ranking": _ranking, "svd": _svd, "stages": _stages}
"""Kind of a config -> what reads it."""
