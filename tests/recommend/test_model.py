"""Raw ids in, predictions out: pairs, batches, lists, errors, and what is unknown."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax.baselines.ratings import user_item_bias
from mfjax.histories import ragged
from mfjax.recommend import Model
from mfjax.recommend.model import fit
from mfjax.types import Factors, Interactions, Vocabulary
from tests.test_vocabularies import COLUMNS_OF_TEXT

USERS = {"ann": [1.0, 0.0], "bob": [0.0, 2.0]}
ITEMS = {7: [1.0, 1.0], 20: [3.0, -1.0], 300: [0.5, 0.5]}
USER_BIASES, ITEM_BIASES, OFFSET = {"ann": 0.25, "bob": -0.5}, {7: 0.0, 20: 1.0, 300: 0.5}, 3.0


def truth(user: str, item: int) -> float:
    product = float(np.dot(USERS[user], ITEMS[item])) if user in USERS and item in ITEMS else 0.0
    return OFFSET + product + USER_BIASES.get(user, 0.0) + ITEM_BIASES.get(item, 0.0)


@pytest.fixture(scope="module")
def model() -> Model:
    def learn(interactions) -> Factors:
        assert interactions.user_vocabulary.raw.tolist() == list(USERS)
        tables = (list(table.values()) for table in (USERS, ITEMS, USER_BIASES, ITEM_BIASES))
        return Factors(*(jnp.array(table) for table in tables), jnp.float32(OFFSET))

    return fit(["bob", "ann", "bob"], [20, 300, 7], [5.0, 1.0, 4.0], learn)


def test_one_pair_and_a_batch(model):
    users, items = ["ann", "bob", "bob", "ann"], [20, 20, 7, 300]
    wanted = [truth(user, item) for user, item in zip(users, items, strict=True)]
    batch = model.predict_batch(np.array(users), np.array(items))
    np.testing.assert_allclose(batch.values, wanted)
    assert batch.values.dtype == model.factors.users.dtype
    assert (batch.num_unknown_users, batch.num_unknown_items) == (0, 0)
    assert [model.predict(user, item) for user, item in zip(users, items, strict=True)] == wanted
    assert model.predict_batch([], []).values.shape == (0,)


@pytest.mark.parametrize("source", COLUMNS_OF_TEXT)
def test_a_model_takes_columns_of_every_kind(source):
    users, items, ratings = ["ann", "ann", "a\0 long user's name", "ann"], ["x", "y", "x", "z\0"], [5.0, 3.0, 4.0, 1.0]
    column = COLUMNS_OF_TEXT[source]
    model = fit(column(users), column(items), ratings, user_item_bias)
    wanted = fit(users, items, ratings, user_item_bias).predict_batch(users, items).values
    np.testing.assert_array_equal(model.predict_batch(column(users), column(items)).values, wanted)
    np.testing.assert_array_equal(model.predict_batch(users, items).values, wanted)
    assert model.rmse(column(users), column(items), ratings) == pytest.approx(
        float(np.sqrt(np.mean((wanted - ratings) ** 2)))
    )
    assert sorted(model.recommend(users[2])[0].tolist()) == ["y", "z\0"]


def test_unknown_ids_give_what_the_biases_say_and_are_counted(model):
    users, items = ["zoe", "ann", "zoe", "ann"], [20, 21, 1, 20]
    batch = model.predict_batch(users, items, unknown="bias")
    np.testing.assert_allclose(batch.values, [truth(user, item) for user, item in zip(users, items, strict=True)])
    assert (batch.num_unknown_users, batch.num_unknown_items) == (2, 2)


def test_clipping_moves_predictions_into_the_rating_range(model):
    assert model.rating_range == (1.0, 5.0)
    assert model.predict("ann", 20) == 7.25
    assert model.predict("ann", 20, clip=True) == 5.0


def test_lists_leave_out_what_was_seen_and_end_early(model):
    ids, scores = model.recommend("bob", k=3)
    assert ids.tolist() == [300]
    np.testing.assert_allclose(scores, [truth("bob", 300)])
    ids, scores = model.recommend("bob", k=2, exclude=None)
    assert ids.tolist() == sorted(ITEMS, key=lambda item: -truth("bob", item))[:2]


def test_an_unknown_user_gets_items_by_their_bias(model):
    ids, scores = model.recommend("zoe", k=2, unknown="bias")
    assert ids.tolist() == [20, 300]
    assert scores.tolist() == [4.0, 3.5]


def test_rmse_over_a_test_array(model):
    ratings = [4.0, 2.0, 3.0]
    predictions = [truth("ann", 7), truth("bob", 20), truth("zoe", 7)]
    wanted = np.sqrt(np.mean((np.array(predictions) - ratings) ** 2))
    assert model.rmse(["ann", "bob", "zoe"], [7, 20, 7], ratings, unknown="bias") == pytest.approx(wanted)


def test_a_model_of_biases_alone_needs_no_factors():
    model = fit([1, 1, 2], [5, 6, 5], [4, 2, 5], user_item_bias)
    assert model.factors.users.shape == (2, 0)
    assert model.predict(2, 6) == pytest.approx(
        float(model.factors.offset + model.factors.user_biases[1] + model.factors.item_biases[1])
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda model: model.predict("zoe", 7),
            "users: user .*zoe.* is unknown .1 of 1 pairs.; drop it, or pass unknown='bias'",
        ),
        (lambda model: model.predict("ann", 8), "items: item .*8.* is unknown"),
        (lambda model: model.recommend("zoe"), "users: user .*zoe.* is unknown"),
        (
            lambda model: model.predict("ann", "7"),
            "items: '7', but the item ids of this model are integers; convert it",
        ),
        (
            lambda model: model.predict("ann", 7, unknown="zero"),
            "unknown: 'zero' is unknown; pass 'error' or 'bias'",
        ),
        (lambda model: model.predict_batch(["ann"], [7, 20]), "items: shape .2,., but users has .1,."),
        (lambda model: model.rmse(["ann"], [7], [1.0, 2.0]), "ratings: shape .2,.; pass one a pair"),
        (lambda model: model.rmse([], [], []), "ratings: shape .0,.; pass one a pair, .0,., at least one"),
    ],
)
def test_bad_input(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_bad_models():
    factors, ids = Factors(jnp.zeros((2, 1)), jnp.zeros((3, 1))), Vocabulary.of([1, 2])
    with pytest.raises(ValueError, match=r"learned: has 3 items, but the vocabulary 2 ids"):
        Model(learned=factors, user_vocabulary=ids, item_vocabulary=ids)
    model = Model(learned=factors, user_vocabulary=ids, item_vocabulary=Vocabulary.of([1, 2, 3]))
    with pytest.raises(ValueError, match="clip: the model has no rating_range"):
        model.predict(1, 1, clip=True)


@pytest.mark.parametrize("kind", ["object", "string", "category", "string[pyarrow]", "str"])
def test_columns_of_pandas_are_raw_ids(model, kind):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user": ["ann", "bob"], "item": [20, 300], "stars": [4.0, 2.0]})
    users = frame.user.astype(kind)
    wanted = [truth("ann", 20), truth("bob", 300)]
    np.testing.assert_allclose(model.predict_batch(users, frame.item).values, wanted)
    error = np.sqrt(np.mean((np.array(wanted) - [4.0, 2.0]) ** 2))
    assert model.rmse(users, frame.item, frame.stars) == pytest.approx(error)
    assert model.rmse(users, frame.item.astype("Int64"), frame.stars.astype("Float64")) == pytest.approx(error)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.predict(None, 7), "users: row 0 holds None"),
        (lambda model: model.predict("ann", float("nan")), "items: .*row 0 .*"),
        (lambda model: model.predict("ann", True), "items: .*True|items: dtype bool"),
        (lambda model: model.predict("ann", 7.0), r"items: .*7\.0|items: dtype float64"),
        (
            lambda model: model.predict_batch(["ann", 1], [7, 7]),
            "users: row 1 holds 1; ids are all",
        ),
        (
            lambda model: model.predict(1, 7),
            r"users: 1, but the user ids of this model are text; convert it",
        ),
        (lambda model: model.recommend([["ann", "bob"]]), "users: shape .1, 2.; pass a one-dimensional array"),
        (lambda model: model.recommend("ann", k=0), "k: 0 is not a whole number of at least 1"),
        (lambda model: model.recommend("ann", exclude="no"), "exclude: 'no' is unknown; pass 'seen', None or lists"),
        (lambda model: model.rmse(["ann"], [7], [None]), "ratings: None is no number; convert the ratings"),
        (lambda model: model.rmse(["ann"], [7], ["4"]), "ratings: dtype <U1; convert the ratings to numbers"),
        (lambda model: model.rmse(["ann"], [7], [np.nan]), "ratings: nan is not a finite number; drop the pair"),
    ],
)
def test_no_raw_id_or_rating_is_guessed(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_a_model_checks_all_its_parts(model):
    def changed(**changes):
        return lambda: replace(model, **changes)

    other = ragged(Interactions(np.array([0]), np.array([0]), np.ones(1, np.float32), 2, 4))
    for call, message in (
        (changed(learned=model.factors._replace(items=jnp.ones((3, 5)))), "learned.items: 5 columns, but users have 2"),
        (changed(learned=(1, 2)), "learned: a tuple is neither Factors nor a scorer"),
        (changed(user_vocabulary=["ann", "bob"]), "user_vocabulary: a list is not what is needed"),
        (changed(seen=other), "seen: has 2 users and 4 items, but the model has 2 and 3"),
        (changed(rating_range=(5.0, 1.0)), r"rating_range: \(5.0, 1.0\) falls; pass \(lowest, highest\)"),
        (changed(rating_range=(1.0, np.nan)), "rating_range: nan is not a finite number"),
        (changed(rating_range=3.0), r"rating_range: shape \(\) is not \(2,\)"),
        (changed(manifest="v1"), "manifest: a str is not what is needed; pass a dict"),
        (lambda: fit([1], [2], [3.0], "als"), "learn: 'als' is no function"),
        (
            lambda: fit([1], [2], [3.0], lambda pairs: pairs),
            "learn: returned a Interactions",
        ),
        (lambda: Vocabulary(np.array([2, 1])), "raw: the raw ids are not sorted and distinct"),
        (lambda: Vocabulary(np.array([1.0])), r"raw: float64\[1\] is no list of integers or strings"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_models_and_their_parts_print_in_a_line(model):
    assert repr(model) == "Model(2 users, 3 items, dim 2)"
    assert repr(model.item_vocabulary) == "Vocabulary(3 ids, int64)"
    assert repr(model.seen) == "Ragged(offsets int32[3], ids int32[3], 3 columns, longest 2)"


def test_a_model_predicts_the_same_under_x64(model):
    with jax.enable_x64(True):
        assert model.predict("ann", 20) == pytest.approx(truth("ann", 20))
        assert model.recommend("bob", k=3)[0].tolist() == [300]
