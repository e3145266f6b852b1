"""The MovieLens-1M study on a small made-up release: tables, files, page and plots; and the counts of the real one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import jax
import numpy as np
import pytest

from experiments.ml1m import models, tables
from experiments.ml1m import study as ml1m
from experiments.ml1m.study import Options
from mfjax import saving
from mfjax.data import datasets
from mfjax.reports import buckets, inspection
from mfjax.reports.figures import spread
from mfjax.studies import options, records, study
from mfjax.studies.models import Recommender
from mfjax.studies.task import last_ratings, positive_task

NUM_USERS, NUM_ITEMS = 60, 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in the layout of MovieLens-1M with titles, genres and many equal timestamps."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((NUM_USERS, NUM_ITEMS)) < 0.6)
    ratings, times = rng.integers(2, 6, len(users)), rng.integers(0, 30, len(users))
    path = tmp_path_factory.mktemp("ml-1m")
    rows = zip(users, items, ratings, times, strict=True)
    (path / "ratings.dat").write_text("\n".join(f"{u + 1}::{i + 1}::{r}::{t}" for u, i, r, t in rows) + "\n")
    genres = ("Drama", "Comedy|Drama", "Action")
    movies = [f"{i + 1}::Film & Co {i} ({1950 + i})::{genres[i % 3]}" for i in range(NUM_ITEMS)]
    (path / "movies.dat").write_text("\n".join(movies) + "\n", encoding="latin-1")
    return path


def small(folder, **changes) -> Options:
    defaults = {
        "dataset": str(folder), "models": ("popularity", "item-knn-published", "als"), "seeds": 2, "trials": 0,
        "dim": 4, "k": (5,), "progress": False,
    }  # fmt: skip
    return Options(**(defaults | changes))


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    """A study with everything, and the folder that it was written to."""
    out = tmp_path_factory.mktemp("out")
    names = ("popularity", "als", "als-recent")
    return ml1m.run(small(folder, models=names, out=out, compare=("popularity", "als"))), out


@pytest.mark.slow
def test_tables_say_what_was_asked(folder, capsys):
    ml1m.run(small(folder, user="3", similar="film & co 7", explain=True))
    printed = capsys.readouterr().out
    assert re.search(r"^als +0\.\d{4} \[0\.\d{4}, 0\.\d{4}\]", printed, re.MULTILINE)
    for heading in ("By length of the list", "recall@10 by activity", "User 3", "Why, for user 3"):
        assert heading in printed
    assert "Similar to Film & Co 7 (1957)" in printed
    assert "none of 360 lists holds an item that its user rated in train (item-knn-published: none" in printed


@pytest.mark.slow
def test_everything_is_written_and_models_load(written):
    found, out = written
    document = json.loads((out / "results.json").read_text())
    assert document["schema"] == 1
    assert {"rows", "buckets", "settings", "manifest"} <= document.keys()
    metrics = {row["metric"] for row in document["rows"]}
    assert {"recall@5", "ndcg@10", "coverage@10", "mean_popularity@10", tables.FIRST_COVERAGE} <= metrics
    plots = sorted(path.stem for path in (out / "plots").iterdir())
    assert plots == ["convergence", "item_space", "metric_against_k", "popularity_bias", "recall_by_activity"]
    model = saving.load(out / "models" / "als.mfjax")
    factors = found.outcomes[1].fitted[0]
    assert np.asarray(model.factors.users).tobytes() == np.asarray(factors.users).tobytes()
    seen = found.task.excluded.items[found.task.excluded.users == 0]
    assert not set(model.recommend(1, k=5)[0] - 1) & set(seen.tolist())
    per_user = np.load(out / "per_user.npz")
    assert per_user["values"].shape[:2] == (3, 2)


class Links(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)


@pytest.mark.slow
def test_the_page_asks_for_nothing_from_outside(written):
    page = (written[1] / "report.html").read_text()
    links = Links()
    links.feed(page)
    assert all(link.startswith(("data:", "#")) for link in links.links)
    assert {link[1:] for link in links.links if link.startswith("#")} <= set(links.ids)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "Film &amp; Co" in page
    assert "prefers-color-scheme: dark" in page


BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.mark.slow
def test_the_page_loads_in_a_browser(written, tmp_path):
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    # Whatever the page logs or asks for ends in the log; without a network it could not answer.
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr", "--window-size=390,844", "--dump-dom", f"file://{written[1] / 'report.html'}",
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert "<h1>Recommenders on" in shown.stdout
    assert shown.stdout.count("<section") >= 10
    assert "CONSOLE" not in shown.stderr


def test_contributions_add_up_to_the_score(folder):
    dataset = datasets.load(folder)
    split = last_ratings(dataset.interactions, ties="file-order", key=None)
    task = positive_task(split, split.test, min_rating=4.0)
    model = models.catalogue({})["als-recent"]
    fitted = model.fit(jax.random.key(0), task, 4)
    outcome = study.Outcome("als-recent", (fitted,), (), 0.0, 0.0)
    history, parts, scores = inspection.contributions(7, [3, 5], task, model, outcome)
    assert set(history.tolist()) == set(task.train.items[task.train.users == 7].tolist())
    np.testing.assert_allclose(parts.sum(axis=1), scores, rtol=1e-3, atol=1e-5)


def test_buckets_are_means_of_their_users(folder):
    values = study.Values(
        "a", {"recall@10": np.array([[0.0, 1.0, 0.5], [1.0, 1.0, 0.5]])}, {}, np.array([0, 2, 3]), None, None
    )
    groups = buckets.groups.activity(np.array([3, 50, 4, 200]), (20, 100))
    few, many = buckets.measure([values], {"train ratings": groups}, "recall@10", num_resamples=50)
    assert (few.label, few.users, few.mean) == ("<20", 2, 0.75)
    assert (many.label, many.users, many.mean, many.low, many.high) == (">=100", 1, 0.5, 0.5, 0.5)


def test_a_model_that_repeats_what_was_seen_is_found_out(folder):
    dataset = datasets.load(folder)
    split = last_ratings(dataset.interactions, ties="file-order", key=None)
    task = positive_task(split, split.test, min_rating=4.0)
    shared = models.catalogue({})
    honest = {"popularity": shared["popularity"]}
    again = {"popularity": Recommender(shared["popularity"].fit, False, "", repeats=True)}
    outcomes = study.run(["popularity"], [0], lambda _: task, cutoffs=(10,), progress=False, catalogue=again)
    with pytest.raises(RuntimeError, match=r"popularity: \d+ recommended items are in the user's train part"):
        records.nothing_seen(outcomes, honest, [task])


def test_titles_are_found_by_their_parts(folder):
    dataset = datasets.load(folder)
    items = inspection.Titles(dataset, np.arange(NUM_ITEMS))
    assert items.find("Film & Co 3") == 3
    assert items.find("film & co 3 (1953)") == 3
    assert items.find("film") == NUM_ITEMS - 1  # the most popular
    with pytest.raises(ValueError, match=r"similar: no title of .* contains 'heat'"):
        items.find("heat")
    with pytest.raises(ValueError, match=r"user: 'ann' is no user of .*; its raw ids are such as 1, 2, 3"):
        inspection.find_user(dataset, "ann")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--explain", "--trials", "0"], "explain: needs a user"),
        (["--user", "1", "--models", "ease"], "inspect: als is not among --models"),
        (["--trials", "-1"], "trials: -1 is not a whole number from 0"),
        (["--seeds", "0"], "seeds: 0 is not a whole number from 1"),
        (["--dataset", "/nowhere"], "/nowhere"),
    ],
)
def test_bad_values_end_in_one_line(arguments, message):
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        ml1m.main([*arguments, "--no-progress"])


def test_without_the_data_one_message_says_where_to_put_it(tmp_path):
    with pytest.raises(SystemExit, match=r"error: data_dir: .*none is not a folder"):
        ml1m.main(["--data-dir", str(tmp_path / "none"), "--trials", "0"])
    with pytest.raises(SystemExit, match=r"error: .*ml-1m.*data_dir") as stopped:
        ml1m.main(["--data-dir", str(tmp_path), "--trials", "0"])
    assert "\n" not in str(stopped.value)


def test_help_shows_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit):
        options.parse(Options, ["--help"], program="experiments.ml1m")
    assert capsys.readouterr().out.count("(default:") == len(options.dataclasses.fields(Options))


def test_labels_are_apart_and_in_order():
    places = spread([0.0, 0.1, 0.1, 3.0], 0.5)
    assert (np.diff(places) >= 0.5 - 1e-6).all()
    assert places[3] == 3.0


@pytest.mark.slow
def test_counts_of_the_published_protocol(data_dir):
    if not (data_dir / "ml-1m" / "ratings.dat").is_file():
        pytest.skip(f"no MovieLens-1M in {data_dir}")
    dataset = datasets.load("ml-1m", data_dir)
    split = last_ratings(dataset.interactions, ties="file-order", key=None)
    task = positive_task(split, split.test, min_rating=4.0)
    assert tables.sizes(dataset, split, task) == (
        "ml-1m: 963,969 train, 6,040 validation and 30,200 test ratings; 554,070 train positives of 6,038 users and "
        "3,525 items; 5,553 users with a test positive. Most train positives: items 2858 (2,766), 260 (2,557), "
        "1196 (2,461), 1198 (2,213), 2028 (2,194)."
    )
