"""The users of an evaluation ranked and measured, as a pure function of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.tree_util import Partial

from mfjax import checks, metrics, recommend
from mfjax.evaluation.blocks import Blocks, check_relevances
from mfjax.evaluation.evaluation_set import EvaluationSet, as_item_counts
from mfjax.evaluation.named import DEFAULT_METRICS, METRICS, as_cutoffs, as_names, columns
from mfjax.evaluation.ranks import rank_block
from mfjax.histories import agreement
from mfjax.metrics import DEFAULT, Convention, conventions
from mfjax.metrics.lists import coverage, gini, mean_popularity, novelty
from mfjax.recommend.candidates import prepared
from mfjax.types import Array, Factors, Scorer


class Measured(NamedTuple):
    """The arrays of an evaluation; rows are the users of the blocks, by ascending id.

    Attributes:
        users: int32 [num_users].
        per_user: name ("recall@10") -> float32 [num_users].
        pooled: name ("coverage@10") -> float32 scalar, of all users together.
        recommended: int32 [num_users, max(cutoffs)], best first; padding is 0.
        recommended_mask: bool [num_users, max(cutoffs)].
        num_relevant: int32 [num_users], targets.
        num_unreachable: int32 [num_users], targets that can not be recommended: excluded, or without a finite score.
        num_broken: int32 [num_users], scores that were NaN or +inf, which are never recommended.
    """

    users: Array
    per_user: dict[str, Array]
    pooled: dict[str, Array]
    recommended: Array
    recommended_mask: Array
    num_relevant: Array
    num_unreachable: Array
    num_broken: Array


def measure(
    model: Scorer | Factors,
    held_out: EvaluationSet,
    *,
    cutoffs: Sequence[int] | int = (10,),
    metrics: Sequence[str] | str = DEFAULT_METRICS,
    convention: Convention = DEFAULT,
) -> Measured:
    """Return the metrics of every user of an evaluation set: `evaluate` without the host's part, for `jit` and `vmap`.

    Memory is that of one block's scores, about four times over, and of the results. `cutoffs`, `metrics` and
    `convention` are static, and as in `evaluate`.

    Raises:
        ValueError: as `evaluate`, but for values that can not be seen while they are traced.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mfjax.evaluation import evaluation_set
        >>> from mfjax.histories import ragged
        >>> from mfjax.types import Interactions
        >>> model = Factors(users=jnp.array([[1.0], [-1.0]]), items=jnp.array([[1.0], [3.0], [2.0]]))
        >>> tests = Interactions(np.array([0, 1]), np.array([2, 1]), np.ones(2, np.float32), 2, 3)
        >>> run = jax.jit(measure, static_argnames=("cutoffs", "metrics", "convention"))
        >>> run(model, evaluation_set(ragged(tests)), cutoffs=(2,), metrics=("recall",)).per_user
        {'recall@2': Array([1., 0.], dtype=float32)}
    """
    conventions.check(convention)
    scorer, held_out = fitting(model, held_out, convention)
    how: dict[str, Any] = {"cutoffs": as_cutoffs(cutoffs), "metrics": as_names(metrics), "convention": convention}
    blocks = held_out.blocks
    found = lax.map(
        lambda block: block_of_users(scorer, block[0], block[1], held_out, **how), (blocks.users, blocks.mask)
    )
    found = jax.tree.map(blocks.ascending, found)  # leaves [num_blocks, block_size, ...] -> [num_users, ...]
    return Measured(
        blocks.ascending(blocks.users),
        found.per_user,
        pooled_of(found.hits, found.recommended, found.recommended_mask, found.num_relevant, held_out),
        *found[2:],
    )


def measure_by_blocks(scorer: Scorer, held_out: EvaluationSet, **how: Any) -> Measured:
    """Return what `measure` does as arrays on the host: a block's scores by one program, their ranks by another.

    The second, which takes long to compile, is that of all models: only the first is compiled anew for each kind.

    Args:
        scorer, held_out: as `fitting` gives them.
        how: cutoffs and metrics as tuples, and the convention.
    """
    blocks, parts = jax.device_get(held_out.blocks), []
    for users, mask in zip(blocks.users, blocks.mask, strict=True):
        parts.append(_compiled_block(Partial(_given, _compiled_scores(scorer, users)), users, mask, held_out, **how))
    found: _Block = jax.tree.map(lambda *leaves: blocks.ascending(np.stack(leaves)), *jax.device_get(parts))
    lists = found.hits, found.recommended, found.recommended_mask, found.num_relevant
    pooled = jax.device_get(_compiled_pooled(*lists, held_out))
    return Measured(blocks.ascending(blocks.users), found.per_user, pooled, *found[2:])


class _Block(NamedTuple):
    """The arrays of a block of users, [block_size, ...]: those of `Measured`, and the hits at every cutoff."""

    per_user: dict[str, Array]
    hits: dict[int, Array]
    recommended: Array
    recommended_mask: Array
    num_relevant: Array
    num_unreachable: Array
    num_broken: Array


def block_of_users(
    scorer: Scorer,
    users: Array,
    mask: Array,
    held_out: EvaluationSet,
    *,
    cutoffs: tuple[int, ...],
    metrics: tuple[str, ...],
    convention: Convention,
) -> _Block:
    targets = held_out.targets
    ranked = rank_block(
        scorer,
        users,
        targets,
        held_out.exclude,
        held_out.candidates,
        mask=mask,
        k=max(cutoffs),
        ties=convention.ties,
    )
    named = columns(metrics, cutoffs)
    return _Block(
        {name: METRICS[metric](ranked, k, convention, targets.num_columns) for name, (metric, k) in named.items()},
        {k: METRICS["hits"](ranked, k, convention, targets.num_columns) for k in cutoffs},
        ranked.recommended,
        ranked.recommended_mask,
        ranked.num_relevant,
        ranked.num_unreachable,
        ranked.num_broken,
    )


def _given(scores: Array, users: Array) -> Array:
    return scores


_compiled_block = jax.jit(block_of_users, static_argnames=("cutoffs", "metrics", "convention"))


def _scores(scorer: Scorer, users: Array) -> Array:
    scores = scorer(users)
    # A weak type would be another program of the ranks.
    return lax.convert_element_type(scores, scores.dtype) if isinstance(scores, jax.Array) else scores


_compiled_scores = jax.jit(_scores)


def fitting(
    model: Scorer | Factors, held_out: EvaluationSet, convention: Convention = DEFAULT
) -> tuple[Scorer, EvaluationSet]:
    """Return the model's scorer, and the evaluation set as arrays that fit it, or raise ValueError."""
    checks.kind("held_out", held_out, EvaluationSet, "pass what evaluation_set makes of the targets")
    checks.kind("blocks", held_out.blocks, Blocks, "pass what evaluation_set makes of the targets")
    targets = held_out.targets
    agreement.lists("targets", targets)
    check_relevances(targets, convention.gain)
    num_users, num_items = targets.num_rows, targets.num_columns
    scorer = recommend.scorer(model)
    rows = agreement.num_users(scorer)
    if rows is not None and rows != num_users:
        raise ValueError(f"model: has {rows} users, but targets have {num_users}; pass a model of the same id space")
    if isinstance(model, Factors) and model.items.shape[0] != num_items:
        raise ValueError(
            f"model: has {model.items.shape[0]} items, but targets have {num_items}; pass a model of the same id space"
        )
    if held_out.exclude is not None:
        agreement.lists("exclude", held_out.exclude, num_users, num_items, "targets have")
    candidates = prepared(held_out.candidates, num_items, num_users)
    item_counts = as_item_counts(held_out.item_counts, num_items)
    return scorer, replace(held_out, candidates=candidates, item_counts=item_counts)


def pooled_of(
    hits: Mapping[int, Array], ids: Array, mask: Array, num_relevant: Array, held_out: EvaluationSet
) -> dict[str, Array]:
    """Return the metrics of all users together, by name; `ids` and `mask` [num_users, longest cutoff]."""
    targets, item_counts = held_out.targets, held_out.item_counts
    values, num_items = {}, targets.num_columns
    for k, found in hits.items():
        lists = ids[:, :k], mask[:, :k]
        values[f"pooled_precision@{k}"] = metrics.pooled_precision(found, num_relevant, k=k)
        values[f"coverage@{k}"] = coverage(*lists, num_items=num_items)
        values[f"gini@{k}"] = gini(*lists, num_items=num_items)
        if item_counts is not None:
            values[f"mean_popularity@{k}"] = mean_popularity(*lists, item_counts)
            values[f"novelty@{k}"] = novelty(*lists, item_counts, num_users=targets.num_rows)
    return values


_compiled_pooled = jax.jit(pooled_of)

compiled_measure = jax.jit(measure, static_argnames=("cutoffs", "metrics", "convention"))
"""`measure` as one program: that of the cells of a sweep."""
