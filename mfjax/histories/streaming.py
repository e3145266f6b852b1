"""Histories of interactions that stay on disk: two passes over batches, in memory of the size of the result."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mfjax import checks
from mfjax.histories.building import Packing
from mfjax.histories.packed import Histories
from mfjax.histories.ragged import check_interactions
from mfjax.types import Interactions

Batches = Callable[[], Iterator[Interactions]]
"""Starts a pass over all interactions: calling it again gives the same batches in the same order."""

BATCH = 1 << 20


def build(batches: Batches, *, chunk_entries: int = 4096, width: int = 32, multiple_of: int = 1) -> Histories:
    """Return what `histories.build` returns for all interactions, batch by batch.

    The first pass counts, the second packs. Entries of a history stand in the order of the batches, and not by id, so
    sums over a history may differ in their last bits from those of `histories.build`.

    Args:
        batches: starts a pass; the id spaces of every batch must hold all ids, `num_users` and `num_items` may grow.
        chunk_entries, width, multiple_of: as in `histories.build`.

    Raises:
        ValueError: when there is nothing, an id is outside its batch's id space, a value is not finite in float32, the
            second pass differs from the first, or an option is no whole number of at least 1.

    Example:
        >>> pairs = Interactions(np.array([1, 0, 1]), np.array([2, 0, 1]), np.ones(3, np.float32), 2, 3)
        >>> build(lambda: iter([pairs.select(slice(0, 2)), pairs.select(slice(2, 3))])).users.counts.tolist()
        [1.0, 2.0]
    """
    checks.function("batches", batches, "pass a function that starts a pass, such as streaming.npz(path)")
    user_counts, item_counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    least, most = np.inf, -np.inf
    for number, batch in enumerate(batches()):
        _check(batch, number)
        values = np.asarray(batch.values, np.float32)
        least, most = values.min(initial=least), values.max(initial=most)
        user_counts = _added(user_counts, batch.users, batch.num_users)
        item_counts = _added(item_counts, batch.items, batch.num_items)
    if not user_counts.sum():
        raise ValueError("batches: there are no interactions; check the path or the filter that made them")
    options = {"chunk_entries": chunk_entries, "width": width, "multiple_of": multiple_of}
    value = float(least) if least == most else None
    by_user, by_item = Packing.pair(user_counts, item_counts, value=value, **options)
    users_seen, items_seen = np.zeros_like(user_counts), np.zeros_like(item_counts)
    for number, batch in enumerate(batches()):
        _check_again(batch, number, user_counts - users_seen, item_counts - items_seen)
        by_user.write(batch.users, _positions(batch.users, users_seen), batch.items, batch.values)
        by_item.write(batch.items, _positions(batch.items, items_seen), batch.users, batch.values)
    if (users_seen != user_counts).any():
        raise ValueError("batches: the second pass ends before the first did; start the same pass whenever called")
    return Histories(by_user.side(item_counts), by_item.side(user_counts))


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
    with np.errstate(over="ignore"):
        if not np.isfinite(np.asarray(batch.values, np.float32)).all():
            raise ValueError(f"values: one in batch {number} is not finite; drop or repair the row")


def _check_again(batch: Any, number: int, users_left: np.ndarray, items_left: np.ndarray) -> None:
    """Raise ValueError unless the first pass had the entries of a batch of the second."""
    _check(batch, number)
    for ids, left in ((batch.users, users_left), (batch.items, items_left)):
        counts = np.bincount(ids, minlength=len(left))
        if len(counts) > len(left) or (counts > left).any():
            raise ValueError(
                f"batches: batch {number} of the second pass was not in the first; start the same pass whenever called"
            )


def parquet(
    path: str | Path, *, user: str = "user", item: str = "item", value: str | None = None, batch: int = BATCH
) -> Batches:
    """Return passes over a Parquet file of integer ids from 0, `batch` rows at once.

    Raises:
        ImportError: without pyarrow (extra `tables`).
        ValueError: for a batch below 1; at the pass, for a file that is no Parquet, a column that is missing, and ids
            that are no integers from 0.
    """
    _check_columns(user, item, value, batch)
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError('parquet needs pyarrow: pip install "mfjax[tables]"') from error

    def batches() -> Iterator[Interactions]:
        try:
            opened = pyarrow.parquet.ParquetFile(path)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"path: {path} is no Parquet file ({error!s:.120}); pass another") from None
        with opened as file:
            missing = {user, item, *([value] if value else [])} - set(file.schema_arrow.names)
            if missing:
                raise ValueError(f"columns: {path} has no {sorted(missing)[0]!r}; it has {file.schema_arrow.names}")
            for part in file.iter_batches(batch, columns=[user, item, *([value] if value else [])]):
                users, items = (part.column(name).to_numpy(zero_copy_only=False) for name in (user, item))
                stars = None if value is None else part.column(value).to_numpy(zero_copy_only=False)
                yield _interactions(users, items, stars)

    return batches


def npz(
    path: str | Path, *, user: str = "users", item: str = "items", value: str | None = None, batch: int = BATCH
) -> Batches:
    """Return passes over arrays of a file by `np.savez`, integer ids from 0, `batch` entries at once.

    Raises:
        ValueError: for a batch below 1; at the pass, for a file that `np.savez` did not write, an array that is missing
            or not one-dimensional, arrays of different lengths, and ids that are no integers from 0.
    """
    _check_columns(user, item, value, batch)

    def batches() -> Iterator[Interactions]:
        try:
            opened = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise ValueError(f"path: {path} is no file of np.savez ({error}); pass another") from None
        with opened as archive:
            names = [user, item, *([value] if value else [])]
            missing = [name for name in names if f"{name}.npy" not in archive.namelist()]
            if missing:
                raise ValueError(f"arrays: {path} has no {missing[0]!r}; it has {archive.namelist()}")
            sizes = [_size(path, archive, name) for name in names]
            if len(set(sizes)) > 1:
                raise ValueError(f"arrays: {path} has {names} of {sizes} entries; write arrays of one length")
            for parts in zip(*(_parts(archive, name, batch) for name in names), strict=True):
                yield _interactions(parts[0], parts[1], parts[2] if value else None)

    return batches


def _check_columns(user: str, item: str, value: str | None, batch: int) -> None:
    checks.whole("batch", batch, remedy="pass a number of rows")
    for name, column in (("user", user), ("item", item), ("value", value)):
        if column is not None or name != "value":
            checks.kind(name, column, str, "pass the name of a column")


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _size(path: str | Path, archive: zipfile.ZipFile, name: str) -> int:
    """Return the number of entries of an array of numbers [n]."""
    with archive.open(f"{name}.npy") as file:
        try:
            shape, dtype = _header(file)
        except ValueError as error:
            raise ValueError(f"arrays: {name!r} in {path} is no array ({error!s:.80}); write it by np.savez") from None
    if len(shape) != 1 or dtype.kind not in "biufc":
        raise ValueError(f"arrays: {name!r} in {path} is {dtype}{list(shape)}; write numbers [n]")
    return shape[0]


def _parts(archive: zipfile.ZipFile, name: str, size: int) -> Iterator[np.ndarray]:
    with archive.open(f"{name}.npy") as file:
        shape, dtype = _header(file)
        for first in range(0, shape[0], size):
            count = min(size, shape[0] - first)
            found = file.read(count * dtype.itemsize)
            if len(found) < count * dtype.itemsize:
                raise ValueError(f"arrays: {name!r} ends after {first} entries of {shape[0]}; write the file again")
            yield np.frombuffer(found, dtype)


def _interactions(users: np.ndarray, items: np.ndarray, values: np.ndarray | None) -> Interactions:
    for name, ids in (("user", users), ("item", items)):
        if ids.dtype.kind not in "iu":
            raise ValueError(f"{name}: ids have dtype {ids.dtype}; map them to integers from 0 with a Vocabulary first")
        bad = (ids < 0) | (ids >= np.uint64(2**31 - 1)) if ids.dtype.kind == "u" else (ids < 0) | (ids >= 2**31 - 1)
        if bad.any():
            raise ValueError(
                f"{name}: id {ids[bad][0]} is outside 0..{2**31 - 2}; map ids to 0, 1, ... with a Vocabulary first"
            )
    if values is not None and values.dtype.kind not in "iuf":
        raise ValueError(f"value: dtype {values.dtype}; write numbers")
    with np.errstate(over="ignore"):
        values = np.ones(len(users), np.float32) if values is None else values.astype(np.float32)
    num_users, num_items = (int(ids.max(initial=0)) + 1 if len(ids) else 0 for ids in (users, items))
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, num_users, num_items)
