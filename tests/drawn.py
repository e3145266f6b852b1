"""Drawn arguments, right ones and wrong ones, and what is right about them."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.borders import REFUSED, answer


def drawn(*strategies, examples=100, **named):
    """Return the decorator of a test of `examples` drawn arguments."""
    setting = settings(deadline=None, derandomize=True, database=None, max_examples=examples)
    return lambda test: setting(given(*strategies, **named)(test))


def refused(call):
    """Return whether the call was refused in our words, and what it gave if not; other exceptions go on."""
    found = answer(call)
    return found is REFUSED, found


def refused_when_traced(call):
    """Return whether the call is refused, without computing anything: what it closes over is seen all the same."""
    return refused(lambda: jax.eval_shape(call))[0]


KINDS = st.sampled_from([list, np.asarray, jnp.asarray])
WRONG = st.sampled_from([None, "3", object(), {}, 1j, [[1], [1, 2]], "abc", lambda x: x])
FLOATS = st.one_of(
    st.floats(width=32),
    st.floats(-4, 4, width=32),
    st.sampled_from([0.0, -0.0, 1.0, 1e-42, 1e30, -1e-42, math.nan, math.inf, -math.inf]),
)
NUMBERS = st.one_of(
    st.tuples(FLOATS, st.sampled_from([float, np.float32, np.float64, jnp.float32, np.asarray])).map(
        lambda pair: pair[1](pair[0])
    ),
    st.integers(-3, 9),
    WRONG,
    st.booleans(),
)
WHOLES = st.one_of(
    st.integers(-2, 4),
    st.integers(-2, 4).map(np.int64),
    st.sampled_from([2**31, -(2**70), 2.0, 1.5, math.nan, True, "2", None, [2], np.float32(3)]),
)


def is_number(value) -> bool:
    kind = getattr(value, "dtype", None)
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (plain or (kind is not None and kind.kind in "iuf")) and np.isfinite(float(value))


def is_whole(value, least=1, most=2**31 - 1) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and least <= value <= most


def an_ids(size, ids):
    """Return a strategy of (ids as passed, ids as plain numbers or None where they are not ids of a table)."""
    inside = st.lists(st.integers(0, ids - 1), min_size=size, max_size=size)
    anything = st.lists(st.integers(-3, ids + 3), min_size=size, max_size=size)
    huge = st.lists(st.sampled_from([0, 2**31, 2**32, -(2**31)]), min_size=size, max_size=size).map(np.int64)
    whole = st.tuples(st.one_of(inside, inside, anything), KINDS).map(lambda pair: pair[1](pair[0]))
    others = st.sampled_from(
        [np.zeros(size), jnp.zeros(size), np.zeros(size, bool), [True] * size, np.array(["0"] * size), None, "ids"]
    )

    def judged(value):
        array = np.asarray(value) if not isinstance(value, str) and value is not None else np.zeros(0, object)
        good = array.dtype.kind in "iu" and array.shape == (size,) and ((array >= 0) & (array < ids)).all()
        return value, array.tolist() if good else None

    return st.one_of(whole, whole, huge, others).map(judged)
