"""Lists from raw ids: one and many, frames as they came, exclusion, candidates, and everything against loops."""

import jax.numpy as jnp
import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mfjax.data import from_arrays
from mfjax.histories import ragged
from mfjax.recommend import Model
from mfjax.types import Factors, Interactions, Vocabulary

USERS, ITEMS = ["ann", "bob", "cyd", "dan", "eve"], [10, 20, 30, 40, 50, 60, 70]
SEEN = {"ann": [10, 30], "bob": [20], "dan": [70, 10, 60]}


def tables() -> Factors:
    rng = np.random.default_rng(0)
    shapes = ((5, 3), (7, 3), (5,), (7,), ())
    return Factors(*(jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes))


@pytest.fixture(scope="module")
def model() -> Model:
    users, items = Vocabulary.of(USERS), Vocabulary.of(ITEMS)
    rows, columns = zip(*((user, item) for user, seen in SEEN.items() for item in seen), strict=True)
    pairs = from_arrays(rows, columns, user_vocabulary=users, item_vocabulary=items)
    return Model(learned=tables(), user_vocabulary=users, item_vocabulary=items, seen=ragged(pairs))


def score(user: str, item: int) -> float:
    f, u, i = tables(), USERS.index(user), ITEMS.index(item)
    return float(f.users[u] @ f.items[i] + f.user_biases[u] + f.item_biases[i] + f.offset)


def best(user: str, k: int, exclude=SEEN, candidates=ITEMS) -> list[int]:
    allowed = [item for item in candidates if item not in exclude.get(user, [])]
    return sorted(allowed, key=lambda item: -score(user, item))[:k]


def rows(frame) -> list[tuple]:
    return list(zip(*(list(narwhals.from_native(frame)[name]) for name in columns(frame)), strict=True))


def columns(frame) -> list[str]:
    return list(narwhals.from_native(frame).columns)


def of(frame, user) -> list:
    """Return the second column of a user's rows."""
    found = [row for row in rows(frame) if row[0] == user]
    assert [row[3] for row in found] == list(range(1, len(found) + 1))
    return [row[1] for row in found]


def check_lists(model, frame, asked, k, **told):
    assert columns(frame) == ["user", "item", "score", "rank"]
    for user in asked:
        assert of(frame, user) == best(user, k, **told)
    for user, item, value, _ in rows(frame):
        assert value == pytest.approx(score(user, item), abs=1e-5)


COLUMNS = {
    "list": (list, pa.Table),
    "array": (np.array, pa.Table),
    "arrow": (pa.array, pa.Table),
    "pandas": (pd.Series, pd.DataFrame),
    "index": (pd.Index, pd.DataFrame),
    "polars": (pl.Series, pl.DataFrame),
    "narwhals": (lambda x: narwhals.from_native(pl.Series(x), series_only=True), pl.DataFrame),
}


@pytest.mark.parametrize("source", COLUMNS)
def test_many_users_give_a_frame_of_the_library_that_they_come_in(model, source):
    make, kind = COLUMNS[source]
    asked = ["eve", "ann", "dan"]
    found = model.recommend(make(asked), 4)
    assert isinstance(found, kind)
    check_lists(model, found, asked, 4)
    assert [row[0] for row in rows(found)] == [user for user in asked for _ in best(user, 4)]


def test_one_of_many_is_the_same_as_one(model):
    ids, scores = model.recommend("dan", 9)
    assert ids.tolist() == of(model.recommend(["dan"], 9), "dan") == best("dan", 9)
    np.testing.assert_allclose(scores, [score("dan", item) for item in ids], rtol=1e-5)


WANTED = {"ann": [70, 20], "cyd": [10]}
PAIRS = {"user": ["ann", "ann", "cyd"], "item": [70, 20, 10]}


def as_ragged():
    users = np.array([0, 0, 2], np.int32)
    return ragged(Interactions(users, np.array([6, 1, 0], np.int32), np.ones(3, np.float32), 5, 7))


@pytest.mark.parametrize(
    "lists",
    [
        WANTED, pd.DataFrame(PAIRS), pl.DataFrame(PAIRS), pa.table(PAIRS),
        from_arrays(PAIRS["user"], PAIRS["item"]), as_ragged(),
    ],
    ids=lambda one: type(one).__module__,
)  # fmt: skip
def test_exclusion_by_lists_in_any_form(model, lists):
    check_lists(model, model.recommend(USERS, 7, exclude=lists), USERS, 7, exclude=WANTED)


def test_nothing_excluded_and_candidates(model):
    check_lists(model, model.recommend(USERS, 3, exclude=None), USERS, 3, exclude={})
    few = [60, 10, 40, 70]
    for candidates in (few, np.array(few), pd.Series(few)):
        check_lists(model, model.recommend(USERS, 3, candidates=candidates), USERS, 3, candidates=few)


def test_a_user_with_nothing_left_has_no_row(model):
    everything = {"ann": ITEMS}
    assert [row[0] for row in rows(model.recommend(["ann", "eve"], 2, exclude=everything))] == ["eve", "eve"]
    assert model.recommend("ann", 2, exclude=everything)[0].tolist() == []
    assert rows(model.recommend([], 2)) == []


def test_unknown_users_are_ranked_by_bias_and_stand_in_their_place(model):
    found = model.recommend(["zoe", "ann", "yan"], 3, unknown="bias", candidates=[10, 20, 30, 40])
    biases = np.asarray(tables().item_biases)
    by_bias = sorted([10, 20, 30, 40], key=lambda item: -biases[ITEMS.index(item)])[:3]
    assert of(found, "zoe") == of(found, "yan") == by_bias
    assert of(found, "ann") == best("ann", 3, candidates=[10, 20, 30, 40])
    assert [row[0] for row in rows(found)][:1] == ["zoe"]


def test_users_for_an_item(model):
    has = {item: [user for user, seen in SEEN.items() if item in seen] for item in ITEMS}

    def wanted(item, exclude=has, candidates=USERS):
        allowed = [user for user in candidates if user not in exclude[item]]
        return sorted(allowed, key=lambda user: -score(user, item))[:3]

    found = model.recommend_for(pd.Series([10, 50]), 3)
    assert columns(found) == ["item", "user", "score", "rank"] and isinstance(found, pd.DataFrame)
    assert [of(found, item) for item in (10, 50)] == [wanted(10), wanted(50)]
    users, scores = model.recommend_for(10, 3)
    assert users.tolist() == wanted(10)
    np.testing.assert_allclose(scores, [score(user, 10) for user in users], rtol=1e-5)
    assert model.recommend_for(10, 3, exclude=None)[0].tolist() == wanted(10, {item: [] for item in ITEMS})
    assert model.recommend_for(10, 3, exclude={"eve": [10, 20]})[0].tolist() == wanted(10, {10: ["eve"]})
    few = ["bob", "eve"]
    assert model.recommend_for(10, 3, candidates=few)[0].tolist() == wanted(10, candidates=few)


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_what_is_similar(model, metric):
    for name, table, raw in (("items", tables().items, ITEMS), ("users", tables().users, USERS)):
        rows_of = np.asarray(table, np.float64)
        if metric == "cosine":
            rows_of = rows_of / np.linalg.norm(rows_of, axis=1, keepdims=True)
        alike = rows_of @ rows_of.T
        ask = getattr(model, f"similar_{name}")
        found = ask(pl.Series(raw[1:3]), 3, metric=metric)
        assert columns(found) == [name[:-1], "similar", "score", "rank"] and isinstance(found, pl.DataFrame)
        for place in (1, 2):
            order = [other for other in np.argsort(-alike[place]) if other != place][:3]
            assert of(found, raw[place]) == [raw[other] for other in order]
            ids, values = ask(raw[place], 3, metric=metric)
            assert ids.tolist() == [raw[other] for other in order]
            np.testing.assert_allclose(values, alike[place][order], rtol=1e-5)


@pytest.mark.parametrize("block_size", [1, 2, 5, 100])
def test_all_scores_in_blocks(model, block_size):
    for asked in (None, ["eve", "ann", "eve"]):
        blocks = list(model.score_all(asked, block_size=block_size))
        assert all(len(users) <= block_size for users, _ in blocks)
        users = [user for block, _ in blocks for user in block.tolist()]
        assert users == (USERS if asked is None else asked)
        found = np.concatenate([scores for _, scores in blocks])
        np.testing.assert_allclose(found, [[score(user, item) for item in ITEMS] for user in users], atol=1e-5)
    assert list(model.score_all([])) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.recommend(["ann", "zoe"]), "users: user 'zoe' is unknown .1 of 2 pairs.; drop it, or"),
        (lambda model: model.recommend([1, 2]), "users: 1, but the user ids of this model are text; convert it"),
        (lambda model: model.recommend(["ann"], k=0), "k: 0 is not a whole number"),
        (lambda model: model.recommend(["ann"], candidates=[11]), "items: item 11 is unknown"),
        (lambda model: model.recommend(["ann"], candidates=[]), "candidates: there are none; pass None for all"),
        (lambda model: model.recommend(["ann"], exclude={"zoe": [10]}), "exclude: user 'zoe' is unknown to the model"),
        (lambda model: model.recommend(["ann"], exclude={"ann": [11]}), "exclude: item 11 is unknown to the model"),
        (lambda model: model.recommend(["ann"], exclude={"ann": []}), "exclude: 'ann' has no entry; drop it"),
        (lambda model: model.recommend(["ann"], exclude={"ann": [10, 10]}), "exclude: row 1 repeats a pair"),
        (lambda model: model.recommend(["ann"], exclude={}), "exclude: there are none; pass at least one"),
        (lambda model: model.recommend(["ann"], exclude={"ann": ["x"]}), "exclude: item 'x', but those of this model"),
        (lambda model: model.recommend(["ann"], exclude=3), "source: a int is no file and no frame"),
        (lambda model: model.recommend_for(11), "items: item 11 is unknown .1 of 1 pairs.; drop it"),
        (lambda model: model.similar_items(10, metric="l2"), "metric: 'l2' is unknown"),
        (lambda model: model.similar_users("zoe"), "users: user 'zoe' is unknown"),
        (lambda model: model.score_all(["zoe"]), "users: user 'zoe' is unknown"),
        (lambda model: model.score_all(block_size=0), "block_size: 0 is not a whole number"),
    ],
)
def test_bad_input(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_frames_in_frames_out(model):
    users = model.user_vocabulary.raw.tolist()[:2]
    for library in (pd, pl):
        for frame in (library.DataFrame({"user_id": users, "age": [1, 2]}), library.DataFrame({"who": users})):
            found = model.recommend(frame, 2)
            assert isinstance(found, library.DataFrame)
            assert sorted(set(found["user"].to_list())) == sorted(users)
    with pytest.raises(ValueError, match=r"users: a frame with the columns \['a', 'b'\] has no user; pass its column"):
        model.recommend(pd.DataFrame({"a": users, "b": users}))
