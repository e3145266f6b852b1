"""One table as every file with types, folder, frame and array that readers take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.parquet
import scipy.sparse

from mfjax.data import from_arrays, from_sparse, read
from tests.data.drawn_tables import Form, Table
from tests.data.text_forms import NAMES, Dialect, packed, text_file


def arrow(table: Table) -> pyarrow.Table:
    kinds = {"int64": "int64", "uint64": "uint64", "small": "int64", "text": "string", "digits": "string"}
    wide = {"ratings": "float64", "counts": "int64", "floats": "float32"}
    made = {}
    for part, cells in table.columns.items():
        kind = table.kinds[part]
        made[part] = pyarrow.array(cells, {**kinds, **wide}.get(kind))
    return pyarrow.table(made)


def _typed(source: Any, table: Table, place: str, **options: Any) -> Form:
    named = {part: part for part in table.columns}
    return Form(
        lambda **more: read(source() if callable(source) else source, **named, **options, **more), f"{place}{{}}".format
    )


def _parquet(table: Table, folder: Path, how: str) -> Form:
    path = folder / "pairs.parquet"
    pyarrow.parquet.write_table(arrow(table), path, compression=how, row_group_size=3, use_dictionary=how != "none")
    return _typed(path, table, f"{path}, row ")


def _parquet_folder(table: Table, folder: Path) -> Form:
    whole, cut = arrow(table), len(table) // 2
    for number, half in enumerate((whole.slice(0, cut), whole.slice(cut))):
        pyarrow.parquet.write_table(half, folder / f"part-{number}.parquet")
    return replace(_typed(folder, table, ""), place=lambda row: "part-")


def _csv_folder(table: Table, folder: Path) -> Form | None:
    if any(len(half) == 0 for half in table.halves()):
        return None
    dialect = Dialect(",", True, False, "utf-8", "\n", "gz", "usual")
    forms = [text_file(half, dialect, folder, f"part-{number}") for number, half in enumerate(table.halves())]
    whole = text_file(table, dialect, folder.parent, "whole")
    if whole is None or None in forms:
        return None
    (folder.parent / "whole.csv.gz").unlink()
    options = {part: NAMES["usual"][part] for part in table.columns if part not in ("user", "item")}
    if any(table.kinds[part] in ("text", "digits") for part in ("user", "item")):
        options["ids"] = "text"
        if any(table.kinds[part] not in ("text", "digits") for part in ("user", "item")):
            return None
    return Form(lambda **more: read(folder, quoting=True, **options, **more), lambda row: "part-")


def _json(table: Table, folder: Path, how: str) -> Form:
    rows = []
    for row in range(len(table)):
        cells = {part: column[row] for part, column in table.columns.items()}
        rows.append(json.dumps(cells, ensure_ascii=row % 2 == 0, default=lambda time: time.isoformat()))
    path = packed("\n".join(rows).encode(), folder, "pairs.jsonl", how)
    return _typed(path, table, "pairs.jsonl, row " if how == "zip" else f"{path}, row ")


def _pandas(table: Table, kind: str) -> Form | None:
    made = {}
    for part, cells in table.columns.items():
        is_id = part in ("user", "item")
        if kind == "plain":
            made[part] = np.array(cells, "u8") if table.kinds[part] == "uint64" and None not in cells else cells
        elif kind == "object":
            made[part] = pandas.Series(cells, dtype=object)
        elif kind == "category":
            made[part] = pandas.Categorical(cells) if is_id else cells
        elif kind == "arrow":
            made[part] = pandas.array(cells, pandas.ArrowDtype(arrow(table).schema.field(part).type))
        else:  # nullable
            names = {"int64": "Int64", "small": "Int64", "uint64": "UInt64", "text": "string", "digits": "string"}
            names |= {"ratings": "Float64", "counts": "Int64", "floats": "Float32"}
            names |= dict.fromkeys(("s", "ms", "us", "ns"), "Int64")
            name = names.get(table.kinds[part])
            if name == "UInt64" and None not in cells:
                cells = np.array(cells, "u8")  # of a list pandas would make floats on the way
            made[part] = cells if name is None else pandas.array(cells, name)
    frame = pandas.DataFrame(made)
    frame.index += 5  # rows are counted from 0 all the same
    return _typed(frame, table, "row ")


def _polars(table: Table, lazy: bool) -> Form:
    made = arrow(table)
    if table.kinds["timestamp"] == "zoned":  # polars knows zones by name only
        place = made.schema.get_field_index("timestamp")
        made = made.set_column(place, "timestamp", made["timestamp"].cast(pyarrow.timestamp("us", "UTC")))
    frame = polars.from_arrow(made)
    return _typed(frame.lazy() if lazy else frame, table, "row ")


def _dict_of_arrays(table: Table) -> Form | None:
    made = {}
    for part, cells in table.columns.items():
        kind = {"int64": "i8", "uint64": "u8", "small": "i4", "dates": "M8[D]", "naive": "M8[us]", "floats": "f4"}
        wanted = kind.get(table.kinds[part], object)
        if None in cells and wanted in ("i8", "u8", "i4"):
            return None
        made[part] = np.array([np.nan if cell is None and wanted == "f4" else cell for cell in cells], wanted)
    return _typed(made, table, "row ")


def _structured(table: Table) -> Form | None:
    form = _dict_of_arrays(table)
    if form is None or table.kinds["timestamp"] == "zoned":
        return None
    kind = {"int64": "i8", "uint64": "u8", "small": "i4", "dates": "M8[D]", "naive": "M8[us]", "floats": "f8"}
    dtypes = [(part, kind.get(table.kinds[part], "O")) for part in table.columns]
    rows = list(zip(*table.columns.values(), strict=True))
    if any(None in row for row in rows):
        return None
    return _typed(np.array(rows, dtypes), table, "row ")


def _arrays(table: Table) -> Form | None:
    if table.kinds["value"] == "events":
        return None
    names = {"user": "users", "item": "items", "value": "values", "timestamp": "timestamps", "weight": "weights"}
    return Form(
        lambda **more: from_arrays(**{names[part]: cells for part, cells in table.columns.items()}, **more),
        "row {}".format,
    )


def _sparse(table: Table) -> Form | None:
    cells = [cell for column in table.columns.values() for cell in column]
    if {table.kinds["user"], table.kinds["item"]} != {"small"} or "weight" in table.columns or None in cells:
        return None
    if "timestamp" in table.columns or table.kinds["value"] == "events":
        return None
    values = table.columns.get("value", [1.0] * len(table))
    matrix = scipy.sparse.coo_array((values, (table.columns["user"], table.columns["item"])), shape=(21, 21))
    return Form(lambda **more: from_sparse(matrix, **more), "row {}".format)


def forms(table: Table, folder: Path) -> Iterator[tuple[str, Form]]:
    """Yield every typed form that can hold a table, by name."""

    def made(name: str) -> Path:
        inner = folder / name
        inner.mkdir()
        return inner

    for how in ("none", "snappy", "zstd"):
        yield f"parquet {how}", _parquet(table, made(f"parquet {how}"), how)
    yield "folder of parquet", _parquet_folder(table, made("folder of parquet"))
    for how in ("", "gz", "bz2", "xz", "zst", "lz4", "zip"):
        yield f"json {how}", _json(table, made(f"json {how}"), how)
    yield "polars", _polars(table, lazy=False)
    yield "lazy polars", _polars(table, lazy=True)
    yield "arrow", _typed(arrow(table), table, "row ")
    yield (
        "arrow in batches",
        _typed(pyarrow.Table.from_batches(arrow(table).to_batches(max_chunksize=2)), table, "row "),
    )
    batches = arrow(table).to_batches(max_chunksize=2)
    reader = lambda: pyarrow.RecordBatchReader.from_batches(arrow(table).schema, batches)  # noqa: E731
    yield "record batches", _typed(reader, table, "row ")
    yield "dict of lists", _typed(table.columns, table, "row ")
    for name, form in (
        *((f"pandas {kind}", _pandas(table, kind)) for kind in ("plain", "nullable", "category", "arrow", "object")),
        ("arrays", _arrays(table)),
        ("dict of arrays", _dict_of_arrays(table)),
        ("structured array", _structured(table)),
        ("sparse matrix", _sparse(table)),
        ("folder of csv", _csv_folder(table, made("folder of csv"))),
    ):
        if form is not None:
            yield name, form
