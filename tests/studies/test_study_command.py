"""mfjax study: small made-up files under every protocol, tables and files, and one line for what is wrong."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet
import pytest
import tyro

from mfjax.__main__ import main
from mfjax.metrics.conventions import PRESETS
from mfjax.reports import study_options
from mfjax.reports.command import Study
from mfjax.studies import MODELS, protocols, run
from tests.studies.made_up import pairs, ratings, write_ratings


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """A file of ratings with times."""
    return write_ratings(tmp_path_factory.mktemp("data") / "ratings.csv", ratings())


@pytest.fixture
def study(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*words) -> tuple[int, str, str]:
        code = main(["study", *map(str, words), "--no-compilation-cache"])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_without_a_protocol_times_decide(study, file):
    code, told, progress = study(file, "--models", "popularity", "item-bias")
    assert code == 0
    assert told.startswith(
        "ratings: 240 interactions. Protocol leave-last: 210 train and 30 hidden rows, 30 users and "
    )
    wanted = run(protocols.leave_last(Study(str(file)).load().interactions).test, ["popularity", "item-bias"])
    assert wanted.table() in told
    assert "Comparison\nPaired t tests over users, Holm over 2 pairs and measures" in told
    # One line a fit where stderr is no terminal.
    assert [line.partition(":")[0] for line in progress.splitlines()] == [
        "[1/2] popularity seed 0", "[2/2] item-bias seed 0",
    ]  # fmt: skip


@pytest.mark.slow
def test_without_times_rows_are_drawn(study, tmp_path):
    path = write_ratings(tmp_path / "pairs.csv", pairs(), times=False, values=False)
    code, told, _ = study(path, "--models", "popularity", "--compare", "none")
    assert code == 0
    assert "Protocol random: 192 train and 48 hidden rows" in told
    assert "Comparison" not in told


def test_parts_are_taken_as_they_come(study, tmp_path):
    split = protocols.leave_last(ratings(), test=2).test[0]
    write_ratings(tmp_path / "train.csv", split.train)
    write_ratings(tmp_path / "test.csv", split.hidden)
    code, told, _ = study(tmp_path, "--models", "popularity")
    assert code == 0
    assert f"Protocol given: {len(split.train)} train and {len(split.hidden)} hidden rows" in told
    code, _, told = study(tmp_path, "--models", "popularity", "--users-core", "3")
    assert (code, told) == (
        2, "mfjax: users_core: 3 says nothing to the protocol given, only to leave-last, global-time, random, folds, "
        "strong, liang; leave it out\n",
    )  # fmt: skip
    code, _, told = study(tmp_path, "--models", "ease", "--tune", "2")
    assert (code, "nothing is held out for validation" in told) == (2, True)


def test_errors_of_ratings_over_folds(study, file):
    words = ("--protocol", "folds", "--folds", "3", "--models", "item-bias", "--metrics", "rmse", "mae")
    code, told, progress = study(file, *words, "--sweep", "item-bias.reg=1,50")
    assert code == 0
    assert "3 tests with 240 hidden rows in all, each fitted on about 160 rows" in told
    assert progress.splitlines()[5].startswith("[6/6] item-bias[reg=50] seed 0 test 3: ")
    assert "rmse differs from" in told


@pytest.mark.slow
def test_a_log_of_events_with_text_ids_and_iso_times(study, tmp_path):
    rng = np.random.default_rng(0)
    lines = ["customer;article;what;when"]
    for row in range(200):
        event = ("view", "basket", "buy")[rng.integers(3)]
        lines.append(
            f"c-{rng.integers(25)};art {rng.integers(15)};{event};2026-01-{1 + row // 8:02}T10:{row % 60:02}:00Z"
        )
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    log = (tmp_path / "log.csv", "--user", "customer", "--item", "article", "--value", "what", "--timestamp", "when")
    meant = ("--values", "view", "1", "basket", "3", "buy", "5", "--duplicates", "sum")
    words = ("--protocol", "global-time", "--test", "0.25", "--models", "popularity", "--catalogue", "train")
    code, told, _ = study(*log, *meant, *words, "--out", tmp_path / "out")
    assert code == 0
    assert "Protocol global-time: " in told
    users = pyarrow.parquet.read_table(tmp_path / "out" / "per_user.parquet")["user"].to_pylist()
    assert users[0].startswith("c-")


@pytest.mark.slow
def test_users_are_held_out_and_folded_in(study, file):
    words = ("--protocol", "strong", "--positives", "3", "--users-core", "3", "--models", "popularity", "ease")
    code, told, _ = study(file, *words, "--convention", "strong-generalisation", "--targets", "0.4")
    assert code == 0
    assert "Protocol strong: " in told
    study_of = Study(str(file), positives=3, users_core=3, protocol="strong")
    tasks = study_of.tasks(study_of.load(), jax.random.key(0))
    # A tenth of the users that are left.
    assert len(np.unique(tasks.test[0].fold_in.users)) <= max(tasks.test[0].train.num_users // 10, 1)


@pytest.mark.slow
def test_drawn_negatives_are_warned_of(study, file):
    code, told, _ = study(file, "--negatives", "5", "--models", "popularity")
    assert code == 0
    assert "Krichene" in told
    code, whole, _ = study(file, "--models", "popularity")
    assert "Krichene" not in whole
    rows = [next(line for line in text.splitlines() if line.startswith("popularity")) for text in (told, whole)]
    assert rows[0] != rows[1]


@pytest.mark.slow
def test_lengths_are_chosen_on_validation_and_the_same_again_from_the_manifest(study, file, tmp_path):
    words = "--models popularity ials --dim 4 --validation 1 --patience 2 --sweep ials.reg=0.001,0.1"
    code, told, progress = study(file, *words.split(), "--out", tmp_path / "one")
    assert code == 0
    assert progress.startswith("stop ials[reg=0.001]: look 1, recall@10 0.")
    names = [line.split()[0] for line in told.splitlines() if line.startswith("ials[")]
    assert len(names) >= 2 and all("reg=" in name for name in names)
    code, again, progress = study("--config", tmp_path / "one" / "results.json", "--out", tmp_path / "two")
    assert code == 0 and "byte for byte" in again
    code, _, progress = study(file, *words.split(), "--out", tmp_path / "one")
    assert code == 0 and "look" not in progress


@pytest.mark.slow
def test_tuning_sweeping_setting_and_the_same_again_from_the_manifest(study, file, tmp_path):
    words = (
        "--models", "popularity", "ease", "item-knn", "--validation", "1", "--tune", "2",
        "--sweep", "ease.reg=1,10,100", "item-knn.neighbours=2,5", "--k", "3", "10",
    )  # fmt: skip
    code, told, progress = study(file, *words, "--out", tmp_path / "one")
    assert code == 0
    assert progress.startswith("tune item-knn: setting 1 of 2, recall@3 0.") or "tune ease: setting 1 of 2" in progress
    assert "ease[reg=100]" in told
    manifest = json.loads((tmp_path / "one" / "results.json").read_text())["manifest"]
    assert manifest["command"] == "mfjax study"
    assert manifest["options"]["cores"] == 1
    assert set(manifest["settings"]) == {"ease", "item-knn"}
    code, again, _ = study("--config", tmp_path / "one" / "results.json", "--out", tmp_path / "two")
    assert code == 0
    assert again.partition("The rows are those of")[0] == told.partition("wrote")[0]
    assert "byte for byte" in again
    names = sorted(
        path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*") if "fits" not in str(path)
    )
    assert len(names) == 7
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


@pytest.mark.slow
def test_a_parameter_in_place_of_its_default(study, file):
    code, told, _ = study(file, "--models", "ease", "--set", "ease.reg=7")
    assert code == 0
    wanted = run(
        Study(str(file)).tasks(Study(str(file)).load(), jax.random.key(0)).test, "ease", parameters={"ease": {"reg": 7}}
    )
    assert wanted.table() in told


@pytest.mark.slow
def test_options_of_a_file_give_way_to_those_of_the_command_line(study, file, tmp_path):
    (tmp_path / "a.toml").write_text('models = ["popularity", "ease"]\nk = [3]\ncompare = ["none"]\n')
    code, told, _ = study(file, "--config", tmp_path / "a.toml", "--models", "popularity")
    assert code == 0
    assert "recall@3" in told
    assert "ease" not in told


WRONG = {
    "--models eas": "models: 'eas' is unknown; pass 'random'",
    "--sweep ease.reg": "sweep: 'ease.reg' is not of the form MODEL.PARAMETER=VALUE,VALUE",
    "--sweep ease.reg=a": "is not of the form",
    "--sweep ease.reg=1 ease.reg=2": "names a parameter again",
    "--sweep eas.reg=1": "sweep: 'eas' is unknown",
    "--sweep ease.dim=1": "sweep: ease: dim: is no parameter; choose from reg",
    "--sweep ease.reg=1,1": "give each value once",
    "--sweep bpr.reg=1": "sweep: 'bpr' is not among the models",
    "--sweep ials.dim=1.5": "dim: 1.5 is not a whole number",
    "--sweep ease.reg=nan": "nan is not a finite number",
    "--set ease.reg=1,2": "set: ease.reg has 2 values; sweep them, or give one",
    "--set ease.reg": "set: 'ease.reg' is not of the form MODEL.PARAMETER=VALUE\n",
    "--set ease.reg=-1": "parameters: ease: reg: -1",
    "--metrics recal": "metrics: 'recal' is unknown",
    "--metrics recall@all": "needs a cutoff",
    "--compare eas": "compare: 'eas' is unknown",
    "--metrics rmse": "rmse is of predicted ratings, and the scores of 'popularity' are none",
    "--metrics map --convention sklearn": "no closed form",
    "--convention tre": "convention: 'tre' is unknown; pass 'default'",
    "--k 0": "k: 0",
    "--seeds 0": "seeds: 0",
    "--protocol folds --folds 1": "folds: 1",
    "--negatives -1": "negatives: -1",
    "--tune -1": "tune: -1",
    "--patience -1": "patience: -1",
    "--split-seed -1": "split_seed: -1",
    "--cores 0": "cores: 0",
    "--users-core -1": "users_core: -1",
    "--protocol leave-last --test 1.5": "test: 1.5 is not a number of rows",
    "--protocol leave-last --test nan": "test: nan",
    "--protocol leave-last --test inf": "test: inf",
    "--protocol random --test 1": "test: 1.0",
    "--protocol random --validation nan": "validation: nan",
    "--protocol strong --targets 1": "targets: 1.0",
    "--protocol strong --test-users 1000": "leave no train",
    "--protocol random --folds 3": "folds: 3 says nothing to the protocol random, only to folds; leave it out",
    "--protocol random --ties reverse": "ties: reverse says nothing",
    "--protocol folds --test 0.1": "test: 0.1 says nothing",
    "--protocol leave-last --test-users 5": "test_users: 5 says nothing",
    "--test-users 5": "test_users: 5 says nothing to the protocol leave-last",
    "--protocol leave-last --tune 3": "tune: nothing is held out to choose settings by; pass --validation 1",
    "--protocol strong --tune 3": "pass --validation-users NUMBER",
    "--protocol leave-last --models ials --patience 3": "patience: nothing is held out to choose settings by; pass",
    "--models ease --validation 1 --patience 3": "patience: none of the models is trained step by step; choose from",
    "--positives 9": "no value is at least 9, they are 1 to 5",
    "--positives nan": "positives: nan",
    "--users-core 500": "no row has 500 rows",
    "--protocol given": "there is no 'test' among none",
    "--out /proc/none": "/proc/none can not be written to",
    "--config /nowhere.toml": "config: /nowhere.toml is not a file",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_one_line_before_anything_is_fitted(study, file, words, monkeypatch):
    def fails(*_):
        raise AssertionError("something was fitted")

    monkeypatch.setattr("mfjax.studies.running._fit", fails)
    code, told, wrong = study(file, *words.split())
    assert (code, told) == (2, "")
    assert wrong.startswith("mfjax: ")
    assert wrong.count("\n") == 1
    assert WRONG[words] in wrong


def test_options_are_refused_before_the_data_are_read(study):
    for words in (
        "--models eas",
        "--metrics recal",
        "--sweep ease.dim=1",
        "--out /proc/none",
        "--protocol random --folds 3",
    ):
        code, _, wrong = study("/nowhere.csv", *words.split())
        assert code == 2
        assert "nowhere" not in wrong


def test_without_matplotlib_a_page_is_refused_at_once(study, file, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, wrong = study(file, "--out", tmp_path)
    assert (code, 'matplotlib is not installed; python -m pip install "mfjax[experiments]"' in wrong) == (2, True)


def test_help_names_every_model_and_convention(capsys):
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    words = set(capsys.readouterr().out.replace(",", " ").replace(".", " ").replace(";", " ").split())
    assert {*MODELS, *PRESETS} <= words


def commands() -> list[str]:
    """Return the commands of the document that say all of their options."""
    document = Path(__file__).parents[2] / "docs" / "how_to" / "studies.md"
    lines = document.read_text().replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("mfjax study") and "--config" not in line]


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_document_make_sense(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study_options.check(tyro.cli(Study, args=shlex.split(command)[2:]))


def test_the_document_has_a_command_for_every_protocol():
    assert all(any(f"--protocol {name}" in command for command in commands()) for name in protocols.PROTOCOLS)
