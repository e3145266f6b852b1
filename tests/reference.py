"""Slow, obvious numpy truth, with loops: what every fast function is held against."""

from __future__ import annotations

import numpy as np


def quadratic_entry(name: str, values: np.ndarray, item_counts: np.ndarray, **options) -> tuple:
    """Return a, q, c of every pair and w0, straight from the papers."""
    ones = np.ones_like(values)
    if name == "explicit":
        return ones, values, values**2, 0.0
    if name == "zeros_observed":
        return 0 * ones, values, values**2, 1.0
    # A value of 0 or below is no preference, and its size is the confidence in that.
    preferred, size = (values > 0).astype(values.dtype), np.abs(values)
    if name == "implicit":
        confidence = {
            "linear": lambda: 1 + options["alpha"] * size,
            "log": lambda: 1 + options["alpha"] * np.log(1 + size / options["epsilon"]),
            "value": lambda: options["alpha"] * size,
        }[options.get("confidence", "linear")]()
        return confidence - 1, preferred * confidence, preferred * confidence, 1.0
    if name == "ials":
        return ones, preferred, preferred, options["unobserved_weight"]
    if name == "popularity_weighted":
        weight = options["base"] + options["scale"] / np.maximum(item_counts, 1)
        return weight, weight * values, weight * values**2, 0.0
    raise KeyError(name)


def als_half_step(
    users, items, values, columns, a, q, w0, column_weights, row_weights, reg, reg_exponent, towards=None
):
    """Solve one dense system per row; `users`, `items` name the pairs' rows and columns.

    Rows shrink towards those of `towards`, or 0, and are that where they have no pair.
    """
    num_rows, dim = len(row_weights), columns.shape[1]
    towards = np.zeros((num_rows, dim)) if towards is None else towards
    solved = np.array(towards, float)
    for row in range(num_rows):
        mine = np.flatnonzero(users == row)
        if len(mine) == 0:
            continue
        matrix = np.zeros((dim, dim))
        for column in range(len(columns)):
            matrix += w0 * row_weights[row] * column_weights[column] * np.outer(columns[column], columns[column])
        right = np.zeros(dim)
        for entry in mine:
            vector = columns[items[entry]]
            matrix += a[entry] * np.outer(vector, vector)
            right += q[entry] * vector
        strength = reg * (len(mine) + w0 * row_weights[row] * column_weights.sum()) ** reg_exponent
        solved[row] = np.linalg.solve(matrix + strength * np.eye(dim), right + strength * towards[row])
    return solved


def feature_map(table, features, strength, mu):
    """Minimise sum_i strength_i |table_i - W' features_i|^2 + mu |W|^2 over W, by least squares of stacked rows."""
    size, root = features.shape[1], np.sqrt(strength)[:, None]
    left = np.concatenate([root * features, np.sqrt(mu) * np.eye(size)])
    right = np.concatenate([root * table, np.zeros((size, table.shape[1]))])
    return np.linalg.lstsq(left, right, rcond=None)[0]


def feature_penalty(table, features, strength, mu, reg):
    """Return the least of `feature_map`, times reg."""
    fitted = feature_map(table, features, strength, mu)
    return reg * (np.sum(strength[:, None] * (table - features @ fitted) ** 2) + mu * np.sum(fitted**2))


def als_loss(users, items, values, user_table, item_table, a, q, c, w0, item_weights, reg, reg_exponent):
    """Sum the objective over every pair of the dense matrix."""
    num_users, num_items = len(user_table), len(item_table)
    total = 0.0
    for entry in range(len(users)):
        score = user_table[users[entry]] @ item_table[items[entry]]
        total += a[entry] * score**2 - 2 * q[entry] * score + c[entry]
    for user in range(num_users):
        for item in range(num_items):
            total += w0 * item_weights[item] * (user_table[user] @ item_table[item]) ** 2
    for user in range(num_users):
        strength = np.sum(users == user) + w0 * item_weights.sum()
        total += reg * strength**reg_exponent * np.sum(user_table[user] ** 2)
    for item in range(num_items):
        strength = np.sum(items == item) + w0 * item_weights[item] * num_users
        total += reg * strength**reg_exponent * np.sum(item_table[item] ** 2)
    return total


def merged_rows(pairs, values, times, weights, rule):
    """Return (row kept, value, weight) of every pair once, in the order of the rows kept; None where it is refused.

    `times` and `weights` may be None.
    """
    groups = {}
    for row, pair in enumerate(pairs):
        groups.setdefault(pair, []).append((0 if times is None else times[row], row))
    if rule == "error" and len(groups) < len(pairs):
        return None
    found = []
    for group in groups.values():
        rows = [row for _, row in sorted(group)]
        kept = rows[0] if rule == "first" else rows[-1]

        def of(column, rule, rows=rows, kept=kept):
            cells = [float(np.float32(column[row])) for row in rows]
            return {
                "error": float(np.float32(column[kept])),
                "first": float(np.float32(column[kept])),
                "last": float(np.float32(column[kept])),
                "sum": sum(cells),
                "mean": sum(cells) / len(cells),
                "max": max(cells),
                "count": float(len(cells)),
            }[rule]

        weight = None if weights is None else of(weights, "last" if rule == "count" else rule)
        found.append((kept, of(values, rule), weight))
    return sorted(found)


def cosine(one, other):
    """Return the cosine of two vectors, 0 where one is zero."""
    norms = np.sqrt(sum(x * x for x in one) * sum(x * x for x in other))
    return sum(x * y for x, y in zip(one, other, strict=True)) / norms if norms > 0 else 0.0


def intra_list_similarity(listed, vectors):
    """Return the mean cosine over the pairs of a list of items, NaN where it has no pair."""
    pairs = [(p, q) for q in range(len(listed)) for p in range(q)]
    cosines = [cosine(vectors[listed[p]], vectors[listed[q]]) for p, q in pairs]
    return sum(cosines) / len(cosines) if cosines else np.nan


def category_entropy(listed, weights):
    """Return the entropy in bits of the categories of a list of items, NaN where none has a category."""
    shares = [weights[item] / weights[item].sum() for item in listed if weights[item].sum() > 0]
    if not shares:
        return np.nan
    return sum(-p * np.log2(p) for p in sum(shares) / len(shares) if p > 0)


def marginal_relevance(scores, vectors, picked, tradeoff):
    """Return what each candidate would add to those picked: lambda s~ - (1 - lambda) max cos, -inf for those picked."""
    low, high = min(scores), max(scores)
    found = []
    for i, score in enumerate(scores):
        relevance = (score - low) / (high - low) if high > low else 0.0
        nearest = max((cosine(vectors[i], vectors[j]) for j in picked), default=-1.0)
        found.append(-np.inf if i in picked else tradeoff * relevance - (1 - tradeoff) * nearest)
    return found


def diversified(scores, vectors, tradeoff):
    """Return the positions of all candidates in the order in which maximal marginal relevance picks them."""
    picked = []
    for _ in scores:
        picked.append(int(np.argmax(marginal_relevance(scores, vectors, picked, tradeoff))))
    return picked
