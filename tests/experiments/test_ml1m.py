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

from experiments.ml1m import study as ml1m
from experiments.ml1m.models import MODELS
from experiments.ml1m.study import Options
from mfjax import histories, saving
from mfjax.data import datasets
from mfjax.data.published.datasets import Dataset
from mfjax.reports import inspection
from mfjax.reports.figures import spread
from mfjax.reports.inspection import Inspected
from mfjax.studies import command_line, running
from mfjax.studies.task import Task

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
        "dim": 4, "k": (10, 5), "progress": False, "compilation_cache": False,
    }  # fmt: skip
    return Options(**(defaults | changes))


def task_of(options: Options) -> tuple[Dataset, Task]:
    dataset = options.load()
    return dataset, options.tasks(dataset, options.split_key(0)).test[0]


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    """A study with everything, and the folder that it was written to."""
    out = tmp_path_factory.mktemp("out")
    names = ("popularity", "als", "als-recent")
    return small(folder, models=names, out=out, compare=("popularity", "als")).run(), out


@pytest.mark.slow
def test_tables_say_what_was_asked(folder, capsys):
    small(folder, user="3", similar="film & co 7", explain=True).run()
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
    metrics = {row["metric"] for row in document["rows"]}
    assert {"recall@5", "ndcg@10", "coverage@10", "mean_popularity@10", ml1m.first_coverage(10)} <= metrics
    compared = json.loads((out / "comparisons.json").read_text())["comparisons"]
    assert {row["metric"] for row in compared} == {"recall@10", "ndcg@10"}
    assert json.loads((out / "buckets.json").read_text())["buckets"]
    plots = sorted(path.stem for path in (out / "plots").iterdir())
    assert plots == ["by_activity", "by_length", "convergence", "item_space", "popularity_bias"]
    model = saving.load(out / "models" / "als.mfjax")
    assert np.asarray(model.factors.users).tobytes() == np.asarray(found.fitted["als"].users).tobytes()
    (task,) = found.tasks.test
    seen = task.excluded.items[task.excluded.users == 0]
    assert not set(model.recommend(1, k=5)[0] - 1) & set(seen.tolist())


def test_the_searched_models_keep_the_recorded_settings_without_a_search(folder):
    fixed = small(folder, models=("als-tuned", "als-recent"), dim=None)
    assert fixed.searched(task_of(fixed)[1], {}) == {}
    assert MODELS["als-recent"].parameters({})["half_life"] == 2.75


@pytest.mark.slow
def test_the_best_of_a_search_takes_the_place_of_the_recorded_setting(folder):
    pytest.importorskip("optuna")
    found = small(folder, models=("popularity", "als-recent"), trials=2, seeds=1, set=("als-recent.steps=2",)).run()
    (setting,) = found.results.only(["als-recent"]).settings
    assert str(setting) == "als-recent"
    trial = max(found.trials["als-recent"], key=lambda one: one.score())
    assert dict(setting.parameters)["half_life"] == trial.values["half_life"]
    assert dict(setting.parameters)["dim"] == 4
    # The trial that was best, measured again.
    task, model = found.tasks.validation[0], MODELS["als-recent"]
    key = running.model_key("als-recent", 0)
    again = task.evaluate(model.fit(key, task, dict(setting.parameters)), metrics=("ndcg",)).mean()["ndcg@10"]
    assert again == pytest.approx(trial.score(), abs=1e-6)


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
    dataset, task = task_of(small(folder))
    parameters, key = MODELS["als-recent"].parameters({"dim": 4}), jax.random.key(0)
    fitted = MODELS["als-recent"].fit(key, task, parameters)
    asked = Inspected(dataset, task, "als-recent", MODELS["als-recent"], parameters, fitted)
    history, parts, scores = asked.contributions(7, [3, 5])
    assert set(history.tolist()) == set(task.train.items[task.train.users == 7].tolist())
    np.testing.assert_allclose(parts.sum(axis=1), scores, rtol=1e-3, atol=1e-5)


def test_the_row_of_a_recent_user_follows_from_what_came_last(folder):
    task = task_of(small(folder))[1]
    recent = MODELS["als-recent"].history({"half_life": 2.0}, task)
    weights = np.sort(recent.weights[recent.users == 7])
    np.testing.assert_allclose(weights[::-1][:3], [1.0, 0.5**0.5, 0.5], rtol=1e-6)


def test_lists_that_hold_what_was_seen_are_found_out(folder, monkeypatch):
    task = task_of(small(folder))[1]
    monkeypatch.setattr(Task, "exclude", histories.ragged(task.excluded.select(slice(0, 0))))
    with pytest.raises(RuntimeError, match=r"popularity: \d+ recommended items are in their user's train part"):
        running.run([task], {"popularity": MODELS["popularity"]})


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
        (["--inspect", "heat"], "inspect: 'heat'"),
        (["--trials", "-1"], "trials: -1 is not a whole number from 0"),
        (["--seeds", "0"], "seeds: 0 is not a whole number from 1"),
        (["--dataset", "/nowhere", "--trials", "0"], "/nowhere"),
    ],
)
def test_bad_values_end_in_one_line(arguments, message, capsys):
    assert ml1m.main([*arguments, "--no-progress", "--no-compilation-cache"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": "99999"}, "user: '99999' is no user of"),
        ({"similar": "heat"}, "similar: no title of .* contains 'heat'"),
        ({"user": "3", "explain": True, "inspect": "popularity"}, "explain: popularity is not solved by least squares"),
        ({"similar": "film", "inspect": "popularity"}, "similar: popularity has no item factors"),
    ],
)
def test_questions_without_an_answer_are_refused_before_anything_is_fitted(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        task_of(small(folder, **changes))


def test_help_shows_the_options_of_the_study(capsys):
    with pytest.raises(SystemExit):
        command_line.parse(Options, ["--help"], program="experiments.ml1m")
    shown = capsys.readouterr().out
    for option in ("--dataset", "--trials", "--inspect", "--user", "--similar", "--explain", "--min-rating", "--sweep"):
        assert option in shown


def test_labels_are_apart_and_in_order():
    places = spread([0.0, 0.1, 0.1, 3.0], 0.5)
    assert (np.diff(places) >= 0.5 - 1e-6).all()
    assert places[3] == 3.0


@pytest.mark.slow
def test_counts_of_the_published_protocol(data_dir):
    if not (data_dir / "ml-1m" / "ratings.dat").is_file():
        pytest.skip(f"no MovieLens-1M in {data_dir}")
    options = Options(data_dir=data_dir)
    dataset = options.load()
    assert options.about(dataset, options.tasks(dataset, options.split_key(0))) == (
        "ml-1m: 963,969 train, 6,040 validation and 30,200 test ratings; 554,070 train positives of 6,038 users and "
        "3,525 items; 5,553 users with a test positive. Most train positives: items 2858 (2,766), 260 (2,557), "
        "1196 (2,461), 1198 (2,213), 2028 (2,194)."
    )
