"""Sweeps of ALS over data, numbers of factors, sizes of chunks and solvers, beside the bytes that each must read."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.accelerator.ledger import Ledger, seconds
from experiments.benchmark.timing import once
from mfjax import als, histories
from mfjax.als import footprint
from mfjax.data import synthetic
from mfjax.histories import Histories
from mfjax.types import Interactions

SECTION = "als"
SIZES = {
    "ml-100k": (943, 1_447, 55_375),
    "ml-1m": (6_040, 3_706, 1_000_209),
    "ml-20m": (138_493, 26_744, 20_000_263),
}
"""Users, items and interactions of the data that is made up."""
TINY = {"ml-100k": (60, 50, 600), "ml-1m": (80, 60, 900), "ml-20m": (120, 90, 1500)}


class Variant(NamedTuple):
    """One kind of sweep; `chunk` None is the default of `histories.build`."""

    data: str
    dim: int
    chunk: int | None = None
    settings: Mapping[str, Any] = MappingProxyType({})

    @property
    def name(self) -> str:
        more = [f"{name}={value}" for name, value in self.settings.items()]
        return " ".join([f"sweep {self.data} d={self.dim}", f"chunks of {self.chunk or 'the default'}", *more])


BFLOAT16, CHOLESKY = {"gathered_dtype": "bfloat16"}, {"solver": "cholesky"}
VARIANTS = (
    Variant("ml-1m", 64),
    Variant("ml-20m", 256),
    Variant("ml-1m", 128),
    Variant("ml-1m", 256),
    Variant("ml-20m", 64),
    Variant("ml-20m", 256, settings=BFLOAT16),
    Variant("ml-1m", 64, 1 << 16, CHOLESKY),
    Variant("ml-1m", 64, 1 << 16),
    Variant("ml-1m", 64, 4096),
    Variant("ml-20m", 256, 1 << 22),
    Variant("ml-20m", 256, 4096),
)
"""The goals first: what the time does not suffice for is left out."""


@functools.lru_cache(maxsize=2)
def interactions(sizes: tuple[int, int, int]) -> Interactions:
    """Return made-up interactions of these sizes."""
    return synthetic.power_law(0, num_users=sizes[0], num_items=sizes[1], num_interactions=sizes[2])


@functools.lru_cache(maxsize=1)
def _built(sizes: tuple[int, int, int], chunk: int | None) -> tuple[Histories, float]:
    begin = time.perf_counter()
    data = histories.build(interactions(sizes), **({} if chunk is None else {"chunk_entries": chunk}))
    jax.block_until_ready(data)
    return data, time.perf_counter() - begin


def measure(ledger: Ledger, *, tiny: bool, most: int | None = None) -> None:
    """Time the variants, the first `most` of them, in the order of their data and chunks."""
    for variant in VARIANTS[:most]:
        if tiny:
            variant = variant._replace(dim=8, chunk=variant.chunk and 64)
        needs = 1 if tiny else 35 if variant.data == "ml-20m" else 10
        ledger.attempt(SECTION, variant.name, partial(_time, ledger, variant), needs=needs)


def _time(ledger: Ledger, variant: Variant) -> None:
    sizes = ledger.sizes[variant.data]
    data, taken_to_build = _built(sizes, variant.chunk)
    config = als.Config(dim=variant.dim, **variant.settings)
    state = als.init(jax.random.key(0), config, num_users=sizes[0], num_items=sizes[1])

    def fit(steps: int) -> als.State:
        return als.fit(jax.random.key(0), data, config, num_steps=steps, state=state)

    first = once(lambda: fit(1))
    few = seconds(lambda: fit(1), repeats=3, most=2.0)
    steps = 3 if few > 0.3 else 20
    taken = max(seconds(lambda: fit(1 + steps), repeats=3, most=2.0) - few, 1e-9) / steps
    # Every entry's id and row of the other side, read once a half-step.
    number = 2 if variant.settings == BFLOAT16 else 4
    floor = 2 * sizes[2] * (number * variant.dim + 4) / ledger.rates["bandwidth"]
    one, other = fit(2), fit(2)
    memory = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
    ledger.add(
        SECTION,
        variant.name,
        ms=1e3 * taken,
        floor_ms=1e3 * floor,
        chunks=sum(block.entries.shape[0] for side in (data.users, data.items) for block in side.blocks),
        same_bits_again=bool(jnp.all(one.items == other.items)),
        first_s=first,
        build_s=taken_to_build,
        foretold_GB=footprint.of(data, dim=variant.dim).total / 1e9,
        peak_GB=memory / 1e9,
    )
