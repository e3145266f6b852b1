"""The same interactions through every kind of table, and what can not be read, with its place and the remedy."""

from __future__ import annotations

import datetime

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
import scipy.sparse

from mfjax.data import from_arrays, from_frame, from_sparse, read, read_csv, read_parquet, read_split
from mfjax.types import Interactions, Vocabulary

USERS, ITEMS, VALUES, TIMES = ["u2", "u10", "u2"], [30, 10, 20], [5.0, 3.5, 1.0], [1000, 999, 1000]
COLUMNS = {"user": "who", "item": "what", "value": "stars", "timestamp": "when"}
TABLE = {"when": TIMES, "who": USERS, "stars": VALUES, "what": ITEMS, "note": ["x,y", "", "z"]}
FRAMES = {
    "pandas": pandas.DataFrame(TABLE),
    "polars": polars.DataFrame(TABLE),
    "lazy": polars.DataFrame(TABLE).lazy(),
    "arrow": pyarrow.table(TABLE),
    "batch": pyarrow.table(TABLE).to_batches()[0],
    "dict": TABLE,
}


def raw(pairs: Interactions) -> tuple[list, list]:
    """Return the raw ids of the rows."""
    return pairs.user_vocabulary.decode(pairs.users).tolist(), pairs.item_vocabulary.decode(pairs.items).tolist()


def written(folder, text, name="pairs.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def assert_same(pairs):
    expected = from_arrays(USERS, ITEMS, VALUES, TIMES)
    for field in ("users", "items", "values", "timestamps"):
        np.testing.assert_array_equal(getattr(pairs, field), getattr(expected, field))
    np.testing.assert_array_equal(pairs.user_vocabulary.raw, expected.user_vocabulary.raw)
    np.testing.assert_array_equal(pairs.item_vocabulary.raw, expected.item_vocabulary.raw)


def test_the_names_of_other_libraries_are_read():
    assert read_csv is read_parquet is from_frame is read


@pytest.mark.parametrize("kind", FRAMES)
def test_frames(kind):
    assert_same(read(FRAMES[kind], **COLUMNS))
    with pytest.raises(
        ValueError, match=r"user: in the frame no column has a usual name of users; .*: when, who, stars"
    ):
        read(FRAMES[kind], item="what")
    with pytest.raises(ValueError, match="user: the frame has no column 'person'; its columns are: when, who, stars"):
        read(FRAMES[kind], user="person", item="what")


def test_record_batches_are_read_as_they_come():
    table = pyarrow.table(TABLE)
    assert_same(
        read(pyarrow.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=2)), **COLUMNS)
    )


def test_structured_arrays():
    made = np.array(list(zip(USERS, ITEMS, VALUES, TIMES, strict=True)), "U3, i8, f4, i8")
    assert_same(read(made, user="f0", item="f1", value="f2", timestamp="f3"))


def test_columns_of_frames_without_names():
    frame = pandas.DataFrame([[7, 50, 4, 1000], [5, 50, 3, 999]])
    for pairs in (read(frame, user=0, item=1, value=2, timestamp=3), read(frame, user="0", item="1")):
        assert raw(pairs) == ([7, 5], [50, 50])
    swapped = pandas.DataFrame([[1, 2]], columns=[1, 0])
    assert raw(read(swapped, user=0, item=1)) == ([2], [1])  # integers are names where a frame has such
    assert raw(read(pandas.DataFrame([[1, 2]], columns=["user", ("a", 1)]), item=1)) == ([1], [2])


def test_a_column_that_is_there_twice(tmp_path):
    names = ["user", "item", "user"]
    twice = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2]), pyarrow.array([3])], names)
    pyarrow.parquet.write_table(twice, tmp_path / "twice.parquet")
    for source in (
        pandas.DataFrame([[1, 2, 3]], columns=names),
        twice,
        tmp_path / "twice.parquet",
        written(tmp_path, "user,item,user\n1,2,3\n"),
    ):
        with pytest.raises(ValueError, match=r"user: .* has the column 'user' twice; rename one, or pass its position"):
            read(source)
        assert raw(read(source, user=2, item=1)) == ([3], [2])
    with pytest.raises(ValueError, match="user: the frame has the column '1' twice"):
        read({1: [1], "1": [2], "item": [3]}, user="1")


def test_missing_cells_of_every_kind():
    for missing in (
        pandas.DataFrame({"user": [1, 2], "item": pandas.array([5, None], "Int64")}),
        pandas.DataFrame({"user": [1, 2], "item": pandas.array(["a", None], "string")}),
        pandas.DataFrame({"user": [1, 2], "item": pandas.Categorical(["a", None])}),
        polars.DataFrame({"user": ["a", "b"], "item": [4, None]}),
        pyarrow.table({"user": [1, 2], "item": pyarrow.DictionaryArray.from_arrays([0, 1], ["a", None])}),
        {"user": [1, 2], "item": pandas.array(["a", None], "string[pyarrow]")},
    ):
        with pytest.raises(ValueError, match="item: row 1 has no id; drop the row or give it one"):
            read(missing)
    with pytest.raises(ValueError, match=r"items: row 1 holds None; ids are all integers or all strings"):
        from_arrays([1, 2], np.array([5, None], object))


def test_parquet(tmp_path):
    path = tmp_path / "pairs.parquet"
    pyarrow.parquet.write_table(pyarrow.table(TABLE), path)
    assert_same(read_parquet(path, **COLUMNS))
    with pytest.raises(ValueError, match=r"user: .*pairs.parquet no column has a usual name of users; .*: when, who"):
        read_parquet(path)
    with pytest.raises(
        ValueError, match=r"pairs.parquet, row 2, repeats the pair of .*pairs.parquet, row 0, \(1 repeat"
    ):
        read_parquet(path, user="who", item="when")


@pytest.mark.parametrize("kind", ["coo_array", "csr_array", "csc_matrix", "lil_matrix", "dok_matrix", "bsr_matrix"])
def test_sparse(kind):
    dense = np.array([[0, 2, 0], [3, 0, 0.5]])
    pairs = from_sparse(getattr(scipy.sparse, kind)(dense))
    rebuilt = np.zeros((pairs.num_users, pairs.num_items))
    rebuilt[pairs.users, pairs.items] = pairs.values
    np.testing.assert_array_equal(rebuilt, dense)
    assert pairs.user_vocabulary is None


def test_sparse_with_repeated_entries():
    matrix = scipy.sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(1, 2))
    with pytest.raises(ValueError, match="row 1 repeats the pair of row 0"):
        from_sparse(matrix)
    assert from_sparse(matrix, duplicates="sum").values.tolist() == [3]
    small = scipy.sparse.csr_array((np.array([100, 100, 1], np.int8), [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    assert from_sparse(small, duplicates="sum").values.tolist() == [200, 1]


def test_ids_never_wrap():
    wide = scipy.sparse.coo_array((np.ones(2), ([0, 0], np.array([2**32, 1]))), shape=(1, 2**33))
    for call in (
        lambda: from_sparse(wide),
        lambda: from_arrays([0, 0], [2**32, 1], num_users=1, num_items=2**33),
        lambda: from_arrays([0], [2**31 + 5], num_users=1, num_items=2**32),
    ):
        with pytest.raises(
            ValueError, match=r"num_items: .* is not a whole number of at least 1; ids are int32; leave"
        ):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_sparse([[1, 0]]), "matrix: a list is no matrix of scipy.sparse; pass one"),
        (lambda: from_sparse(np.eye(2)), "matrix: a ndarray is no matrix"),
        (lambda: from_sparse(pandas.DataFrame(np.eye(2))), "matrix: a DataFrame is no matrix"),
        (lambda: from_sparse(scipy.sparse.coo_array(np.array([1, 0]))), "matrix: a coo_array is no matrix"),
        (lambda: from_sparse(scipy.sparse.csr_array(np.eye(2) * 1j)), "values: dtype complex128 is not of numbers"),
        (lambda: read(scipy.sparse.csr_array(np.eye(2))), "source: a matrix of scipy.sparse; pass it to data.from_sp"),
        (lambda: read({"user": [1]}), "item: in the frame no column has a usual name of items; .*: user$"),
        (lambda: read({"user": [1], "item": [1, 2]}), r"source: columns of \[1, 2\] rows; pass one length"),
        (lambda: read(pandas.DataFrame()), "user: in the frame no column .*: none"),
        (lambda: read({"user": [], "item": []}), "user: there are no rows; pass at least one interaction"),
        (lambda: read(np.eye(2)), "source: a ndarray is no file and no frame; pass a path"),
        (lambda: read(5), "source: a int is no file and no frame"),
        (lambda: read([5]), "source: a int is not what is needed; pass a file, a folder or a frame"),
        (lambda: read([]), "source: .*holds no table"),
        (lambda: read("a", separator='"'), "separator: '\"' is no separator; pass such as"),
        (lambda: read("a", separator="\0"), "separator: .* is no separator"),
        (lambda: read("a", user=-1, item=0), "user: -1 is no column; pass a name, or a position from 0"),
        (lambda: read("a", item=True), "item: True is no column"),
        (lambda: read("a", duplicates="any"), "duplicates: 'any' is unknown"),
        (lambda: read("a", duplicates=0), "duplicates: 0 is unknown"),
        (lambda: read("a", ids="int"), "ids: 'int' is unknown; pass None, 'integers' or 'text'"),
        (lambda: read("a", encoding="klingon"), "encoding: 'klingon' is unknown; pass such as 'latin-1'"),
        (lambda: read("a", layout="tree"), "layout: 'tree' is unknown"),
        (lambda: read("a", vocabularies=3), "vocabularies: 3 is no pair of Vocabulary"),
        (
            lambda: read({"user": [1], "item": [2]}, values={"a": 1}),
            "values: there is no value column for them; name it",
        ),
        (lambda: read_split({}), "sources: there are none; pass at least one"),
        (
            lambda: read_split({"a": {"user": [1], "item": [1]}}, vocabularies=1),
            "vocabularies: the parts make one of th",
        ),
        (
            lambda: read_split({"a": {"user": [1], "item": [1]}, "b": {"user": ["x"], "item": [1]}}),
            "user: of the types int64, string in the files; write all of one type",
        ),
    ],
)
def test_other_kinds_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"source: .*none\.csv is not there; pass the name of a file or a folder"
    ):
        read(tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError, match=r"source: aaaa.* is not there"):
        read("a" * 5000)
    with pytest.raises(ValueError, match=r"source: .* holds no table \(\.csv"):
        read(tmp_path)


def test_train_and_test_files_have_one_id_space(tmp_path):
    train = written(tmp_path, "1\t10\t5\t100\n2\t20\t3\t101\n", "u1.base")
    test = written(tmp_path, "1\t20\t4\t102\n2\t30\t4.5\t103\n", "u1.test")
    columns = {"user": 0, "item": 1, "value": 2, "timestamp": 3}
    parts = read_split({"train": train, "test": test}, **columns)
    assert parts["train"].item_vocabulary.raw.tolist() == parts["test"].item_vocabulary.raw.tolist() == [10, 20, 30]
    assert (raw(parts["test"]), parts["test"].values.tolist()) == (([1, 2], [20, 30]), [4, 4.5])
    alone = read(train, **columns)
    with pytest.raises(
        ValueError, match=r"item 1: .*u1\.test, line 2, holds 30, which is not in the vocabulary \(1 such"
    ):
        read(test, **columns, vocabularies=alone)
    known = read(test, **columns, vocabularies=alone, unknown="drop")
    assert raw(known) == ([1], [20])
    assert known.user_vocabulary is alone.user_vocabulary
    with pytest.raises(ValueError, match="users: text, but the ids of the vocabulary are integers; convert one"):
        from_arrays(["1"], [20], user_vocabulary=Vocabulary.of([1, 2]))


def test_text_is_looked_up_among_integers_as_they_are_written(tmp_path):
    numbers = from_arrays([7, 10, 9], [1, 2, 3])
    path = written(tmp_path, "user,item\n10,1\n007,2\nx,3\n9,3\n")
    assert raw(read(path, vocabularies=numbers, unknown="drop")) == ([10, 9], [1, 3])
    with pytest.raises(
        ValueError, match=r"user: .*line 3, holds '007', which is not in the vocabulary \(2 such rows\)"
    ):
        read(path, vocabularies=numbers)
    with pytest.raises(ValueError, match="user, item: no row has a user and an item of the vocabularies"):
        read({"user": [5], "item": [1]}, vocabularies=numbers, unknown="drop")


def test_the_earlier_row_of_a_repeat_is_named_where_it_is_in_the_source():
    rows = {"user": [9, 1, 1], "item": [2, 2, 2]}
    with pytest.raises(ValueError, match="row 2 repeats the pair of row 1"):
        read(rows, user_vocabulary=Vocabulary.of([1]), unknown="drop")


def test_parts_of_a_split_have_one_unit_of_time():
    fine = {"user": [1], "item": [2], "when": np.array(["2020-01-01T00:00:00.123456789"], "M8[ns]")}
    coarse = {"user": [1], "item": [2], "when": [datetime.datetime(2020, 1, 1)]}
    parts = read_split({"a": fine, "b": coarse}, timestamp="when")
    assert {part.time_unit for part in parts.values()} == {"ns"}
    assert parts["b"].timestamps.tolist() == [1_577_836_800 * 10**9]


def test_parts_of_a_split_have_one_zone(tmp_path):
    noon = datetime.datetime(2020, 7, 1, 12, tzinfo=datetime.UTC)
    for name, zone in (("a", "UTC"), ("b", "+02:00")):
        times = pyarrow.array([noon], pyarrow.timestamp("us", zone))
        pyarrow.parquet.write_table(
            pyarrow.table({"user": [name], "item": [1], "when": times}), tmp_path / f"{name}.pq"
        )
    assert read(tmp_path, timestamp="when").timestamps.tolist() == [int(noon.timestamp())] * 2


def test_rows_are_kept_by_an_expression_or_a_function():
    table = {"user": ["a", "b", "c"], "item": [1, 2, 3], "rating": [5, 1, 4]}
    expected = (["a", "c"], [1, 3])
    assert raw(read(table, where=pyarrow.compute.field("rating") >= 4)) == expected
    assert raw(read(table, where=lambda rows: rows["rating"].to_numpy() >= 4)) == expected
    assert raw(read(table, where=lambda rows: pyarrow.array([True, None, True]))) == expected
    with pytest.raises(ValueError, match=r"where: shape \(2,\) is not \(3,\); return one bool for each row"):
        read(table, where=lambda rows: [True, False])
    with pytest.raises(ValueError, match=r"where: .*; the columns are: user, item, rating"):
        read(table, where=pyarrow.compute.field("stars") >= 4)
    with pytest.raises(ValueError, match="user: there are no rows"):
        read(table, where=pyarrow.compute.field("rating") > 9)


def test_a_filter_keeps_the_places_of_rows(tmp_path):
    path = written(tmp_path, "user,item,v\n1,2,3\n1,3,x\n2,2,5\n2,2,6\n")
    with pytest.raises(ValueError, match=r"line 5, repeats the pair of .*line 4,"):
        read(path, where=lambda rows: np.array([True, False, True, True]))


def test_folders_hold_tables_by_name(tmp_path):
    written(tmp_path, "user,item\n1,2\n", "b.csv")
    written(tmp_path, "item,user\n5,4\n", "a.csv")
    written(tmp_path, "no table", "README")
    written(tmp_path, "hidden,file\n", ".c.csv")
    (tmp_path / "more").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"user": [7], "item": [8]}), tmp_path / "more" / "x.parquet")
    with pytest.raises(ValueError, match=r"user: of the types .* in the files; write all of one type"):
        read(tmp_path)
    assert raw(read([tmp_path / "a.csv", tmp_path / "b.csv"])) == ([4, 1], [5, 2])
    (tmp_path / "more" / "again").symlink_to(tmp_path / "more")
    assert raw(read(tmp_path / "more")) == ([7], [8])


def test_whole_numbers_in_one_file_and_fractions_in_another(tmp_path):
    many = "".join(f"{row},2,5\n" for row in range(300))
    one = written(tmp_path, f"user,item,v\n{many}1,9,2.5\n", "1.csv")
    two = written(tmp_path, "user,item,v\n1,2000,3\n", "2.csv")
    assert read([one, two], value="v").values.tolist() == [5.0] * 300 + [2.5, 3.0]
    with pytest.raises(ValueError, match=r"user, item: .*3\.csv, line 2, repeats the pair of .*2\.csv, line 2,"):
        read([two, written(tmp_path, "user,item,v\n1,2000,1.5\n", "3.csv")], value="v")
