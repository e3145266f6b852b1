"""Defaults that follow from the data: the background of iALS, and how hard the negatives of bpr-hard are."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfjax.histories import ragged
from mfjax.studies import MODELS, Task, by_gradients
from mfjax.types import Interactions
from tests.studies.made_up import pairs


def of_density(users: int, items: int, each: int) -> Interactions:
    rng = np.random.default_rng(0)
    taken = np.concatenate([rng.permutation(items)[:each] for _ in range(users)])
    return Interactions(
        np.repeat(np.arange(users), each).astype(np.int32), taken.astype(np.int32), np.ones(users * each, np.float32),
        users + 7, items,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("items", "each", "draws"),
    [(4000, 2, 512), (1000, 2, 400), (1000, 20, 40), (100, 20, 16), (100, 100, 16)],
)
def test_the_denser_the_data_the_fewer_draws_the_hardest_are_of(items, each, draws):
    # 16 / (20 density) between 16 and 512; users without a row do not count.
    assert by_gradients.hard_draws(ragged(of_density(30, items, each)), 16) == draws


def test_few_draws_are_of_each_example_and_many_are_shared():
    parameters = MODELS["bpr-hard"].defaults
    sparse, dense = (ragged(of_density(30, 4000, each)) for each in (2, 900))
    assert by_gradients.hard_sampler(parameters, sparse).width == 512
    own = by_gradients.hard_sampler(parameters, dense)
    assert own.width == 16 <= by_gradients.MOST_OWN
    assert by_gradients.hard_sampler({**parameters, "draws": 100, "kept": 4}, dense).width == 100
    # More are kept than are asked for: all of them are drawn.
    assert by_gradients.hard_sampler({**parameters, "draws": 2, "kept": 4}, dense).width == 4


@pytest.mark.parametrize(
    ("items", "given", "weight"),
    [(3000, 0.0, 0.1), (100, 0.0, 0.3), (50_000, 0.0, 0.01), (3000, 0.07, 0.07)],
)
def test_the_background_of_ials_follows_from_the_catalogue_unless_it_is_given(items, given, weight):
    model, part = MODELS["ials"], pairs()
    task = Task.of_all(Interactions(part.users, part.items, part.values, part.num_users, items))
    config = model.config(model.parameters({"unobserved_weight": given}), task)
    wanted = model.config(model.parameters({"unobserved_weight": weight}), task)
    assert jax.tree.leaves(config) == pytest.approx(jax.tree.leaves(wanted))
    assert weight in [pytest.approx(leaf) for leaf in jax.tree.leaves(config)]
