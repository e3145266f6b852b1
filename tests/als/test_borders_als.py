"""Borders of alternating least squares, by drawn arguments.

Every call gives what slow numpy gives, or a ValueError raised by this project. What is wrong with an argument is asked
without computing anything; what is right runs in programs that are compiled once.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from mfjax import als, devices, histories
from mfjax.als import footprint, hypergradients, objectives
from mfjax.devices import by_rows, sharding
from mfjax.types import Interactions
from tests import reference
from tests.drawn import FLOATS, NUMBERS, WHOLES, WRONG, drawn, is_number, is_whole, refused, refused_when_traced

NUM_USERS, NUM_ITEMS, DIM = 5, 4, 2
RNG = np.random.default_rng(0)
USERS, ITEMS = (ids.astype(np.int32) for ids in np.nonzero(RNG.random((NUM_USERS, NUM_ITEMS)) < 0.6))
PAIRS = Interactions(USERS, ITEMS, RNG.integers(-2, 4, len(USERS)).astype(np.float32), NUM_USERS, NUM_ITEMS)
DATA = histories.build(PAIRS, width=2, chunk_entries=8)
CONFIG = als.Config(dim=DIM, solver="cholesky", reg=0.5)


def key() -> jax.Array:
    """A new one every time: what was drawn with is used up."""
    return jax.random.key(0)


STATE = als.State(*(jnp.asarray(RNG.normal(size=(n, DIM)), jnp.float32) for n in (NUM_USERS, NUM_ITEMS)), jnp.int32(0))
MESH = devices.mesh(1)
SPREAD = devices.MapOverDevices(MESH)
PLACED, BY_ROWS = by_rows.place(DATA, MESH)
STORED = by_rows.scatter(STATE, BY_ROWS)

step, loss, fold_in = jax.jit(als.step), jax.jit(als.loss), jax.jit(als.fold_in)

NAMES = ("reg", "reg_exponent", "bias_reg", "relaxation", "init_scale")


def paths(config, state=STATE, data=DATA, **options):
    """Return every call that reads a config, a state and histories, by name."""
    return {
        "step": lambda: als.step(state, data, config, **options),
        "loss": lambda: als.loss(state, data, config),
        "fit": lambda: als.fit(key(), data, config, state=state, **options),
        "half_step": lambda: als.half_step(state.users, state.items, data.users, config, by="user", **options),
        "fold_in": lambda: als.fold_in(data.users, als.factors(state, config), config, item_counts=data.items.counts),
        "factors": lambda: als.factors(state, config),
        "algorithm": lambda: als.algorithm(data, config).step(key(), state),
    }


def all_refused(calls) -> set[bool]:
    return {refused_when_traced(call) for call in calls.values()}


def check_paths(config, good: bool, path: str) -> None:
    """A wrong config is refused on every path; a right one is followed on one, for that takes time."""
    calls = paths(config)
    assert all_refused({path: calls[path]} if good else calls) == {not good}


def scalar(value) -> bool:
    return is_number(value) and np.shape(value) == ()


def in_range(name: str, number: float) -> bool:
    if name == "relaxation":
        return 0 < number < 2
    return name in ("reg_exponent", "popularity_exponent", "offset") or number >= 0


# Configs

VALUES = st.one_of(NUMBERS, NUMBERS, st.sampled_from([jnp.ones(3), jnp.ones(DIM), [0.5], np.ones(()), np.array([0.5])]))


PATHS = st.sampled_from(sorted(paths(CONFIG)))


def good_number(name: str, value) -> bool:
    plain = not isinstance(value, (list, str)) and np.shape(value) == () and is_number(value)
    return plain and in_range(name, float(value))


@pytest.mark.slow
@drawn(st.sampled_from(NAMES), VALUES, PATHS, examples=150)
def test_numbers_of_a_config_on_every_path(name, value, path):
    config = replace(CONFIG, **{name: value})
    check_paths(config, good_number(name, value), path)
    init = lambda: als.init(key(), config, num_users=2, num_items=2)  # noqa: E731
    assert refused_when_traced(init) == (not good_number(name, value))


@pytest.mark.slow
@drawn(st.sampled_from(["unobserved_weight", "popularity_exponent", "offset"]), VALUES, PATHS, examples=100)
def test_numbers_of_an_objective_on_every_path(name, value, path):
    objective = objectives.Objective(entry=objectives.explicit().entry, **{name: value})
    check_paths(replace(CONFIG, objective=objective), good_number(name, value), path)


STATIC = {
    "dim": lambda value: is_whole(value),
    "cg_steps": lambda value: is_whole(value),
    "cg_tolerance": lambda value: value is None or (scalar(value) and 0 < value < 1),
    "biases": lambda value: value is True or value is False,
    "solver": lambda value: value in ("cholesky", "conjugate_gradient"),
    "gathered_dtype": lambda value: value in ("float32", "bfloat16"),
    "derivative": lambda value: value in ("steps", "solution"),
}
WORDS = st.sampled_from(["cholesky", "cg", "float32", "half", "steps", "solution", "", b"steps", 0.5, 1e-3])


@drawn(st.sampled_from(sorted(STATIC)), st.one_of(WORDS, WHOLES, WRONG, st.booleans(), st.floats()), examples=200)
def test_static_fields_of_a_config(name, value):
    assert refused(lambda: als.Config(**{name: value}))[0] == (not STATIC[name](value))


@drawn(st.sampled_from([None, "implicit", objectives.implicit, {}, 3, CONFIG, DATA, STATE]), examples=10)
def test_what_is_no_objective_and_no_config(value):
    if value is not CONFIG:
        assert all_refused(paths(value)) == {True}
        assert refused(lambda: als.init(key(), value, num_users=2, num_items=2))[0]
    assert all_refused(paths(replace(CONFIG, objective=value))) == {True}


REG = st.floats(0.125, 4, width=32)


@pytest.mark.slow
@drawn(st.sampled_from(["explicit", "zeros_observed", "implicit", "ials"]), REG, st.floats(0, 2, width=32), examples=60)
def test_good_numbers_give_the_loops(name, reg, exponent):
    options = {"implicit": {"alpha": 3.0}, "ials": {"unobserved_weight": 0.2}}.get(name, {})
    config = replace(CONFIG, objective=objectives.OBJECTIVES[name](**options), reg=reg, reg_exponent=exponent)
    a, q, c, w0 = reference.quadratic_entry(name, PAIRS.values, PAIRS.item_counts()[ITEMS], **options)
    users, items = np.ones(NUM_USERS), np.ones(NUM_ITEMS)
    columns, new = np.asarray(STATE.items), step(STATE, DATA, config)[0]
    args = PAIRS.values, columns, a, q, w0, items, users, reg, exponent
    expected = reference.als_half_step(USERS, ITEMS, *args)
    np.testing.assert_allclose(new.users, expected, rtol=1e-3, atol=1e-4)
    folded = fold_in(DATA.users, als.factors(STATE, config), config, item_counts=DATA.items.counts)
    np.testing.assert_allclose(folded, expected, rtol=1e-3, atol=1e-4)
    args = np.asarray(new.users), np.asarray(new.items), a, q, c, w0, items, reg, exponent
    expected_loss = reference.als_loss(USERS, ITEMS, PAIRS.values, *args)
    np.testing.assert_allclose(loss(new, DATA, config), expected_loss, rtol=1e-3, atol=1e-4)


# States and histories

FEW = STATE.users[:3]
TABLES = st.sampled_from(
    [
        STATE.users,
        np.asarray(STATE.users),
        np.asarray(STATE.users, np.float64),
        FEW,
        STATE.users[:, :1],
        STATE.users[0],
        STATE.users.astype(jnp.bfloat16),
        STATE.users.astype(jnp.float16),
        STATE.users.astype(jnp.int32),
        np.asarray(STATE.users).tolist(),
        STATE.users.astype(jnp.complex64),
        None,
        "users",
        jnp.float32(1),
    ]
)
STEPS = st.sampled_from([jnp.int32(0), 0, 3, np.int64(2), -1, 0.5, jnp.float32(1), "x", None, jnp.zeros(2, int), True])


def good_table(table) -> bool:
    return getattr(table, "shape", None) == (NUM_USERS, DIM) and table.dtype in (np.float32, np.float64)


@pytest.mark.slow
@drawn(TABLES, STEPS, examples=150)
def test_states_of_every_kind(users, number):
    state = als.State(users, STATE.items, number)
    whole = not isinstance(number, (str, bool)) and number is not None
    whole = whole and np.shape(number) == () and jnp.asarray(number).dtype == jnp.int32 and number >= 0
    calls = paths(CONFIG, state)
    of_states = [calls[name] for name in ("step", "loss", "fit", "algorithm")]
    assert {refused_when_traced(call) for call in of_states} == {not (good_table(users) and whole)}
    # Without histories any number of rows will do.
    fits = good_table(users) or users is FEW
    assert refused_when_traced(calls["factors"]) == (not (fits and whole))
    assert refused_when_traced(calls["half_step"]) == (not good_table(users))


@drawn(st.sampled_from([PAIRS, None, DATA.users, [DATA], PAIRS.values, "data", histories.ragged(PAIRS)]), examples=10)
def test_what_are_no_histories(data):
    for call in (
        lambda: als.step(STATE, data, CONFIG),
        lambda: als.loss(STATE, data, CONFIG),
        lambda: als.fit(key(), data, CONFIG),
        lambda: als.algorithm(data, CONFIG),
        lambda: sharding.place(data, MESH),
        lambda: by_rows.place(data, MESH),
        lambda: by_rows.scatter(data, BY_ROWS),
        lambda: by_rows.gather(data, BY_ROWS),
        lambda: footprint.of(data, dim=2),
        lambda: hypergradients.factors(STATE, {}, data, config_of=lambda _: CONFIG, num_steps=1),
    ):
        assert refused(call)[0]
    if data is not DATA.users:
        assert refused(lambda: als.half_step(STATE.users, STATE.items, data, CONFIG, by="user"))[0]
        assert refused(lambda: als.fold_in(data, als.factors(STATE, CONFIG), CONFIG, item_counts=DATA.items.counts))[0]


def test_the_remedies_are_told():
    other = als.init(key(), replace(CONFIG, dim=3), num_users=NUM_USERS, num_items=NUM_ITEMS)
    few = histories.build(replace(PAIRS, num_items=NUM_ITEMS + 1))
    for call, message in (
        (lambda: als.fit(key(), PAIRS, CONFIG), r"data: a Interactions is not what is needed; pass histories\.build"),
        (lambda: als.step(other, DATA, CONFIG), r"state\.users: shape \(5, 3\) is not \(5, 2\); pass a state that was"),
        (lambda: als.fit(key(), few, CONFIG, state=STATE), r"state\.items: shape \(4, 2\) is not \(5, 2\)"),
        (lambda: als.fit(0, DATA, CONFIG), r"key: 0 is not a PRNG key; pass such as jax\.random\.key\(0\)"),
        (lambda: als.fit(key(), DATA, CONFIG, num_steps=-1), "num_steps: -1 is not a whole number of at least 0"),
        (
            lambda: als.fold_in(few.users, als.factors(STATE, CONFIG), CONFIG, item_counts=few.items.counts),
            "side: its histories are of 5 items, the model has 4; build them with the item ids",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()


COUNTS = st.one_of(
    st.lists(st.one_of(FLOATS, st.floats(0, 9)), min_size=3, max_size=5).flatmap(
        lambda numbers: st.sampled_from([numbers, np.array(numbers), jnp.asarray(numbers, jnp.float32)])
    ),
    st.sampled_from([None, "ab", ["a"] * 4, np.ones(4, int), np.ones((4, 1)), [1.0, 2, 3, 4], np.ones(4, bool)]),
)


@drawn(COUNTS, examples=150)
def test_counts_of_fold_in(counts):
    call = lambda: als.fold_in(DATA.users, als.factors(STATE, CONFIG), CONFIG, item_counts=counts)  # noqa: E731
    array = np.asarray(counts) if counts is not None else np.zeros(0)
    good = array.shape == (4,) and array.dtype.kind in "iuf" and np.isfinite(array).all() and (array >= 0).all()
    assert refused_when_traced(call) == (not good)
    if good:
        exact = jnp.asarray(array, jnp.float32)
        found = fold_in(DATA.users, als.factors(STATE, CONFIG), CONFIG, item_counts=exact)
        expected = fold_in(DATA.users, als.factors(STATE, CONFIG), CONFIG, item_counts=DATA.items.counts)
        np.testing.assert_allclose(found, expected, rtol=1e-5)  # ials weighs all items alike


# The other arguments

MAPS = st.sampled_from([als.map_on_one_device, SPREAD, BY_ROWS, MESH, None, "map", 3])


@drawn(MAPS, examples=20)
def test_maps_of_chunks(map_chunks):
    good = map_chunks in (als.map_on_one_device, SPREAD)
    calls = paths(CONFIG, map_chunks=map_chunks)
    assert {refused_when_traced(calls[name]) for name in ("step", "half_step", "fit")} == {not good}
    shared = lambda: als.step(STORED, PLACED, CONFIG, map_chunks=map_chunks, storage=BY_ROWS)  # noqa: E731
    assert refused_when_traced(shared) == (map_chunks is not SPREAD)


STORAGES = st.sampled_from([als.WHOLE_TABLES, BY_ROWS, als.Storage, type(BY_ROWS), DATA, MESH, None, "rows", 3])


@drawn(STORAGES, examples=20)
def test_storages(storage):
    for state, data, fits in ((STATE, DATA, als.WHOLE_TABLES), (STORED, PLACED, BY_ROWS)):
        calls = paths(CONFIG, state, data, map_chunks=SPREAD, storage=storage)
        found = {name: refused_when_traced(calls[name]) for name in ("step", "half_step", "fit")}
        assert set(found.values()) == {storage is not fits}
    good = storage is als.WHOLE_TABLES or storage is BY_ROWS
    assert refused(lambda: footprint.of(DATA, dim=2, storage=storage))[0] == (not good)
    if storage is not BY_ROWS:
        assert refused(lambda: by_rows.gather(STORED, storage))[0]
        assert refused(lambda: by_rows.scatter(STATE, storage))[0]


def test_a_storage_says_what_it_lacks():
    few = histories.build(replace(PAIRS, num_items=NUM_ITEMS + 1))
    plain = {"map_chunks": SPREAD}
    stored = plain | {"storage": BY_ROWS}
    for call, message in (
        (
            lambda: als.step(STORED, PLACED, CONFIG, **plain),
            r"state\.users: shape .* with the storage of by_rows\.place",
        ),
        (lambda: als.loss(STORED, PLACED, CONFIG), r"state\.users: shape .* with the storage of by_rows"),
        (
            lambda: als.step(STATE, PLACED, CONFIG, **stored),
            r"state\.users: shape .* with the storage of by_rows\.place",
        ),
        (
            lambda: als.step(STORED, few, CONFIG, **stored),
            "storage: was made for histories of 5 rows and 4 columns",
        ),
        (
            lambda: als.step(STORED, PLACED, CONFIG, storage=BY_ROWS),
            "map_chunks: tables stored by rows",
        ),
        (
            lambda: als.fit(key(), PLACED, CONFIG, storage=PLACED),
            "storage: a Histories is not what is needed",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_tables_by_rows_are_always_told_from_whole_ones():
    ids = np.array([0, 1], np.int32)
    data = histories.build(Interactions(ids, ids, np.ones(2, np.float32), 2, 2))
    assert data.users.blocks[0].row_mask.all()
    placed, storage = by_rows.place(data, MESH)
    state = als.fit(key(), placed, CONFIG, map_chunks=SPREAD, storage=storage, num_steps=2)
    assert state.users.shape == (3, DIM)
    assert by_rows.gather(state, storage).users.shape == (2, DIM)


@drawn(st.one_of(st.sampled_from(["user", "item", "users", "", None, b"user", 0, jnp.ones(2)]), WRONG), examples=60)
def test_names_of_sides(by):
    half = lambda: als.half_step(STATE.users, STATE.items, DATA.users, CONFIG, by=by)  # noqa: E731
    assert refused_when_traced(half) == (not (isinstance(by, str) and by in ("user", "item")))


@drawn(st.one_of(st.booleans(), NUMBERS, st.sampled_from([jnp.array(True), np.bool_(False), jnp.ones(2, bool)])))
def test_whether_a_step_is_measured(measured):
    good = isinstance(measured, (bool, np.bool_)) or getattr(measured, "dtype", None) == np.bool_
    good = good and np.shape(measured) == ()
    assert refused_when_traced(lambda: als.step(STATE, DATA, CONFIG, measured=measured)) == (not good)


KEYS = st.sampled_from(
    [
        lambda: 0,
        lambda: None,
        lambda: "key",
        lambda: np.uint32(3),
        lambda: jnp.zeros(3),
        key,
        lambda: jax.random.PRNGKey(0),
        lambda: jax.random.split(key()),
        lambda: jnp.zeros((3, 2), jnp.uint32),
    ]
)


@drawn(KEYS, WHOLES, WHOLES, examples=150)
def test_init(make, num_users, num_items):
    key = make()
    good = isinstance(key, jax.Array) and key.dtype != jnp.float32 and key.ndim == (key.dtype == jnp.uint32)
    good = good and is_whole(num_users) and is_whole(num_items)
    assert refused_when_traced(lambda: als.init(key, CONFIG, num_users=num_users, num_items=num_items)) == (not good)


@drawn(WHOLES, st.one_of(st.none(), WRONG), examples=80)
def test_fit(num_steps, on_step):
    good = is_whole(num_steps, 0) and (on_step is None or callable(on_step))
    if good and on_step is not None:
        return
    wrong, found = refused(lambda: als.fit(key(), DATA, CONFIG, state=STATE, num_steps=num_steps, on_step=on_step))
    assert wrong == (not good)
    if good:
        assert int(found.step) == num_steps


@pytest.mark.slow
def test_fit_within_programs_of_the_callers():
    plain = als.fit(key(), DATA, CONFIG, num_steps=3)
    fitted = lambda key, data, reg: als.fit(key, data, replace(CONFIG, reg=reg), num_steps=3)  # noqa: E731
    for found in (
        jax.jit(fitted)(key(), DATA, 0.5),
        jax.jit(lambda: fitted(key(), DATA, 0.5))(),
        jax.tree.map(lambda table: table[0], jax.vmap(lambda reg: fitted(key(), DATA, reg))(jnp.array([0.5, 1.0]))),
    ):
        np.testing.assert_allclose(found.items, plain.items, rtol=1e-5, atol=1e-6)
    slope = jax.grad(lambda reg: jnp.sum(fitted(key(), DATA, reg).items ** 2))(0.5)
    ends = [float(jnp.sum(fitted(key(), DATA, reg).items ** 2)) for reg in (0.51, 0.49)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 0.02, rtol=1e-2)
    with pytest.raises(ValueError, match="on_step: called on the host"):
        jax.jit(lambda: als.fit(key(), DATA, CONFIG, on_step=print))()
    with pytest.raises(ValueError, match="state: tables that are shared out by rows start outside jit"):
        jax.jit(lambda: als.fit(key(), PLACED, CONFIG, map_chunks=SPREAD, storage=BY_ROWS))()


# Objectives

OPTIONS = {
    ("implicit", "alpha"): lambda number: number >= 0,
    ("implicit", "epsilon"): lambda number: number > 0,
    ("ials", "unobserved_weight"): lambda number: number >= 0,
    ("ials", "popularity_exponent"): lambda number: True,
    ("explicit", "offset"): lambda number: True,
    ("popularity_weighted", "base"): lambda number: number >= 0,
    ("popularity_weighted", "scale"): lambda number: number >= 0,
    ("popularity_weighted", "offset"): lambda number: True,
    ("popularity_weighted", "exponent"): lambda number: True,
}


@drawn(st.sampled_from(sorted(OPTIONS)), NUMBERS, examples=200)
def test_options_of_objectives(option, value):
    (name, argument), fits = option, OPTIONS[option]
    good = scalar(value) and fits(float(value)) if not isinstance(value, (str, list)) else False
    if argument == "exponent" and value is None:
        good = True
    assert refused(lambda: objectives.OBJECTIVES[name](**{argument: value}))[0] == (not good)


@pytest.mark.parametrize(
    "objective",
    [
        objectives.implicit(alpha=jnp.ones(2)),
        objectives.implicit(confidence="log", epsilon=jnp.ones(2)),
        objectives.implicit(confidence="value", alpha=jnp.ones(2)),
        objectives.popularity_weighted(base=jnp.ones(2)),
        objectives.popularity_weighted(exponent=jnp.ones(2)),
    ],
)
def test_numbers_for_many_objectives_are_refused_by_one(objective):
    """As many as a segment has entries: they would be laid along the values."""
    config = replace(CONFIG, objective=objective)
    assert refused_when_traced(lambda: als.step(STATE, DATA, config))


ENTRIES = {
    "right": lambda values, counts: objectives.Entry(jnp.ones_like(values), values, values**2),
    "numbers": lambda values, counts: objectives.Entry(1.0, values, 0.0),
    "tuple": lambda values, counts: (values, values, values),
    "one": lambda values, counts: values,
    "none": lambda values, counts: None,
    "summed": lambda values, counts: objectives.Entry(values.sum(0), values, values),
    "words": lambda values, counts: objectives.Entry("1", values, values),
    "nothing": lambda values, counts: objectives.Entry(None, values, values),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_plain_function_is_an_objective(name):
    config = replace(CONFIG, objective=objectives.Objective(entry=ENTRIES[name]))
    calls = paths(config)
    read = {refused_when_traced(calls[path]) for path in ("step", "loss", "fit", "half_step", "fold_in", "algorithm")}
    assert read == {name not in ("right", "numbers")}
    if name in ("right", "numbers"):
        found = step(STATE, DATA, config)[0]
        expected = step(STATE, DATA, replace(CONFIG, objective=objectives.explicit()))[0]
        np.testing.assert_allclose(found.items, expected.items, rtol=1e-5)


@drawn(WRONG, examples=20)
def test_what_is_no_entry(entry):
    if not callable(entry):
        config = replace(CONFIG, objective=objectives.Objective(entry=entry))
        assert all_refused(paths(config)) == {True}


# Devices and memory


@drawn(st.one_of(st.none(), WHOLES, WRONG), examples=60)
def test_meshes(num_devices):
    count = len(jax.devices())
    good = num_devices is None or bool(is_whole(num_devices, 1, count))
    wrong, found = refused(lambda: devices.mesh(num_devices))
    assert wrong == (not good)
    assert wrong or found.size == (num_devices or count)


@drawn(st.one_of(WRONG, st.sampled_from([1, jax.make_mesh((1,), ("x",)), MESH.devices])), examples=20)
def test_what_is_no_mesh(mesh):
    for call in (
        lambda: devices.MapOverDevices(mesh),
        lambda: sharding.place(DATA, mesh),
        lambda: by_rows.place(DATA, mesh),
    ):
        assert refused(call)[0]


def test_histories_that_are_placed_already_stay_as_they_are():
    jax.tree.map(np.testing.assert_array_equal, sharding.place(PLACED, MESH), PLACED)
    jax.tree.map(np.testing.assert_array_equal, by_rows.place(PLACED, MESH), (PLACED, BY_ROWS))


@drawn(TABLES, STEPS, st.booleans(), examples=100)
def test_states_that_are_stored_by_rows(users, number, gathered):
    state = als.State(users, STORED.items if gathered else STATE.items, number)
    whole = not isinstance(number, (str, bool)) and number is not None
    whole = whole and np.shape(number) == () and jnp.asarray(number).dtype == jnp.int32 and number >= 0
    floating = good_table(users) or getattr(users, "dtype", None) in (jnp.bfloat16, jnp.float16)
    floating = floating and users.shape == (len(STORED.users) if gathered else NUM_USERS, DIM)
    call = by_rows.gather if gathered else by_rows.scatter
    wrong, found = refused(lambda: call(state, BY_ROWS))
    assert wrong == (not (floating and whole))
    if not wrong and not gathered:
        np.testing.assert_array_equal(by_rows.gather(found, BY_ROWS).users, np.asarray(users, found.users.dtype))


SIZES = ("num_users", "num_items", "num_interactions", "dim", "num_devices", "width", "chunk_entries")


@drawn(st.sampled_from((*SIZES, "by_rows", "one_value")), st.one_of(WHOLES, WRONG, st.booleans()), examples=200)
def test_expected_footprints(name, value):
    sizes = {"num_users": 3, "num_items": 3, "num_interactions": 5, "dim": 2} | {name: value}
    least, most = (0, 2**62) if name == "num_interactions" else (1, 2**31 - 1)
    good = is_whole(value, least, most) if name in SIZES else value is True or value is False
    good = good or (name == "chunk_entries" and value is None)
    wrong, found = refused(lambda: footprint.expected(**sizes))
    assert wrong == (not good)
    assert wrong or all(isinstance(number, int) and number >= 0 for number in found)


@drawn(WHOLES, st.one_of(st.none(), NUMBERS), examples=60)
def test_footprints_of_histories(dim, available):
    wrong, found = refused(lambda: footprint.of(DATA, dim=dim))
    assert wrong == (not is_whole(dim))
    needed = footprint.Footprint(3, 2, 1) if wrong else found
    fits = available is None or (scalar(available) and float(available) >= needed.total)
    assert refused(lambda: footprint.check(needed, available))[0] == (not fits)
    assert refused(lambda: footprint.check(dim, available))[0]


# Derivatives through all steps


@drawn(st.sampled_from(["steps", "fixed_point", "time", "", None, 1]), WHOLES, examples=100)
def test_hypergradients(through, num_steps):
    good = isinstance(through, str) and through in hypergradients.THROUGH and is_whole(num_steps, 0)
    factors = lambda: hypergradients.factors(  # noqa: E731
        STATE, 0.5, DATA, config_of=lambda reg: replace(CONFIG, reg=reg), num_steps=num_steps, through=through
    )
    assert refused_when_traced(factors) == (not good)


@drawn(st.sampled_from(["unrolled", "fixed_point"]), WHOLES, st.one_of(st.none(), WRONG), examples=100)
def test_repeated_steps(name, num_steps, step):
    if callable(step):
        return
    halve = lambda state, hyper, data: 0.5 * state + hyper  # noqa: E731
    taken = halve if step is None else step
    method = getattr(hypergradients, name)
    wrong, found = refused(lambda: method(taken, jnp.float32(0), jnp.float32(1), None, num_steps=num_steps))
    assert wrong == (step is not None or not is_whole(num_steps, 0))
    assert wrong or float(found) == 2 - 2 * 0.5**num_steps


@pytest.mark.parametrize("start", [None, STATE.users, (STATE.users, STATE.items)])
@pytest.mark.parametrize("config_of", [None, CONFIG, lambda hyper: "config"])
def test_arguments_of_hypergradients_of_another_kind(start, config_of):
    options = {"config_of": lambda hyper: CONFIG, "num_steps": 1}
    assert refused(lambda: hypergradients.factors(start, 0.5, DATA, **options))[0]
    options["config_of"] = config_of
    assert refused(lambda: hypergradients.factors(STATE, 0.5, DATA, **options))[0]
