"""Two stages: a retriever picks candidates, a reranker orders them. Any model can be either."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.histories import Ragged, agreement
from mfjax.ranking import complement
from mfjax.recommend.lists import top_k_block
from mfjax.recommend.scores import masked_scores, score
from mfjax.recommend.scores import scorer as scorer_of
from mfjax.types import Array, Factors, Scorer


def retrieve(
    retriever: Scorer | Factors, users: Array, *, candidates: int, exclude: Ragged | None = None
) -> tuple[Array, Array]:
    """Return the `candidates` best items of every user under the retriever, best first; ties go to the lower id.

    Args:
        retriever: factors, or any scorer.
        users: int32 [batch].
        candidates: C, how many (static).
        exclude: items that are never candidates (row = user id), or None.

    Returns:
        ids int32 [batch, C] and mask bool [batch, C], False where a user has fewer than C items to recommend.

    Raises:
        ValueError: as `recommend.masked_scores`, and for fewer than one candidate.
    """
    _check_candidates(candidates)
    return _best(_all_scores(retriever, users, exclude), candidates)


def _all_scores(model: Scorer | Factors, users: Array, exclude: Ragged | None) -> Array:
    return masked_scores(model, users, exclude)


def _check_candidates(candidates: Any) -> None:
    checks.whole("candidates", candidates, remedy="pass how many items the retriever hands over")


def _best(scores: Array, candidates: int) -> tuple[Array, Array]:
    ids, best = top_k_block(scores, candidates)
    return ids, best > -jnp.inf


def rerank(reranker: Scorer | Factors, users: Array, ids: Array, mask: Array) -> Array:
    """Return the reranker's scores of the candidates, float [batch, C], -inf where the mask is False.

    Factors score the candidates alone, C * dim products a user; a scorer scores all items.

    Args:
        reranker: factors, or any scorer.
        users: int32 [batch].
        ids: int32 [batch, C], items, as `retrieve` gives them.
        mask: bool [batch, C], True for a candidate.

    Raises:
        ValueError: for a user or an item outside the model (where ids can be seen), and for shapes that do not fit.
    """
    reranker = _model("reranker", reranker)
    users = agreement.user_ids("users", users, agreement.num_users(reranker))
    ids = checks.ids("ids", ids, agreement.num_items(reranker), "the reranker's items")
    checks.shape("ids", ids, (users.shape[0], None), "pass a list of items for each user")
    mask = checks.mask("mask", mask, ids.shape)
    if isinstance(reranker, Factors):
        scores = score(reranker, jnp.broadcast_to(users[:, None], ids.shape), ids)
    else:
        scores = jnp.take_along_axis(agreement.table_of_scores(reranker(users), users.shape[0]), ids, axis=1)
    return jnp.where(mask, scores, -jnp.inf)


def scorer(
    retriever: Scorer | Factors,
    reranker: Scorer | Factors,
    *,
    candidates: int,
    exclude: Ragged | None = None,
) -> TwoStages:
    """Return the scorer of both stages: the reranker's score for a candidate, -inf (not recommended) for all others.

    A list can be no longer than C. With as many candidates as items it is the reranker.

    Args:
        retriever, reranker: factors, or any scorer.
        candidates: C, how many items the retriever hands over.
        exclude: items that are never candidates (row = user id), such as the user's history: what the evaluation
            excludes, or it takes up places.

    Raises:
        ValueError: for fewer than one candidate, models as `recommend.scorer` refuses them, and models or lists of
            different users; different items are refused when it scores.

    Example:
        >>> popular = Factors(jnp.ones((1, 1)), jnp.array([[3.0], [2.0], [1.0]]))
        >>> personal = Factors(jnp.ones((1, 1)), jnp.array([[1.0], [2.0], [3.0]]))
        >>> scorer(popular, personal, candidates=2)(jnp.array([0])).tolist()
        [[1.0, 2.0, -inf]]
    """
    _check_candidates(candidates)
    first, second = _model("retriever", retriever), _model("reranker", reranker)
    sizes = [agreement.num_users(model) for model in (first, second)]
    if exclude is not None:
        agreement.lists("exclude", exclude, sizes[0], None, "the retriever has")
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(f"reranker: has {sizes[1]} users, the retriever {sizes[0]}; pass models of one id space")
    return TwoStages(first, second, exclude, candidates)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class TwoStages:
    """The scorer of two stages; see `scorer`.

    Attributes:
        retriever, reranker: factors, or a scorer that is a pytree.
        exclude: items that are never candidates (row = user id), or None.
        candidates: C, how many items the retriever hands over (static).
    """

    retriever: Scorer | Factors
    reranker: Scorer | Factors
    exclude: Ragged | None
    candidates: int = field(metadata={"static": True})

    @property
    def num_users(self) -> int | None:
        """The users that both stages and the lists have, None where nobody knows."""
        sizes = [agreement.num_users(stage) for stage in (self.retriever, self.reranker)]
        sizes.append(None if self.exclude is None else self.exclude.num_rows)
        return min((size for size in sizes if size is not None), default=None)

    def __call__(self, users: Array) -> Array:
        first = _all_scores(self.retriever, users, self.exclude)
        items = agreement.num_items(self.reranker)
        if items != first.shape[1]:
            raise ValueError(
                f"reranker: has {items} items, the retriever {first.shape[1]}; pass models of one id space"
            )
        ids, mask = _best(first, self.candidates)
        second = rerank(self.reranker, users, ids, mask)
        row = jnp.arange(users.shape[0])[:, None]
        # Padding is sent past the last item, where "drop" ignores it: id 0 may be a candidate too.
        return jnp.full(first.shape, -jnp.inf).at[row, jnp.where(mask, ids, first.shape[1])].set(second, mode="drop")


def _model(name: str, model: Any) -> Scorer | Factors:
    """Return checked Factors, or a scorer that is a pytree."""
    return agreement.factors(name, model) if isinstance(model, Factors) else scorer_of(model)


def ceiling(
    retriever: Scorer | Factors, users: Array, targets: Ragged, *, candidates: int, exclude: Ragged | None = None
) -> Array:
    r"""Return the share of each user's targets among its candidates: no reranker can recall more.

    .. math:: |C_u \cap T_u| \, / \, |T_u|

    Args:
        retriever: factors, or any scorer.
        users: int32 [batch].
        targets: the relevant items, distinct (row = user id).
        candidates: C (static).
        exclude: items that are never candidates, or None.

    Returns:
        float32 [batch] in [0, 1]; NaN for a user without targets, so that `nanmean` is the mean over the others.

    Raises:
        ValueError: as `retrieve`, and for targets of another id space.

    Example:
        >>> popular = Factors(jnp.ones((1, 1)), jnp.array([[3.0], [2.0], [1.0]]))
        >>> targets = Ragged(jnp.array([0, 2]), jnp.array([0, 2]), jnp.ones(2), num_columns=3, longest=2)
        >>> ceiling(popular, jnp.array([0]), targets, candidates=2).tolist()
        [0.5]
    """
    retriever = _model("retriever", retriever)
    sizes = agreement.num_users(retriever), agreement.num_items(retriever)
    agreement.lists("targets", targets, *sizes, "the retriever has")
    users = agreement.user_ids("users", users, targets.num_rows)
    if exclude is not None:
        agreement.lists("exclude", exclude, targets.num_rows, targets.num_columns, "targets have")
    ids, mask = retrieve(retriever, users, candidates=candidates, exclude=exclude)
    found = jnp.sum(complement.contains(targets, users, ids) & mask, axis=1)
    num_targets = targets.offsets[users + 1] - targets.offsets[users]
    return jnp.where(num_targets > 0, found / jnp.maximum(num_targets, 1), jnp.nan)
