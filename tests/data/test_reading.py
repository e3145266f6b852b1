"""The same interactions through every kind of table, and the rows that a file can not be read for."""

import builtins

import numpy as np
import pytest
import scipy.sparse

from mfjax.data import from_arrays, from_frame, from_sparse, read_csv, read_parquet

USERS, ITEMS, VALUES, TIMES = ["u2", "u10", "u2"], [30, 10, 20], [5.0, 3.5, 1.0], [1000, 999, 1000]
COLUMNS = {"user": "who", "item": "what", "value": "stars", "timestamp": "when"}
TABLE = {"when": TIMES, "who": USERS, "stars": VALUES, "what": ITEMS, "note": ["x,y", "", "z"]}


def assert_same(pairs):
    expected = from_arrays(USERS, ITEMS, VALUES, TIMES)
    for field in ("users", "items", "values", "timestamps"):
        np.testing.assert_array_equal(getattr(pairs, field), getattr(expected, field))
    np.testing.assert_array_equal(pairs.user_vocabulary.raw, expected.user_vocabulary.raw)
    np.testing.assert_array_equal(pairs.item_vocabulary.raw, expected.item_vocabulary.raw)


def frame(kind):
    return getattr(pytest.importorskip(kind), {"pyarrow": "table"}.get(kind, "DataFrame"))(TABLE)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_frames(kind):
    assert_same(from_frame(frame(kind), **COLUMNS))


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_frame_without_the_column(kind):
    with pytest.raises(ValueError, match="frame: no column 'user'; its columns are: when, who, stars, what, note"):
        from_frame(frame(kind), item="what")


def test_frame_with_a_missing_id():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"items: row 1 (holds <NA>|has no id)"):
        from_frame(pandas.DataFrame({"user": [1, 2], "item": pandas.array([5, None], "Int64")}))


def test_parquet(tmp_path):
    path = tmp_path / "pairs.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(frame("pyarrow"), path)
    assert_same(read_parquet(path, **COLUMNS))
    with pytest.raises(ValueError, match=r"pairs.parquet: no column 'user'; its columns are: when"):
        read_parquet(path)
    with pytest.raises(ValueError, match=r"pairs.parquet: users, items: row 2 repeats the pair of row 0"):
        read_parquet(path, user="who", item="when")


def test_parquet_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without_pyarrow(name, *arguments, **keywords):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(ImportError, match=r'pip install "mfjax\[tables\]"'):
        read_parquet("pairs.parquet")


@pytest.mark.parametrize("kind", ["coo", "csr", "csc", "lil"])
def test_sparse(kind):
    dense = np.array([[0, 2, 0], [3, 0, 0.5]])
    pairs = from_sparse(scipy.sparse.coo_array(dense).asformat(kind))
    rebuilt = np.zeros((pairs.num_users, pairs.num_items))
    rebuilt[pairs.users, pairs.items] = pairs.values
    np.testing.assert_array_equal(rebuilt, dense)
    assert pairs.user_vocabulary is None


def test_sparse_with_repeated_entries():
    matrix = scipy.sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(1, 2))
    with pytest.raises(ValueError, match="row 1 repeats the pair of row 0"):
        from_sparse(matrix)
    assert from_sparse(matrix, duplicates="sum").values.tolist() == [3]


@pytest.mark.parametrize("separator", [",", "\t", "|"])
def test_csv_by_name(tmp_path, separator):
    rows = [("when", "who", "stars", "what"), *zip(TIMES, USERS, VALUES, ITEMS, strict=True)]
    path = tmp_path / "pairs.csv"
    path.write_text("\ufeff" + "\n".join(separator.join(map(str, row)) for row in rows) + "\n\n", encoding="utf-8")
    assert_same(read_csv(path, **COLUMNS, separator=separator))


def test_csv_by_position_with_quotes_and_whole_floats(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text('"u2",30,5,1000.0\n"u10",10,3.5,999\nu2, 20,1.0,1000\n')
    assert_same(read_csv(path, user=0, item=1, value=2, timestamp=3))


def test_csv_of_numbers(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("7,3\n")
    pairs = read_csv(path, user=0, item=1)
    assert pairs.user_vocabulary.raw.tolist() == [7]
    assert (pairs.values.tolist(), pairs.timestamps) == ([1], None)


def test_csv_ids_that_only_look_like_integers(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text(f"1_000,{2**70}\n1000,5\n")
    pairs = read_csv(path, user=0, item=1)
    assert pairs.user_vocabulary.raw.tolist() == ["1000", "1_000"]
    assert pairs.item_vocabulary.raw.tolist() == [str(2**70), "5"]


BAD_FILES = [
    ("", "no column 'user'; its columns are: none"),
    ("user,item,rating\n", "users: there are no rows"),
    ("user,movie,rating\n1,2,3\n", "no column 'item'; its columns are: user, movie, rating"),
    ("user,item,rating\n1,2,3\n1,4\n", "line 3: 2 columns, needs 3; mend or drop the line, or pass the file's separ"),
    ("user,item,rating\n1,2,3\n\n1,4,good\n", "line 4: value 'good' is not a number; mend or drop the line"),
    ("user,item,rating\n1,2,3\n1,4,\n", "line 3: value '' is not a number"),
    ("user,item,rating\n1,2,3\n1,,4\n", "items: row 1 is an empty string; drop the row"),
    ("user,item,rating\n1,2,3\n1,4,nan\n", "values: row 1 holds nan, not finite"),
    ("user,item,rating\n1,2,3\n1,4,-2\n", "values: row 1 holds -2.0, negative"),
    ("user,item,rating\n1,2,3\n1,2,4\n", "users, items: row 1 repeats the pair of row 0"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES, ids=[message[:40] for _, message in BAD_FILES])
def test_csv_refuses(tmp_path, text, message):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"pairs\.csv.*{message}"):
        read_csv(path, value="rating")


def test_csv_with_bad_time(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("1,2,yesterday\n")
    with pytest.raises(ValueError, match="line 1: timestamp 'yesterday' is not a number"):
        read_csv(path, user=0, item=1, timestamp=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_sparse([[1, 0]]), "matrix: a list is no matrix of scipy.sparse; pass one"),
        (lambda: from_sparse(np.eye(2)), "matrix: a ndarray is no matrix"),
        (lambda: from_sparse(scipy.sparse.coo_array(np.array([1, 0]))), "matrix: a coo_array is no matrix"),
        (lambda: from_frame({"user": [1]}), "frame: a dict is no frame; pass one of pandas or polars"),
        (lambda: from_frame(np.eye(2)), "frame: a ndarray is no frame"),
        (lambda: read_csv(5), "path: a int is not what is needed"),
        (lambda: read_csv("a", separator="::"), "separator: '::' is not one character"),
        (lambda: read_csv("a", user=-1, item=0), "user, item, value, timestamp: -1 is no column"),
        (lambda: read_csv("a", duplicates="any"), "duplicates: 'any' is unknown"),
        (lambda: read_parquet("a", duplicates=0), "duplicates: 0 is unknown"),
    ],
)
def test_other_kinds_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
