r"""Memory of ALS on each device, known before anything is allocated.

.. math::
    \underbrace{4 d \left(3 (U + I) + 4 \max(U, I)\right)}_{\text{tables: old, new, rotated, and rows in the making}}
    + \underbrace{\frac{9 \cdot 1.1}{n} \sum_{\text{sides}} \left(N + \tfrac{w}{2} R\right)}_{\text{histories}}
    + \underbrace{8 d c}_{\text{a chunk's gathered rows}}

bytes, for d factors, U users, I items, N interactions, n devices, and sides of R rows whose histories are cut into
segments of w entries and chunks of c: every row leaves half a segment of padding on average.
"""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import jax

from mfjax.histories import Histories


class Footprint(NamedTuple):
    """Bytes on every device: factor tables, histories, and the work of one chunk at a time."""

    tables: int
    histories: int
    work: int

    @property
    def total(self) -> int:
        return self.tables + self.histories + self.work


def expected(
    num_users: int,
    num_items: int,
    num_interactions: int,
    *,
    dim: int,
    num_devices: int = 1,
    width: int = 32,
    chunk_entries: int = 4096,
) -> Footprint:
    """Return the bytes that a fit needs, before there are histories.

    Example:
        >>> round(expected(10_000_000, 1_000_000, 1_000_000_000, dim=64, num_devices=8).total / 1e9)
        21
    """
    tables = 4 * dim * (3 * (num_users + num_items) + 4 * max(num_users, num_items))
    entries = sum(num_interactions + rows * width // 2 for rows in (num_users, num_items))
    return Footprint(tables, int(1.1 * 9 * entries) // num_devices, 8 * dim * chunk_entries)


def of(data: Histories, *, dim: int) -> Footprint:
    """Return the bytes that a fit to histories needs on each of the devices that they are on."""
    chunk = max(math.prod(block.ids.shape[1:]) for block in data.users.blocks + data.items.blocks)
    estimate = expected(data.users.num_rows, data.items.num_rows, 0, dim=dim, chunk_entries=chunk)
    held = sum(leaf.addressable_data(0).nbytes for leaf in jax.tree.leaves(data) if isinstance(leaf, jax.Array))
    return estimate._replace(histories=held)


def limit() -> int | None:
    """Return the bytes of one device, its share of the machine's for CPU devices; None where nothing tells."""
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // jax.local_device_count()
    except (AttributeError, ValueError, OSError):
        return None


def check(needed: Footprint, available: int | None) -> None:
    """Raise ValueError, with the figures and the remedy, when a fit would not fit.

    Example:
        >>> check(Footprint(tables=3, histories=1, work=0), available=4)
    """
    if available is None or needed.total <= available:
        return
    tables, histories, total, there = (
        f"{number / 2**30:.1f}" for number in (needed.tables, needed.histories, needed.total, available)
    )
    raise ValueError(
        f"dim: a fit needs {total} GiB on each device (tables {tables}, histories {histories}), which has {there}; "
        "lower dim, or share the histories out over more devices (mfjax.sharding)"
    )
