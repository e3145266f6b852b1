"""Readers x kinds: a drawn table, written in every form, is read as it was, or refused with the place of the row."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from mfjax.data.reading.repeats import DUPLICATES
from tests.borders import ours
from tests.data.drawn_tables import EVENTS, nanoseconds, tables
from tests.data.forms import forms
from tests.data.text_forms import DIALECTS, text_file
from tests.drawn import drawn
from tests.reference import merged_rows

FACTORS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def expected(table, rule):
    """Return the rows that a table has after its repeats are merged, or None where they are refused."""
    columns, kinds = table.columns, table.kinds
    pairs = list(zip(columns["user"], columns["item"], strict=True))
    times = [nanoseconds(cell, kinds["timestamp"]) for cell in columns.get("timestamp", [])] or None
    values = columns.get("value", [1.0] * len(table))
    if kinds["value"] == "events":
        values = [EVENTS[event] for event in values]
    merged = merged_rows(pairs, values, times, columns.get("weight"), rule)
    if merged is None:
        return None
    return [(*pairs[row], value, None if times is None else times[row], weight) for row, value, weight in merged]


def observed(pairs):
    users, items = pairs.users.tolist(), pairs.items.tolist()
    if pairs.user_vocabulary is not None:
        users, items = pairs.user_vocabulary.raw[users].tolist(), pairs.item_vocabulary.raw[items].tolist()
    empty = [None] * len(pairs)
    times = (
        empty if pairs.timestamps is None else [time * FACTORS[pairs.time_unit] for time in pairs.timestamps.tolist()]
    )
    weights = empty if pairs.weights is None else pairs.weights.tolist()
    return list(zip(users, items, pairs.values.tolist(), times, weights, strict=True))


def assert_right(found, table, rule, form):
    right = expected(table, rule)
    if isinstance(found, ValueError):
        assert right is None, found
        assert "repeats the pair of" in str(found)
        return
    assert right is not None
    got = observed(found)
    assert [row[:2] + row[3:4] for row in got] == [row[:2] + row[3:4] for row in right]
    for place in (2, 4):
        if right[0][place] is not None or got[0][place] is not None:
            np.testing.assert_allclose([row[place] for row in got], [row[place] for row in right], rtol=1e-6)


def options(table, rule):
    return {"duplicates": rule} | ({"values": EVENTS} if table.kinds["value"] == "events" else {})


def in_text(table, dialect, rule):
    with tempfile.TemporaryDirectory() as folder:
        form = text_file(table, dialect, Path(folder))
        if form is not None:
            assert_right(ours(lambda: form.read(**options(table, rule))), table, rule, form)


def in_every_form(table, rule):
    with tempfile.TemporaryDirectory() as folder:
        for name, form in forms(table, Path(folder)):
            try:
                assert_right(ours(lambda form=form: form.read(**options(table, rule))), table, rule, form)
            except Exception as error:
                error.add_note(name)
                raise


RULES = st.sampled_from(DUPLICATES)
UNTYPED = {"users": ("int64", "uint64", "text", "digits"), "items": ("int64", "uint64", "text", "digits")}
SMALL = {"users": ("small",), "items": ("small",), "timed": False}


@drawn(tables(**UNTYPED), DIALECTS, RULES, examples=90)
def test_text_files(table, dialect, rule):
    in_text(table, dialect, rule)


@drawn(st.one_of(tables(), tables(**SMALL)), RULES, examples=10)
def test_typed_files_frames_and_arrays(table, rule):
    in_every_form(table, rule)


@drawn(tables(**UNTYPED, events=True), DIALECTS, RULES, examples=50)
def test_events_in_text_files(table, dialect, rule):
    in_text(table, dialect, rule)


@drawn(tables(events=True), RULES, examples=4)
def test_events_in_every_form(table, rule):
    in_every_form(table, rule)


@pytest.mark.slow
@pytest.mark.timeout(900)
@drawn(tables(**UNTYPED), DIALECTS, RULES, examples=400)
def test_more_text_files(table, dialect, rule):
    in_text(table, dialect, rule)


@pytest.mark.slow
@pytest.mark.timeout(900)
@drawn(st.one_of(tables(), tables(**SMALL)), RULES, examples=40)
def test_more_typed_files_frames_and_arrays(table, rule):
    in_every_form(table, rule)


@st.composite
def with_a_missing_cell(draw, **options):
    """Return a table with one cell missing, its row and its part."""
    table = draw(tables(**options))
    part = draw(st.sampled_from(sorted(table.columns)))
    row = draw(st.integers(0, len(table) - 1))
    cells = list(table.columns[part])
    cells[row] = None
    return replace(table, columns=table.columns | {part: cells}), row, part


def assert_refused(found, form, row):
    assert isinstance(found, ValueError), found
    assert form.place(row) in str(found), (form.place(row), str(found))


@drawn(with_a_missing_cell(**UNTYPED), DIALECTS, examples=40)
def test_a_missing_cell_of_a_text_file_is_named(missing, dialect):
    table, row, _ = missing
    with tempfile.TemporaryDirectory() as folder:
        form = text_file(table, dialect, Path(folder))
        if form is not None:
            assert_refused(ours(lambda: form.read(duplicates="last")), form, row)


@drawn(with_a_missing_cell(), examples=10)
def test_a_missing_cell_of_any_other_form_is_named(missing):
    table, row, part = missing
    with tempfile.TemporaryDirectory() as folder:
        for name, form in forms(table, Path(folder)):
            try:
                assert_refused(ours(lambda form=form: form.read(duplicates="last")), form, row)
            except Exception as error:
                error.add_note(f"{name}, {part}")
                raise
