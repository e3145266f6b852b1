"""Results that nobody measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfjax.studies.findings import Results
from mfjax.studies.judging import RATING_MEASURES
from mfjax.studies.settings import Setting


def made(
    *settings: Setting | str,
    measures: Sequence[str] = ("ndcg@10",),
    cutoffs: Sequence[int] = (10,),
    seeds: int = 1,
    users: int = 20,
) -> Results:
    """Return results that are better by the number of the setting and by the cutoff."""
    rng = np.random.default_rng(0)
    shape = len(settings), seeds, len(measures), users
    better = 0.1 * np.arange(shape[0])[:, None, None, None]
    sums = rng.random(shape) * 0.1 + better + 0.01 * np.array([len(name) for name in measures])[:, None]
    ranked = measures[0] not in RATING_MEASURES
    of_lists = np.linspace(0.2, 0.8, shape[0])[:, None] * np.ones(seeds)
    pooled = {"coverage": of_lists, "mean_popularity": 90 - 50 * of_lists} if ranked else {}
    return Results(
        settings=tuple(Setting(one, ()) if isinstance(one, str) else one for one in settings),
        seeds=tuple(range(seeds)),
        measures=tuple(measures),
        users=np.arange(users, dtype=np.int32),
        sums=sums,
        counts=np.ones(shape),
        pooled={f"{name}@{cutoffs[0]}": values for name, values in pooled.items()},
        seconds=((2.0, 1.0),) * len(settings),
        recommended=np.zeros((shape[0], users, 0), np.int32),
        cutoffs=tuple(cutoffs),
    )


def swept(**axes: Sequence[float]) -> list[Setting]:
    """Return the settings of a grid of a model "m"."""
    points = np.array(np.meshgrid(*axes.values(), indexing="ij")).reshape(len(axes), -1).T
    return [Setting("m", tuple(zip(axes, map(float, point), strict=True)), tuple(axes)) for point in points]
