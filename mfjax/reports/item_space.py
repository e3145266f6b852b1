"""What item factors encode: their principal components, and how much of the first one is popularity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ItemSpace(NamedTuple):
    """Two principal components of item factors.

    Attributes:
        coordinates: float [items, 2].
        explained: float [2], share of the variance in each component.
        popularity_correlation: Pearson correlation of the first component with log(1 + count), made positive.
    """

    coordinates: np.ndarray
    explained: np.ndarray
    popularity_correlation: float


def principal_components(items: np.ndarray, counts: np.ndarray) -> ItemSpace:
    """Return the components of the factors [items, dim] of items with `counts` [items] train positives each."""
    centred = items - items.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    variance, short = singular**2, max(2 - len(singular), 0)  # one factor has no second component
    coordinates = np.pad(left[:, :2] * singular[:2], ((0, 0), (0, short)))
    popularity = np.log1p(counts)
    # Where all items are equally popular, nothing follows popularity.
    correlation = float(np.corrcoef(coordinates[:, 0], popularity)[0, 1]) if np.ptp(popularity) else 0.0
    # The sign of a component is arbitrary: the correlation is made positive.
    coordinates[:, 0] *= np.copysign(1.0, correlation)
    return ItemSpace(coordinates, np.pad(variance[:2], (0, short)) / variance.sum(), abs(correlation))
