"""Every option of every command: a bad value ends it with one line, before there is any data."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from experiments import ranking_losses
from experiments.accelerator import study as accelerator
from experiments.benchmark import roofline, scale
from experiments.benchmark import study as benchmark
from experiments.explicit_ml100k import study as explicit_ml100k
from experiments.ml1m import study as ml1m
from experiments.ml100k import search_als, search_ranking
from experiments.ml100k import study as ml100k
from experiments.two_stage import study as two_stage
from mfjax import files
from mfjax.studies import option_checks, options
from paper_repro import verdict

COMMANDS = {
    "experiments.ml100k": ml100k.Options,
    "experiments.ml1m": ml1m.Options,
    "experiments.explicit_ml100k": explicit_ml100k.Options,
    "experiments.two_stage": two_stage.Options,
    "experiments.ranking_losses": ranking_losses.Options,
    "experiments.ml100k.search_als": search_als.Options,
    "experiments.ml100k.search_ranking": search_ranking.Options,
    "experiments.benchmark": benchmark.Options,
    "experiments.accelerator": accelerator.Options,
    "experiments.benchmark.scale": scale.Options,
    "experiments.benchmark.roofline": roofline.Options,
    **{f"paper_repro{table}": verdict.Options for table in ("", ".t1", ".t2", ".t3", ".t4", ".t6")},
}
FIELDS = [(command, field.name) for command, kind in COMMANDS.items() for field in dataclasses.fields(kind)]

NO_NUMBERS = ("", " ", "nan", "inf", "1e400", "two", "0x", "1;2", "none")
NO_WHOLE_NUMBERS = (*NO_NUMBERS, "1e23", "2.5", "1e2", str(2**63), str(-(2**63) - 1), "9" * 30)


def bad_values(field: dataclasses.Field, hint: typing.Any, folder: Path) -> list[str]:
    """Return texts that the option may not have, by what its declaration says."""
    element, many, _ = option_checks.kind(hint)
    rules = field.metadata
    if rules["choices"] is not None:
        name = rules["choices"][0]
        found = ["", " ", "0", "svd++", name + "x", name.upper(), "nan"]
    elif element is int:
        found = [*NO_WHOLE_NUMBERS, str(int(rules["least"]) - 1), str(int(rules["most"]) + 1)]
    elif element is float:
        found = [*NO_NUMBERS, *(["0", "-1", "2.5", "1e23", str(2**63)] if rules["whole"] else [])]
    elif element is Path:
        (folder / "file").write_text("a file")
        (folder / "folder" / "results.json").mkdir(parents=True, exist_ok=True)
        below = [str(folder / "file" / "below"), str(folder / "file" / "far" / "below")]
        nowhere, file, there = str(folder / "nowhere"), str(folder / "file"), str(folder / "folder")
        name = field.metadata["place"]
        found = ["", " ", *below, *{"file": [nowhere, there], "folder": [nowhere, file], "output": [file]}[name]]
        if name == "output":
            (folder / "folder" / rules["writes"][0]).mkdir(exist_ok=True)
            found += [there, "/dev/null"]
    elif element is bool:
        return ["=", "=1", "=0", "=True", "=nan"]
    else:
        found = ["", " ", "\t", "\n", "  "]
    if many:
        first = found[-1]
        found += [f",{first}", f"{first},", ",", ",,", *([] if rules["words"] else [f"{first},{first}"])]
    return found


def refused(kind: type[options.Checked], command: str, arguments: list[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        options.parse(kind, arguments, program=command)
    assert isinstance(stopped.value.code, str), f"{arguments}: taken"
    assert stopped.value.code.startswith("error: ")
    assert "\n" not in stopped.value.code
    assert len(stopped.value.code) < 600
    return stopped.value.code


@pytest.mark.parametrize(("command", "name"), FIELDS)
def test_a_bad_value_of_any_option_is_one_line(command, name, tmp_path):
    kind = COMMANDS[command]
    (field,) = (field for field in dataclasses.fields(kind) if field.name == name)
    found = bad_values(field, typing.get_type_hints(kind)[name], tmp_path)
    assert len(found) >= 5
    flag = "--" + name.replace("_", "-")
    for text in found:
        joined = f"{flag}{text}" if field.type == "bool" else f"{flag}={text}"
        message = refused(kind, command, [joined])
        assert name in message or flag in message, message
    assert flag in refused(kind, command, [flag] if field.type != "bool" else [flag, "1"]) or field.type == "bool"


BAD = {
    int: [True, 1.0, 1.5, "1", float("nan"), float("inf"), 2**63, -(2**63), [1], (1,)],
    float: [True, "1", float("nan"), float("inf"), -float("inf"), 10**400, [1.0], 1j],
    str: [0, 1.0, True, b"ml-1m", "", " "],
    bool: [0, 1, "true", None, 1.0],
    Path: [0, "", "folder", b"folder", True],
}


@pytest.mark.parametrize(("command", "name"), FIELDS)
def test_options_made_in_python_are_checked_too(command, name):
    kind = COMMANDS[command]
    hint = typing.get_type_hints(kind)[name]
    element, many, optional = option_checks.kind(hint)
    wrong = list(BAD[element])
    if many:
        (field,) = (field for field in dataclasses.fields(kind) if field.name == name)
        wrong = [(one,) for one in wrong] + [wrong[0], "als", list(field.default), None]
        wrong += [()] if field.default else []
        wrong += [field.default * 2] if field.default else []
    elif not optional:
        wrong.append(None)
    assert len(wrong) >= 5
    for value in wrong:
        with pytest.raises(ValueError, match=name):
            kind(**{name: value})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_its_range(command):
    for field in dataclasses.fields(COMMANDS[command]):
        element = option_checks.kind(typing.get_type_hints(COMMANDS[command])[field.name]).element
        rules = field.metadata
        if element is int:
            assert rules["least"] is not None
            assert rules["most"] is not None
        if element is Path:
            assert rules["place"] in ("file", "folder", "output")
        if rules["place"] == "output":
            assert rules["writes"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_every_option(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        options.parse(COMMANDS[command], ["--help"], program=command)
    assert stopped.value.code == 0
    assert capsys.readouterr().out.count("(default:") == len(dataclasses.fields(COMMANDS[command]))


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("ml100k", ["--sweep", "als.reg=nan"], "sweep: 'als.reg=nan'"),
        ("ml100k", ["--sweep", "als.dim=1e23"], "sweep: 'als.dim=1e23'"),
        ("ml100k", ["--sweep", "als.dim=0"], "sweep: 'als.dim=0'"),
        ("ml100k", ["--sweep", "als.dim=inf"], "sweep: 'als.dim=inf'"),
        ("ml100k", ["--sweep", "als.steps=-1"], "sweep: 'als.steps=-1'"),
        ("ml100k", ["--sweep", "als.reg=-1"], "sweep: 'als.reg=-1'"),
        ("ml100k", ["--sweep", "als.reg="], "sweep: 'als.reg='"),
        ("ml100k", ["--sweep", "bpr.learning_rate=-1"], "sweep: 'bpr.learning_rate=-1'"),
        ("ml100k", ["--tune", "3", "--models", "popularity"], "tune: none of the models"),
        ("ml100k", ["--tune", "3", "--models", "als,bpr", "--tune-method", "gradient"], "tune: the gradient"),
        ("ml100k", ["--tune", "3", "--sweep", "als.reg=1"], "tune: none of the models"),
        ("two_stage", ["--pairs", "als:bpr,als"], "pairs: 'als' is not retriever:reranker"),
        ("ml100k.search_ranking", ["--every", "30"], "every: 30 is more than the 24 epochs"),
        ("benchmark", ["--data", "inf"], "data: inf is not a finite number"),
        ("benchmark", ["--data", "1e23"], "data: 1e+23 is not"),
        ("benchmark", ["--data", "-1"], "data: -1.0 is not"),
        ("benchmark", ["--data", "nan"], "data: nan is not"),
        ("benchmark", ["--data", "1234.5"], "data: 1234.5 is not a whole number"),
        ("benchmark", ["--data", "netflix"], "data: 'netflix' is unknown"),
    ],
)
def test_what_does_not_go_together_is_one_line(command, arguments, message):
    assert refused(COMMANDS[f"experiments.{command}"], f"experiments.{command}", arguments).startswith(
        f"error: {message}"
    )


GOOD_ROW = {"model": "als", "metric": "recall@10", "seconds_first": None, "seconds_warm": None}
GOOD_MANIFEST = {
    "command": "experiments.ml100k", "options": {"seeds": 2}, "data": {"sha256": ""}, "splits": {}, "versions": {},
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        [], None, 3, "text", {}, {"rows": []}, {"rows": [], "manifest": []}, {"rows": [], "manifest": {}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"options": []}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"options": {"seeds": "2"}}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"options": {"seeds": 0}}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"options": {"seeds": 1e23}}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"options": {"min_rating": 10**400}}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"options": {"models": []}}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"options": {"models": [["als"]]}}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"options": {"data_dir": 3}}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"options": {"nothing": 3}}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"command": "experiments.ml1m"}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"data": {}}},
        {"rows": [], "manifest": GOOD_MANIFEST | {"data": {"sha256": 3}}},
        {"rows": {}, "manifest": GOOD_MANIFEST},
        {"rows": [[]], "manifest": GOOD_MANIFEST},
        {"rows": [{}], "manifest": GOOD_MANIFEST},
        {"rows": [GOOD_ROW | {"seconds_first": "1"}], "manifest": GOOD_MANIFEST},
        {"rows": [{"model": "als", "metric": "recall@10"}], "manifest": GOOD_MANIFEST},
    ],
)  # fmt: skip
def test_a_results_file_of_wrong_inside_is_one_line(wrong, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(wrong))
    refused(ml100k.Options, "experiments.ml100k", ["--config", str(path)])


@pytest.mark.parametrize("name", ["results.json", "options.toml"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"{", b"x = ", b"seeds = nan", b"\0"])
def test_a_file_of_bytes_is_one_line(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    if (name, content) == ("options.toml", b""):
        assert options.parse(ml100k.Options, ["--config", str(path)], program="experiments.ml100k").seeds == 3
    else:
        refused(ml100k.Options, "experiments.ml100k", ["--config", str(path)])


def test_a_good_results_file_gives_its_options(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"rows": [GOOD_ROW], "manifest": GOOD_MANIFEST}))
    found = options.parse(ml100k.Options, ["--config", str(path), "--first-seed", "7"], program="experiments.ml100k")
    assert (found.seeds, found.first_seed, found.config) == (2, 7, path)


def test_the_folder_is_tried_before_anything_runs(tmp_path, monkeypatch):
    chosen = ranking_losses.Options(out=tmp_path / "new" / "folder", data_dir=tmp_path, progress=False)
    options.begin(chosen)
    assert list((tmp_path / "new" / "folder").iterdir()) == []

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", full)
    with pytest.raises(ValueError, match=r"out: .*folder can not be written to \(No space left on device\)"):
        ranking_losses.run(chosen)


def run(*arguments: str, before: str = "") -> subprocess.CompletedProcess:
    """Run a command in a process of its own, after a line of Python."""
    module, *rest = arguments
    script = f"import runpy, sys\n{before}\nsys.argv = {[module, *rest]!r}\n"
    script += f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiments.ml100k", "--models", ""], "models: is empty"),
        (["experiments.ml100k", "--seeds", "1e23"], "seeds: '1e23' is not a whole number"),
        (["experiments.ml100k", "--out", "{file}"], "out: {file} is not a folder"),
        (["experiments.ml100k", "--config", "{file}"], "config: {file}"),
        (["experiments.ml100k", "--data-dir", "{empty}"], "ml-100k"),
        (["experiments.ml100k", "--data-dir", "{data}", "--min-rating", "6"], "min_rating: no rating is at least 6"),
        (["experiments.ml1m", "--dataset", "{data}", "--trials", "0", "--user", "99999"], "user: '99999' is no user"),
        (["experiments.two_stage", "--data-dir", "{data}", "--candidates", "99999999"], "candidates: 99999999 is more"),
        (["experiments.explicit_ml100k", "--data-dir", "{data}", "--train", "4"], "train: the first 4 ratings"),
        (["experiments.ranking_losses", "--seeds", "0"], "seeds: 0 is not a whole number"),
        (["experiments.benchmark.scale", "--devices", ""], "devices: is empty"),
        (["experiments.benchmark", "--dims", "-1"], "dims: -1 is not a whole number"),
        (["paper_repro.t6", "--seeds", "0"], "seeds: 0 is not a whole number"),
    ],
)
def test_commands_end_in_one_line(arguments, message, tmp_path, folder_of_ratings):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "empty").mkdir()
    places = {"file": tmp_path / "file", "empty": tmp_path / "empty", "data": folder_of_ratings}
    done = run(*(word.format(**places) for word in arguments))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("error: ")
    assert message.format(**places) in lines[-1]
    # What precedes the line is the progress of the search for data.
    assert all("u.data" in line or line.startswith("mfjax: ") for line in lines[:-1])


@pytest.fixture(scope="module")
def folder_of_ratings(tmp_path_factory):
    """A folder in the layout of MovieLens-100K with 30 users and 25 items."""
    path = tmp_path_factory.mktemp("ml-100k")
    lines = [f"{u + 1}\t{i + 1}\t{1 + (u * i) % 5}\t{u + 3 * i}" for u in range(30) for i in range(25) if (u + i) % 3]
    (path / "u.data").write_text("\n".join(lines) + "\n")
    return path


OPTIONAL = ("tqdm", "matplotlib", "optuna", "pandas", "polars", "implicit", "irspack", "surprise", "chex")
WITHOUT = f"for name in {OPTIONAL!r}: sys.modules[name] = None"
TPE = ["experiments.ml100k", "--tune", "2", "--tune-method", "tpe", "--models", "ease"]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_extra(command):
    done = run(command, "--help", before=WITHOUT)
    assert done.returncode == 0, done.stderr
    assert "(default:" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "missing", "extra"),
    [
        (["experiments.ml100k"], "tqdm", "experiments"),
        (["experiments.ml100k", "--sweep", "als.reg=1", "--out", "{out}"], "matplotlib", "experiments"),
        (TPE, "optuna", "experiments,tune"),
        (["experiments.ml1m"], "optuna", "experiments,tune"),
        (["experiments.ml1m", "--trials", "0", "--out", "{out}"], "matplotlib", "experiments"),
        (["experiments.ml100k.search_als"], "optuna", "experiments,tune"),
        (["experiments.explicit_ml100k", "--peers"], "surprise", "experiments,peers"),
        (["experiments.two_stage", "--out", "{out}"], "matplotlib", "experiments"),
        (["paper_repro.t6"], "tqdm", "experiments"),
    ],
)
def test_a_missing_extra_is_named_with_the_line_that_installs_it(arguments, missing, extra, tmp_path):
    done = run(*(word.format(out=tmp_path) for word in arguments), before=f"sys.modules[{missing!r}] = None")
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert line == (
        f'error: {missing} is not installed; python -m pip install "mfjax[{extra}]", or in a clone -e ".[{extra}]"'
    )
