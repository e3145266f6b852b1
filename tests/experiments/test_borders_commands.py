"""Drawn texts for drawn options, and drawn files of options: options in range, or one line."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax.studies import option_checks, options
from tests.experiments.test_commands import COMMANDS, FIELDS, GOOD_MANIFEST, GOOD_ROW

often = settings(deadline=None, derandomize=True, database=None)

NUMBERS = st.one_of(
    st.integers(-3, 12),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([2**31 - 1, 2**31, 2**63, 10**400, 1e23, 1e-320, -0.0, 4.0, 0.5]),
)
WORDS = sorted({word for command in COMMANDS.values() for field in dataclasses.fields(command)
                for word in field.metadata["choices"] or ()})  # fmt: skip
WORD = st.one_of(
    NUMBERS.map(str),
    st.sampled_from(WORDS),
    st.sampled_from(
        ["als.reg=1", "als.dim=2,4", "bpr.reg=-1", "ease.reg=nan", "als:bpr", "als:als", "1e6", "/tmp", "a" * 5000]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
TEXT = st.one_of(WORD, st.lists(WORD, max_size=4).map(",".join))


def parsed(command: str, arguments: list[str]) -> options.Checked | None:
    """Return the options, or None where the command ends in one line."""
    try:
        return options.parse(COMMANDS[command], arguments, program=command)
    except SystemExit as stopped:
        assert isinstance(stopped.code, str)
        assert stopped.code.startswith("error: ")
        assert len(stopped.code.splitlines()) == 1
        return None


def in_range(value: typing.Any, hint: typing.Any, field: dataclasses.Field) -> bool:
    """Say in the plainest words whether an option may have a value."""
    element, many, optional = option_checks.kind(hint)
    if value is None:
        return optional
    rules, members = field.metadata, value if many else (value,)
    if many and (not isinstance(value, tuple) or len(set(value)) < len(value) or (not value and field.default != ())):
        return False
    for one in members:
        if rules["choices"] is not None:
            good = one in rules["choices"]
        elif element in (int, float):
            kinds = (int,) if element is int else (int, float)
            least, most = rules["least"], rules["most"]
            good = type(one) in kinds and math.isfinite(one)
            good = good and (least is None or one >= least) and (most is None or one <= most)
        else:
            good = isinstance(one, element) and one != ""
        if not good:
            return False
    return True


def all_in_range(found: options.Checked) -> bool:
    hints = typing.get_type_hints(type(found))
    return all(in_range(getattr(found, one.name), hints[one.name], one) for one in dataclasses.fields(found))


@settings(often, max_examples=800)
@given(option=st.sampled_from(FIELDS), text=TEXT)
def test_a_drawn_text_is_in_range_or_one_line(option, text):
    command, name = option
    found = parsed(command, [f"--{name.replace('_', '-')}={text}"])
    assert found is None or all_in_range(found)


@settings(often, max_examples=400)
@given(
    option=st.sampled_from(FIELDS),
    words=st.lists(st.one_of(TEXT, st.sampled_from(["--", "-x", "--seeds", "-" + "a" * 5000])), max_size=3),
)
def test_drawn_words_after_an_option_are_in_range_or_one_line(option, words):
    command, name = option
    found = parsed(command, [f"--{name.replace('_', '-')}", *words])
    assert found is None or all_in_range(found)


VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from(WORDS), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)
NAMES = [name for command, name in FIELDS if command == "experiments.ml100k"]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("config") / "results.json"


@settings(often, max_examples=300)
@given(chosen=st.dictionaries(st.sampled_from([*NAMES, "other"]), VALUE, max_size=3))
def test_drawn_options_of_a_results_file_are_in_range_or_one_line(path, chosen):
    path.write_text(json.dumps({"rows": [GOOD_ROW], "manifest": GOOD_MANIFEST | {"options": chosen}}))
    found = parsed("experiments.ml100k", ["--config", str(path)])
    assert found is None or all_in_range(found)


@settings(often, max_examples=300)
@given(document=st.dictionaries(st.sampled_from(["rows", "manifest", "schema"]), VALUE), parts=st.dictionaries(
    st.sampled_from(list(GOOD_MANIFEST)), VALUE, max_size=2), rows=st.lists(VALUE, max_size=2))  # fmt: skip
def test_a_drawn_results_file_is_read_or_one_line(path, document, parts, rows):
    for drawn in (document, {"rows": rows, "manifest": GOOD_MANIFEST | parts}):
        path.write_text(json.dumps(drawn))
        found = parsed("experiments.ml100k", ["--config", str(path)])
        assert found is None or all_in_range(found)


@settings(often, max_examples=700)
@given(option=st.sampled_from(FIELDS), value=st.one_of(VALUE, st.lists(VALUE, max_size=3).map(tuple), st.binary()))
def test_drawn_values_in_python_are_in_range_or_refused(option, value):
    command, name = option
    try:
        found = COMMANDS[command](**{name: value})
    except ValueError as error:
        assert name in str(error) or "pass" in str(error)
        return
    assert all_in_range(found)
