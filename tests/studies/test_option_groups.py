"""mfjax.studies.option_groups: --help shows options in groups, and whoever reads them sees them as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Annotated, ClassVar

import pytest
import tyro

from experiments.ml1m.study import Options as MovieLens
from mfjax.reports.command import Study
from mfjax.studies import command_line
from mfjax.studies.option_groups import grouped
from mfjax.studies.options import MOST, Checked, Within


@dataclass(frozen=True)
class Text:
    """A dataclass of options that has a prefix."""

    skip: int = 0
    """Lines to leave out."""


@dataclass(frozen=True)
class Split(Checked):
    """What is hidden."""

    group: ClassVar[str] = "split"

    test: Annotated[int, tyro.conf.arg(metavar="ROWS"), Within(1, MOST)] = 1
    """Rows to hide."""


@dataclass(frozen=True)
class Base(Split):
    """A command."""

    name: str = "base"
    """A name."""
    text: Text = field(default_factory=Text)


@dataclass(frozen=True)
class Preset(Base):
    """A command with another default."""

    name: str = "preset"
    test: int = 5
    """Rows of each user to hide."""


def help_of(options, capsys, monkeypatch) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        command_line.parse(options, ["--help"], program="made.up")
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


@pytest.mark.parametrize("options", [Base, Preset, Study, MovieLens])
def test_every_option_is_read_once_and_comes_back(options):
    found = grouped(options)
    given = {one.name: object() for one in fields(options)}
    inside = found.nested(type("Values", (), given)())
    assert found.flat(inside) == given


def test_groups_have_titles_and_texts(capsys, monkeypatch):
    told = help_of(Base, capsys, monkeypatch)
    assert "split options" in told and "What is hidden." in told
    assert told.rindex("--name") < told.index("split options") < told.rindex("--test")


def test_a_preset_keeps_the_metavar_and_says_its_own_default_and_text(capsys, monkeypatch):
    told = help_of(Preset, capsys, monkeypatch)
    assert re.search(r"--test ROWS\s+Rows of each user to hide. \(default: 5\)", told)
    assert command_line.parse(Preset, [], program="made.up") == Preset()
    with pytest.raises(ValueError, match="test: 0 is not a whole number from 1"):
        command_line.parse(Preset, ["--test", "0"], program="made.up")


def test_options_of_groups_and_of_prefixes_are_read():
    found = command_line.parse(Base, ["--test", "3", "--name", "x", "--text.skip", "2"], program="made.up")
    assert found == Base(name="x", test=3, text=Text(2))


@pytest.mark.parametrize("title", ["reading", "rows", "split", "model", "tuning", "measure", "run"])
def test_a_study_has_groups(title, capsys, monkeypatch):
    assert f"{title} options" in help_of(Study, capsys, monkeypatch)


def test_every_option_says_what_goes_there(capsys, monkeypatch):
    told = help_of(MovieLens, capsys, monkeypatch)
    assert "--test ROWS|SHARE" in told  # of the study
    assert "--trials TRIALS" in told and "--out FOLDER" in told  # said nowhere
