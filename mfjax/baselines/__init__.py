"""Models to compare with: random, popularity, item neighbours, EASE; `ratings` has biases, `svd` truncated SVD."""

from mfjax.baselines import ratings, svd
from mfjax.baselines.item_regression import ease, ease_weights, ease_weights_on_host
from mfjax.baselines.neighbours import co_occurrence, cosine_neighbours, item_knn, nearest_items
from mfjax.baselines.scorers import Linear, Popularity, linear, popularity, random
from mfjax.baselines.weighted_means import item_knn_mean

__all__ = [
    "Linear",
    "Popularity",
    "co_occurrence",
    "cosine_neighbours",
    "ease",
    "ease_weights",
    "ease_weights_on_host",
    "item_knn",
    "item_knn_mean",
    "linear",
    "nearest_items",
    "popularity",
    "random",
    "ratings",
    "svd",
]
