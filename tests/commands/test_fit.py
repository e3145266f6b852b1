"""mfjax fit: what is in the file, what is printed, and one line for what is wrong."""

from __future__ import annotations

import hashlib
import json

import jax
import numpy as np
import pytest

from mfjax import als, ranking, saving
from mfjax.__main__ import main
from mfjax.commands import making
from mfjax.commands.fit import Fit
from mfjax.data import filters
from mfjax.studies import MODELS, Task, running
from tests.commands.conftest import SMALL
from tests.studies.made_up import ratings, write_ratings


@pytest.mark.parametrize("name", SMALL)
def test_the_model_is_that_of_a_study_fitted_on_all(name, folder, models, pairs):
    model = models[name]
    setting = Fit(str(folder / "ratings.csv"), model=name, set=SMALL[name]).setting()
    assert setting.model == name and dict(setting.parameters)["dim"] == 3
    wanted = running.fit(MODELS[name], setting, 0, Task.of_all(pairs))
    for ours, theirs in zip(jax.tree.leaves(model.factors), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert model.user_vocabulary.raw.tolist() == pairs.user_vocabulary.raw.tolist()
    assert model.item_vocabulary.raw.tolist() == pairs.item_vocabulary.raw.tolist()
    assert model.item_counts.tolist() == pairs.item_counts().tolist()
    assert int(model.seen.offsets[-1]) == len(pairs)
    assert (model.objective, model.rating_range) == (name, (1.0, 5.0) if name == "explicit" else None)
    assert isinstance(model.config, ranking.Config if name == "bpr" else als.Config) and model.config.dim == 3
    manifest = model.manifest
    assert manifest["command"] == "mfjax fit"
    assert manifest["data"]["sha256"] == hashlib.sha256((folder / "ratings.csv").read_bytes()).hexdigest()
    assert manifest["settings"] == {name: json.loads(json.dumps(dict(setting.parameters)))}
    assert (manifest["options"]["seed"], manifest["options"]["model"]) == (0, name)
    assert manifest["versions"]["mfjax"]


def test_what_is_printed_and_what_is_kept(mfjax, folder, tmp_path, pairs):
    out = tmp_path / "new" / "a model.mfjax"
    words = ("fit", folder / "ratings.csv", "--positives", 4, "--users-core", 2, "--out", out, "--seed", 3)
    words = (*words, "--model", "ials", "--set", "ials.dim=2", "steps=1")
    code, told, _ = mfjax(*words)
    assert code == 0
    liked = filters.compact(filters.k_core(pairs.select(pairs.values >= 4), users=2, items=0))
    lines = told.splitlines()
    assert lines[0] == f"ratings: {liked.num_users} users, {liked.num_items} items, {len(liked)} pairs of value 1"
    assert lines[1].startswith("ials: reg 0.01, ") and "dim 2, steps 1; seed 3; " in lines[1]
    assert f"wrote {out} (" in lines[2]
    assert lines[4].startswith("mfjax recommend '") and lines[4].endswith(" --users 'u 00' --k 10")
    kept = saving.load(out)
    assert kept.user_vocabulary.raw.tolist() == liked.user_vocabulary.raw.tolist()
    assert kept.rating_range is None
    code, _, told = mfjax(*words)
    assert (code, told) == (2, f"mfjax: out: {out} is there already; pass another name, or --overwrite\n")
    assert mfjax(*words, "--overwrite")[0] == 0
    assert np.array_equal(saving.load(out).factors.users, kept.factors.users)


def test_progress_is_told_on_stderr(folder, tmp_path, capsys):
    words = (folder / "ratings.csv", "--model", "item-bias", "--out", tmp_path / "m", "--no-compilation-cache")
    assert main(["fit", *map(str, words)]) == 0
    assert capsys.readouterr().err == "fitting item-bias on 240 interactions\n"


def test_a_part_of_data_that_come_split(mfjax, tmp_path):
    found = ratings()
    write_ratings(tmp_path / "train.csv", found.select(slice(0, 200)))
    write_ratings(tmp_path / "test.csv", found.select(slice(200, None)))
    words = ("fit", tmp_path, "--model", "item-bias", "--out", tmp_path / "m", "--overwrite")
    code, told, _ = mfjax(*words, "--part", "train")
    assert (code, " 200 pairs of value 1 to 5" in told) == (0, True)
    code, told, _ = mfjax(*words)
    assert (code, " 240 pairs of value 1 to 5" in told) == (0, True)
    code, _, told = mfjax(*words, "--part", "dev")
    assert code == 2
    assert "part: 'dev' is not there, " in told and " has the parts test, train; pass another, or none\n" in told


def test_events_and_weights_are_read_as_a_study_reads_them(mfjax, tmp_path):
    lines = ["who;what;event;sure", "ann;7;view;1", "ann;9;buy;2", "bob;9;view;1", "cyd;11;buy;1"]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    read = ("--user", "who", "--item", "what", "--value", "event", "--values", "view", 1, "buy", 5, "--weight", "sure")
    words = ("fit", tmp_path / "log.csv", *read, "--model", "als", "--set", "dim=2", "steps=1")
    assert mfjax(*words, "--out", tmp_path / "m")[0] == 0
    model = saving.load(tmp_path / "m")
    assert np.asarray(model.seen.values)[:4].tolist() == [1, 5, 1, 5]
    assert np.asarray(model.seen.weights)[:4].tolist() == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--model random", "model: random learns nothing, so that there is nothing to keep; pass another model"),
        ("--model nope", "model: 'nope' is unknown; pass 'random', 'popularity'"),
        ("--set dims=3", "set: dims: is no parameter; choose from reg, "),
        ("--set dim=0", "set: dim: 0"),
        ("--set dim=2.5", "set: dim: 2.5 is not a whole number"),
        ("--set reg", "set: 'ials.reg' is not of the form MODEL.PARAMETER=VALUE"),
        ("--set reg=1,2", "set: reg has 2 values; give one, or compare them: mfjax study"),
        ("--set als.reg=1", "set: als is not the model that is fitted, ials; leave its parameter out"),
        ("--set reg=1 ials.reg=2", "names a parameter again"),
        ("--seed -1", "seed: -1"),
        ("--part train", "part: 'train' is not there, ratings has no parts; pass another, or none"),
        ("--positives 6", "positives: no value is at least 6, they are 1 to 5; pass a lower one"),
        ("--model explicit --positives 1", "model: explicit predicts ratings, and all values are 1; name the column"),
        ("--users-core 99", "users, items: no row has 99 rows"),
        ("--out FOLDER", " is a folder; pass the name of a file"),
        ("--out FOLDER/ratings.csv", "/ratings.csv is there already; pass another name, or --overwrite"),
        ("--out FOLDER/ratings.csv/m", "out: "),
        ("--user nobody", "user: "),
    ],
)
def test_what_is_wrong_is_one_line(mfjax, folder, tmp_path, words, told):
    given = words.replace("FOLDER", str(folder)).split()
    given = given if "--out" in words else [*given, "--out", str(tmp_path / "m")]
    code, out, error = mfjax("fit", folder / "ratings.csv", *given)
    assert (code, out) == (2, "")
    assert told in error and error.startswith("mfjax: ") and error.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_every_model_of_a_study_is_kept_or_refused_before_the_fit():
    for name in MODELS:
        if name in making.REFUSED:
            with pytest.raises(ValueError, match=rf"^model: {name} "):
                making.check(name, MODELS)
        else:
            making.check(name, MODELS)


@pytest.mark.parametrize("name", ["ease", "item-knn", "popularity", "item-bias"])
def test_models_without_factors_answer_too(mfjax, folder, tmp_path, name):
    model = tmp_path / "m"
    assert mfjax("fit", folder / "ratings.csv", "--model", name, "--out", model)[0] == 0
    code, told, _ = mfjax("recommend", model, "--users", "u 00", "--k", 3)
    assert code == 0 and told.count("u 00") == 3
    code, told, _ = mfjax("explain", model, "--user", "u 00", "--k", 1)
    assert code == 0 and "contribution" in told
    code, told, error = mfjax("similar", model, "--users", "u 00", "--k", 2)
    if name in ("ease", "item-knn"):
        assert code == 0 and told.count("u 00") == 2
        code, _, error = mfjax("similar", model, "--users", "u 00", "--metric", "dot")
        assert (code, error) == (2, "mfjax: metric: 'dot', but item weights are a similarity of their own; pass None\n")
    elif name == "popularity":
        assert (code, error.count("\n")) == (2, 1)
