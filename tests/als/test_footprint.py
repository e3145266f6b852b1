"""mfjax.als.footprint: what the compiler says a step needs, foretold."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from mfjax import als, compilation, histories
from mfjax.als import footprint
from mfjax.data import synthetic


@pytest.mark.parametrize(("num_users", "num_items"), [(2000, 500), (300, 4000)])
def test_the_estimate_is_above_what_the_program_takes_and_near_it(num_users, num_items):
    pairs = synthetic.power_law(0, num_users=num_users, num_items=num_items, num_interactions=20_000)
    data, config = histories.build(pairs, chunk_entries=512, width=32), als.Config(dim=32)
    state = als.init(jax.random.key(0), config, num_users=num_users, num_items=num_items)
    as_fit = {"donate_argnames": "state", "compiler_options": compilation.options(frugal=True)}
    taken = jax.jit(als.step, **as_fit).lower(state, data, config).compile().memory_analysis()
    needed = taken.temp_size_in_bytes + taken.argument_size_in_bytes
    # Of what is returned only the diagnostics are new: the tables are those that were given.
    assert taken.output_size_in_bytes - taken.alias_size_in_bytes < 100
    assert needed <= footprint.of(data, dim=32).total <= 2 * needed
    foretold = footprint.expected(num_users, num_items, len(pairs), dim=32, chunk_entries=512, one_value=True)
    assert 0.7 < foretold.histories / footprint.of(data, dim=32).histories < 1.4


def test_more_devices_share_the_histories_only():
    one, eight = (footprint.expected(1000, 1000, 10**6, dim=8, num_devices=count) for count in (1, 8))
    assert eight.histories == one.histories // 8
    assert eight.tables == one.tables


def test_a_fit_that_would_not_fit_is_refused_before_it_allocates(monkeypatch):
    monkeypatch.setattr(footprint, "limit", lambda: 10_000)
    pairs = synthetic.power_law(0, num_users=30, num_items=20, num_interactions=100)
    with pytest.raises(ValueError, match=r"dim: a fit needs .* GiB on each device .* lower dim or the chunk_entries"):
        als.fit(jax.random.key(0), histories.build(pairs), als.Config(dim=64))
    assert footprint.limit() == 10_000


def test_the_limit_of_this_machine():
    found = footprint.limit()
    assert found is None or found > 2**28


def test_cholesky_has_a_matrix_for_every_segment_and_row_of_a_chunk():
    pairs = synthetic.power_law(0, num_users=30, num_items=20, num_interactions=100)
    data = histories.build(pairs)
    gathered, exact = (footprint.of(data, dim=16, solver=solver).work for solver in als.SOLVERS)
    sizes = [block.owners.shape[1] + block.rows.shape[1] for side in (data.users, data.items) for block in side.blocks]
    assert exact - gathered == 8 * 16 * 16 * max(sizes)
    more = [footprint.expected(30, 20, 100, dim=16, solver=solver).work for solver in als.SOLVERS]
    assert more[1] > more[0]


def test_a_gpu_never_writes_the_gathered_rows(monkeypatch):
    sizes = {"num_users": 138_493, "num_items": 26_744, "num_interactions": 20_000_263, "dim": 256}
    monkeypatch.setattr(compilation, "platform", lambda *values: "gpu")
    whole = footprint.expected(**sizes)
    # The program of a half-step takes 0.74 GB beside tables and histories.
    assert 0.7e9 < whole.work < 1.4e9
    assert footprint.expected(**sizes, solver="cholesky").work > 100e9
    assert footprint.expected(**sizes, solver="cholesky", chunk_entries=1 << 16).work < 2e10


def test_weights_that_differ_take_four_bytes_an_entry():
    plain = synthetic.power_law(0, num_users=300, num_items=200, num_interactions=20_000)
    ones, differ = (replace(plain, weights=column) for column in (np.ones(len(plain)), np.arange(len(plain))))
    held = [footprint.of(histories.build(pairs, chunk_entries=512), dim=8).histories for pairs in (plain, ones, differ)]
    foretold = [
        footprint.expected(300, 200, len(plain), dim=8, chunk_entries=512, one_value=True, weighted=weighted).histories
        for weighted in (False, False, True)
    ]
    assert held[1] - held[0] < 0.01 * held[0]
    assert foretold[2] == 2 * foretold[0]
    for one, other in zip(held, foretold, strict=True):
        assert 0.7 < other / one < 1.4
    with pytest.raises(ValueError, match="weighted: 1 is unknown; pass"):
        footprint.expected(300, 200, 20_000, dim=8, weighted=1)
