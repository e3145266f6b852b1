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
    coordinates, variance = left[:, :2] * singular[:2], singular**2
    correlation = float(np.corrcoef(coordinates[:, 0], np.log1p(counts))[0, 1])
    # The sign of a component is arbitrary: popular items stand to the right.
    coordinates[:, 0] *= np.copysign(1.0, correlation)
    return ItemSpace(coordinates, variance[:2] / variance.sum(), abs(correlation))
