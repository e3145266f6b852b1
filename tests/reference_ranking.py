"""Slow, obvious numpy truth for rankings: sort, walk down the list, add up."""

from __future__ import annotations

from itertools import permutations

import numpy as np


def orders(scores: np.ndarray, relevant: np.ndarray, ties: str) -> list[list[int]]:
    """Return the orders, best first, that a tie rule allows for the items with a finite score."""
    items = [i for i in range(len(scores)) if np.isfinite(scores[i])]
    if ties == "expected":
        falling = sorted(scores[items], reverse=True)
        return [list(order) for order in permutations(items) if list(scores[list(order)]) == falling]
    key = {
        "first": lambda i: (-scores[i], i),
        "last": lambda i: (-scores[i], -i),
        "worst": lambda i: (-scores[i], relevant[i], i),
    }[ties]
    return [sorted(items, key=key)]


def metric(name: str, order: list[int], relevances: np.ndarray, k: int, convention) -> float:
    """Return one metric of one user for a list of items, best first; `relevances` [num_items], 0 = not relevant."""
    num_relevant = int((relevances > 0).sum())
    if num_relevant == 0:
        return 0.0
    hit = [relevances[i] > 0 for i in order]
    hits = sum(hit[:k])
    if name == "hits":
        return hits
    if name == "hit_rate":
        return float(hits > 0)
    if name == "recall":
        return hits / (num_relevant if convention.recall_denominator == "relevant" else min(k, num_relevant))
    if name == "precision":
        return hits / (k if convention.precision_denominator == "k" else min(k, len(order)))
    if name == "map":
        total = sum(sum(hit[: p + 1]) / (p + 1) for p in range(min(k, len(order))) if hit[p])
        return total / (num_relevant if convention.ap_denominator == "relevant" else min(k, num_relevant))
    if name == "mrr":
        return max([1 / (p + 1) for p in range(min(k, len(order))) if hit[p]], default=0.0)
    if name == "ndcg":
        gain = {"binary": lambda r: float(r > 0), "linear": float, "exponential": lambda r: 2.0**r - 1}[convention.gain]
        dcg = sum(gain(relevances[i]) / np.log2(p + 2) for p, i in enumerate(order[:k]))
        best = sorted((gain(r) for r in relevances if r > 0), reverse=True)
        best = best[:k] if convention.ideal == "achievable" else [best[0]] * k
        return dcg / sum(g / np.log2(p + 2) for p, g in enumerate(best))
    if name == "auc":
        pairs = [(i, j) for i in np.flatnonzero(relevances > 0) for j in order if not relevances[j] > 0]
        return float(np.mean([i in order and order.index(i) < order.index(j) for i, j in pairs])) if pairs else 0.5
    raise KeyError(name)


def expectation(name: str, scores: np.ndarray, relevances: np.ndarray, k: int, convention) -> float:
    """Return the mean of a metric over the orders that the convention's tie rule allows."""
    allowed = orders(scores, relevances > 0, convention.ties)
    return float(np.mean([metric(name, order, relevances, k, convention) for order in allowed]))
