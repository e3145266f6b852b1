"""Histories of interactions that stay on disk: two passes over batches, in memory the size of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mfjax import checks
from mfjax.histories.building import Packing, numbers_of
from mfjax.histories.packed import Histories
from mfjax.histories.ragged import check_interactions, wrong_numbers
from mfjax.types import Interactions

Batches = Callable[[], Iterator[Interactions]]
"""Starts a pass over all interactions: calling it again gives the same batches in the same order.

`data.batches` makes one of files; a function of one's own may yield Interactions from wherever they are.
"""


def build(
    batches: Batches, *, chunk_entries: int | None = None, width: int | None = None, multiple_of: int = 1
) -> Histories:
    """Return what `histories.build` returns for all interactions, batch by batch.

    The first pass counts, the second packs. Entries of a history stand in the order of the batches, and not by id, so
    sums over a history may differ in their last bits from those of `histories.build`. A pair that comes twice is two
    entries, as there.

    Args:
        batches: starts a pass, such as `data.batches(path)`; the id spaces of every batch must hold all its ids,
            `num_users` and `num_items` may grow.
        chunk_entries, width, multiple_of: as in `histories.build`.

    Raises:
        ValueError: when there is nothing, an id is outside its batch's id space, a value or weight is not finite in
            float32, a weight is negative, only some batches have weights, the second pass differs from the first, or
            an option is no whole number of at least 1.

    Example:
        >>> pairs = Interactions(np.array([1, 0, 1]), np.array([2, 0, 1]), np.ones(3, np.float32), 2, 3)
        >>> build(lambda: iter([pairs.select(slice(0, 2)), pairs.select(slice(2, 3))])).users.counts.tolist()
        [1.0, 2.0]
    """
    checks.function("batches", batches, "pass a function that starts a pass, such as data.batches(path)")
    user_counts, item_counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    least, most = np.array([np.inf]), np.array([-np.inf])  # of values, and of weights where there are any
    for number, batch in enumerate(batches()):
        _check(batch, number)
        numbers = np.array(numbers_of(batch), np.float32)  # [1 or 2, n]
        if number == 0:
            least, most = (np.full(len(numbers), bound) for bound in (np.inf, -np.inf))
        if len(numbers) != len(least):
            raise ValueError(
                f"weights: batch {number} has {'some' if len(numbers) > 1 else 'none'}, and the first has "
                f"{'some' if len(least) > 1 else 'none'}; give every batch weights, or none"
            )
        least, most = (
            np.minimum(least, numbers.min(1, initial=np.inf)),
            np.maximum(most, numbers.max(1, initial=-np.inf)),
        )
        user_counts = _added(user_counts, batch.users, batch.num_users)
        item_counts = _added(item_counts, batch.items, batch.num_items)
    if not user_counts.sum():
        raise ValueError("batches: there are no interactions; check the path or the filter that made them")
    options: dict[str, Any] = {"chunk_entries": chunk_entries, "width": width, "multiple_of": multiple_of}
    same = [float(low) if low == high else None for low, high in zip(least, most, strict=True)]
    by_user, by_item = Packing.pair(user_counts, item_counts, same=same, **options)
    users_seen, items_seen = np.zeros_like(user_counts), np.zeros_like(item_counts)
    for number, batch in enumerate(batches()):
        _check_again(batch, number, user_counts - users_seen, item_counts - items_seen, weighted=len(same) > 1)
        by_user.write(batch.users, _positions(batch.users, users_seen), batch.items, *numbers_of(batch))
        by_item.write(batch.items, _positions(batch.items, items_seen), batch.users, *numbers_of(batch))
    if (users_seen != user_counts).any():
        raise ValueError("batches: the second pass ends before the first did; start the same pass whenever called")
    users = by_user.side(item_counts)
    del by_user  # what was packed, which the device has now
    return Histories(users, by_item.side(user_counts))


def _added(counts: np.ndarray, ids: np.ndarray, size: int) -> np.ndarray:
    found = np.bincount(ids, minlength=max(size, len(counts)))
    found[: len(counts)] += counts
    return found


def _positions(rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the places of a batch's entries within their rows, of which `seen` were there; `seen` goes on."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    first = np.searchsorted(ordered, ordered, side="left")
    positions = np.empty(len(rows), np.int64)
    positions[order] = seen[ordered] + np.arange(len(rows)) - first
    np.add.at(seen, rows, 1)
    return positions


def _check(batch: Any, number: int) -> None:
    check_interactions(batch)
    for name, ids, size in (("users", batch.users, batch.num_users), ("items", batch.items, batch.num_items)):
        if len(ids) and (ids.min() < 0 or ids.max() >= size):
            raise ValueError(
                f"{name}: an id in batch {number} is outside 0..{size - 1}; map raw ids with a Vocabulary first"
            )
    for name, _, _, fault in wrong_numbers(batch):
        raise ValueError(f"{name}: one in batch {number} is {fault}")


def _check_again(batch: Any, number: int, users_left: np.ndarray, items_left: np.ndarray, *, weighted: bool) -> None:
    """Raise ValueError unless the first pass had the entries of a batch of the second."""
    _check(batch, number)
    for ids, left in ((batch.users, users_left), (batch.items, items_left)):
        counts = np.bincount(ids, minlength=len(left))
        if (batch.weights is not None) != weighted or len(counts) > len(left) or (counts > left).any():
            raise ValueError(
                f"batches: batch {number} of the second pass was not in the first; start the same pass whenever called"
            )
