"""mfjax recommend and mfjax similar: every format, users from words and files, newcomers, and what is refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from mfjax import data
from mfjax.commands import lists, output
from mfjax.recommend import Model

LISTS = ("user_id", "item_id", "rank", "score")


def columns_of(model: Model, users, k: int, **options) -> tuple:
    found = model.recommend(users, k, **options).to_pydict()
    return found["user"], found["item"], np.asarray(found["score"], np.float32)


@pytest.mark.parametrize(("suffix", "block"), [("csv", 7), ("csv.gz", 8192), ("tsv", 8192), ("parquet", 7)])
def test_files_are_those_of_write_run(mfjax, folder, models, tmp_path, monkeypatch, suffix, block):
    monkeypatch.setattr(lists, "BLOCK", block)
    ours, theirs = tmp_path / f"ours.{suffix}", tmp_path / f"theirs.{suffix}"
    code, told, error = mfjax("recommend", folder / "ials.mfjax", "--k", 3, "--out", ours)
    model = models["ials"]
    data.write_run(theirs, *columns_of(model, model.user_vocabulary.raw, 3))
    assert (code, told, error) == (0, f"wrote {ours}: 90 rows\n", "")
    if suffix == "parquet":
        assert pyarrow.parquet.read_table(ours).equals(pyarrow.parquet.read_table(theirs))
        assert pyarrow.parquet.read_table(ours).column_names == list(LISTS)
    elif suffix == "csv.gz":
        assert data.read(ours).items.tolist() == data.read(theirs).items.tolist()
    else:
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_run_of_trec(mfjax, folder, models, tmp_path):
    out = tmp_path / "items.run"
    code, told, _ = mfjax("similar", folder / "bpr.mfjax", "--items", 100, "107,114", "--k", 2, "--out", out)
    assert (code, told) == (0, f"wrote {out}: 6 rows\n")
    found = models["bpr"].similar_items([100, 107, 114], 2).to_pydict()
    data.write_run(tmp_path / "theirs.run", found["item"], found["similar"], np.asarray(found["score"], np.float32))
    assert out.read_text() == (tmp_path / "theirs.run").read_text()
    assert out.read_text().splitlines()[0].split()[::2] == ["100", str(found["similar"][0]), out.read_text().split()[4]]
    # A field between blanks holds none: nothing is written, and what was there stays.
    out.write_text("as it was")
    code, _, told = mfjax("recommend", folder / "ials.mfjax", "--out", out, "--overwrite")
    assert code == 2
    assert told.startswith(
        "mfjax: user_id: row 0 holds 'u 00', and a field between blanks can hold no blank; write CSV"
    )
    assert out.read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_printed(mfjax, folder, models, tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "BLOCK", 1)
    (tmp_path / "titles.csv").write_text("item_id,title\n100,Heat\n9,Not there\nx,Nor this\n")
    words = ("recommend", folder / "ials.mfjax", "--users", "u 03", "u 00", "--k", 2)
    code, told, _ = mfjax(*words, "--titles", tmp_path / "titles.csv", "--exclude", "none")
    users, items, scores = columns_of(models["ials"], ["u 03", "u 00"], 2, exclude=None)
    lines = told.splitlines()
    assert code == 0
    assert lines[0].split() == ["user_id", "item_id", "title", "rank", "score"]
    assert len(lines) == 6 and set(lines[1]) == {"-", " "}
    for line, user, item, score in zip(lines[2:], users, items, scores, strict=True):
        title = "Heat" if item == 100 else ""
        assert " ".join(line.split()) == " ".join(f"{user} {item} {title} {line.split()[-2]} {score:.4f}".split())


def test_users_and_candidates_from_files(mfjax, folder, models, tmp_path):
    users = ["u 05", "u 01", "u 02"]
    (tmp_path / "lines.txt").write_text("u 05\r\n\r\nu 01\nu 02\nu 05\n")
    (tmp_path / "table.csv").write_text('when,userId\n1,u 05\n2,"u 01"\n3,u 02\n4,u 01\n')
    pyarrow.parquet.write_table(pa.table({"a": users, "b": [1, 2, 3]}), tmp_path / "table.parquet")
    (tmp_path / "items.csv").write_text("item\n100\n107\n114\n121\n")
    wanted = columns_of(models["bpr"], users, 4, candidates=[100, 107, 114, 121])
    for number, file in enumerate((["lines.txt"], ["table.csv"], ["table.parquet", "--users-column", "a"])):
        out = tmp_path / f"out{number}.csv"
        given = ("--users-file", tmp_path / file[0], *file[1:], "--candidates-file", tmp_path / "items.csv")
        code, _, error = mfjax("recommend", folder / "bpr.mfjax", *given, "--k", 4, "--out", out)
        assert (code, error) == (0, "")
        found = pyarrow.csv.read_csv(out).to_pydict()
        assert (found["user_id"], found["item_id"]) == wanted[:2]
        np.testing.assert_array_equal(np.asarray(found["score"], np.float32), wanted[2])


@pytest.mark.parametrize(
    "name", ["ials", *(pytest.param(name, marks=pytest.mark.slow) for name in ("explicit", "bpr"))]
)
def test_newcomers_are_folded_in(mfjax, folder, models, tmp_path, name):
    (tmp_path / "new.csv").write_text("who,item,rating\nzoe,100,5\nzoe,107,1\nyan,114,4\nzoe,1,3\n")
    words = ("recommend", folder / f"{name}.mfjax", "--histories", tmp_path / "new.csv", "--reading.user", "who")
    code, _, told = mfjax(*words)
    assert code == 2
    assert "histories: item 1 is unknown to the model (1 are); drop its pairs, or pass --unknown drop\n" in told
    out = tmp_path / "new.parquet"
    assert mfjax(*words, "--unknown", "drop", "--k", 3, "--out", out)[0] == 0
    grown = models[name].fold_in({"zoe": {100: 5, 107: 1}, "yan": {114: 4}})
    users, items, scores = columns_of(grown, ["yan", "zoe"], 3)
    found = pyarrow.parquet.read_table(out).to_pydict()
    assert (found["user_id"], found["item_id"]) == (users, items)
    np.testing.assert_allclose(found["score"], scores, rtol=1e-5, atol=1e-5)
    assert not {100, 107} & {item for user, item in zip(users, items, strict=True) if user == "zoe"}
    code, told, _ = mfjax(*words, "--unknown", "drop", "--users", "zoe", "u 00", "--k", 1)
    assert (code, len(told.splitlines())) == (0, 4)


def test_a_newcomer_who_is_none(mfjax, folder, tmp_path):
    (tmp_path / "new.csv").write_text("user,item\nu 01,100\n")
    code, _, told = mfjax("recommend", folder / "ials.mfjax", "--histories", tmp_path / "new.csv")
    assert code == 2
    assert "user 'u 01' is known to the model; leave it out, or fit anew with its pairs\n" in told


def test_newcomers_are_liked_as_those_fitted_were(mfjax, folder, tmp_path):
    words = ("fit", folder / "ratings.csv", "--positives", 4, "--model", "ials", "--set", "dim=3", "steps=2")
    assert mfjax(*words, "--out", tmp_path / "liked.mfjax")[0] == 0
    (tmp_path / "rated.csv").write_text("user,item,rating\nzoe,100,5\nzoe,107,1\n")
    (tmp_path / "liked.csv").write_text("user,item\nzoe,100\n")
    (tmp_path / "all.csv").write_text("user,item\nzoe,100\nzoe,107\n")

    def lists_of(name, *more) -> str:
        code, told, error = mfjax("recommend", tmp_path / "liked.mfjax", "--histories", tmp_path / name, *more)
        assert (code, error) == (0, "")
        return told

    assert lists_of("rated.csv") == lists_of("liked.csv") != lists_of("all.csv")
    assert lists_of("rated.csv", "--positives", 1) == lists_of("all.csv")
    # Without a column of ratings, ones would be taken for the lowest.
    code, _, told = mfjax("recommend", folder / "explicit.mfjax", "--histories", tmp_path / "all.csv")
    assert (code, "all.csv seems to have none (all values are 1); name their column: --reading.value" in told) == (
        2,
        True,
    )


def test_neighbours(mfjax, folder, models, tmp_path):
    (tmp_path / "titles.tsv").write_text("movie_id\tName\n100\tHeat\n")
    model, out = models["explicit"], tmp_path / "near.csv"
    words = ("similar", folder / "explicit.mfjax", "--k", 19, "--metric", "dot", "--out", out)
    assert mfjax(*words, "--items", 107, "--titles", tmp_path / "titles.tsv")[0] == 0
    found = pyarrow.csv.read_csv(out).to_pydict()
    assert list(found) == ["item_id", "similar_id", "title", "rank", "score"]
    assert found["similar_id"] == model.similar_items([107], 19, metric="dot").to_pydict()["similar"]
    assert found["title"][found["similar_id"].index(100)] == "Heat"
    assert mfjax(*words, "--users", "u 01", "u 02", "--overwrite")[0] == 0
    found = pyarrow.csv.read_csv(out).to_pydict()
    assert list(found) == ["user_id", "similar_id", "rank", "score"]
    assert found["similar_id"] == model.similar_users(["u 01", "u 02"], 19, metric="dot").to_pydict()["similar"]
    code, told, _ = mfjax("similar", folder / "explicit.mfjax", "--k", 2)
    assert (code, len(told.splitlines())) == (0, 2 + 2 * len(model.item_vocabulary))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--users nobody", "users: the model has no user 'nobody' (1 of 1); leave out what it does not know, or fold"),
        ("--users a b c d e f", "no user 'a', 'b', 'c', 'd', 'e' and 1 more (6 of 6)"),
        ("--users-file FOLDER/none", "users_file: FOLDER/none is not a file; pass one that is there"),
        ("--users-file FOLDER/ratings.csv --users nobody", "users_file: users are given as well; pass one of the two"),
        ("--users-column user", "users_column: 'user', but there is no file; pass --users-file FILE"),
        ("--users-file FOLDER/ratings.csv --users-column x", "has no column 'x', but user, item, rating; name one"),
        ("--users-file FOLDER/ials.mfjax", "users_file: FOLDER/ials.mfjax is not UTF-8; convert it"),
        ("--candidates-file FOLDER/ratings.csv --candidates-column user", "'u 00', but the item ids of this model are"),
        ("--histories FOLDER/none.csv", "histories: FOLDER/none.csv is not a file"),
        ("--reading.value rating", "reading.value: there is no file to read so; pass --histories FILE"),
        ("--positives 4", "positives: there is no file to read so; pass --histories FILE"),
        ("--titles FOLDER/ratings.csv", "has the columns user, item, rating; call two of them item_id and title"),
        ("--titles FOLDER/ials.mfjax", "titles: FOLDER/ials.mfjax is no .csv, .tsv or .parquet"),
        ("--out FOLDER/lists.xlsx", "out: 'lists.xlsx' has no suffix of a format; name it with one of .csv, .tsv"),
        ("--out FOLDER/ratings.csv", "out: FOLDER/ratings.csv is there already; pass another name, or --overwrite"),
        ("--k 0", "k: 0"),
    ],
)
def test_what_is_wrong_is_one_line(mfjax, folder, words, told):
    code, out, error = mfjax("recommend", folder / "ials.mfjax", *words.replace("FOLDER", str(folder)).split())
    assert (code, out) == (2, "")
    assert told.replace("FOLDER", str(folder)) in error
    assert error.startswith("mfjax: ") and error.count("\n") == 1


def test_what_is_no_model_and_what_does_not_go_together(mfjax, folder, tmp_path):
    assert "ratings.csv" in mfjax("recommend", folder / "ratings.csv")[2]
    assert "is not a file; pass one that is there" in mfjax("recommend", tmp_path / "none")[2]
    code, _, told = mfjax("similar", folder / "ials.mfjax", "--items", 100, "--users", "u 01")
    assert (code, told[:38]) == (2, "mfjax: users: items are given as well;")
    code, _, told = mfjax("similar", folder / "ials.mfjax", "--items", "x")
    assert (code, "items: 'x', but the item ids of this model are integers; pass such as 7" in told) == (2, True)
    (tmp_path / "titles.csv").write_text("id,title\n")
    code, _, told = mfjax("similar", folder / "ials.mfjax", "--users", "u 01", "--titles", tmp_path / "titles.csv")
    assert (code, "is of items, and users are listed; leave it out" in told) == (2, True)


def test_long_work_is_told_of(folder, capsys, monkeypatch):
    monkeypatch.setattr(output, "_WAIT", 0.0)
    found = list(output.blocks(np.arange(5), 2, what="users", tell=True))
    assert [len(block) for block in found] == [2, 2, 1]
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["2 of 5 users", "4 of 5 users"]
    list(output.blocks(np.arange(5), 2, what="users", tell=False))
    assert capsys.readouterr().err == ""
