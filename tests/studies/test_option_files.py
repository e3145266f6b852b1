"""mfjax.studies.option_files: TOML and manifests to options, and back; what is wrong is one line with the file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import tyro

from mfjax.studies import option_files


@dataclass(frozen=True)
class Inner:
    separator: str | None = None
    skip_lines: int = 0


@dataclass(frozen=True)
class Options:
    path: str
    seeds: int = 1
    share: float = 0.2
    positives: float | None = None
    rule: Literal["first", "last"] = "first"
    models: tuple[str, ...] = ("ease",)
    k: tuple[int, ...] = (10,)
    values: dict[str, float] | None = None
    compare: bool = True
    out: Path | None = None
    config: Path | None = None
    text: Inner = field(default_factory=Inner)


def read(tmp_path: Path, text: str, name: str = "options.toml") -> Options:
    path = tmp_path / name
    path.write_text(text)
    return option_files.read(path, Options, "mfjax study")


def test_options_of_a_file(tmp_path):
    found = read(
        tmp_path,
        'path = "a.csv"\nseeds = 8\nshare = 1\npositives = 4\nrule = "last"\nmodels = ["ials", "ease"]\nk = [5, 20]\n'
        'compare = false\nout = "here"\nskip-lines = 3\nvalues = {view = 1, buy = 5.5}\n',
    )
    assert found == Options(
        "a.csv", 8, 1.0, 4.0, "last", ("ials", "ease"), (5, 20), {"view": 1.0, "buy": 5.5}, False, Path("here"),
        None, Inner(skip_lines=3),
    )  # fmt: skip
    assert type(found.share) is float


def test_what_a_file_does_not_say_is_left_to_the_command_line(tmp_path):
    found = read(tmp_path, "seeds = 3")
    assert found.path is tyro.MISSING
    assert tyro.cli(Options, args=["--path", "b.csv"], default=found).seeds == 3


def test_a_table_for_nested_options(tmp_path):
    assert read(tmp_path, '[text]\nseparator = ";"').text == Inner(";")


def test_the_manifest_of_a_run_gives_its_options_back(tmp_path):
    wanted = Options("a.csv", k=(1, 2), values={"view": 2.0}, text=Inner("\t"), positives=3.5)
    options = {name: value for name, value in asdict(wanted).items() if name not in ("config", "out")}
    document = {"manifest": {"command": "mfjax study", "options": options}, "rows": []}
    assert read(tmp_path, json.dumps(document), "results.json") == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seeds = '8'", "seeds: invalid type ('8' is no int)"),
        ("seeds = 1.5", "seeds: invalid type (1.5 is no int)"),
        ("seeds = true", "seeds: invalid type (True is no int)"),
        ("share = 'x'", "share: invalid type ('x' is no float)"),
        ("compare = 1", "compare: invalid type (1 is no bool)"),
        ("path = 3", "path: invalid type (3 is no str)"),
        ("positives = 'x'", "positives: "),
        ("rule = 'best'", "rule: invalid value (best not in literal of ['first', 'last'])"),
        ("models = 'ease'", "models: 'ease' is one; write a list, such as ['ease']"),
        ("models = 3", "models: "),
        ("k = [1, 'x']", "k: "),
        ("values = {a = 'x'}", "values: "),
        ("out = 5", "out: "),
        ("seed = 8", "'seed' is unknown; choose from path, seeds"),
        ("config = 'a.toml'", "'config' is unknown"),
        ("skip_lines = 1\nskip-lines = 2", "names an option twice"),
        ("[text]\nseparators = 3", "'separators' is unknown; choose from separator, skip_lines"),
        ("text = 3", "text: "),
        ("seeds = ", "Invalid value"),
        ("seeds", "pass a .toml or a results.json"),
        ("seeds = \x00", "pass a .toml or a results.json"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(tmp_path, text, told):
    with pytest.raises(ValueError) as error:
        read(tmp_path, text)
    assert told in str(error.value)
    assert str(error.value).startswith(f"config: {tmp_path / 'options.toml'}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"manifest": {"command": "mfjax fit", "options": {}}}, "is of 'mfjax fit'; pass one that mfjax study wrote"),
        ({"manifest": {"command": "mfjax study"}}, "has no manifest with options"),
        ({"rows": []}, "has no manifest with options"),
        ([1], "has no manifest with options"),
        ({"manifest": {"command": "mfjax study", "options": {"dota": 2}}}, "'dota' is unknown"),
    ],
)
def test_other_results_are_refused(tmp_path, document, told):
    with pytest.raises(ValueError, match=told):
        read(tmp_path, json.dumps(document), "results.json")


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(ValueError, match="is not a file; pass a"):
        option_files.read(tmp_path, Options, "mfjax study")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ValueError, match="pass a"):
        option_files.read(tmp_path / "a.json", Options, "mfjax study")
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="pass a"):
        option_files.read(tmp_path / "a.toml", Options, "mfjax study")
