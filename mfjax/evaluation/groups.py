"""Groups of users, such as activity buckets, for which results are reported apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mfjax import checks


class Groups(NamedTuple):
    """A partition of the users.

    Attributes:
        ids: int32 [num_users], the group of every user, an index into `labels`.
        labels: one name a group, in the order of reports.
    """

    ids: np.ndarray
    labels: tuple[str, ...]


def activity(counts: np.ndarray, edges: Sequence[int] = (20, 100)) -> Groups:
    """Return the activity buckets of users with `counts` interactions: below the first edge, ..., from the last on.

    Args:
        counts: int [num_users], interactions of every user.
        edges: ascending; an edge is the least count of its bucket.

    Returns:
        Groups with len(edges) + 1 labels; a bucket may be empty.

    Raises:
        ValueError: the edges are not ascending positive whole numbers, or the counts no whole numbers [num_users] of
            at least 0.

    Example:
        >>> activity(np.array([3, 20, 500, 99]), edges=(20, 100))
        Groups(ids=array([0, 1, 2, 1], dtype=int32), labels=('<20', '20-99', '>=100'))
    """
    checks.count("edges", edges, least=1, remedy="pass such as (20, 100)")
    checks.shape("edges", edges, (None,), "pass such as (20, 100)")
    edges = np.asarray(edges).tolist()
    if not edges or any(low >= high for low, high in pairwise(edges)):
        raise ValueError(f"edges: {tuple(edges)} are not ascending positive counts; pass such as (20, 100)")
    checks.count("counts", counts, remedy="pass the number of interactions of every user")
    checks.shape("counts", counts, (None,), "pass one number for each user")
    inner = [f"{low}-{high - 1}" if high > low + 1 else f"{low}" for low, high in pairwise(edges)]
    ids = np.searchsorted(np.asarray(edges), np.asarray(counts), side="right").astype(np.int32)
    return Groups(ids, (f"<{edges[0]}", *inner, f">={edges[-1]}"))
