r"""An estimate of the memory that ALS needs on each device, made before anything is allocated.

.. math::
    \underbrace{4 d \left(2 (U + I) + 3 \max(U, I)\right)}_{\text{tables: start, present, one side in the making}}
    + \underbrace{\frac{8 \cdot 1.1}{n} \sum_{\text{sides}} \left(N + \tfrac{w}{2} R\right)}_{\text{histories}}
    + \underbrace{8 d c}_{\text{a chunk's gathered rows}}
    + \underbrace{8 d^2 (c / w + s)}_{\text{its matrices, with Cholesky}}

bytes, for d factors, U users, I items, N interactions, n devices, and sides of R rows whose histories are cut into
segments of w entries and chunks of c with s rows: every row leaves half a segment of padding on average. Where all
entries have one value, such as a 1 for what was seen, 4 bytes in place of 8, and 4 more where entries have weights that
differ. A GPU never writes the gathered rows down,
but their sums over a segment, weights of entries, and two rows of a slot: 4 (c (d / w + 2) + 2 d s) in place of 8 d c.

Tables shared out by rows (`mfjax.devices.by_rows`) take 1/n of that and 16 (U + I) bytes of numbers that every device
has; the plan of what is sent takes 8 bytes beside an entry's 8, and the rows sent and received as much as a chunk's.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import jax

from mfjax import checks, compilation
from mfjax.als.config import SOLVERS, By, Solver
from mfjax.als.storage import WHOLE_TABLES, Storage, check_storage
from mfjax.histories import Histories, Side
from mfjax.histories.building import default_chunk_entries


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
    chunk_entries: int | None = None,
    by_rows: bool = False,
    one_value: bool = False,
    weighted: bool = False,
    solver: Solver = "conjugate_gradient",
) -> Footprint:
    """Return the bytes that a fit needs on the default device, before there are histories.

    Args:
        num_users, num_items, num_interactions: of the data.
        dim: the number of factors.
        num_devices: that share the chunks.
        width, chunk_entries: as in `histories.build`, which may choose a width of less padding.
        by_rows: whether tables are shared out too.
        one_value: whether all entries have the same value.
        weighted: whether entries have weights, and not all the same.
        solver: of the config.

    Raises:
        ValueError: for sizes below 1, or arguments of another kind.

    Example:
        >>> round(expected(10_000_000, 1_000_000, 1_000_000_000, dim=64, num_devices=8).total / 1e9)
        16
        >>> round(expected(10_000_000, 1_000_000, 1_000_000_000, dim=64, num_devices=8, by_rows=True).total / 1e9)
        7
    """
    _check_sizes(dim, num_users=num_users, num_items=num_items, num_devices=num_devices)
    chunk_entries = default_chunk_entries() if chunk_entries is None else chunk_entries
    _check_sizes(dim, width=width, chunk_entries=chunk_entries)
    checks.choice("solver", solver, SOLVERS)
    checks.whole("num_interactions", num_interactions, least=0, most=2**62)
    checks.choice("by_rows", by_rows, (False, True))
    checks.choice("one_value", one_value, (False, True))
    checks.choice("weighted", weighted, (False, True))
    # Python's numbers, which do not wrap as numpy's would.
    num_users, num_items, num_interactions = int(num_users), int(num_items), int(num_interactions)
    dim, num_devices, width, chunk_entries = int(dim), int(num_devices), int(width), int(chunk_entries)
    each, rows = 4 + (0 if one_value else 4) + (4 if weighted else 0) + (8 if by_rows else 0), max(num_users, num_items)
    entries = sum(num_interactions + side * width // 2 for side in (num_users, num_items))
    of_side = num_interactions + rows * width // 2
    # A chunk has no more than a device's share of its side, and rows as it has entries.
    largest = min(chunk_entries, of_side // num_devices + width)
    shape = (-(-largest // width), width, rows * largest // max(of_side, 1) + 1)
    return Footprint(
        _tables(num_users, num_items, dim, num_devices if by_rows else 1),
        int(1.1 * each * entries) // num_devices,
        _work(shape, largest if by_rows else 0, dim, solver, compilation.platform()),
    )


def of(
    data: Histories, *, dim: int, storage: Storage = WHOLE_TABLES, solver: Solver = "conjugate_gradient"
) -> Footprint:
    """Return the bytes that a fit to histories needs on each of the devices that they are on.

    Raises:
        ValueError: for what are no histories or no storage, a dim below 1, or an unknown solver.
    """
    checks.kind("data", data, Histories, "pass histories.build(interactions)")
    check_storage(storage)
    checks.choice("solver", solver, SOLVERS)
    _check_sizes(dim)
    dim = int(dim)
    num_users, num_items = storage.num_places(data.users, "user"), storage.num_places(data.items, "item")
    tables = _tables(num_users, num_items, dim, storage.num_shares)
    on = compilation.platform(data)
    work = max(
        _work(block.entries.shape[1:] + block.rows.shape[1:], storage.num_received(by, number), dim, solver, on)
        for side, by in _sides(data)
        for number, block in enumerate(side.blocks)
    )
    return Footprint(tables, held((data, storage)), work)


def _sides(data: Histories) -> tuple[tuple[Side, By], tuple[Side, By]]:
    return (data.users, "user"), (data.items, "item")


def _work(shape: tuple[int, ...], received: int, dim: int, solver: Solver, on: str) -> int:
    """Return the bytes of the work of one chunk, (segments, width, slots), which receives rows of other devices."""
    segments, width, slots = shape
    matrices = 8 * dim * dim * (segments + slots) if solver == "cholesky" else 0
    if on == compilation.GPU:
        return matrices + 4 * (segments * (dim + 2 * width) + 2 * dim * slots + 2 * dim * received)
    return matrices + 8 * dim * (segments * width + received)  # features, and a copy of them


def held(tree: Any) -> int:
    """Return the bytes of the arrays of a pytree on one device.

    Example:
        >>> held({"table": jax.numpy.ones((3, 2)), "scale": 1.0})
        24
    """
    return sum(_held(leaf) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype"))


def _held(leaf: jax.Array) -> int:
    """Return the bytes of an array on one device; of all of it where a program traces it or it is on the host."""
    placed = isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer)
    return leaf.addressable_data(0).nbytes if placed else leaf.size * leaf.dtype.itemsize


def _check_sizes(dim: int, **sizes: int) -> None:
    for name, size in {"dim": dim, **sizes}.items():
        checks.whole(name, size, remedy="pass the number that a fit is to have")


def _tables(num_users: int, num_items: int, dim: int, num_shares: int) -> int:
    whole = 4 * dim * (2 * (num_users + num_items) + 3 * max(num_users, num_items))
    return whole if num_shares == 1 else whole // num_shares + 16 * (num_users + num_items)


def limit() -> int | None:
    """Return the bytes of one device, its share of the machine's for CPU devices; None where nothing tells."""
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    there = host_memory()
    return None if there is None else there // jax.local_device_count()


def host_memory() -> int | None:
    """Return the bytes of this machine, None where nothing tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def check(needed: Footprint, available: int | None) -> None:
    """Raise ValueError, with the figures and the remedy, when a fit would not fit.

    Example:
        >>> check(Footprint(tables=3, histories=1, work=0), available=4)
    """
    checks.kind("needed", needed, Footprint, "pass what footprint.of or footprint.expected returns")
    if available is not None:
        checks.number("available", available, least=0, remedy="pass bytes, or None where nothing tells")
    if available is None or needed.total <= available:
        return
    tables, histories, work, total, there = (f"{number / 2**30:.1f}" for number in (*needed, needed.total, available))
    raise ValueError(
        f"dim: a fit needs {total} GiB on each device (tables {tables}, histories {histories}, a chunk {work}), which "
        f"has {there}; "
        "lower dim or the chunk_entries of histories.build, or share out over more devices the histories "
        "(devices.sharding) or the tables too (devices.by_rows)"
    )
