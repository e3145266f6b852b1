"""What a sampler is, and how one is called.

A sampler is a pytree that is called for a batch of examples as `sampler(words, users, items, score)`:

    words   uint32 [batch, sampler.width], random (see `streams.words`)
    users   int32 [batch]
    items   int32 [batch], the positive item of each example
    score   (users [batch], ids [batch, m] or [m]) -> float [batch, m], the model's scores

and returns `Negatives`. It may say by `sizes`, (users, items), what it was made for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import checks
from mfjax.ranking import streams
from mfjax.types import Array, Key

Score = Callable[[Array, Array], Array]
"""(users int32 [batch], ids int32 [batch, m] or [m]) -> the model's scores, float [batch, m]."""


class Negatives(NamedTuple):
    """Negatives of a batch of examples.

    Attributes:
        ids: int32 [batch, m], or [m] when all examples share them; id 0 where nothing could be drawn.
        weights: float32 [batch, m], how many unseen items a draw stands for, 1 / (m q) with q its probability;
            0 = not real (a false negative, or a user who has seen every item). The sum of weights * f(id) estimates
            the sum of f over all unseen items without bias; log(weights) is the log-q correction.
        rejected: float32 [batch], the share of the draws that would have been false negatives (its expectation, where
            the sampler avoids them), had they ignored the user's positives.
    """

    ids: Array
    weights: Array
    rejected: Array


class Sampler(Protocol):
    """What training needs of a sampler: the number of random words of an example, and the call of the module's text."""

    @property
    def width(self) -> int: ...

    def __call__(self, words: Array, users: Array, items: Array, score: Score) -> Negatives: ...


def draw(key: Key, sampler: Sampler, users: Array, *, step: Array | int = 0) -> Negatives:
    """Return negatives of a batch of users, at the positions step * batch .. of the stream of `key`.

    For samplers that need neither the positive items nor scores.

    Raises:
        ValueError: for a sampler of another kind, or users that it does not know.

    Example:
        >>> from mfjax.histories import Ragged
        >>> from mfjax.ranking.sampling import uniform
        >>> positives = Ragged(jnp.array([0, 2, 3]), jnp.array([0, 2, 1]), jnp.ones(3), num_columns=3, longest=2)
        >>> draw(jax.random.key(0), uniform(positives, num=2), jnp.array([0])).ids.tolist()
        [[1, 1]]
    """
    check_sampler(sampler)
    sizes = getattr(sampler, "sizes", None)
    users = checks.ids("users", users, 2**31 - 1 if sizes is None else sizes[0], "the sampler's users")
    checks.shape("users", users, (None,), "pass a list of users")
    words = streams.words(key, step, users.shape[0], sampler.width)
    return sampler(words, users, jnp.zeros_like(users), no_scores)


def no_scores(users: Array, ids: Array) -> Array:
    """Return zeros: the scores for a sampler that needs none."""
    return jnp.zeros((users.shape[0], ids.shape[-1]), jnp.float32)


def check_sampler(sampler: Sampler, sizes: tuple[int, int] | None = None) -> None:
    """Raise ValueError unless `sampler` is one, and, if it says what it was made for, for `sizes` users and items."""
    remedy = "pass such as sampling.uniform(positives)"
    width = getattr(sampler, "width", None)
    if not callable(sampler) or not isinstance(width, (int, np.integer)):
        raise ValueError(f"sampler: {sampler!r:.80} is no sampler, which can be called and has a width; {remedy}")
    if not all(isinstance(leaf, (jax.Array, np.ndarray, np.generic, int, float)) for leaf in jax.tree.leaves(sampler)):
        raise ValueError(f"sampler: {type(sampler).__name__} is no pytree; register it by jax.tree_util, or {remedy}")
    found = getattr(sampler, "sizes", sizes)
    if sizes is not None and found is not None and found != sizes:
        raise ValueError(f"sampler: made for {found} users and items, not for {sizes}; make it from the same positives")
