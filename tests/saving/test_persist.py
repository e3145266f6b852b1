"""Saved models predict the same bits; checkpoints resume the same run."""

import subprocess
import sys
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import recommend, saving
from mfjax.recommend.model import fit
from mfjax.saving import trees
from mfjax.types import Factors


def learn(interactions) -> Factors:
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    users, items = interactions.num_users, interactions.num_items
    return Factors(draw(users, 3), draw(items, 3), None, draw(items), jnp.float32(3.5))


@pytest.fixture(scope="module")
def model() -> recommend.Model:
    users, items = ["ann", "ann", "bob", "cyd"], [40, 10, 10, 30]
    return fit(
        users, items, [5, 3, 4, 1], learn, objective="ials", config={"reg": jnp.float32(0.5)}, manifest={"key": 7}
    )


def test_a_model_comes_back_the_same(tmp_path, model):
    saving.save(tmp_path / "model", model)
    loaded = saving.load(tmp_path / "model")
    assert loaded.factors.user_biases is None
    for old, new in zip(
        jax.tree.leaves((model.factors, model.seen)), jax.tree.leaves((loaded.factors, loaded.seen)), strict=True
    ):
        assert old.dtype == new.dtype
        assert np.asarray(old).tobytes() == np.asarray(new).tobytes()
    assert loaded.user_vocabulary.raw.tolist() == ["ann", "bob", "cyd"]
    assert loaded.item_vocabulary.raw.tolist() == [10, 30, 40]
    assert (loaded.objective, loaded.config, loaded.manifest) == ("ials", {"reg": 0.5}, {"key": 7})
    assert loaded.rating_range == (1, 5)
    assert loaded.predict("ann", 30) == model.predict("ann", 30)
    for old, new in zip(model.recommend("ann"), loaded.recommend("ann"), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_fresh_process_predicts_the_same_bits(tmp_path, model):
    saving.save(tmp_path / "model", model)
    script = (
        "import sys; from mfjax import saving; "
        "print(saving.load(sys.argv[1]).predict_batch(['ann', 'cyd'], [30, 40]).values.tobytes().hex())"
    )
    output = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model")], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert output.strip() == model.predict_batch(["ann", "cyd"], [30, 40]).values.tobytes().hex()


def test_a_thousand_damaged_models_are_refused_with_a_message(tmp_path, model):
    path = tmp_path / "model"
    saving.save(path, model)
    data = path.read_bytes()
    rng = np.random.default_rng(1)
    for trial in range(1000):
        if trial % 3 == 0:
            damaged = data[: rng.integers(len(data))]
        else:
            damaged = bytearray(data)
            for place in rng.choice(len(data), size=trial % 3, replace=False):
                damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model: .*(save|load)"):
            saving.load(path)


def tree() -> dict:
    return {
        "table": jnp.arange(6, dtype=jnp.float32).reshape(2, 3),
        "half": jnp.array([1.5], jnp.bfloat16),
        "keys": jax.random.split(jax.random.key(3), 4),
        "rbg": jax.random.key(5, impl="rbg"),
        "host": np.arange(3.0),
        "step": 7,
        "rate": 0.1,
        "none": None,
        "factors": Factors(jnp.zeros((2, 0)), jnp.ones((1, 2)), offset=jnp.float32(2)),
    }


def test_a_tree_comes_back_leaf_by_leaf(tmp_path):
    saving.save_tree(tmp_path / "tree", tree())
    loaded = saving.load_tree(tmp_path / "tree", tree())
    assert jax.tree.structure(loaded) == jax.tree.structure(tree())
    for old, new in zip(jax.tree.leaves(tree()), jax.tree.leaves(loaded), strict=True):
        assert type(old) is type(new)
        if isinstance(old, jax.Array) and jax.dtypes.issubdtype(old.dtype, jax.dtypes.prng_key):
            assert old.dtype == new.dtype
            old, new = jax.random.key_data(old), jax.random.key_data(new)
        assert np.asarray(old).tobytes() == np.asarray(new).tobytes()


def test_shapes_alone_are_a_template(tmp_path):
    def make() -> dict:
        return {"key": jax.random.key(3), "table": jnp.ones((2, 3))}

    saving.save_tree(tmp_path / "tree", make())
    loaded = saving.load_tree(tmp_path / "tree", jax.eval_shape(make))
    assert jax.random.uniform(loaded["key"]) == jax.random.uniform(jax.random.key(3))
    np.testing.assert_array_equal(loaded["table"], 1)


def test_a_resumed_run_equals_an_undisturbed_one(tmp_path):
    @jax.jit
    def step(state):
        key, table, count = state
        noise = jax.random.normal(jax.random.fold_in(key, count), table.shape)
        return key, jnp.tanh(table + 0.1 * noise), count + 1

    def run(state, num_steps: int):
        for _ in range(num_steps):
            state = step(state)
        return state

    def start():
        return jax.random.key(0), jnp.zeros((5, 2)), jnp.int32(0)

    saving.save_tree(tmp_path / "checkpoint", run(start(), 3))
    resumed = run(saving.load_tree(tmp_path / "checkpoint", start()), 4)
    np.testing.assert_array_equal(resumed[1], run(start(), 7)[1])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"a": jnp.zeros(3, jnp.float32), "b": jnp.zeros(1)}, r"leaf \"\['b'\]\" is not in the file"),
        ({}, r"leaf \"\['a'\]\" is only in the file"),
        ({"a": jnp.zeros(4, jnp.float32)}, r"leaf \"\['a'\]\" of .*tree is float32\[4\], saved was float32\[3\]"),
        ({"a": jnp.zeros(3, jnp.int32)}, r"is int32\[3\], saved was float32\[3\]"),
        ({"a": 1.0}, r"is float64\[\], saved was float32\[3\]"),
        ({"a": jax.random.key(0)}, r"is key<fry>\[\], saved was float32\[3\]"),
    ],
)
def test_another_template_is_refused_by_name(tmp_path, template, message):
    saving.save_tree(tmp_path / "tree", {"a": jnp.zeros(3, jnp.float32)})
    with pytest.raises(ValueError, match=message):
        saving.load_tree(tmp_path / "tree", template)


def test_kinds_are_not_mixed_up(tmp_path, model):
    saving.save(tmp_path / "model", model)
    saving.save_tree(tmp_path / "tree", {})
    with pytest.raises(ValueError, match=r"holds a model, not a tree; read it with saving.load"):
        saving.load_tree(tmp_path / "model", {})
    with pytest.raises(ValueError, match=r"holds a tree, not a model; read it with saving.load_tree"):
        saving.load(tmp_path / "tree")


@pytest.mark.skipif(jax.config.read("jax_enable_x64"), reason="nothing is cut")
def test_float64_is_not_cut_in_silence(tmp_path):
    saving.save_tree(tmp_path / "tree", {"a": np.zeros(2)})
    with pytest.raises(ValueError, match="saved as float64, which JAX would cut; set jax_enable_x64"):
        saving.load_tree(tmp_path / "tree", {"a": jax.ShapeDtypeStruct((2,), np.float64)})


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Settings:
    reg: float | jax.Array
    names: tuple[str, ...]
    fn: jax.tree_util.Partial


def test_settings_become_json():
    settings = Settings(reg=jnp.array([0.5, 1.0]), names=("a", "b"), fn=jax.tree_util.Partial(learn, np.float32(2)))
    assert trees.plain({"settings": settings, 3: None}) == {
        "settings": {
            "reg": [0.5, 1.0],
            "names": ["a", "b"],
            "fn": {"function": "learn", "args": [2.0], "keywords": {}},
        },
        "3": None,
    }
