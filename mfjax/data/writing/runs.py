"""Recommendations and judgements -> files that ranx, ir_measures, trec_eval and RecTools read, with raw ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from mfjax import checks
from mfjax.data.reading.rows import first
from mfjax.data.writing.formats import Format, format_of, write_table
from mfjax.data.writing.interactions import text_or_integers, to_arrow
from mfjax.types import Interactions, Vocabulary
from mfjax.vocabularies import raw_ids

_TABLES: dict[str, Format] = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet"}
_RUNS: dict[str, Format] = {".trec": "trec", ".run": "trec", ".txt": "trec", **_TABLES}
_QRELS: dict[str, Format] = {".trec": "trec", ".qrels": "trec", ".txt": "trec", **_TABLES}


def write_run(
    path: Any,
    users: ArrayLike,
    items: ArrayLike,
    scores: ArrayLike | None = None,
    *,
    mask: ArrayLike | None = None,
    tag: str = "mfjax",
) -> None:
    """Write ranked lists to a file, by its suffix.

    `.trec`, `.run` and `.txt` have lines `user Q0 item rank score tag`. `.csv`, `.tsv` and `.parquet` have the columns
    user_id, item_id, rank and score, as RecTools calls them. Ranks are from 1.

    Most tools rank by score and not by rank, and each breaks ties in its own way: without `scores`, or where they have
    ties that matter, leave them out, and a list of n items has the scores n, n - 1, ..., 1.

    Args:
        path: of the file.
        users: raw ids [n].
        items: raw ids [n, k], the best first; or [n], rows of (user, item) in which a user's best item comes first.
        scores: of the shape of `items`, falling along a list; -inf stands for no item, as `recommend.top_k` has it.
        mask: bool of the shape of `items`, where there is an item; None for everywhere.
        tag: name of the run in a file of TREC.

    Raises:
        ValueError: for arrays that do not fit together, an item that is listed twice for a user, scores that rise or
            are not finite, no item at all, a suffix that is not known, and ids that the format can not hold.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "model.run"
        ...     write_run(path, ["ann", "bob"], [[30, 10], [10, 20]], [[2.5, 1.0], [0.5, -np.inf]])
        ...     print(path.read_text())
        ann Q0 30 1 2.5 mfjax
        ann Q0 10 2 1 mfjax
        bob Q0 10 1 0.5 mfjax
        <BLANKLINE>
    """
    where, form, compression = format_of(path, _RUNS)
    checks.kind("tag", tag, str, "pass the name of the run")
    user, item, score = _rows(users, items, scores, mask)
    known_users, known_items = Vocabulary.of(user), Vocabulary.of(item)
    of_user, of_item = known_users.encode(user).astype(np.int64), known_items.encode(item)
    rank, size = _ranks(of_user, len(known_users))
    _check_lists(user, item, score, of_user, of_item * len(known_users) + of_user)
    columns = {
        "user_id": text_or_integers(known_users.raw).take(pa.array(of_user)),
        "item_id": text_or_integers(known_items.raw).take(pa.array(of_item)),
        "rank": pa.array(rank),
        "score": pa.array(size[of_user] - rank + 1 if score is None else score),
    }
    if form == "trec":
        constant = {"Q0": "Q0", "tag": tag}
        order = ("user_id", "Q0", "item_id", "rank", "score", "tag")
        columns |= {name: pa.repeat(pa.scalar(each, pa.large_string()), len(rank)) for name, each in constant.items()}
        columns = {name: columns[name] for name in order}
    write_table(pa.table(columns), where, form, compression)


def write_qrels(path: Any, interactions: Interactions) -> None:
    """Write interactions to a file as what is relevant to whom, their values as relevance, by its suffix.

    `.trec`, `.qrels` and `.txt` have lines `user 0 item relevance`, which `read(path, layout="qrels")` reads. `.csv`,
    `.tsv` and `.parquet` have the columns user_id, item_id and relevance.

    Raises:
        ValueError: for a relevance that is no whole number in a file of TREC, a suffix that is not known, ids that the
            format can not hold, and as `to_arrow`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from mfjax.data import from_arrays
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "test.qrels"
        ...     write_qrels(path, from_arrays(["ann", "bob"], [30, 10]))
        ...     print(path.read_text())
        ann 0 30 1
        bob 0 10 1
        <BLANKLINE>
    """
    where, form, compression = format_of(path, _QRELS)
    table = to_arrow(interactions, user="user_id", item="item_id", value="relevance")
    user, item, relevance = (table.column(name) for name in ("user_id", "item_id", "relevance"))
    if form == "trec":
        numbers = relevance.to_numpy()
        if (broken := numbers != np.rint(numbers)).any():
            raise ValueError(
                f"interactions: row {first(broken)} has the value {numbers[first(broken)]}, and relevance in a file of "
                "TREC is whole; round the values (Interactions.with_values), or write CSV or Parquet"
            )
        zeros = pa.repeat(pa.scalar("0", pa.large_string()), len(table))
        columns = {"user_id": user, "0": zeros, "item_id": item, "relevance": relevance.cast(pa.int64())}
    else:
        columns = {"user_id": user, "item_id": item, "relevance": relevance}
    write_table(pa.table(columns), where, form, compression)


def _rows(
    users: ArrayLike, items: ArrayLike, scores: ArrayLike | None, mask: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return (user, item, score) of every place of the lists that has an item, [m] each."""
    of_users = raw_ids("users", users)
    # As objects: numpy would make text of [1, "1"].
    of_items = np.array(items, object) if isinstance(items, (list, tuple)) else np.asarray(items)
    if of_items.shape[:1] != of_users.shape or of_items.ndim > 2:
        raise ValueError(
            f"items: shape {of_items.shape} for {len(of_users)} users; pass [n, k], with a mask for shorter lists, "
            "or [n]"
        )
    there = np.ones(of_items.shape, bool)
    if mask is not None:
        given = np.asarray(mask)
        checks.shape("mask", given, of_items.shape, "pass one bool for each item")
        if given.dtype != bool:
            raise ValueError(f"mask: dtype {given.dtype}; pass bools, such as scores > -np.inf")
        there &= given
    numbers = None
    if scores is not None:
        numbers = np.asarray(scores)
        checks.shape("scores", numbers, of_items.shape, "pass one score for each item")
        if numbers.dtype.kind not in "iuf":
            raise ValueError(f"scores: dtype {numbers.dtype}; pass numbers")
        numbers = numbers.astype(np.float64 if numbers.dtype.itemsize == 8 else np.float32)
        # NaN is not left out: it is refused.
        there &= ~(numbers == -np.inf) if mask is None else True
        if (wrong := there & ~np.isfinite(numbers)).any():
            raise ValueError(f"scores: {numbers[wrong][0]} is not finite; pass mask= where there is no item")
    if not there.any():
        raise ValueError("items: there is no item in any list; pass at least one")
    repeated = np.broadcast_to(of_users.reshape(-1, *[1] * (of_items.ndim - 1)), of_items.shape)
    return repeated[there], raw_ids("items", of_items[there]), None if numbers is None else numbers[there]


def _ranks(rows: np.ndarray, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of every entry among its row's, from 1 [m], and the entries of every row [num_rows]."""
    order = np.argsort(rows, kind="stable")
    size = np.bincount(rows, minlength=num_rows)
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(np.cumsum(size) - size, size) + 1
    return rank, size


def _check_lists(
    user: np.ndarray, item: np.ndarray, score: np.ndarray | None, of_user: np.ndarray, pair: np.ndarray
) -> None:
    """Raise ValueError for an item that a user's list has twice, and for scores that rise along a list."""
    _, where, times = np.unique(pair, return_index=True, return_counts=True)
    if (times > 1).any():
        row = where[first(times > 1)]
        raise ValueError(f"items: {item[row]!s:.60} is listed twice for user {user[row]!s:.60}; list it once")
    if score is not None:
        order = np.argsort(of_user, kind="stable")
        rises = (np.diff(score[order]) > 0) & (np.diff(of_user[order]) == 0)
        if rises.any():
            row = order[first(rises)]
            raise ValueError(
                f"scores: they rise after item {item[row]!s:.60} of user {user[row]!s:.60}; list the best item first, "
                "or leave the scores out to write the order as it is"
            )
