"""Files that are damaged at random: the right rows, or a refusal in our words; never fewer rows in silence."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from mfjax.data import read
from tests.borders import ours
from tests.data.test_reading import raw
from tests.data.text_forms import packed

USERS = [f"u{row % 7}" for row in range(40)]
ITEMS = [f"it{row}" for row in range(40)]
VALUES = [row % 5 + 0.5 for row in range(40)]
TABLE = {"user": USERS, "item": ITEMS, "value": VALUES}


def lines(separator: str, quote: str = "") -> bytes:
    rows = [list(TABLE), *map(list, zip(USERS, ITEMS, map(str, VALUES), strict=True))]
    return "".join(separator.join(f"{quote}{cell}{quote}" for cell in row) + "\n" for row in rows).encode()


def parquet(compression: str) -> bytes:
    made = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(TABLE), made, compression=compression, row_group_size=16)
    return made.getvalue()


OBJECTS = [dict(zip(TABLE, row, strict=True)) for row in zip(USERS, ITEMS, VALUES, strict=True)]
TEXTS = {
    "csv": (",", lines(",")),
    "quoted csv": (",", lines(",", '"')),
    "tsv": ("\t", lines("\t")),
    "::": ("::", lines("::")),
    "whitespace": ("whitespace", lines("  ")),
}
OTHERS = {
    "jsonl": "".join(json.dumps(one) + "\n" for one in OBJECTS).encode(),
    "none.parquet": parquet("none"),
    "snappy.parquet": parquet("snappy"),
    "zstd.parquet": parquet("zstd"),
}
PACKED = ["gz", "bz2", "xz", "zst", "lz4", "zip"]


def damage(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with one to three things done to them."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        how = rng.choice(["flip", "flip", "insert", "cut", "drop", "swap", "repeat", "lose"])
        rows = data.split(b"\n")
        row = rng.randrange(len(rows))
        if how == "flip" and at < len(data):
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif how == "insert":
            data = (
                data[:at] + rng.choice([b'"', b'"', b",", b"\t", b"\n", b"\r", b"\0", b"\xff", b" ", b"::"]) + data[at:]
            )
        elif how == "cut":
            data = data[:at] if rng.random() < 0.3 else data[:-1]
        elif how == "drop":
            data = data[:at] + data[at + rng.randint(1, 9) :]
        elif how == "swap":
            data = (
                data[:at][::-1] + data[at:]
                if at < 4
                else data[: at - 2] + data[at : at + 2] + data[at - 2 : at] + data[at + 2 :]
            )
        elif how == "repeat":
            data = b"\n".join([*rows[:row], rows[row], *rows[row:]])
        else:  # a field
            rows[row] = re.sub(rb"[,\t][^,\t]*$", b"", rows[row])
            data = b"\n".join(rows)
    return data


def rows_of(data: bytes, separator: str) -> list[tuple[str, ...]] | None:
    """Return the rows of a text file by loops over its lines, or None where some line is not one."""
    text = data.decode(errors="surrogateescape").removeprefix("\ufeff")
    quoting = len(separator) == 1 and separator != "\t"
    found = []
    for line in re.split("\r\n|\n|\r", text):
        if separator == "whitespace":
            line = line.strip(" \t")
        if not line:
            continue
        if quoting:
            try:
                found.append(next(csv.reader([line], delimiter=separator, strict=True)))
            except csv.Error:
                return None
        else:
            found.append(re.split("[ \t]+", line) if separator == "whitespace" else line.split(separator))
    if len({len(row) for row in found}) != 1:
        return None
    return [tuple(row) for row in found]


def objects(text: str) -> Iterator[dict]:
    """Yield the objects of a JSON stream; line breaks are blanks in it."""
    decoder = json.JSONDecoder()
    while text := text.lstrip(" \t\r\n"):
        one, end = decoder.raw_decode(text)
        yield one
        text = text[end:]


def check_text(path: Path, data: bytes, separator: str) -> None:
    found = ours(
        lambda: read(path, user="user", item="item", value="value", separator=separator, ids="text", duplicates="max")
    )
    if isinstance(found, ValueError):
        return
    if separator == "," and b"\r" in data:  # which quoted fields may hold, and others not
        return
    right = rows_of(data, separator)
    assert right is not None
    places = [[name.strip() for name in right[0]].index(name) for name in ("user", "item", "value")]
    expected: dict[tuple[str, str], float] = {}
    for row in right[1:]:
        user, item, value = (row[place] for place in places)
        expected[user, item] = max(expected.get((user, item), 0.0), float(np.float32(float(value))))
    assert dict(zip(zip(*raw(found), strict=True), found.values.tolist(), strict=True)) == expected


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("count", [25, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_text_files(kind, count, tmp_path):
    separator, whole = TEXTS[kind]
    rng = random.Random(kind)
    for _ in range(count):
        data = damage(whole, rng)
        path = tmp_path / "pairs.txt"
        path.write_bytes(data)
        try:
            check_text(path, data, separator)
        except BaseException as error:
            error.add_note(repr(data))
            raise


@pytest.mark.parametrize("how", PACKED)
@pytest.mark.parametrize("count", [20, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_compressed_files(how, count, tmp_path):
    whole = lines(",")
    path = packed(whole, tmp_path, "pairs.csv", how)
    compressed = path.read_bytes()
    rng = random.Random(how)
    for _ in range(count):
        data = damage(compressed, rng)
        path.write_bytes(data)
        try:
            found = ours(lambda: read(path, value="value"))
            # Zstandard and lz4 need not have checksums, and those that Arrow writes have none.
            if how not in ("zst", "lz4") and not isinstance(found, ValueError):
                assert (*raw(found), found.values.tolist()) == (USERS, ITEMS, VALUES)
        except BaseException as error:
            error.add_note(repr(data))
            raise


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("count", [25, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_typed_files(kind, count, tmp_path):
    whole, rng = OTHERS[kind], random.Random(kind)
    path = tmp_path / f"pairs.{kind}"
    for _ in range(count):
        data = damage(whole, rng)
        path.write_bytes(data)
        try:
            found = ours(lambda: read(path, value="value", duplicates="max"))
            # A page of Parquet has no checksum: a value that was changed can not be told.
            if kind == "jsonl" and not isinstance(found, ValueError):
                right = {}
                for one in objects(data.decode()):
                    right[one["user"], one["item"]] = max(right.get((one["user"], one["item"]), 0), one["value"])
                assert dict(zip(zip(*raw(found), strict=True), found.values.tolist(), strict=True)) == right
        except BaseException as error:
            error.add_note(repr(data))
            raise


def test_an_archive_whose_file_has_no_name(tmp_path):
    path = packed(lines(","), tmp_path, "pairs.csv", "zip")
    path.write_bytes(path.read_bytes().replace(b"pairs.csv", b"\0airs.csv"))
    with pytest.raises(ValueError, match=r"source: .*pairs\.csv\.zip holds no table"):
        read(path, value="value")
