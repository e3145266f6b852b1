"""mfjax.data.published.ncf: the train part of the NCF protocol from the ratings that it was made of."""

from __future__ import annotations

import pytest

from mfjax import data

RATINGS = ["1::30::5::10", "1::10::4::20", "1::20::3::30", "2::20::2::10", "2::30::1::40", "2::50::5::50"]
TESTS = "0\t2\t3\t30\n1\t3\t5\t50\n"
NEGATIVES = "(0,2)\t3\t3\n(1,3)\t1\t1\n"


def folder(tmp_path, ratings=RATINGS):
    (tmp_path / "ncf").mkdir()
    (tmp_path / "ml-1m").mkdir()
    (tmp_path / "ml-1m" / "ratings.dat").write_text("\n".join(ratings) + "\n")
    (tmp_path / "ncf" / "ml-1m.test.rating").write_text(TESTS)
    (tmp_path / "ncf" / "ml-1m.test.negative").write_text(NEGATIVES)
    return tmp_path / "ncf"


def test_train_is_all_ratings_but_the_tests(tmp_path):
    """Items are numbered by their first rows: 30, 10, 20, 50."""
    found = data.load(folder(tmp_path))
    train = found.parts["train"]
    pairs = zip(train.users.tolist(), train.items.tolist(), train.values.tolist(), strict=True)
    assert list(pairs) == [(0, 0, 5.0), (0, 1, 4.0), (1, 2, 2.0), (1, 0, 1.0)]
    assert found.parts["test"].items.tolist() == [2, 3]
    assert found.source.endswith("ratings.dat without the tests")


def test_ratings_of_another_set_are_refused(tmp_path):
    with pytest.raises(ValueError, match="lacks a test of"):
        data.load(folder(tmp_path, [*RATINGS[:-1], "2::10::5::50"]))


def test_the_real_set(data_dir):
    if not (data_dir / "ncf-ml-1m").is_dir():
        pytest.skip(f"no ncf-ml-1m in {data_dir}")
    found = data.load(data_dir / "ncf-ml-1m")
    assert {name: len(part) for name, part in found.parts.items()} == {"train": 994_169, "test": 6_040}
    assert found.candidates.mask.sum() == 6_040 * 99 - 156
