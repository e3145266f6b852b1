"""ALS against loops, against its own gradient, and against its invariances."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from mfjax import als, histories
from mfjax.als import objectives
from mfjax.data import datasets
from mfjax.types import Interactions
from tests import reference

NUM_USERS, NUM_ITEMS, DIM = 17, 11, 4

OBJECTIVES = {
    "explicit": (objectives.explicit(), {}),
    "zeros_observed": (objectives.zeros_observed(), {}),
    "implicit": (objectives.implicit(alpha=3.0), {"alpha": 3.0}),
    "ials": (objectives.ials(unobserved_weight=0.2), {"unobserved_weight": 0.2}),
    "popularity_weighted": (objectives.popularity_weighted(base=0.3, scale=2.0), {"base": 0.3, "scale": 2.0}),
}


# Library functions are not jitted; under jit a test compiles each of them once per objective.
step, loss, fold_in = jax.jit(als.step), jax.jit(als.loss), jax.jit(als.fold_in)
half_step = jax.jit(als.half_step, static_argnames="by")


def ragged_pairs(seed: int = 0, share: float = 0.4) -> Interactions:
    """Random ratings 1..5; the last user and the last item have none."""
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((NUM_USERS - 1, NUM_ITEMS - 1)) < share)
    order = rng.permutation(len(users))
    users, items = users[order].astype(np.int32), items[order].astype(np.int32)
    values = rng.integers(1, 6, len(users)).astype(np.float32)
    return Interactions(users, items, values, NUM_USERS, NUM_ITEMS)


def config_of(name: str, **options) -> als.Config:
    options = {"solver": "cholesky", "reg": 0.1, "init_scale": 1.0, "dim": DIM} | options
    return als.Config(objective=OBJECTIVES[name][0], **options)


def start(config: als.Config, seed: int = 0) -> als.State:
    return als.init(jax.random.key(seed), config, num_users=NUM_USERS, num_items=NUM_ITEMS)


@pytest.fixture(scope="module")
def pairs() -> Interactions:
    return ragged_pairs()


@pytest.fixture(scope="module")
def data(pairs) -> histories.Histories:
    # Small chunks and segments, so that both sides have several of each.
    return histories.build(pairs, chunk_entries=16, width=2)


@pytest.mark.parametrize("reg_exponent", [0.0, 1.0])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_step_and_loss_equal_the_loops(name, reg_exponent, pairs, data):
    config = config_of(name, reg_exponent=reg_exponent)
    state = start(config)
    a, q, c, w0 = reference.quadratic_entry(name, pairs.values, pairs.item_counts()[pairs.items], **OBJECTIVES[name][1])
    ones_users, ones_items = np.ones(NUM_USERS), np.ones(NUM_ITEMS)
    common = (a, q, w0)
    users = reference.als_half_step(
        pairs.users, pairs.items, pairs.values, np.asarray(state.items), *common, ones_items, ones_users,
        0.1, reg_exponent,
    )  # fmt: skip
    items = reference.als_half_step(
        pairs.items, pairs.users, pairs.values, users, *common, ones_users, ones_items, 0.1, reg_exponent
    )
    after, info = step(state, data, config)
    np.testing.assert_allclose(after.users, users, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(after.items, items, rtol=1e-4, atol=1e-4)
    assert int(info.num_nonfinite) == 0
    expected = reference.als_loss(
        pairs.users, pairs.items, pairs.values, users, items, a, q, c, w0, ones_items, 0.1, reg_exponent
    )
    np.testing.assert_allclose(loss(after, data, config), expected, rtol=1e-4)


def test_popularity_weighted_background_equals_the_loops(pairs, data):
    objective = objectives.ials(unobserved_weight=0.2, popularity_exponent=0.5)
    config = als.Config(objective=objective, solver="cholesky", reg=0.1, dim=DIM, init_scale=1.0)
    weights = np.maximum(pairs.item_counts(), 1) ** 0.5
    weights = weights / weights.mean()
    state, ones = start(config), np.ones(len(pairs))
    items = reference.als_half_step(
        pairs.items, pairs.users, pairs.values, np.asarray(state.users), ones, ones, 0.2,
        np.ones(NUM_USERS), weights, 0.1, 1.0,
    )  # fmt: skip
    after = half_step(state.items, state.users, data.items, config, by="item")
    np.testing.assert_allclose(after, items, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "biases"), [("explicit", True), ("zeros_observed", False), ("implicit", False), ("ials", True)]
)
def test_gradient_is_zero_after_a_half_step(name, biases, data):
    config = config_of(name, biases=biases, bias_reg=0.2)
    state = start(config)

    def loss_of_users(users):
        return loss(state._replace(users=users), data, config)

    gradient_of_users = jax.jit(jax.grad(loss_of_users))
    before = gradient_of_users(state.users)
    solved = half_step(state.users, state.items, data.users, config, by="user")
    gradient = gradient_of_users(solved)
    if biases:
        assert np.all(np.asarray(solved[:, 1]) == 1.0)
        gradient, before = gradient.at[:, 1].set(0.0), before.at[:, 1].set(0.0)
    assert float(jnp.max(jnp.abs(gradient))) < 1e-4 * float(jnp.max(jnp.abs(before)))


@pytest.mark.parametrize(
    ("name", "solver"),
    [("explicit", "cholesky"), ("zeros_observed", "conjugate_gradient"), ("implicit", "cholesky"),
     ("ials", "conjugate_gradient"), ("popularity_weighted", "conjugate_gradient")],
)  # fmt: skip
def test_loss_never_rises(name, solver, data):
    config = config_of(name, solver=solver, biases=name in ("explicit", "popularity_weighted"))

    def scanned(state, _):
        state, _ = step(state, data, config)
        return state, loss(state, data, config)

    losses = jax.lax.scan(scanned, start(config), length=12)[1]
    assert np.all(np.diff(losses) <= 1e-5 * np.abs(losses[:-1]))


def test_relaxation_never_raises_the_loss_and_gets_there_in_half_the_steps(data):
    def losses(relaxation):
        config = config_of("ials", solver="cholesky", reg=0.01, relaxation=relaxation)

        def scanned(state, _):
            state, _ = step(state, data, config)
            return state, loss(state, data, config)

        return np.asarray(jax.lax.scan(scanned, start(config), length=24)[1])

    plain, relaxed = losses(1.0), losses(1.7)
    assert np.all(np.diff(relaxed) <= 1e-5 * np.abs(relaxed[:-1]))
    assert relaxed[12] < plain[24 - 1]
    np.testing.assert_array_equal(relaxed[0], plain[0])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_conjugate_gradient_to_tolerance_equals_cholesky(name, data):
    exact = config_of(name)
    iterative = replace(exact, solver="conjugate_gradient", cg_steps=40, cg_tolerance=1e-7)
    state = start(exact)
    np.testing.assert_allclose(
        step(state, data, iterative)[0].items, step(state, data, exact)[0].items, rtol=1e-3, atol=1e-4
    )


def test_two_warm_steps_in_the_eigenbasis_track_the_exact_solve(data):
    exact = config_of("ials")
    iterative = replace(exact, solver="conjugate_gradient", cg_steps=2)
    states = [start(exact), start(exact)]
    for _ in range(5):
        states = [step(s, data, c)[0] for s, c in zip(states, (exact, iterative), strict=True)]
    losses = [float(loss(s, data, exact)) for s in states]
    assert losses[1] <= losses[0] * 1.001


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_three_warm_steps_do_the_work_of_an_exact_solve_on_movielens_1m(data_dir):
    if not (data_dir / "ml-1m" / "ratings.dat").is_file():
        pytest.skip(f"no ml-1m in {data_dir}")
    data = histories.build(datasets.load("ml-1m", data_dir).interactions.with_values(1.0))
    iterative = als.Config(objective=objectives.implicit(alpha=9.0), reg=10.0, reg_exponent=0.0, dim=32, cg_steps=3)
    losses: dict[str, list[float]] = {}
    for config in (iterative, replace(iterative, solver="cholesky")):
        state = als.fit(jax.random.key(0), data, config, num_steps=0)
        losses[config.solver] = []
        for _ in range(3):
            state = als.fit(jax.random.key(0), data, config, num_steps=1, state=state)
            losses[config.solver].append(float(loss(state, data, config)))
    ratios = np.array(losses["conjugate_gradient"]) / np.array(losses["cholesky"])
    assert np.all(np.abs(ratios - 1) < 1e-3)


def test_factors_gathered_in_half_the_bytes_fit_nearly_as_well(data):
    exact = config_of("ials")
    halved = replace(exact, gathered_dtype="bfloat16")
    states = [start(exact), start(exact)]
    for _ in range(5):
        states = [step(s, data, c)[0] for s, c in zip(states, (exact, halved), strict=True)]
    assert states[1].users.dtype == states[0].users.dtype
    assert np.any(states[0].users != states[1].users)
    np.testing.assert_allclose(float(loss(states[1], data, exact)), float(loss(states[0], data, exact)), rtol=1e-2)


def test_item_permutation_permutes_items(pairs, data):
    config = config_of("implicit")
    state = start(config)
    order = np.random.default_rng(3).permutation(NUM_ITEMS)
    moved = replace(pairs, items=np.argsort(order)[pairs.items].astype(np.int32))
    there = step(state._replace(items=state.items[order]), histories.build(moved), config)[0]
    here = step(state, data, config)[0]
    np.testing.assert_allclose(there.items, here.items[order], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(there.users, here.users, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"chunk_entries": 1000}, {"chunk_entries": 8, "width": 3, "multiple_of": 3}])
def test_padding_and_layout_change_nothing(options, pairs, data):
    """The second layout has histories too long for a common chunk."""
    config = config_of("ials")
    here, there = (step(start(config), d, config)[0] for d in (data, histories.build(pairs, **options)))
    np.testing.assert_allclose(here.items, there.items, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "biases"), [("implicit", False), ("popularity_weighted", True)])
def test_fold_in_of_a_training_user_returns_its_row(name, biases, pairs, data):
    config = config_of(name, biases=biases)
    state = step(start(config), data, config)[0]
    rows = half_step(state.users, state.items, data.users, config, by="user")
    folded = fold_in(histories.side(pairs), als.factors(state, config), config, item_counts=data.items.counts)
    np.testing.assert_allclose(folded, rows, rtol=1e-4, atol=1e-5)
    few = pairs.select(pairs.users < 3)
    some = fold_in(histories.side(few), als.factors(state, config), config, item_counts=data.items.counts)
    np.testing.assert_allclose(some[:3], rows[:3], rtol=1e-4, atol=1e-5)


def test_one_trace_while_reg_and_data_change(pairs, data):
    traces = []

    @jax.jit
    def counted(state, data, config):
        traces.append(1)
        return als.step(state, data, config)[0]

    config = config_of("ials")
    state = start(config)
    counted(state, data, config)
    other = replace(config, reg=0.7, objective=objectives.ials(unobserved_weight=0.9))
    counted(state, histories.build(replace(pairs, values=pairs.values + 1), chunk_entries=16, width=2), other)
    assert len(traces) == 1


@pytest.mark.parametrize("solver", als.SOLVERS)
def test_vmap_over_reg_and_keys_equals_single_runs(solver, data):
    def run(key, reg, alpha):
        config = config_of("ials", solver=solver, reg=reg)
        config = replace(config, objective=objectives.implicit(alpha=alpha))
        state = als.init(key, config, num_users=NUM_USERS, num_items=NUM_ITEMS)
        return step(state, data, config)[0].items

    def keys():
        return jax.random.split(jax.random.key(1), 3)

    regs, alphas = jnp.array([0.1, 1.0, 5.0]), jnp.array([1.0, 2.0, 3.0])
    together = jax.jit(jax.vmap(run))(keys(), regs, alphas)
    single = jax.jit(run)
    for index in range(3):
        alone = single(keys()[index], regs[index], alphas[index])
        np.testing.assert_allclose(together[index], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_gradient_with_respect_to_reg_equals_finite_differences(data):
    @jax.jit
    def after(log_reg):
        config = config_of("ials", reg=jnp.exp(log_reg))
        state = step(start(config), data, config)[0]
        return loss(state, data, config_of("ials", reg=0.05))

    slope = float(jax.grad(after)(-2.0))
    ahead, behind = float(after(-2.0 + 0.01)), float(after(-2.0 - 0.01))
    np.testing.assert_allclose(slope, (ahead - behind) / 0.02, rtol=2e-2)


def test_planted_low_rank_ratings_are_recovered():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 40))
    users, items = np.nonzero(rng.random(truth.shape) < 0.7)
    pairs = Interactions(users.astype(np.int32), items.astype(np.int32), truth[users, items].astype(np.float32), 60, 40)
    config = als.Config(
        objective=objectives.explicit(), reg=1e-4, reg_exponent=0.0, dim=3, solver="cholesky", init_scale=1.0
    )
    model = als.factors(als.fit(jax.random.key(0), histories.build(pairs), config, num_steps=40), config)
    assert np.sqrt(np.mean((np.asarray(model.users @ model.items.T) - truth) ** 2)) < 0.02


def test_equal_to_the_library_implicit_from_the_same_start(pairs, data):
    peer_als = pytest.importorskip("implicit.cpu.als", reason="the library implicit is in the extra `peers`")
    threadpoolctl = pytest.importorskip("threadpoolctl")
    config = als.Config(
        objective=objectives.implicit(alpha=2.0, confidence="value"),
        reg=0.3, reg_exponent=0.0, dim=DIM, solver="cholesky", init_scale=1.0,
    )  # fmt: skip
    state = start(config)
    matrix = scipy.sparse.csr_matrix((2.0 * pairs.values, (pairs.users, pairs.items)), (NUM_USERS, NUM_ITEMS))
    with threadpoolctl.threadpool_limits(1, "blas"):
        peer = peer_als.AlternatingLeastSquares(
            factors=DIM, regularization=0.3, alpha=1.0, iterations=5, use_cg=False, num_threads=1
        )
        peer.user_factors, peer.item_factors = np.array(state.users), np.array(state.items)
        peer.fit(matrix, show_progress=False)
    ours = als.fit(jax.random.key(0), data, config, num_steps=5, state=state)
    np.testing.assert_allclose(ours.users @ ours.items.T, peer.user_factors @ peer.item_factors.T, atol=1e-3)


def test_ials_equals_implicit_rescaled(pairs, data):
    """Observed pairs with both terms: C = 1 + 1/w0 and reg / w0 give (1 + w0) times the scores' target."""
    w0, reg = 0.25, 0.1
    ours = als.Config(
        objective=objectives.ials(unobserved_weight=w0), reg=reg, reg_exponent=0.0, dim=DIM, solver="cholesky"
    )
    theirs = replace(ours, objective=objectives.implicit(alpha=1 / w0), reg=reg / w0)
    state, ones = start(ours), histories.build(replace(pairs, values=np.ones_like(pairs.values)))
    one = half_step(state.users, state.items, ones.users, ours, by="user")
    other = half_step(state.users, state.items, ones.users, theirs, by="user")
    np.testing.assert_allclose(other, (1 + w0) * one, rtol=1e-4, atol=1e-6)


def test_unregularised_short_histories_are_reported(data):
    config = config_of("explicit", reg=0.0, dim=8)
    with pytest.raises(ValueError, match=r"reg: 0\.0 leaves \d+ rows without a finite solution; raise reg"):
        als.fit(jax.random.key(0), data, config, num_steps=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reg": -1.0}, r"reg: -1\.0 is not a finite number of at least 0"),
        ({"reg": np.float32(-1)}, r"reg: -1\.0 is not a finite number of at least 0"),
        ({"reg": jnp.array([0.1, -0.5])}, r"reg: -0\.5 is not a finite number of at least 0"),
        ({"relaxation": np.float32(2.5)}, r"relaxation: 2\.5 is not a finite number above 0 and below 2"),
        ({"reg": float("nan")}, r"reg: nan is not a finite number"),
        ({"reg": "much"}, r"reg: 'much' is not a finite number"),
        ({"dim": 0}, r"dim: 0 is not a whole number of at least 1"),
        ({"dim": 8.0}, r"dim: 8\.0 is not a whole number of at least 1"),
        ({"solver": "cg"}, r"solver: 'cg' is unknown; pass 'conjugate_gradient' or 'cholesky'"),
        ({"gathered_dtype": "half"}, r"gathered_dtype: 'half' is unknown; pass 'float32' or 'bfloat16'"),
        ({"derivative": "exact"}, r"derivative: 'exact' is unknown; pass 'steps' or 'solution'"),
        ({"cg_steps": 0}, r"cg_steps: 0 is not a whole number of at least 1"),
        ({"cg_tolerance": -1.0}, r"cg_tolerance: -1\.0 is not a finite number above 0 and below 1"),
        ({"biases": 1}, r"biases: 1 is unknown; pass False or True"),
        ({"objective": "implicit"}, r"objective: a str is not what is needed; pass such as objectives\.implicit"),
        (
            {"objective": objectives.Objective(entry=objectives.ials().entry, unobserved_weight=-0.1)},
            r"unobserved_weight: -0\.1 is not a finite number of at least 0",
        ),
    ],
)
def test_bad_configs_are_refused_on_every_path(options, message, data):
    good = als.Config(dim=2)
    state = start(good)
    paths = (
        lambda config: als.fit(jax.random.key(0), data, config),
        lambda config: als.fit(jax.random.key(0), data, config, state=state),
        lambda config: als.step(state, data, config),
        lambda config: als.loss(state, data, config),
        lambda config: als.fold_in(data.users, als.factors(state, config), config, item_counts=data.items.counts),
        lambda config: als.half_step(state.users, state.items, data.users, config, by="user"),
    )
    for path in paths:
        with pytest.raises(ValueError, match=message):
            path(replace(good, **options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": "square"}, "confidence: 'square' is unknown; pass 'linear', 'log' or 'value'"),
        ({"alpha": -1.0}, r"alpha: -1\.0 is not a finite number of at least 0"),
        ({"confidence": "log", "epsilon": 0.0}, r"epsilon: 0\.0 is not a finite number above 0"),
    ],
)
def test_bad_options_of_implicit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        objectives.implicit(**options)


@pytest.mark.slow
def test_many_models_at_once_do_not_deadlock():
    """Several batched LAPACK calls in flight hang a small CPU; see `mfjax.factorisations`."""
    script = """
import jax, numpy as np
from mfjax import als, histories
from mfjax.types import Interactions
rng = np.random.default_rng(0)
users, items = (rng.integers(0, 300, 20000).astype(np.int32) for _ in range(2))
data = histories.build(Interactions(users, items, np.ones(20000, np.float32), 300, 300), chunk_entries=512)
config = als.Config(solver="cholesky", dim=16)
run = lambda key: als.step(als.init(key, config, num_users=300, num_items=300), data, config)[0].items.sum()
jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), 8)).block_until_ready()
print("done")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "done"
