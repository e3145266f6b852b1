"""The command `mfjax`: help at once, exit codes, one line for what is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mfjax.__main__ import COMMANDS, main


def test_help_brings_no_jax():
    program = "import sys; from mfjax.__main__ import main; main(['--help']); print({'jax', 'numpy'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert found.endswith("set()\n")
    assert all(f"\n  {name} " in found for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: mfjax {name}" in capsys.readouterr().out


def test_no_command(capsys):
    assert main([]) == 2
    assert main(["dota"]) == 2
    assert capsys.readouterr().err == f"mfjax: 'dota' is no command; they are {', '.join(COMMANDS)}\n"


def test_data(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("who;what;event\n7;a;view\n8;b;buy\n")
    assert (
        main(
            ["data", str(path), "--user", "who", "--item", "1", "--value", "event", "--values", "view", "1", "buy", "5"]
        )
        == 0
    )
    told = capsys.readouterr().out
    assert "who: user, such as '7', '8'" in told
    assert "values      1 to 5, 2 different" in told
    assert "    item=1,\n" in told
    assert main(["data", str(path), "--separator", ",", "--header", "False", "--user", "0", "--item", "0"]) == 0
    assert "separator ',', no header line" in capsys.readouterr().out


def test_what_is_wrong_is_one_line(tmp_path, capsys):
    for arguments, message in (
        ([str(tmp_path / "none.csv")], f"mfjax: source: {tmp_path}/none.csv is not there; pass"),
        ([str(tmp_path), "--name", "ml-3m"], "mfjax: name: 'ml-3m' is unknown"),
    ):
        assert main(["data", *arguments]) == 2
        told = capsys.readouterr().err
        assert told.startswith(message)
        assert told.count("\n") == 1


def test_unknown_options_end_in_exit_code_2(tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["data", str(tmp_path), "--users", "7"])
    assert ended.value.code == 2


def test_options_that_make_no_sense_are_named(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["data", str(tmp_path), "--skip-lines", "-1"])
    assert ended.value.code == 2
    assert "skip_lines: -1" in capsys.readouterr().err


@pytest.mark.slow
def test_the_module_and_its_exit_code(tmp_path):
    command = [sys.executable, "-m", "mfjax", "data", str(tmp_path / "none.csv")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
