"""mfjax.data.writing.interactions: what is written in any format is read back the same, or refused."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mfjax.data import from_arrays, read, to_arrow, to_frame, write
from mfjax.types import Interactions
from tests.borders import REFUSED, answer

quick = settings(deadline=None, derandomize=True, database=None, max_examples=200)

COLUMNS = {"value": "value", "timestamp": "timestamp", "weight": "weight"}
SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".csv.gz", ".tsv.zst", ".jsonl.xz", ".csv.bz2", ".ndjson.lz4", ".pq")

integers = st.one_of(st.integers(0, 9), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1))
AWKWARD = """007 7 -0 1e3 a,b a"b " "" NA #a é a;b a::b user 2020-01-01 true ' \\n \\ 😀 \ufeff \x1f \0"""
awkward = st.sampled_from(
    [*AWKWARD.split(" "), "a\tb", "a\nb", "a\r\nb", "\r", "\n", "a b", " a", "a ", "\u2028", "\x85"]
)
text = st.one_of(
    awkward, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), st.text("07", min_size=1)
)
ids = st.one_of(st.lists(integers, min_size=1, max_size=8), st.lists(text, min_size=1, max_size=8))
numbers = st.one_of(
    st.floats(0, width=32, allow_infinity=False, allow_nan=False, allow_subnormal=False), st.integers(0, 5)
)
times = st.one_of(
    st.tuples(st.just("datetime64[s]"), st.integers(-(10**12), 10**12)),
    st.tuples(st.sampled_from(["datetime64[s]", "datetime64[ms]", "datetime64[us]"]), st.integers(-(10**11), 10**11)),
    st.tuples(st.just("datetime64[ns]"), st.integers(-(2**62), 2**62)),
)


@st.composite
def interactions(draw) -> Interactions | None:
    users, items = draw(ids), draw(ids)
    size = min(len(users), len(items))
    pairs = {(users[row], items[row]): row for row in range(size)}
    kept = sorted(pairs.values())
    values = draw(st.lists(numbers, min_size=size, max_size=size))
    weights = draw(st.none() | st.lists(numbers, min_size=size, max_size=size))
    when = None
    if draw(st.booleans()):
        unit, start = draw(times)
        when = (start + np.arange(size) * draw(st.sampled_from([0, 1, 1000, 86_400]))).astype(unit)[kept]
    columns = ([users[row] for row in kept], [items[row] for row in kept], np.array(values, np.float32)[kept], when)
    found = answer(
        lambda: from_arrays(*columns, weights=None if weights is None else np.array(weights, np.float32)[kept])
    )
    return None if found is REFUSED else found


def read_back(pairs: Interactions, path: Path) -> Interactions:
    there = {"value", *(["timestamp"] if pairs.timestamps is not None else [])}
    there |= {"weight"} if pairs.weights is not None else set()
    return read(path, multiline=".csv" in path.name, **{part: name for part, name in COLUMNS.items() if part in there})


def spelt(vocabulary, ids) -> list[str]:
    return [str(raw) for raw in vocabulary.decode(ids).tolist()]


def assert_same(found: Interactions, pairs: Interactions, typed: bool) -> None:
    assert spelt(found.user_vocabulary, found.users) == spelt(pairs.user_vocabulary, pairs.users)
    assert spelt(found.item_vocabulary, found.items) == spelt(pairs.item_vocabulary, pairs.items)
    np.testing.assert_array_equal(found.values, pairs.values)
    for column in ("timestamps", "weights"):
        one, other = getattr(found, column), getattr(pairs, column)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
    assert found.time_unit == pairs.time_unit
    for one, other in ((found.user_vocabulary, pairs.user_vocabulary), (found.item_vocabulary, pairs.item_vocabulary)):
        if typed or not all(map(is_integer, one.raw.tolist())):
            assert one.raw.dtype == other.raw.dtype
            np.testing.assert_array_equal(one.raw, other.raw)


def is_integer(raw: object) -> bool:
    return str(raw).lstrip("-").isdigit()


def may_be_refused(pairs: Interactions, suffix: str) -> bool:
    ids = [*pairs.user_vocabulary.raw.tolist(), *pairs.item_vocabulary.raw.tolist()]
    if suffix.startswith((".parquet", ".pq")):
        return False
    if pairs.timestamps is not None:
        seconds = pairs.timestamps // {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[pairs.time_unit]
        if (seconds < -62_135_596_800).any() or (seconds >= 253_402_300_800).any():
            return True
    if suffix.startswith((".jsonl", ".ndjson")):
        return any(isinstance(raw, int) and raw >= 2**63 for raw in ids)
    held = "\0" if suffix.startswith(".csv") else "\0\t\r\n"
    return any(isinstance(raw, str) and set(raw) & set(held) for raw in ids)


@quick
@given(pairs=interactions(), suffix=st.sampled_from(SUFFIXES))
@example(pairs=from_arrays(["a"], [1], [12345678848.0]), suffix=".csv")
@example(pairs=from_arrays(["a", "b"], [1, 1], [1.0, 0.5]), suffix=".jsonl")
def test_what_was_written_is_read_back(pairs, suffix):
    if pairs is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"pairs{suffix}"
        if answer(lambda: write(pairs, path)) is REFUSED:
            assert may_be_refused(pairs, suffix)
            assert not list(Path(folder).iterdir())
            return
        assert not may_be_refused(pairs, suffix)
        typed = suffix.startswith((".parquet", ".pq", ".jsonl", ".ndjson"))
        assert_same(read_back(pairs, path), pairs, typed)


@quick
@given(pairs=interactions(), library=st.sampled_from(["pandas", "polars", "arrow"]))
def test_frames_are_read_back(pairs, library):
    if pairs is None:
        return
    frame = to_frame(pairs, library)
    there = [name for name in COLUMNS if name in (frame.column_names if library == "arrow" else frame.columns)]
    assert_same(read(frame, **{name: name for name in there}), pairs, True)


PAIRS = from_arrays(["ann", "bob"], [30, 10], [5, 0.5], [7, 8], weights=[1, 2])


def test_text_ids_that_spell_integers_are_asked_for(tmp_path):
    write(from_arrays(["1", "2"], ["3", "4"]), tmp_path / "pairs.csv")
    assert read(tmp_path / "pairs.csv").user_vocabulary.raw.tolist() == [1, 2]
    assert read(tmp_path / "pairs.csv", ids="text").user_vocabulary.raw.tolist() == ["1", "2"]


def test_columns_have_the_names_that_are_asked_for(tmp_path):
    names = {"user": "u", "item": "i,j", "value": "v", "timestamp": "t", "weight": "w"}
    assert to_arrow(PAIRS, **names).column_names == list(names.values())
    write(PAIRS, tmp_path / "pairs.csv", **names)
    assert read(tmp_path / "pairs.csv", **names).weights.tolist() == [1, 2]


def test_without_vocabularies_ids_are_written(tmp_path):
    pairs = Interactions(np.array([2, 0]), np.array([1, 5]), np.ones(2, np.float32), 3, 6)
    write(pairs, tmp_path / "pairs.parquet")
    assert read(tmp_path / "pairs.parquet").item_vocabulary.raw.tolist() == [1, 5]


def test_times_have_their_unit():
    pairs = replace(PAIRS, timestamps=np.array([1, 2]), time_unit="ns")
    assert to_arrow(pairs).schema.field("timestamp").type == pa.timestamp("ns", "UTC")
    assert to_frame(pairs)["timestamp"].tolist()[0] == pandas.Timestamp(1, unit="ns", tz="UTC")


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "pairs.tsv.gz"
    write(PAIRS, path)
    before = path.read_bytes()
    assert gzip.decompress(before).decode().splitlines()[0] == "user\titem\tvalue\ttimestamp\tweight"
    with pytest.raises(ValueError, match=r"user: row 1 holds 'a\\tb', and a field between tabs can hold no tab"):
        write(from_arrays(["a", "a\tb"], [1, 2]), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda path: write(PAIRS, path / "pairs.dat"),
            r"path: 'pairs.dat' has no suffix of a format; name it .*\.csv",
        ),
        (lambda path: write(PAIRS, path / "pairs.parquet.gz"), "path: .* Parquet is compressed inside"),
        (lambda path: write(PAIRS, 5), "path: a int is not what is needed"),
        (lambda path: write([1], path / "pairs.csv"), "interactions: a list is not what is needed"),
        (lambda path: write(PAIRS, path / "pairs.csv", user="item"), "user, item, .* are not distinct"),
        (lambda path: write(PAIRS, path / "pairs.csv", user=5), "user, item, .*: a int is not what is needed"),
        (lambda path: to_frame(PAIRS, "dask"), "library: 'dask' is unknown"),
        (lambda path: to_arrow(PAIRS.with_values(np.nan)), "values: row 0 holds nan, not finite"),
        (lambda path: to_arrow(replace(PAIRS, users=np.array([0, 2]))), "users: id 2 is outside 0..1"),
        (
            lambda path: to_arrow(replace(PAIRS, items=np.array([0]))),
            r"interactions: columns of \[2, 1, 2, 2, 2\] rows",
        ),
        (
            lambda path: write(replace(PAIRS, timestamps=np.array([7, 2**62])), path / "a.csv"),
            "timestamp: row 1 holds 4611686018427387904 s since 1970, which is no date of four digits; write Parquet",
        ),
        (
            lambda path: write(replace(PAIRS, timestamps=np.array([7, 2**62])), path / "a.pq"),
            "timestamp: .*drop the row",
        ),
    ],
)
def test_refusals(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)
