"""Fingerprints: equal things hash alike, in every process, and things that compute something else do not."""

import functools
import importlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mfjax import als, saving
from mfjax.als import objectives
from mfjax.saving import fingerprint
from mfjax.types import Vocabulary
from mfjax.vocabularies import TEXT

FACTOR = 2.0


@dataclass(frozen=True)
class Setting:
    reg: float
    of: object = None

    def score(self, x):
        return x * FACTOR

    @functools.cached_property
    def doubled(self):
        return 2 * self.reg


class Plain:
    def __init__(self, x):
        self.x = x


def scaled_by(k):
    return lambda values, counts: values * k


def uses_a_global(x):
    return x * FACTOR


def calls_another(x):
    return uses_a_global(x)


def forever(n):
    return forever(n - 1)


@jax.custom_jvp
def with_a_rule(x):
    return x


with_a_rule.defjvp(lambda primals, tangents: (primals[0], tangents[0]))

EQUAL = {
    "closures": lambda: scaled_by(1),
    "jitted": lambda: jax.jit(scaled_by(1)),
    "partials": lambda: jax.tree_util.Partial(scaled_by(1), 3),
    "configs": lambda: als.Config(dim=3, reg=0.1),
    "optimisers": lambda: optax.adam(0.1),
    "arrays": lambda: [np.arange(3), jnp.ones((2, 2)), jnp.bfloat16(2)],
    "texts": lambda: Vocabulary.of(["ann", "long " * 9, "a\0"]),
    "keys": lambda: jax.random.split(jax.random.key(3)),
    "generators": lambda: np.random.default_rng(0),
    "objects": lambda: Plain([1, {2, "b"}]),
    "methods": lambda: Setting(1.0).score,
    "recursive": lambda: forever,
    "rules": lambda: with_a_rule,
    "imported": lambda: (jnp.exp, np.add, len, str.upper, jax.nn.relu, os),
}


@pytest.mark.parametrize("name", EQUAL)
def test_what_is_made_alike_hashes_alike(name):
    assert fingerprint(EQUAL[name]()) == fingerprint(EQUAL[name]())


def test_another_process_with_other_addresses_and_hashes_agrees():
    script = (
        "from tests.saving.test_fingerprints import EQUAL, fingerprint\n"
        "print({name: fingerprint(make()) for name, make in EQUAL.items()})"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == str({name: fingerprint(make()) for name, make in EQUAL.items()})


def test_order_of_names_and_what_was_computed_lazily_do_not_count():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    one, other = Setting(1.0), Setting(1.0)
    assert one.doubled == 2.0
    assert fingerprint(one) == fingerprint(other)
    shared = np.arange(3)
    assert fingerprint([shared, shared]) == fingerprint([np.arange(3), np.arange(3)])


DIFFERENT = [
    (1, 1.0),
    (1, True),
    (0.0, -0.0),
    ([1], (1,)),
    ("ab", b"ab"),
    (["ab", "c"], ["a", "bc"]),
    ({"a": 1}, {"a": 2}),
    (np.zeros(2, np.float32), np.zeros(2, np.int32)),
    (np.zeros((2, 3)), np.zeros((3, 2))),
    (np.array([{}], object), np.array([{1}], object)),
    (np.array(["ab", "c"], TEXT), np.array(["a", "bc"], TEXT)),
    (np.array(["long " * 9, "a"], TEXT), np.array(["long " * 9, "b"], TEXT)),
    (jax.random.key(0), jax.random.key(1)),
    (jax.random.key(0, impl="rbg"), jax.random.key(0, impl="unsafe_rbg")),
    (als.Config(dim=3), als.Config(dim=4)),
    (als.Config(dim=3), replace(als.Config(dim=3), solver="cholesky")),
    (objectives.explicit(), objectives.ials()),
    (optax.adam(0.1), optax.adam(0.2)),
    (scaled_by(1), scaled_by(2)),
    (jax.jit(scaled_by(1)), jax.jit(scaled_by(2))),
    (jax.vmap(scaled_by(1)), jax.vmap(scaled_by(2))),
    (functools.partial(scaled_by(1), 1), functools.partial(scaled_by(1), 2)),
    (lambda x: x + 1, lambda x: x + 2),
    (lambda x: x + 1, lambda x: x - 1),
    (lambda x: jnp.exp(x), lambda x: jnp.log(x)),
    (lambda x, k=1: x, lambda x, k=2: x),
    (lambda x, *, k=1: x, lambda x, *, k=2: x),
    (lambda x: (lambda y: x + y)(1), lambda x: (lambda y: x - y)(1)),
    (jnp.exp, jnp.sin),
    (np.add, np.subtract),
    (len, max),
    (Plain(1), Plain(2)),
    (Setting(1.0).score, Setting(2.0).score),
    (Setting(1.0, scaled_by(1)), Setting(1.0, scaled_by(2))),
    (np.random.default_rng(0), np.random.default_rng(1)),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=range(len(DIFFERENT)))
def test_what_differs_hashes_apart(one, other):
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("made_of", [uses_a_global, calls_another, Setting(1.0), lambda x: calls_another(x)])
def test_globals_count_however_far_away(made_of, monkeypatch):
    before = fingerprint(made_of)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3.0)
    assert fingerprint(made_of) != before


def test_modules_of_the_user_count_by_what_is_used_of_them(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "module_of_a_user.py"
    path.write_text("def used(x):\n    return x + 1\n\ndef other(x):\n    return x\n")
    module = importlib.import_module("module_of_a_user")
    monkeypatch.setitem(globals(), "module_of_a_user", module)
    made_of = lambda x: module_of_a_user.used(x)  # noqa: E731, F821
    found = {fingerprint(made_of)}
    module.other = 3
    found.add(fingerprint(made_of))
    assert len(found) == 1
    module.used = lambda x: x + 2
    found.add(fingerprint(made_of))
    assert len(found) == 2
    del sys.modules["module_of_a_user"]


def too_deep():
    deep = []
    for _ in range(5000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    ("made_of", "message"),
    [
        (threading.Lock(), "holds a lock, which can not be told from another"),
        ({"a": [(x for x in "ab")]}, "holds a generator"),
        (too_deep(), "is nested too deeply"),
    ],
)
def test_what_can_not_be_told_apart_is_refused(made_of, message):
    with pytest.raises(ValueError, match=f"made_of: {message}"):
        fingerprint(made_of)


def test_traced_values_are_refused():
    with pytest.raises(ValueError, match="made_of: holds a traced value"):
        jax.jit(lambda x: fingerprint(x))(1.0)


def test_the_version_says_the_code():
    found = saving.version()
    assert set(found) == {"mfjax", "jax"}
    assert found["jax"] == jax.__version__
    assert found["mfjax"].startswith("0.")


class Pair(NamedTuple):
    """A class with class methods of its own."""

    one: int
    other: float = FACTOR


def test_what_refers_to_a_class_with_class_methods_is_told_apart():
    def of(number):
        return fingerprint(lambda x: Pair(x, number))

    assert of(1) == of(1) != of(2)
