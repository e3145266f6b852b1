"""experiments.gowalla, .ncf and .strong: what is trained on, hidden and tuned on, by made-up files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import bpr, gowalla, ncf, strong
from mfjax.studies import command_line
from paper_repro import t5
from paper_repro.benchmarks import Figure, table
from paper_repro.verdict import Options


@pytest.fixture(scope="module")
def check_ins(tmp_path_factory) -> Path:
    """A folder in the layout of LightGCN: a user and its items a line."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("gowalla")
    parts = {"train": [], "test": []}
    for user in range(40):
        items = rng.permutation(30)[:12].tolist()
        parts["train"].append(" ".join(map(str, [user, *items[:9]])))
        parts["test"].append(" ".join(map(str, [user, *items[9:]])))
    for name, lines in parts.items():
        (path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def movies(tmp_path_factory) -> Path:
    """A folder with made-up ratings of MovieLens-1M, and the tests of the NCF protocol that were made of them."""
    rng, path = np.random.default_rng(1), tmp_path_factory.mktemp("movies")
    for name in ("ml-1m", "ncf-ml-1m"):
        (path / name).mkdir()
    rows = [(user, item, time) for user in range(60) for time, item in enumerate(rng.permutation(40)[:16].tolist())]
    rows = [rows[at] for at in rng.permutation(len(rows))]
    numbers = {item: number for number, item in enumerate(dict.fromkeys(item for _, item, _ in rows))}
    lines = [f"{user + 1}::{item + 1}::5::{time}" for user, item, time in rows]
    (path / "ml-1m" / "ratings.dat").write_text("\n".join(lines) + "\n")
    tests, negatives = [], []
    for user in range(60):
        seen = {numbers[item] for row, item, _ in rows if row == user}
        last = numbers[max((time, item) for row, item, time in rows if row == user)[1]]
        tests.append(f"{user}\t{last}\t5\t15")
        others = [number for number in range(40) if number not in seen][:9]
        negatives.append("\t".join([f"({user},{last})", *map(str, others)]))
    (path / "ncf-ml-1m" / "ml-1m.test.rating").write_text("\n".join(tests) + "\n")
    (path / "ncf-ml-1m" / "ml-1m.test.negative").write_text("\n".join(negatives) + "\n")
    return path


def run(study, *words: str, capsys) -> str:
    code = command_line.main(study.Options, words, program=study.Options.program)
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def test_gowalla_is_fitted_whole_and_tuned_on_a_tenth(check_ins, capsys):
    words = ("--data-dir", str(check_ins), "--models", "popularity", "item-knn", "--tune", "2", "--k", "3")
    told = run(gowalla, *words, "--no-compilation-cache", capsys=capsys)
    assert "360 train and 120 hidden rows" in told and "Search of item-knn" in told
    options = gowalla.Options(data_dir=check_ins)
    tasks = options.tasks(options.load(), options.split_key(0))
    assert len(tasks.test[0].train) == 360 and len(tasks.validation[0].hidden) == 36


@pytest.mark.slow
def test_the_choices_of_bpr_are_judged_on_validation_beside_the_base(check_ins, capsys):
    words = (
        "--dataset",
        "gowalla",
        "--data-dir",
        str(check_ins),
        "--models",
        *bpr.MODELS,
        "--epochs",
        "1",
        "--dim",
        "4",
    )
    told = run(bpr, *words, "--k", "3", "--no-timings", "--no-compilation-cache", capsys=capsys)
    assert "324 train and 36 hidden rows" in told
    rows = [line.split()[0] for line in told[told.index("One choice") :].splitlines()[5:] if line]
    assert rows == [name for name in bpr.MODELS if name != "base"]


def test_ncf_ranks_among_what_is_listed_and_so_does_its_validation(movies, capsys):
    told = run(ncf, "--data-dir", str(movies), "--models", "popularity", "--no-compilation-cache", capsys=capsys)
    assert "60 hidden rows" in told and "Krichene" in told
    options = ncf.Options(data_dir=movies)
    tasks = options.tasks(options.load(), options.split_key(0))
    for task in (tasks.test[0], tasks.validation[0]):
        lengths = np.diff(np.asarray(task.lists.offsets))
        assert lengths.tolist() == [10] * 60
    assert len(tasks.validation[0].hidden) == 60


def test_strong_holds_users_out_by_key_or_as_published(movies, monkeypatch, capsys):
    words = ("--data-dir", str(movies), "--models", "popularity", "--test-users", "10", "--validation-users", "10")
    told = run(strong, *words, "--no-compilation-cache", capsys=capsys)
    assert "Protocol strong" in told and "10 users are judged" in told
    options = strong.Options(data_dir=movies, test_users=10, validation_users=10, protocol="liang")
    tasks = options.tasks(options.load(), options.split_key(0))
    train = tasks.test[0].train
    assert len(np.unique(train.users)) == 40
    assert len(tasks.test[0].hidden) == 10 * 3  # a fifth of 16 rows


def test_songs_are_of_users_and_songs_with_enough_rows(tmp_path):
    rows = [(f"u{user:02}", f"s{song}", 1 + user % 3) for user in range(30) for song in range(user % 10 + 1)]
    text = "\n".join("\t".join(map(str, row)) for row in rows)
    (tmp_path / "train_triplets.txt").write_text(text + "\n")
    sizes = {"test_users": 3, "validation_users": 3, "users_core": 4, "items_core": 10}
    options = strong.Options(dataset="msd", data_dir=tmp_path, **sizes)
    pairs = options.kept(options.load().interactions)
    assert pairs.item_counts().max() == 21 and set(pairs.values.tolist()) == {1.0}
    assert (pairs.user_counts()[pairs.user_counts() > 0] >= 4).all()
    # Song 6 has twelve listeners, song 7 nine.
    assert set(pairs.item_vocabulary.decode(np.unique(pairs.items))) == {f"s{song}" for song in range(7)}
    assert options.protocol_of(options.load()) == "liang"
    with pytest.raises(ValueError, match="data_dir: None"):
        strong.Options(dataset="msd").load()


def test_a_table_says_what_is_near_and_what_is_at_least_as_good(check_ins):
    figures = [
        Figure("popularity", {"recall@20": 0.5}, "somebody", tolerance=1.0),
        Figure("item-knn", {"recall@20": 2.0}, "nobody", printed=False),
    ]
    near, least = table("T7", figures, gowalla.Options(data_dir=check_ins), Options(seeds=1, progress=False))
    assert near.verdict == "agrees" and near.published == 0.5
    assert least.verdict == "MISS" and least.note == "at least: nobody"


def test_answers_of_a_model_follow_from_each_other(folder):
    assert all(check.passed for check in t5.measure(Options(data_dir=folder, seeds=1)))
