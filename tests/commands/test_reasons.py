"""mfjax explain: contributions that add up to the score, printed and in files."""

from __future__ import annotations

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest


@pytest.mark.parametrize("name", ["ials", "explicit"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_contributions_are_those_of_the_model(mfjax, folder, models, tmp_path, name, suffix):
    out, model = tmp_path / f"why.{suffix}", models[name]
    (tmp_path / "titles.csv").write_text("id,title\n" + "".join(f"{one},T{one}\n" for one in range(100, 300, 7)))
    words = ("explain", folder / f"{name}.mfjax", "--user", "u 01", "--items", 100, 107)
    assert mfjax(*words, "--titles", tmp_path / "titles.csv", "--out", out)[0] == 0
    read = pyarrow.csv.read_csv if suffix == "csv" else pyarrow.parquet.read_table
    found = read(out).to_pydict()
    wanted = model.explain("u 01", [100, 107]).to_pydict()
    assert list(found) == ["item_id", "history_id", "title", "contribution"]
    assert (found["item_id"], found["history_id"]) == (wanted["item"], wanted["history"])
    np.testing.assert_allclose(found["contribution"], wanted["contribution"], rtol=1e-6, atol=1e-7)
    assert found["title"] == ["" if one is None else f"T{one}" for one in found["history_id"]]


def test_what_is_printed(mfjax, folder, models):
    model = models["explicit"]
    words = ("explain", folder / "explicit.mfjax", "--user", "u 01", "--most", 2)
    code, told, error = mfjax(*words, "--k", 1)
    best = int(model.recommend("u 01", 1)[0][0])
    parts = np.asarray(model.explain("u 01", [best])["contribution"])
    lines = told.splitlines()
    assert (code, error) == (0, "")
    assert lines[0] == f"item {best}: {parts.sum():.4f} for user u 01"
    assert lines[2].split() == ["history_id", "contribution"]
    shown = [float(line.split()[-1]) for line in lines[4:8]]
    assert lines[6].startswith(f"({len(parts) - 3} more)") and lines[7].startswith("(no item)")
    assert sum(shown) == pytest.approx(parts.sum(), abs=5e-4)
    assert abs(shown[0]) == pytest.approx(np.abs(parts[:-1]).max(), abs=1e-4)


def test_the_reasons_of_a_newcomer(mfjax, folder, tmp_path):
    (tmp_path / "new.csv").write_text("user,item\nzoe,100\nzoe,107\n")
    words = ("explain", folder / "ials.mfjax", "--user", "zoe", "--histories", tmp_path / "new.csv", "--items", 114)
    code, told, _ = mfjax(*words)
    assert code == 0
    assert {line.split()[0] for line in told.splitlines()[4:6]} == {"100", "107"}


def test_what_is_wrong_is_one_line(mfjax, folder, tmp_path):
    for name, words, told in (
        ("ials", ("--user", "zoe"), "user: the model has no user 'zoe' (1 of 1); leave out"),
        ("ials", ("--user", "u 01", "--items", 1), "items: the model has no item 1 (1 of 1)"),
        ("bpr", ("--user", "u 01", "--items", 100), "config: by a ranking.Config a score is no sum over"),
        ("ials", ("--user", "u 01", "--out", tmp_path / "a.run"), "out: 'a.run' has no suffix of a format"),
    ):
        code, out, error = mfjax("explain", folder / f"{name}.mfjax", *words)
        assert (code, out) == (2, "")
        assert error.startswith(f"mfjax: {told}") and error.count("\n") == 1
