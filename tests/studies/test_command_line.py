"""mfjax.studies.command_line: options in range, or a refusal that names them, from words, from Python, from a file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import tyro
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax import files
from mfjax.studies import command_line
from mfjax.studies.options import MOST, Checked, OneOf, Place, Within, Words, kinds

PROGRAM = "made.up"


@dataclass(frozen=True)
class Options(Checked):
    """Made up."""

    seeds: Annotated[int, Within(1, 9)] = 3
    """Number of seeds."""
    count: int = 4
    """A number without a range."""
    share: Annotated[float, Within(0, 1)] = 0.5
    """A share."""
    size: Annotated[float, Within(100, 1e9, whole=True)] = 1e3
    """A number such as 1e6."""
    cores: Annotated[int | None, Within(1, 256)] = None
    """Cores; None for all."""
    k: Annotated[tuple[int, ...], Within(1, 100), tyro.conf.arg(aliases=("--lengths",))] = (10,)
    """Lengths."""
    rule: Literal["first", "last"] = "first"
    """A rule."""
    parts: Annotated[tuple[str, ...], OneOf(("left", "right"))] = ("left", "right")
    """Parts."""
    names: tuple[str, ...] = ()
    """Any texts."""
    sweep: Annotated[tuple[str, ...], Words()] = ()
    """Texts with commas of their own."""
    file: Annotated[Path | None, Place("file")] = None
    """A file."""
    folder: Annotated[Path | None, Place("folder")] = None
    """A folder."""
    out: Annotated[Path | None, Place("output", ("results.json",))] = None
    """A folder to write to."""
    progress: bool = True
    """A switch."""

    def agree(self) -> None:
        """Refuse what does not go together."""
        if self.cores == 7 and self.seeds == 7:
            raise ValueError("cores: 7 and seeds: 7 do not go together")

    def run(self) -> None:
        """Print the seeds."""
        command_line.begin(self)
        if self.names == ("none",):
            raise ValueError("names: nobody\n  is there")
        print(f"{self.seeds} seeds")


def parse(*words: str, options: type = Options) -> Any:
    return command_line.parse(options, words, program=PROGRAM)


def refused(capsys, *words: str, options: type = Options) -> str:
    """Return what a command says of words that it does not take, on one line."""
    try:
        code = command_line.main(options, words, program=PROGRAM)
    except SystemExit as stopped:
        code = stopped.code
    said = capsys.readouterr()
    assert (code, said.out) == (2, ""), words
    return " ".join(said.err.replace("│", " ").split())


def test_words_are_options(tmp_path):
    (tmp_path / "a").write_text("")
    assert parse() == Options()
    found = parse("--seeds=4", "--size", "1e6", "--cores", "2", "--rule", "last", "--no-progress", "--share", "1")
    assert found == Options(seeds=4, size=1e6, cores=2, rule="last", progress=False, share=1.0)
    assert parse("--file", str(tmp_path / "a"), "--folder", str(tmp_path)) == Options(
        file=tmp_path / "a", folder=tmp_path
    )


def test_tuples_are_given_with_commas_or_blanks():
    wanted = Options(k=(5, 10), names=("a", "b"))
    for words in ("--k 5,10 --names a,b", "--k 5 10 --names a b", "--k=5,10 --names=a,b", "--lengths 5,10 --names a,b"):
        assert parse(*words.split()) == wanted
    assert parse("--sweep", "a.b=1,2", "c.d=3").sweep == ("a.b=1,2", "c.d=3")


WRONG_WORDS = {
    "seeds": ("", "nan", "two", "1.5", "1e0", "0", "10", "9" * 30),
    "count": (str(MOST + 1), "-1000001"),
    "share": ("", "x", "nan", "inf", "-0.1", "1.1", "1e400"),
    "size": ("99", "100.5", "1e23", "inf"),
    "cores": ("0", "257", "all"),
    "k": ("", "0", "5,", "5,,5", "5,x", "5,5", "101"),
    "rule": ("", "First", "best"),
    "parts": ("", "up", "left,up", "left,left", "LEFT"),
    "names": ("", " ", "a,", "a,a"),
    "sweep": ("", " "),
    "file": ("", "{empty}", "{empty}/no", "{file}/below"),
    "folder": ("{file}", "{empty}/no"),
    "out": ("{file}", "{file}/below", "/dev/null", "{taken}"),
}


@pytest.mark.parametrize("name", WRONG_WORDS)
def test_a_wrong_word_is_refused_by_name(name, tmp_path, capsys):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken" / "results.json").mkdir(parents=True)
    places = {each: tmp_path / each for each in ("file", "empty", "taken")}
    for text in WRONG_WORDS[name]:
        said = refused(capsys, f"--{name}={text.format(**places)}")
        assert name in said, text
        assert "Traceback" not in said


def test_what_does_not_go_together_is_refused(capsys):
    assert "cores: 7 and seeds: 7 do not go together" in refused(capsys, "--cores", "7", "--seeds", "7")
    assert "--seed" in refused(capsys, "--seed", "2")
    assert refused(capsys, "--names", "none") == "made.up: names: nobody is there"


WRONG_VALUES = {
    "seeds": (True, 1.0, "1", None, 2**63, (1,), float("nan")),
    "share": (True, "1", None, float("inf"), 10**400, 1j),
    "cores": (True, 1.5, 0),
    "k": (5, [5], (), None, (True,), (1.5,), (0,), (5, 5)),
    "rule": (None, "best", 3, b"first"),
    "parts": ("left", ("left", None), ()),
    "names": ("a", ("",), (3,)),
    "file": (0, "", "file", True),
    "progress": (0, 1, None, "true"),
}


@pytest.mark.parametrize("name", WRONG_VALUES)
def test_options_made_in_python_are_checked_too(name):
    for value in WRONG_VALUES[name]:
        with pytest.raises(ValueError, match=f"^{name}: "):
            Options(**{name: value})


def test_a_class_with_another_default_keeps_the_range_of_its_base(capsys):
    @dataclass(frozen=True)
    class Other(Options):
        """Others."""

        seeds: int = 5
        """More seeds."""
        parts: tuple[str, ...] = ("left",)
        """Fewer parts."""

    assert parse(options=Other).seeds == 5
    assert "seeds: 10 is not a whole number from 1 to 9" in refused(capsys, "--seeds", "10", options=Other)
    assert "parts: 'up' is unknown" in refused(capsys, "--parts", "up", options=Other)
    assert list(kinds(Other)) == list(kinds(Options))


def test_help_lists_every_option(capsys):
    with pytest.raises(SystemExit) as stopped:
        parse("--help")
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert printed.count("(default:") == len(fields(Options))
    assert all(f"--{field.name}" in printed for field in fields(Options))


def test_options_of_a_file_give_way_to_the_words(tmp_path):
    (tmp_path / "a.toml").write_text("seeds = 8\nk = [1, 2]\nprogress = false\n")
    assert parse("--config", str(tmp_path / "a.toml"), "--seeds", "2") == Options(seeds=2, k=(1, 2), progress=False)
    document = {"manifest": {"command": PROGRAM, "options": {"seeds": 4, "parts": ["right"]}}}
    (tmp_path / "results.json").write_text(json.dumps(document))
    assert parse(f"--config={tmp_path / 'results.json'}") == Options(seeds=4, parts=("right",))


@pytest.mark.parametrize(
    "text",
    [
        "seeds = 0", "seeds = '2'", "seeds = nan", "k = []", "k = [[1]]", "k = [0]", "rule = 'best'", "file = 3",
        "nothing = 3", "size = 1e23", "seeds =", "\0", "[" * 10_000,
    ],
)  # fmt: skip
def test_a_wrong_file_of_options_is_refused(text, tmp_path, capsys):
    (tmp_path / "a.toml").write_text(text)
    said = refused(capsys, "--config", str(tmp_path / "a.toml"))
    assert said.startswith("made.up: ")
    assert text.partition(" ")[0] in said or "config" in said


@pytest.mark.parametrize(
    "inside",
    [
        [], None, 3, {}, {"manifest": []}, {"manifest": {}}, {"manifest": {"command": PROGRAM, "options": []}},
        {"manifest": {"command": "another", "options": {}}},
        {"manifest": {"command": PROGRAM, "options": {"seeds": 10**400}}},
        {"manifest": {"command": PROGRAM, "options": {"nothing": 3}}},
    ],
)  # fmt: skip
def test_results_of_wrong_inside_are_refused(inside, tmp_path, capsys):
    (tmp_path / "results.json").write_text(json.dumps(inside))
    assert refused(capsys, "--config", str(tmp_path / "results.json")).startswith("made.up: ")


def test_a_missing_extra_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "optuna" else name)
    line = r'^optuna is not installed; python -m pip install "mfjax\[experiments,tune\]", or in a clone '
    with pytest.raises(ValueError, match=line):
        command_line.begin(Options(), "tqdm", "optuna")


def test_the_folder_is_tried_before_anything_runs(tmp_path, monkeypatch, capsys):
    command_line.begin(Options(out=tmp_path / "new" / "folder"))
    assert list((tmp_path / "new" / "folder").iterdir()) == []

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", full)
    assert "can not be written to (No space left on device)" in refused(capsys, "--out", str(tmp_path / "new"))


often = settings(deadline=None, derandomize=True, database=None)
NUMBERS = st.one_of(
    st.integers(-3, 12),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([2**31 - 1, 2**63, 10**400, 1e23, 1e-320, -0.0, 0.5]),
)
WORD = st.one_of(
    NUMBERS.map(str),
    st.sampled_from(["first", "left", "right", "/tmp", "a" * 5000, "--", "-x", "--seeds", "None", "True"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from(["first", "left", "1", ""]), st.binary(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=4,
)
NAMES = st.sampled_from([field.name for field in fields(Options)])


def in_range(found: Options) -> bool:
    """Say in the plainest words whether options may be so."""
    whole = [found.seeds, found.count, *([] if found.cores is None else [found.cores]), *found.k]
    texts = (*found.parts, *found.names, *found.sweep, found.rule)
    return (
        all(type(one) is int for one in whole)
        and 1 <= found.seeds <= 9
        and abs(found.count) <= MOST
        and (found.cores is None or 1 <= found.cores <= 256)
        and 0 <= found.share <= 1
        and 100 <= found.size <= 1e9
        and math.isfinite(found.size)
        and found.size == int(found.size)
        and len(set(found.k)) == len(found.k) > 0
        and all(1 <= one <= 100 for one in found.k)
        and found.rule in ("first", "last")
        and set(found.parts) <= {"left", "right"}
        and len(set(found.parts)) == len(found.parts) > 0
        and all(isinstance(one, str) and one.strip() for one in texts)
        and all(one is None or isinstance(one, Path) for one in (found.file, found.folder, found.out))
        and type(found.progress) is bool
    )


@settings(often, max_examples=60)
@given(name=NAMES, words=st.lists(WORD, max_size=3), commas=st.booleans())
def test_drawn_words_are_in_range_or_refused(name, words, commas):
    try:
        found = parse(*([f"--{name}=" + ",".join(words)] if commas else [f"--{name}", *words]))
    except (ValueError, SystemExit) as stopped:
        assert not isinstance(stopped, SystemExit) or stopped.code in (0, 2)
        return
    assert in_range(found)


@settings(often, max_examples=200)
@given(name=NAMES, value=st.one_of(VALUE, st.lists(VALUE, max_size=3).map(tuple)))
def test_drawn_values_are_in_range_or_refused(name, value):
    try:
        found = Options(**{name: value})
    except ValueError as error:
        assert str(error).startswith(f"{name}: ")
        return
    assert in_range(found)


@settings(often, max_examples=80)
@given(chosen=st.dictionaries(st.one_of(NAMES, st.just("other")), VALUE, max_size=3))
def test_drawn_options_of_a_file_are_in_range_or_refused(tmp_path_factory, chosen):
    path = tmp_path_factory.getbasetemp() / "drawn.json"
    document = {"manifest": {"command": PROGRAM, "options": chosen}}
    path.write_text(json.dumps(document, default=repr))
    try:
        found = parse("--config", str(path))
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert in_range(found)
