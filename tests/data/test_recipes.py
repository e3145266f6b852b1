"""Every recipe on made-up files in its layout: as a folder, as a zip archive, compressed, and by name."""

from __future__ import annotations

import dataclasses
import gzip
import zipfile

import numpy as np
import pytest

from mfjax.data import load
from mfjax.data.published import releases, sources
from mfjax.data.published.recipes import COLUMNS, SETS, WHOLE

BOOKS = '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication"\r\n'
YELP_BUSINESS = '{"business_id": "b1", "name": "Caf\\u00e9", "categories": "Food, Bars"}\n'
GOODREADS_CSV = "user_id,book_id,is_read,rating,is_reviewed\n9,948,1,5,0\n8,947,0,0,0\n"
YELP = '{"review_id": "r1", "user_id": "u2", "business_id": "b1", "stars": 4.0, "text": "a, b", "date": "%s"}\n'
GOODREADS = '{"user_id": "u1", "book_id": "7", "is_read": true, "rating": 5, "date_added": "%s"}\n'

# Set -> its files, and what they hold: raw users, raw items, values, times and their unit, titles, years, genres.
FILES = {
    "ml-100k": {
        "u.data": "9\t7\t5\t881250949\n8\t7\t3\t881250950\n",
        "u.item": "7|Caf\xe9 (1995)|||" + "|0" * 18 + "|1\n",
    },
    "ml-1m": {
        "ratings.dat": "9::7::5::978300760\n8::7::3::978300761\n",
        "movies.dat": "7::Caf\xe9 (1995)::Drama|War\n",
    },
    "ml-10m": {
        "ratings.dat": "9::7::5::838985046\n8::7::3.5::838985047\n",
        "movies.dat": "7::Café (1995)::War\n".encode(),
    },
    "ml-25m": {
        "ratings.csv": "userId,movieId,rating,timestamp\n9,7,5.0,1147880044\n8,7,3.5,1147880045\n",
        "movies.csv": 'movieId,title,genres\n7,"Café, The (1995)",(no genres listed)\n'.encode(),
    },
    "lastfm": {
        "user_artists.dat": "userID\tartistID\tweight\n9\t7\t13883\n8\t7\t1\n",
        "artists.dat": "id\tname\turl\tpictureURL\n7\t\"Weird Al\" Ø\thttp://x\t\n".encode(),
    },
    "book-crossing": {
        "BX-Book-Ratings.csv": '"User-ID";"ISBN";"Book-Rating"\r\n"9";"034545104X";"0"\r\n"8";"\xe934545104";"5"\r\n',
        "BX-Books.csv": BOOKS + '"034545104X";"A \\"b\\"; c";"M";"2002"\r\n"\xe934545104";"D";"N";"DK"\r\n',
    },
    "book-crossing-ratings": {
        "Ratings.csv": "User-ID;ISBN;Rating\n9;034545104X;0\n8;0155061224;5\n",
        "Books.csv": "ISBN,Book-Title,Book-Author,Year-Of-Publication\n034545104X,A,M,2002\n",
    },
    "amazon-2014": {"ratings_Books.csv": "A9,0000013714,4.0,1353456000\nA8,0000013714,5.0,1353456001\n"},
    "amazon-2018": {"Books.csv": "0000013714,A9,4.0,1353456000\n0000013714,A8,5.0,1353456001\n"},
    "amazon-2023": {
        "Toys.csv": "user_id,parent_asin,rating,timestamp\nA9,B1,4.0,1353456000123\nA8,B1,5.0,977000000000\n"
    },
    "retailrocket": {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid\n1433221332117,9,view,7,\n"
        "1433221332118,9,transaction,7,4000\n1433221332119,8,addtocart,7,\n",
        "category_tree.csv": "categoryid,parentid\n1016,213\n",
    },
    "yelp": {
        "yelp_academic_dataset_review.json": YELP % "2018-07-07 22:09:11" + YELP % "2019-07-07 22:09:11",
        "yelp_academic_dataset_business.json": YELP_BUSINESS,
    },
    "goodreads": {"goodreads_interactions.csv": GOODREADS_CSV},
    "goodreads-json": {
        "goodreads_interactions_poetry.json": GOODREADS % "Wed Mar 22 11:37:04 -0700 2017",
        "goodreads_books_poetry.json": '{"book_id": "7", "title": "Caf\\u00e9", "publication_year": "2001"}\n',
        "goodreads_books_comics.json": '{"book_id": "7", "title": "another", "publication_year": ""}\n',
    },
}  # fmt: skip
FOUND = {
    "ml-100k": ([9, 8], [7, 7], [5, 3], [881250949, 881250950], "s", ["Café (1995)"], [1995], (("Western",),)),
    "ml-1m": ([9, 8], [7, 7], [5, 3], [978300760, 978300761], "s", ["Café (1995)"], [1995], (("Drama", "War"),)),
    "ml-10m": ([9, 8], [7, 7], [5, 3.5], [838985046, 838985047], "s", ["Café (1995)"], [1995], (("War",),)),
    "ml-25m": ([9, 8], [7, 7], [5, 3.5], [1147880044, 1147880045], "s", ["Café, The (1995)"], [1995], ((),)),
    "lastfm": ([9, 8], [7, 7], [13883, 1], None, "s", ['"Weird Al" Ø'], None, None),
    "book-crossing": ([9, 8], ["034545104X", "é34545104"], [0, 5], None, "s", ['A "b"; c', "D"], [2002, 0], None),
    "book-crossing-ratings": ([9, 8], ["034545104X", "0155061224"], [0, 5], None, "s", ["", "A"], [0, 2002], None),
    "amazon-2014": (["A9", "A8"], ["0000013714"] * 2, [4, 5], [1353456000, 1353456001], "s", None, None, None),
    "amazon-2018": (["A9", "A8"], ["0000013714"] * 2, [4, 5], [1353456000, 1353456001], "s", None, None, None),
    "amazon-2023": (["A9", "A8"], ["B1"] * 2, [4, 5], [1353456000123, 977000000000], "ms", None, None, None),
    "retailrocket": ([9, 8], [7, 7], [3, 2], [1433221332118, 1433221332119], "ms", None, None, None),
    "yelp": (["u2"], ["b1"], [4], [1562537351], "s", ["Café"], None, (("Food", "Bars"),)),
    "goodreads": ([9, 8], [948, 947], [5, 0], None, "s", None, None, None),
    "goodreads-json": (["u1"], ["7"], [5], [1490207824], "s", ["Café"], [2001], None),
}
LISTS = {"train.txt": "0 5 3\n1 5\n2\n", "test.txt": "0 9\n1 3 9 7\n"}
NCF = {"ml-1m.test.rating": "0\t5\t3\t100\n1\t2\t4\t90\n", "ml-1m.test.negative": "(0,5)\t7\t5\t2\n(1,2)\t7\t8\t9\n"}
SPLIT = {
    f"Toys.{part}.csv": f"user_id,parent_asin,rating,timestamp\nA9,B{part},4.0,1353456000123\n"
    for part in ("train", "valid", "test")
}


def write(folder, files, compressed=()):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        raw = text if isinstance(text, bytes) else text.encode("latin-1")
        path = folder / (f"{name}.gz" if name in compressed else name)
        path.write_bytes(gzip.compress(raw) if name in compressed else raw)
    return folder


def check(dataset, found):
    users, items, values, times, unit, titles, years, genres = found
    pairs = dataset.interactions
    assert pairs.user_vocabulary.decode(pairs.users).tolist() == users
    assert pairs.item_vocabulary.decode(pairs.items).tolist() == items
    assert (pairs.values.tolist(), pairs.time_unit) == (values, unit)
    assert (None if pairs.timestamps is None else pairs.timestamps.tolist()) == times
    assert (None if dataset.titles is None else dataset.titles.tolist()) == titles
    assert (None if dataset.years is None else dataset.years.tolist()) == years
    assert dataset.genres == genres


def path_of(folder, name):
    """Return the folder where its files are told by their names, else the name of the set and the file."""
    return (folder,) if SETS[name].recipe.told else (name, folder / next(iter(FILES[name])))


@pytest.mark.parametrize("name", FILES)
def test_a_folder_and_a_name(tmp_path, name):
    folder = write(tmp_path / name, FILES[name])
    check(load(*path_of(folder, name)), FOUND[name])
    check(load(name, folder), FOUND[name])
    check(load(name, tmp_path), FOUND[name])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("inner", ["", "folder/"])
def test_a_zip_archive_as_downloaded(tmp_path, name, inner):
    path = tmp_path / f"{name}.zip"
    folder = write(tmp_path / "files", FILES[name])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__MACOSX/._ratings.csv", b"\0\0")
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{inner}{file.name}")
    check(load(path) if SETS[name].recipe.told else load(name, path), FOUND[name])
    check(load(name, tmp_path), FOUND[name])


@pytest.mark.parametrize("name", FILES)
def test_files_may_be_compressed(tmp_path, name):
    folder = write(tmp_path / name, FILES[name], compressed=FILES[name])
    check(load(name, folder), FOUND[name])


@pytest.mark.parametrize("name", [name for name in FILES if SETS[name].archive is not None])
def test_a_set_is_fetched_and_cached(tmp_path, monkeypatch, name):
    monkeypatch.setenv("MFJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(releases, "GROUPLENS", (tmp_path / "grouplens").as_uri())
    known = SETS[name].archive
    path = tmp_path / "grouplens" / known.path
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(write(tmp_path / "files", FILES[name]).iterdir()):
            archive.write(file, f"{known.folder}{file.name}")
    published = dataclasses.replace(SETS[name], archive=dataclasses.replace(known, digest=sources.digest(path)))
    monkeypatch.setitem(SETS, name, published)
    fetched = load(name)
    assert fetched.source.startswith(f"{path.as_uri()}, verified")
    check(fetched, FOUND[name])
    path.unlink()
    check(load(name), FOUND[name])


@pytest.mark.parametrize("name", [name for name in FILES if not SETS[name].recipe.told])
def test_a_set_that_its_files_do_not_tell_is_not_guessed(tmp_path, name):
    folder = write(tmp_path / name, FILES[name])
    path = folder / next(iter(FILES[name]))
    with pytest.raises(ValueError, match=rf"user, item: .*A set that only its name tells: pass .*load\('{name}'"):
        load(path)


def test_the_table_covers_every_recipe():
    split = {SETS[name].recipe for name in ("gowalla", "ncf-ml-1m", "amazon-2023-split")}
    assert {published.recipe for published in SETS.values()} == {SETS[name].recipe for name in FILES} | split


@pytest.mark.parametrize("name", SETS)
def test_recipes_are_of_known_shape(name):
    published = SETS[name]
    assert published.note
    if published.archive is not None:
        assert len(published.archive.digest) in (32, 64)
        assert tuple(published.recipe.parts) == (WHOLE,)
    if published.recipe.options.get("layout") != "lists":
        assert {"user", "item"} <= set(published.recipe.options) & set(COLUMNS)


def test_lists_come_split_over_one_id_space(tmp_path):
    folder = write(tmp_path / "gowalla", LISTS)
    for dataset in (load(folder), load("gowalla", tmp_path), load(folder / "test.txt")):
        train, test = dataset.parts["train"], dataset.parts["test"]
        assert (dataset.name, len(train), len(test), train.num_items) == ("gowalla", 3, 4, 4)
        assert test.item_vocabulary.decode(test.items).tolist() == [9, 3, 9, 7]
        np.testing.assert_array_equal(dataset.interactions.items, np.r_[train.items, test.items])
    assert len(dataset.checksum) == 64


def test_lists_that_may_be_a_table_are_refused(tmp_path):
    folder = write(tmp_path / "mine", {"train.txt": "0 5 3\n1 5 4\n", "test.txt": "0 9 1\n"})
    with pytest.raises(ValueError, match=r"train\.txt have 3 fields: .*load\('lightgcn', folder\)"):
        load(folder)
    assert len(load("lightgcn", folder).parts["train"]) == 4


def test_candidates_leave_out_the_tests_own_item(tmp_path, caplog):
    dataset = load(write(tmp_path / "ncf-ml-1m", NCF))
    lists, test = dataset.candidates, dataset.parts["test"]
    assert list(dataset.parts) == ["test"]
    assert dataset.interactions.num_items == 5
    assert lists.mask.tolist() == [[True, False, True], [True] * 3]
    raw = test.item_vocabulary.decode(lists.ids)
    assert raw[lists.mask].tolist() == [7, 2, 7, 8, 9]
    assert lists.ids[0, 1] == 0
    assert dataset.notes == ("1 of 2 tests list their own item, which is left out",)
    assert "1 of 2 tests list their own item" in caplog.text
    train = {"ml-1m.train.rating": "0\t2\t3\t50\n1\t6\t4\t60\n"}
    dataset = load("ncf-ml-1m", write(tmp_path / "ncf-ml-1m", train))
    assert (list(dataset.parts), dataset.interactions.num_items, len(dataset.interactions)) == (["train", "test"], 6, 4)


def test_ratings_of_the_protocol_may_lack_times(tmp_path):
    files = {"pinterest-20.test.rating": "0\t5\n1\t2\n", "pinterest-20.test.negative": NCF["ml-1m.test.negative"]}
    folder = write(tmp_path / "Data", files)
    assert load(folder).interactions.timestamps is None
    write(folder, NCF)
    with pytest.raises(ValueError, match=r"holds several sets \(.*pass one of these files"):
        load(folder)
    assert load("ncf-pinterest-20", folder).interactions.timestamps is None
    assert load(folder / "ml-1m.test.negative").interactions.timestamps.tolist() == [100, 90]


@pytest.mark.parametrize(
    ("negative", "message"),
    [
        ("(0,5)\t7\n", "1 lists for 2 tests; leave out the options that drop or merge tests"),
        ("(0,5)\t7\n(1,3)\t7\n", r"line 2: begins with '\(1,3\)', but the test in its place is \(1,2\)"),
        ("(0,5)\t7\n(1,2)\tx\n", "but the tests' items are integers; mend the file"),
    ],
)
def test_candidates_that_do_not_fit(tmp_path, negative, message):
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path, {**NCF, "ml-1m.test.negative": negative}))


def test_a_split_of_amazon_is_no_set_of_three(tmp_path):
    dataset = load(write(tmp_path / "Toys", SPLIT))
    assert {part: len(pairs) for part, pairs in dataset.parts.items()} == {"train": 1, "validation": 1, "test": 1}
    assert (dataset.interactions.num_items, dataset.interactions.time_unit) == (3, "ms")


def test_folds_have_the_layout_of_the_whole(tmp_path):
    folder = write(tmp_path / "ml-100k", {"u1.base": "1\t10\t5\t100\n2\t20\t3\t101\n", "u1.test": "1\t20\t4\t102\n"})
    assert load(folder / "u1.base").interactions.values.tolist() == [5, 3]
    with pytest.raises(ValueError, match=r"several sets \(.*u1\.base, .*u1\.test\); .*data\.read_split"):
        load(folder)
    write(folder, {"u.data": "1\t10\t5\t100\n"})
    assert len(load(folder).interactions) == 1


def test_other_files_are_read_by_usual_names(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\tage\n9\t7\t3.5\t100\t30\n")
    dataset = load(path)
    assert dataset.interactions.values.tolist() == [3.5]
    assert dataset.interactions.timestamps.tolist() == [100]
    assert dataset.source.endswith("(value 'rating:float', timestamp 'timestamp:float' by the usual names)")
    assert load(path, value="age").interactions.values.tolist() == [30]
    path.write_text("user\titem\trating\tscore\n9\t7\t3.5\t100\n")
    with pytest.raises(ValueError, match=r"value: .*mine\.tsv has rating, score; pass value= one of them"):
        load(path)
    assert load(path, value="score").interactions.values.tolist() == [100]


@pytest.mark.parametrize("names", [("train.csv", "test.csv", "valid.csv"), ("a.train.tsv", "a.test.tsv", "a.dev.tsv")])
def test_a_folder_of_parts(tmp_path, names):
    folder = tmp_path / "mine"
    folder.mkdir()
    for at, name in enumerate(names):
        (folder / name).write_text(
            f"user_id\titem_id\trating\n9\t{at}\t3\n".replace("\t", "," if ".csv" in name else "\t")
        )
    (folder / "stats.csv").write_text("epoch,loss\n1,2\n")
    dataset = load(folder)
    assert {part: pairs.items.tolist() for part, pairs in dataset.parts.items()} == {
        "train": [0],
        "test": [1],
        "validation": [2],
    }
    assert dataset.interactions.values.tolist() == [3] * 3
    assert dataset.notes == (f"not read: {folder / 'stats.csv'}",)


def test_a_member_of_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/er/u.data", FILES["ml-100k"]["u.data"])
    assert load(zipfile.Path(tmp_path / "a.zip", "deep/er/u.data")).interactions.values.tolist() == [5, 3]


def test_options_override_the_recipe(tmp_path):
    import pyarrow.compute as pc

    folder = write(tmp_path / "shop", FILES["retailrocket"])
    pairs = load(folder, values={"transaction": 9}, where=pc.field("event") == "transaction").interactions
    assert pairs.values.tolist() == [9]
    with pytest.raises(ValueError, match=r"repeats the pair"):
        load(folder, duplicates="error")


def test_gowalla(data_dir):
    if not (data_dir / "gowalla").is_dir():
        pytest.skip(f"no gowalla in {data_dir}")
    dataset = load(data_dir / "gowalla")
    assert {part: len(pairs) for part, pairs in dataset.parts.items()} == {"train": 810_128, "test": 217_242}
    assert (dataset.interactions.num_users, dataset.interactions.num_items) == (29_858, 40_981)


def test_ncf(data_dir):
    if not (data_dir / "ncf-ml-1m").is_dir():
        pytest.skip(f"no ncf-ml-1m in {data_dir}")
    dataset = load(data_dir / "ncf-ml-1m")
    lists = dataset.candidates
    assert (len(dataset.parts["test"]), lists.ids.shape, lists.ids.dtype) == (6040, (6040, 99), np.int32)
    assert np.unique(lists.mask.sum(axis=1), return_counts=True)[1].tolist() == [156, 6040 - 156]
    assert not (lists.ids == dataset.parts["test"].items[:, None])[lists.mask].any()
