"""Every command line in the documents is one that its command takes, whatever the files hold."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from mfjax.__main__ import COMMANDS
from mfjax.studies import command_line, options
from tests.experiments.test_commands import MODULES

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "paper_repro" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(rf"mfjax (?:{'|'.join(COMMANDS)}) \S|python -m (?:experiments|paper_repro)")
"""The name of a subcommand alone is no command line."""


def lines(text: str) -> list[str]:
    """Return the command lines of a page: those of its blocks, and those between backticks."""
    parts = re.split(r"^```.*\n", text.replace("\\\n", " "), flags=re.MULTILINE)  # text and blocks in turn
    rest = "\n".join(parts[::2])
    indented = re.findall(r"^ {4}(.*)", rest, re.MULTILINE)
    of_blocks = [line for block in parts[1::2] for line in block.splitlines()]
    in_text = [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", rest)]
    found = [part.strip() for line in [*of_blocks, *indented] for part in line.split("&&")] + in_text
    return [line for line in found if COMMAND.match(line)]


FOUND = [
    pytest.param(line, id=f"{page.relative_to(ROOT)}:{line[:60]}")
    for page in PAGES
    if "reference" not in page.parts
    for line in lines(page.read_text())
]


def options_of(program: str) -> type:
    """Return the class of options of a command."""
    if program.startswith("mfjax"):
        module, _, name = COMMANDS[program.split()[1]][0].partition(":")
    else:
        module, name = MODULES["paper_repro" if program.startswith("paper_repro") else program], "Options"
    return getattr(importlib.import_module(module), name)


# What --help gives as an example.
for program in [*MODULES, *(f"mfjax {name}" for name in COMMANDS)]:
    for told in re.findall(r"Example: (.*)", options_of(program).__doc__ or ""):
        FOUND.append(pytest.param(told, id=f"{program} --help"))


@pytest.mark.parametrize("line", FOUND)
def test_a_documented_command_line_is_taken(line, monkeypatch):
    words = shlex.split(line, comments=True)
    start = 2 if words[0] == "mfjax" else 3
    program, rest = " ".join(words[:2]) if words[0] == "mfjax" else words[2], words[start:]
    # The files of an example are the reader's own.
    monkeypatch.setattr(options, "_check_place", lambda *_: None)
    if "--config" in rest:
        at = rest.index("--config")
        rest = rest[:at] + rest[at + 2 :]
        rest = ["DATA", *rest] if words[0] == "mfjax" else rest
    read = command_line.parse(options_of(program), rest, program=program)
    if hasattr(read, "models") and hasattr(read, "catalogue_of_models"):
        assert set(read.models) <= set(read.catalogue_of_models)


def test_there_are_such_lines():
    assert len(FOUND) > 40
