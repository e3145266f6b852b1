"""One fitted model on one task: the sums and the counts of every measure for every user.

A measure of a set of users is a ratio: the sum of their sums over the sum of their counts. For ranking metrics a user's
sum is the metric and the count 1; for rating errors they are the sum of the errors and the number of ratings. So the
mean NDCG, the RMSE over all ratings and their bootstrap intervals are one computation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import recommend
from mfjax.evaluation import Evaluation, columns, evaluation_set
from mfjax.evaluation.measuring import measure
from mfjax.histories import ragged
from mfjax.metrics import Convention, conventions
from mfjax.studies.task import Task
from mfjax.types import Factors, Interactions, Scorer

RATING_MEASURES = ("rmse", "mae", "known-rmse", "known-mae")
"""Measures of predicted ratings, "known" of the items with a row in train; all others are names of
`evaluation.METRICS`."""
TRAIN_ERROR = "train-rmse"
"""The error of the train rows, which comes with the rating measures."""

_BLOCK = 1024


class Judged(NamedTuple):
    """The measurements of one fit on one task.

    Attributes:
        users: int32 [users], ids, ascending.
        sums, counts: float64 [measures, users].
        pooled: measure of all users together -> value.
        recommended: int32 [users of the ranking, k], best first; -1 where no item is left.
    """

    users: np.ndarray
    sums: np.ndarray
    counts: np.ndarray
    pooled: dict[str, float]
    recommended: np.ndarray


def names_of(metrics: Sequence[str], cutoffs: Sequence[int]) -> list[str]:
    """Return the names of all measures asked for, such as "ndcg@10" and "rmse". Raises ValueError as `columns`."""
    ranking = [name for name in metrics if name not in RATING_MEASURES]
    return [*(columns(ranking, cutoffs) if ranking else ()), *(name for name in metrics if name in RATING_MEASURES)]


def of_test(measure: str, test: str) -> str:
    """Return the name of a measure of the tasks of one test.

    Example:
        >>> of_test("rmse", "folds"), of_test("known-rmse", "time"), of_test("rmse", "")
        ('rmse@folds', 'rmse@time-known', 'rmse')
    """
    if not test:
        return measure
    error = measure.removeprefix("known-")
    return f"{error}@{test}" + ("" if error == measure else "-known")


def is_error(measure: str) -> bool:
    """Return whether a measure, of a test or of all, is a rating error: the less, the better."""
    return measure.partition("@")[0] in RATING_MEASURES


def check(metrics: Sequence[str], cutoffs: Sequence[int], convention: Convention) -> None:
    """Raise ValueError where these metrics can not be had together, before anything is fitted."""
    conventions.check(convention)
    if not metrics:
        raise ValueError("metrics: there are none; pass such as ('recall', 'ndcg')")
    names_of(metrics, cutoffs)
    ranking = tuple(name for name in metrics if name not in RATING_MEASURES)
    if ranking:
        # Metrics say what they can not do while they are traced.
        one = ragged(Interactions(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1, np.float32), 1, 2))
        model = Factors(users=jnp.zeros((1, 1)), items=jnp.zeros((2, 1)))
        how: dict[str, Any] = {"cutoffs": tuple(cutoffs), "metrics": ranking, "convention": convention}
        jax.eval_shape(partial(measure, **how), model, evaluation_set(one))


def judge(
    model: Scorer | Factors,
    task: Task,
    *,
    metrics: Sequence[str],
    cutoffs: Sequence[int],
    convention: Convention,
    clip: bool = True,
    repeats: bool = False,
) -> Judged:
    """Return the measurements of a model on a task.

    Args:
        model: what is judged.
        task: what it is judged by.
        metrics, cutoffs, convention: as in `evaluation.evaluate`.
        clip: whether predicted ratings are moved into the range of the train ratings.
        repeats: whether rows that are not trained on may be recommended.

    Raises:
        RuntimeError: a list holds what its user has seen.
    """
    ranking = tuple(name for name in metrics if name not in RATING_MEASURES)
    users = np.flatnonzero(task.hidden.user_counts()).astype(np.int32)
    sums: list[np.ndarray] = []
    counts: list[np.ndarray] = []
    pooled: dict[str, float] = {}
    recommended = np.zeros((len(users), 0), np.int32)
    if ranking:
        # Users of the train part are none to judge where others are folded in, whatever "zero" says.
        asked = None if task.fold_in is None else np.unique(np.concatenate([task.fold_in.users, task.hidden.users]))
        how: dict[str, Any] = {"cutoffs": cutoffs, "metrics": ranking, "convention": convention}
        exclude = task.seen if repeats else task.exclude
        found = task.evaluate(model, users=asked, exclude=exclude, item_counts=task.item_counts, **how)
        _check_lists(found, task.train if repeats else task.excluded)
        users = found.users
        sums += [values.astype(np.float64) for values in found.per_user.values()]
        counts += [np.ones(len(users))] * len(sums)
        pooled = found.pooled
        recommended = np.where(found.recommended_mask, found.recommended, -1)
    asked_errors = [name for name in metrics if name in RATING_MEASURES]
    if asked_errors:
        errors = _errors(model, task, task.hidden, clip=clip)
        known = task.train.item_counts()[task.hidden.items] > 0
        trained = _errors(model, task, task.train, clip=clip)
        pooled = pooled | {TRAIN_ERROR: float(np.sqrt(np.mean(trained**2)))}
    for name in asked_errors:
        kept = known if name.startswith("known") else np.ones(len(errors), bool)
        of_row = errors[kept] ** 2 if name.endswith("rmse") else np.abs(errors[kept])
        of_user, num_users = task.hidden.users[kept], task.hidden.num_users
        sums.append(np.bincount(of_user, of_row, num_users)[users])
        counts.append(np.bincount(of_user, minlength=num_users)[users].astype(np.float64))
    return Judged(users, np.stack(sums), np.stack(counts), pooled, recommended)


def _check_lists(found: Evaluation, seen: Interactions) -> None:
    """Raise RuntimeError for a list that holds what its user has seen."""
    owners = np.broadcast_to(found.users[:, None], found.recommended.shape).astype(np.int64)
    pairs = (owners * seen.num_items + found.recommended)[found.recommended_mask]
    repeated = np.isin(pairs, seen.users.astype(np.int64) * seen.num_items + seen.items)
    if repeated.any():
        raise RuntimeError(f"{repeated.sum()} recommended items are in their user's train part")


def predict(factors: Factors, pairs: Interactions) -> np.ndarray:
    """Return the scores of pairs, float32 [n]."""
    # The score of `mfjax.types.Factors` in numpy: a test set of another size would compile `recommend.score` again.
    users, items, *biases, offset = (None if table is None else np.asarray(table) for table in factors)
    assert users is not None and items is not None
    scores = np.einsum("nd,nd->n", users[pairs.users], items[pairs.items])
    for table, ids in zip(biases, (pairs.users, pairs.items), strict=True):
        scores = scores if table is None else scores + table[ids]
    return scores if offset is None else scores + offset


def _errors(model: Scorer | Factors, task: Task, pairs: Interactions, *, clip: bool) -> np.ndarray:
    """Return the errors of the predicted ratings of pairs, float64 [n]."""
    values = task.train.values
    predicted = predict(model, pairs) if isinstance(model, Factors) else _scores(model, pairs)
    if clip:
        predicted = np.clip(predicted, float(values.min()), float(values.max()))
    return predicted.astype(np.float64) - pairs.values


def _scores(model: Scorer, pairs: Interactions) -> np.ndarray:
    """Return the scores of pairs, users scored block by block, float32 [n]."""
    scorer = recommend.scorer(model)
    found = np.zeros(len(pairs), np.float32)
    users, of_row = np.unique(pairs.users, return_inverse=True)
    for first in range(0, len(users), _BLOCK):
        rows = np.flatnonzero((of_row >= first) & (of_row < first + _BLOCK))
        scores = np.asarray(scorer(jnp.asarray(users[first : first + _BLOCK], jnp.int32)))
        found[rows] = scores[of_row[rows] - first, pairs.items[rows]]
    return found
