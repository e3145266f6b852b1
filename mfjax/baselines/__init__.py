"""Models to compare with: random, popularity, item neighbours, EASE; `ratings` has biases, `svd` truncated SVD."""

from mfjax.baselines import ratings, svd
from mfjax.baselines.items import (
    Linear,
    Popularity,
    co_occurrence,
    cosine_neighbours,
    ease,
    ease_weights,
    item_knn,
    linear,
    popularity,
    random,
)

__all__ = [
    "Linear",
    "Popularity",
    "co_occurrence",
    "cosine_neighbours",
    "ease",
    "ease_weights",
    "item_knn",
    "linear",
    "popularity",
    "random",
    "ratings",
    "svd",
]
