"""Seconds of a batch of users in each stage of a two-stage recommender."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from experiments.benchmark.timing import median
from mfjax import checks, compilation
from mfjax.histories import Ragged, agreement
from mfjax.recommend import scorer, two_stage
from mfjax.types import Array, Factors, Scorer


class Latency(NamedTuple):
    """Median wall-clock seconds of a batch of users, compiled, in each stage."""

    retrieve: float
    rerank: float


def latency(
    retriever: Scorer | Factors,
    reranker: Scorer | Factors,
    users: Array,
    *,
    candidates: int,
    exclude: Ragged | None = None,
    repeats: int = 20,
) -> Latency:
    """Measure both stages on a batch of users, each after a call that compiles it; on the host.

    Raises:
        ValueError: as `two_stage.retrieve`, and for no repeats.
    """
    checks.whole("repeats", repeats)
    # Factors stay as they are, so that a reranker scores its candidates alone; a function becomes a pytree.
    first, second = (model if isinstance(model, Factors) else scorer(model) for model in (retriever, reranker))
    # In the compiled stages ids can not be seen.
    rows = exclude.num_rows if isinstance(exclude, Ragged) else None
    users = agreement.user_ids("users", users, agreement.num_users(first), agreement.num_users(second), rows)
    retrieve = compilation.jit(two_stage.retrieve, static_argnames="candidates")
    rerank = compilation.jit(two_stage.rerank)
    found = partial(retrieve, first, users, candidates=candidates, exclude=exclude)
    stages = found, partial(rerank, second, users, *found())
    return Latency(*(median(stage, repeats=repeats) for stage in stages))
