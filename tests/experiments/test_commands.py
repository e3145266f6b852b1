"""Every command: what its options may be, its help, and one line for what is wrong, before there is any data.

What holds for any command is in `tests/studies/test_command_line.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from mfjax.studies import command_line
from mfjax.studies.options import Checked, Place, Within, kinds

MODULES = {
    "experiments.ml100k": "experiments.ml100k.study",
    "experiments.ml1m": "experiments.ml1m.study",
    "experiments.explicit_ml100k": "experiments.explicit_ml100k.study",
    "experiments.two_stage": "experiments.two_stage.study",
    "experiments.ranking_losses": "experiments.ranking_losses",
    "experiments.gowalla": "experiments.gowalla",
    "experiments.ncf": "experiments.ncf",
    "experiments.strong": "experiments.strong",
    "experiments.reality": "experiments.reality",
    "experiments.bpr": "experiments.bpr",
    "experiments.ml100k.search_als": "experiments.ml100k.search_als",
    "experiments.ml100k.search_ranking": "experiments.ml100k.search_ranking",
    "experiments.benchmark": "experiments.benchmark.study",
    "experiments.benchmark.scale": "experiments.benchmark.scale",
    "experiments.benchmark.roofline": "experiments.benchmark.roofline",
    "experiments.accelerator": "experiments.accelerator.study",
    "experiments.cold_items": "experiments.cold_items.study",
    "paper_repro": "paper_repro.verdict",
}
"""Command -> the module of its options; those of the tables of `paper_repro` are the same."""


def options_of(command: str) -> type[Checked]:
    return importlib.import_module(MODULES[command]).Options


def refused(capsys, command: str, *words: str) -> str:
    """Return what a command says of what it does not take, on one line."""
    try:
        code = command_line.main(options_of(command), words, program=command)
    except SystemExit as stopped:
        code = stopped.code
    said = capsys.readouterr()
    assert (code, said.out) == (2, ""), words
    assert "Traceback" not in said.err
    return " ".join(said.err.replace("│", " ").split())


@pytest.mark.parametrize("command", MODULES)
def test_every_option_says_its_range_and_refuses_another_kind(command):
    options = options_of(command)
    for name, said in kinds(options).items():
        if name not in {field.name for field in fields(options)}:
            continue
        assert said is not None, name
        if said.element is int:
            (within,) = (rule for rule in said.rules if isinstance(rule, Within))
            assert None not in (within.least, within.most), name
        if said.element is Path:
            (place,) = (rule for rule in said.rules if isinstance(rule, Place))
            assert place.kind != "output" or place.writes
        wrong = {int: 1.5, float: "1", str: 3, bool: 1, Path: "here"}[said.element]
        for value in [(wrong,), 3.5, None] if said.many else [wrong, (wrong,), *([] if said.optional else [None])]:
            with pytest.raises(ValueError, match=f"^{name}: "):
                options(**{name: value})


@pytest.mark.parametrize("command", MODULES)
def test_help_lists_every_option(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        command_line.parse(options_of(command), ["--help"], program=command)
    printed = capsys.readouterr().out
    assert stopped.value.code == 0
    assert printed.count("(default:") == len(fields(options_of(command)))
    assert printed.startswith(f"usage: python -m {command}")


WRONG = {
    "experiments.ml100k --models als,svd++": "models: 'svd++' is unknown; pass 'random', 'popularity', ",
    "experiments.ml100k --ties coin": "ties",
    "experiments.ml100k --seeds 0": "seeds: 0 is not a whole number from 1",
    "experiments.ml100k --k 5,x": "--k",
    "experiments.ml100k --seed 2": "--seed",
    "experiments.ml100k --out {file}": "out: {file} is not a folder",
    "experiments.ml100k --sweep als.dim=0": "als: dim: 0",
    "experiments.ml100k --sweep svd++.reg=1": "sweep: 'svd++' is unknown",
    "experiments.ml100k --sweep als.reg=nan": "nan is not a finite number",
    "experiments.ml100k --sweep als.reg=": "sweep: 'als.reg=' is not of the form",
    "experiments.ml100k --tune 3 --models popularity": "tune: none of the models",
    "experiments.ml100k --tune 3 --tune-method gradient --models als,bpr": "bpr",
    "experiments.ml100k.search_als --trials 0": "tune: 0 is not a whole number",
    "experiments.ml100k.search_ranking --loss hinge": "loss",
    "experiments.ml1m --trials -1": "-1",
    "experiments.explicit_ml100k --dim 0": "dim: 0",
    "experiments.two_stage --pairs als:bpr,als": "pairs: 'als' is not retriever:reranker; choose both from random",
    "experiments.two_stage --pairs als:svd": "pairs: 'als:svd' is not retriever:reranker",
    "experiments.two_stage --candidates 0": "candidates: 0 is not a whole number",
    "experiments.two_stage --ties random": "ties",
    "experiments.ranking_losses --losses bpr,hinge": "models: 'hinge' is unknown; pass 'bpr', 'warp'",
    "experiments.ranking_losses --epochs 0": "epochs: 0",
    "experiments.benchmark --data inf": "data: inf is not a finite number",
    "experiments.benchmark --data 1e23": "data: 1e+23 is not",
    "experiments.benchmark --data 1234.5": "data: 1234.5 is not a whole number",
    "experiments.benchmark --data netflix": "data: 'netflix' is unknown",
    "experiments.benchmark --dims -1": "dims: -1 is not a whole number",
    "experiments.benchmark --tasks sweep,sleep": "tasks: 'sleep' is unknown",
    "experiments.benchmark --interactions {file}x": "interactions: {file}x is not a file",
    "experiments.benchmark.scale --devices 0": "devices: 0",
    "experiments.benchmark.scale --interactions 1e5,1e5": "interactions: 100000.0 is given twice",
    "experiments.benchmark.scale --size 1e12": "size: 1000000000000.0",
    "experiments.benchmark.roofline --data ml-20m": "data",
    "experiments.accelerator --budget 0": "budget: 0",
    "experiments.accelerator --sections all": "sections: 'all' is unknown",
    "experiments.cold_items --peers surprise": "peers: 'surprise' is unknown",
    "paper_repro --seeds 0": "seeds: 0 is not a whole number from 1",
    "paper_repro --data-dir {file}": "data_dir: {file} is not a folder",
}
"""Words -> what is said of them."""


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_refused_before_there_is_any_data(words, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("a file")
    said = refused(capsys, *words.format(file=file).split())
    # A box breaks a path wherever it ends.
    assert WRONG[words].format(file=file).replace(" ", "") in said.replace(" ", "")


def test_what_the_data_do_not_allow_is_one_line(folder, capsys):
    data = ("--data-dir", str(folder), "--no-compilation-cache")
    for command, words, told in (
        ("experiments.ml100k", ["--positives", "6"], "positives: no value is at least 6"),
        ("experiments.two_stage", ["--candidates", "99999999"], "candidates: 99999999 is more than the 30 items"),
    ):
        assert refused(capsys, command, *data, *words).startswith(f"{command}: {told}")


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        ("experiments.ml100k --out {out}", "matplotlib", "experiments"),
        ("experiments.ml100k --tune 2 --tune-method tpe --models ease", "optuna", "experiments,tune"),
        ("experiments.ml100k.search_als", "optuna", "experiments,tune"),
        ("experiments.ml1m", "optuna", "experiments,tune"),
        ("experiments.explicit_ml100k --peers", "surprise", "experiments,peers"),
        ("experiments.two_stage", "tqdm", "experiments"),
        ("experiments.two_stage --out {out}", "matplotlib", "experiments"),
        ("experiments.benchmark --out {out}", "matplotlib", "experiments"),
    ],
)
def test_a_missing_extra_is_named_with_the_line_that_installs_it(words, missing, extra, tmp_path, monkeypatch, capsys):
    there = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name == missing else there(name, *more))
    command, *rest = words.format(out=tmp_path).split()
    assert refused(capsys, command, *rest, *([] if "benchmark" in command else ["--no-compilation-cache"])) == (
        f'{command}: {missing} is not installed; python -m pip install "mfjax[{extra}]", or in a clone -e ".[{extra}]"'
    )


HELP = """
import contextlib, io, runpy, sys
for name in ("tqdm", "matplotlib", "optuna", "pandas", "polars", "implicit", "irspack", "surprise", "chex"):
    sys.modules[name] = None
for command in sys.argv[1:]:
    sys.argv = [command, "--help"]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_module(command, run_name="__main__", alter_sys=True)
    except SystemExit as stopped:
        print(command, stopped.code, f"usage: python -m {command}" in said.getvalue())
"""


@pytest.mark.slow
def test_help_of_every_command_needs_no_extra():
    commands = [*MODULES, *(f"paper_repro.t{number}" for number in (1, 2, 3, 4, 6))]
    done = subprocess.run(
        [sys.executable, "-c", HELP, *commands], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout.splitlines() == [f"{command} 0 True" for command in commands], done.stderr
