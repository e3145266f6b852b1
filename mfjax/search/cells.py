"""Cells of a sweep: a fit and its evaluation as one pure function of key, setting and data."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mfjax import als, checks, compilation, evaluation, ranking, recommend
from mfjax.evaluation import EvaluationSet, blocks, named
from mfjax.histories import Histories
from mfjax.metrics import DEFAULT, Convention, conventions
from mfjax.types import Array, Factors, Key, Scorer


class Training(NamedTuple):
    """A setting of `als_factors` and `ranking_factors`.

    Attributes:
        config: an `als.Config` or a `ranking.Config`.
        num_steps: int32 scalar, ALS steps or epochs; traced, so that settings may differ in it.
    """

    config: Any
    num_steps: int | Array


def als_factors(key: Key, setting: Training, data: Histories) -> Factors:
    """Return what `als.fit` finds, as a pure function: scans, vmaps, sweeps."""
    config = _config(setting, als.Config, "als.Config")
    checks.kind("data", data, Histories, "pass what histories.build makes of the interactions")
    start = als.init(key, config, num_users=data.users.num_rows, num_items=data.items.num_rows)

    def step(_: Array, state: als.State) -> als.State:
        return als.step(state, data, config, measured=False)[0]

    state = jax.lax.fori_loop(0, setting.num_steps, step, start)
    return als.factors(state, config)


def ranking_factors(key: Key, setting: Training, data: ranking.Data) -> Factors:
    """Return what `ranking.fit` finds from the same key, as a pure function."""
    config = _config(setting, ranking.Config, "ranking.Config")
    checks.kind("data", data, ranking.Data, "pass what ranking.data makes of the interactions")
    key_init, key_examples = jax.random.split(key)
    start = ranking.init(key_init, config, num_users=data.num_users, num_items=data.num_items)
    state = jax.lax.fori_loop(
        0, setting.num_steps, lambda _, state: ranking.epoch(key_examples, state, data, config)[0], start
    )
    return ranking.factors(state, config)


def _config(setting: Training, wanted: type, name: str) -> Any:
    checks.kind("setting", setting, Training, "pass Training(config, num_steps)")
    checks.kind("setting.config", setting.config, wanted, f"pass {name}")
    checks.count("setting.num_steps", setting.num_steps)
    return setting.config


class CellResult(NamedTuple):
    """The result of a cell that measures.

    Attributes:
        per_user: float32 [metric, user], in the order of the metrics asked for; users by ascending id.
        pooled: name -> float32 scalar, metrics of all users together.
    """

    per_user: Array
    pooled: dict[str, Array]


def measured(
    fit: Callable[[Key, Any, Any], Factors | Scorer],
    *,
    metrics: Sequence[str] | str = ("recall", "ndcg"),
    cutoffs: Sequence[int] | int = (10,),
    convention: Convention = DEFAULT,
) -> MeasuredCell:
    """Return the cell that fits, ranks and measures: (key, setting, (train, evaluation set)) -> CellResult.

    Args:
        fit: (key, setting, train) -> factors or scorer; `als_factors`, `ranking_factors`, or any pure function.
        metrics, cutoffs, convention: as in `evaluation.evaluate`.

    Raises:
        ValueError: as `evaluation.columns`, for what is no Convention, and for a `fit` that is no function.

    Example:
        >>> import numpy as np
        >>> from mfjax import histories
        >>> from mfjax.search import sweep
        >>> from mfjax.types import Interactions
        >>> train = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 3)
        >>> test = Interactions(np.array([1]), np.array([0]), np.ones(1, np.float32), 2, 3)
        >>> held_out = evaluation.evaluation_set(histories.ragged(test), exclude=histories.ragged(train))
        >>> settings = [Training(als.Config(dim=2, reg=reg), 5) for reg in (0.01, 0.1)]
        >>> cell = measured(als_factors, metrics=("recall",), cutoffs=(1,))
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> sweep.run(cell, keys, settings, (histories.build(train), held_out)).per_user.shape
        (2, 3, 1, 1)
    """
    evaluation.columns(metrics, cutoffs)
    conventions.check(convention)
    checks.function("fit", fit, "pass such as cells.als_factors")
    return MeasuredCell(fit, named.as_names(metrics), named.as_cutoffs(cutoffs), convention)


@dataclass(frozen=True)
class MeasuredCell:
    """A cell of two programs, the fit's and that of `evaluation.evaluate`: so its metrics have the bits that they have
    there, and settings of all shapes share the second. Called as a function it is one pure function, to trace.

    Attributes:
        fit, metrics, cutoffs, convention: as in `measured`.
    """

    fit: Callable[[Key, Any, Any], Factors | Scorer]
    metrics: tuple[str, ...]
    cutoffs: tuple[int, ...]
    convention: Convention

    def __call__(self, key: Key, setting: Any, data: tuple[Any, EvaluationSet]) -> CellResult:
        train, held_out = self._parts(data)
        model = recommend.scorer(self.fit(key, setting, train))
        return self._chosen(evaluation.measure(model, held_out, **self._how))

    def compiled(self, key: Key, setting: Any, data: tuple[Any, EvaluationSet]) -> CellResult:
        """Return what calling the cell returns, by its two programs."""
        train, held_out = self._parts(data)
        model = recommend.scorer(self._compiled_fit(key, setting, train))
        return self._chosen(evaluation.compiled_measure(model, held_out, **self._how))

    def text(self, key: Key, setting: Any, data: tuple[Any, EvaluationSet]) -> str:
        """Return the text of the programs."""
        train, held_out = self._parts(data)
        fit = self._compiled_fit.lower(key, setting, train)
        measure = evaluation.compiled_measure.lower(recommend.scorer(fit.out_info), held_out, **self._how)
        return f"{fit.as_text()} {measure.as_text()}"

    @functools.cached_property
    def _compiled_fit(self) -> Any:
        return compilation.jit(self.fit)

    @property
    def _how(self) -> dict[str, Any]:
        return {"cutoffs": self.cutoffs, "metrics": self.metrics, "convention": self.convention}

    def _parts(self, data: tuple[Any, EvaluationSet]) -> tuple[Any, EvaluationSet]:
        checks.kind("data", data, (tuple, list), "pass (train, evaluation set)")
        if len(data) != 2:
            raise ValueError(f"data: {len(data)} parts; pass (train, evaluation set)")
        checks.kind("data[1]", data[1], EvaluationSet, "pass what evaluation.evaluation_set makes of the targets")
        blocks.check_relevances(data[1].targets, self.convention.gain)
        return data[0], data[1]

    def _chosen(self, found: evaluation.Measured) -> CellResult:
        names = evaluation.columns(self.metrics, self.cutoffs)
        return CellResult(jnp.stack([found.per_user[name] for name in names]), found.pooled)
