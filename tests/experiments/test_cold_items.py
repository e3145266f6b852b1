"""experiments.cold_items: nothing of a cold item is trained on, features tell, peers take part, the file has it all."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from experiments.cold_items import models, peers, study, tasks
from mfjax.data import datasets
from mfjax.data.splits import host_rng
from mfjax.histories.parts import Whole
from mfjax.studies import command_line

GENRES = ("Drama", "Comedy", "Horror")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in the layout of MovieLens-1M: 60 users, each of one of three genres, and 50 movies."""
    rng = np.random.default_rng(0)
    of_user, of_movie = rng.integers(0, 3, 60), rng.integers(0, 3, 50)
    liked = rng.random((60, 50)) < np.where(of_user[:, None] == of_movie, 0.6, 0.05)
    path = tmp_path_factory.mktemp("ml-1m")
    ratings = [f"{u + 1}::{i + 1}::{rng.integers(1, 6)}::{at}" for at, (u, i) in enumerate(np.argwhere(liked))]
    movies = [f"{i + 1}::Movie {i} ({1960 + i % 40})::{GENRES[genre]}" for i, genre in enumerate(of_movie)]
    (path / "ratings.dat").write_text("\n".join(ratings) + "\n")
    (path / "movies.dat").write_text("\n".join(movies) + "\n")
    return path


@pytest.fixture(scope="module")
def whole(folder):
    pairs = datasets.load("ml-1m", folder).interactions
    return Whole(pairs.with_values(np.ones(len(pairs), np.float32)))


@pytest.fixture(scope="module")
def task(folder, whole):
    about = tasks.about(datasets.load("ml-1m", folder))
    return tasks.hold_out(host_rng(jax.random.key(0)), whole, whole.numbered, about)


def pairs_of(users, items):
    return {*zip(users.tolist(), items.tolist(), strict=True)}


def test_cold_items_have_no_train_pair_and_all_pairs_are_there(task, whole):
    assert len(task.cold) == 5
    assert not np.isin(task.train.items, task.cold).any()
    assert not np.asarray(task.histories.items.counts)[task.cold].any()
    found = pairs_of(task.train.users, task.train.items) | pairs_of(task.hidden.users, task.cold[task.hidden.items])
    assert found == pairs_of(whole.interactions.users, whole.interactions.items)


def test_validation_knows_only_what_train_knows(task, whole):
    within = tasks.hold_out(np.random.default_rng(1), whole, task.train, task.about)
    assert not np.isin(task.cold, [*within.cold, *within.warm]).any()
    assert pairs_of(within.hidden.users, within.cold[within.hidden.items]) <= pairs_of(
        task.train.users, task.train.items
    )
    assert len(within.train) + len(within.hidden) == len(task.train)


def test_ndcg_is_that_of_loops(task):
    model = models.random(jax.random.key(3), task, 4)
    scores, values = np.asarray(model.users @ model.items.T), tasks.ndcg(model, task)
    for user in range(task.hidden.num_users):
        liked = task.hidden.items[task.hidden.users == user]
        if not len(liked):
            assert np.isnan(values[user])
            continue
        order = np.argsort(-scores[user])[: tasks.K]
        gain = sum(1 / np.log2(2 + place) for place, item in enumerate(order) if item in liked)
        assert values[user] == pytest.approx(gain / sum(1 / np.log2(2 + np.arange(len(liked)))), rel=1e-5)


def test_the_search_takes_the_best_of_each_axis_and_no_setting_twice(task):
    asked = []

    def fit(key, task, dim, *, a, b):
        asked.append((a, b))
        return models.oracle(key, task, dim) if (a, b) == (2, 5) else models.random(key, task, dim)

    values, tried = models.choose(models.Model(fit, {"a": (1, 2), "b": (4, 5)}), jax.random.key(0), task, 4)
    assert len(tried) == len(asked) == len(set(asked)) <= 4
    assert (1, 4) in asked
    assert values["a"] in (1, 2) and values["b"] in (4, 5)


def test_the_command_ranks_by_features_and_writes_the_schema(folder, tmp_path, monkeypatch, capsys):
    for name, axis in (("als, means of genres", ""), (models.OURS, ""), ("popularity", "ridge")):
        own = {one: values[: 2 if one == axis else 1] for one, values in models.MODELS[name].axes.items()}
        monkeypatch.setitem(models.MODELS, name, models.MODELS[name]._replace(axes=own))
    lines = study.Options(data_dir=folder, seeds=1, dim=4, peers=("none",), out=tmp_path).run()
    printed = capsys.readouterr().out
    by_name = {line.model: line for line in lines}
    ours = by_name[models.OURS]
    assert ours.mean > max(by_name["random"].mean, by_name["popularity"].mean) and ours.low <= ours.mean <= ours.high
    assert {*ours.chosen[0]} == {"unobserved_weight", "reg", "feature_reg"}
    assert {*by_name["popularity"].chosen[0]} == {"ridge", "validation"} and by_name["popularity"].tried == 2
    mean, low, high = by_name["random"].less
    assert low <= mean <= high and mean == pytest.approx(ours.mean - by_name["random"].mean, abs=1e-6)
    assert "als, features is " in printed
    written = json.loads((tmp_path / "cold_items.json").read_text())
    assert written["schema"] == 1
    assert [row["model"] for row in written["rows"]] == list(by_name)
    assert written["manifest"]["options"]["seeds"] == 1


@pytest.mark.parametrize("name", study.PEERS)
def test_a_peer_scores_every_cold_item(task, name, monkeypatch):
    pytest.importorskip(name, reason="a peer is compared with where it is installed")
    monkeypatch.setattr(peers, "THREADS", 1)  # more wait for each other on busy cores
    model = models.MODELS[name]
    baseline = np.nanmean(tasks.ndcg(models.random(jax.random.key(1), task, 4), task))
    for at in (0, -1):
        fitted = model.fit(jax.random.key(0), task, 4, **{axis: values[at] for axis, values in model.axes.items()})
        assert fitted.users.shape == (60, 4) and fitted.items.shape == (5, 4)
        assert np.isfinite(fitted.items).all()
        assert at or np.nanmean(tasks.ndcg(fitted, task)) > baseline


def test_peers_that_are_not_installed_are_named_and_left_out(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not set(study.Options().named()) & {*study.PEERS}
    told = capsys.readouterr().out
    assert "irspack, cmfrec, lightfm. python -m pip install -e" in told


def test_data_without_genres_and_no_data_are_one_line(folder, tmp_path, capsys):
    assert command_line.main(study.Options, ["--data-dir", str(tmp_path)], program="experiments.cold_items") == 2
    assert "ratings.dat" in capsys.readouterr().err
    (tmp_path / "ratings.dat").write_bytes((folder / "ratings.dat").read_bytes())
    assert command_line.main(study.Options, ["--data-dir", str(tmp_path)], program="experiments.cold_items") == 2
    assert "put movies.dat beside the ratings" in capsys.readouterr().err
