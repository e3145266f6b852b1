"""Text files as people have them: separators, headers, quotes, encodings, comments, and lines that do not fit."""

from __future__ import annotations

import gzip
import re
import zipfile

import numpy as np
import pyarrow.compute
import pytest

from mfjax.data import read
from mfjax.data.reading.lines import BLOCK
from tests.borders import most_bytes
from tests.data.test_reading import raw, written

PAIRS = (["ann", "bob"], ["i1", "i2"])


@pytest.mark.parametrize("separator", ["\t", "::", ";", "|", ",", " ", "  "])
@pytest.mark.parametrize("said", [False, True])
def test_separators_are_found_or_said(tmp_path, separator, said):
    path = written(tmp_path, "".join(separator.join(row) + "\n" for row in zip(*PAIRS, strict=True)), "pairs.dat")
    options = {"separator": "whitespace" if separator == "  " else separator} if said else {}
    assert raw(read(path, user=0, item=1, header=False, **options)) == PAIRS


def test_a_separator_that_can_not_be_told(tmp_path):
    path = written(tmp_path, "ann i1\nbob\n", "pairs.dat")
    with pytest.raises(
        ValueError, match=r"separator: no one of .* splits the first lines of .*pairs\.dat into the same"
    ):
        read(path, user=0, item=1)
    several = written(tmp_path, "a\x1fb::1\n", "unit.dat")
    with pytest.raises(ValueError, match=r"separator: .*unit\.dat holds the byte 0x1f, which a separator of several"):
        read(several, user=0, item=1, separator="::", header=False)


# A file's lines, options, and the raw ids or what the error says.
HEADERS = [
    ("userId,movieId\n1,10\n2,20\n", {"user": 0, "item": 1}, ([1, 2], [10, 20])),
    ("userId,movieId,rating\n1,10,4.0\n", {"user": 0, "item": 1, "value": 2}, ([1], [10])),
    ("userId,movieId,rating\n1,10,4.0\n", {"user": 0, "item": 1, "value": "rating"}, ([1], [10])),
    ("7,3\n", {"user": 0, "item": 1}, ([7], [3])),
    ("a,3\n7,4\n8,5\n", {"user": 0, "item": 1}, (["a", "7", "8"], [3, 4, 5])),
    ("ann,3,5\nbob,4,2\n", {"user": 0, "item": 1, "value": 2}, (["ann", "bob"], [3, 4])),
    ("person,thing,5\nbob,4,2\n", {"user": 0, "item": 1, "value": 2}, (["person", "bob"], ["thing", "4"])),
    ("user_id:token\titem_id:token\nA\t007\n", {}, (["A"], ["007"])),
    ("user_id,item_id\nann,apple\n", {"user": 0, "item": 1}, (["ann"], ["apple"])),
    ("user_id,film\nann,apple\n", {"user": 0, "item": 1}, "header: the first line of .* pass header=True"),
    ("a,x\n7,y\n8,z\n", {"user": 0, "item": 1}, "header: the first line of .*; pass header=True or header=False"),
    ("a,x\n7,y\n8,z\n", {"user": 0, "item": 1, "header": False}, (["a", "7", "8"], ["x", "y", "z"])),
    ("a,x\n7,y\n8,z\n", {"user": 0, "item": 1, "header": True}, ([7, 8], ["y", "z"])),
    ("1,2\n", {}, "user, item: the first line of .* has no usual names of columns .* such as user=0, item=1"),
    ("1,2\n", {"user": "user", "item": 1}, "user: .* has no column 'user'; its columns are: 1, 2"),
    (
        "user,item\n1,2\n",
        {"user": 0, "item": 2, "header": True},
        "item: .* has no column 2, its 2 are: user, item; count from 0",
    ),
    ("user,item,item\n1,2,3\n", {}, "item: .* has the column 'item' twice; rename one, or pass its position"),
    ("user,uid,item\n1,2,3\n", {}, "user: in .* 2 columns have a usual name of users; pass user= one of its columns"),
    ("user,film\n1,2\n", {}, r"user, item: the first line of .* has no usual names of columns \(user, film\)"),
    ("user,film\n1,2\n", {"user": "user"}, "item: in .* no column has a usual name of items; .*: user, film"),
    ("\n\n# said\nuser,item\n\n1,2\n#no\n3,4\n\n", {"comment": "#"}, ([1, 3], [2, 4])),
    ("title\nuser,item\n1,2\n", {"skip_lines": 1}, ([1], [2])),
    ("user,item\n1,2", {}, ([1], [2])),
    ("user , item\n1,2\n", {}, ([1], [2])),
    ("", {}, "source: .* holds no line; pass another file"),
    ("\n \n\n"[:1], {}, "source: .* holds no line"),
    ("#a\n#b\n", {"comment": "#"}, "source: .* holds no line"),
    ("user,item\n", {}, "source: .* has no row; pass another file"),
    ("user,item\n1,2\n", {"skip_lines": 9}, "source: .* holds no line"),
]


@pytest.mark.parametrize(("text", "options", "found"), HEADERS)
def test_headers_blanks_and_comments(tmp_path, text, options, found):
    path = written(tmp_path, text)
    if isinstance(found, tuple):
        assert raw(read(path, **options)) == found
        return
    with pytest.raises(ValueError, match=found):
        read(path, **options)


# Lines after "user,item,rating", and what the error says after the name of the file.
BAD_LINES = [
    ("1,2,3\n1,4\n", r"line 3: 2 columns where the first line has 3; mend or drop the line"),
    ("1,2,3\n1,4,5,6\n", r"line 3: 4 columns where the first line has 3"),
    ("1,2,3\n\n1,4,good\n", "line 4, holds 'good', which is not a number; mend or drop it"),
    ("1,2,3\n1,4,\n", "line 3, (holds ''|has no number)"),
    ("1,2,3\n1,,4\n", "line 3, is empty; drop the row or give it an id"),
    ("1,2,3\n1,4,-2\n", "line 3, holds -2.*, negative"),
    ("1,2,3\n\n1,2,4\n", r"line 4, repeats the pair of .*pairs\.csv, line 2, \(1 repeats in all\)"),
    ('1,2,3\n"1,4,5\n2,5,3\n', r"line 3: a double quote opens a field that does not end as one .*quoting=False"),
    ('1,2,3\n1,"4"x,5\n', "line 3: a double quote opens a field"),
]


@pytest.mark.parametrize(("text", "message"), BAD_LINES, ids=[message[:30] for _, message in BAD_LINES])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_that_can_not_be_read_are_named(tmp_path, text, message, end):
    path = written(tmp_path, ("user,item,rating\n" + text).replace("\n", end))
    with pytest.raises(ValueError, match=rf"pairs\.csv, {message}"):
        read(path, value="rating")


def test_quotes_mean_nothing_in_tabs_unless_asked(tmp_path):
    lines = ["u1\tm1\tPlain\t50", 'u2\tm2\t"Half quoted\t3', "u3\tm3\tPlain\t2", "u4\tm4\tOther\t9", 'u5\tm5\tend"\t1']
    path = written(tmp_path, "\n".join(lines) + "\n", "plays.tsv")
    for item in (1, 2):
        pairs = read(path, user=0, item=item, value=3, header=False)
        assert pairs.values.tolist() == [50, 3, 2, 9, 1]
    assert raw(read(path, user=0, item=2, header=False))[1][1] == '"Half quoted'
    name = written(tmp_path, 'u1\t"Odd" Name\t5\nu2\tPlain\t6\n', "name.tsv")
    assert raw(read(name, user=0, item=1, value=2))[1] == ['"Odd" Name', "Plain"]
    with pytest.raises(ValueError, match=r"name\.tsv, line 1: a double quote opens a field"):
        read(name, user=0, item=1, value=2, quoting=True)
    comma = written(tmp_path, 'user,title,item\nu1,plain,i1\nu2,"half,i2\nu3,plain,i3\nu4,end",i4\n')
    with pytest.raises(ValueError, match=r"pairs\.csv, line 3: a double quote opens"):
        read(comma)
    assert len(read(comma, quoting=False)) == 4


def test_quoted_fields(tmp_path):
    path = written(tmp_path, '"user","item"\n"Ann, of ""日本""",3\nz b,4\n')
    assert raw(read(path)) == (['Ann, of "日本"', "z b"], [3, 4])
    broken = written(tmp_path, 'user,item\n"a\nb",3\nc,4\n')
    with pytest.raises(
        ValueError, match=r"line 2: a double quote .*multiline=True where quoted fields hold line breaks"
    ):
        read(broken)
    assert raw(read(broken, multiline=True)) == (["a\nb", "c"], [3, 4])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252", "utf-32", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines(tmp_path, encoding, end):
    path = written(tmp_path, end.join(["user,item", "é1,3", "z b,4", ""]), encoding=encoding)
    said = {} if encoding in ("utf-8", "utf-8-sig", "utf-16") else {"encoding": encoding}
    assert raw(read(path, **said)) == (["é1", "z b"], [3, 4])


def test_encodings_that_are_wrong(tmp_path):
    text = '"User-ID";"ISBN";"Book-Rating"\r\n"70001";"010000001X";"0"\r\n"70003";"\xe90300000033";"8"\r\n'
    books = {"user": "User-ID", "item": "ISBN", "value": "Book-Rating"}
    path = written(tmp_path, text, encoding="latin-1")
    with pytest.raises(
        ValueError, match=r"encoding: .*pairs\.csv, line 3, is not UTF-8 .*; pass its encoding, such as 'l"
    ):
        read(path, **books)
    assert raw(read(path, **books, encoding="latin-1"))[1] == ["010000001X", "é0300000033"]
    with pytest.raises(ValueError, match=r"encoding: .*, line 3, is not ascii"):
        read(path, **books, encoding="ascii")
    wide = written(tmp_path, "user,item\n1,2\n", "wide.csv", "utf-16-le")
    with pytest.raises(ValueError, match=r"encoding: .*wide\.csv looks like UTF-16 without a mark"):
        read(wide)
    for encoding in ("rot13", "base64", "zip", "hex", "idna", "undefined", "utf-32", "klingon", 3):
        with pytest.raises(ValueError, match="encoding: "):
            read(wide, encoding=encoding)


def test_archives_and_what_is_compressed(tmp_path):
    text = "user,item\nann,i1\nbob,i2\n"
    path = tmp_path / "renamed.csv"  # told by its bytes and not by its suffix
    path.write_bytes(gzip.compress(text.encode()))
    assert raw(read(path)) == PAIRS
    path.write_bytes(gzip.compress(text.encode())[:-9])
    with pytest.raises(ValueError, match=r"source: .*renamed\.csv is damaged"):
        read(path)
    archive = tmp_path / "pairs.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("ml/ratings.csv", text)
        made.writestr("ml/README", "nothing")
    assert raw(read(archive)) == raw(read(zipfile.Path(archive, "ml/ratings.csv"))) == PAIRS
    with pytest.raises(FileNotFoundError, match=r"source: .* is not in the archive"):
        read(zipfile.Path(archive, "ml/none.csv"))
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"source: .*pairs\.zip is damaged"):
        read(archive)


def test_long_fields(tmp_path):
    long = "x" * 200_000
    path = written(tmp_path, f"user,item\n{long},1\n" + "".join(f"u{row},1\n" for row in range(1000)) + f"y{long},2\n")
    assert read(path).user_vocabulary.raw[-2:].tolist() == [long, f"y{long}"]
    for bad in (
        f'user,item\n"{long},1\nb,2\n',
        f'user,item\nb,2\n"{long},1\nc,3\n',
        f'user,item\nb,2\nb",2\n"{long}"x,1\nc,3\n',
    ):
        with pytest.raises(ValueError, match=r"pairs\.csv, line \d"):
            read(written(tmp_path, bad))
    with pytest.raises(ValueError, match=r"pairs\.csv, line 1002: 1 columns where the first line has 2"):
        read(written(tmp_path, "user,item\n" + "u,1\n" * 1000 + long + "\n"), duplicates="last")


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_stray_quote_in_many_lines(tmp_path, count):
    lines = [f"u{row},{row}" for row in range(count)]
    lines[7000] = 'u"7000,7000'  # text, for it does not begin the field
    path = written(tmp_path, "user,item\n" + "\n".join(lines) + "\n")
    assert read(path).user_vocabulary.find(np.array(['u"7000'], object))[1].all()
    lines[count - 5000] = f'"{lines[count - 5000]}'
    path = written(tmp_path, "user,item\r\n" + "\r\n".join(lines) + "\r\n")

    def refused():
        with pytest.raises(ValueError, match=rf"pairs\.csv, line {count - 4998}: a double quote opens a field"):
            read(path)

    assert most_bytes(refused) < 20 * min(path.stat().st_size, BLOCK) + 2 * BLOCK


def test_lists_of_a_user_and_its_items(tmp_path):
    path = written(tmp_path, "0 7 8 9\n1\n\n2  5\t7 \n", "train.txt")
    pairs = read(path, layout="lists")
    assert raw(pairs) == ([0, 0, 0, 2, 2], [7, 8, 9, 5, 7])
    assert raw(read(written(tmp_path, "a,x,y\nb,x\n"), layout="lists", separator=","))[1] == ["x", "y", "x"]
    with pytest.raises(ValueError, match=r"train\.txt.*layout='lists' where a line is a user and its items"):
        read(path, user=0, item=1)
    with pytest.raises(ValueError, match="value: 1, but lists have no columns; leave it out"):
        read(path, layout="lists", value=1)
    twice = written(tmp_path, "0 7\n \n\n1 7\n1 5 7\n", "twice.txt")
    with pytest.raises(ValueError, match=r"twice\.txt, line 5, repeats the pair of .*twice\.txt, line 4,"):
        read(twice, layout="lists")
    with pytest.raises(ValueError, match=r"there are no rows"):
        read(written(tmp_path, "0\n1\n"), layout="lists")
    odd = written(tmp_path, "a\u00a0b x\nc x\n")
    assert raw(read(odd, layout="lists"))[0] == ["a\u00a0b", "c"]
    assert raw(read(odd, user=0, item=1, separator="whitespace", header=False))[0] == ["a\u00a0b", "c"]


def test_judgements(tmp_path):
    path = written(tmp_path, "q1 0 d1 1\nq1 0 d2 0\nq2 0 d1 2\n", "qrels.txt")
    pairs = read(path, layout="qrels")
    assert (raw(pairs), pairs.values.tolist()) == ((["q1", "q1", "q2"], ["d1", "d2", "d1"]), [1, 0, 2])


def test_a_mark_within_a_file_is_text(tmp_path):
    path = written(tmp_path, "user,item\n\ufeffa,1\na,2\n")
    assert raw(read(path))[0] == ["\ufeffa", "a"]


def test_blanks_around_numbers_mean_nothing_wherever_they_stand(tmp_path):
    text = "".join(f"{row},1,{' 5' if row in (0, 999) else 5}\n" for row in range(1000))
    pairs = read(written(tmp_path, "user,item,v\n" + text), value="v")
    assert set(pairs.values.tolist()) == {5.0}


BODY = "".join(f"u{row},i{row % 7},{row % 5}\n" for row in range(200))
IN_BLOCKS = {
    "plain": (BODY, {}),
    "blank lines": ("\n" * 1000 + BODY + "\n" * 1000, {}),
    "a filter that empties blocks": (BODY, {"where": pyarrow.compute.field("rating") == 4}),
    "a filter of whole numbers and a fraction": (BODY + "x,y,3.5\n", {"where": pyarrow.compute.field("rating") >= 3}),
    "a fraction at last": (BODY + "x,y,1.5\n", {"value": "rating"}),
    "a quoted carriage return": (BODY.replace("u3,", '"u\r3",'), {"value": "rating"}),
    "records of several lines": (BODY.replace("u5", '"a\nb\nc"'), {"multiline": True}),
    "comments": (BODY.replace("\n", "\n#y,z\n"), {"comment": "#"}),
    "text among integers at last": (re.sub("u|i", "", BODY) + "007,x,1\n", {}),
    "old Mac lines": (BODY.replace("\n", "\r"), {"value": "rating"}),
}


@pytest.mark.parametrize("kind", IN_BLOCKS)
@pytest.mark.parametrize(("block", "piece"), [(64, 32), (300, 100)])
def test_files_of_many_blocks(tmp_path, monkeypatch, kind, block, piece):
    text, options = IN_BLOCKS[kind]
    path = written(tmp_path, f"user,item,rating{text[-1]}" + text)
    whole = read(path, **options, duplicates="last")
    monkeypatch.setattr("mfjax.data.reading.lines.BLOCK", block)
    monkeypatch.setattr("mfjax.data.reading.text._PIECE", piece)
    pairs = read(path, **options, duplicates="last")
    assert raw(pairs) == raw(whole)
    assert pairs.values.tolist() == whole.values.tolist()


@pytest.mark.parametrize(("text", "message"), BAD_LINES, ids=[message[:30] for _, message in BAD_LINES])
def test_lines_of_a_later_block_are_named(tmp_path, monkeypatch, text, message):
    monkeypatch.setattr("mfjax.data.reading.lines.BLOCK", 64)
    monkeypatch.setattr("mfjax.data.reading.text._PIECE", 32)
    path = written(tmp_path, "user,item,rating\n" + "\n" * 500 + text)
    later = re.sub(r"line (\d+)", lambda found: f"line {int(found[1]) + 500}", message)
    with pytest.raises(ValueError, match=rf"pairs\.csv, {later}"):
        read(path, value="rating")


def test_escaped_quotes(tmp_path):
    path = tmp_path / "books.csv"
    path.write_text('"user";"item";"r"\n"a";"x\\"y";"1"\n"b";"c:\\\\d";"2"\n"c";"plain";"3"\n')
    found = read(path, value="r", escape="\\")
    assert found.item_vocabulary.decode(found.items).tolist() == ['x"y', "c:\\d", "plain"]
    with pytest.raises(ValueError, match=r"books\.csv, line 2: a double quote opens a field"):
        read(path, value="r")
    with pytest.raises(ValueError, match="escape: 'ab' is no escape"):
        read(path, escape="ab")
