"""Raw ids of every kind: what stays text, what integers are, and that none is changed, wrapped or merged."""

from __future__ import annotations

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from mfjax.data import from_arrays, read
from mfjax.data.reading import ids
from mfjax.types import Vocabulary
from tests.borders import most_bytes
from tests.data.test_reading import raw, written


def users(path, **options):
    return read(path, **options).user_vocabulary.raw.tolist()


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["0001000703", "0001000704"], ["0001000703", "0001000704"]),
        (["007", "7"], ["007", "7"]),
        (["+1", "1"], ["+1", "1"]),
        (["-0", "0"], ["-0", "0"]),
        (["1_000", "1000"], ["1000", "1_000"]),
        (["\u0661", "1"], ["1", "\u0661"]),
        (["1.0", "1"], ["1", "1.0"]),
        (["0x10", "16"], ["0x10", "16"]),
        (["1e3", "1000"], ["1000", "1e3"]),
        ([" a ", "a"], [" a ", "a"]),
        ([" 1", "1"], [" 1", "1"]),
        (["a\0", "a"], ["a", "a\0"]),
        (["NA", "nan"], ["NA", "nan"]),
        (["null", "None"], ["None", "null"]),
        (["7", "10"], [7, 10]),
        (["-3", "7"], [-3, 7]),
        ([str(2**63 + 5), "5"], [5, 2**63 + 5]),
        ([str(2**63 + 5), "-5"], ["-5", str(2**63 + 5)]),
        ([str(2**70), "5"], [str(2**70), "5"]),
        (["B000000XYZ", "0001000703"], ["0001000703", "B000000XYZ"]),
    ],
)
def test_text_is_integers_only_if_all_are_written_as_such(tmp_path, cells, found):
    path = written(tmp_path, "user,item\n" + "".join(f"{cell},5\n" for cell in cells))
    assert users(path) == found
    assert users(path, ids="text") == sorted(cells)
    if isinstance(found[0], str):
        with pytest.raises(
            ValueError, match=r"user: .*line [23], holds .*, which is not how an integer of 64 bits is writ"
        ):
            read(path, ids="integers")
    assert sorted(map(str, raw(read(path))[0])) == sorted(cells)


def test_whether_a_column_is_text_does_not_hang_on_the_first_rows(tmp_path):
    path = written(tmp_path, "user,item\n" + "".join(f"{row},5\n" for row in range(100_000)) + "x,5\n")
    assert read(path).user_vocabulary.raw[-1] == "x"
    assert read(path).user_vocabulary.raw[1] == "1"


@pytest.mark.parametrize("wide", [[2**63 + 5, 5], [2**64 - 1, 0]])
def test_unsigned_integers_are_kept(wide):
    for column in (
        wide,
        np.array(wide, "u8"),
        np.array(wide, object),
        pandas.Series(wide, dtype=object),
        pandas.array(wide, "UInt64"),
        polars.Series(wide, dtype=polars.UInt64),
        pyarrow.array(wide, pyarrow.uint64()),
    ):
        assert raw(read({"user": column, "item": [1, 2]}))[0] == wide
        assert raw(from_arrays(column, [1, 2]))[0] == wide
    with pytest.raises(ValueError, match="users: row 0 holds 9223372036854775813, beyond 64 bits beside a negative id"):
        from_arrays([2**63 + 5, -5], [1, 2])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1, "1"], "user: row 1 holds '1'; ids are all integers or all strings"),
        (["a", 2.0], "user: row 1 holds 2.0; ids are all"),
        (["a", float("nan")], "user: row 1 has no id"),
        ([1, True], "user: row 1 holds True; ids are all"),
        (["a", b"a"], "user: ids of the type binary are neither integers nor text"),
        ([1.0, 2.0], "user: ids of the type double are neither integers nor text"),
        (["a", ""], "user: row 1 is empty; drop the row or give it an id"),
        ([2**70, 5], "user: row 0 holds 1180591620717411303424, beyond 64 bits; pass such ids as strings"),
        ([None, 2**63], "user: row 0 holds None; ids are all"),
        (np.ma.array([1, 2], mask=[0, 1]), "user: row 1 is masked; drop the row, or fill it"),
        (pandas.period_range("2020", periods=2), "user: .*[Pp]eriod"),
        (polars.Series([[1], [2]]), "user: ids of the type .*list.* are neither"),
        (polars.Series([1, 2], dtype=polars.Int128), "user: .*128"),
        (pyarrow.array([b"0" * 16, b"1" * 16], pyarrow.uuid()), "user: ids of the type .*uuid.* are neither"),
    ],
    ids=str,
)
def test_what_is_no_column_of_ids(column, message):
    with pytest.raises(ValueError, match=message):
        read({"user": column, "item": [1, 2]})


def test_categories_without_rows_are_no_users():
    frame = pandas.DataFrame({"user": pandas.Categorical(["y", "x"], categories=["z", "y", "x"]), "item": [3, 4]})
    assert users(frame) == ["x", "y"]
    twice = pyarrow.DictionaryArray.from_arrays([0, 1, 2], ["a", "a", "b"])
    assert raw(read(pyarrow.table({"user": twice, "item": [1, 2, 3]})))[0] == ["a", "a", "b"]
    chunks = pyarrow.chunked_array(
        [pyarrow.array(["b", "a"]).dictionary_encode(), pyarrow.array(["c", "b"]).dictionary_encode()]
    )
    assert raw(read(pyarrow.table({"user": chunks, "item": [1, 2, 3, 4]})))[0] == ["b", "a", "c", "b"]


def test_text_is_sorted_by_code_points():
    cells = ["é", "z", "Z", "日", "\U0001f600", "\ufffd", "a", "aa"]
    assert users({"user": cells, "item": list(range(8))}) == sorted(cells)


def test_scattered_integers_map_back():
    scattered = np.random.default_rng(0).integers(0, 10**15, 30_000)
    pairs = from_arrays(scattered, np.arange(30_000))
    np.testing.assert_array_equal(pairs.user_vocabulary.decode(pairs.users), scattered)


def test_integers_are_looked_up_as_they_are_written():
    vocabulary = Vocabulary.of([7, 10, 9, -1])
    place, known = ids.find(vocabulary, np.array(["10", "007", "-1", "x", "9"], np.dtypes.StringDType()), untyped=True)
    assert known.tolist() == [True, False, True, False, True]
    assert vocabulary.decode(place[known]).tolist() == [10, -1, 9]
    with pytest.raises(ValueError, match="raw_ids: '10', but the ids of this vocabulary are integers"):
        ids.find(vocabulary, np.array(["10"], np.dtypes.StringDType()))


def test_one_long_id_takes_its_own_bytes(tmp_path):
    count = 100_000
    texts = [f"u{row:07d}" for row in range(count)]
    texts[5] = "https://example.org/" + "x" * 4000
    assert most_bytes(lambda: from_arrays(texts, np.arange(count))) < 200e6
    path = written(tmp_path, "user,item\n" + "".join(f"{text},{row}\n" for row, text in enumerate(texts)))
    assert most_bytes(lambda: read(path)) < 200e6
    assert len(read(path).user_vocabulary) == count
