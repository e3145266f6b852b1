"""What `describe` says of files, and that the call that it gives reads what it counted."""

from __future__ import annotations

import zipfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from mfjax.data import describe
from mfjax.data.describing.command import report
from mfjax.data.describing.counting import Times, Values
from mfjax.data.published.candidates import Candidates
from mfjax.data.published.recipes import SETS
from mfjax.types import Interactions
from tests.data.test_recipes import FILES, LISTS, NCF, path_of, write

quick = settings(deadline=None, derandomize=True, database=None, max_examples=200)


def called(found):
    """Return what the call of a description gives."""
    names: dict = {}
    exec(found.call, names)
    return names["pairs"]


def check_call(found):
    """Check that the call reads the rows that were counted, and return what it gives."""
    pairs = called(found)
    parts = {"all": pairs} if isinstance(pairs, Interactions) else pairs
    assert {found.counts.users} == {part.num_users for part in parts.values()}
    assert {found.counts.items} == {part.num_items for part in parts.values()}
    return pairs


@pytest.mark.parametrize("name", FILES)
def test_published_sets(tmp_path, name):
    folder = write(tmp_path / name, FILES[name])
    *said, path = path_of(folder, name)
    found = describe(path, name=said[0] if said else None)
    assert name in found.sets
    assert report(found).startswith(str(path))
    pairs = check_call(found)
    loaded: dict = {}
    exec(f"from mfjax import data\nfound = {found.load}", loaded)
    np.testing.assert_array_equal(loaded["found"].interactions.values, pairs.values)


@pytest.mark.parametrize("name", [name for name in FILES if SETS[name].recipe.told])
def test_published_sets_in_an_archive(tmp_path, name):
    folder = write(tmp_path / "files", FILES[name])
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"set/{file.name}")
    found = describe(tmp_path / "set.zip")
    assert "import zipfile" in found.call
    check_call(found)


def test_sets_that_come_split(tmp_path):
    found = describe(write(tmp_path / "lists", LISTS))
    assert (found.format, found.counts.parts, found.columns) == ("lists", {"train": 3, "test": 4}, ())
    assert list(check_call(found)) == ["train", "test"]
    found = describe(write(tmp_path / "ncf", NCF))
    assert found.dropped == ("1 of 2 tests list their own item, which is left out",)
    assert list(found.files) == ["test", "negatives"]
    assert list(check_call(found)) == ["test"]
    assert "1 of 2 tests list their own item" in report(found)


# A file, its text, and what is found of it.
TEXTS = [
    ("a.csv", "user,item,rating,time\n7,a,5,2020-01-01\n8,b,3.5,2020-01-02\n", ",", True, [], []),
    ("a.csv", "patron;thing;score\n7;a;5\n8;b;3\n", ";", True, ["header", "user: no", "item: no"], []),
    ("a.tsv", "7\ta\t5\t881250949\n8\tb\t3\t881250950\n", "\t", False, ["user", "item", "value", "timestamp"], []),
    ("a.dat", "7 a\n8 b\n", " ", False, ["user", "item"], []),
    ("a.csv", "user,item,event\n7,a,view\n8,b,buy\n7,b,view\n", ",", True, [], ["value 'event': events: view (2)"]),
    ("a.csv", "user,item\n7,a\n7,a\n8,b\n", ",", True, [], ["1 row repeats a pair"]),
    ("a.csv", "user,item,rating\n7,a,5\n8,,3\n,b,3\n9,c,\n", ",", True, [], ["user", "item", "value"]),
    ("a.csv", "user,item,rating\n7,a,5\n8,b,x1\n", ",", True, [], ["value 'rating': 1 row (the first: "]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "separator", "header", "notes", "dropped"), TEXTS)
def test_text(tmp_path, name, text, separator, header, notes, dropped):
    path = tmp_path / name
    path.write_text(text)
    found = describe(path)
    assert (found.separator, found.header, found.sets, found.load) == (separator, header, (), None)
    assert [note[: len(start)] for note, start in zip(found.notes, notes, strict=True)] == notes
    assert [told[: len(start)] for told, start in zip(found.dropped, dropped, strict=True)] == dropped
    check_call(found)
    assert all(told in report(found) for told in (*found.notes, *found.dropped))


def test_counts(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("user,item,rating,time\n7,a,5,2020-01-01\n8,b,3.5,2020-01-02T00:00:00.250\n7,a,1,2020-01-03\n")
    counts = describe(path).counts
    assert (counts.rows, counts.users, counts.items, counts.repeats) == (3, 2, 2, 1)
    assert counts.values == Values(1, 5, 3)
    path.write_text("user,item,time\n7,a,1577836800\n8,b,1577836801\n")
    assert describe(path).counts.times == Times("2020-01-01T00:00:00", "2020-01-01T00:00:01", "s")


def test_what_is_said_is_not_guessed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("who,what,how\n7,a,view\n8,b,buy\n")
    found = describe(path, user="who", item="what", value="how", values={"view": 1, "buy": 5})
    assert (found.notes, found.dropped, found.counts.values) == ((), (), Values(1, 5, 2))
    assert check_call(found).values.tolist() == [1, 5]


def test_lines_that_can_not_be_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('user,item\n7,a\n8,"b\n9,c\n')
    found = describe(path)
    assert found.counts is None
    assert "line 3: a double quote opens a field" in found.dropped[0]
    assert "can not be read" in report(found)
    path.write_bytes("user,item\n7,a\n8,\xe9\n".encode("latin-1"))
    assert "line 3, is not UTF-8" in describe(path).dropped[0]
    assert describe(path, encoding="latin-1").counts.items == 2


def test_typed_files(tmp_path):
    path = tmp_path / "a.parquet"
    table = {"userId": [7, 8, None], "movieId": [1, 2, 3], "rating": [1.0, 2.0, 3.0], "other": ["x"] * 3}
    parquet.write_table(pa.table(table), path)
    found = describe(path)
    assert (found.format, found.counts.users, found.separator) == ("Parquet", 2, None)
    assert found.dropped == (f"user 'userId': 1 row (the first: {path}, row 2) without an id",)
    assert [column.part for column in found.columns] == ["user", "item", "value", None]
    check_call(found)
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"user": "a", "item": "x", "date": "2020-01-01"}\n{"user": "b", "item": "x", "date": "2020-01-02"}\n'
    )
    found = describe(path)
    assert (found.format, found.counts.times.last) == ("JSON lines", "2020-01-02T00:00:00")
    check_call(found)


def test_folders_and_lists(tmp_path):
    folder = tmp_path / "days"
    folder.mkdir()
    for day in (1, 2):
        (folder / f"{day}.csv").write_text(f"user,item\n7,a{day}\n")
    assert check_call(describe(folder)).num_items == 2
    (folder / "1.csv").rename(folder / "train.csv")
    (folder / "2.csv").rename(folder / "test.csv")
    (folder / "stats.csv").write_text("epoch,loss\n1,2\n")
    found = describe(folder)
    assert found.notes == (f"{folder / 'stats.csv'} is of no part and is left out",)
    assert set(check_call(found)) == {"train", "test"}
    path = tmp_path / "lists.txt"
    path.write_text("0 1 2\n1 2\n")
    found = describe(path)
    assert (found.format, found.notes) == ("lists", ("lines of various lengths are taken for lists",))
    check_call(found)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"source": "nowhere.csv"}, FileNotFoundError, "nowhere.csv is not there"),
        ({"source": "empty.csv"}, ValueError, "holds no line"),
        ({"source": "folder"}, ValueError, "holds no table"),
        ({"source": "a.csv", "name": "ml-3m"}, ValueError, "name: 'ml-3m' is unknown"),
        ({"source": "folder", "name": "ml-1m"}, ValueError, r"holds no ratings\.dat, which ml-1m has"),
        ({"source": "a.csv", "dupes": 1}, TypeError, "dupes"),
    ],
)
def test_what_can_not_be_looked_into(tmp_path, monkeypatch, arguments, error, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "a.csv").write_text("user,item\n1,2\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(error, match=message):
        describe(**arguments)


CELLS = st.sampled_from(["", "7", "007", "a b", "é", '"', "-3", "nan", "1e3", "view", "2020-01-01", "881250949"])


@quick
@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=5), min_size=1, max_size=6), st.sampled_from([",", "\t", "::", " "])
)
def test_any_cells_are_described_or_refused(tmp_path_factory, rows, separator):
    path = tmp_path_factory.mktemp("drawn") / "a.txt"
    path.write_text("\n".join(separator.join(row) for row in rows) + "\n", encoding="utf-8")
    try:
        found = describe(path)
    except ValueError as error:
        assert str(path) in str(error)
        return
    assert report(found)
    unread = found.counts is None or None in (found.counts.users, found.counts.items)
    if not unread and not any("holds" in told or "events" in told for told in found.dropped):
        check_call(found)


def test_candidates_are_padded_by_id_0():
    assert Candidates._fields == ("ids", "mask")
