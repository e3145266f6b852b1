"""A recommender whose numbers can be swept and tuned: parameters by name, and the pure fit behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax

from mfjax import als, checks, ranking
from mfjax.search import Space, cells
from mfjax.studies import unsolved
from mfjax.studies.options import MOST, MOST_DIM
from mfjax.studies.task import Task
from mfjax.types import Factors, Key, Scorer

Parameters = Mapping[str, Any]
"""Name -> number."""

NUM_PARTS = 5
"""Times that a model is looked at while it is trained in a search."""


@dataclass(frozen=True)
class Family:
    """A recommender with its parameters left open.

    Attributes:
        defaults: name -> value; an integer default takes integers.
        setting: parameters -> setting of a sweep.
        fit: (key, setting, data) -> factors or scorer, pure.
        data: task -> what `fit` takes.
        path: (key, setting, data) -> the models on the way to that of `fit`, in NUM_PARTS parts, each going on from the
            last; one for a model that is not trained step by step.
        space: what a search draws from.
    """

    defaults: Parameters
    setting: Callable[[Parameters], Any]
    fit: Callable[[Key, Any, Any], Factors | Scorer]
    data: Callable[[Task], Any]
    path: Callable[[Key, Any, Any], Iterator[Factors | Scorer]]
    space: Space

    def fixed(self, dim: int | None) -> dict[str, Any]:
        """Return {"dim": dim}, or {} where there is none or the model has no factors."""
        return {} if dim is None or "dim" not in self.defaults else {"dim": dim}

    def parameters(self, chosen: Parameters) -> Parameters:
        """Return the defaults with those chosen. Raises ValueError for an unknown name, or a number out of range."""
        if unknown := sorted(chosen.keys() - self.defaults.keys()):
            raise ValueError(f"{unknown[0]!r} is no parameter; choose from {', '.join(self.defaults)}")
        for name, value in chosen.items():
            # An exponent may be below 0; nothing else may.
            checks.number(name, value, least=None if name.endswith("_exponent") else 0.0)
            if isinstance(self.defaults[name], int):
                if int(value) != value:
                    raise ValueError(f"{name}: {value} is not a whole number")
                checks.whole(name, int(value), most=MOST_DIM if name == "dim" else MOST)
        kinds = {name: int if isinstance(default, int) else float for name, default in self.defaults.items()}
        return {name: kinds[name](chosen.get(name, default)) for name, default in self.defaults.items()}


def _parts(num_steps: int) -> Iterator[int]:
    """Yield the steps of every part: equal but for rounding, none of them empty."""
    parts = min(NUM_PARTS, num_steps)
    yield from (num_steps * (part + 1) // parts - num_steps * part // parts for part in range(parts))


def als_path(key: Key, setting: cells.Training, data: Any) -> Iterator[Factors]:
    """Yield the factors of least squares after every part of its steps: the `path` of a family."""
    state = None
    for size in _parts(int(setting.num_steps)):
        with unsolved.no_news():
            state = als.fit(key, data, setting.config, num_steps=size, state=state)
        yield als.factors(state, setting.config)


def ranking_path(key: Key, setting: cells.Training, data: ranking.Data) -> Iterator[Factors]:
    """Yield the factors of a ranking loss after every part of its epochs: the `path` of a family."""
    state = None
    for size in _parts(int(setting.num_steps)):
        # Each part goes on with the key of the whole.
        state = ranking.fit(jax.random.clone(key), data, setting.config, num_epochs=size, state=state)
        yield ranking.factors(state)
