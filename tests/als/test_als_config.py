"""Numbers of a config and its objective must be finite in the dtype of the tables, not only in Python's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfjax import als, histories
from mfjax.als import objectives
from mfjax.als.conjugate_gradient import conjugate_gradient
from mfjax.types import Interactions

DATA = histories.build(Interactions(np.array([0, 1]), np.array([0, 1]), np.ones(2, np.float32), 2, 2))


@pytest.mark.parametrize(
    "name", ["reg", "bias_reg", "init_scale", "reg_exponent", "unobserved_weight", "popularity_exponent", "offset"]
)
def test_numbers_that_are_infinite_in_float32_are_refused(key, name):
    of_objective = name in ("unobserved_weight", "popularity_exponent", "offset")
    entry = objectives.ials().entry
    options = {"objective": als.objectives.Objective(entry=entry, **{name: 1e39})} if of_objective else {name: 1e39}
    config = als.Config(dim=2, **options)
    start = als.init(key, als.Config(dim=2), num_users=2, num_items=2)
    with pytest.raises(ValueError, match=rf"^{name}: 1e\+39 is infinite in float32; pass a smaller number$"):
        als.step(start, DATA, config)
    with pytest.raises(ValueError, match=rf"^{name}: "):
        als.fit(jax.random.key(0), DATA, config, num_steps=1)


@pytest.mark.parametrize(("make", "name"), [(objectives.implicit, "alpha"), (objectives.popularity_weighted, "base")])
def test_options_of_objectives_that_are_infinite_in_float32_are_refused(make, name):
    with pytest.raises(ValueError, match=rf"^{name}: -?1e\+39 is infinite in float32"):
        make(**{name: 1e39})


def test_a_derivative_of_another_name_is_refused():
    with pytest.raises(ValueError, match="derivative: 'exact' is unknown; pass 'steps' or 'solution'"):
        conjugate_gradient(None, derivative="exact")


def test_the_dtype_of_the_tables_decides(key):
    with jax.enable_x64(True):
        data = histories.build(Interactions(np.array([0, 1]), np.array([0, 1]), np.ones(2, np.float32), 2, 2))
        config = als.Config(dim=2, reg=1e39)
        start = als.State(jnp.ones((2, 2)), jnp.ones((2, 2)), jnp.int32(0))
        state, _ = als.step(start, data, config)
        assert bool(jnp.isfinite(state.users).all())
        narrow = als.State(start.users.astype(jnp.float32), start.items.astype(jnp.float32), start.step)
        with pytest.raises(ValueError, match=r"^reg: 1e\+39 is infinite in float32"):
            als.step(narrow, data, config)
