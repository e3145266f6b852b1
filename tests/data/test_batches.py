"""mfjax.data.reading.batching: passes over files in parts have the rows, the ids and the errors of `read`."""

from __future__ import annotations

import gzip
import json
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax import histories
from mfjax.data import batches, read, scan_vocabularies, write
from mfjax.data.reading.arrays import from_arrays
from mfjax.data.reading.assembly import assemble
from mfjax.data.reading.reader import options_of, rows_of
from mfjax.histories import streaming
from mfjax.types import Interactions
from tests.borders import REFUSED, answer

quick = settings(deadline=None, derandomize=True, database=None, max_examples=150)

COLUMNS = {"value": "value", "timestamp": "timestamp", "weight": "weight"}


def all_rows(source, **options) -> Interactions:
    """Return what `read` does before it merges repeats."""
    how, columns, dialect, layout = options_of(**options)
    return assemble(rows_of(source, columns, dialect, layout, events=how.values is not None), how, merging=False)


def assert_same(parts: list[Interactions], whole: Interactions) -> None:
    for name in ("users", "items", "values", "weights"):
        if getattr(whole, name) is not None:
            np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    if whole.timestamps is not None:
        times = [part.timestamps.astype(f"datetime64[{part.time_unit}]") for part in parts]
        np.testing.assert_array_equal(np.concatenate(times), whole.timestamps.astype(f"datetime64[{whole.time_unit}]"))
    for side in ("user", "item"):
        for part in parts:
            np.testing.assert_array_equal(
                getattr(part, f"{side}_vocabulary").raw, getattr(whole, f"{side}_vocabulary").raw
            )
            assert getattr(part, f"num_{side}s") == getattr(whole, f"num_{side}s")


integers = st.integers(-3, 12) | st.integers(-(2**63), 2**63 - 1)
text = st.sampled_from(["a", "007", "7", "8", "é", "x,y", 'q"', " ", "NA"]) | st.text("ab", min_size=1, max_size=3)
kinds = st.sampled_from([integers, text])


@st.composite
def tables(draw) -> dict[str, list]:
    size = draw(st.integers(1, 20))
    of_users, of_items = draw(kinds), draw(kinds)
    column = lambda of: draw(st.lists(of, min_size=size, max_size=size))  # noqa: E731
    return {
        "user": column(of_users),
        "item": column(of_items),
        "value": column(draw(st.sampled_from([st.integers(0, 5), st.sampled_from([0.5, 2.0, 3.25])]))),
        "timestamp": [
            f"2020-01-{1 + day:02}T03:04:05.{tail:03}Z"
            for day, tail in zip(column(st.integers(0, 27)), column(st.sampled_from([0, 500])), strict=True)
        ],
        "weight": column(st.integers(0, 3)),
    }


def put(table: dict[str, list], path: Path) -> None:
    rows = list(zip(*table.values(), strict=True))
    if path.suffix == ".parquet":
        pa.parquet.write_table(pa.table(table), path, row_group_size=7)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(dict(zip(table, row, strict=True))) for row in rows))
    else:
        separator = {".csv": ",", ".tsv": "\t", ".dat": "::"}[path.suffixes[0]]
        lines = [separator.join(map(str, row)) for row in [tuple(table), *rows]]
        if separator == ",":
            quoted = [[f'"{cell}"'.replace('"q""', '"q"""') for cell in map(str, row)] for row in [tuple(table), *rows]]
            lines = [",".join(row) for row in quoted]
        raw = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


@quick
@given(
    table=tables(), suffix=st.sampled_from([".parquet", ".jsonl", ".csv", ".tsv", ".dat", ".csv.gz"]), data=st.data()
)
def test_parts_are_the_whole(table, suffix, data):
    rows = data.draw(st.integers(1, 25))
    where = data.draw(st.sampled_from([None, pc.field("weight") >= 1]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"pairs{suffix}"
        put(table, path)
        options = {**COLUMNS, "where": where}
        whole = answer(lambda: all_rows(path, **options))
        pair = answer(lambda: scan_vocabularies(path, rows=rows, where=where))
        if pair is REFUSED:
            assert whole is REFUSED
            return
        found = answer(lambda: list(batches(path, rows=rows, vocabularies=pair, **options)()))
        assert (whole is REFUSED) == (found is REFUSED)
        if whole is not REFUSED:
            assert_same(found, whole)
            assert all(len(part) <= rows for part in found)


def test_parts_have_the_rows_that_were_asked_for(tmp_path):
    pairs = from_arrays(np.arange(900) % 60, np.arange(900))
    for suffix in (".parquet", ".csv", ".jsonl", ".tsv.gz"):
        write(pairs, tmp_path / f"pairs{suffix}")
        assert [len(part) for part in batches(tmp_path / f"pairs{suffix}", rows=400)()] == [400, 400, 100]


def test_folders_are_read_file_after_file(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n1,a\n2,b\n")
    (tmp_path / "b.csv").write_text("item,user\nc,3\n")
    (tmp_path / "c.csv").write_text("user,item\n007,a\n")
    pair = scan_vocabularies(tmp_path)
    assert pair[0].raw.tolist() == ["007", "1", "2", "3"]
    assert_same(list(batches(tmp_path, vocabularies=pair)()), all_rows(tmp_path))
    assert_same(
        list(batches([tmp_path / "a.csv", tmp_path / "c.csv"], vocabularies=pair)()),
        all_rows([tmp_path / "a.csv", tmp_path / "c.csv"], vocabularies=pair),
    )


@pytest.mark.parametrize("of_users", [[1, 2, 2**64 - 1, 3], [2**64 - 1, 5, 1, 2]])
def test_ids_beyond_63_bits_may_come_in_any_part(tmp_path, of_users):
    table = pa.table({"user": pa.array(of_users, pa.uint64()), "item": ["a", "b", "c", "d"]})
    pa.parquet.write_table(table, tmp_path / "pairs.parquet")
    pair = scan_vocabularies(tmp_path / "pairs.parquet", rows=2)
    assert_same(
        list(batches(tmp_path / "pairs.parquet", rows=2, vocabularies=pair)()), all_rows(tmp_path / "pairs.parquet")
    )


def test_lists_and_qrels(tmp_path):
    (tmp_path / "lists.txt").write_text("u1 i1 i2\nu2\nu3 i2\n")
    (tmp_path / "test.qrels").write_text("q1 0 d1 2\nq1 0 d2 0\nq2 0 d1 1\n")
    for name, layout in (("lists.txt", "lists"), ("test.qrels", "qrels")):
        pair = scan_vocabularies(tmp_path / name, layout=layout, rows=2)
        parts = list(batches(tmp_path / name, layout=layout, rows=2, vocabularies=pair)())
        assert [len(part) for part in parts] == [2, 1]
        assert_same(parts, all_rows(tmp_path / name, layout=layout))


def test_numbers_that_become_others_later(tmp_path, monkeypatch):
    """The types of the first lines do not hold: rows that were had are not had twice."""
    monkeypatch.setattr("mfjax.data.reading.lines.BLOCK", 1 << 12)
    lines = [f"{row % 9},{row},{row % 5},x" for row in range(4000)]
    lines[2500], lines[3500] = "1,2500,0.5,5", "1,3500,4,5.5"
    path = tmp_path / "pairs.csv"
    path.write_text("user,item,value,note\n" + "\n".join(lines) + "\n")
    pair = scan_vocabularies(path)
    parts = list(batches(path, rows=300, vocabularies=pair, value="value")())
    assert_same(parts, all_rows(path, value="value"))
    lines = [line[:-1] + "7" for line in lines]
    lines[2000], lines[3500] = "1,2000,4,5.5", "1,3500,4,z"
    path.write_text("user,item,value,note\n" + "\n".join(lines) + "\n")
    options = {"value": "value", "where": pc.field("item") != "5"}
    assert_same(
        list(batches(path, rows=300, vocabularies=pair, **options)()), all_rows(path, vocabularies=pair, **options)
    )


BAD = [
    ("user,item,value\n1,2,3\n1,3,4\n\n1,,5\n", ".csv"),
    ("user,item,value\n1,2,3\n1,3,4\n\n1,7,good\n", ".csv"),
    ("user,item,value\n1,2,3\n1,3,4\n2,7,-1\n", ".csv"),
    ("user,item,value\n1,2,3\n1,3,4\n2,7\n", ".csv"),
    ('user,item,value\n1,2,3\n1,"3,4\n2,7,1\n', ".csv"),
    ("user,item,value\n1,2,3\n1,3,4\n2,7,1e30\n2,8,1e39\n", ".csv"),
    ("user\titem\tvalue\n1\t2\t3\n\n1\t4\tnan\n", ".tsv"),
    ("user::item::value\n1::2::3\n\n1::4::\n", ".dat"),
    ("", ".csv"),
    ("user,item,value\n", ".csv"),
    ('{"user": 1, "item": 2, "value": 3}\n{"user": null, "item": 2, "value": 3}', ".jsonl"),
    ('{"user": 1, "item": 2, "value": 3}\n{"user": 2, "item": 2, "value": -3}', ".jsonl"),
    ('{"user": 1, "item": 2, "value": 3}\n{"user": 2, "item', ".jsonl"),
    ("no parquet", ".parquet"),
    ("PAR1", ".parquet"),
]


@pytest.mark.parametrize(("content", "suffix"), BAD)
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_errors_are_those_of_read(tmp_path, content, suffix, rows):
    path = tmp_path / f"pairs{suffix}"
    path.write_text(content)
    with pytest.raises(ValueError) as whole:
        read(path, value="value")
    with pytest.raises(ValueError) as part:
        pair = scan_vocabularies(path, rows=rows)
        list(batches(path, rows=rows, value="value", vocabularies=pair)())
    assert str(part.value) == str(whole.value)


def test_ids_without_a_vocabulary_are_kept(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\n0,5\n3,1\n")
    [batch] = batches(path)()
    assert (batch.users.tolist(), batch.items.tolist(), batch.num_users, batch.num_items) == ([0, 3], [5, 1], 4, 6)
    assert batch.user_vocabulary is None
    users, _ = scan_vocabularies(path)
    [batch] = batches(path, user_vocabulary=users)()
    assert (batch.users.tolist(), batch.num_users, batch.num_items) == ([0, 1], 2, 6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("wrong", "shown"), [(2**31 - 1, "2147483647"), (-1, "-1"), (2**64 - 1, "18446744073709551615")]
)
def test_ids_without_a_vocabulary_are_small(tmp_path, suffix, wrong, shown):
    put(
        {"user": [0, 1, 2, wrong] if wrong < 2**63 else [0, 1, 2], "item": [0, 1, 2, 3][: 4 if wrong < 2**63 else 3]},
        tmp_path / f"a{suffix}",
    )
    if wrong >= 2**63:
        pairs = pa.table({"user": pa.array([0, 1, 2, wrong], pa.uint64()), "item": [0, 1, 2, 3]})
        pa.parquet.write_table(pairs, tmp_path / "a.parquet")
        (tmp_path / "a.csv").write_text(f"user,item\n0,0\n1,1\n2,2\n{wrong},3\n")
    at = "line 5" if suffix == ".csv" else "row 3"
    with pytest.raises(ValueError, match=rf"user: .*a\{suffix}, {at}, holds {shown}, and ids without a vocabulary"):
        list(batches(tmp_path / f"a{suffix}", rows=3)())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"duplicates": "sum"}, "duplicates: 'sum', but a pass does not look back"),
        ({"rows": 0}, "rows: 0 is not a whole number"),
        ({"where": pc.field("item") == "none"}, "source: .* has no row that is kept"),
        ({"timestamp": "time"}, "time_unit: the times are numbers"),
        ({"item": "name"}, r"item 'name': .*line 2, holds 'x', and ids without a vocabulary"),
        ({"layout": "matrix"}, "layout: 'matrix' is unknown"),
        ({"vocabularies": 5}, "vocabularies: 5 is no pair of Vocabulary"),
    ],
)
def test_refusals(tmp_path, options, message):
    path = tmp_path / "pairs.csv"
    path.write_text("user,item,name,time\n0,1,x,5\n1,0,y,6\n")
    with pytest.raises(ValueError, match=message):
        list(batches(path, **options)())


def test_refused_sources(tmp_path):
    for call in (batches, scan_vocabularies):
        with pytest.raises(FileNotFoundError, match=r"source: .* is not there"):
            call(tmp_path / "none.csv")
        with pytest.raises(
            ValueError, match=r"source: a dict is no file; pass a path or paths, or data\.read what is in"
        ):
            call({"user": [1], "item": [2]})
        with pytest.raises(ValueError, match=r"source: .* holds no table"):
            call(tmp_path)
        with pytest.raises(TypeError, match="has no option 'sep'"):
            (tmp_path / "a.csv").write_text("user,item\n1,2\n")
            call(tmp_path / "a.csv", sep=",")
        (tmp_path / "a.csv").unlink()


def test_unknown_ids_are_refused_or_dropped(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\na,1\nb,1\na,2\nc,1\n")
    known = from_arrays(["a", "c"], [1, 1])
    with pytest.raises(ValueError, match=r"user: .*line 3, holds 'b', which is not in the vocabulary"):
        list(batches(path, rows=1, vocabularies=known)())
    parts = list(batches(path, rows=1, vocabularies=known, unknown="drop")())
    assert [part.users.tolist() for part in parts] == [[0], [1]]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_blocks_end_where_records_do(tmp_path, monkeypatch, ends, encoding):
    for module in ("lines", "parts"):
        monkeypatch.setattr(f"mfjax.data.reading.{module}.BLOCK", (1 << 16) + 100)
    path = tmp_path / "pairs.csv"
    mark = "\ufeff" if encoding == "utf-8" else "u"
    rows = [f"{mark}{row % 50},é{row}" for row in range(30_000)]
    path.write_text(ends.join(["user,item", *rows]), encoding, newline="")
    pair = scan_vocabularies(path)
    assert pair[0].raw.tolist() == sorted({f"{mark}{row}" for row in range(50)})
    parts = list(batches(path, rows=7000, vocabularies=pair)())
    assert [int(item[1:]) for part in parts for item in pair[1].decode(part.items).tolist()] == list(range(30_000))


def test_line_breaks_between_quotes_end_no_record(tmp_path, monkeypatch):
    for module in ("lines", "parts"):
        monkeypatch.setattr(f"mfjax.data.reading.{module}.BLOCK", (1 << 16) + 100)
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\n" + "".join(f'{row % 50},"a\n\n""{row}"\n' for row in range(20_000)))
    pair = scan_vocabularies(path, multiline=True)
    assert_same(list(batches(path, vocabularies=pair, multiline=True)()), all_rows(path, multiline=True))


def test_a_pass_may_be_left(tmp_path):
    write(from_arrays(np.arange(5000), np.arange(5000)), tmp_path / "pairs.csv")
    passes = batches(tmp_path / "pairs.csv", rows=10)
    assert len(next(passes())) == 10
    assert sum(map(len, passes())) == 5000


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".csv.gz"])
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, suffix):
    for module in ("lines", "parts"):
        monkeypatch.setattr(f"mfjax.data.reading.{module}.BLOCK", 1 << 17)
    peaks = []
    for number in (50_000, 200_000):
        pairs = from_arrays(np.arange(number) % 97, np.arange(number) % 91, duplicates="last")
        pairs = pairs.select(np.resize(np.arange(len(pairs)), number))
        write(pairs, tmp_path / f"pairs{suffix}")
        most = 0
        tracemalloc.start()
        for batch in batches(tmp_path / f"pairs{suffix}", rows=1000, vocabularies=pairs)():
            most = max(most, pa.total_allocated_bytes())
            assert len(batch) <= 1000
        peaks.append(tracemalloc.get_traced_memory()[1] + most)
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_histories_are_those_of_what_was_read(tmp_path):
    pairs = from_arrays(np.arange(3000) % 70, np.arange(3000) % 113, np.arange(3000) % 5)
    write(pairs, tmp_path / "pairs.csv")
    vocabularies = scan_vocabularies(tmp_path / "pairs.csv")
    passes = batches(tmp_path / "pairs.csv", rows=700, value="value", vocabularies=vocabularies)
    streamed, built = streaming.build(passes), histories.build(read(tmp_path / "pairs.csv", value="value"))
    np.testing.assert_array_equal(streamed.users.counts, built.users.counts)
    np.testing.assert_array_equal(streamed.items.counts, built.items.counts)
