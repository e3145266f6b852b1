"""Raw ids of every kind of column, and the vocabulary of them: of, find and decode give back what was given."""

import copy
import pickle
import tracemalloc

import jax.numpy as jnp
import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from mfjax.types import Vocabulary
from mfjax.vocabularies import TEXT, raw_ids
from tests.borders import ours
from tests.drawn import drawn, refused

TEXTS = ["b", "a", "a\0c", "a\0b", "007", "7", " a", "a ", "é", "😀", "\uffff", "a\0", "\0", "x" * 40, "b"]

COLUMNS_OF_TEXT = {
    "list": list,
    "tuple": tuple,
    "numpy strings": lambda cells: np.array(cells, object),
    "numpy StringDType": lambda cells: np.array(cells, TEXT),
    "numpy StringDType, strict": lambda cells: np.array(cells, np.dtypes.StringDType(coerce=False)),
    "numpy StringDType, with a missing value": lambda cells: np.array(cells, np.dtypes.StringDType(na_object=np.nan)),
    "pandas": pd.Series,
    "pandas index": pd.Index,
    "pandas object": lambda cells: pd.Series(cells, dtype=object),
    "pandas string": lambda cells: pd.Series(cells, dtype="string"),
    "pandas string[pyarrow]": lambda cells: pd.Series(cells, dtype="string[pyarrow]"),
    "pandas category": lambda cells: pd.Series(cells, dtype="category"),
    "pandas arrow": lambda cells: pd.Series(cells, dtype=pd.ArrowDtype(pa.large_string())),
    "polars": pl.Series,
    "polars categorical": lambda cells: pl.Series(cells, dtype=pl.Categorical),
    "polars enum": lambda cells: pl.Series(cells, dtype=pl.Enum(sorted({cell for cell in cells if cell is not None}))),
    "narwhals": lambda cells: narwhals.from_native(pl.Series(cells), series_only=True),
    "arrow": pa.array,
    "arrow large": lambda cells: pa.array(cells, pa.large_string()),
    "arrow view": lambda cells: pa.array(cells, pa.string_view()),
    "arrow dictionary": lambda cells: pa.array(cells).dictionary_encode(),
    "arrow chunked": lambda cells: pa.chunked_array([cells[:1], cells[1:]]),
}

COLUMNS_OF_INTEGERS = {
    "list": list,
    "tuple": tuple,
    "list of numpy": lambda cells: [np.uint64(cell) if cell >= 2**63 else np.int64(cell) for cell in cells],
    "numpy objects": lambda cells: np.array(cells, object),
    "numpy big-endian": lambda cells: np.array(cells, ">u8" if max(cells) >= 2**63 else ">i8"),
    "pandas object": lambda cells: pd.Series(cells, dtype=object),
    "pandas": lambda cells: pd.Series(cells, dtype="uint64" if max(cells) >= 2**63 else "int64"),
    "pandas nullable": lambda cells: pd.Series(cells, dtype="UInt64" if max(cells) >= 2**63 else "Int64"),
    "pandas category": lambda cells: pd.Series(np.array(cells, np.uint64 if max(cells) >= 2**63 else np.int64)).astype(
        "category"
    ),
    "polars": lambda cells: pl.Series(cells, dtype=pl.UInt64 if max(cells) >= 2**63 else pl.Int64),
    "arrow": lambda cells: pa.array(cells, pa.uint64() if max(cells) >= 2**63 else pa.int64()),
    "arrow chunked": lambda cells: pa.chunked_array([cells], pa.uint64() if max(cells) >= 2**63 else pa.int64()),
}


def told_apart(source, cells):
    """Return texts that a source tells apart: pandas before 3 compares categories up to their first NUL."""
    is_old = source == "pandas category" and pd.__version__ < "3"
    return [cell.replace("\0", "0") if is_old and isinstance(cell, str) else cell for cell in cells]


@pytest.mark.parametrize("source", COLUMNS_OF_TEXT)
def test_text_of_any_column_is_kept(source):
    texts = told_apart(source, TEXTS)
    raw = raw_ids("users", COLUMNS_OF_TEXT[source](texts))
    assert raw.dtype == TEXT
    assert raw.tolist() == texts
    vocabulary = Vocabulary.of(COLUMNS_OF_TEXT[source](texts))
    assert vocabulary.raw.tolist() == sorted(set(texts))  # by code point, as Python sorts
    assert vocabulary.decode(vocabulary.encode(COLUMNS_OF_TEXT[source](texts))).tolist() == texts


@pytest.mark.parametrize("source", COLUMNS_OF_INTEGERS)
@pytest.mark.parametrize("cells", [[7, -3, 7, -(2**63), 2**63 - 1, 2**53 + 1], [2**64 - 1, 0, 2**63, 2**53 + 1]])
def test_integers_of_any_column_are_kept(source, cells):
    raw = raw_ids("users", COLUMNS_OF_INTEGERS[source](cells))
    assert raw.dtype == (np.uint64 if max(cells) >= 2**63 else np.int64)
    assert raw.tolist() == cells
    vocabulary = Vocabulary.of(COLUMNS_OF_INTEGERS[source](cells))
    assert vocabulary.raw.tolist() == sorted(set(cells))
    assert vocabulary.decode(vocabulary.encode(COLUMNS_OF_INTEGERS[source](cells))).tolist() == cells


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_integers_of_every_width_are_one_kind(dtype):
    raw = np.array([100, 3, 100, 0], dtype)
    assert raw_ids("users", raw).dtype == np.int64
    assert Vocabulary(np.array([0, 3, 100], dtype)).raw.dtype == np.int64
    ids, known = Vocabulary.of([3, 100, 2**63]).find(raw)
    assert (ids.tolist(), known.tolist()) == ([1, 0, 1, 0], [True, True, True, False])
    assert Vocabulary.of([3, 100]).encode(jnp.array([100, 3])).tolist() == [1, 0]


def test_what_numpy_holds_as_wide_as_the_longest_becomes_text():
    for array in (np.array(["b", "a\0n", ""]), np.array(["b", "a\0n", ""], ">U7")):
        assert Vocabulary.of(array).raw.dtype == TEXT
        assert Vocabulary.of(array).raw.tolist() == ["", "a\0n", "b"]
    assert Vocabulary(np.array(["a", "b"])).raw.dtype == TEXT
    assert raw_ids("users", np.ma.array(["a"], mask=[False])).tolist() == ["a"]


@pytest.mark.parametrize("source", [name for name in COLUMNS_OF_TEXT if not name.startswith("numpy StringDType")])
def test_a_missing_or_empty_text_is_named_by_its_row(source):
    column = COLUMNS_OF_TEXT[source]
    with pytest.raises(ValueError, match=r"users: row 2 holds (None|nan|<NA>); ids are all integers or all strings"):
        raw_ids("users", column(["a", "b", None, "c"]))
    with pytest.raises(ValueError, match=r"raw_ids: row 2 holds (None|nan|<NA>); ids are all integers or all strings"):
        Vocabulary.of(["a"]).find(column(["a", "b", None]))
    with pytest.raises(ValueError, match="users: row 1 is an empty string; drop the row or give it an id"):
        raw_ids("users", column(["a", "", "b"]))


BAD = [
    (["a", float("nan")], "row 1 holds nan; ids are all integers or all strings: drop the row or convert it"),
    ([float("nan"), "a"], "row 0 holds nan; ids are all"),
    ([1, "1"], "row 1 holds '1'; ids are all"),
    (["1", 1], "row 1 holds 1; ids are all"),
    (["a", 2.0], "row 1 holds 2.0; ids are all"),
    ([1, 2.0], "row 1 holds 2.0; ids are all"),
    ([1, True], "row 1 holds True; ids are all"),
    ([1, np.True_], r"row 1 holds np.True_; ids are all"),
    (["a", b"a"], "row 1 holds b'a'; ids are all"),
    (["a", None], "row 1 holds None; ids are all"),
    ([None, None], "row 0 holds None; ids are all"),
    ([1, None], "row 1 holds None; ids are all"),
    ([1, pd.NA], "row 1 holds <NA>; ids are all"),
    (["a", pd.NaT], "row 1 holds NaT; ids are all"),
    ([1.0, 2.0], "dtype float64; convert ids to integers or strings"),
    ([1.0, None], "row 0 holds 1.0; ids are all"),
    ([True, False], "dtype bool; convert ids"),
    ([b"a"], r"dtype \|S1; convert ids"),
    ([1j], "dtype complex128; convert ids"),
    (np.array(["2020"], "M8[D]"), r"dtype datetime64\[D\]; convert ids"),
    (pl.Series([1, None]), "row 1 has no id; drop the row or give it an id"),
    (pa.array([1, None]), "row 1 has no id"),
    (pd.Series([1, None], dtype="Int64"), "row 1 (has no id|holds <NA>)"),
    (pd.Series([1.0, 2.0]), "dtype float64; convert ids"),
    (np.array(["a", None], np.dtypes.StringDType(na_object=None)), "row 1 holds None; ids are all"),
    (np.array(["a", np.nan], np.dtypes.StringDType(na_object=np.nan)), "row 1 holds nan; ids are all"),
    (np.ma.array([1, 2], mask=[0, 1]), "row 1 is masked; drop the row, or fill it"),
    (np.ma.array(["a", "b"], mask=[0, 1]), "row 1 is masked"),
    ([0, 2**64], "row 1 holds 18446744073709551616, beyond 64 bits; pass such ids as strings"),
    ([0, 2**70], "row 1 holds 1180591620717411303424, beyond 64 bits; pass"),
    ([0, -(2**63) - 1], "row 1 holds -9223372036854775809, beyond 64 bits; pass"),
    ([-1, 2**63], "row 1 holds 9223372036854775808, beyond 64 bits beside a negative id; pass such ids as strings"),
    (["a", "b\ud800"], "row 1 is no Unicode text .*; drop or convert it"),
    (np.array([97, 0xD800], np.uint32).view("U1"), "row 1 is no Unicode text"),
    ([["a"], ["b"]], r"shape \(2, 1\); pass a one-dimensional array"),
    ([[1], [2, 3]], "ValueError.*; pass a one-dimensional array"),
    ([1, [2]], r"row 1 holds \[2\]; ids are all"),
    (7, r"shape \(\); pass a one-dimensional array"),
    (None, r"shape \(\); pass a one-dimensional array"),
    ("ann", "a str is no column; pass an array or a list"),
    (b"ann", "a bytes is no column"),
    ({"ann": 1}, "a dict is no column"),
    (pd.DataFrame({"a": ["x"]}), r"shape \(1, 1\); pass a one-dimensional array"),
    (iter("ab"), r"shape \(\); pass a one-dimensional array"),
]


@pytest.mark.parametrize(("column", "message"), BAD, ids=range(len(BAD)))
def test_no_id_is_guessed(column, message):
    with pytest.raises(ValueError, match=f"^items: {message}"):
        raw_ids("items", column)


@pytest.mark.parametrize(
    "column", [[], (), np.zeros(0), np.array([], object), pd.Series([], dtype=object), pl.Series([])]
)
def test_no_rows_are_no_ids(column):
    assert raw_ids("users", column).shape == (0,)
    ids, known = Vocabulary.of(["a"]).find(column)
    assert (ids.dtype, ids.shape, known.dtype, known.shape) == (np.int32, (0,), bool, (0,))
    assert Vocabulary.of(column).find(["a", "b"])[1].tolist() == [False, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: v.encode(["a", "z", "y"]), r"raw_ids: 'z' is not in the vocabulary of 2 ids \(2 unknown\); drop it"),
        (lambda v: v.encode("z"), r"raw_ids: 'z' is not in the vocabulary of 2 ids \(1 unknown\)"),
        (lambda v: v.encode([1]), "raw_ids: 1, but the ids of this vocabulary are text; convert it"),
        (
            lambda v: Vocabulary.of([1]).find(["1"]),
            "raw_ids: '1', but the ids of this vocabulary are integers; convert",
        ),
        (lambda v: v.find(["a", None]), "raw_ids: row 1 holds None; ids are all integers or all strings"),
        (lambda v: v.find([True]), "raw_ids: dtype bool; convert ids to integers or strings"),
        (lambda v: v.find(np.array([1.0])), "raw_ids: dtype float64; convert ids to integers or strings"),
        (lambda v: v.find(1.0), "raw_ids: dtype float64; convert ids to integers or strings"),
        (lambda v: v.decode([2]), r"ids: id 2 is outside 0\.\.1"),
        (lambda v: v.decode([-1]), r"ids: id -1 is outside 0\.\.1"),
        (lambda v: v.decode([True, False]), "ids: is a mask"),
        (lambda v: v.decode(0.5), "ids: has the dtype float64"),
        (lambda v: Vocabulary(["a"]), "raw: a list is not what is needed; pass an array, or Vocabulary.of"),
        (lambda v: Vocabulary(v.raw[::-1]), "raw: the raw ids are not sorted and distinct; pass Vocabulary.of"),
        (lambda v: Vocabulary(v.raw[[0, 0]]), "raw: the raw ids are not sorted and distinct"),
        (lambda v: Vocabulary(np.array([1.0])), r"raw: float64\[1\] is no list of integers or strings"),
        (lambda v: Vocabulary(np.array([["a"]])), r"raw: <U1\[1, 1\] is no list of integers or strings"),
        (lambda v: Vocabulary(np.array(["a"], object)), r"raw: object\[1\] is no list of integers or strings"),
        (lambda v: Vocabulary(np.ma.array([1, 2], mask=[0, 1])), "raw: row 1 is masked"),
    ],
)
def test_a_vocabulary_names_what_it_does_not_know_and_converts_nothing(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(Vocabulary.of(["b", "a"]))


def test_texts_are_compared_beyond_a_nul():
    """numpy (2.4) compares them up to the first, and holds these for equal."""
    vocabulary = Vocabulary(np.array(["\0a", "a\0b", "a\0c"], object).astype(TEXT))
    assert vocabulary.encode(["a\0c", "a\0b", "\0a"]).tolist() == [2, 1, 0]
    assert vocabulary.find(["a\0d", "a", "\0", "\0b"])[1].tolist() == [False] * 4
    with pytest.raises(ValueError, match="not sorted and distinct"):
        Vocabulary(np.array(["a\0z", "a\0aa"], object).astype(TEXT))


def test_ids_keep_the_shape_of_what_was_asked():
    vocabulary = Vocabulary.of(["a", "b", "c"])
    assert vocabulary.find([["a", "z"], ["c", "b"]])[0].tolist() == [[0, 0], [2, 1]]
    assert vocabulary.find([["a", "z"], ["c", "b"]])[1].tolist() == [[True, False], [True, True]]
    assert vocabulary.encode("b").shape == ()
    assert str(vocabulary.decode(1)) == "b"
    assert vocabulary.decode([[0, 2]]).tolist() == [["a", "c"]]


def test_a_vocabulary_is_copied_and_sent_to_other_processes():
    for vocabulary in (Vocabulary.of(TEXTS), Vocabulary.of([2**63, 0])):
        for other in (copy.deepcopy(vocabulary), pickle.loads(pickle.dumps(vocabulary))):
            assert other.raw.dtype == vocabulary.raw.dtype
            assert other.raw.tolist() == vocabulary.raw.tolist()


def test_integers_of_different_types_are_compared_as_integers():
    """numpy compares int64 and uint64 as floats, in which 2^53 and 2^53 + 1 are one."""
    vocabulary = Vocabulary.of(np.array([2**53, -5], np.int64))
    ids, known = vocabulary.find(np.array([2**53, 2**53 + 1, 2**64 - 5], np.uint64))
    assert (ids.tolist(), known.tolist()) == ([1, 0, 0], [True, False, False])
    vocabulary = Vocabulary.of([2**64 - 5, 2**53 + 1, 0])
    ids, known = vocabulary.find([-5, 2**53, 2**53 + 1, 0, -1])
    assert (ids.tolist(), known.tolist()) == ([0, 0, 1, 0, 0], [False, False, True, True, False])


def test_many_texts_are_found_as_few_are():
    rng = np.random.default_rng(0)
    letters = np.array(["a", "b", "\0", " ", "é", "😀"], object)
    texts = ["".join(rng.choice(letters, rng.integers(8))) for _ in range(3000)]
    vocabulary = Vocabulary.of(texts[:2000])
    ids, known = vocabulary.find(texts)
    few = [vocabulary.find([one]) for one in texts]
    assert (ids.dtype, known.dtype) == (np.int32, bool)
    assert ids.tolist() == [one[0].item() for one, _ in few]
    assert known.tolist() == [one.item() for _, one in few] == [one in set(texts[:2000]) for one in texts]
    assert 0 < known[2000:].sum() < 1000
    np.testing.assert_array_equal(vocabulary.find(np.array(texts, TEXT).reshape(30, 100))[0], ids.reshape(30, 100))


def test_one_long_id_takes_its_own_bytes_alone():
    """As wide as the longest, 100,000 ids would take 1.6 GB."""
    given = [*map(str, range(100_000)), "x" * 4000]
    tracemalloc.start()
    vocabulary = Vocabulary.of(given)
    ids = vocabulary.encode(given)
    decoded = vocabulary.decode(ids[-1:])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoded.tolist() == ["x" * 4000]
    assert peak < 20e6


INTEGERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([-(2**63), -1, 0, 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]),
)
CELLS = st.one_of(
    st.lists(st.text(), min_size=1, max_size=8),
    st.lists(st.text(st.sampled_from("ab \0é😀\uffff"), max_size=3), min_size=1, max_size=8),
    st.lists(INTEGERS, min_size=1, max_size=8),
)


def are_of_one_type(cells):
    return isinstance(cells[0], str) or min(cells) >= 0 or max(cells) < 2**63


@drawn(CELLS, st.data(), examples=400)
def test_ids_of_any_source_come_back(cells, data):
    if not are_of_one_type(cells):
        assert refused(lambda: Vocabulary.of(cells))[0]
        return
    sources = COLUMNS_OF_TEXT if isinstance(cells[0], str) else COLUMNS_OF_INTEGERS
    source = data.draw(st.sampled_from(sorted(sources)))
    cells = told_apart(source, cells)
    column = sources[source](cells)
    vocabulary = Vocabulary.of(column)
    assert vocabulary.raw.tolist() == sorted(set(cells))
    ids, known = vocabulary.find(column)
    assert known.all() and ids.tolist() == [sorted(set(cells)).index(cell) for cell in cells]
    assert vocabulary.decode(ids).tolist() == cells
    has_gap = "" in cells
    found = ours(lambda: raw_ids("users", column))
    assert str(found).startswith("users: row") if has_gap else found.tolist() == cells


@drawn(CELLS.filter(are_of_one_type), CELLS.filter(are_of_one_type), examples=400)
def test_what_is_known_is_what_was_given(cells, asked):
    vocabulary, alike = Vocabulary.of(cells), isinstance(cells[0], str) == isinstance(asked[0], str)
    is_refused, found = refused(lambda: vocabulary.find(asked))
    assert is_refused == (not alike)
    if alike:
        assert found[1].tolist() == [one in cells for one in asked]
        assert found[0].tolist() == [sorted(set(cells)).index(one) if one in cells else 0 for one in asked]
