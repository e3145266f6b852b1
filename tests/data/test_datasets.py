"""Every layout of MovieLens, tiny and real."""

from pathlib import Path

import numpy as np
import pytest

from mfjax.data import load

CSV = "userId,movieId,rating,timestamp\n7,50,4.5,1000\n7,2,0.5,999\n5,50,3.0,1000\n"
MOVIES = (
    "movieId,title,genres\n"
    '2,"Show, The (2009\N{EN DASH}2011)",Comedy|Drama\n'
    "50,Untitled,(no genres listed)\n"
    "60,Never Rated (1999),Drama\n"
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "ml-tiny"
    folder.mkdir()
    (folder / "ratings.csv").write_text(CSV)
    (folder / "movies.csv").write_text(MOVIES, encoding="utf-8")
    return folder


def test_ratings_csv(folder):
    dataset = load(folder)
    pairs = dataset.interactions
    assert (dataset.name, dataset.source) == ("ml-tiny", f"local file {folder / 'ratings.csv'}")
    assert pairs.user_vocabulary.decode(pairs.users).tolist() == [7, 7, 5]
    assert pairs.item_vocabulary.decode(pairs.items).tolist() == [50, 2, 50]
    assert (pairs.values.tolist(), pairs.timestamps.tolist()) == ([4.5, 0.5, 3.0], [1000, 999, 1000])
    assert dataset.titles.tolist() == ["Show, The (2009\N{EN DASH}2011)", "Untitled"]
    assert dataset.years.tolist() == [2009, 0]
    assert dataset.genres == (("Comedy", "Drama"), ())


def test_paths_of_folders_and_files_give_the_same(folder):
    pytest.importorskip("pyarrow")
    from pyarrow import csv, parquet

    parquet.write_table(csv.read_csv(folder / "ratings.csv"), folder / "pairs.parquet")
    expected = load(folder).interactions
    for path in (folder / "ratings.csv", folder / "pairs.parquet", str(folder)):
        np.testing.assert_array_equal(load(path).interactions.items, expected.items)


def test_layouts_without_header(tmp_path):
    (tmp_path / "u.data").write_text("7\t50\t4\t1000\n5\t50\t3\t999\n")
    assert load(tmp_path).interactions.timestamps.tolist() == [1000, 999]
    (tmp_path / "u.data").unlink()
    (tmp_path / "ratings.dat").write_text("7::50::4::1000\n5::50::3.5::999\n")
    (tmp_path / "movies.dat").write_text("50::Caf\u00e9: One (1990)::Action|War\n", encoding="latin-1")
    dataset = load(tmp_path)
    assert dataset.interactions.values.tolist() == [4, 3.5]
    assert (dataset.titles.tolist(), dataset.genres) == (["Caf\u00e9: One (1990)"], (("Action", "War"),))


BAD = [
    ("u.data", "1\t2\t3\t4\n1\t3\t3\n", r"u\.data, line 2: 3 columns where the first line has 4"),
    ("u.data", "1\t2\t3\t4\n1\tx\ty\t4\n", r"value 2: .*u\.data, line 2, holds 'y', which is not a number"),
    ("u.data", "", r"u\.data holds no line"),
    ("ratings.dat", "1::2::3::4\n1::2::5::6\n", r"ratings\.dat, line 2, repeats the pair of "),
    (
        "ratings.csv",
        "user,film,rating,timestamp\n1,2,3,4\n",
        r"user, item: the first line of .*ratings\.csv has no usual names of columns \(user, film, ",
    ),
    ("movies.csv", "movieId,title\n2,A (1990)\n", r"movies\.csv: a line does not have the layout of this file"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD, ids=[message[:40] for *_, message in BAD])
def test_bad_files(tmp_path, name, text, message):
    (tmp_path / "ratings.csv").write_text(CSV)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / (name if name != "movies.csv" else "ratings.csv"))


def test_unknown_name_lists_the_sets():
    with pytest.raises(FileNotFoundError, match=r"ml-3m: neither a set \(ml-100k, ml-1m, .*\) nor a file or folder"):
        load("ml-3m")


def test_a_set_that_is_not_fetched_says_where_it_is_had():
    with pytest.raises(
        FileNotFoundError, match=r"gowalla is not fetched: github\.com/kuandeng/LightGCN.*Fetch it yourself"
    ):
        load("gowalla")


def test_a_folder_that_is_named_is_not_passed_over(folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"data_dir: .* is where a set is .* leave one of the two out"):
        load(folder, tmp_path)
    folder.rename(tmp_path / "ml-100k")
    monkeypatch.chdir(tmp_path)
    assert load(Path("ml-100k")).source == "local file ml-100k/ratings.csv"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name_or_path": 5}, "name_or_path: a int is not what is needed"),
        ({"name_or_path": "ml-100k", "data_dir": 5}, "data_dir: a int is not what is needed"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        load(**arguments)


def test_options_are_those_of_read(folder):
    with pytest.raises(ValueError, match="duplicates: 'any' is unknown"):
        load(folder, duplicates="any")
    with pytest.raises(TypeError, match="unexpected keyword argument 'dupes'"):
        load(folder, dupes="last")


def test_duplicates_policy_reaches_the_reader(tmp_path):
    (tmp_path / "u.data").write_text("1\t2\t3\t4\n1\t2\t5\t6\n")
    assert load(tmp_path, duplicates="last").interactions.values.tolist() == [5]


def test_ml100k(data_dir):
    dataset = load("ml-100k", data_dir)
    pairs = dataset.interactions
    assert (len(pairs), pairs.num_users, pairs.num_items) == (100_000, 943, 1682)
    assert dataset.source.endswith("(official u.data)")
    assert pairs.user_vocabulary.decode(pairs.users[:3]).tolist() == [196, 186, 22]
    assert (dataset.titles[0], dataset.years[0]) == ("Toy Story (1995)", 1995)
    assert dataset.genres[0] == ("Animation", "Children's", "Comedy")
    assert (dataset.years == 0).sum() == 1


def test_ml1m(data_dir):
    if not (data_dir / "ml-1m" / "ratings.dat").is_file():
        pytest.skip(f"no ml-1m in {data_dir}")
    pairs = load("ml-1m", data_dir).interactions
    assert (len(pairs), pairs.num_users, pairs.num_items) == (1_000_209, 6040, 3706)
