"""Files of every kind with a right checksum and wrong insides, and drawn trees, arrays and searches."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
import re
import struct
from dataclasses import replace

import hypothesis.extra.numpy as drawn_arrays
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfjax import als, baselines, histories, recommend, saving, search
from mfjax.recommend import Model
from mfjax.saving import checkpoint, container
from mfjax.search import Choice, Uniform, sweep, tune
from mfjax.types import Factors, Interactions, Vocabulary
from mfjax.vocabularies import TEXT

quick = settings(deadline=None, derandomize=True, database=None, max_examples=150)

FIXED = struct.Struct("<8sIQ")


def pairs() -> Interactions:
    users, items = np.array([0, 0, 1, 2]), np.array([1, 3, 0, 2])
    return Interactions(users.astype(np.int32), items.astype(np.int32), np.ones(4, np.float32), 3, 4)


def a_model() -> Model:
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    return Model(
        learned=Factors(draw(3, 2), draw(4, 2), draw(3), draw(4), jnp.float32(3.5)),
        user_vocabulary=Vocabulary.of(["ann", "bob", "cyd"]),
        item_vocabulary=Vocabulary.of([10, 20, 30, 40]),
        seen=histories.ragged(pairs()),
        rating_range=(1.0, 5.0),
        objective="ials",
        config={"reg": 0.5},
        manifest={"key": 7},
    )


TREE = {"table": np.zeros((2, 3), np.float32), "key": jax.random.key(3), "step": 7, "bools": np.array([True, False])}


def saved_model(path):
    saving.save(path, a_model())
    return lambda: saving.load(path)


def a_model_of_stages() -> Model:
    """Item weights and counts, then factors; each stage with lists of its own or those of the model."""
    first = recommend.two_stage.scorer(
        baselines.ease(pairs(), reg=1.0),
        baselines.popularity([4, 3, 2, 1]),
        candidates=3,
        exclude=histories.ragged(pairs()),
    )
    scorer = recommend.two_stage.scorer(first, a_model().factors, candidates=2)
    return replace(a_model(), learned=scorer, config=(None, None))


def a_model_with_features() -> Model:
    rng = np.random.default_rng(1)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    return replace(
        a_model(),
        config=als.Config(dim=2, biases=True),
        maps=als.FeatureMaps(draw(3, 4), draw(4, 4)),
        user_features=draw(3, 3),
        item_features=histories.ragged(replace(pairs(), num_users=4)),
    )


def saved_stages(path):
    saving.save(path, a_model_of_stages())
    return lambda: saving.load(path)


def saved_features(path):
    saving.save(path, a_model_with_features())
    return lambda: saving.load(path)


def saved_tree(path):
    saving.save_tree(path, TREE)
    return lambda: saving.load_tree(path, TREE)


def saved_checkpoint(path):
    def go_on():
        advance = lambda state, steps: {"x": jnp.zeros(3) if state is None else state["x"] + steps}  # noqa: E731
        return checkpoint.run(path, advance, num_steps=4, every=2, made_of="this")

    go_on()
    return go_on


def saved_cell(path):
    def again():
        cell = lambda key, setting, data: {"x": setting["a"] * data}  # noqa: E731
        keys = jax.random.split(jax.random.key(0), 1)
        return sweep.run(cell, keys, [{"a": 1.0}], jnp.float32(2), folder=path.parent / "cells")

    again()
    (written,) = (path.parent / "cells").iterdir()
    path.symlink_to(written)
    return again


KINDS = {
    "model": saved_model,
    "stages": saved_stages,
    "features": saved_features,
    "tree": saved_tree,
    "checkpoint": saved_checkpoint,
    "cell": saved_cell,
}

WRONG = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**70,
    10**300,
    0.5,
    1e308,
    "",
    "x",
    "<f8",
    ">f4",
    "O",
    "|O8",
    "i4,i4",
    "<U0",
    "<U999999999",
    "<M8[s]",
    "V4",
    "bfloat16",
    "object",
    "tree",
    [],
    [2**70],
    [-1, -6],
    [3.0],
    [True],
    [0, 2**62],
    [1] * 70,
    [[[]]],
    {},
    {"x": 1},
]


def parts(data: bytes) -> tuple[dict, bytes]:
    """Return the header of a file, and the bytes of its arrays."""
    _, _, size = FIXED.unpack_from(data)
    return json.loads(data[FIXED.size : FIXED.size + size]), data[FIXED.size + size : -32]


def forged(text: bytes, payload: bytes, size: int | None = None) -> bytes:
    """Return a file of a header and arrays with the checksum that belongs to them."""
    content = FIXED.pack(container.MAGIC, container.VERSION, len(text) if size is None else size) + text + payload
    return content + hashlib.sha256(content).digest()


def places(tree, where=()):
    """Yield every place in a document, outermost first."""
    members = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, member in members:
        yield (*where, name)
        yield from places(member, (*where, name))


def replaced(index, where, wrong):
    changed = copy.deepcopy(index)
    spot = changed
    for name in where[:-1]:
        spot = spot[name]
    spot[where[-1]] = wrong
    return changed


def without(index, where):
    changed = copy.deepcopy(index)
    spot = changed
    for name in where[:-1]:
        spot = spot[name]
    del spot[where[-1]]
    return changed


def mutations(index: dict, payload: bytes):
    """Yield forged files, each wrong in one thing, or by chance in none."""
    whole = json.dumps(index).encode()
    for where in places(index):
        for wrong in WRONG:
            yield forged(json.dumps(replaced(index, where, wrong)).encode(), payload)
        yield forged(json.dumps(without(index, where)).encode(), payload)
        yield forged(json.dumps(replaced(index, where, "NAN")).replace('"NAN"', "NaN").encode(), payload)
        yield forged(json.dumps(replaced(index, where, "NAN")).replace('"NAN"', "-Infinity").encode(), payload)
        yield forged(
            json.dumps(replaced(index, where, "DEEP")).replace('"DEEP"', "[" * 9999 + "]" * 9999).encode(), payload
        )
        yield forged(json.dumps(replaced(index, where, "LONG")).replace('"LONG"', "9" * 5000).encode(), payload)
    for array in index["arrays"]:  # twice, and in place of another
        yield forged(json.dumps({**index, "arrays": [*index["arrays"], array]}).encode(), payload)
        yield forged(json.dumps({**index, "arrays": [array] * len(index["arrays"])}).encode(), payload)
    for text in (b"", b"{", b"null", b"[]", b"[" * 100_000, b"\xff\xfe", whole[:-1], b'{"header": {}, "header": {}}'):
        yield forged(text, payload)
    for size in (0, 1, len(whole) - 1, len(whole) + 1, 2**40, 2**63):
        yield forged(whole, payload, size)
    for wrong in (b"", payload[:-1], payload + b"\0", payload * 2, b"\xff" * len(payload), bytes(len(payload))):
        yield forged(whole, wrong)
    rng = np.random.default_rng(0)
    for _ in range(300):  # of the arrays' own bytes: offsets, ids, vocabularies, bools, NaN
        place, value = int(rng.integers(len(payload))), int(rng.integers(256))
        yield forged(whole, payload[:place] + bytes([value]) + payload[place + 1 :])


def check_mutations(tmp_path, kind, step):
    """Write every `step`-th mutation, and look for anything but a ValueError that names the file. Return how many."""
    path = tmp_path / "file.mfjax"
    again = KINDS[kind](path)
    target = path.resolve()
    index, payload = parts(path.read_bytes())
    tried = refused = 0
    for data in itertools.islice(mutations(index, payload), 0, None, step):
        target.write_bytes(data)
        tried += 1
        try:
            found = again()
        except ValueError as error:
            assert target.name in str(error), error
            refused += 1
        else:
            if kind in ("model", "features"):
                assert all(np.isfinite(table).all() for table in found.factors if table is not None)
            if kind in ("model", "features", "stages"):  # what was taken can be asked
                found.recommend("ann", 2)
    return tried, refused


@pytest.mark.parametrize(
    ("kind", "step"), [("model", 61), ("stages", 89), ("features", 89), ("tree", 13), ("checkpoint", 17), ("cell", 13)]
)
def test_wrong_insides_are_a_value_error_with_the_name_of_the_file(tmp_path, kind, step):
    tried, refused = check_mutations(tmp_path, kind, step)
    assert tried > 40
    assert refused > 0.5 * tried


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_all_wrong_insides_are_a_value_error_with_the_name_of_the_file(tmp_path, kind):
    tried, refused = check_mutations(tmp_path, kind, {"model": 4, "stages": 6, "features": 8}.get(kind, 1))
    assert tried > 600
    assert refused > 0.5 * tried


BAD_MODELS = [
    (
        "factors.users",
        lambda x: np.where(np.arange(6).reshape(3, 2) == 3, np.nan, x),
        "factors.users: row 1 is not fin",
    ),
    ("factors.offset", lambda x: x * np.float32("inf"), "factors.offset: it is not finite"),
    ("factors.items", lambda x: x[:, :1], "factors.items: 1 numbers a row, users 2"),
    ("factors.item_biases", lambda x: x[:3], r"factors.item_biases: shape \(3,\) is not \(4,\)"),
    ("factors.users", lambda x: x.astype(np.int32), "factors.users: dtype int32 is not of real numbers"),
    (
        "user_vocabulary.offsets",
        lambda x: x[[0, 1, 3]],
        r"factors.users: shape \(3, 2\) is not \(2, any\)",
    ),
    ("user_vocabulary.offsets", lambda x: x[:3], "damaged inside, user_vocabulary.offsets: do not rise from 0 to 9"),
    ("user_vocabulary.offsets", lambda x: x[[0, 2, 1, 3]], "damaged inside, user_vocabulary.offsets: do not rise fr"),
    ("user_vocabulary.offsets", lambda x: x - 1, "damaged inside, user_vocabulary.offsets: do not rise fr"),
    ("user_vocabulary.offsets", lambda x: x[:0], "damaged inside, user_vocabulary.offsets: do not rise fr"),
    ("user_vocabulary.offsets", lambda x: x * 1.0, r"damaged inside, user_vocabulary.offsets: float64\[4\] is no list"),
    ("user_vocabulary.utf8", lambda x: x[:, None], r"damaged inside, user_vocabulary.utf8: uint8\[9, 1\] is no list"),
    ("user_vocabulary.utf8", lambda x: x | 128, "damaged inside, user_vocabulary.utf8: is no UTF-8"),
    ("user_vocabulary.utf8", lambda x: x[::-1], "user_vocabulary: is not sorted and distinct"),
    ("user_vocabulary", lambda x: np.array(["a", "b", "c"]), "'user_vocabulary.offsets' is no part of a model"),
    ("item_vocabulary", lambda x: x * 0, "item_vocabulary: is not sorted and distinct"),
    ("item_vocabulary", lambda x: x * 0.5, "item_vocabulary: dtype float64 is not of raw ids"),
    ("seen.offsets", lambda x: x[::-1], "seen.offsets: do not rise from 0"),
    ("seen.offsets", lambda x: x * 2, "seen.offsets: do not rise from 0 to at most 4"),
    ("seen.offsets", lambda x: x[:-1], r"seen.offsets: shape \(3,\), where there are 3 users"),
    ("seen.ids", lambda x: x + 1, r"seen.ids: are not all in 0\.\.3"),
    ("seen.ids", lambda x: x - 1, r"seen.ids: are not all in 0\.\.3"),
    ("seen.ids", lambda x: x[[1, 0, 2, 3]], "seen.ids: do not rise within every row"),
    ("seen.values", lambda x: x[:2], r"seen.values: shape \(2,\), ids have \(4,\)"),
]


@pytest.mark.parametrize(("name", "make", "message"), BAD_MODELS, ids=[message[:40] for *_, message in BAD_MODELS])
def test_a_model_is_looked_at_as_a_whole(tmp_path, name, make, message):
    path = tmp_path / "model"
    saving.save(path, a_model())
    arrays, header = container.read(path)
    container.write(path, {**arrays, name: make(arrays.get(name))}, header)
    with pytest.raises(ValueError, match=rf"model: {message}"):
        saving.load(path)


BAD_PARTS = [
    (a_model_of_stages, "retriever.retriever.weights", lambda x: x[:3], r"retriever.retriever.weights: shape \(3, 4\)"),
    (
        a_model_of_stages,
        "retriever.retriever.weights",
        lambda x: x + np.inf,
        "retriever.retriever.weights: row 0 is not",
    ),
    (
        a_model_of_stages,
        "retriever.reranker.counts",
        lambda x: x[:2],
        r"retriever.reranker.counts: shape \(2,\) is not",
    ),
    (
        a_model_of_stages,
        "reranker.factors.users",
        lambda x: x[:, :1],
        "reranker.factors.items: 2 numbers a row, users 1",
    ),
    (a_model_with_features, "maps.users", lambda x: x[:2], r"user_features: shape \(3, 3\) is not \(3, 2\)"),
    (a_model_with_features, "maps.items", lambda x: x[:, :2], r"maps.items: shape \(4, 2\) is not \(any, 4\)"),
    (a_model_with_features, "user_features", lambda x: x * np.nan, "user_features: row 0 is not finite"),
    (a_model_with_features, "item_features.ids", lambda x: x + 4, r"item_features.ids: are not all in 0\.\.3"),
    (a_model_with_features, "item_features.offsets", lambda x: x[::-1], "item_features.offsets: do not rise from 0"),
]


@pytest.mark.parametrize(
    ("made", "name", "make", "message"), BAD_PARTS, ids=[message[:40] for *_, message in BAD_PARTS]
)
def test_every_part_is_looked_at(tmp_path, made, name, make, message):
    path = tmp_path / "model"
    saving.save(path, made())
    arrays, header = container.read(path)
    container.write(path, {**arrays, name: make(arrays[name])}, header)
    with pytest.raises(ValueError, match=rf"model: {message}"):
        saving.load(path)


BAD_HEADERS = [
    (a_model_of_stages, "learned", {"kind": "tree"}, "learned: {'kind': 'tree'} is no kind of model"),
    (a_model_of_stages, "learned", None, "learned: None is no kind of model"),
    (a_model_of_stages, "config_kind", "stages", "config: "),
    (a_model_with_features, "features", {"user": "words", "item": "numbers"}, "user_features: 'words' are no sizes"),
    (a_model_with_features, "features", {"shelf": "numbers"}, "features: {'shelf': 'numbers'} are of no side"),
    (a_model_with_features, "config_kind", None, "maps.users: belong to a model of least squares"),
]


@pytest.mark.parametrize(("made", "field", "value", "message"), BAD_HEADERS)
def test_every_field_is_looked_at(tmp_path, made, field, value, message):
    path = tmp_path / "model"
    saving.save(path, made())
    arrays, header = container.read(path)
    container.write(path, arrays, {**header, field: value})
    with pytest.raises(ValueError, match=rf"model: {re.escape(message)}"):
        saving.load(path)


def test_text_ids_of_an_earlier_file_are_read(tmp_path):
    """All were as wide as the longest."""
    path, model = tmp_path / "model", a_model()
    saving.save(path, model)
    arrays, header = container.read(path)
    for part in ("user_vocabulary.utf8", "user_vocabulary.offsets"):
        del arrays[part]
    container.write(path, {**arrays, "user_vocabulary": np.array(["ann", "bob", "cyd"])}, header)
    loaded = saving.load(path)
    assert loaded.user_vocabulary.raw.dtype == TEXT
    assert loaded.user_vocabulary.raw.tolist() == ["ann", "bob", "cyd"]
    assert loaded.predict("bob", 30) == model.predict("bob", 30)


@quick
@given(st.sets(st.text(max_size=5), min_size=1))
def test_text_ids_come_back_as_they_were(tmp_path_factory, raw_ids):
    path = tmp_path_factory.getbasetemp() / "texts.mfjax"
    users = Vocabulary.of(sorted(raw_ids))
    factors = Factors(jnp.zeros((len(users), 1)), jnp.zeros((1, 1)))
    saving.save(path, Model(learned=factors, user_vocabulary=users, item_vocabulary=Vocabulary.of([2**64 - 1])))
    loaded = saving.load(path)
    assert loaded.user_vocabulary.raw.tolist() == sorted(raw_ids)
    assert loaded.item_vocabulary.raw.tolist() == [2**64 - 1]
    written = path.read_bytes()
    saving.save(path, loaded)
    assert path.read_bytes() == written


def test_a_file_grows_with_its_text_alone(tmp_path):
    sizes = []
    for longest in ("x", "x" * 4000):
        users = Vocabulary.of([*map(str, range(10_000)), longest])
        factors = Factors(jnp.zeros((len(users), 1)), jnp.zeros((1, 1)))
        saving.save(
            tmp_path / "model", Model(learned=factors, user_vocabulary=users, item_vocabulary=Vocabulary.of([1]))
        )
        sizes.append((tmp_path / "model").stat().st_size)
    assert sizes[1] - sizes[0] < 4100


def test_a_model_that_is_not_finite_is_not_saved(tmp_path):
    model = a_model()
    broken = Model(
        learned=model.factors._replace(users=model.factors.users * jnp.nan),
        user_vocabulary=model.user_vocabulary,
        item_vocabulary=model.item_vocabulary,
    )
    with pytest.raises(ValueError, match=r"model: factors\.users: row 0 is not finite"):
        saving.save(tmp_path / "model", broken)
    assert list(tmp_path.iterdir()) == []


DTYPES = st.sampled_from(["f4", "f8", "f2", "i4", "i8", "u1", "u8", "b1", "c8", "U3", ">f4", ">i8"])
SHAPES = drawn_arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = st.dictionaries(st.text(max_size=5), drawn_arrays.arrays(DTYPES.map(np.dtype), SHAPES), max_size=4)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(quick, max_examples=80)
@given(ARRAYS, st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_any_arrays_and_header_come_back_bit_by_bit(tmp_path_factory, arrays, header):
    path = tmp_path_factory.getbasetemp() / "drawn.mfjax"
    container.write(path, arrays, header)
    found, again = container.read(path)
    assert again == header
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(st.integers(), max_size=3),
    st.sampled_from(
        [object(), 1j, np.ma.array([1.0], mask=[True]), np.array([None]), np.array(["a"]), np.datetime64(1, "s")]
    ),
)


@quick
@given(ANYTHING, ANYTHING)
def test_anything_is_written_and_read_back_or_refused(tmp_path_factory, array, value):
    path = tmp_path_factory.getbasetemp() / "anything.mfjax"
    try:
        container.write(path, {"array": array}, {"value": value})
    except ValueError as error:
        assert "array:" in str(error) or "header:" in str(error)
        return
    found, header = container.read(path)
    assert np.array_equal(found["array"], np.asarray(array), equal_nan=found["array"].dtype.kind in "fc")
    assert header == {"value": value}


@quick
@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes_are_refused(text, payload):
    for data in (text, container.MAGIC + text, forged(text, payload)):
        with pytest.raises(ValueError, match=r"^data: "):
            container.decode(data)


NUMBERS = st.one_of(
    st.floats(), st.integers(-5, 5), st.sampled_from([np.float32(0.5), np.float64("nan"), 10**400, "1", None])
)


@quick
@given(NUMBERS, NUMBERS, st.booleans(), st.floats(0, 1))
def test_drawn_ranges_hold_what_they_give(low, high, log, unit):
    try:
        one = Uniform(low, high, log)
    except ValueError as error:
        assert str(error).startswith(("low", "high"))
        return
    assert low < high
    assert math.isfinite(one.slope(one.at(unit)))
    reach = 1e-9 * max(abs(low), abs(high))
    assert low - reach <= one.at(unit) <= high + reach


@quick
@given(
    st.sampled_from(["random", "halving"]),
    st.lists(st.one_of(st.floats(allow_infinity=False), st.integers(-5, 5)), min_size=1, max_size=4),
    st.one_of(st.integers(-2, 6), st.floats(), st.none()),
    st.one_of(st.integers(-2, 2**63), st.floats(), st.text(max_size=2)),
)
def test_drawn_searches_end_and_their_best_is_a_number(method, scores, trials, seed):
    space = {"x": Uniform(0.0, 1.0), "dim": Choice((2, 4))}
    numbers = itertools.count()

    def curve(values):
        yield scores[next(numbers) % len(scores)]

    try:
        found = tune.METHODS[method](curve, space, trials=trials, seed=seed)
    except ValueError as error:
        assert str(error).startswith(("trials:", "seed:"))
        return
    assert len(found) == trials
    finished = [trial.score() for trial in found if trial.status == "finished"]
    if all(score == -math.inf for score in finished):
        with pytest.raises(ValueError, match="trials: none of"):
            search.best(found)
    else:
        assert search.best(found).score() == max(finished)
